"""Open streams over HTTP, what of them is still there, and what the process holds."""

from __future__ import annotations

import asyncio
import gc
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from resolvers.live import LIVE
from server.media import EVENTS, PARTS
from tests.doors.graphql_world import PROGRESS, A, B
from tests.world import World

#: how parts are asked for
SPEC = "multipart/mixed;subscriptionSpec=1.0"
STREAMED = {EVENTS: EVENTS, PARTS: SPEC}
SECONDS = 10
MIB = 1 << 20


@asynccontextmanager
async def watching(world: World, import_id: str, accept: str, **headers: str) -> AsyncIterator[Any]:
    """An open stream of an import."""
    body = {"query": PROGRESS, "variables": {"id": import_id}}
    sent = world.headers(A, B) | {"Accept": accept} | headers
    async with world.http.stream("POST", "/graphql", json=body, headers=sent) as response:
        yield response


async def request_of(
    world: World, token: str, accept: str, body: str
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A connection of our own on which something was asked."""
    host, port = world.url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    head = ["POST /graphql HTTP/1.1", f"Host: {host}", f"Authorization: Bearer {token}", f"Accept: {accept}"]
    head += ["Content-Type: application/json", f"Content-Length: {len(body)}", "", ""]
    writer.write(("\r\n".join(head) + body).encode())
    return reader, writer


async def nobody_watches(world: World) -> bool:
    async with asyncio.timeout(SECONDS):
        while world.services.follower.tail_count or LIVE.subscriptions:
            await asyncio.sleep(0.01)
    return True


def resident() -> int:
    """Bytes of this process in memory."""
    gc.collect()
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")
