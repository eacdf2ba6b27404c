"""How long, and how much, a caller may take to speak and to listen: uvicorn itself sets no bound (security rule 14).

Bodies have the doors' own bound, which answers in the door's words (:class:`rest_compat.dialect.Patience`).
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

import orjson
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from domain.errors import ErrorCode, refuse
from rest_compat.dialect import DRAINED_BYTES, DRAINED_SECONDS, error_body

#: what a head may hold, or a body between two bytes that are its own: chunk extensions and trailers
HEADER_BYTES = 64 << 10


@dataclass(frozen=True, slots=True)
class Pace:
    """How many seconds a caller may take."""

    #: for a request's head
    head: float = 10.0
    #: until some of an answer's bytes are taken; streams of events wait for as long as their reader likes
    answer: float = 60.0


class PatientProtocol(HttpToolsProtocol):
    """Hangs up on callers who do not come to the end of a head, or take nothing of their answer.

    The clock for a head runs whenever nothing is being answered, so nobody holds a connection for nothing: neither
    one byte now and then nor the rest of a body that was refused keeps it open.
    """

    pace = Pace()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._deadline: asyncio.TimerHandle | None = None
        self._stalled: asyncio.TimerHandle | None = None
        self._is_reading_head = False
        self._head_bytes = 0
        #: bytes that came since the last that told something
        self._idle_bytes = 0
        #: whether this caller was told that its HTTP is none; what else it sends is dropped
        self._is_refused = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # uvicorn narrows it too
        super().connection_made(transport)
        self._set_deadline(self.pace.head)

    def connection_lost(self, exc: Exception | None) -> None:
        self._set_deadline(None)
        self._end_stalling()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        self._idle_bytes += len(data)
        if self._is_refused:
            if self._idle_bytes > DRAINED_BYTES:
                self.transport.close()
            return
        super().data_received(data)
        if self._idle_bytes > HEADER_BYTES and not self._is_refused:
            self.send_400_response("There is too much beside the request.")

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._is_reading_head = True
        self._head_bytes = 0
        if not self._is_answering():
            self._set_deadline(self.pace.head)

    def on_header(self, name: bytes, value: bytes) -> None:
        # what comes after a body is no header of its request (RFC 9110, section 6.5)
        if not self._is_reading_head:
            return
        self._head_bytes += len(name) + len(value)
        if self._head_bytes > HEADER_BYTES:  # all of it may have come at once
            raise ValueError("this head is too long")
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._idle_bytes = 0
        self._is_reading_head = False
        self._set_deadline(None)
        _demand_form(self.parser.get_http_version(), self.headers)
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._idle_bytes = 0
        super().on_body(body)

    def on_response_complete(self) -> None:
        is_more_to_answer = bool(self.pipeline)
        super().on_response_complete()
        if self.transport.is_closing():
            self._set_deadline(self.pace.answer)
        elif not is_more_to_answer:
            self._set_deadline(self.pace.head)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._end_stalling()
        self._stalled = self.loop.call_later(self.pace.answer, self._give_up_answer)

    def resume_writing(self) -> None:
        self._end_stalling()
        super().resume_writing()

    def send_400_response(self, msg: str) -> None:
        """Say what is wrong in the words of every door, and read on for a moment, so that the answer arrives."""
        self._is_refused = True
        self._idle_bytes = 0
        is_begun = bool(self.pipeline) or (self._is_answering() and self.cycle.response_started)
        if self._is_answering():
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        if is_begun:
            self.transport.close()
            return
        self.transport.write(_refusal(msg))
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self.flow.resume_reading()
        self._set_deadline(DRAINED_SECONDS)

    def _is_answering(self) -> bool:
        return not getattr(self.cycle, "response_complete", True)

    def _set_deadline(self, seconds: float | None) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
        self._deadline = None if seconds is None else self.loop.call_later(seconds, self._hang_up)

    def _hang_up(self) -> None:
        """Nobody came to an end: say so where a head was begun, and close; whoever takes nothing is cut off."""
        if self.transport.is_closing():
            self.transport.abort()
        elif self._is_reading_head and not self._is_refused:
            self.send_400_response("The request's head took too long.")
        else:
            self.transport.close()
            self._set_deadline(self.pace.answer)

    def _end_stalling(self) -> None:
        if self._stalled is not None:
            self._stalled.cancel()
            self._stalled = None

    def _give_up_answer(self) -> None:
        if not (self._is_answering() and self.cycle.chunked_encoding):
            self.transport.abort()


def patient(pace: Pace) -> type[PatientProtocol]:
    """The protocol for a server with this pace: uvicorn makes one for each connection."""
    return type("PacedProtocol", (PatientProtocol,), {"pace": pace})


def _demand_form(version: str, headers: list[tuple[bytes, bytes]]) -> None:
    """HTTP 1.1 names one host, 1.0 at most one (RFC 9112, section 3.2); no other is spoken. Raises ``ValueError``."""
    hosts = sum(name == b"host" for name, _ in headers)
    if hosts > 1 or (version, hosts) not in {("1.1", 1), ("1.0", 0), ("1.0", 1)}:
        raise ValueError("this is no request of HTTP 1.1 or 1.0")


def _refusal(text: str) -> bytes:
    refusal = refuse(ErrorCode.BAD_USER_INPUT, text)
    body = orjson.dumps(error_body(refusal.code.wire, refusal.message, refusal.details, refusal.problems))
    head = (
        "HTTP/1.1 400 Bad Request",
        "content-type: application/json",
        f"content-length: {len(body)}",
        "cache-control: no-store",
        "connection: close",
    )
    return "\r\n".join([*head, "", ""]).encode() + body
