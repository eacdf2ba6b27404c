"""What is done about exports, imports and plans can be done through both doors (decisions R34, section 9.3)."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import BaseModel

from resolvers.api import API
from rest_compat.installhub import OPERATIONS
from rest_compat.list_shapes import ConflictAuditRow, HistoryRow, TouchRow
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
FILTER = {"tenantIds": "tenantId", "states": "status", "kinds": "kind", "since": "fromDate", "until": "toDate"}

#: what is read, and the field that tells the same
READ = {
    f"{HUB}/packages/history": "Tenant.exportHistory",
    f"{HUB}/packages/{{packageId}}": "Query.exportedPackage",
    f"{HUB}/packages/{{packageId}}/download": "Package.downloadUrl",
    f"{HUB}/plans/{{planId}}": "Query.plan",
    f"{HUB}/plans/{{planId}}/actions": "Plan.actions",
    f"{HUB}/imports": "Query.importJobs",
    f"{HUB}/imports/{{importId}}": "Query.importJob",
    f"{HUB}/imports/{{importId}}/scan-report": "ImportJob.scanReport",
    f"{HUB}/imports/{{importId}}/audit": "ImportJob.audit",
    f"{HUB}/imports/{{importId}}/events": "Subscription.importProgress",
    f"{HUB}/packages/{{importId}}/conflicts": "ImportJob.conflictAudit",
    f"{HUB}/packages/{{importId}}/conflicts/{{conflictId}}/diff": "Conflict.changes",
    f"{HUB}/audit": "Tenant.artifactAudit",
    f"{HUB}/installed": "Query.installedPackages",
    **dict.fromkeys(("/api/processes", "/api/forms", "/api/apps"), "Tenant.artifacts"),
}
#: a conflict's row in the audit: GraphQL's place for REST's member
CONFLICT = {
    "conflictId": "Conflict.key",
    "artifactType": "ArtifactName.artifactType",
    "artifactName": "ArtifactName.name",
    "existingVersion": "Artifact.version",
    "packageVersion": "Conflict.packageVersion",
    "strategyApplied": "Conflict.decided",
    "strategySource": "AuditedConflict.decidedBy",
    "resolvedBy": "AuditedConflict.resolvedBy",
    "resolvedAt": "AuditedConflict.resolvedAt",
    "outcome": "AuditedConflict.outcome",
    "mergeDetails": "AuditedConflict.mergeDetails",
}
#: a line of the export history, and of an artifact's audit, where the words differ
LINE = {"exportId": "key", "packageId": "exportedPackage", "status": "isSuccess", "bundleSize": "sizeBytes"}
TOUCH = {"importId": "importJob", "conflictId": "conflictKey", "strategyApplied": "strategy"}


def fields(type_name: str) -> set[str]:
    kind: Any = API._schema.type_map[type_name]
    return set(kind.fields)


def members(row: type[BaseModel]) -> set[str]:
    return {field.alias or name for name, field in row.model_fields.items()}


def is_there(place: str) -> bool:
    type_name, _, field = place.partition(".")
    return field in fields(type_name)


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


def test_everything_that_routes_tell_is_told_by_fields_too():
    assert {path for method, path in BY_ROUTE if method == "GET"} == set(READ)
    assert [place for place in READ.values() if not is_there(place)] == []


def test_what_became_of_things_is_told_by_both_doors_alike():
    conflict, line, touch = (members(row) for row in (ConflictAuditRow, HistoryRow, TouchRow))

    assert conflict == set(CONFLICT)
    assert [place for place in CONFLICT.values() if not is_there(place)] == []
    assert {LINE.get(name, name) for name in line - {"tenantId"}} == fields("ExportRecord")
    assert {TOUCH.get(name, name) for name in touch} == fields("ArtifactTouch")


@pytest.mark.parametrize("subscription", ["importProgress", "importChanges"])
def test_what_can_be_watched_is_told_by_routes_too(subscription):
    routes = {"importProgress": f"{HUB}/imports/{{importId}}/events", "importChanges": f"{HUB}/imports"}

    assert fields("Subscription") == set(routes)
    assert ("GET", routes[subscription]) in BY_ROUTE


def test_both_doors_take_the_same_options():
    here = {OPTIONS.get(name, name) for name in fields("ImportOptionsInput")}
    there = members(OptionsBody)

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
