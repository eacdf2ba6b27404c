"""Documents that are asked by their names, and servers that answer no others (ADR 0018)."""

from __future__ import annotations

import hashlib
import json

import httpx
import pytest
import pytest_asyncio

from resolvers.api import API
from resolvers.documents import Named
from server.graphql_terms import api_of, terms_of
from server.settings import SettingsError, load
from tests.doors.graphql_world import A, a_socket
from tests.world import a_world

JSON, GRAPHQL, EVENTS = "application/json", "application/graphql-response+json", "text/event-stream"
NAMED = "query Who($id: ID!) { viewer { subject } node(id: $id) { id } }"
CHANGE = 'mutation Stop { cancelImport(input: {importId: "none"}) { refusal { code } } }'
WATCH = 'subscription { importProgress(importId: "none") { seq } }'
APOLLO = "query Me { viewer { subject } }"
FREE = "{ viewer { subject scopes } }"

# two servers for all: nothing here changes anything
pytestmark = pytest.mark.asyncio(loop_scope="module")


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def by_hash(name: str) -> dict[str, object]:
    return {"persistedQuery": {"version": 1, "sha256Hash": name}}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """What the build of a front end leaves: a list as Relay writes it, one as Apollo does, and a single document."""
    folder = tmp_path_factory.mktemp("documents")
    manifest = {
        "format": "apollo-persisted-query-manifest",
        "version": 1,
        "operations": [{"id": sha256(APOLLO), "name": "Me", "type": "query", "body": APOLLO}],
    }
    (folder / "relay.json").write_text(json.dumps({"5d41402abc4b2a76b9719d911017c592": NAMED, "stop": CHANGE}))
    (folder / "apollo.json").write_text(json.dumps(manifest))
    (folder / "watch.graphql").write_text(WATCH)
    (folder / "README.md").write_text("Not a document.")
    return folder


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(tmp_path_factory, folder):
    place, named = tmp_path_factory.mktemp("world"), str(folder)
    async with a_world(place, role="web", trusted_documents=named, introspection=False) as world:
        yield world


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def strict(tmp_path_factory, folder):
    place, named = tmp_path_factory.mktemp("strict"), str(folder)
    async with a_world(place, role="web", trusted_documents=named, trusted_documents_only=True) as world:
        yield world


async def asked(world, body, accept=JSON):
    headers = world.headers(A) | {"Accept": accept}
    return await world.http.post("/graphql", json=body, headers=headers)


def code(answer: httpx.Response):
    (error,) = answer.json()["errors"]
    return error["message"], error["extensions"]["code"]


@pytest.mark.parametrize(
    "named",
    [
        {"documentId": "5d41402abc4b2a76b9719d911017c592"},
        {"documentId": sha256(NAMED)},
        {"documentId": f"sha256:{sha256(NAMED)}", "query": NAMED},
        {"extensions": by_hash(sha256(NAMED))},
        {"extensions": by_hash(sha256(NAMED)), "query": NAMED},
    ],
    ids=["by its tool's name", "by its hash", "with its text", "as Apollo asks", "as Apollo asks again"],
)
async def test_a_document_is_asked_by_its_name_by_post_get_event_stream_and_socket(world, named):
    body = {"variables": {"id": "x"}, "operationName": "Who"} | named
    answer = {"data": {"viewer": {"subject": "anna@acme.example"}, "node": None}}
    params = {name: value if isinstance(value, str) else json.dumps(value) for name, value in body.items()}

    posted = await asked(world, body, GRAPHQL)
    got = await world.http.get("/graphql", params=params, headers=world.headers(A))
    streamed = await asked(world, body, EVENTS)
    async with a_socket(world, token=world.token(tenants=[A])) as socket:
        await socket.say({"id": "1", "type": "subscribe", "payload": body})
        told = await socket.heard()

    assert (posted.status_code, posted.json(), got.json()) == (200, answer, answer)
    assert streamed.text.startswith(f"event: next\ndata: {json.dumps(answer, separators=(',', ':'))}\n")
    assert (told["type"], told["payload"]["data"]) == ("next", answer["data"])


async def test_a_subscription_can_be_trusted_too(world):
    answer = await asked(world, {"documentId": sha256(WATCH)}, EVENTS)

    assert '"code":"NOT_FOUND"' in answer.text


async def test_a_trusted_mutation_is_not_carried_out_by_get(world):
    got = await world.http.get("/graphql", params={"documentId": "stop"}, headers=world.headers(A))
    posted = await asked(world, {"documentId": "stop"})

    assert (got.status_code, got.headers["allow"]) == (405, "POST")
    assert posted.json() == {"data": {"cancelImport": {"refusal": {"code": "NOT_FOUND"}}}}


@pytest.mark.parametrize(
    "body", [{"documentId": "none"}, {"documentId": "x-other:none"}, {"extensions": by_hash("0" * 64)}]
)
async def test_a_name_that_nobody_has_is_answered_as_apollos_clients_expect(world, body):
    as_json, as_graphql, as_events = [await asked(world, body, accept) for accept in (JSON, GRAPHQL, EVENTS)]
    async with a_socket(world, token=world.token(tenants=[A])) as socket:
        await socket.say({"id": "1", "type": "subscribe", "payload": body})
        told = await socket.heard()

    assert (as_json.status_code, as_graphql.status_code) == (200, 400)
    assert code(as_json) == code(as_graphql) == ("PersistedQueryNotFound", "PERSISTED_QUERY_NOT_FOUND")
    assert '"code":"PERSISTED_QUERY_NOT_FOUND"' in as_events.text
    assert (told["type"], told["payload"][0]["message"]) == ("error", "PersistedQueryNotFound")


