"""How long sockets wait for callers who do not listen: uvicorn sets no bound there (security rule 14)."""

from __future__ import annotations

import asyncio

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

#: of a close that is never answered, or never taken
FAREWELL_SECONDS = 10.0


class PatientSocket(WebSocketsSansIOProtocol):
    """Cuts off callers who take nothing, and reads nothing from them meanwhile.

    A caller whose messages pile up here has not taken the pings behind them either, so it ends by uvicorn's clock for
    those. To close such a connection in good order would wait for ever: what is left of it is dropped instead.
    """

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
