"""The WebSocket protocol, to the letter (graphql-transport-ws; decisions R37)."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any, cast

import pytest
import pytest_asyncio
from starlette.websockets import WebSocket
from websockets.exceptions import ConnectionClosed, InvalidStatus

from server.graphql_socket import SocketAdapter
from tests.doors.graphql_world import A, Socket, a_socket
from tests.world import World, a_world

pytestmark = pytest.mark.asyncio(loop_scope="module")

VIEWER = "{ viewer { subject } }"
INIT = {"type": "connection_init"}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(tmp_path_factory):
    async with a_world(tmp_path_factory.mktemp("world"), role="web", allowed_origins=("https://ui.example",)) as world:
        await world.tenant(A)
        yield world


@pytest.fixture
def token(world: World):
    return world.token(tenants=[A])


async def answered(socket: Socket, key: str = "1") -> None:
    """The socket still answers."""
    await socket.ask(key, VIEWER)
    assert (await socket.heard())["payload"]["data"]["viewer"]["subject"] == "anna@acme.example"
    assert await socket.heard() == {"id": key, "type": "complete"}


async def test_a_query_over_the_socket_is_answered_and_completed(world, token):
    async with a_socket(world, token=token) as socket:
        await answered(socket)
        await answered(socket)


@pytest.mark.parametrize("key", ["Authorization", "authorization", "AUTHORIZATION"])
async def test_the_token_comes_in_the_payload_in_any_case(world, token, key):
    async with a_socket(world) as socket:
        await socket.say(INIT | {"payload": {key: f"Bearer {token}"}})

        assert await socket.heard() == {"type": "connection_ack"}


@pytest.mark.parametrize(
    "payload",
    [
        None,
        {},
        {"Authorization": None},
        {"Authorization": 1},
        {"Authorization": ["x"]},
        {"Authorization": "x"},
        {"Authorization": "Bearer a.b.c"},
        {"token": "x"},
        {"Authorization": "Bearer \u00e9"},
    ],
)
async def test_without_a_good_token_the_socket_is_forbidden(world, payload):
    async with a_socket(world) as socket:
        await socket.say(INIT | {"payload": payload})

        assert await socket.closed() == (4403, "Forbidden")


async def test_two_tokens_that_differ_are_forbidden(world, token):
    other = world.token("ben@acme.example", tenants=[A])
    in_header = {"Authorization": f"Bearer {token}"}

    async with a_socket(world, additional_headers=in_header) as socket:
        await socket.say(INIT | {"payload": {"Authorization": f"Bearer {other}"}})
        assert await socket.closed() == (4403, "Forbidden")
    async with a_socket(world, additional_headers=in_header) as socket:
        assert await socket.begin(token) == {"type": "connection_ack"}
    async with a_socket(world) as socket:
        both = {"Authorization": f"Bearer {token}", "authorization": f"Bearer {other}"}
        await socket.say(INIT | {"payload": both})
        assert await socket.closed() == (4403, "Forbidden")


async def test_a_token_in_the_header_alone_is_not_enough(world, token):
    async with a_socket(world, additional_headers={"Authorization": f"Bearer {token}"}) as socket:
        await socket.say(INIT)

        assert await socket.closed() == (4403, "Forbidden")


async def test_asking_before_the_token_is_unauthorized(world):
    async with a_socket(world) as socket:
        await socket.ask("1", VIEWER)

        assert (await socket.closed())[0] == 4401


async def test_a_second_init_ends_the_socket(world, token):
    async with a_socket(world, token=token) as socket:
        await socket.say(INIT | {"payload": {"Authorization": f"Bearer {token}"}})

        assert (await socket.closed())[0] == 4429


async def test_a_silent_socket_ends_after_five_seconds(world):
    async with a_socket(world) as socket:
        began = asyncio.get_running_loop().time()

        assert (await socket.closed())[0] == 4408
        assert 4 < asyncio.get_running_loop().time() - began < 8


async def test_an_id_in_use_ends_the_socket_with_a_reason_that_fits_its_frame(world, token):
    key = "\u20ac" * 100
    async with a_socket(world, token=token) as socket:
        for _ in range(2):
            await socket.say({"id": key, "type": "subscribe", "payload": {"query": VIEWER}})

        code, reason = await socket.closed()
        assert code == 4409
        assert len((reason or "").encode()) <= 123


@pytest.mark.parametrize("payload", [{"a": [1, {"b": None}]}, {}])
async def test_a_ping_gets_its_payload_back(world, payload):
    async with a_socket(world) as socket:
        await socket.say({"type": "ping", "payload": payload})
        assert await socket.heard() == {"type": "pong", "payload": payload}
        await socket.say({"type": "ping"})
        assert await socket.heard() == {"type": "pong"}
        await socket.say({"type": "pong"})
        await socket.say({"type": "ping", "payload": None})
        assert await socket.heard() == {"type": "pong"}


SUBSCRIBE = {"id": "1", "type": "subscribe", "payload": {"query": VIEWER}}


@pytest.mark.parametrize(
    "message",
    [
        "", "{", "no json", "NaN", b"\x00\x01", [], 1, None, '"text"', {},
        {"type": 1}, {"type": None}, {"type": "start"},
        {"type": "x" * 500}, {"type": "\u20ac" * 200}, {"type": "complete"}, {"type": "complete", "id": 1},
        {"type": "ping", "payload": []}, {"type": "connection_init", "payload": "x"},
        SUBSCRIBE | {"id": 1}, SUBSCRIBE | {"id": ""}, SUBSCRIBE | {"id": None}, SUBSCRIBE | {"id": "x" * 1000},
        SUBSCRIBE | {"payload": None}, SUBSCRIBE | {"payload": []},
        SUBSCRIBE | {"payload": {"query": 1}}, SUBSCRIBE | {"payload": {"query": VIEWER, "variables": []}},
        SUBSCRIBE | {"payload": {"query": VIEWER, "operationName": 1}},
        SUBSCRIBE | {"payload": {"query": VIEWER, "extensions": "x"}},
        '{"type": "ping", "type": "ping"}', "[" * 10_000, '{"type": "ping", "payload": {"a": "\\ud800"}}',
    ],
)  # fmt: skip
async def test_what_is_no_message_of_the_protocol_ends_the_socket_in_order(world, token, message):
    async with a_socket(world, token=token) as socket:
        await socket.say(message)

        code, reason = await socket.closed()
        assert code == 4400
        assert len((reason or "").encode()) <= 123


@pytest.mark.parametrize(
    "payload",
    [
        {"query": "{"},
        {"query": ""},
        {},
        {"query": "{ nope }"},
        {"query": "query A { __typename } query B { __typename }"},
        {"query": VIEWER, "operationName": "No"},
        {"query": "query($x: Int!) { node(id: $x) { id } }"},
        {"query": "{ " + "a " * 3000 + "}"},
        {"query": "fragment F on Query { __typename }"},
    ],
)
async def test_a_bad_operation_gets_an_error_and_leaves_the_socket_alone(world, token, payload):
    async with a_socket(world, token=token) as socket:
        await socket.say({"id": "bad", "type": "subscribe", "payload": payload})

        message = await socket.heard()
        assert (message["id"], message["type"]) == ("bad", "error")
        assert message["payload"][0]["extensions"]["code"] in {"BAD_USER_INPUT", "QUERY_TOO_COMPLEX"}
        await answered(socket, "bad")


async def test_completing_what_was_never_asked_changes_nothing(world, token):
    async with a_socket(world, token=token) as socket:
        await socket.say({"id": "unknown", "type": "complete"})

        await answered(socket)


async def test_other_subprotocols_are_not_spoken(world):
    async with a_socket(world) as socket:
        assert socket.connection.subprotocol == "graphql-transport-ws"
    with pytest.raises(ConnectionClosed) as closed:
        async with a_socket(world, subprotocol="graphql-ws") as socket:
            await socket.heard()
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 4406


@pytest.mark.parametrize(
    ("origin", "is_allowed"),
    [
        (None, True),
        ("https://ui.example", True),
        ("http://localhost:3000", True),
        ("https://evil.example", False),
        ("null", False),
        ("http://localhost.evil.example", False),
    ],
)
async def test_only_known_pages_may_open_a_socket(world, origin, is_allowed):
    expectation = contextlib.nullcontext() if is_allowed else pytest.raises(InvalidStatus, match="403")

    with expectation:
        async with a_socket(world, origin=origin) as socket:
            await socket.say({"type": "ping"})
            assert await socket.heard() == {"type": "pong"}


async def test_between_messages_that_come_all_at_once_others_have_their_turns():
    ping = {"type": "websocket.receive", "text": '{"type": "ping"}'}
    messages = iter([{"type": "websocket.connect"}, *[ping] * 50, {"type": "websocket.disconnect", "code": 1001}])
    turns = 0

    async def received() -> Any:
        return next(messages)

    async def sent(_: Any) -> None:
        pass

    async def other() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    socket = WebSocket({"type": "websocket"}, received, sent)
    await socket.accept()
    others = asyncio.create_task(other())
    read = [message async for message in SocketAdapter(cast("Any", None), socket, socket).iter_json()]
    others.cancel()

    assert len(read) == 50
    assert turns >= 50


async def test_a_text_that_is_no_text_ends_the_socket_without_noise(world, caplog):
    async with a_socket(world) as socket:
        await socket.connection.send(b"\xff\xfe", text=True)
        code, _ = await socket.closed()

    assert code == 1007
    assert [record for record in caplog.records if record.exc_info] == []


async def test_a_caller_who_vanishes_leaves_no_noise(world, token, caplog):
    async with a_socket(world, token=token) as socket:
        for number in range(20):
            await socket.ask(str(number), VIEWER)
        socket.connection.transport.abort()
    await asyncio.sleep(0.3)

    assert [record for record in caplog.records if record.exc_info] == []