async def test_a_text_that_comes_with_its_hash_is_executed_and_not_kept(world):
    hashed = {"extensions": by_hash(sha256(FREE))}

    answers = [await asked(world, body) for body in (hashed, hashed | {"query": FREE}, hashed)]

    assert ["data" in answer.json() for answer in answers] == [False, True, False]


@pytest.mark.parametrize(
    "body",
    [
        {"query": FREE, "extensions": by_hash(sha256(APOLLO))},
        {"query": FREE, "extensions": by_hash("0" * 64)},
        {"query": FREE, "documentId": "stop"},
        {"query": FREE, "documentId": f"sha256:{'0' * 64}"},
        {"documentId": 5},
        {"documentId": ""},
        {"extensions": {"persistedQuery": {"version": 2, "sha256Hash": "0" * 64}}},
        {"extensions": {"persistedQuery": {"version": 1, "sha256Hash": ["0"]}}},
        {"extensions": {"persistedQuery": []}},
    ],
)
async def test_a_name_that_is_not_the_texts_or_is_none_is_refused(world, body):
    answer = await asked(world, body, GRAPHQL)

    assert answer.status_code == 400
    assert answer.json()["errors"][0]["extensions"]["code"] == "BAD_USER_INPUT"


async def test_a_server_without_documents_tells_apollos_clients_to_send_texts():
    results = [one async for one in await api_of(load()).stream(Named(sha256(FREE), is_hash=True), context_value=None)]

    (error,) = results[0].errors
    assert (error.message, error.extensions) == (
        "PersistedQueryNotSupported",
        {"code": "PERSISTED_QUERY_NOT_SUPPORTED"},
    )


@pytest.mark.parametrize("accept", [JSON, GRAPHQL, EVENTS])
async def test_where_only_trusted_documents_run_no_other_text_does(strict, accept):
    free = await asked(strict, {"query": FREE}, accept)
    hashed = await asked(strict, {"query": FREE, "extensions": by_hash(sha256(FREE))}, accept)
    introspection = await asked(strict, {"query": "{ __schema { types { name } } }"}, accept)
    trusted = await asked(strict, {"query": APOLLO}, accept)

    assert ["PERSISTED_QUERY_NOT_FOUND" in one.text for one in (free, hashed, introspection)] == [True] * 3
    assert "anna@acme.example" not in free.text + hashed.text
    assert "anna@acme.example" in trusted.text


async def test_a_socket_runs_trusted_documents_alone_and_goes_on(strict):
    async with a_socket(strict, token=strict.token(tenants=[A])) as socket:
        await socket.ask("1", FREE)
        refused = await socket.heard()
        await socket.ask("2", APOLLO)
        answered = await socket.heard()

    assert (refused["type"], refused["payload"][0]["message"]) == ("error", "PersistedQueryNotFound")
    assert answered["payload"]["data"] == {"viewer": {"subject": "anna@acme.example"}}


@pytest.mark.parametrize(
    "query",
    [
        "{ __schema { types { name } } }",
        '{ viewer { subject } t: __type(name: "Query") { name } }',
        "query A { ...F } fragment F on Query { ... { __schema { queryType { name } } } }",
    ],
)
async def test_with_introspection_switched_off_the_schema_is_not_told(world, query):
    as_json, as_events = await asked(world, {"query": query}), await asked(world, {"query": query}, EVENTS)

    assert [error["extensions"]["code"] for error in as_json.json()["errors"]] == ["BAD_USER_INPUT"]
    assert "data" not in as_json.json()
    assert '"data":' not in as_events.text
    assert "switched off" in as_events.text


async def test_with_introspection_switched_off_the_name_of_a_type_is_still_told(world):
    answer = await asked(world, {"query": "{ __typename viewer { __typename } }"})

    assert answer.json() == {"data": {"__typename": "Query", "viewer": {"__typename": "Viewer"}}}


@pytest.mark.parametrize(
    ("files", "word"),
    [
        ({"a.json": "{"}, "a.json"),
        ({"a.json": "[]"}, "no list"),
        ({"a.json": '{"x": 1}'}, "no list"),
        ({"a.json": '{"format": "apollo-persisted-query-manifest", "operations": [{"id": "x"}]}'}, "no list"),
        ({"a.json": '{"x": "{ a }"}', "b.json": '{"sha256:x": "{ b }"}'}, "another document x"),
        ({"a.graphql": b"\xff"}, "a.graphql"),
    ],
)
async def test_documents_that_cannot_be_understood_stop_the_start(tmp_path, files, word):
    for name, text in files.items():
        (tmp_path / name).write_bytes(text if isinstance(text, bytes) else text.encode())

    with pytest.raises(SettingsError, match=f"INSTALLHUB_TRUSTED_DOCUMENTS: .*{word}"):
        terms_of(load(trusted_documents=str(tmp_path)))


@pytest.mark.parametrize("given", [{}, {"trusted_documents": "/nowhere/documents.json"}])
async def test_only_trusted_documents_need_documents(given):
    with pytest.raises(SettingsError, match="INSTALLHUB_TRUSTED_DOCUMENTS: "):
        terms_of(load(trusted_documents_only=True, **given))


async def test_other_terms_are_other_servers_alone():
    other = API.on(terms_of(load(introspection=False)))

    assert (API.terms.introspection, other.terms.introspection) == (True, False)
