"""What is told at once leaves in one piece, and arrives whole and in order."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from server.gathering import Gathering
from server.patient_sockets import PatientSocket

#: around every change of how a frame's length is written
_LENGTHS = (0, 1, 125, 126, 127, 65_535, 65_536, 200_000)


async def test_messages_of_every_length_arrive_whole_and_in_order() -> None:
    async with _telling([f"{length} {'é' * (length // 2)}" for length in _LENGTHS]) as url, connect(url) as client:
        told = [await client.recv() for _ in _LENGTHS]

    assert told == [f"{length} {'é' * (length // 2)}" for length in _LENGTHS]


async def test_a_close_comes_after_all_that_was_told_before_it() -> None:
    async with _telling(["one", "two"]) as url, connect(url) as client:
        told = [await client.recv() for _ in range(2)]
        with pytest.raises(ConnectionClosed) as closed:
            await client.recv()

    assert told == ["one", "two"]
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 4321


async def test_what_is_written_in_one_turn_is_one_write() -> None:
    taken = _Taken()
    gathering = Gathering(taken, asyncio.get_running_loop())

    for part in (b"a", b"b", b"c"):
        gathering.write(part)
    before = list(taken.writes)
    await asyncio.sleep(0)

    assert before == []
    assert taken.writes == [b"abc"]


async def test_much_is_written_before_the_turn_ends() -> None:
    taken = _Taken()
    gathering = Gathering(taken, asyncio.get_running_loop())

    gathering.write(bytes(40_000))
    gathering.write(bytes(40_000))

    assert [len(one) for one in taken.writes] == [80_000]


class _Taken(asyncio.Transport):
    def __init__(self) -> None:
        super().__init__()
        self.writes: list[bytes] = []

    def is_closing(self) -> bool:
        return False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.writes.append(bytes(data))


@asynccontextmanager
async def _telling(texts: list[str]) -> AsyncIterator[str]:
    """A server that tells every socket these texts, and closes it."""
    bound = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(_app(texts), ws=PatientSocket, ws_per_message_deflate=False, log_config=None)
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve(sockets=[bound]))
    try:
        yield f"ws://127.0.0.1:{bound.getsockname()[1]}/"
    finally:
        server.should_exit = True
        await serving


def _app(texts: list[str]) -> ASGIApp:
    async def tell(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "websocket":
            return
        await receive()
        await send({"type": "websocket.accept"})
        for text in texts:
            await send({"type": "websocket.send", "text": text})
        await send({"type": "websocket.close", "code": 4321})

    return tell
