"""The limits over HTTP as a program: each route does the one physical thing, and nothing more.

``python -m bench.limit_server PORT DATABASE``
"""

from __future__ import annotations

import asyncio
import hashlib
import sys
import time
from collections.abc import AsyncIterator
from itertools import groupby
from pathlib import Path

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from bench import limits

_DATABASE = Path(sys.argv[2]) if len(sys.argv) > 2 else Path("limit.db")
_BYTES = _DATABASE.parent / "limit.bytes"
_CHUNK = 1 << 20
_ANSWER = b'{"data":{"viewer":{"subject":"bench@example.com"}}}'
_WATCHERS: set[asyncio.Queue[str]] = set()


async def take(request: Request) -> JSONResponse:
    """W3: the whole import, in a thread, as the least careful server would do it."""
    body = await request.body()
    await asyncio.to_thread(limits.import_bundle, _DATABASE, request.path_params["tenant"], body)
    return JSONResponse({"status": "Success"})


async def keep(request: Request) -> JSONResponse:
    """W5: a body to disk, hashed on the way."""
    digest = hashlib.sha256()
    with _BYTES.open("wb") as file:
        async for chunk in request.stream():
            digest.update(chunk)
            file.write(chunk)
    return JSONResponse({"sha256": digest.hexdigest()})


async def give(_: Request) -> StreamingResponse:
    """W5: the same bytes back, a mebibyte at a time."""

    async def chunks() -> AsyncIterator[bytes]:
        with _BYTES.open("rb") as file:
            while chunk := file.read(_CHUNK):
                yield chunk

    size = _BYTES.stat().st_size
    return StreamingResponse(chunks(), headers={"content-length": str(size), "content-type": "application/zip"})


async def watch(socket: WebSocket) -> None:
    """W4: whatever is told, from a queue of one's own."""
    await socket.accept()
    told: asyncio.Queue[str] = asyncio.Queue()
    _WATCHERS.add(told)
    try:
        while True:
            await socket.send_text(await told.get())
    except WebSocketDisconnect:
        pass
    finally:
        _WATCHERS.discard(told)


async def tell(request: Request) -> JSONResponse:
    """W4: a message to every watcher at each of these moments, in seconds from now; it holds when it was made."""
    began = time.perf_counter()
    for moment, told_at_once in groupby(await request.json()):
        await asyncio.sleep(began + moment - time.perf_counter())
        message = f'{{"at": {time.time()}, "filling": "{"x" * 400}"}}'
        for _ in told_at_once:
            for told in _WATCHERS:
                told.put_nowait(message)
    return JSONResponse({"watchers": len(_WATCHERS)})


async def answer(request: Request) -> Response:
    """W9: what is asked is read, and the same bytes are answered each time."""
    await request.body()
    return Response(_ANSWER, media_type="application/json")


app = Starlette(
    routes=[
        Route("/bytes", keep, methods=["PUT"]),
        Route("/bytes", give),
        Route("/tell", tell, methods=["POST"]),
        Route("/answer", answer, methods=["POST"]),
        WebSocketRoute("/watch", watch),
        Route("/{tenant}", take, methods=["POST"]),
    ]
)

if __name__ == "__main__":
    # watchers wait for words and never hear that their client has gone
    settings = {"log_level": "error", "timeout_graceful_shutdown": 1, "ws_per_message_deflate": False}
    uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), **settings)  # type: ignore[arg-type]
