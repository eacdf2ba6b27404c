"""Moving-window limits that all processes of an installation share, in a Valkey (decisions R32, R36)."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from redis.asyncio import BlockingConnectionPool, Redis, SSLConnection
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.typing import EncodableT, KeyT

from storage.limiter import MemoryLimiter
from storage.valkey_place import ValkeyPlace

#: seconds that a door waits for an answer at most, and that Valkey is left alone when there was none
PATIENCE, _REST = 0.25, 1.0
_CONNECTIONS = 8
_PREFIX = "installhub:limit:"

# Each window is a list of the milliseconds it was charged at, oldest first, by Valkey's own clock. Where that clock was
# set back, what lies ahead of it is forgotten; a second of that is what a replica that took over may differ by.
_WINDOWS = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

local function charged(key, length)
  local newest = redis.call('LINDEX', key, -1)
  if newest and tonumber(newest) > now + 1000 then redis.call('DEL', key) end
  local oldest = redis.call('LINDEX', key, 0)
  while oldest and tonumber(oldest) <= now - length do
    redis.call('LPOP', key)
    oldest = redis.call('LINDEX', key, 0)
  end
  return redis.call('LLEN', key), tonumber(oldest or now)
end
"""
_TAKE = f"""{_WINDOWS}
local wait = 0
for i, key in ipairs(KEYS) do
  local limit, length = tonumber(ARGV[2 * i - 1]), ARGV[2 * i] * 1000
  local count, oldest = charged(key, length)
  if count >= limit then wait = math.max(wait, 1, math.ceil((oldest + length - now) / 1000)) end
end
if wait == 0 then
  for i, key in ipairs(KEYS) do
    redis.call('RPUSH', key, string.format('%d', now))
    redis.call('PEXPIRE', key, ARGV[2 * i] * 1000)
  end
end
return wait
"""
_LEFT = f"""{_WINDOWS}
local count = charged(KEYS[1], ARGV[2] * 1000)
return math.max(0, tonumber(ARGV[1]) - count)
"""

_log = logging.getLogger(__name__)


class SharedLimiter:
    """Counts for all processes: :class:`domain.ports.Limiter`.

    While Valkey is away each process counts for itself, from nothing, so a caller may get through as often again in
    each of them; nobody is refused for it, and nobody waits for longer than ``patience`` seconds.
    """

    def __init__(self, place: ValkeyPlace, *, patience: float = PATIENCE) -> None:
        self._valkey, self._patience = _client(place, patience), patience
        self._take, self._left = self._valkey.register_script(_TAKE), self._valkey.register_script(_LEFT)
        self._own = MemoryLimiter()
        self._rests_until = 0.0
        #: whether it did not answer the last time
        self.is_away = False

    async def take(self, windows: Sequence[tuple[str, int, int]]) -> int:
        if not windows:
            return 0
        answer = await self._answer(lambda: self._take(_keys(windows), _numbers(windows)))
        return await self._own.take(windows) if answer is None else int(answer)

    async def left(self, window: tuple[str, int, int]) -> int:
        answer = await self._answer(lambda: self._left(_keys([window]), _numbers([window])))
        return await self._own.left(window) if answer is None else int(answer)

    async def is_shared(self) -> bool:
        """Whether it answers now."""
        return await self._answer(self._valkey.ping) is not None

    async def aclose(self) -> None:
        await self._valkey.aclose()

    async def _answer(self, ask: Callable[[], Awaitable[Any]]) -> Any:
        """What Valkey says, or ``None`` where it says nothing in time."""
        now = time.monotonic()
        if now < self._rests_until:
            return None
        if self.is_away:  # one asks whether it is back; the others go on meanwhile
            self._rests_until = now + _REST
        try:
            async with asyncio.timeout(self._patience):
                answer = await ask()
        except (RedisError, OSError, TimeoutError) as trouble:
            self._rests_until = time.monotonic() + _REST
            if not self.is_away:
                text = "Valkey does not answer, so each process counts for itself: %s %s"
                _log.error(text, type(trouble).__name__, trouble)
            self.is_away = True
            return None
        if self.is_away:
            _log.warning("Valkey is back, and all processes count together again")
            self.is_away, self._rests_until = False, 0.0
        return answer


def _client(place: ValkeyPlace, patience: float) -> Redis:
    said: dict[str, Any] = {"connection_class": SSLConnection} if place.is_tls else {}
    if place.ca:
        said["ssl_ca_certs"] = place.ca
    pool = BlockingConnectionPool(
        max_connections=_CONNECTIONS,
        timeout=patience,
        host=place.host,
        port=place.port,
        db=place.number,
        username=place.user or None,
        password=place.password or None,
        socket_timeout=patience,
        socket_connect_timeout=patience,
        retry=Retry(NoBackoff(), 0),
        protocol=2,
        driver_info=None,
        **said,
    )
    return Redis.from_pool(pool)


def _keys(windows: Sequence[tuple[str, int, int]]) -> list[KeyT]:
    """A limit or a length that changes begins with an empty window; the names of people do not show."""
    return [_PREFIX + hashlib.sha256(repr(window).encode()).hexdigest() for window in windows]


def _numbers(windows: Sequence[tuple[str, int, int]]) -> list[EncodableT]:
    return [number for _, limit, seconds in windows for number in (limit, seconds)]
