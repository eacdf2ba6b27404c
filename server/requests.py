"""What happens around every request: its number, its line in the log, and the mask over our own bugs (pure ASGI)."""

from __future__ import annotations

import logging
import re
import time

import uuid_utils
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_HEADER = "x-request-id"
_FIT = re.compile(r"[\w.:-]{1,128}", re.ASCII)
_log = logging.getLogger("server.access")
_QUIET = frozenset({"/healthz", "/readyz"})


class Numbered:
    """Every request has a number: the caller's ``X-Request-Id`` or one of ours; answers and the log carry it.

    The log has the path and never the query, which may hold a signature.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in {"http", "websocket"}:
            await self._app(scope, receive, send)
            return
        sent = Headers(scope=scope).get(_HEADER, "")
        number = sent if _FIT.fullmatch(sent) else str(uuid_utils.uuid7())
        scope.setdefault("state", {})["request_id"] = number
        began, status = time.perf_counter(), 0

        async def send_numbered(message: Message) -> None:
            nonlocal status
            if message["type"] in {"http.response.start", "websocket.accept"}:
                status = message.get("status", 101)
                MutableHeaders(scope=message)[_HEADER] = number
            await send(message)

        try:
            await self._app(scope, receive, send_numbered)
        finally:
            if scope["path"] not in _QUIET:
                line = {"request": number, "method": scope.get("method", "WS"), "path": scope["path"]}
                line |= {"status": status, "ms": round((time.perf_counter() - began) * 1000, 1)}
                _log.info("%(method)s %(path)s %(status)s", line, extra={"fields": line})


class OneAuthorization:
    """Several Authorization headers become one value, as HTTP joins them: no token, so nobody can choose one."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        given = [value for name, value in scope.get("headers", ()) if name == b"authorization"]
        if len(given) > 1:
            others = [pair for pair in scope["headers"] if pair[0] != b"authorization"]
            scope = {**scope, "headers": [*others, (b"authorization", b", ".join(given))]}
        await self._app(scope, receive, send)
