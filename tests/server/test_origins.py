"""Which web pages may call, as browsers ask for it: preflights, answers, errors, streams and sockets."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing, nullcontext

import pytest
import pytest_asyncio
from starlette.routing import Route
from websockets.exceptions import InvalidStatus

from rest_compat import akana
from server.app import create_app
from server.keys import public_keys_file
from tests.doors.graphql_world import PROGRESS, a_socket
from tests.world import a_world

UI, FOREIGN = "https://ui.example", "https://evil.example"
#: other spellings of the origin, and what only looks like it
STRANGERS = [
    FOREIGN,
    "null",
    "",
    "http://ui.example",
    "https://ui.example:8443",
    "https://ui.example.evil.example",
    "*",
]

pytestmark = pytest.mark.asyncio(loop_scope="module")


def in_production(folder):
    """The settings of a server that is told its keys and the pages that may call."""
    return {
        "dev": False,
        "jwks": str(public_keys_file(folder / "keys")),
        "issuer": "tests",
        "allowed_origins": "https://UI.example:443/, https://second.example",
    }


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(tmp_path_factory):
    folder = tmp_path_factory.mktemp("world")
    async with a_world(folder, role="web", **in_production(folder)) as world:
        await world.tenant("acme")
        yield world


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def dev(tmp_path_factory):
    async with a_world(tmp_path_factory.mktemp("dev"), role="web") as world:
        yield world


def about_pages(answer):
    """The headers that speak to a page's browser."""
    return {name: value for name, value in answer.headers.items() if name.startswith("access-control-")}


def every_path(world):
    """A path of every route that pages may call, and one of none: where cookies count, no other origin's may."""
    routes = [
        route
        for route in create_app(world.runtime).routes
        if isinstance(route, Route) and not akana.DIALECT.has(route.path)
    ]
    return ["/nowhere", *{route.path.replace("{", "").replace("}", "") for route in routes}]


async def test_a_page_may_ask_on_every_route_before_it_shows_a_token(world):
    asked = {
        "Origin": UI,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization,content-type",
    }

    answers = {path: await world.http.options(path, headers=asked) for path in every_path(world)}

    allowed = {
        "access-control-allow-origin": UI,
        "access-control-allow-methods": "GET, HEAD, POST, PUT, DELETE",
        "access-control-allow-headers": "Authorization, Content-Type, X-Tenant-Id, Idempotency-Key, Prefer,"
        " Last-Event-ID, GraphQL-Require-Preflight",
        "access-control-max-age": "600",
    }
    told = {path: (answer.status_code, about_pages(answer), answer.headers["vary"]) for path, answer in answers.items()}
    assert told == dict.fromkeys(answers, (204, allowed, "Origin"))
    assert len(answers) > 10


async def test_a_page_may_read_every_answer_refusals_too(world):
    page = {"Origin": UI}

    answers = {path: await world.http.get(path, headers=page) for path in every_path(world)}

    shown = {
        "access-control-allow-origin": UI,
        "access-control-expose-headers": "Location, Retry-After, Content-Disposition, ETag, X-Request-Id",
    }
    assert {path: about_pages(answer) for path, answer in answers.items()} == dict.fromkeys(answers, shown)
    assert all("Origin" in answer.headers["vary"] and answer.headers["x-request-id"] for answer in answers.values())
    assert {200, 401, 404, 405} <= {answer.status_code for answer in answers.values()}


async def test_a_page_reads_why_it_is_refused(world):
    at = "/api/installhub/packages/export"
    page = {"Origin": UI}

    answers = [
        await world.http.post("/graphql", json={"query": "{ __typename }"}, headers=page),
        await world.http.post(at, json={}, headers=page),
        await world.http.post(at, json={}, headers=page | world.headers("acme", scopes=["installhub:read"])),
        await world.http.get("/nowhere", headers=page),
        await world.http.delete(at, headers=page),
        await world.http.post(at, content=b"", headers=page | world.headers("acme")),
    ]

    assert [answer.status_code for answer in answers] == [401, 401, 403, 404, 405, 415]
    assert {answer.headers["access-control-allow-origin"] for answer in answers} == {UI}


