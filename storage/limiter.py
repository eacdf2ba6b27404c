"""Moving-window limits in this process's memory (decisions R33, R36)."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Sequence
from typing import NamedTuple

from limits import RateLimitItem, RateLimitItemPerSecond
from limits.aio.storage import MemoryStorage
from limits.aio.strategies import MovingWindowRateLimiter

#: part of every key: another strategy must never read this one's buckets (design: stack, section 8)
STRATEGY = "moving-window"


class _Bucket(NamedTuple):
    limit: RateLimitItem
    key: str


class MemoryLimiter:
    """Counts for one process: :class:`domain.ports.Limiter`.

    A limit or window that changes begins with an empty bucket, since both are part of the bucket's name.
    """

    def __init__(self) -> None:
        self._windows = MovingWindowRateLimiter(MemoryStorage())
        self._one_at_a_time = asyncio.Lock()

    async def take(self, windows: Sequence[tuple[str, int, int]]) -> int:
        buckets = [_Bucket(RateLimitItemPerSecond(limit, seconds), key) for key, limit, seconds in windows]
        # shielded: a caller that goes away between two charges would leave one bucket charged and not the other
        return await asyncio.shield(self._taken(buckets))

    async def left(self, window: tuple[str, int, int]) -> int:
        key, limit, seconds = window
        stats = await self._windows.get_window_stats(RateLimitItemPerSecond(limit, seconds), STRATEGY, key)
        return stats.remaining

    async def _taken(self, buckets: list[_Bucket]) -> int:
        async with self._one_at_a_time:
            wait = max([await self._seconds_until_free(bucket) for bucket in buckets], default=0)
            if wait == 0:
                for bucket in buckets:
                    await self._windows.hit(bucket.limit, STRATEGY, bucket.key)
            return wait

    async def _seconds_until_free(self, bucket: _Bucket) -> int:
        if await self._windows.test(bucket.limit, STRATEGY, bucket.key):
            return 0
        stats = await self._windows.get_window_stats(bucket.limit, STRATEGY, bucket.key)
        return max(1, math.ceil(stats.reset_time - time.time()))
