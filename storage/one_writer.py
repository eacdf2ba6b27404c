"""Turns at the one writer of SQLite, in the order in which they are asked for.

A long turn keeps the others waiting for some ten milliseconds, and an activation cannot be divided. Where others write
again and again it begins right behind one of them: who has just been served is not back at once. One save in a hundred
beside imports took 24 ms without this and takes 17 with it; the imports took a tenth longer.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

from domain.ports import Turn, UnavailableError

#: others write again and again if so many turns were asked for within so many seconds
_OFTEN, _LATELY_SECONDS = 2, 0.1
#: how long a long turn waits for the next of them: about as long as they are apart
PATIENCE_SECONDS = 0.03
#: so soon behind somebody it is right behind him
_AT_ONCE_SECONDS = 0.001
_LONGEST_WAIT_SECONDS = 60


class OneWriter:
    """Who writes next."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._lock = asyncio.Lock()
        self._monotonic = monotonic
        #: when the last turns ended that somebody asked for
        self._ended_at: deque[float] = deque([float("-inf")] * _OFTEN, maxlen=_OFTEN)
        self._patient: list[asyncio.Future[None]] = []

    @asynccontextmanager
    async def turn(self, kind: Turn) -> AsyncIterator[None]:
        """Around what is written. Raises :class:`UnavailableError`."""
        if kind is Turn.LONG and self._is_somebody_about_to_come():
            await self._behind_somebody()
        try:
            async with asyncio.timeout(_LONGEST_WAIT_SECONDS):
                await self._lock.acquire()
        except TimeoutError as error:
            raise UnavailableError(f"others have been writing for {_LONGEST_WAIT_SECONDS} seconds") from error
        try:
            yield
        finally:
            self._lock.release()
            if kind is Turn.ASKED:
                self._ended()

    def _is_somebody_about_to_come(self) -> bool:
        if self._lock.locked():  # then he is there, and this turn is right behind his
            return False
        now = self._monotonic()
        return self._ended_at[0] > now - _LATELY_SECONDS and self._ended_at[-1] < now - _AT_ONCE_SECONDS

    async def _behind_somebody(self) -> None:
        ended = asyncio.get_running_loop().create_future()
        self._patient.append(ended)
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(PATIENCE_SECONDS):
                    await ended
        finally:
            self._patient.remove(ended)

    def _ended(self) -> None:
        """One long turn goes behind this one and the next behind the next: all at once would be a very long one."""
        self._ended_at.append(self._monotonic())
        if waiting := next((one for one in self._patient if not one.done()), None):
            waiting.set_result(None)
