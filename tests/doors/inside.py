"""Requests handed to a running server's application itself: thousands of them, without a socket for each."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from tests.world import World

Fields = Iterable[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Said:
    """An answer, whole."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def tree(self) -> Any:
        return json.loads(self.body)


async def ask(
    world: World, method: str, target: str, headers: Fields = (), body: bytes = b"", *, stays: bool = False
) -> Said:
    """One request through everything between a socket and an answer; who ``stays`` hears a stream to its end."""
    config = world.serving.listener.config
    path, _, query = target.partition("?")
    scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": method,
        "path": unquote(path),
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "root_path": "",
        "scheme": "http",
        "server": ("127.0.0.1", 1),
        "client": ("127.0.0.1", 2),
        "headers": [(b"host", b"hub.example"), *((n.lower().encode(), v.encode("latin-1")) for n, v in headers)],
        "state": dict(world.serving.listener.lifespan.state),
    }
    heard: list[Any] = []
    asked = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> Any:
        if asked:
            return asked.pop()
        return await asyncio.Event().wait() if stays else {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        heard.append(message)

    await config.loaded_app(scope, receive, send)
    start, *pieces = heard
    told = {name.decode(): value.decode("latin-1") for name, value in start["headers"]}
    return Said(start["status"], told, b"".join(piece.get("body", b"") for piece in pieces))
