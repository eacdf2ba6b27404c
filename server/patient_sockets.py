"""How long sockets wait for callers who do not listen: uvicorn sets no bound there (security rule 14).

And how messages leave: most are sent to many at the same moment, so little may happen for each (design: performance,
W4).
"""

from __future__ import annotations

import asyncio
from typing import Any, cast

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.protocol import OPEN

from server.gathering import Gathering

#: of a close that is never answered, or never taken
FAREWELL_SECONDS = 10.0
#: the head of a frame: the last of a text message, and how its length is written (RFC 6455, section 5.2)
_TEXT, _SHORT_MAX, _MEDIUM_MAX = b"\x81", 125, 0xFFFF


class PatientSocket(WebSocketsSansIOProtocol):
    """Cuts off callers who take nothing, and reads nothing from them meanwhile.

    A caller whose messages pile up here has not taken the pings behind them either, so it ends by uvicorn's clock for
    those. To close such a connection in good order would wait for ever: what is left of it is dropped instead.
    """

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(Gathering(cast("asyncio.Transport", transport), self.loop))

    async def send(self, message: Any) -> None:
        text = message.get("text")
        if text is None or self.disconnected or self.conn.state is not OPEN or not self.writable.is_set():
            await super().send(message)
        else:
            self.transport.write(_frame(text.encode()))

    def pause_writing(self) -> None:
        super().pause_writing()
        # pings, too, are answered: whoever sends them and takes no answer would fill the memory
        if not self.transport.is_closing():
            self.transport.pause_reading()

    def resume_writing(self) -> None:
        super().resume_writing()
        if not self.read_paused and not self.transport.is_closing():
            self.transport.resume_reading()

    def keepalive_timeout(self) -> None:
        super().keepalive_timeout()
        self.transport.abort()

    def on_task_complete(self, task: asyncio.Task[None]) -> None:
        super().on_task_complete(task)
        self.loop.call_later(FAREWELL_SECONDS, self.transport.abort)


def _frame(text: bytes) -> bytes:
    """A text message in one frame, as servers send it: not masked."""
    length = len(text)
    if length <= _SHORT_MAX:
        return b"%b%c%b" % (_TEXT, length, text)
    if length <= _MEDIUM_MAX:
        return b"%b\x7e%b%b" % (_TEXT, length.to_bytes(2), text)
    return b"%b\x7f%b%b" % (_TEXT, length.to_bytes(8), text)
