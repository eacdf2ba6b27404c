"""Servers of tests that leave nothing open behind them: who is still connected when they end is cut off."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable
from contextlib import asynccontextmanager
from typing import Any

#: what is done with one connection
Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Coroutine[Any, Any, None]]

#: turns of the loop until everybody whom a server had taken in has a transport, and a task that serves it
_TURNS = 3


@asynccontextmanager
async def listening(serve: Serve, *, tls: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """Serve whoever connects to a free port of this machine, which is given; all connections end with it."""
    serving: set[asyncio.Task[None]] = set()
    opened: list[asyncio.WriteTransport] = []

    def begin(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        opened.append(writer.transport)
        task = asyncio.create_task(serve(reader, writer))
        serving.add(task)
        task.add_done_callback(serving.discard)

    server = await asyncio.start_server(begin, "127.0.0.1", 0, ssl=tls)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        await closed(server)
        for task in tuple(serving):
            task.cancel()
        await asyncio.gather(*serving, return_exceptions=True)
        # a task that was cancelled before it began has closed nothing
        await cut_off(opened)


async def closed(server: asyncio.Server) -> None:
    """Take nobody in any more, and end when those are known who were taken in at the last moment."""
    for listener in server.sockets:
        asyncio.get_running_loop().remove_reader(listener.fileno())
    # closed any sooner, it gives no transport to who waits for one, and that one's socket stays open
    for _ in range(_TURNS):
        await asyncio.sleep(0)
    server.close()


async def cut_off(connections: Iterable[asyncio.WriteTransport]) -> None:
    """End connections at once. A socket that is open when its loop ends is noticed at any later test."""
    for connection in connections:
        connection.abort()
    # an abort takes one turn of the loop
    await asyncio.sleep(0)
