"""What PostgreSQL shows to whoever looks now: the same until something is committed, by whichever process (ADR 0021).

A snapshot names the transactions that it does not show: all from ``xmax`` on, and those before that were still going
on. Whoever changes anything has a number, and a commit takes it out of that list or moves ``xmax``, in the very moment
in which others begin to see it. So between two equal snapshots nobody saw anything else than before and after.
"""

from __future__ import annotations

import asyncio
from collections.abc import Hashable

import asyncpg

from storage.drivers import POSTGRES_TROUBLE

#: on a standby, a snapshot does not list what goes on there; a server that began at another time has another history
_SNAPSHOT = """SELECT CASE WHEN NOT pg_is_in_recovery()
 THEN pg_current_snapshot()::text || ' ' || pg_postmaster_start_time()::text END"""
#: for an answer, and to connect; who does without it executes, so nobody waits for long, nor again at once
_ANSWER_SECONDS, _CONNECT_SECONDS, _REST_SECONDS = 0.5, 1.5, 1.0
#: how the connection shows in pg_stat_activity
_SHOWN_AS = {"application_name": "installhub snapshots"}


class Snapshots:
    """:class:`server.answers.Moments` of a PostgreSQL database, over a connection of its own.

    With another connection it may be another server, or what one has brought back after a crash: then nothing is as it
    was. Whoever asks while a trip to the database is under way shares the next one, since that one may have seen too
    little.
    """

    is_far = True

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._connection: asyncpg.Connection | None = None
        self._connections = 0
        self._rests_until = float("-inf")
        self._under_way: asyncio.Task[Hashable | None] | None = None
        self._next: asyncio.Task[Hashable | None] | None = None

    async def now(self) -> Hashable | None:
        """A snapshot that was taken after this was called; ``None`` where there is none to be had."""
        if asyncio.get_running_loop().time() < self._rests_until:
            return None
        if self._next is None:
            self._next = asyncio.create_task(self._trip(self._under_way))
        # who goes away takes it from nobody else
        return await asyncio.shield(self._next)

    async def aclose(self) -> None:
        trips = [trip for trip in (self._under_way, self._next) if trip is not None]
        for trip in trips:
            trip.cancel()
        await asyncio.gather(*trips, return_exceptions=True)
        await self._let_go()

    async def _trip(self, before: asyncio.Task[Hashable | None] | None) -> Hashable | None:
        if before is not None:
            await asyncio.wait([before])
        self._under_way, self._next = self._next, None
        try:
            return await self._asked()
        except POSTGRES_TROUBLE:
            self._rests_until = asyncio.get_running_loop().time() + _REST_SECONDS
            await self._let_go()
            return None

    async def _asked(self) -> Hashable | None:
        if self._connection is None or self._connection.is_closed():
            self._connections += 1
            self._connection = await asyncpg.connect(self._dsn, timeout=_CONNECT_SECONDS, server_settings=_SHOWN_AS)
        shown = await self._connection.fetchval(_SNAPSHOT, timeout=_ANSWER_SECONDS)
        return None if shown is None else (self._connections, shown)

    async def _let_go(self) -> None:
        lost, self._connection = self._connection, None
        if lost is not None:
            lost.terminate()
