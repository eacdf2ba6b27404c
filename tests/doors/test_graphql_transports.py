"""Sockets, server-sent events and multipart parts alike: their form, their room, and that nothing outlives a reader."""

from __future__ import annotations

import asyncio
import email
import json
import socket
import struct
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
import pytest_asyncio

from resolvers.live import LIVE
from server.graphql_streams import WIRES
from server.media import EVENTS, PARTS
from server.serving import FAREWELL_SECONDS
from tests.doors.graphql_streaming import SECONDS, SPEC, STREAMED, nobody_watches, request_of, watching
from tests.doors.graphql_world import PROGRESS, A, B, C, Socket, a_socket, asking, exported, submitted, with_artifacts
from tests.world import World, a_world

pytestmark = pytest.mark.asyncio(loop_scope="module")

VIEWER = "{ viewer { subject } }"
CANCEL = "mutation($id: ID!) { cancelImport(input: {importId: $id}) { importJob { state } refusal { code } } }"
#: the least limits that show which one is met
ROOM = {"STREAMS_PER_USER": "2", "STREAMS_PER_TENANT": "3", "OPERATIONS_PER_SOCKET": "2"}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(tmp_path_factory):
    """Imports stay in line here: nobody runs them."""
    async with a_world(tmp_path_factory.mktemp("world"), role="web") as world:
        await with_artifacts(world)
        yield world


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def small(tmp_path_factory):
    """A world with little room."""
    with pytest.MonkeyPatch.context() as environment:
        for name, value in ROOM.items():
            environment.setenv(f"INSTALLHUB_LIMIT_{name}", value)
        async with a_world(tmp_path_factory.mktemp("small"), role="web", socket_message_kb=128) as world:
            for tenant_id in (A, B, C):
                await world.tenant(tenant_id)
            yield world


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def package_id(world):
    return await exported(asking(world, A, B))


@pytest_asyncio.fixture(loop_scope="module")
async def import_id(world, package_id):
    """An import that is queued."""
    return await submitted(asking(world, A, B), package_id)


@pytest.fixture
def token(world: World):
    return world.token(tenants=[A, B])


def parts_of(response: Any, body: bytes) -> list[Any]:
    """The parts, read by whom knows nothing of GraphQL; there is nothing around them."""
    message = email.message_from_bytes(
        b"Content-Type: %b\r\n\r\n%b" % (response.headers["content-type"].encode(), body)
    )
    assert message.defects == []
    assert (message.preamble, message.epilogue) in {(None, ""), ("", "")}
    parts = list(message.walk())[1:]
    assert {part["content-type"] for part in parts} == {"application/json"}
    return [json.loads(str(part.get_payload())) for part in parts]


@pytest.mark.parametrize(
    "accept",
    [
        SPEC,
        'application/json, multipart/mixed; boundary="a,b"; subscriptionSpec="1.0"',
        f"{SPEC}, application/json;q=0.9",
        "multipart/mixed;boundary=graphql;subscriptionSpec=1.0,application/graphql-response+json,application/json;q=0.9",
    ],
)
async def test_a_subscription_comes_in_parts_whatever_the_order_in_which_they_are_asked_for(world, import_id, accept):
    await asking(world, B).data(CANCEL, id=import_id)

    async with watching(world, import_id, accept) as response:
        body = await response.aread()

    told = [part["payload"]["data"]["importProgress"] for part in parts_of(response, body)]
    assert response.headers["content-type"] == 'multipart/mixed; boundary="graphql"; subscriptionSpec="1.0"'
    assert response.headers["cache-control"] == "no-store, no-transform"
    assert [(event["seq"], event["isFinal"]) for event in told] == [(1, False), (2, True)]


@pytest.mark.parametrize(
    ("accept", "content_type"),
    [
        (f"{SPEC}, application/json", "application/json; charset=utf-8"),
        (f"application/json;q=0.5, {SPEC};q=0.5", "application/json; charset=utf-8"),
        (SPEC, 'multipart/mixed; boundary="graphql"; subscriptionSpec="1.0"'),
    ],
)
async def test_a_query_comes_in_parts_only_where_nothing_else_is_taken(world, accept, content_type):
    response = await world.http.post("/graphql", json={"query": VIEWER}, headers=world.headers(A) | {"Accept": accept})

    answer = response.json() if "json" in content_type else parts_of(response, response.content)[0]["payload"]
    assert response.headers["content-type"] == content_type
    assert answer == {"data": {"viewer": {"subject": "anna@acme.example"}}}


async def test_parts_of_another_protocol_are_not_spoken(world, import_id):
    async with watching(world, import_id, "multipart/mixed;deferSpec=20220824") as response:
        assert response.status_code == 406


