"""Results as they come, over HTTP: server-sent events, or parts of a multipart body (design: graphql, section 4).

Events follow the "distinct connections" of graphql-sse. Parts follow Apollo's multipart protocol for subscriptions,
1.0, in strict MIME (RFC 2046, section 5.1): each part is closed as soon as it is written, because its reader waits for
that, and none is empty.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

import orjson
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send
from strawberry.types import ExecutionResult

from domain.errors import ErrorCode, refuse
from resolvers.context import Asker
from resolvers.refusals import formatted
from resolvers.sharing import sendable
from server.media import EVENTS, PARTS
from server.open_streams import Place

#: neither caches nor proxies keep any of it back
_STREAMED = {
    "Cache-Control": "no-store, no-transform",
    "Vary": "Accept",
    "X-Accel-Buffering": "no",
    "X-Content-Type-Options": "nosniff",
}
_BOUNDARY = "graphql"


@dataclass(frozen=True, slots=True)
class Wire:
    """How results, an end that is none of theirs, and a sign of life are written in one media type."""

    content_type: str
    opening: bytes
    result: Callable[[bytes], bytes]
    failure: Callable[[bytes], bytes]
    heartbeat: bytes
    #: of silence, until a sign of life
    heartbeat_seconds: float
    end: bytes


def _event(name: bytes, data: bytes) -> bytes:
    """Lines end with LF alone: some clients know no other end."""
    return b"event: %b\ndata: %b\n\n" % (name, data)


def _part(content: bytes) -> bytes:
    return b"\r\nContent-Type: application/json\r\n\r\n%b\r\n--%b" % (content, _BOUNDARY.encode())


WIRES: Mapping[str, Wire] = {
    EVENTS: Wire(
        content_type=EVENTS,
        opening=b"",
        result=lambda result: _event(b"next", result),
        failure=lambda errors: _event(b"next", b'{"errors":%b}' % errors),
        heartbeat=b": still here\n\n",
        heartbeat_seconds=15.0,
        end=_event(b"complete", b""),
    ),
    PARTS: Wire(
        content_type=f'{PARTS}; boundary="{_BOUNDARY}"; subscriptionSpec="1.0"',
        opening=b"--%b" % _BOUNDARY.encode(),
        result=lambda result: _part(b'{"payload":%b}' % result),
        failure=lambda errors: _part(b'{"payload":null,"errors":%b}' % errors),
        heartbeat=_part(b"{}"),
        heartbeat_seconds=5.0,
        end=b"--\r\n",
    ),
}


class ResultStream(StreamingResponse):
    """An answer without a known end; whoever goes away, what feeds it ends at once, and its place is free again."""

    def __init__(self, chunks: AsyncGenerator[bytes, None], wire: Wire, place: Place) -> None:
        super().__init__(chunks, media_type=wire.content_type, headers=_STREAMED)
        self._chunks = chunks
        self._place = place

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._place.leave()

    async def stream_response(self, send: Send) -> None:
        async with aclosing(self._chunks):
            await super().stream_response(send)


async def written(
    results: AsyncGenerator[ExecutionResult, None], asker: Asker, wire: Wire, ending: asyncio.Event
) -> AsyncGenerator[bytes, None]:
    """Results as bytes, with a sign of life in long silences; the end of the token is the end of the stream (R37).

    A server that stops ends the stream without saying that all was told, so that clients ask again elsewhere.
    """
    upcoming = asyncio.ensure_future(anext(results))
    stopping = asyncio.ensure_future(ending.wait())
    try:
        if wire.opening:
            yield wire.opening
        while not ending.is_set():
            left = (asker.caller.expires_at - asker.services.clock.now()).total_seconds()
            if left <= 0:
                expired = refuse(ErrorCode.UNAUTHENTICATED, "The token has expired.")
                yield wire.failure(orjson.dumps(formatted([expired])))
                break
            awaited = {upcoming, stopping}
            await asyncio.wait(awaited, timeout=min(left, wire.heartbeat_seconds), return_when=asyncio.FIRST_COMPLETED)
            if not upcoming.done():
                if left > wire.heartbeat_seconds and not ending.is_set():
                    yield wire.heartbeat
                continue
            try:
                yield wire.result(orjson.dumps(shape_of(upcoming.result())))
            except StopAsyncIteration:
                break
            upcoming = asyncio.ensure_future(anext(results))
        if not ending.is_set():
            yield wire.end
    finally:
        stopping.cancel()
        upcoming.cancel()
        await asyncio.wait({upcoming, stopping})
        await results.aclose()


def shape_of(result: ExecutionResult) -> dict[str, Any]:
    """The result as it is sent; ``data`` only where something was executed."""
    errors = [error.formatted for error in result.errors or ()]
    shape: dict[str, Any] = {"errors": errors} if errors else {}
    return shape if was_never_executed(result) else shape | {"data": sendable(result.data)}


def was_never_executed(result: ExecutionResult) -> bool:
    return result.data is None and bool(result.errors) and not any(error.path for error in result.errors or ())
