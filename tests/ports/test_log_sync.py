"""SQLite's log is made safe behind the commits, and before anybody is told of them (ADR 0026)."""

from __future__ import annotations

import asyncio
import os
import shutil
from contextlib import suppress
from sqlite3 import OperationalError

import pytest
from sqlalchemy import text

from domain.ports import Turn, UnavailableError
from storage.bells import LocalBell
from storage.clock import SystemClock
from storage.engines import Engines
from storage.log_sync import LogSync
from storage.prepared import Step
from storage.store import SqlStore
from tests.disks import Disk
from tests.ports.rows import ACME, a_revision, with_tenants

NORMAL, FULL = 1, 2


@pytest.fixture
def disk():
    return Disk()


@pytest.fixture
async def store(tmp_path, migrated_sqlite, disk):
    shutil.copy(migrated_sqlite, tmp_path / "hub.db")
    engines = Engines.open(f"sqlite+aiosqlite:///{tmp_path}/hub.db")
    engines._log = LogSync(tmp_path / "hub.db", disk.sync)
    opened = SqlStore(engines, LocalBell(), SystemClock())
    await with_tenants(opened)
    disk.calls.clear()
    disk.is_asked.clear()
    yield opened
    disk.is_let.set()
    await opened.aclose()


async def _saved(store, name, turn=Turn.LONG):
    async with store.unit(ACME, turn=turn) as unit:
        return await unit.artifacts.write([a_revision(name)])


def _saving(store, name, turn=Turn.LONG):
    return asyncio.create_task(_saved(store, name, turn))


async def _seen(store, *names):
    """Wait until these can be seen."""
    async with asyncio.timeout(10):
        while True:
            async with store.view(ACME) as view:
                if set(names) <= set(await view.artifacts.heads(names)):
                    return
            await asyncio.sleep(0.001)


async def _pragma(store, name):
    connection, driver = await store._engines.connection(store._engines.writer)
    found = await driver.together([Step(f"PRAGMA {name}", gives_rows=True)])
    connection.close()
    return found.rows[0][0]


async def _waiting(store, count):
    """Wait until so many commits wait for the disk, those of its call included."""
    log = store._engines._log
    async with asyncio.timeout(10):
        while log._committed - log._synced < count:
            await asyncio.sleep(0.001)


async def test_who_commits_waits_for_the_disk_while_others_write(store, disk):
    disk.is_let.clear()

    first = _saving(store, "rule-1")
    await disk.asked()
    second = _saving(store, "rule-2")
    await _seen(store, "rule-1", "rule-2")
    told = first.done(), second.done()
    disk.is_let.set()
    await asyncio.gather(first, second)

    assert told == (False, False)


async def test_a_bell_rings_when_the_disk_has_kept_what_it_tells_of(store, disk):
    disk.is_let.clear()

    async def write():
        async with store.unit(ACME, turn=Turn.LONG) as unit:
            await unit.artifacts.write([a_revision("rule-1")])
            unit.ring("here")

    async with store._bell.listen("here") as rung:
        writing = asyncio.create_task(write())
        await _seen(store, "rule-1")
        await _waiting(store, 1)
        before = rung.rung.is_set()
        disk.is_let.set()
        await writing
        after = rung.rung.is_set()

    assert (before, after) == (False, True)


async def test_all_who_commit_while_the_disk_works_share_its_next_call(store, disk):
    disk.is_let.clear()
    first = _saving(store, "rule-0")
    await disk.asked()
    names = [f"rule-{number}" for number in range(1, 9)]

    others = [_saving(store, name) for name in names]
    await _waiting(store, 9)
    disk.is_let.set()
    await asyncio.gather(first, *others)

    assert len(disk.calls) == 2


async def test_who_keeps_nobody_waiting_has_his_commit_wait_for_the_disk(store, disk):
    synchronous: list[tuple[int, int]] = []

    for turn in (Turn.ASKED, Turn.BRIEF, Turn.LONG, Turn.ASKED):
        await _saved(store, f"rule-{len(synchronous)}", turn)
        synchronous.append((await _pragma(store, "synchronous"), len(disk.calls)))

    assert synchronous == [(FULL, 0), (FULL, 0), (NORMAL, 1), (FULL, 1)]


async def test_of_those_who_queue_only_the_last_has_his_commit_wait_for_the_disk(store, disk):
    disk.is_let.clear()
    async with store.unit(ACME) as unit:
        await unit.imports.queued_count()
        others = [_saving(store, f"rule-{number}", Turn.ASKED) for number in range(4)]
        await asyncio.sleep(0.05)
    done, waiting = await asyncio.wait(others, return_when=asyncio.FIRST_COMPLETED)
    disk.is_let.set()
    await asyncio.gather(*waiting)

    assert done == {others[-1]}