async def test_what_is_wrong_with_an_operation_is_told_in_its_part(world):
    body = {"query": "subscription { nope }"}

    response = await world.http.post("/graphql", json=body, headers=world.headers(A) | {"Accept": SPEC})

    (part,) = parts_of(response, response.content)
    assert part["payload"]["errors"][0]["extensions"]["code"] == "BAD_USER_INPUT"


@pytest.mark.parametrize("media", WIRES)
async def test_a_silent_stream_gives_signs_of_life(world, import_id, media, monkeypatch):
    sign = {EVENTS: ": still here", PARTS: "{}"}[media]
    monkeypatch.setitem(WIRES, media, replace(WIRES[media], heartbeat_seconds=0.05))

    async with watching(world, import_id, STREAMED[media]) as response, asyncio.timeout(SECONDS):
        lines = response.aiter_lines()
        while await anext(lines) != sign:
            pass

    assert await nobody_watches(world)


async def test_the_end_of_the_token_is_told_beside_the_parts(world, import_id):
    short = world.headers(A, B, ttl=timedelta(seconds=2))

    async with watching(world, import_id, SPEC, **short) as response:
        parts = parts_of(response, await response.aread())

    assert parts[0]["payload"]["data"]["importProgress"]["seq"] == 1
    assert parts[-1]["payload"] is None
    assert parts[-1]["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"
    assert await nobody_watches(world)


@pytest.mark.parametrize("media", WIRES)
async def test_a_stream_whose_reader_resets_its_connection_leaves_nothing_behind(world, import_id, token, media):
    asked = json.dumps({"query": PROGRESS, "variables": {"id": import_id}})
    reader, writer = await request_of(world, token, STREAMED[media], asked)
    await reader.readuntil(b'"seq":1')
    watched = LIVE.subscriptions

    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()

    assert watched == 1
    assert await nobody_watches(world)


async def test_a_server_that_stops_ends_every_stream_at_once_and_says_that_more_would_come(tmp_path, caplog):
    async with a_world(tmp_path, role="web") as world:
        caller = await with_artifacts(world)
        import_id = await submitted(caller, await exported(caller))
        async with (
            a_socket(world, token=world.token(tenants=[B])) as watcher,
            watching(world, import_id, EVENTS) as events,
            watching(world, import_id, SPEC) as parts,
        ):
            await watcher.ask("1", PROGRESS, id=import_id)
            await watcher.heard()
            bodies = [stream.aiter_bytes() for stream in (events, parts)]
            begun = [await anext(body) for body in bodies]
            # parts begin with a delimiter, before anything is watched
            async with asyncio.timeout(10):
                while LIVE.subscriptions < 3:
                    await asyncio.sleep(0.01)
            began = asyncio.get_running_loop().time()
            world.serving.stop()
            rest = [b"".join([chunk async for chunk in body]) for body in bodies]
            closed = await watcher.closed()
        await world.serving.ended
        took = asyncio.get_running_loop().time() - began

        assert (LIVE.subscriptions, world.services.follower.tail_count) == (0, 0)

    assert closed[0] == 1012, "the code with which clients come again"
    assert b"event: complete" not in begun[0] + rest[0]
    assert b"--graphql--" not in begun[1] + rest[1]
    assert took < FAREWELL_SECONDS / 2
    assert [record for record in caplog.records if record.levelname == "ERROR"] == []


SUBSCRIBE = {"id": "2", "type": "subscribe", "payload": {"query": VIEWER}}


async def test_no_slip_in_one_message_ends_the_other_operations_of_its_socket(world, import_id, token):
    nameless: list[Any] = [
        "{",
        "[]",
        "1",
        "null",
        "NaN",
        b"\x00",
        {},
        {"type": 1},
        {"type": "start"},
        {"type": "complete"},
    ]
    nameless += [{"type": "ping", "payload": []}, SUBSCRIBE | {"id": 1}, SUBSCRIBE | {"id": ""}]
    named: list[Any] = [
        None,
        [],
        "x",
        {},
        {"query": 1},
        {"query": VIEWER, "variables": []},
        {"query": "{"},
        {"query": ""},
    ]
    named += [{"query": VIEWER, "operationName": 1}, {"query": VIEWER, "extensions": "x"}, {"query": "{ a \x00 }"}]
    named += [{"query": VIEWER, "variables": {"x": float("nan")}}, {"query": VIEWER, "variables": {"x": "\ud800"}}]

    async with a_socket(world, token=token) as watcher:
        await watcher.ask("1", PROGRESS, id=import_id)
        first = await watcher.heard()
        for message in nameless:
            await watcher.say(message)
        await watcher.say(SUBSCRIBE | {"id": "1", "payload": []})
        answers = []
        for payload in named:
            await watcher.say(SUBSCRIBE | {"payload": payload})
            answers.append(await watcher.heard())
        await asking(world, B).data(CANCEL, id=import_id)
        last = [await watcher.heard(), await watcher.heard()]

    assert first["payload"]["data"]["importProgress"]["seq"] == 1
    assert {(answer["id"], answer["type"]) for answer in answers} == {("2", "error")}
    assert {answer["payload"][0]["extensions"]["code"] for answer in answers} == {"BAD_USER_INPUT"}
    assert last[0]["payload"]["data"]["importProgress"]["isFinal"]
    assert last[1] == {"id": "1", "type": "complete"}


async def turned_away(world: World, subject: str, *tenants: str) -> tuple[int | None, str, int, str]:
    """How a socket and a stream of a caller are refused."""
    async with a_socket(world) as caller:
        await caller.say(
            {
                "type": "connection_init",
                "payload": {"Authorization": f"Bearer {world.token(subject, tenants=tenants)}"},
            }
        )
        code, reason = await caller.closed()
    headers = world.headers(*tenants, subject=subject) | {"Accept": EVENTS}
    response = await world.http.post("/graphql", json={"query": VIEWER}, headers=headers)
    assert int(response.headers["retry-after"]) > 0
    return code, reason or "", response.status_code, response.json()["errors"][0]["extensions"]["code"]


async def test_open_sockets_and_streams_are_bounded_for_each_user_and_each_tenant(small):
    def socket_of(subject: str, tenant: str) -> Any:
        return a_socket(small, token=small.token(subject, tenants=[tenant]))

    async with socket_of("anna", A), socket_of("anna", A), socket_of("ben", B) as other:
        too_many = await turned_away(small, "anna", B)
        async with socket_of("ben", A):
            too_many_together = await turned_away(small, "carl", A)
            async with socket_of("carl", C) as elsewhere:
                await elsewhere.ask("1", VIEWER)
                assert (await elsewhere.heard())["type"] == "next"
        await other.say({"type": "ping"})
        assert await other.heard() == {"type": "pong"}

    assert too_many[:1] + too_many[2:] == (1013, 429, "RATE_LIMIT_EXCEEDED")
    assert too_many_together[:1] + too_many_together[2:] == (1013, 429, "RATE_LIMIT_EXCEEDED")
    assert "user" in too_many[1]
    assert "tenant" in too_many_together[1]
    async with socket_of("anna", A), socket_of("anna", A):
        pass


@pytest.mark.parametrize("media", WIRES)
async def test_a_stream_that_ended_leaves_its_place(small, media):
    headers = small.headers(A) | {"Accept": STREAMED[media]}

    answers = [await small.http.post("/graphql", json={"query": VIEWER}, headers=headers) for _ in range(4)]

    assert {answer.status_code for answer in answers} == {200}


async def test_a_socket_has_its_number_of_operations_and_room_again_when_one_ends(small):
    query = "subscription { importChanges { id } }"

    async with a_socket(small, token=small.token(tenants=[A])) as caller:
        for key in ("1", "2", "3"):
            await caller.ask(key, query)
        refused = await caller.heard()
        await caller.say({"id": "1", "type": "complete"})
        await caller.ask("4", VIEWER)
        answered = await caller.heard()

    assert (refused["id"], refused["type"]) == ("3", "error")
    assert refused["payload"][0]["extensions"]["code"] == "RATE_LIMIT_EXCEEDED"
    assert (answered["id"], answered["type"]) == ("4", "next")


@pytest.mark.parametrize("in_pieces", [False, True])
async def test_a_message_over_the_limit_ends_its_socket_and_harms_nobody(small, in_pieces):
    def message(kilobytes: int) -> str:
        return json.dumps({"type": "ping", "payload": {"a": "x" * (kilobytes << 10)}})

    async def send(caller: Socket, text: str) -> None:
        pieces = (text[begin : begin + 4096] for begin in range(0, len(text), 4096))
        await caller.connection.send(pieces if in_pieces else text)

    async with (
        a_socket(small, token=small.token(tenants=[A])) as large,
        a_socket(small, token=small.token(tenants=[A])) as other,
    ):
        await send(large, message(120))
        taken = await large.heard()
        await send(large, message(129))
        closed = await large.closed()
        await other.ask("1", VIEWER)

        assert taken["type"] == "pong"
        assert closed[0] == 1009
        assert (await other.heard())["type"] == "next"
