"""The servers of the tests themselves: nobody whom they took in stays connected when they end."""

from __future__ import annotations

import asyncio
import gc
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from urllib.parse import urlsplit

import pytest

from tests.faults.proxy import a_proxy, at_port
from tests.hostile import a_hostile, silence
from tests.receivers import a_mail_server, an_endpoint

#: from before a client is taken in to the middle of its being served
TURNS = range(7)


@asynccontextmanager
async def _hostile() -> AsyncIterator[int]:
    async with a_hostile(otherwise=silence) as server:
        yield int(server.port)


@asynccontextmanager
async def _proxy() -> AsyncIterator[int]:
    async with _hostile() as port, a_proxy(at_port(port)) as proxy:
        yield proxy.port


@asynccontextmanager
async def _mail_server() -> AsyncIterator[int]:
    async with a_mail_server() as server:
        yield server.port


@asynccontextmanager
async def _endpoint() -> AsyncIterator[int]:
    async with an_endpoint() as server:
        yield urlsplit(server.url).port or 0


@pytest.mark.parametrize("server", [_hostile, _proxy, _mail_server, _endpoint])
def test_a_server_that_ends_cuts_off_whoever_it_has_just_taken_in(
    server: Callable[[], AbstractAsyncContextManager[int]],
) -> None:
    async def taken_in(turns: int) -> None:
        async with server() as port:
            client = socket.create_connection(("127.0.0.1", port))
            for _ in range(turns):
                await asyncio.sleep(0)
        client.close()

    for turns in TURNS:
        asyncio.run(taken_in(turns))

    # a socket that is open still is told as an error of this test
    gc.collect()
