"""What is done about exports, imports and plans can be done through both doors (decisions R34, section 9.3)."""

from __future__ import annotations

from typing import Any

import pytest

from resolvers.api import API
from rest_compat.installhub import OPERATIONS
from rest_compat.wishes import OptionsBody

HUB = "/api/installhub"
BY_ROUTE = {(operation.method, operation.path): operation for operation in OPERATIONS}

#: each mutation, and the requests that do the same
TWINS = {
    "exportPackage": [("POST", f"{HUB}/packages/export")],
    "planImport": [("POST", f"{HUB}/plans")],
    "importPackage": [("POST", f"{HUB}/packages/import")],
    "resolveConflicts": [
        ("POST", f"{HUB}/packages/{{importId}}/resume"),
        ("POST", f"{HUB}/packages/import/{{importId}}/resume"),
    ],
    "cancelImport": [("POST", f"{HUB}/imports/{{importId}}/cancel")],
    "retryImport": [("POST", f"{HUB}/imports/{{importId}}/retry")],
}
#: administration of tenants and artifacts is GraphQL's and the command line's alone (R34)
WITHOUT_TWIN = {"createTenant", "updateTenant", "changeArtifacts"}

#: what is asked, and where
ASKED = {
    "exportPreview": ("POST", f"{HUB}/packages/preview"),
    "exportedPackage": ("GET", f"{HUB}/packages/{{packageId}}"),
    "importJob": ("GET", f"{HUB}/imports/{{importId}}"),
    "importJobs": ("GET", f"{HUB}/imports"),
    "installedPackages": ("GET", f"{HUB}/installed"),
    "plan": ("GET", f"{HUB}/plans/{{planId}}"),
}
#: things of GraphQL's own: identity, tenants, the caller
ASKED_HERE_ONLY = {"node", "nodes", "tenant", "viewer"}

#: an import's options: GraphQL's word for REST's
OPTIONS = {
    "defaultStrategy": "defaultConflictStrategy",
    "strategyByType": "conflictStrategyOverrides",
    "mergeFallback": "mergeFallbackStrategy",
}
#: REST says with an option what GraphQL says with its input or its mutation; the last one is another name
SAID_OTHERWISE = {"targetTenantId", "dryRun", "conflictStrategy"}
#: a list's filter: GraphQL's word for REST's
FILTER = {
    "tenantIds": "tenantId",
    "states": "status",
    "kinds": "kind",
    "submittedBy": "importedBy",
    "since": "fromDate",
    "until": "toDate",
}


def fields(type_name: str) -> set[str]:
    kind: Any = API._schema.type_map[type_name]
    return set(kind.fields)


def test_every_mutation_about_packages_has_a_twin_at_the_other_door():
    assert fields("Mutation") - WITHOUT_TWIN == set(TWINS)
    assert [route for routes in TWINS.values() for route in routes if route not in BY_ROUTE] == []


def test_every_request_that_does_something_has_a_mutation():
    done = {route for route in BY_ROUTE if route[0] != "GET"}
    twins = {route for routes in TWINS.values() for route in routes}

    # a file is sent over REST, whoever imports it; a preview does nothing
    assert done - twins == {("POST", f"{HUB}/uploads"), ASKED["exportPreview"]}


def test_every_query_about_packages_has_a_route():
    assert fields("Query") - ASKED_HERE_ONLY == set(ASKED)
    assert [route for route in ASKED.values() if route not in BY_ROUTE] == []


@pytest.mark.parametrize("subscription", ["importProgress", "importChanges"])
def test_what_can_be_watched_is_told_by_routes_too(subscription):
    routes = {"importProgress": f"{HUB}/imports/{{importId}}/events", "importChanges": f"{HUB}/imports"}

    assert fields("Subscription") == set(routes)
    assert ("GET", routes[subscription]) in BY_ROUTE


def test_both_doors_take_the_same_options():
    here = {OPTIONS.get(name, name) for name in fields("ImportOptionsInput")}
    there = {field.alias or name for name, field in OptionsBody.model_fields.items()}

    assert here == there - SAID_OTHERWISE


def test_both_doors_filter_imports_by_the_same_things():
    here = {FILTER.get(name, name) for name in fields("ImportFilter")}
    there = {parameter.name for parameter in BY_ROUTE["GET", f"{HUB}/imports"].parameters}

    assert here == there - {"page", "pageSize"}


def test_whatever_creates_something_takes_a_key_at_both_doors():
    keyed = {"exportPackage": "ExportPackageInput", "retryImport": "RetryImportInput"}
    keyed |= dict.fromkeys(("planImport", "importPackage"), "ImportRequestInput")

    assert [name for name, input_name in keyed.items() if "idempotencyKey" not in fields(input_name)] == []
    for mutation in keyed:
        names = {parameter.name for route in TWINS[mutation] for parameter in BY_ROUTE[route].parameters}
        assert "Idempotency-Key" in names, mutation
