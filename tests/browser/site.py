"""An origin of its own: serves the pages of this folder and takes what they tell."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from server.serving import Listener

_SECONDS = 25


@dataclass(slots=True)
class Site:
    """A static server on loopback. It has two origins: a browser tells its number and its name apart."""

    port: int
    task: Mapping[str, Any] = field(default_factory=dict)
    answers: asyncio.Queue[Any] = field(default_factory=asyncio.Queue)

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def other_origin(self) -> str:
        return f"http://localhost:{self.port}"

    async def told(self) -> Any:
        """What a page tells when it is through."""
        async with asyncio.timeout(_SECONDS):
            return await self.answers.get()


@asynccontextmanager
async def a_site() -> AsyncIterator[Site]:
    bound = socket.create_server(("127.0.0.1", 0))
    site = Site(bound.getsockname()[1])

    async def task(_: Request) -> Response:
        return JSONResponse(site.task)

    async def told(request: Request) -> Response:
        await site.answers.put(json.loads(await request.body()))
        return Response(status_code=204)

    routes = [
        Route("/task.json", task),
        Route("/told", told, methods=["POST"]),
        Mount("/", StaticFiles(directory=Path(__file__).parent)),
    ]
    config = uvicorn.Config(Starlette(routes=routes), log_config=None, lifespan="off", timeout_graceful_shutdown=1)
    listener = Listener(config, asyncio.Event())
    ended = asyncio.create_task(listener.serve(sockets=[bound]))
    try:
        yield site
    finally:
        listener.should_exit = True
        await ended
        bound.close()
