"""An id of another tenant is answered as one that nobody has, wherever GraphQL takes one (decisions R21).

The places come from the schema itself: a new argument or input field of type ID has no kind here until somebody says
what it names. (design: security, sections 1 rule 12, 3.5 and 6)
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pytest
import pytest_asyncio
from graphql import (
    GraphQLArgument,
    GraphQLEnumType,
    GraphQLField,
    GraphQLInputField,
    GraphQLInputObjectType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    build_schema,
    get_named_type,
    is_leaf_type,
)

from resolvers.api import API
from tests.doors.belongings import OWNER, STRANGER, belongings, somebody
from tests.doors.inside import ask
from tests.thorough import is_taken
from tests.world import World, a_world

pytestmark = pytest.mark.asyncio(loop_scope="module")
SCHEMA = build_schema(API.as_str())
NOBODYS = "nobody-knows-this"
#: what an id of this name names
BY_NAME = {
    "tenantId": "tenant",
    "tenantIds": "tenant",
    "sourceTenantId": "tenant",
    "targetTenantId": "tenant",
    "importId": "import",
    "planId": "plan",
    "packageId": "package",
    "uploadId": "upload",
    "listingId": "hidden listing",
    "installId": "install",
    "publisherId": "publisher",
    "submissionId": "submission",
    "exceptionId": "exception",
    "reviewId": "review",
    "reportId": "report",
    "webhookId": "webhook",
    "rescanId": "rescan",
    "fixKey": "conflict",
}
#: the same where only the field that takes it says so
BY_PLACE = {
    "node.id": "artifact node",
    "nodes.ids": "artifact node",
    "tenant.id": "tenant",
    "importJob.id": "import",
    "plan.id": "plan",
    "exportedPackage.id": "package",
    "listing.id": "hidden listing",
    "install.id": "install",
    "publisher.id": "publisher",
    "submission.id": "submission",
    "listingTrust.id": "hidden listing",
    "listingAnalytics.id": "hidden listing",
    "publisherDashboard.id": "publisher",
    "scanException.id": "exception",
    "scanException.submissionId": "rejected submission",
    "updateTenant.input.id": "tenant",
    "purgeTenant.input.id": "tenant",
    "markNotificationsRead.input.ids": "notification",
    "revokePublisherKey.input.key": "publisher key",
    "requestScanException.input.submissionId": "rejected submission",
    "decideScanException.input.submissionId": "rejected submission",
    "requestImportScanException.input.importId": "forbidden import",
    "decideImportScanException.input.importId": "forbidden import",
    "decideImportScanException.input.exceptionId": "import exception",
}
#: fields of objects that take one, and how they are reached
NESTED = {
    "Listing.installedVersion": "{ listing(id: $listing) { installedVersion(tenantId: $id) } }",
    "Listing.isSubscribed": "{ listing(id: $listing) { isSubscribed(tenantId: $id) } }",
    "Viewer.notificationChoices": "{ viewer { notificationChoices(tenantId: $id) { kind } } }",
}
#: arguments of type ID that name something inside what the request means already: no tenant, and nothing of it
INSIDE = {"conflictKey", "bindings.key"}


@dataclass(frozen=True)
class Place:
    """Where an id can be said: the way from a field of a root to an argument or to a field of its inputs."""

    root: str
    field: str
    way: tuple[str, ...]

    def __str__(self) -> str:
        return ".".join((self.field, *self.way))

    @property
    def kind(self) -> str:
        return BY_PLACE.get(str(self)) or BY_NAME[self.way[-1]]


def ways(arguments: Mapping[str, GraphQLArgument | GraphQLInputField]) -> Iterator[tuple[str, ...]]:
    for name, argument in arguments.items():
        inner = get_named_type(argument.type)
        if isinstance(inner, GraphQLInputObjectType):
            yield from ((name, *way) for way in ways(inner.fields))
        elif inner.name == "ID":
            yield (name,)


def fields() -> Iterator[tuple[str, str, GraphQLField]]:
    for root, kind in (
        ("query", SCHEMA.query_type),
        ("mutation", SCHEMA.mutation_type),
        ("subscription", SCHEMA.subscription_type),
    ):
        assert kind is not None
        yield from ((root, name, field) for name, field in kind.fields.items())


def places() -> list[Place]:
    found = [Place(root, name, way) for root, name, field in fields() for way in ways(field.args)]
    return [place for place in found if not str(place).endswith(tuple(INSIDE))]


#: fields that must be there though they need not
FILLED = {"ArtifactDecisionInput": ["conflictKey"], "PathDecisionInput": ["conflictKey"]}
#: shown to everybody, once verified
PUBLIC = {"publisher.id"}
#: what answers otherwise to an id that nobody has, and why that tells nothing
ANSWERED_OTHERWISE = {
    # where packages come from: a name, of another installation's tenant as well, that nothing is looked up by
    "bindings.sourceTenantId",
    "saveBindings.input.sourceTenantId",
    # a list without rows
    "importJobs.filter.packageId",
    "rescans.packageId",
    "rescans.importId",
    # what is so afterwards, whatever there was
    "markNotificationsRead.input.ids",
    "unsubscribeFromListing.input.listingId",
}
#: what fills a text whose form is looked at
TEXTS = {
    "version": "1.0.0",
    "url": "http://127.0.0.1:9/hook",
    "website": "https://x.example",
    "contactEmail": "x@x.example",
    "slug": "x",
    "minVersion": "1.0.0",
    "publicKey": "x",
    "hash": "0" * 64,
    "idempotencyKey": "k",
    "confirmation": STRANGER,
}


@dataclass(frozen=True)
class Prober:
    """Says one id in one place, and in every other that must be filled one of the owner's or the caller's tenant."""

    world: World
    theirs: Mapping[str, str]
    tenant: str = STRANGER

    def argument(self, field: str, name: str, type_: Any, way: tuple[str, ...], said: str, at: tuple[str, ...]) -> Any:
        """A value for an argument or input field; ``way`` is what is left of the way to the id."""
        if isinstance(type_, GraphQLNonNull):
            type_ = type_.of_type
        if isinstance(type_, GraphQLList):
            return [self.argument(field, name, type_.of_type, way, said, at)]
        if isinstance(type_, GraphQLInputObjectType):
            return self._input(field, type_, way, said, at)
        if isinstance(type_, GraphQLEnumType):
            return next(iter(type_.values))
        if type_.name == "ID":
            if way == (name,):
                return said
            kind = BY_PLACE.get(".".join((field, *at))) or BY_NAME.get(name, "conflict")
            return self.tenant if kind == "tenant" else self.theirs[kind]
        return {"Int": int(name == "rating"), "Boolean": True, "Float": 0.5}.get(type_.name, TEXTS.get(name, "x"))

    def _input(self, field: str, type_: GraphQLInputObjectType, way: Any, said: str, at: tuple[str, ...]) -> Any:
        inner = way[1:]
        chosen = [name for name, one in type_.fields.items() if isinstance(one.type, GraphQLNonNull)]
        chosen += FILLED.get(type_.name, ())
        if inner and inner[0] not in chosen:
            chosen.append(inner[0])
        elif type_.is_one_of and not chosen:
            chosen.append(next(iter(type_.fields)))
        return {
            name: self.argument(
                field, name, type_.fields[name].type, inner if inner[:1] == (name,) else (), said, (*at, name)
            )
            for name in chosen
        }

    async def ask(self, place: Place, said: str) -> Any:
        root = {"query": SCHEMA.query_type, "mutation": SCHEMA.mutation_type, "subscription": SCHEMA.subscription_type}
        field = root[place.root].fields[place.field]  # type: ignore[union-attr]  # fields() asserts that they are there
        given = {
            name: self.argument(place.field, name, one.type, place.way if place.way[0] == name else (), said, (name,))
            for name, one in field.args.items()
            if isinstance(one.type, GraphQLNonNull) or place.way[0] == name
        }
        told = ", ".join(f"${name}: {field.args[name].type}" for name in given)
        named = ", ".join(f"{name}: ${name}" for name in given)
        query = f"{place.root}({told}) {{ {place.field}({named}) {selected(field)} }}"
        return await self.said(query, given, said)

    async def said(self, query: str, given: Mapping[str, Any], said: str) -> str:
        """The answer as a text, without the id that it says again."""
        accept = "text/event-stream" if query.startswith("subscription") else "application/json"
        headers = {**somebody(self.world, self.tenant), "content-type": "application/json", "accept": accept}
        body = json.dumps({"query": query, "variables": given}).encode()
        async with asyncio.timeout(20):
            answer = await ask(
                self.world, "POST", "/graphql", headers.items(), body, stays=query.startswith("subscription")
            )
        return f"{answer.status} {answer.body.decode()}".replace(json.dumps(said, ensure_ascii=False), '"?"')


def selected(field: GraphQLField) -> str:
    """Enough of a field to tell something from nothing, and why there is nothing."""
    type_ = get_named_type(field.type)
    if is_leaf_type(type_):
        return ""
    inner = ["__typename"]
    if isinstance(type_, GraphQLObjectType):
        if "refusal" in type_.fields:
            inner.append("refusal { __typename code message problems { code place inputPath } }")
        if "nodes" in type_.fields:
            inner.append("nodes { __typename }")
    return f"{{ {' '.join(inner)} }}"


def strange_ids(theirs: Mapping[str, str], kind: str) -> dict[str, str]:
    return {
        "foreign": theirs[kind],
        "another kind's": theirs["package" if kind != "package" else "plan"],
        "malformed": "..\\..\\passwd\r\nX: y",
        "empty": "",
        "very long": "A" * 5000,
    }


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(tmp_path_factory):
    async with a_world(tmp_path_factory.mktemp("world"), allow_private_addresses="127.0.0.0/8") as world:
        yield world


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def theirs(world):
    return await belongings(world)


#: refusals of the form of what was said, which is looked at first
OF_FORM = ("BAD_USER_INPUT", "MISSING_REQUIRED_FIELD", "INVALID_TENANT_ID", "INVALID_OPTIONS", "VALIDATION_FAILED")


async def test_a_foreign_id_is_answered_like_one_that_nobody_has(world, theirs):
    prober, wrong, tried = Prober(world, theirs), {}, 0

    for place in places():
        unknown = await prober.ask(place, NOBODYS)
        for name, said in strange_ids(theirs, place.kind).items():
            tried += 1
            if name != "foreign" and not is_taken(tried, one_of=3):
                continue
            answer = await prober.ask(place, said)
            is_of_form = name != "foreign" and any(f'"code":"{code}"' in answer for code in OF_FORM)
            if answer != unknown and not is_of_form and str(place) not in PUBLIC:
                wrong[f"{place}: {name}"] = (answer, unknown)

    assert tried > 400
    assert wrong == {}


async def test_what_nobody_has_is_nothing_or_not_the_callers(world, theirs):
    """So the test before this one compares answers that were found out, and not complaints about something else."""
    prober = Prober(world, theirs)
    told = re.compile(r'"code":"(NOT_FOUND|TENANT_MISMATCH|INSUFFICIENT_PERMISSION)"|"data":{"\w+":(null|\[null\])}')

    others = {str(place): await prober.ask(place, NOBODYS) for place in places()}

    assert {place: said for place, said in others.items() if not told.search(said)}.keys() == ANSWERED_OTHERWISE


async def test_the_owner_finds_what_a_stranger_does_not(world, theirs):
    owner = Prober(world, theirs, OWNER)

    found = {str(one): await owner.ask(one, theirs[one.kind]) for one in places() if one.root == "query"}

    nothing = {place for place, answer in found.items() if re.search(r'{"\w+":null|"errors"', answer)}
    # nobody asked for a second look, the preview names no artifact, and an unlisted package tells nothing more
    assert nothing == {"manualReview.submissionId", "exportPreview.tenantId", "listingTrust.id"}


async def test_fields_inside_of_others_take_no_foreign_tenant_either(world, theirs):
    prober = Prober(world, theirs)

    for query in NESTED.values():
        given = {"listing": theirs["listing"]} if "$listing" in query else {}
        asked = f"query($id: ID!{', $listing: ID!' if given else ''}) {query}"
        foreign, unknown = [await prober.said(asked, {"id": one, **given}, one) for one in (OWNER, NOBODYS)]
        assert foreign == unknown


async def test_every_id_that_a_field_takes_is_known_here():
    """Who adds one says what it names: BY_NAME, BY_PLACE, INSIDE or NESTED."""
    unknown = [str(place) for place in places() if str(place) not in BY_PLACE and place.way[-1] not in BY_NAME]
    roots = {SCHEMA.query_type, SCHEMA.mutation_type, SCHEMA.subscription_type}
    objects = [one for one in SCHEMA.type_map.values() if isinstance(one, GraphQLObjectType) and one not in roots]
    nested = {f"{one.name}.{name}" for one in objects for name, field in one.fields.items() if tenant_ways(field)}

    assert unknown == []
    assert nested == NESTED.keys()


def tenant_ways(field: GraphQLField) -> list[tuple[str, ...]]:
    """Its ids; where a page begins is none."""
    return [way for way in ways(field.args) if way != ("after",)]
