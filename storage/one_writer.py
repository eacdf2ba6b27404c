"""Turns at the one writer of SQLite, in the order in which they are asked for.

A long turn keeps the others waiting for some ten milliseconds, and an activation cannot be divided. Where others write
again and again it begins right behind one of them: who has just been served is not back at once (ADR 0023).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from domain.ports import Turn, UnavailableError

#: others write again and again if two turns that were asked for ended so close to each other, and the last so lately
_CLOSE_SECONDS = 0.05
#: how long a long turn waits for the next of them at most
PATIENCE_SECONDS = 0.03
#: so soon behind somebody it is right behind him
_AT_ONCE_SECONDS = 0.001
_LONGEST_WAIT_SECONDS = 60
_NEVER = float("-inf")


class OneWriter:
    """Who writes next."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._lock = asyncio.Lock()
        self._monotonic = monotonic
        #: when the last two turns ended that somebody asked for
        self._before_last = self._last = _NEVER
        #: long turns that wait for the end of the next of these
        self._patient: list[asyncio.Future[None]] = []
        #: long turns that have the writer, or queue for it like everybody
        self._long = 0

    @asynccontextmanager
    async def turn(self, kind: Turn) -> AsyncIterator[None]:
        """Around what is written. Raises :class:`UnavailableError`."""
        is_long = kind is Turn.LONG
        if is_long and self._is_somebody_about_to_come():
            await self._behind_somebody()
        self._long += is_long
        try:
            await self._acquired()
            try:
                yield
            finally:
                self._lock.release()
        finally:
            self._long -= is_long
            if kind is Turn.ASKED:
                self._ended()

    async def _acquired(self) -> None:
        try:
            async with asyncio.timeout(_LONGEST_WAIT_SECONDS):
                await self._lock.acquire()
        except TimeoutError as error:
            raise UnavailableError(f"others have been writing for {_LONGEST_WAIT_SECONDS} seconds") from error

    def _is_somebody_about_to_come(self) -> bool:
        now = self._monotonic()
        if self._last - self._before_last > _CLOSE_SECONDS or not now - self._last < _CLOSE_SECONDS:
            return False
        if self._long:  # whoever comes will queue behind that one
            return True
        return not self._lock.locked() and now - self._last > _AT_ONCE_SECONDS

    async def _behind_somebody(self) -> None:
        ended = asyncio.get_running_loop().create_future()
        self._patient.append(ended)
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                await ended
        except TimeoutError:  # nobody came: the next parts of this work do not wait for him again
            self._before_last = self._last = _NEVER
        except asyncio.CancelledError:
            if _is_woken(ended):
                self._wake_one()
            raise
        finally:
            self._patient.remove(ended)

    def _ended(self) -> None:
        self._before_last, self._last = self._last, self._monotonic()
        if not self._long and not any(_is_woken(one) for one in self._patient):
            self._wake_one()

    def _wake_one(self) -> None:
        """No more than one: several long turns behind each other would be a very long one."""
        if waiting := next((one for one in self._patient if not one.done()), None):
            waiting.set_result(None)


def _is_woken(waiting: asyncio.Future[None]) -> bool:
    return waiting.done() and not waiting.cancelled()
