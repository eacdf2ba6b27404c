"""What REST manners of speaking share: addresses, bodies as they come in, JSON answers, the shape of an error.

(decisions section 3, section 9.2, R15; X9-X11; design: security, section 3.4)
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from typing import Any

from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from domain import strict_json
from domain.errors import ErrorCode, Problem, Refusal, refuse
from domain.fixes import Fix, fixes_of

JSON_BYTES_MAX = 1 << 20
_JSON_VALUES_MAX = 20_000
_ROWS_MAX = 100
_UNAUTHORIZED, _TOO_SLOW = 401, 408
_ASK_AGAIN = (429, 503, 507)
_ASK_AGAIN_SECONDS = 30
#: a rest of a body up to this size is read by the server itself, and the connection lives on
_SMALL_REST = 64 * 1024
#: how much of an unwanted body is read and dropped before the connection closes, so that the answer is not lost
DRAINED_BYTES = 1 << 20
DRAINED_SECONDS = 1.0
_UNQUOTABLE = re.compile(r"[^A-Za-z0-9 ._-]")


@dataclass(frozen=True, slots=True)
class Dialect:
    """One REST manner of speaking: the addresses at and below ``prefixes`` and how it words a refusal.

    A prefix that ends with a slash leaves the address before it to others.
    """

    name: str
    prefixes: tuple[str, ...]
    routes: tuple[Route, ...]
    render_refusal: Callable[[Request, Refusal], Response]
    #: whether pages of known origins may call: not where a cookie says who asks (decisions section 9.5)
    is_for_other_origins: bool = True

    def has(self, path: str) -> bool:
        """Whether it is this one that answers for a path, or for what is missing below it."""
        return path in self.prefixes or path.startswith(_below(self.prefixes))


@cache
def _below(prefixes: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(f"{prefix.removesuffix('/')}/" for prefix in prefixes)


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a body may take to arrive: so many seconds, and one more for each MiB that came (rule 14)."""

    seconds: float = 60.0

    def after(self, taken: int) -> float:
        return self.seconds + taken / (1 << 20)


