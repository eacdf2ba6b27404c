"""How long, and how much, a caller may take to say what it wants: uvicorn itself sets no bound (security rule 14)."""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEADER_SECONDS = 10.0
HEADER_BYTES = 64 << 10


class PatientProtocol(HttpToolsProtocol):
    """Hangs up on a request whose headers take too long or too much room. Bodies have the doors' own bounds."""

    header_seconds = HEADER_SECONDS

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._timer: asyncio.TimerHandle | None = None
        self._header_bytes = 0
        self._is_reading_headers = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # uvicorn narrows it too
        super().connection_made(transport)
        self._begin_headers()

    def connection_lost(self, exc: Exception | None) -> None:
        self._end_headers()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        was_reading = self._is_reading_headers
        super().data_received(data)
        if was_reading and self._is_reading_headers:
            self._header_bytes += len(data)
            if self._header_bytes > HEADER_BYTES:
                self._hang_up()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._begin_headers()

    def on_headers_complete(self) -> None:
        self._end_headers()
        super().on_headers_complete()

    def _begin_headers(self) -> None:
        self._end_headers()
        self._is_reading_headers = True
        self._timer = self.loop.call_later(self.header_seconds, self._hang_up)

    def _end_headers(self) -> None:
        self._is_reading_headers = False
        self._header_bytes = 0
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _hang_up(self) -> None:
        self._end_headers()
        if not self.transport.is_closing():
            self.send_400_response("The headers took too long or are too large.")
