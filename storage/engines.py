"""Connections to SQLite and PostgreSQL, and the edge where their errors become the port's (design: stack, section 3).

SQLite has one writing connection a process, whose users take turns, because its own busy handler is unfair; readers
are apart and cannot write. Views run each statement by itself on both databases.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager, contextmanager, nullcontext
from functools import partial
from typing import Any

import asyncpg
from sqlalchemy import AsyncAdaptedQueuePool, Connection, PoolProxiedConnection, event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError, EmulatedDBAPIException
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from domain.ports import (
    CollidedError,
    KeyTakenError,
    NameTakenError,
    NoRoomError,
    RevisionMovedError,
    Turn,
    UnavailableError,
    VersionTakenError,
)
from storage.drivers import Driver, PostgresDriver, SqliteDriver, sqlite_driver
from storage.one_writer import OneWriter
from storage.pulse import Pulse
from storage.sql import SQLITE

#: statements kept ready: the store has a fixed number of them
_PREPARED = 256
_POOL_SECONDS = 60
_WRITER_PRAGMAS = (
    "PRAGMA busy_timeout=10000",
    "PRAGMA journal_mode=WAL",
    # NORMAL may lose the last commits when the power fails; FULL costs 50 ms an import of 1,000
    "PRAGMA synchronous=FULL",
    "PRAGMA foreign_keys=ON",
    # what takes back one statement: of fifty rows it is too long for SQLite's own memory, and a file each time
    "PRAGMA temp_store=MEMORY",
    # a commit that moved the log into the file would keep everybody waiting (storage.checkpoints)
    "PRAGMA wal_autocheckpoint=0",
)
_READER_PRAGMAS = ("PRAGMA busy_timeout=10000", "PRAGMA query_only=ON")
#: to connect to PostgreSQL; what its longest statement may take; how long one may wait for a row of another's (as
#: SQLite's busy_timeout)
_CONNECT_SECONDS, _STATEMENT_SECONDS, _LOCK_SECONDS = 1.5, 60.0, 10
_POSTGRESQL_SETTINGS = {
    # a process stopped inside a transaction must not hold a job's row for ever
    "idle_in_transaction_session_timeout": "30000",
    # compiling costs more than these short statements take
    "jit": "off",
}


class PlaceTakenError(Exception):
    """Another import of the tenant has begun a moment ago."""


#: what a broken rule of the database means, by the words with which SQLite and PostgreSQL name the rule
_BROKEN_RULES: tuple[tuple[tuple[str, ...], Callable[[], Exception]], ...] = (
    (("uq_artifact_name", "artifact.tenant_id, artifact.type, artifact.name_key"), NameTakenError),
    (("pk_idempotency", "idempotency.tenant_id, idempotency.subject, idempotency.idempotency_key"), KeyTakenError),
    (("uq_package_tenant_id", "package.tenant_id, package.name_key, package.version"), VersionTakenError),
    (
        ("uq_revision_number", "revision.tenant_id, revision.artifact_id, revision.number"),
        lambda: RevisionMovedError(""),
    ),
    (("uq_import_job_place",), PlaceTakenError),
)
_DISK_FULL, _DEADLOCK = "53100", "40P01"
#: classes of SQLSTATE that say "not now": connection, resources, lock, operator's wish, system
_NOT_NOW = ("08", "40", "53", "55", "57", "58")
#: what SQLite calls a statement or a value that is wrong
_OUR_FAULTS = ("SQLITE_ERROR", "SQLITE_CONSTRAINT")
#: what a statement raises; what a connection raises comes through SQLAlchemy (the last one: see storage.drivers)
_DRIVERS_ERRORS = (sqlite3.Error, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)


class Engines:
    """A writing and a reading engine on one database."""

    def __init__(self, writer: AsyncEngine, reader: AsyncEngine) -> None:
        self.writer = writer
        self.reader = reader
        self._pulse = Pulse(partial(_is_there, writer))
        self._turns = OneWriter() if writer.dialect.name == SQLITE else None

    @classmethod
    def open(cls, url: str, *, readers: int = 5, pool: int = 10) -> Engines:
        """``sqlite+aiosqlite:///path`` or ``postgresql+asyncpg://…``; nothing is connected yet.

        ``readers`` are SQLite's; on PostgreSQL units have ``pool`` connections and views as many.
        """
        if make_url(url).get_backend_name() == SQLITE:
            return cls(writing_sqlite(url), _sqlite(url, readers, _READER_PRAGMAS))
        # apart here too: with one pool, units that all wait for a view would wait for each other
        return cls(postgresql(url, pool), postgresql(url, pool))

    def turn(self, kind: Turn) -> AbstractAsyncContextManager[None]:
        """Around a unit: on SQLite they come one after the other. Raises :class:`UnavailableError`.

        A pool gives its connection to whoever asks first when it is back, which is whoever has just had it: an import
        that writes in many parts would keep all others waiting to its end.
        """
        return nullcontext() if self._turns is None else self._turns.turn(kind)

    async def connection(self, engine: AsyncEngine) -> tuple[PoolProxiedConnection, Driver]:
        """A connection of one of them. Raises as :func:`translated`, where nobody answers within two seconds too."""
        with translated():
            # past SQLAlchemy's own connection and all it would do around it: sessions run their statements themselves
            if engine.dialect.name == SQLITE:
                taken = await engine.raw_connection()
            else:
                taken = await self._pulse.opened(engine.raw_connection())
        raw: Any = taken.driver_connection
        return taken, raw if isinstance(raw, SqliteDriver) else PostgresDriver(raw, self._pulse)

    async def close(self) -> None:
        """Close every connection that is not in use."""
        await self.reader.dispose()
        await self.writer.dispose()


async def _is_there(engine: AsyncEngine) -> bool:
    """Whether PostgreSQL answers anything at all; that it has no room for one more is an answer too."""
    _, how = engine.dialect.create_connect_args(engine.url)
    try:
        connection = await asyncpg.connect(**how, timeout=_CONNECT_SECONDS)
        await connection.close(timeout=_CONNECT_SECONDS)
    except (OSError, asyncpg.PostgresConnectionError, asyncpg.InterfaceError, asyncpg.InternalClientError):
        return False
    except asyncpg.PostgresError:
        return True
    return True


# Nothing is reset when a connection returns to its pool: whoever began a transaction has ended it.


def writing_sqlite(url: str) -> AsyncEngine:
    """One connection. What SQLAlchemy itself begins takes the write lock at once, as units do."""
    engine = _sqlite(url, 1, _WRITER_PRAGMAS)
    event.listen(engine.sync_engine, "begin", _begin_immediate)
    return engine


def postgresql(url: str, pool: int, *, is_patient: bool = False) -> AsyncEngine:
    """``is_patient``: statements, and what they wait for, may take as long as they take."""
    locks = {"lock_timeout": "0" if is_patient else f"{_LOCK_SECONDS}s"}
    return create_async_engine(
        url,
        pool_size=pool,
        max_overflow=0,
        pool_timeout=_POOL_SECONDS,
        pool_pre_ping=True,
        pool_reset_on_return=None,
        connect_args={
            "server_settings": _POSTGRESQL_SETTINGS | locks,
            "statement_cache_size": _PREPARED,
            "timeout": _CONNECT_SECONDS,
            "command_timeout": None if is_patient else _STATEMENT_SECONDS,
        },
    )


def _sqlite(url: str, pool: int, pragmas: tuple[str, ...]) -> AsyncEngine:
    path = make_url(url).database or ""
    engine = create_async_engine(
        url,
        poolclass=AsyncAdaptedQueuePool,
        pool_size=pool,
        max_overflow=0,
        pool_timeout=_POOL_SECONDS,
        pool_reset_on_return=None,
        async_creator=lambda: sqlite_driver(path, _PREPARED),
    )

    def prepare(connection: Any, record: object) -> None:  # noqa: ARG001 - the event hands both over
        cursor = connection.cursor()
        for pragma in pragmas:
            cursor.execute(pragma)
        cursor.close()

    event.listen(engine.sync_engine, "connect", prepare)
    return engine


def _begin_immediate(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")


@contextmanager
def translated() -> Iterator[None]:
    """Around one call of the database.

    Raises the port's error of the rule that was broken, or :class:`UnavailableError`. Anything else is our own bug
    and goes on as it is.
    """
    try:
        yield
    except (DBAPIError, EmulatedDBAPIException, *_DRIVERS_ERRORS) as error:
        told = _told(error)
        if meaning := _broken_rule(str(told)):
            raise meaning from error
        if _is_ours(told):
            raise
        raise _not_now(told)(str(told)) from error
    except (PoolTimeoutError, OSError) as error:
        raise UnavailableError(str(error)) from error


def _told(error: BaseException) -> BaseException:
    """What the driver said, without what SQLAlchemy has put around it, once or twice."""
    while (inner := getattr(error, "orig", None)) is not None:
        error = inner
    return error


def _broken_rule(told: str) -> Exception | None:
    return next((error() for names, error in _BROKEN_RULES if any(name in told for name in names)), None)


def _not_now(told: object) -> type[UnavailableError]:
    name, state = getattr(told, "sqlite_errorname", None), getattr(told, "sqlstate", None)
    if name == "SQLITE_FULL" or state == _DISK_FULL:
        return NoRoomError
    return CollidedError if state == _DEADLOCK else UnavailableError


def _is_ours(told: object) -> bool:
    """A wrong statement or wrong values, where a locked, full, closed or lost database is not."""
    if code := getattr(told, "sqlite_errorname", None):
        return str(code).startswith(_OUR_FAULTS)
    if state := getattr(told, "sqlstate", None):
        return not str(state).startswith(_NOT_NOW)
    if isinstance(told, asyncpg.InternalClientError):
        return False
    return "clos" not in str(told).lower() and "active connection" not in str(told)
