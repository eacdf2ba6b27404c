"""GraphQL over HTTP, to the letter: methods, media types, statuses, bodies."""

from __future__ import annotations

import json

import httpx
import pytest
import pytest_asyncio

from tests.doors.graphql_world import A
from tests.world import a_world

GRAPHQL = "application/graphql-response+json"
JSON = "application/json"
OK = {"query": "{ __typename }"}
UTF8 = "; charset=utf-8"


# one server for all: nothing here changes anything
pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(tmp_path_factory):
    async with a_world(tmp_path_factory.mktemp("world"), role="web") as world:
        yield world


@pytest_asyncio.fixture(loop_scope="module")
async def http(world):
    async with httpx.AsyncClient(base_url=world.url, headers=world.headers(A), trust_env=False) as http:
        yield http


@pytest.mark.parametrize(
    ("accept", "content_type"),
    [
        (None, JSON),
        ("*/*", JSON),
        ("application/*", JSON),
        (JSON, JSON),
        (GRAPHQL, GRAPHQL),
        (f"{GRAPHQL}, {JSON};q=0.9", GRAPHQL),
        (f"{GRAPHQL};q=0.5, {JSON}", JSON),
        (f"{JSON}, {GRAPHQL}", GRAPHQL),
        (f"{GRAPHQL};q=0, */*", JSON),
        (f"{GRAPHQL}, application/graphql+json, {JSON}, text/event-stream, multipart/mixed", GRAPHQL),
        ("text/html, */*;q=0.1", JSON),
        (f"{JSON}, text/event-stream", JSON),
        (f"text/event-stream;q=0.9, {JSON}", JSON),
        (f'text/plain;a="x, {GRAPHQL}", {JSON}', JSON),
        (f"{GRAPHQL};q=2, {JSON};q=0.001", JSON),
        (f"{GRAPHQL};q=x, {JSON};q=0.1", JSON),
        (f"{JSON};Q=0.1, {GRAPHQL};q=0.2", GRAPHQL),
    ],
)
async def test_the_answer_has_the_media_type_that_suits_best(http, accept, content_type):
    http.headers.pop("accept")
    response = await http.post("/graphql", json=OK, headers={} if accept is None else {"Accept": accept})

    assert response.status_code == 200
    assert response.headers["content-type"] == content_type + UTF8
    assert response.headers["cache-control"] == "no-store"
    assert "Accept" in response.headers["vary"]
    assert response.json() == {"data": {"__typename": "Query"}}


async def test_several_accept_headers_are_one_list(world):
    headers = [*world.headers(A).items(), ("Accept", "image/png"), ("Accept", GRAPHQL)]

    # a client of its own: others add an Accept
    async with httpx.AsyncClient(base_url=world.url, trust_env=False) as http:
        http.headers.clear()
        response = await http.post("/graphql", json=OK, headers=headers)

    assert response.headers["content-type"] == GRAPHQL + UTF8


@pytest.mark.parametrize("accept", ["image/png", f"{JSON};q=0", "text/html"])
async def test_a_caller_who_takes_nothing_we_have_gets_406(http, accept):
    response = await http.post("/graphql", json=OK, headers={"Accept": accept})

    assert response.status_code == 406
    assert response.json()["errors"][0]["extensions"]["code"] == "NOT_ACCEPTABLE"


@pytest.mark.parametrize(
    "query", ["{", "{ nope }", "query($x: Int!) { nodes(ids: []) { id } }", "query($x: ID!) { node(id: $x) { id } }"]
)
async def test_a_document_that_cannot_be_executed_has_no_data_and_a_status_by_media_type(http, query):
    as_json = await http.post("/graphql", json={"query": query}, headers={"Accept": JSON})
    as_graphql = await http.post("/graphql", json={"query": query}, headers={"Accept": GRAPHQL})

    assert (as_json.status_code, as_graphql.status_code) == (200, 400)
    assert as_json.json() == as_graphql.json()
    assert "data" not in as_json.json()
    assert as_json.json()["errors"][0]["extensions"]["code"] == "BAD_USER_INPUT"


