"""aiosqlite with one trip to its thread for a statement, where SQLAlchemy's adapter makes four.

A trip costs more than most of our statements. The adapter asks for a cursor, executes, fetches and closes, each in
the thread; here the rows come back together with what the cursor says of them. Only public parts of aiosqlite are
used, except for its thread, which must not keep a process alive that forgot to close (SQLAlchemy does the same).
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import aiosqlite

#: what sqlite3 says of a row's columns
Description = tuple[tuple[Any, ...], ...]
_CHUNK = 64


class Fetched(list[Any]):
    """All rows of a statement."""

    description: Description | None = None
    rowcount = -1
    lastrowid: int | None = None


class _FetchingCursor(sqlite3.Cursor):
    """Lives in the thread; gives away all it knows at once."""

    def fetchall(self) -> list[Any]:
        rows = Fetched(super().fetchall())
        rows.description, rows.rowcount, rows.lastrowid = self.description, self.rowcount, self.lastrowid
        return rows


class _FetchingConnection(sqlite3.Connection):
    def execute(self, sql: str, parameters: Any = (), /) -> sqlite3.Cursor:
        return self.cursor(_FetchingCursor).execute(sql, parameters)


class OneHopConnection(aiosqlite.Connection):
    """What SQLAlchemy's adapter takes for a connection of aiosqlite."""

    def cursor(self) -> OneHopCursor:  # type: ignore[override]
        return OneHopCursor(self)


class OneHopCursor:
    """What SQLAlchemy's adapter takes for a cursor of aiosqlite."""

    def __init__(self, connection: OneHopConnection) -> None:
        self._connection = connection
        self._fetched = Fetched()
        self.arraysize = 1

    @property
    def description(self) -> Description | None:
        return self._fetched.description

    @property
    def rowcount(self) -> int:
        return self._fetched.rowcount

    @property
    def lastrowid(self) -> int | None:
        return self._fetched.lastrowid

    async def execute(self, sql: str, parameters: Iterable[Any] | None = None) -> OneHopCursor:
        fetched = await self._connection.execute_fetchall(sql, parameters)
        self._fetched = fetched if isinstance(fetched, Fetched) else Fetched(fetched)
        return self

    async def executemany(self, sql: str, parameters: Iterable[Iterable[Any]]) -> OneHopCursor:
        done = await self._connection.executemany(sql, parameters)
        self._fetched = Fetched()
        self._fetched.rowcount = done.rowcount
        return self

    async def fetchall(self) -> Sequence[Any]:
        return self._fetched

    async def close(self) -> None:
        """Nothing is open: the rows are here already."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()


def one_hop_connection(path: Path | str, cached_statements: int) -> OneHopConnection:
    """A connection to be awaited; its thread begins with that."""

    def connect() -> sqlite3.Connection:
        return sqlite3.connect(path, factory=_FetchingConnection, cached_statements=cached_statements)

    connection = OneHopConnection(connect, _CHUNK)
    connection._thread.daemon = True  # noqa: SLF001 - see the top of this file
    return connection
