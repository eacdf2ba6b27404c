"""W3's limit as a program: a Starlette route that unzips, hashes and writes one SQLite transaction, nothing more.

``python -m bench.limit_server PORT DATABASE``
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from bench import limits

_DATABASE = Path(sys.argv[2]) if len(sys.argv) > 2 else Path("limit.db")


async def take(request: Request) -> JSONResponse:
    """The whole import, in a thread, as the least careful server would do it."""
    body = await request.body()
    await asyncio.to_thread(limits.import_bundle, _DATABASE, request.path_params["tenant"], body)
    return JSONResponse({"status": "Success"})


app = Starlette(routes=[Route("/{tenant}", take, methods=["POST"])])

if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), log_level="error")