async def test_an_error_in_one_field_leaves_the_others(http):
    query = (
        '{ viewer { subject } tenant(id: "no") { id } importJobs(first: 1) { nodes { id } } bad: node(id: "x") { id } }'
    )

    response = await http.post("/graphql", json={"query": query}, headers={"Accept": GRAPHQL})

    assert response.status_code == 200
    assert response.json()["data"]["viewer"] == {"subject": "anna@acme.example"}


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS"])
async def test_other_methods_are_not_allowed(http, method):
    response = await http.request(method, "/graphql", json=OK)

    assert response.status_code == 405
    assert response.headers["allow"] == "GET, POST"
    assert response.json()["errors"][0]["extensions"]["code"] == "METHOD_NOT_ALLOWED"


async def test_get_answers_queries_and_refuses_mutations(http):
    asked = {"query": "query A($id: ID!) { node(id: $id) { id } } query B { __typename }"}
    query = await http.get("/graphql", params=asked | {"operationName": "A", "variables": '{"id": "x"}'})
    empty = await http.get("/graphql", params=OK | {"operationName": "", "variables": "", "extensions": ""})
    mutation = await http.get(
        "/graphql", params={"query": 'mutation { cancelImport(input: {importId: "x"}) { __typename } }'}
    )

    assert query.json() == {"data": {"node": None}}
    assert empty.json() == {"data": {"__typename": "Query"}}
    assert mutation.status_code == 405
    assert mutation.headers["allow"] == "POST"


@pytest.mark.parametrize(
    "params",
    [{}, {"query": ""}, {"query": "{ __typename }", "variables": "[1]"}, OK | {"variables": "{"}, {"query": "\0"}],
)
async def test_a_malformed_get_is_refused(http, params):
    response = await http.get("/graphql", params=params)

    assert response.status_code == 400
    assert response.json()["errors"][0]["extensions"]["code"] == "BAD_USER_INPUT"


async def test_a_parameter_stands_in_the_query_string_once(http):
    response = await http.get("/graphql", params=[("query", "{ __typename }"), ("query", "{ viewer { subject } }")])

    assert response.status_code == 400
    assert response.json()["errors"][0]["extensions"]["code"] == "BAD_USER_INPUT"


@pytest.mark.parametrize("media", [JSON, GRAPHQL])
async def test_refusals_have_the_type_that_was_asked_for_and_are_not_kept(http, media):
    headers = {"Accept": media}
    answers = [
        await http.put("/graphql", json=OK, headers=headers),
        await http.post("/graphql", content=b"{", headers=headers | {"Content-Type": JSON}),
        await http.post("/graphql", content=b"{}", headers=headers | {"Content-Type": "text/plain"}),
        await http.post("/graphql", json=OK, headers=headers | {"Authorization": "Bearer x"}),
    ]

    assert [answer.status_code for answer in answers] == [405, 400, 415, 401]
    assert {answer.headers["content-type"] for answer in answers} == {media + UTF8}
    assert {answer.headers["cache-control"] for answer in answers} == {"no-store"}
    assert all("Accept" in answer.headers["vary"] for answer in answers)


@pytest.mark.parametrize(
    "content_type",
    [
        None,
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/jsonx",
        "application/graphql",
        "application/json; charset=utf-16",
    ],
)
async def test_a_body_of_another_media_type_is_415(http, content_type):
    headers = {} if content_type is None else {"Content-Type": content_type}

    response = await http.post("/graphql", content=json.dumps(OK), headers=headers)

    assert response.status_code == 415
    assert response.headers["content-type"] == JSON + UTF8
    assert response.json()["errors"][0]["extensions"]["code"] == "UNSUPPORTED_MEDIA_TYPE"


@pytest.mark.parametrize(
    "body",
    [
        b"", b"{", b"1", b'"x"', b"null", b"[]", b'[{"query": "{ __typename }"}]', b"\xff\xfe", b"\xef\xbb\xbf{}",
        b"{}", b'{"query": 1}', b'{"query": null}', b'{"query": ""}', b'{"query": "{ __typename }", "variables": []}',
        b'{"query": "{ __typename }", "variables": 1}', b'{"query": "{ __typename }", "operationName": 1}',
        b'{"query": "{ __typename }", "extensions": "x"}', b'{"query": "{ __typename }", "variables": {"x": NaN}}',
        b'{"query": "{ __typename }", "variables": {"x": Infinity}}', b'{"query": "{ a }", "query": "{ __typename }"}',
        b'{"query": "{ __typename }", "variables": {"x": "\\ud800"}}', b'{"query": "\\u0000"}', b"[" * 100_000,
        b'{"query": "{ __typename }", "variables": ' + b'{"a":' * 200 + b"1" + b"}" * 201,
    ],
)  # fmt: skip
async def test_a_malformed_body_is_400(http, body):
    response = await http.post("/graphql", content=body, headers={"Content-Type": JSON})

    assert response.status_code == 400
    assert response.json()["errors"][0]["extensions"]["code"] == "BAD_USER_INPUT"


