"""Units: all or nothing, bells after the commit, and a pool that survives whatever happens inside."""

from __future__ import annotations

import asyncio

import asyncpg
import pytest
from sqlalchemy.exc import DBAPIError, EmulatedDBAPIException
from sqlalchemy.ext.asyncio import create_async_engine

from domain.model import ArtifactFilter
from domain.ports import UnavailableError
from storage.engines import Engines, translated
from storage.lock import single_process_lock
from storage.store import SqlStore
from tests.listening import listening
from tests.ports.rows import ACME, a_revision, an_import, queued, saved, with_tenants


def _by_the_dialect(told):
    return EmulatedDBAPIException(str(told), told)


def _by_the_engine(told):
    return DBAPIError("SELECT 1", {}, _by_the_dialect(told))


_HOWEVER_TOLD = pytest.mark.parametrize(
    "wrap", [lambda told: told, _by_the_dialect, _by_the_engine], ids=["bare", "once", "twice"]
)


async def _names(store):
    async with store.view(ACME) as view:
        return [head.artifact_id for head in (await view.artifacts.page(ArtifactFilter(), first=100)).items]


async def test_a_unit_commits_on_a_clean_exit_and_rings_each_bell_once_after_it(store, bell):
    await with_tenants(store)

    async with store.unit(ACME) as unit:
        await unit.imports.submit(an_import("imp-1"), queued())
        unit.ring("imp-1")
        unit.ring("mine")
        assert bell.rung == []

    assert bell.rung == [{"imp-1", "jobs", "imports", "mine"}]


async def test_a_unit_that_meets_an_exception_leaves_nothing_and_rings_nothing(store, bell):
    with pytest.raises(KeyError):  # noqa: PT012 - the unit is the statement
        async with store.platform_unit() as platform:
            await platform.of(ACME).artifacts.write([a_revision("rule-1")])
            platform.ring("mine")
            raise KeyError

    assert await _names(store) == []
    await saved(store, a_revision("rule-2"))
    assert await _names(store) == ["rule-2"]
    assert bell.rung == []


async def test_a_cancelled_unit_leaves_nothing_and_the_next_one_works(store, bell):
    async def save(number):
        async with store.unit(ACME) as unit:
            await unit.artifacts.write([a_revision(f"rule-{number}")])
            unit.ring("mine")
            await asyncio.sleep(60)

    for number in range(20):
        task = asyncio.create_task(save(number))
        await asyncio.sleep(0.001 * number)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    await saved(store, a_revision("rule-99"))
    assert await _names(store) == ["rule-99"]
    assert bell.rung == []


async def test_a_cancelled_view_leaves_its_connection_usable(store):
    for number in range(20):
        task = asyncio.create_task(_names(store))
        await asyncio.sleep(0.0005 * number)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    assert await _names(store) == []


async def test_units_that_wait_for_each_other_all_happen(store):
    await asyncio.gather(*(saved(store, a_revision(f"rule-{n}")) for n in range(25)))

    assert len(await _names(store)) == 25


async def test_a_view_does_not_wait_for_a_unit_and_does_not_see_it(store):
    async with store.unit(ACME) as unit:
        await unit.artifacts.write([a_revision("rule-1")])
        before = await asyncio.wait_for(_names(store), 5)

    assert (before, await _names(store)) == ([], ["rule-1"])


async def test_a_view_of_a_sqlite_file_cannot_write(store, database_url):
    if "sqlite" not in database_url:
        # PostgreSQL's views share the pool of its units
        return

    with pytest.raises(UnavailableError, match="readonly"):
        async with store.view(ACME) as view:
            await view.artifacts.write([a_revision("rule-1")])


async def test_a_database_that_is_not_there_is_unavailable(tmp_path, bell, clock):
    nowhere = SqlStore(Engines.open(f"sqlite+aiosqlite:///{tmp_path}/no/such/folder/hub.db"), bell, clock)
    nobody = SqlStore(Engines.open("postgresql+asyncpg://nobody@127.0.0.1:1/none"), bell, clock)

    for store in (nowhere, nobody):
        with pytest.raises(UnavailableError):
            await _names(store)
        with pytest.raises(UnavailableError):
            await saved(store, a_revision("rule-1"))
        await store.aclose()


async def test_an_error_of_the_caller_is_not_taken_for_one_of_the_database(store):
    with pytest.raises(TimeoutError):
        async with store.unit(ACME):
            raise TimeoutError


@pytest.mark.postgres
async def test_a_connection_that_the_server_ends_is_unavailable_and_replaced(postgres_url, bell, clock):
    store, admin = SqlStore(Engines.open(postgres_url, pool=1), bell, clock), create_async_engine(postgres_url)
    ending = """SELECT pg_terminate_backend(pid) FROM pg_stat_activity
        WHERE datname = current_database() AND pid <> pg_backend_pid()"""

    with pytest.raises(UnavailableError):  # noqa: PT012 - the unit is the statement
        async with store.unit(ACME) as unit:
            await unit.artifacts.heads(["rule-1"])
            async with admin.connect() as connection:
                await connection.exec_driver_sql(ending)
            await unit.artifacts.heads(["rule-1"])

    await saved(store, a_revision("rule-1"))
    assert await _names(store) == ["rule-1"]
    await store.aclose()
    await admin.dispose()


async def test_a_server_that_hangs_up_on_who_connects_is_unavailable(bell, clock):
    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(100)
        writer.write(b"N")  # no TLS here
        await reader.read(1000)
        writer.close()

    async with listening(hang_up) as port:
        store = SqlStore(Engines.open(f"postgresql+asyncpg://hub@127.0.0.1:{port}/hub"), bell, clock)
        with pytest.raises(UnavailableError):
            await _names(store)
        with pytest.raises(UnavailableError):
            await saved(store, a_revision("rule-1"))
        await store.aclose()


@_HOWEVER_TOLD
def test_a_connection_that_is_about_to_be_hung_up_is_unavailable_however_it_is_told(wrap):
    with pytest.raises(UnavailableError), translated():
        raise wrap(asyncpg.InternalClientError("cannot switch to state 12; another operation (2) is in progress"))


@_HOWEVER_TOLD
def test_a_wrong_statement_is_our_own_fault_however_it_is_told(wrap):
    wrong = wrap(asyncpg.UndefinedTableError("there is no such table"))
    with pytest.raises(type(wrong)) as raised, translated():
        raise wrong

    assert raised.value is wrong


def test_only_one_process_may_hold_a_files_lock(tmp_path):
    with (
        single_process_lock(tmp_path / "hub.db"),
        pytest.raises(UnavailableError),
        single_process_lock(tmp_path / "hub.db"),
    ):
        pass

    with single_process_lock(tmp_path / "hub.db"):
        pass


def test_a_file_has_one_lock_by_whatever_name_it_is_called(tmp_path):
    (tmp_path / "hub.db").touch()
    (tmp_path / "linked.db").symlink_to(tmp_path / "hub.db")

    with (
        single_process_lock(tmp_path / "hub.db"),
        pytest.raises(UnavailableError),
        single_process_lock(tmp_path / "linked.db"),
    ):
        pass
