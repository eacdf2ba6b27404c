"""What a document may cost, and that finding out costs little whatever the document is."""

from __future__ import annotations

import asyncio
import contextlib
import time

import pytest
import pytest_asyncio
from graphql import GraphQLError, get_introspection_query, parse

from resolvers.api import API
from resolvers.limits import LIST_MAX, TooComplexError, checked, measure
from storage.prepared import _remembered
from tests.doors.graphql_world import SAVE, A, Asking
from tests.world import a_world

#: seconds; the slowest of these takes a tenth of it alone on one core
QUICK = 2.0


def doubling(levels: int, leaf: str = "id") -> str:
    """Each fragment contains the next one twice."""
    parts = [f"fragment F{n} on Tenant {{ ...F{n + 1} ...F{n + 1} }}" for n in range(levels)]
    return " ".join(
        ["{ viewer { tenants { nodes { ...F0 } } } }", *parts, f"fragment F{levels} on Tenant {{ {leaf} }}"]
    )


def nested(levels: int) -> str:
    return "{ a " * levels + "}" * levels


COSTLY = {
    "many aliases": "{ " + " ".join(f"a{n}: __typename" for n in range(600)) + " }",
    "thirty-one aliases": "{ " + " ".join(f"a{n}: __typename" for n in range(31)) + " }",
    "aliases by a fragment": "{ ...F ...F ...F ...F } fragment F on Query { "
    + " ".join(f"a{n}: __typename" for n in range(8))
    + " }",
    "twenty doubling fragments": doubling(20),
    "forty doubling fragments": doubling(40),
    "doubling fragments without fields": doubling(40, ""),
    "a fragment that contains itself": "{ ...F } fragment F on Query { ...F }",
    "fragments in a circle": "{ ...F } fragment F on Query { ...G } fragment G on Query { ...F }",
    "an unused circle": "{ __typename } fragment F on Query { ...F }",
    "thirteen levels": nested(13),
    "sixty levels": nested(60),
    "a hundred levels": nested(100),
    "inline fragments in each other": "{ " + "... { " * 100 + "a" + " }" * 101,
    "a chain of fragments": "{ ...F0 } " + " ".join(f"fragment F{n} on Query {{ ...F{n + 1} }}" for n in range(200)),
    "too many fields": "{ " + "a b c d e " * 101 + "}",
    "the same place again and again": "{ " + "__schema { queryType { name } } " * 41 + "}",
    "the same place by fragments": "{ " + "...F " * 41 + "} fragment F on Query { viewer { subject } }",
    "many wide fragments": "{ a } fragment W on Query { " + "a b c d e f g h " * 40 + "}"
    + " ".join(f"fragment F{n} on Query {{ ...W }}" for n in range(100)),
    "a list of more members than one may have": "{ importJobs(filter: {states: ["
    + "A " * 1001
    + "]}) { nodes { id } } }",
    "NUL in a text": '{ node(id: "\\u0000") { id } }',
    "NUL in a text, written short": '{ node(id: "\\u{0}") { id } }',
}  # fmt: skip

FINE = {
    "a fragment for each of twenty fields": "{ viewer { "
    + "...F " * 20
    + "} } fragment F on Viewer { subject email scopes }",
    "twelve levels": "{ importJobs { nodes { sourcePackage { tenant { artifacts { nodes { usedBy { nodes { tenant {"
    " viewerCan tenantPlan } } } } } } } } } }",
    "an unknown fragment": "{ ...Nope }",
    "thirty aliases": "{ " + " ".join(f"a{n}: __typename" for n in range(30)) + " }",
    "introspection": get_introspection_query(input_value_deprecation=True),
}


@pytest.mark.parametrize("text", COSTLY.values(), ids=COSTLY)
def test_a_document_that_costs_too_much_is_refused_quickly(text):
    began = time.perf_counter()
    found = checked(API._schema, text)

    assert [error.extensions for error in found.errors] == [{"code": "QUERY_TOO_COMPLEX"}]
    assert time.perf_counter() - began < QUICK


@pytest.mark.parametrize("text", FINE.values(), ids=FINE)
def test_a_document_within_the_limits_is_measured_and_let_through(text):
    measure(parse(text))

    codes = [error.extensions for error in checked(API._schema, text).errors]
    assert {"code": "QUERY_TOO_COMPLEX"} not in codes


def test_one_alias_more_is_one_too_many():
    def aliases(count):
        return parse("{ " + " ".join(f"a{n}: __typename" for n in range(count)) + " }")

    measure(aliases(30))
    with pytest.raises(TooComplexError, match="30 aliases"):
        measure(aliases(31))


def test_one_level_more_is_one_too_many():
    measure(parse(nested(12)))
    with pytest.raises(TooComplexError, match="12 levels"):
        measure(parse(nested(13)))


def test_a_document_has_at_most_two_thousand_tokens():
    with pytest.raises(GraphQLError, match="2000 tokens"):
        checked(API._schema, "{ " + "a " * 2000 + "}")


