"""Moving-window limits in this process's memory (decisions R33, R36)."""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import NamedTuple

#: windows that nobody charged for long are forgotten each time that so many new ones have come
_NEW_ONES = 1024


class _Window(NamedTuple):
    """A limit or a length that changes begins with an empty window, since both are part of what it is found by."""

    key: str
    limit: int
    seconds: int


class MemoryLimiter:
    """Counts for one process: :class:`domain.ports.Limiter`. To be used on the event loop's thread.

    ``now`` gives seconds that only ever grow: a wall clock that is set back would keep a window full for as long.
    """

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        #: when each window was charged, oldest first
        self._charged: dict[_Window, deque[float]] = {}
        self._forget_at = _NEW_ONES

    async def take(self, windows: Sequence[tuple[str, int, int]]) -> int:
        asked, now = [_Window(*window) for window in windows], self._now()
        # nothing is waited for in between, so nobody else charges a window meanwhile
        wait = max((self._seconds_until_free(window, now) for window in asked), default=0)
        if wait == 0:
            for window in asked:
                self._charged.setdefault(window, deque()).append(now)
            self._forget(now)
        return wait

    async def left(self, window: tuple[str, int, int]) -> int:
        asked = _Window(*window)
        return max(0, asked.limit - len(self._within(asked, self._now())))

    def _within(self, window: _Window, now: float) -> deque[float]:
        """When it was charged in the seconds that end now."""
        charged = self._charged.get(window, deque())
        while charged and charged[0] <= now - window.seconds:
            charged.popleft()
        return charged

    def _seconds_until_free(self, window: _Window, now: float) -> int:
        charged = self._within(window, now)
        if len(charged) < window.limit:
            return 0
        oldest = charged[0] if charged else now
        return max(1, math.ceil(oldest + window.seconds - now))

    def _forget(self, now: float) -> None:
        if len(self._charged) < self._forget_at:
            return
        self._charged = {window: charged for window, charged in self._charged.items() if self._within(window, now)}
        self._forget_at = len(self._charged) + _NEW_ONES