async def test_what_is_safe_makes_safe_what_was_committed_before_it(store, disk):
    disk.is_let.clear()
    long = _saving(store, "rule-1")
    await disk.asked()

    await _saved(store, "rule-2", Turn.ASKED)
    async with store.unit(ACME) as unit:
        seen = await unit.artifacts.heads(["rule-1"])
    disk.is_let.set()
    await long

    assert set(seen) == {"rule-1"}
    assert len(disk.calls) == 1


async def test_a_commit_that_was_taken_back_makes_nothing_safe(store, disk):
    disk.is_let.clear()
    long = _saving(store, "rule-1")
    await disk.asked()

    with pytest.raises(OperationalError):  # noqa: PT012 - the unit is the statement
        async with store.unit(ACME) as unit:
            await unit.artifacts.write([a_revision("rule-2")])
            await unit.imports.queued_count()
            unit._session.later(text("SELECT nothing FROM nowhere"))
    log = store._engines._log
    is_behind = log._synced < log._committed
    disk.is_let.set()
    await long

    assert is_behind


async def test_who_changes_nothing_does_not_trouble_the_disk(store, disk):
    async with store.unit(ACME) as unit:
        await unit.imports.queued_count()
    async with store.view(ACME) as view:
        await view.imports.queued_count()

    assert not disk.calls


async def test_what_a_unit_has_seen_is_safe_when_it_ends(store, disk):
    disk.is_let.clear()
    writing = _saving(store, "rule-1")
    await _seen(store, "rule-1")

    async def look():
        async with store.unit(ACME) as unit:
            return await unit.artifacts.heads(["rule-1"])

    looking = asyncio.create_task(look())
    await asyncio.sleep(0.05)
    told = looking.done()
    disk.is_let.set()
    await writing
    found = await looking

    assert not told
    assert set(found) == {"rule-1"}


async def test_who_gives_up_waiting_keeps_nobody_from_being_told(store, disk):
    disk.is_let.clear()
    first = _saving(store, "rule-0")
    await disk.asked()
    given_up, other = _saving(store, "rule-1"), _saving(store, "rule-2")
    await _waiting(store, 3)

    given_up.cancel()
    with suppress(asyncio.CancelledError):
        await given_up
    disk.is_let.set()

    await asyncio.wait_for(other, 10)
    await first
    assert given_up.cancelled()


async def test_what_the_disk_failed_to_keep_is_never_trusted(store, disk):
    disk.is_let.clear()
    disk.is_broken = True
    first = _saving(store, "rule-0")
    await disk.asked()
    second = _saving(store, "rule-1")
    await _waiting(store, 2)
    disk.is_let.set()
    refused = await asyncio.gather(first, second, return_exceptions=True)
    disk.is_broken = False

    # the disk would keep it again, and not what it has failed to keep
    with pytest.raises(UnavailableError, match="failed to keep the log"):
        await _saved(store, "rule-2")
    with pytest.raises(UnavailableError, match="failed to keep the log"):
        async with store.view(ACME) as view:
            await view.imports.queued_count()

    assert [type(error) for error in refused] == [UnavailableError, UnavailableError]
    assert len(disk.calls) == 1


async def test_a_log_that_cannot_be_opened_now_is_kept_later(store, disk, tmp_path, monkeypatch):
    await store._engines._log.aclose()
    store._engines._log = LogSync(tmp_path / "hub.db", disk.sync)

    def refused(*_, **__):
        raise OSError(24, "Too many open files")

    with monkeypatch.context() as crowded:
        crowded.setattr(os, "open", refused)
        with pytest.raises(UnavailableError, match="Too many open files"):
            await _saved(store, "rule-1")
    await _saved(store, "rule-2")

    assert len(disk.calls) == 1


async def test_a_log_that_is_another_file_by_now_is_the_one_that_is_kept(store, disk, tmp_path):
    await _saved(store, "rule-1")
    # without connections there is no log: SQLite moves it into the file and removes it
    await store._engines.reader.dispose()
    await store._engines.writer.dispose()
    assert not (tmp_path / "hub.db-wal").exists()
    (tmp_path / "other").write_bytes(b"so that the number of the file is not used again")

    await _saved(store, "rule-2")

    assert os.path.samestat(disk.calls[-1], (tmp_path / "hub.db-wal").stat())
    assert disk.calls[-1].st_size > 0


async def test_without_a_log_there_is_nothing_to_wait_for(tmp_path, disk):
    log = LogSync(tmp_path / "none.db", disk.sync)
    log.committed(is_safe=False)

    await log.synced()
    await log.aclose()
    await log.aclose()

    assert not disk.calls