async def test_a_body_over_a_mebibyte_is_413_whether_its_length_is_told_or_not(http):
    large = json.dumps({"query": "{ __typename }", "variables": {"x": "y" * (1 << 20)}}).encode()

    async def pieces():
        for begin in range(0, len(large), 100_000):
            yield large[begin : begin + 100_000]

    told = await http.post("/graphql", content=large, headers={"Content-Type": JSON})
    untold = await http.post("/graphql", content=pieces(), headers={"Content-Type": JSON})

    assert (told.status_code, untold.status_code) == (413, 413)
    assert told.json() == untold.json()
    assert told.json()["errors"][0]["extensions"]["code"] == "PAYLOAD_TOO_LARGE"


@pytest.mark.parametrize("authorization", [None, "", "Bearer", "Bearer x.y.z", "Basic YTpi"])
async def test_without_a_good_token_nothing_is_answered(http, authorization):
    http.headers.pop("authorization")
    headers = {} if authorization is None else {"Authorization": authorization}

    response = await http.post("/graphql", content=b"what ever", headers=headers)

    assert response.status_code == 401
    assert response.headers["www-authenticate"].startswith("Bearer")
    assert response.json()["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"
    assert "data" not in response.json()


async def test_a_good_token_in_a_cookie_is_none(http):
    token = http.headers.pop("authorization").removeprefix("Bearer ")
    headers = {"Cookie": f"AtmoAuthToken_{A}={token}; authorization={token}"}

    response = await http.post("/graphql", json={"query": "{ __typename }"}, headers=headers)

    assert response.status_code == 401
    assert response.json()["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"


@pytest.mark.parametrize("name", [None, "C", ""])
async def test_of_several_operations_one_must_be_named(http, name):
    body = {"query": "query A { __typename } query B { __typename }", "operationName": name}

    response = await http.post("/graphql", json=body, headers={"Accept": GRAPHQL})

    assert response.status_code == 400
    assert response.json()["errors"][0]["extensions"]["code"] == "BAD_USER_INPUT"


async def test_a_subscription_is_not_answered_by_a_plain_post(http):
    body = {"query": 'subscription { importProgress(importId: "x") { seq } }'}

    response = await http.post("/graphql", json=body)

    assert response.status_code == 400
    assert "text/event-stream" in response.json()["errors"][0]["message"]


@pytest.mark.parametrize(
    "query",
    [
        "{ viewr { subject } }",
        "{ viewer { subjekt } }",
        '{ tenant(ide: "x") { id } }',
        "{ importJobs(filter: {state: A}) { nodes { id } } }",
        "{ importJobs(filter: {states: [QUEUE]}) { nodes { id } } }",
        "fragment F on Viewr { subject } { viewer { ...F } }",
    ],
)
async def test_a_slip_is_not_answered_with_suggestions(http, query):
    response = await http.post("/graphql", json={"query": query})

    assert response.json()["errors"]
    assert "Did you mean" not in response.text


async def test_a_browser_gets_a_page_that_loads_nothing_from_elsewhere(http):
    http.headers.pop("authorization")

    response = await http.get("/graphql", headers={"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"})

    assert response.status_code == 200
    assert response.headers["content-type"].startswith("text/html")
    assert "default-src 'none'" in response.headers["content-security-policy"]
    assert "http://" not in response.text
    assert "https://" not in response.text


async def test_introspection_answers_what_tools_ask(http):
    depth = "type { " + "ofType { " * 9 + "name" + " }" * 9 + " }"
    field = f"fields(includeDeprecated: true) {{ name args {{ name {depth} }} {depth} }}"
    query = f"{{ __schema {{ types {{ name {field} }} }} }}"

    response = await http.post("/graphql", json={"query": query})

    assert "errors" not in response.json()
    assert "ImportJob" in {row["name"] for row in response.json()["data"]["__schema"]["types"]}
