"""What hurts a server is refused quickly, through its door, and others are answered meanwhile."""

from __future__ import annotations

import asyncio
import json
import time

import pytest
import pytest_asyncio

from resolvers.limits import LIST_MAX
from storage.prepared import _remembered
from tests.doors.graphql_world import SAVE, A, Asking, with_artifacts
from tests.doors.test_graphql_limits import COSTLY, QUICK
from tests.world import a_world

#: seconds until an answer, while others compute too
SOON = 2.0

# one server for nearly all
pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def caller(tmp_path_factory):
    async with a_world(tmp_path_factory.mktemp("world"), role="web") as world:
        await world.tenant(A)
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

    assert time.perf_counter() - began < SOON
    code = "QUERY_TOO_COMPLEX" if place else "BAD_USER_INPUT"
    assert error["extensions"]["code"] == code
    assert place is None or error["message"] == f"The list {place} has more than 1000 members."


@pytest.mark.parametrize(
    ("query", "variables", "message"),
    [
        (
            LISTED,
            {"filter": {f"state{number}": 1 for number in range(60_000)}},
            "The object $filter has more than 100 members.",
        ),
        (LISTED, {"filter": {"Did you mean " * 9_000: 1}}, "Variable '$filter' has invalid value"),
        (f'{{ importJobs(first: "{"Did you mean " * 4_700}") {{ nodes {{ id }} }} }}', {}, "Int cannot represent"),
        (LISTED, {"filter": {"states": ["Q" * 1_000_000]}}, "The name $filter.states has more than 200 characters."),
        (f'{{ importJobs(first: "{"x" * 60_000}") {{ nodes {{ id }} }} }}', {}, "Int cannot represent non-integer"),
    ],
    ids=["members", "a suggesting member", "a suggesting text", "a name", "a text"],
)
async def test_a_slip_however_long_is_told_quickly_and_in_a_few_words(caller, query, variables, message):
    began = time.perf_counter()
    (error,) = (await caller.whole(query, variables))["errors"]

    assert time.perf_counter() - began < SOON
    assert error["message"].startswith(message)
    assert len(error["message"]) <= 1001


async def test_a_stream_refuses_such_a_list_too(caller):
    query = "subscription($tenants: [ID!]) { importChanges(tenantIds: $tenants) { id } }"
    body = {"query": query, "variables": {"tenants": [A] * (LIST_MAX + 1)}}

    answer = await caller.world.http.post(
        "/graphql", json=body, headers={**caller.headers, "Accept": "text/event-stream"}
    )

    assert "The list $tenants has more than 1000 members." in answer.text


async def test_a_list_as_long_as_it_may_be_is_answered_and_its_repetitions_cost_nothing(caller):
    before = _remembered.cache_info().currsize

    for length in (1, 65, 300, LIST_MAX):
        wanted = {"states": ["SUCCEEDED"] * length, "kinds": ["IMPORT"] * length, "tenantIds": [A] * length}
        assert await caller.data(LISTED, filter=wanted) == {"importJobs": {"nodes": []}}

    assert _remembered.cache_info().currsize <= before + 1


async def test_what_an_artifact_holds_is_no_list_of_the_callers(caller):
    content = {"fields": [{"name": f"f{number}"} for number in range(LIST_MAX + 1)]}
    row = {"artifactType": "ENTITY_SCHEMA", "artifactId": "ent-1", "name": "Wide", "version": "1.0.0"}

    saved = (await caller.data(SAVE, input={"tenantId": A, "save": [row | {"content": content}]}))["changeArtifacts"]

    assert (saved["refusal"], saved["artifacts"][0]["artifactId"]) == (None, "ent-1")


async def test_costly_documents_do_not_hold_up_others(caller):
    small = "{ viewer { subject } }"
    await caller.data(small)
    waits: list[float] = []

    async def asked_meanwhile():
        while not costly.done():
            began = time.perf_counter()
            await caller.data(small)
            waits.append(time.perf_counter() - began)

    costly = asyncio.gather(*(caller.whole(text) for text in COSTLY.values()))
    await asked_meanwhile()

    assert all(answer["errors"] for answer in await costly)
    # the better ones: this process is the clients as well, and other processes have a share of the machine
    assert sorted(waits)[len(waits) // 4] < QUICK
    assert max(waits) < SOON


async def test_each_mutation_of_a_request_counts_against_the_rate(tmp_path, monkeypatch):
    monkeypatch.setenv("INSTALLHUB_LIMIT_EXPORTS_PER_USER_MINUTE", "2")
    wanted = f'tenantId: "{A}", packageName: "Orders", packageType: FORM_PACKAGE, artifactIds: ["form-1"]'
    answer = "{ exportedPackage { version } refusal { code } }"
    exports = [f'e{n}: exportPackage(input: {{{wanted}, version: "{n}.0.0"}}) {answer}' for n in (1, 2, 3)]

    async with a_world(tmp_path, role="web") as world:
        caller = await with_artifacts(world)
        made = await caller.data(f"mutation {{ {' '.join(exports)} }}")

    assert made["e2"] == {"exportedPackage": {"version": "2.0.0"}, "refusal": None}
    assert made["e3"] == {"exportedPackage": None, "refusal": {"code": "RATE_LIMIT_EXCEEDED"}}


async def test_a_multipart_request_is_refused_and_changes_nothing(caller):
    mutation = 'mutation($f: JSON) { createTenant(input: {tenantId: "by-form"}) { refusal { code } } }'
    form = {"operations": (None, json.dumps({"query": mutation, "variables": {"f": None}})), "map": (None, "{}")}
    headers = dict(caller.headers) | {"GraphQL-Require-Preflight": "1", "Apollo-Require-Preflight": "1"}

    answer = await caller.world.http.post("/graphql", files=form, headers=headers)

    assert answer.status_code == 415
    assert answer.json()["errors"][0]["extensions"]["code"] == "UNSUPPORTED_MEDIA_TYPE"
    assert await caller.data('{ tenant(id: "by-form") { id } }') == {"tenant": None}


@pytest.mark.parametrize(
    ("query", "variables"),
    [
        ("{ viewer @skp(if: true) { subject } }", {}),
        ("{ viewer @skip(iff: true) { subject } }", {}),
        ("query($first: Int) { importJobs(first: $frst) { nodes { id } } }", {}),
        ("query($filter: ImportFilte) { importJobs(filter: $filter) { nodes { id } } }", {}),
        ("{ viewer { ... on Viewr { subject } } }", {}),
        (LISTED, {"filter": {"stats": ["QUEUED"]}}),
        (LISTED, {"filter": {"states": ["QUEUE"]}}),
        (LISTED, {"filtr": {}, "filter": {"states": [{}]}}),
    ],
)
async def test_no_slip_whatsoever_is_answered_with_what_there_is(caller, query, variables):
    plain = await caller.whole(query, variables)
    body = {"query": query, "variables": variables}
    streamed = await caller.world.http.post(
        "/graphql", json=body, headers={**caller.headers, "Accept": "text/event-stream"}
    )

    assert plain["errors"]
    assert "Did you mean" not in str(plain) + streamed.text