def answer(content: Mapping[str, Any], *, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """A JSON answer; records change, so nobody keeps it."""
    again = {"retry-after": str(_ASK_AGAIN_SECONDS)} if status in _ASK_AGAIN else {}
    return JSONResponse(content, status, {"cache-control": "no-store", **again, **(headers or {})})


class RefusalResponse(Response):
    """An error body. When much of the request is still on its way, it is read and dropped for a moment."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if not _has_much_unread(scope):
            await super().__call__(scope, receive, send)
            return
        headers = [*self.raw_headers, (b"connection", b"close")]
        await send({"type": "http.response.start", "status": self.status_code, "headers": headers})
        await send({"type": "http.response.body", "body": self.body, "more_body": True})
        with suppress(TimeoutError):
            async with asyncio.timeout(DRAINED_SECONDS):
                await _drain(receive)
        await send({"type": "http.response.body", "body": b"", "more_body": False})


class _JsonRefusal(RefusalResponse, JSONResponse):
    """The same in JSON."""


def render_refusal(request: Request, refusal: Refusal) -> Response:
    """``{ "error", "message", …details, "errors": […] }`` with the catalogue's status (decisions section 3)."""
    headers = {"cache-control": "no-store"}
    if refusal.status == _UNAUTHORIZED:
        reason = _UNQUOTABLE.sub(" ", str(refusal.details.get("reason", "")))
        headers["www-authenticate"] = f'Bearer error="invalid_token", error_description="{reason}"'
    if refusal.status in _ASK_AGAIN:
        headers["retry-after"] = str(refusal.details.get("retryAfter", _ASK_AGAIN_SECONDS))
    if refusal.code is ErrorCode.RANGE_NOT_SATISFIABLE:
        headers["content-range"] = f"bytes */{refusal.details['size']}"
    body = error_body(refusal.code.wire, refusal.message, refusal.details, refusal.problems)
    return _JsonRefusal(body, refusal.status, headers)


def error_body(code: str, message: str, details: Mapping[str, Any], problems: Iterable[Problem]) -> dict[str, Any]:
    """The body of every refusal."""
    return {"error": code, "message": message, **_apart(details), "errors": error_rows(problems)}


def error_rows(problems: Iterable[Problem]) -> list[dict[str, Any]]:
    """``{ "code", "field", "message", … }`` for what is wrong (decisions section 9.4), at most a hundred."""
    return [
        {"code": problem.code.wire, "field": problem.where, "message": problem.message, **_apart(_more(problem))}
        for problem in problems
    ][:_ROWS_MAX]


def warning_rows(problems: Iterable[Problem]) -> list[dict[str, Any]]:
    """``{ "warning": code, "message", … }`` for what is worth knowing (decisions section 9.4)."""
    return [
        {
            "warning": problem.code.wire,
            "message": problem.message,
            **({"field": problem.where} if problem.where else {}),
            **_apart(_more(problem)),
        }
        for problem in problems
    ]


def fix_rows(fixes: Iterable[Fix]) -> list[dict[str, Any]]:
    """What can be sent back so that a problem of a plan goes away (decisions section 9.3)."""
    return [{"fixId": fix.fix_id, "label": fix.label, "patch": dict(fix.patch)} for fix in fixes]


def _more(problem: Problem) -> dict[str, Any]:
    fixes = fix_rows(fixes_of(problem))
    named = {"artifactId": problem.artifact_id} if problem.artifact_id else {}
    return {**named, **problem.details, **({"fixes": fixes} if fixes else {})}


def _apart(details: Mapping[str, Any]) -> dict[str, Any]:
    """Details never speak in the place of the fields that every body has."""
    spoken = {"error", "message", "errors", "code", "field", "warning"}
    return {name: value for name, value in details.items() if name not in spoken}


def announced_bytes(request: Request) -> int | None:
    """The body's length as its head says it; ``None`` for a chunked one."""
    length = request.headers.get("content-length", "")
    return int(length) if length.isascii() and length.isdigit() else None


def media_type(request: Request) -> str:
    """The body's media type in lower case. Refuses encoded bodies and double statements (security section 3.4)."""
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise refuse(ErrorCode.UNSUPPORTED_MEDIA_TYPE, "Send the body without a Content-Encoding.")
    stated = request.headers.getlist("content-type")
    return stated[0].partition(";")[0].strip().lower() if len(stated) == 1 else ""


async def body_chunks(request: Request, patience: Patience | None = None) -> AsyncIterator[bytes]:
    """The body as it comes. One that comes too slowly, by the server's own limit, is refused with 408."""
    patience = patience or Patience(request.state.services.installation.limits.body_seconds)
    clock = asyncio.get_running_loop()
    begin, taken = clock.time(), 0
    stream = request.stream()
    while True:
        try:
            async with asyncio.timeout_at(begin + patience.after(taken)):
                chunk = await anext(stream)
        except TimeoutError as error:
            raise _too_slow() from error
        if not chunk:
            break
        taken += len(chunk)
        yield chunk
    request.state.is_body_read = True


def _too_slow() -> Refusal:
    return Refusal([Problem(ErrorCode.BAD_USER_INPUT, "The body came too slowly.")], status=_TOO_SLOW)


async def whole_body(request: Request, *, most: int) -> bytes | None:
    """The body at once, ``None`` as soon as it is larger than ``most`` bytes. As patient as :func:`body_chunks`.

    Raises ``ClientDisconnect``, and a refusal with 408.
    """
    patience = Patience(request.state.services.installation.limits.body_seconds)
    begin, body = asyncio.get_running_loop().time(), bytearray()
    try:
        async with asyncio.timeout_at(begin + patience.after(0)) as deadline:
            while (message := await request.receive())["type"] == "http.request":
                body += message.get("body", b"")
                if len(body) > most:
                    return None
                if not message.get("more_body", False):
                    request.state.is_body_read = True
                    return bytes(body)
                deadline.reschedule(begin + patience.after(len(body)))
    except TimeoutError as error:
        raise _too_slow() from error
    raise ClientDisconnect


async def json_object(request: Request) -> dict[str, Any]:
    """The JSON object of a request, read strictly: ``application/json``, at most 1 MiB."""
    _demand_json(request)
    return object_of(await _gathered(request))


async def json_object_if_any(request: Request) -> dict[str, Any]:
    """The same where the body may be left out: an empty one needs no media type."""
    raw = await _gathered(request)
    if not raw:
        return {}
    _demand_json(request)
    return object_of(raw)


def _demand_json(request: Request) -> None:
    if media_type(request) != "application/json":
        raise refuse(ErrorCode.UNSUPPORTED_MEDIA_TYPE, "Send application/json.")


async def _gathered(request: Request) -> bytes:
    gathered = bytearray()
    _refuse_large(announced_bytes(request) or 0)
    async for chunk in body_chunks(request):
        gathered += chunk
        _refuse_large(len(gathered))
    return bytes(gathered)


def object_of(raw: bytes, where: str = "") -> dict[str, Any]:
    """A JSON object out of foreign bytes; ``where`` is the place in the request."""
    try:
        tree = strict_json.read(raw, max_values=_JSON_VALUES_MAX)
    except strict_json.NotStrict as flaw:
        place = where + flaw.pointer.replace("/", ".") if where else flaw.pointer.lstrip("/").replace("/", ".")
        raise refuse(ErrorCode.BAD_USER_INPUT, f"This is no JSON that can be read: {flaw.reason}.", place) from flaw
    if not isinstance(tree, dict):
        raise refuse(ErrorCode.BAD_USER_INPUT, "A JSON object is expected.", where)
    return tree


def _refuse_large(size: int) -> None:
    if size > JSON_BYTES_MAX:
        text = f"A JSON body has at most {JSON_BYTES_MAX} bytes."
        raise refuse(ErrorCode.PAYLOAD_TOO_LARGE, text, limit=JSON_BYTES_MAX, actual=size)


def _has_much_unread(scope: Scope) -> bool:
    request = Request(scope)
    if getattr(request.state, "is_body_read", False):
        return False
    length = announced_bytes(request)
    return length > _SMALL_REST if length is not None else "transfer-encoding" in request.headers


async def _drain(receive: Receive) -> None:
    dropped = 0
    while dropped < DRAINED_BYTES:
        message = await receive()
        dropped += len(message.get("body", b""))
        if message["type"] == "http.disconnect" or not message.get("more_body", False):
            return
