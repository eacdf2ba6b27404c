"""Small writes, gathered: what is told in one turn of the event loop leaves in one piece, and not in a call each."""

from __future__ import annotations

import asyncio
from typing import Any

#: more than this does not wait for the end of the turn: whoever writes must learn that nobody reads
_HELD_BYTES = 64 << 10


class Gathering(asyncio.Transport):
    """A transport before another one, in the same order; only writing is put off, to the end of the turn at most."""

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__()
        self._transport = transport
        self._loop = loop
        self._held: list[bytes | bytearray | memoryview] = []
        self._size = 0

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if not self._held:
            self._loop.call_soon(self._let_go)
        self._held.append(data)
        self._size += len(data)
        if self._size > _HELD_BYTES:
            self._let_go()

    def close(self) -> None:
        self._let_go()
        self._transport.close()

    def abort(self) -> None:
        self._held.clear()
        self._transport.abort()

    def is_closing(self) -> bool:
        return self._transport.is_closing()

    def pause_reading(self) -> None:
        self._transport.pause_reading()

    def resume_reading(self) -> None:
        self._transport.resume_reading()

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return self._transport.get_extra_info(name, default)

    def _let_go(self) -> None:
        if self._held:
            held, self._held, self._size = self._held, [], 0
            # whoever is gone by now is told nothing; uvloop's transports would complain
            if not self._transport.is_closing():
                self._transport.write(held[0] if len(held) == 1 else b"".join(held))
