"""Whether a database across a network still answers, so that nobody stands in a line that does not move."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from sqlalchemy import PoolProxiedConnection

from domain.ports import UnavailableError

#: looks without a single answer to anybody, and the seconds between them. Looks are counted and not seconds: a process
#: that was stopped for long, or busy, looks once more before it believes that the database is gone.
_LOOKS, _BETWEEN = 6, 0.25
#: after so many it is asked whether it is there: it may be busy with long statements of all who have a connection
_ASKED_AFTER = 2


class Pulse:
    """The answers of one database to one process. ``is_there`` asks it outside of all pools, and may take forever."""

    def __init__(self, is_there: Callable[[], Awaitable[bool]]) -> None:
        self._count = 0
        self._is_there = is_there
        self._asking: asyncio.Task[None] | None = None

    def beat(self) -> None:
        """Somebody was answered."""
        self._count += 1

    async def opened(self, opening: Awaitable[PoolProxiedConnection]) -> PoolProxiedConnection:
        """A connection of a pool, as soon as there is one.

        Raises :class:`UnavailableError` when nobody is answered for a second and a half: neither who waits for the
        connection, nor those who have the others, nor who asks whether it is there.
        """
        waiting = asyncio.ensure_future(opening)
        try:
            await self._until_silent(waiting)
            if not waiting.done():
                raise UnavailableError("the database does not answer")
        except BaseException:
            _let_go(waiting)
            raise
        connection = waiting.result()
        self.beat()
        return connection

    async def _until_silent(self, waiting: asyncio.Future[PoolProxiedConnection]) -> None:
        silent = 0
        while silent < _LOOKS:
            before = self._count
            await asyncio.wait([waiting], timeout=_BETWEEN)
            if waiting.done():
                return
            silent = silent + 1 if self._count == before else 0
            if silent == _ASKED_AFTER and self._asking is None:
                self._asking = asyncio.create_task(self._ask())

    async def _ask(self) -> None:
        try:
            async with asyncio.timeout((_LOOKS - _ASKED_AFTER) * _BETWEEN):
                if await self._is_there():
                    self.beat()
        except TimeoutError:
            pass
        finally:
            self._asking = None


def _let_go(opening: asyncio.Future[PoolProxiedConnection]) -> None:
    """Nobody waits for it any more; to tell a connection to stop takes seconds where nobody answers."""
    opening.cancel()
    opening.add_done_callback(_given_back)


def _given_back(opening: asyncio.Future[PoolProxiedConnection]) -> None:
    if not opening.cancelled() and opening.exception() is None:
        opening.result().close()