def test_a_text_seen_before_is_not_looked_at_again():
    text = "{ viewer { subject } # once\n}"

    assert checked(API._schema, text) is checked(API._schema, text)


@pytest.mark.parametrize(
    "text",
    [
        "{ " + " ".join(f"viewer {{ {'subject ' * 12} }}" for _ in range(38)) + " }",
        "{ " + " ".join(f"...F{n}" for n in range(20)) + " } "
        + " ".join(f"fragment F{n} on Query {{ {'viewer { subject } ' * 2} }}" for n in range(20)),
        "{ __typename " + "@skip(if: true) " * 240 + "}",
        "{ " + "".join(f"nope{n} " for n in range(400)) + "}",
        "query(" + " ".join(f"$v{n}: ID" for n in range(300)) + ") { __typename }",
        "{ tenants(ids: " + "[" * 300 + "]" * 300 + ") { id } }",
    ],
    ids=["wide", "fragments", "directives", "unknown fields", "variables", "nested list"],
)  # fmt: skip
def test_the_dearest_allowed_documents_are_validated_quickly(text):
    began = time.perf_counter()
    with contextlib.suppress(GraphQLError):
        checked(API._schema, text)

    assert time.perf_counter() - began < QUICK


@pytest_asyncio.fixture
async def caller(tmp_path):
    async with a_world(tmp_path, role="web") as world:
        yield Asking(world, world.headers(A))


LISTED = "query($filter: ImportFilter) { importJobs(filter: $filter) { nodes { id } } }"
BY_TENANTS = "query($tenants: [ID!]) { importJobs(filter: {tenantIds: $tenants}) { nodes { id } } }"


@pytest.mark.parametrize(
    ("query", "variables", "place"),
    [
        (LISTED, {"filter": {"states": ["SUCCEEDED"] * 70_000}}, "$filter.states"),
        (LISTED, {"filter": {"tenantIds": [A] * (LIST_MAX + 1)}}, "$filter.tenantIds"),
        (BY_TENANTS, {"tenants": [A] * (LIST_MAX + 1)}, "$tenants"),
        (SAVE, {"input": {"tenantId": A, "save": [{}] * (LIST_MAX + 1)}}, "$input.save"),
        (SAVE, {"input": {"tenantId": A, "save": [{"content": {}, "name": [["x"] * 2000]}] * 9}}, None),
    ],
    ids=["states", "tenants", "a variable", "saves", "a list where none belongs"],
)
async def test_a_list_of_more_members_than_one_may_have_is_refused_quickly(caller, query, variables, place):
    began = time.perf_counter()
    (error, *_) = (await caller.whole(query, variables))["errors"]

    assert time.perf_counter() - began < QUICK
    code = "QUERY_TOO_COMPLEX" if place else "BAD_USER_INPUT"
    assert error["extensions"]["code"] == code
    assert place is None or error["message"] == f"The list {place} has more than 1000 members."


async def test_a_stream_refuses_such_a_list_too(caller):
    query = "subscription($tenants: [ID!]) { importChanges(tenantIds: $tenants) { id } }"
    body = {"query": query, "variables": {"tenants": [A] * (LIST_MAX + 1)}}

    answer = await caller.world.http.post(
        "/graphql", json=body, headers={**caller.headers, "Accept": "text/event-stream"}
    )

    assert "The list $tenants has more than 1000 members." in answer.text


async def test_a_list_as_long_as_it_may_be_is_answered_and_its_repetitions_cost_nothing(caller):
    await caller.world.tenant(A)
    before = _remembered.cache_info().currsize

    for length in (1, 65, 300, LIST_MAX):
        wanted = {"states": ["SUCCEEDED"] * length, "kinds": ["IMPORT"] * length, "tenantIds": [A] * length}
        assert await caller.data(LISTED, filter=wanted) == {"importJobs": {"nodes": []}}

    assert _remembered.cache_info().currsize <= before + 1


async def test_what_an_artifact_holds_is_no_list_of_the_callers(caller):
    await caller.world.tenant(A)
    content = {"fields": [{"name": f"f{number}"} for number in range(LIST_MAX + 1)]}
    row = {"artifactType": "ENTITY_SCHEMA", "artifactId": "ent-1", "name": "Wide", "version": "1.0.0"}

    saved = (await caller.data(SAVE, input={"tenantId": A, "save": [row | {"content": content}]}))["changeArtifacts"]

    assert (saved["refusal"], saved["artifacts"][0]["artifactId"]) == (None, "ent-1")


async def test_costly_documents_do_not_hold_up_others(caller):
    costly = [caller.whole(text) for text in COSTLY.values()]

    began = time.perf_counter()
    answers = await asyncio.gather(*costly, caller.data("{ viewer { subject } }"))

    assert time.perf_counter() - began < 2 * QUICK
    assert all(answer["errors"] for answer in answers[:-1])
