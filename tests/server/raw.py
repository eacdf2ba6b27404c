"""HTTP said byte by byte, as no client library would say it."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from urllib.parse import urlsplit

from tests.world import World

_STATUS = re.compile(rb"^HTTP/1\.1 (\d{3}) ", re.MULTILINE)


@asynccontextmanager
async def connected(world: World) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    parts = urlsplit(world.url)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    try:
        yield reader, writer
    finally:
        writer.transport.abort()


async def heard(reader: asyncio.StreamReader, seconds: float = 10.0) -> bytes:
    """Everything until the connection ends. Raises ``TimeoutError`` when it does not."""
    gathered = b""
    async with asyncio.timeout(seconds):
        with suppress(ConnectionError):
            while piece := await reader.read(1 << 16):
                gathered += piece
    return gathered


async def said(world: World, *pieces: bytes, seconds: float = 10.0) -> bytes:
    """What a server answers until it closes."""
    async with connected(world) as (reader, writer):
        listening = asyncio.create_task(heard(reader, seconds))
        with suppress(ConnectionError):
            for piece in pieces:
                writer.write(piece)
                await writer.drain()
        return await listening


def statuses(answers: bytes) -> list[int]:
    """The status of every answer on a connection."""
    return [int(status) for status in _STATUS.findall(answers)]


def head(line: str, *fields: str, host: str = "hub.example") -> bytes:
    """A request's head; ``Host`` comes first unless it is empty."""
    return "\r\n".join([line, *([f"Host: {host}"] if host else []), *fields, "", ""]).encode("latin-1")
