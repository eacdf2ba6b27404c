"""What happens around every request: its number, its line in the log, its place in the measures (pure ASGI)."""

from __future__ import annotations

import logging
import re
import time
from dataclasses import dataclass
from typing import Any

import uuid_utils
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from domain.access import Authenticator, Caller
from server.logs import note, noting
from server.metrics import Metrics

_HEADER = "x-request-id"
_TENANT_HEADER = "x-tenant-id"
_FIT = re.compile(r"[\w.:-]{1,128}", re.ASCII)
_NOT_OF_A_PATH = re.compile(r"[^\w./:~@+ -]")
_IMPORT_ID = re.compile(r"imp-[0-9a-f-]{36}")
_STREAMED = ("text/event-stream", "multipart/mixed", "application/x-ndjson")
_STARTS = {"http.response.start", "websocket.accept", "websocket.http.response.start"}
_log = logging.getLogger("server.access")
_QUIET = frozenset({"/healthz", "/readyz", "/metrics"})


@dataclass(slots=True)
class _Answer:
    """How the answering goes."""

    #: 0 until something was answered
    status: int = 0
    stays_open: bool = False


class Numbered:
    """Every request has a number: the caller's ``X-Request-Id`` or one of ours; answers and the log carry it.

    The log has the path and never the query, which may hold a signature; not even one written into the path.
    """

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in {"http", "websocket"}:
            await self._app(scope, receive, send)
            return
        sent = Headers(scope=scope).get(_HEADER, "")
        number = sent if _FIT.fullmatch(sent) else str(uuid_utils.uuid7())
        scope.setdefault("state", {})["request_id"] = number
        began, answer = time.perf_counter(), _Answer()

        async def send_numbered(message: Message) -> None:
            if message["type"] in _STARTS:
                MutableHeaders(scope=message)[_HEADER] = number
                self._begun(answer, message)
            elif message["type"] == "websocket.close" and not answer.status:
                answer.status = 403  # what the caller of a refused socket gets
            await send(message)

        with noting(number) as notes:
            try:
                await self._app(scope, receive, send_numbered)
            finally:
                self._ended(scope, answer, notes, time.perf_counter() - began)

    def _begun(self, answer: _Answer, message: Message) -> None:
        answer.status = message.get("status", 101)
        is_streamed = Headers(scope=message).get("content-type", "").startswith(_STREAMED)
        answer.stays_open = message["type"] == "websocket.accept" or is_streamed
        if answer.stays_open:
            self._metrics.opened(is_socket=not is_streamed)

    def _ended(self, scope: Scope, answer: _Answer, notes: dict[str, Any], seconds: float) -> None:
        if answer.stays_open:
            self._metrics.closed(is_socket=scope["type"] == "websocket")
        route = getattr(scope.get("route"), "path", "")
        method = scope.get("method", "WS")
        self._metrics.answered(method, route, answer.status, None if answer.stays_open else seconds)
        if scope["path"] in _QUIET:
            return
        line = {"method": method, "path": shown_path(scope), "route": route, "status": answer.status}
        line |= {"ms": round(seconds * 1000, 1), "outcome": _outcome(answer.status)}
        caller = notes.pop("caller", None)
        line |= _named_tenant(scope, caller) | _named_import(scope, caller) | notes
        _log.info("%(method)s %(path)s %(status)s", line, extra={"fields": line})


def shown_path(scope: Scope) -> str:
    """The path as logs tell it: up to the first character that no path of ours has, such as a ``?`` sent encoded."""
    return _NOT_OF_A_PATH.split(scope["path"], 1)[0]


def noted(authenticate: Authenticator) -> Authenticator:
    """The same, and the request's line may say which tenant was meant."""

    async def authenticated(authorization: str | None) -> Caller:
        caller = await authenticate(authorization)
        note(caller=caller)
        return caller

    return authenticated


def note_caller(caller: Caller) -> None:
    """The same for who shows no token, but a session."""
    note(caller=caller)


def _outcome(status: int) -> str:
    if not status:
        return "gone"
    if status < 400:  # noqa: PLR2004 - HTTP's own classes
        return "answered"
    return "refused" if status < 500 else "failed"  # noqa: PLR2004 - the same


def _named_tenant(scope: Scope, caller: Caller | None) -> dict[str, str]:
    """The tenant, where the request can mean no other: a header that holds, or the only one of the token (R1)."""
    if caller is None:
        return {}
    header = Headers(scope=scope).get(_TENANT_HEADER, "")
    if _FIT.fullmatch(header):
        return {"tenant": header} if caller.is_platform or header in caller.tenants else {}
    return {"tenant": next(iter(caller.tenants))} if len(caller.tenants) == 1 and not caller.is_platform else {}


def _named_import(scope: Scope, caller: Caller | None) -> dict[str, str]:
    import_id = scope.get("path_params", {}).get("importId", "")
    return {"importId": import_id} if caller is not None and _IMPORT_ID.fullmatch(import_id) else {}


class OneAuthorization:
    """Several Authorization headers become one value, as HTTP joins them: no token, so nobody can choose one."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        given = [value for name, value in scope.get("headers", ()) if name == b"authorization"]
        if len(given) > 1:
            others = [pair for pair in scope["headers"] if pair[0] != b"authorization"]
            scope["headers"] = [*others, (b"authorization", b", ".join(given))]
        await self._app(scope, receive, send)
