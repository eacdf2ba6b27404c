"""What runs statements, SQLite's driver or PostgreSQL's: several go together, and the last one's rows come back.

On SQLite that is one trip to the connection's thread; a trip costs more than most of our statements.
"""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import aiosqlite
import asyncpg

from storage.prepared import AnyRow, Step, UnmetError
from storage.pulse import Pulse

#: what asyncpg raises where the connection is lost, or the server says no. The last one is also for whoever uses a
#: connection of which the server has taken leave and that it has not hung up yet
POSTGRES_TROUBLE = (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)

_CHUNK = 64
#: rows that are fetched between two looks at the clock; how long they may be fetched without a pause; how long that is
_ROWS_AT_ONCE, _STRETCH_SECONDS, _BREATH_SECONDS = 50, 0.0005, 0.0001


class Found(NamedTuple):
    """What a statement gave: its rows, and how many rows it found or changed (-1 for many statements)."""

    rows: Sequence[AnyRow] = ()
    rowcount: int = -1


class Driver(Protocol):
    """A connection that is in nobody else's hands."""

    async def together(self, steps: Sequence[Step]) -> Found:
        """Run these one after the other, until one fails.

        Raises:
            UnmetError: one did not do what is demanded of it.
        """

    async def roll_back(self) -> bool:
        """End a transaction, if there is one. False: nobody knows what the connection is in the middle of."""

    def changed_rows(self) -> int | None:
        """How many rows were changed over this connection so far, rolled back ones too; ``None``: nobody knows."""


class SqliteDriver(aiosqlite.Connection):
    """:class:`Driver`. Who is cancelled while waiting does not stop the thread: what comes next waits for it."""

    async def together(self, steps: Sequence[Step]) -> Found:
        if self._connection is None:
            raise sqlite3.ProgrammingError("the connection is closed")
        found: Found = await self._execute(_together, self._connection, steps)  # type: ignore[no-untyped-call]
        return found

    async def roll_back(self) -> bool:
        with suppress(sqlite3.Error):
            await self.rollback()
            return True
        return False

    def changed_rows(self) -> int | None:
        return None if self._connection is None else self._connection.total_changes


class PostgresDriver:
    """:class:`Driver`. Who does not wait for an answer leaves a connection that may still be told to stop."""

    def __init__(self, connection: asyncpg.Connection, pulse: Pulse) -> None:
        self._connection = connection
        self._pulse = pulse
        self._is_cut_off = False

    async def together(self, steps: Sequence[Step]) -> Found:
        found = Found()
        try:
            for place, step in enumerate(steps):
                found = _met(place, step, await self._one(step))
                self._pulse.beat()
        except (asyncio.CancelledError, TimeoutError):
            self._is_cut_off = True
            raise
        return found

    async def _one(self, step: Step) -> Found:
        if step.is_many:
            await self._connection.executemany(step.sql, step.parameters_now)
            return Found()
        if step.gives_rows:
            rows = await self._connection.fetch(step.sql, *step.parameters_now)
            return Found(rows, len(rows))
        # what was done and to how many rows, as in "UPDATE 3"
        done: str = await self._connection.execute(step.sql, *step.parameters_now)
        count = done.rpartition(" ")[2]
        return Found((), int(count) if count.isdecimal() else -1)

    async def roll_back(self) -> bool:
        if self._is_cut_off:
            return False
        with suppress(*POSTGRES_TROUBLE):
            if self._connection.is_in_transaction():
                await self._connection.execute("ROLLBACK")
            return True
        return False

    def changed_rows(self) -> int | None:
        return None


def sqlite_driver(path: Path | str, cached_statements: int) -> SqliteDriver:
    """A connection to be awaited; its thread begins with that."""

    def connect() -> sqlite3.Connection:
        # the driver must not begin transactions by itself: it would begin them without the write lock
        return sqlite3.connect(path, isolation_level=None, cached_statements=cached_statements)

    driver = SqliteDriver(connect, _CHUNK)
    # a process that forgot to close it must not be kept alive by it (SQLAlchemy's adapter does the same)
    driver._thread.daemon = True  # noqa: SLF001
    return driver


def _together(connection: sqlite3.Connection, steps: Sequence[Step]) -> Found:
    found = Found()
    for place, step in enumerate(steps):
        run = connection.executemany if step.is_many else connection.execute
        cursor = run(step.sql, step.parameters_now)
        found = _met(place, step, Found(_fetched(cursor), cursor.rowcount))
    return found


def _fetched(cursor: sqlite3.Cursor) -> list[Any]:
    """All rows, with pauses: each lets go of the interpreter, and has it again before anybody who waits has woken."""
    rows = more = cursor.fetchmany(_ROWS_AT_ONCE)
    paused = time.monotonic()
    while len(more) == _ROWS_AT_ONCE:
        if time.monotonic() > paused + _STRETCH_SECONDS:
            time.sleep(_BREATH_SECONDS)
            paused = time.monotonic()
        more = cursor.fetchmany(_ROWS_AT_ONCE)
        rows += more
    return rows


def _met(place: int, step: Step, found: Found) -> Found:
    if step.demand is not None:
        count = len(found.rows) if step.gives_rows else found.rowcount
        if count != step.demand.rows:
            raise UnmetError(place, count, step.demand)
    return found
