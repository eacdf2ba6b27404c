"""A line between two programs on this machine, which fails in the manner that a test says: ``async with a_proxy(…)``.

It stands before PostgreSQL, an object store, a Valkey, a mail server or a hub alike, because it knows nothing of what
it carries but bytes.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import TypeAlias

from tests.listening import listening

Wire: TypeAlias = tuple[asyncio.StreamReader, asyncio.StreamWriter]
#: connects to what the proxy stands before
Onward = Callable[[], Awaitable[Wire]]

_CHUNK = 64 << 10


@dataclass(slots=True, eq=False)
class Proxy:
    """Lets everything through until it is told otherwise; what it is told counts from the next bytes on."""

    onward: Onward
    port: int = 0
    #: seconds that each chunk waits, and bytes a second, towards the client
    latency: float = 0.0
    bandwidth: float = 0.0
    #: bytes of a chunk towards the client, at most
    slice_bytes: int = _CHUNK
    #: towards the client, in all; then the connection is reset
    cut_after: int | None = None
    #: what is put into other bytes of the same length, towards the client
    swaps: tuple[bytes, bytes] = (b"", b"")
    #: nothing goes through any more, but connections stay open and new ones are taken
    is_silent: bool = False
    #: connections are reset as soon as they come
    is_down: bool = False
    #: once the client has said this, what comes back is dropped, and the connection reset; once
    drops_answer_to: bytes | None = None
    #: how often an answer was dropped
    dropped: int = 0
    _open: set[asyncio.StreamWriter] = field(default_factory=set)
    _goes_on: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def connections(self) -> int:
        """How many clients are connected."""
        return len(self._open)

    def fall_silent(self) -> None:
        self.is_silent = True
        self._goes_on.clear()

    def speak(self) -> None:
        self.is_silent = False
        self._goes_on.set()

    def reset(self) -> None:
        """End every connection at once, as a server does that is killed."""
        for client in tuple(self._open):
            client.transport.abort()

    def break_down(self) -> None:
        self.is_down = True
        self.reset()

    def repair(self) -> None:
        self.is_down = False

    async def carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, to its end."""
        if self.is_down:
            writer.transport.abort()
            return
        self._open.add(writer)
        ending = asyncio.Event()
        far_writer: asyncio.StreamWriter | None = None
        try:
            far_reader, far_writer = await self.onward()
            ways = [
                asyncio.create_task(self._out(reader, far_writer, ending)),
                asyncio.create_task(self._back(far_reader, writer, ending)),
            ]
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            for way in ways:
                way.cancel()
            await asyncio.wait(ways)
        finally:
            self._open.discard(writer)
            for end in (writer, far_writer):
                if end is not None:
                    end.transport.abort()

    async def _out(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, is_dropping: asyncio.Event
    ) -> None:
        with suppress(OSError):
            while chunk := await reader.read(_CHUNK):
                await self._allowed()
                if self.drops_answer_to is not None and self.drops_answer_to in chunk:
                    self.drops_answer_to = None
                    is_dropping.set()
                writer.write(chunk)
                await writer.drain()

    async def _back(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, is_dropping: asyncio.Event
    ) -> None:
        with suppress(OSError):
            while chunk := await reader.read(self.slice_bytes):
                await self._allowed()
                if is_dropping.is_set():
                    self.dropped += 1
                    return
                await asyncio.sleep(self.latency + (len(chunk) / self.bandwidth if self.bandwidth else 0.0))
                chunk = chunk.replace(*self.swaps) if self.swaps[0] else chunk
                if self.cut_after is not None:
                    chunk, self.cut_after = chunk[: self.cut_after], self.cut_after - len(chunk)
                writer.write(chunk)
                await writer.drain()
                if self.cut_after is not None and self.cut_after <= 0:
                    self.cut_after = None
                    return

    async def _allowed(self) -> None:
        while self.is_silent:
            await self._goes_on.wait()


@asynccontextmanager
async def a_proxy(onward: Onward, *, tls: ssl.SSLContext | None = None) -> AsyncIterator[Proxy]:
    """A proxy on a free port of this machine; its connections end with it."""
    proxy = Proxy(onward)
    async with listening(proxy.carry, tls=tls) as proxy.port:
        yield proxy


def at_port(port: int) -> Onward:
    """Connects to a port of this machine."""
    return lambda: asyncio.open_connection("127.0.0.1", port)


def at_socket(path: str) -> Onward:
    """Connects to a socket in the file system."""
    return lambda: asyncio.open_unix_connection(path)
