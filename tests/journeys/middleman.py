"""Somebody between an installation and its hub, who lets everything through until a test says otherwise."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import httpx

from tests.hostile import Hostile, a_hostile

_RANGE = re.compile(r"^range: (.*)\r$", re.IGNORECASE | re.MULTILINE)
_PASSED_ON = ("content-length", "content-range", "content-type", "etag")


@dataclass(slots=True)
class Middleman:
    """``cut_at``: the next package breaks off after so many bytes, once. ``halfway`` is set when it does."""

    hub_url: str
    server: Hostile
    cut_at: int | None = None
    halfway: asyncio.Event = field(default_factory=asyncio.Event)
    #: what happens between the last byte and the end of the connection
    goes_on: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def url(self) -> str:
        return self.server.url

    async def pass_on(self, writer: asyncio.StreamWriter, head: str) -> None:
        path, wanted = head.split()[1], _RANGE.search(head)
        headers = {"Accept-Encoding": "identity"} | ({"Range": wanted[1]} if wanted else {})
        try:
            async with (
                httpx.AsyncClient(base_url=self.hub_url, trust_env=False) as http,
                http.stream("GET", path, headers=headers) as answer,
            ):
                told = [f"{name}: {answer.headers[name]}" for name in _PASSED_ON if name in answer.headers]
                lines = [f"HTTP/1.1 {answer.status_code} {answer.reason_phrase}", *told, "Connection: close", "", ""]
                writer.write("\r\n".join(lines).encode())
                body = await answer.aread()
        except httpx.TransportError:
            return
        if self.cut_at is not None and path.startswith("/hub/targets/"):
            body, self.cut_at = body[: self.cut_at], None
            writer.write(body)
            await writer.drain()
            self.halfway.set()
            await self.goes_on.wait()
        else:
            writer.write(body)


@asynccontextmanager
async def a_middleman(hub_url: str) -> AsyncIterator[Middleman]:
    async def pass_on(writer: asyncio.StreamWriter, head: str) -> None:
        await made.pass_on(writer, head)

    async with a_hostile(otherwise=pass_on) as server:
        made = Middleman(hub_url, server)
        yield made
