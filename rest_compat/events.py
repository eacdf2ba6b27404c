"""Following an import over HTTP: a line of JSON an event, or server-sent events (decisions section 9.3, R20, R37)."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Send

from domain.access import Right
from domain.errors import ErrorCode, Refusal, refuse
from domain.import_model import ImportJob, ProgressEvent
from domain.ports import UnavailableError
from rest_compat import bodies
from rest_compat.accepting import preferred
from rest_compat.answers import EventLine
from rest_compat.asking import Asked, admitted
from rest_compat.dialect import error_body
from rest_compat.operations import EVENT_STREAM, NDJSON, Answer, Operation, Parameter

HEARTBEAT_SECONDS = 15.0
_TOLD, _NOTHING_MORE = 200, 204
_STREAMED = {"cache-control": "no-store, no-transform", "x-accel-buffering": "no"}
_NUMBER_DIGITS_MAX = 15


@dataclass(frozen=True, slots=True)
class Wire:
    """How events, an error and a sign of life are written in one media type; lines end with LF alone."""

    event: Callable[[ProgressEvent], bytes]
    error: Callable[[Mapping[str, Any]], bytes]
    heartbeat: bytes


def _line(content: Mapping[str, Any]) -> bytes:
    return orjson.dumps(content) + b"\n"


WIRES = {
    # a reader of lines knows no comments, and an empty line would be no JSON
    NDJSON: Wire(lambda told: _line(bodies.event(told)), _line, b""),
    EVENT_STREAM: Wire(
        lambda told: b"id: %d\ndata: %b\n" % (told.seq, _line(bodies.event(told))),
        lambda content: b"event: error\ndata: %b\n" % _line(content),
        b": still here\n\n",
    ),
}


async def import_events(request: Request) -> Response:
    """What happened after a number and what happens from now on, to the end (R20)."""
    asked = await admitted(request, Right.READ_IMPORTS)
    job = await asked.services.records.get_import(asked.caller, asked.id_in_path("importId"), asked.reach)
    return await followed(asked, job)


async def followed(asked: Asked, job: ImportJob) -> Response:
    """The events of an import at hand, in the form that the caller prefers."""
    request = asked.request
    media = preferred(request, list(WIRES))
    if media is None:
        raise refuse(ErrorCode.NOT_ACCEPTABLE, f"Events are told as {' or '.join(WIRES)}.")
    after = _after(request, job)
    if media == EVENT_STREAM and job.state.is_final and after == job.last_seq:
        # the answer that lets an EventSource stop asking
        return Response(status_code=_NOTHING_MORE)
    if request.method == "HEAD":
        return StreamingResponse((), headers=_STREAMED, media_type=media)
    told = await asked.services.records.follow(asked.caller, job.import_id, asked.reach, after=after)
    return _EventStream(_written(told, asked, WIRES[media], is_over=job.state.is_final), media)


def _after(request: Request, job: ImportJob) -> int:
    """The last number the caller has seen: ``Last-Event-ID`` of one who comes back, else ``after``."""
    header = request.headers.get("last-event-id", "")
    name, stated = ("Last-Event-ID", [header]) if header else ("after", request.query_params.getlist("after") or ["0"])
    is_number = len(stated) == 1 and stated[0].isascii() and stated[0].isdigit() and len(stated[0]) < _NUMBER_DIGITS_MAX
    if not is_number or int(stated[0]) > job.last_seq:
        raise refuse(ErrorCode.BAD_USER_INPUT, f"{name} is a number from 0 to {job.last_seq}.", name)
    return int(stated[0])


class _EventStream(StreamingResponse):
    """An answer without a known end; whoever goes away, what feeds it ends at once."""

    def __init__(self, chunks: AsyncGenerator[bytes, None], media: str) -> None:
        super().__init__(chunks, headers=_STREAMED, media_type=media)
        self._chunks = chunks

    async def stream_response(self, send: Send) -> None:
        async with aclosing(self._chunks):
            await super().stream_response(send)


async def _written(
    told: AsyncGenerator[ProgressEvent, None], asked: Asked, wire: Wire, *, is_over: bool
) -> AsyncGenerator[bytes, None]:
    """Events as bytes until the final one, the end of the token (R37), or of the server, which says nothing.

    What an import that is over has left is told whole: the token was good for it when it was asked for.
    """
    ending: asyncio.Event = asked.request.state.runtime.ending
    upcoming = asyncio.ensure_future(anext(told))
    stopping = asyncio.ensure_future(ending.wait())
    try:
        while not ending.is_set():
            ends_in = (asked.caller.expires_at - asked.services.clock.now()).total_seconds()
            left = math.inf if is_over else ends_in
            if left <= 0:
                raise refuse(ErrorCode.UNAUTHENTICATED, "The token has expired.", reason="TokenExpired")
            timeout = min(left, HEARTBEAT_SECONDS)
            await asyncio.wait({upcoming, stopping}, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
            if upcoming.done():
                yield wire.event(upcoming.result())
                upcoming = asyncio.ensure_future(anext(told))
            elif timeout == HEARTBEAT_SECONDS and wire.heartbeat and not ending.is_set():
                yield wire.heartbeat
    except StopAsyncIteration:
        return
    except Refusal as refusal:
        yield wire.error(error_body(refusal.code.wire, refusal.message, refusal.details, refusal.problems))
    except UnavailableError:
        text = "The server's own storage does not answer now. Ask again with the last number."
        yield wire.error(error_body(ErrorCode.SERVICE_UNAVAILABLE.wire, text, {}, ()))
    finally:
        stopping.cancel()
        upcoming.cancel()
        await asyncio.wait({upcoming, stopping})
        await told.aclose()


#: what an operation says that answers with :func:`followed`
FOLLOWED: Mapping[int, Answer] = {
    _TOLD: Answer("Events, one a line, until the final one.", {NDJSON: EventLine, EVENT_STREAM: EventLine}),
    _NOTHING_MORE: Answer("Server-sent events: the caller has seen the final one."),
}
FOLLOWED_AFTER = (
    Parameter("after", "The last number already seen.", schema={"type": "integer", "minimum": 0, "default": 0}),
    Parameter("Last-Event-ID", "The same, as browsers send it; goes before `after`.", place="header"),
)

EVENT_OPERATIONS = (
    Operation(
        method="GET",
        path=f"{bodies.PREFIX}/imports/{{importId}}/events",
        endpoint=import_events,
        summary="Follow an import: past events, coming ones, the final one, the end",
        right=Right.READ_IMPORTS,
        answers=FOLLOWED,
        parameters=FOLLOWED_AFTER,
        refuses=(ErrorCode.NOT_FOUND, ErrorCode.NOT_ACCEPTABLE),
        description="A slow reader gets several events of progress as one, `firstSeq` to `seq`. The stream ends early"
        " when the token expires, with one line that is an error, and when the server stops: ask again with the last"
        " `seq` as `after`. An event stream has a comment every 15 seconds of silence.",
        source="decisions section 9.3",
    ),
)