async def test_a_page_reads_that_we_met_a_bug(tmp_path):
    page = {"Origin": "http://localhost:5173"}
    async with a_world(tmp_path, role="web") as world:
        await world.tenant("acme")
        await asyncio.to_thread(_drop_a_table, world.settings.data / "installhub.db")

        answer = await world.http.post(
            "/api/installhub/packages/preview",
            json={"tenantId": "acme", "artifactIds": ["proc-1"]},
            headers=world.headers("acme") | page,
        )

    assert answer.status_code == 500
    assert answer.headers["access-control-allow-origin"] == page["Origin"]


def _drop_a_table(path):
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("DROP TABLE artifact")


@pytest.mark.parametrize("origin", STRANGERS)
@pytest.mark.parametrize("path", ["/graphql", "/api/installhub/packages/export", "/nowhere"])
async def test_to_a_page_of_another_origin_nothing_is_said(world, origin, path):
    page = {"Origin": origin}

    preflight = await world.http.options(path, headers=page | {"Access-Control-Request-Method": "POST"})
    answer = await world.http.get(path, headers=page)

    assert (about_pages(preflight), about_pages(answer)) == ({}, {})
    assert preflight.status_code in {404, 405}
    assert "Origin" in answer.headers["vary"]


async def test_callers_that_are_no_page_are_told_nothing_either(world):
    answer = await world.http.get("/healthz")

    assert about_pages(answer) == {}
    assert answer.headers["vary"] == "Origin"


async def test_a_page_may_read_a_stream_of_events(world):
    headers = {"Origin": UI, "Accept": "text/event-stream", **world.headers("acme")}
    body = {"query": PROGRESS, "variables": {"id": "imp-nobody"}}

    async with world.http.stream("POST", "/graphql", json=body, headers=headers) as answer:
        await answer.aread()

    assert answer.headers["content-type"].startswith("text/event-stream")
    assert answer.headers["access-control-allow-origin"] == UI
    assert answer.headers["vary"] == "Accept, Origin"


async def test_no_page_may_ever_send_cookies(world, dev):
    cookies = {"Cookie": "session=1", "Access-Control-Request-Method": "POST"}

    named = await world.http.options("/graphql", headers={"Origin": UI, **cookies})
    local = await dev.http.options("/graphql", headers={"Origin": "http://localhost:1", **cookies})

    assert "access-control-allow-credentials" not in {**named.headers, **local.headers}


@pytest.mark.parametrize(
    ("origin", "is_known"),
    [
        (UI, True),
        ("https://second.example", True),
        ("http://localhost:3000", False),
        *((origin, False) for origin in STRANGERS),
    ],
)
async def test_the_same_list_decides_about_sockets(world, origin, is_known):
    answer = await world.http.get("/healthz", headers={"Origin": origin})

    with nullcontext() if is_known else pytest.raises(InvalidStatus, match="403"):
        async with a_socket(world, origin=origin) as socket:
            await socket.say({"type": "ping"})
            assert await socket.heard() == {"type": "pong"}

    assert ("access-control-allow-origin" in answer.headers) is is_known


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "[::1]"])
@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_a_development_server_takes_every_page_of_this_machine(dev, scheme, host):
    origin = f"{scheme}://{host}:5173"

    answer = await dev.http.get("/healthz", headers={"Origin": origin})
    async with a_socket(dev, origin=origin) as socket:
        await socket.say({"type": "ping"})
        pong = await socket.heard()

    assert answer.headers["access-control-allow-origin"] == origin
    assert pong == {"type": "pong"}


@pytest.mark.parametrize(
    "origin", ["http://localhost.evil.example", "http://127.0.0.1.evil.example", "http://127.0.0.2"]
)
async def test_a_development_server_takes_no_page_of_elsewhere(dev, origin):
    answer = await dev.http.get("/healthz", headers={"Origin": origin})

    with pytest.raises(InvalidStatus, match="403"):
        async with a_socket(dev, origin=origin):
            pass

    assert about_pages(answer) == {}
