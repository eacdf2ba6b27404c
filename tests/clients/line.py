"""The line between a client and the server: it breaks once, when something that a test waits for has come through."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

from tests.listening import listening

_BLOCK = 1 << 16


@dataclass(slots=True)
class Line:
    """``broken`` is set as soon as ``breaks_after`` has come from the server and all connections were reset."""

    leads_to: int
    breaks_after: bytes | None = None
    broken: asyncio.Event = field(default_factory=asyncio.Event)
    #: how many connections there have been
    count: int = 0
    url: str = ""
    _open: set[asyncio.StreamWriter] = field(default_factory=set)

    async def lead(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, to its end."""
        self.count += 1
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self.leads_to)
        self._open |= {writer, far_writer}
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._pass_on(reader, far_writer))
                group.create_task(self._pass_on(far_reader, writer, self.breaks_after))
        finally:
            self._open -= {writer, far_writer}
            far_writer.close()

    async def _pass_on(
        self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, breaks_after: bytes | None = None
    ) -> None:
        with suppress(OSError):
            while block := await source.read(_BLOCK):
                sink.write(block)
                await sink.drain()
                if breaks_after and breaks_after in block:
                    self._break()
        sink.close()

    def _break(self) -> None:
        self.breaks_after = None
        for writer in self._open:
            writer.transport.abort()
        self.broken.set()


@asynccontextmanager
async def a_line(url: str, breaks_after: bytes | None = None) -> AsyncIterator[Line]:
    """A loopback address that leads to ``url``."""
    line = Line(int(url.rpartition(":")[2]), breaks_after)
    async with listening(line.lead) as port:
        line.url = f"http://127.0.0.1:{port}"
        yield line
