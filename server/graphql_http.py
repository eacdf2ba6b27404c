"""GraphQL over HTTP: one request, one answer, or a stream of server-sent events (design: graphql, sections 3 to 6).

The first that refuses answers, in this order: method, token, ``Accept``, ``Content-Type``, size, form. With
``application/json`` an answered document has the status 200, whatever is wrong in it; with
``application/graphql-response+json`` a document that could not be executed has the status of its first error.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response, StreamingResponse
from starlette.types import Send
from strawberry.exceptions import MissingQueryError
from strawberry.schema.exceptions import CannotGetOperationTypeError, InvalidOperationTypeError
from strawberry.types import ExecutionResult
from strawberry.types.graphql import OperationType

from domain import strict_json
from domain.access import Caller, tenant_of
from domain.errors import ErrorCode, Refusal, refuse
from resolvers.api import API
from resolvers.context import Asker
from resolvers.refusals import formatted
from resolvers.sharing import sendable
from server.media import EVENTS, GRAPHQL, HTML, JSON, chosen

BODY_MAX = 1 << 20
HEARTBEAT_SECONDS = 15.0
_TENANT = "X-Tenant-Id"
_PAGE = (Path(__file__).parent / "static" / "graphiql.html").read_text(encoding="utf-8")
_PAGE_POLICY = (
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; connect-src 'self';"
    " base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_KEPT_PRIVATE = {"Cache-Control": "no-store", "Vary": "Accept", "X-Content-Type-Options": "nosniff"}
_STREAMED = {**_KEPT_PRIVATE, "Cache-Control": "no-store, no-transform", "X-Accel-Buffering": "no"}
_PARAMETERS: Mapping[str, type] = {"query": str, "operationName": str, "variables": dict, "extensions": dict}


@dataclass(frozen=True, slots=True)
class Question:
    """What was asked, its form already checked."""

    query: str
    variables: dict[str, Any] | None
    operation_name: str | None
    allowed: frozenset[OperationType]


async def answer(request: Request) -> Response:
    """Answer one HTTP request; refusals become answers too."""
    is_bare = request.method == "GET" and "query" not in request.query_params
    media = chosen(request.headers.get("accept"), (GRAPHQL, JSON, EVENTS, *([HTML] if is_bare else [])))
    try:
        if request.method not in {"GET", "POST"}:
            raise refuse(ErrorCode.METHOD_NOT_ALLOWED, "GraphQL is asked by POST, or by GET.", allow="GET, POST")
        if media == HTML:
            return HTMLResponse(_PAGE, headers={**_KEPT_PRIVATE, "Content-Security-Policy": _PAGE_POLICY})
        asker = await _asker(request)
        if media is None:
            raise refuse(ErrorCode.NOT_ACCEPTABLE, f"Answers are {GRAPHQL}, {JSON} or {EVENTS}.")
        question = await _question(request)
        if media == EVENTS:
            return await _streamed(question, asker, request.state.runtime.ending)
        return _answered(await _executed(question, asker), media)
    except Refusal as refusal:
        return _refused(request, refusal, GRAPHQL if media == GRAPHQL else JSON)


async def _asker(request: Request) -> Asker:
    caller = await request.state.authenticate(request.headers.get("authorization"))
    return Asker(request.state.services, caller, tenant_header(request.headers, caller))


def tenant_header(headers: Headers, caller: Caller) -> str | None:
    """The tenant that narrows all a caller asks (decisions R1).

    Raises ``BadUserInput`` when it stands there twice, ``TenantMismatch`` when it is none of the caller's.
    """
    named = headers.getlist(_TENANT)
    if len(named) > 1:
        raise refuse(ErrorCode.BAD_USER_INPUT, f"{_TENANT} stands there {len(named)} times.", _TENANT)
    if not named or not named[0]:
        return None
    return tenant_of(caller, header=named[0], where=_TENANT)


async def _question(request: Request) -> Question:
    if request.method == "GET":
        given: Any = {name: value for name, value in request.query_params.items() if value}
        for name in {"variables", "extensions"} & set(given):
            given[name] = _read(given[name].encode(), name)
        return _checked(given, frozenset({OperationType.QUERY, OperationType.SUBSCRIPTION}), "the query string")
    _demand_json(request)
    return _checked(_read(await _body(request), "body"), frozenset(OperationType), "the body")


def _demand_json(request: Request) -> None:
    content_type, *parameters = (part.strip().lower() for part in request.headers.get("content-type", "").split(";"))
    charsets = [text.partition("=")[2].strip('"') for text in parameters if text.startswith("charset=")]
    is_plain = request.headers.get("content-encoding", "identity").lower() == "identity"
    if content_type != JSON or set(charsets) - {"utf-8", "utf8"} or not is_plain:
        raise refuse(ErrorCode.UNSUPPORTED_MEDIA_TYPE, f"The body is {JSON} in UTF-8, not compressed.")


async def _body(request: Request) -> bytes:
    """The body, refused as soon as it is known to be too large."""
    declared = request.headers.get("content-length", "0")
    body = bytearray()
    if declared.isdecimal() and int(declared) <= BODY_MAX:
        async for chunk in request.stream():
            body += chunk
            if len(body) > BODY_MAX:
                break
        else:
            return bytes(body)
    raise refuse(
        ErrorCode.PAYLOAD_TOO_LARGE, f"The body is larger than {BODY_MAX} bytes. Send files over REST.", limit=BODY_MAX
    )


def _read(raw: bytes, where: str) -> Any:
    try:
        return strict_json.read(raw)
    except strict_json.NotStrict as flaw:
        raise refuse(ErrorCode.BAD_USER_INPUT, f"This is not strict JSON: {flaw}.", where) from flaw


def _checked(given: Any, allowed: frozenset[OperationType], where: str) -> Question:
    if not isinstance(given, dict):
        raise refuse(ErrorCode.BAD_USER_INPUT, "The body is one JSON object; batches are not taken.", "body")
    for name, kind in _PARAMETERS.items():
        if not isinstance(given.get(name), kind | None):
            raise refuse(ErrorCode.BAD_USER_INPUT, f"{name} is {'an object' if kind is dict else 'a string'}.", name)
    if not given.get("query"):
        raise refuse(ErrorCode.BAD_USER_INPUT, f"There is no query in {where}.", "query")
    if "\0" in given["query"] or "\0" in (given.get("operationName") or ""):
        raise refuse(ErrorCode.BAD_USER_INPUT, "The query holds the character NUL.", "query")
    return Question(given["query"], given.get("variables"), given.get("operationName"), allowed)


async def _executed(question: Question, asker: Asker) -> ExecutionResult:
    try:
        return await API.answer(
            question.query,
            variables=question.variables,
            operation_name=question.operation_name,
            asker=asker,
            allowed=question.allowed,
        )
    except MissingQueryError as error:
        raise refuse(ErrorCode.BAD_USER_INPUT, "The query is empty.", "query") from error
    except CannotGetOperationTypeError as error:
        raise refuse(ErrorCode.BAD_USER_INPUT, "The document has no such operation.", "operationName") from error
    except InvalidOperationTypeError as error:
        if error.operation_type is OperationType.SUBSCRIPTION:
            text = f"A subscription is asked with Accept: {EVENTS}, or over graphql-transport-ws."
            raise refuse(ErrorCode.BAD_USER_INPUT, text, "query") from error
        raise refuse(ErrorCode.METHOD_NOT_ALLOWED, "Mutations are sent by POST.", allow="POST") from error


def _answered(result: ExecutionResult, media: str) -> Response:
    return _json(_shape(result), media, status=_status(result) if media == GRAPHQL else 200)


def _shape(result: ExecutionResult) -> dict[str, Any]:
    """The result as it is sent; ``data`` only where something was executed."""
    errors = [error.formatted for error in result.errors or ()]
    shape: dict[str, Any] = {"errors": errors} if errors else {}
    return shape if _was_never_executed(result) else shape | {"data": sendable(result.data)}


def _was_never_executed(result: ExecutionResult) -> bool:
    return result.data is None and bool(result.errors) and not any(error.path for error in result.errors or ())


def _status(result: ExecutionResult) -> int:
    if not _was_never_executed(result) or not result.errors:
        return 200
    return ErrorCode[str((result.errors[0].extensions or {})["code"])].status


def _refused(request: Request, refusal: Refusal, media: str) -> Response:
    headers = {}
    if "allow" in refusal.details:
        headers["Allow"] = str(refusal.details["allow"])
    if "retryAfter" in refusal.details:
        headers["Retry-After"] = str(refusal.details["retryAfter"])
    if refusal.code is ErrorCode.UNAUTHENTICATED:
        is_given = "authorization" in request.headers
        headers["WWW-Authenticate"] = 'Bearer error="invalid_token"' if is_given else "Bearer"
    return _json({"errors": formatted([refusal])}, media, status=refusal.status, headers=headers)


def _json(shape: Mapping[str, Any], media: str, *, status: int, headers: Mapping[str, str] | None = None) -> Response:
    content_type = f"{media}; charset=utf-8"
    return Response(orjson.dumps(shape), status, {**_KEPT_PRIVATE, **(headers or {}), "Content-Type": content_type})


async def _streamed(question: Question, asker: Asker, ending: asyncio.Event) -> Response:
    results = await API.stream(
        question.query,
        variable_values=question.variables,
        context_value=asker,
        operation_name=question.operation_name,
        allowed_operation_types=question.allowed,
    )
    return EventStream(_events(results, asker, ending))


class EventStream(StreamingResponse):
    """Server-sent events; whoever goes away, what feeds them ends at once."""

    def __init__(self, events: AsyncGenerator[bytes, None]) -> None:
        super().__init__(events, media_type=EVENTS, headers=_STREAMED)
        self._events = events

    async def stream_response(self, send: Send) -> None:
        async with aclosing(self._events):
            await super().stream_response(send)


async def _events(
    results: AsyncGenerator[ExecutionResult, None], asker: Asker, ending: asyncio.Event
) -> AsyncGenerator[bytes, None]:
    """Results as events, with a comment in long silences; the end of the token is the end of the stream (R37).

    Lines end with LF alone: some clients know no other end (design: graphql, section 4). A server that stops ends the
    stream without ``complete``, so that clients ask again elsewhere.
    """
    upcoming = asyncio.ensure_future(anext(results))
    stopping = asyncio.ensure_future(ending.wait())
    try:
        while not ending.is_set():
            left = (asker.caller.expires_at - asker.services.clock.now()).total_seconds()
            if left <= 0:
                expired = refuse(ErrorCode.UNAUTHENTICATED, "The token has expired.")
                yield _event("next", orjson.dumps({"errors": formatted([expired])}))
                break
            awaited = {upcoming, stopping}
            await asyncio.wait(awaited, timeout=min(left, HEARTBEAT_SECONDS), return_when=asyncio.FIRST_COMPLETED)
            if not upcoming.done():
                if left > HEARTBEAT_SECONDS and not ending.is_set():
                    yield b": still here\n\n"
                continue
            try:
                yield _event("next", orjson.dumps(_shape(upcoming.result())))
            except StopAsyncIteration:
                break
            upcoming = asyncio.ensure_future(anext(results))
        if not ending.is_set():
            yield _event("complete", b"")
    finally:
        stopping.cancel()
        upcoming.cancel()
        await asyncio.wait({upcoming, stopping})
        await results.aclose()


def _event(name: str, data: bytes) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (name.encode(), data)
