"""SQLite's log: moved into the file beside its writers and when they pause, and begun anew when it is moved."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
from contextlib import closing, contextmanager
from random import randbytes

import pytest

from domain.ports import UnavailableError
from storage import checkpoints
from storage.bells import LocalBell
from storage.clock import SystemClock
from storage.engines import Engines
from storage.store import SqlStore
from tests.ports.rows import ACME, a_revision, saved, with_tenants

ROUNDS = 30
PAGE = 4096
#: pages of a log that counts as long in a test
LONG = 100


@pytest.fixture
async def store(tmp_path, migrated_sqlite, monkeypatch):
    monkeypatch.setattr(checkpoints, "PAUSE_SECONDS", 0.0)
    shutil.copy(migrated_sqlite, tmp_path / "hub.db")
    opened = SqlStore(Engines.open(f"sqlite+aiosqlite:///{tmp_path}/hub.db"), LocalBell(), SystemClock())
    await with_tenants(opened)
    yield opened
    await opened.aclose()


async def _all_moved(store):
    while (task := store._checkpoints._task) is not None and not task.done():
        await task


def _in_the_file_alone(folder):
    """What the file holds without its log, as after the loss of the log."""
    shutil.copy(folder / "hub.db", folder / "alone.db")
    with closing(sqlite3.connect(folder / "alone.db")) as alone:
        return [row[0] for row in alone.execute("SELECT artifact_id FROM artifact ORDER BY artifact_id")]


@contextmanager
def _a_reader(folder):
    """Somebody who goes on reading what is there now, until a rollback."""
    with closing(sqlite3.connect(folder / "hub.db")) as other:
        other.execute("BEGIN")
        other.execute("SELECT count(*) FROM artifact").fetchone()
        yield other


async def test_what_is_committed_reaches_the_file_by_itself(store, tmp_path):
    await saved(store, a_revision("rule-1"))

    await _all_moved(store)

    assert _in_the_file_alone(tmp_path) == ["rule-1"]


async def test_a_log_that_is_moved_is_begun_anew(store, tmp_path):
    await saved(store, a_revision("rule-0"))
    await _all_moved(store)
    size = (tmp_path / "hub.db-wal").stat().st_size

    for number in range(1, ROUNDS):
        await saved(store, a_revision(f"rule-{number}"))
        await _all_moved(store)

    assert (tmp_path / "hub.db-wal").stat().st_size <= 2 * size


async def test_a_reader_holds_up_neither_the_log_nor_the_writers(store, tmp_path):
    with _a_reader(tmp_path):
        await saved(store, a_revision("rule-1"))
        await _all_moved(store)
        await saved(store, a_revision("rule-2"))

    await saved(store, a_revision("rule-3"))
    await _all_moved(store)

    assert _in_the_file_alone(tmp_path) == ["rule-1", "rule-2", "rule-3"]


async def test_what_waits_to_be_moved_holds_up_no_end(store, tmp_path):
    await saved(store, a_revision("rule-1"))

    await store.aclose()

    assert _in_the_file_alone(tmp_path) == ["rule-1"]
    assert not (tmp_path / "hub.db-wal").exists()


async def test_the_log_is_moved_while_somebody_writes(store, tmp_path, monkeypatch):
    await _never_by_itself(store, monkeypatch)
    await saved(store, a_revision("rule-1"))

    async with store.unit(ACME) as unit:
        await unit.artifacts.write([a_revision("rule-2")])
        await store._checkpoints._move_beside()

    assert _in_the_file_alone(tmp_path) == ["rule-1"]


async def test_no_commit_waits_until_the_log_is_moved(store, tmp_path, monkeypatch):
    await _never_by_itself(store, monkeypatch)

    await saved(store, a_revision("rule-1", body=b" " * (8 << 20)))

    assert _in_the_file_alone(tmp_path) == []


async def test_what_is_moved_is_moved_anew_only_after_somebody_has_written(store, tmp_path, monkeypatch):
    await _never_by_itself(store, monkeypatch)
    await saved(store, a_revision("rule-0"))

    lengths = [await store._checkpoints._move_beside() for _ in range(3)]
    await saved(store, a_revision("rule-1"))
    after = await store._checkpoints._move_beside()

    assert lengths[0] > 0
    assert lengths[1:] == [0, 0]
    assert after > 0
    assert _in_the_file_alone(tmp_path) == ["rule-0", "rule-1"]


async def test_what_was_written_to_the_log_and_taken_back_is_no_reason_to_move_it(store, tmp_path, monkeypatch):
    """All of it is moved, and the next writer may begin it anew at any time: a checkpoint then could lose a commit."""
    await _never_by_itself(store, monkeypatch)
    await saved(store, a_revision("rule-1"))
    with _a_reader(tmp_path):
        await store._checkpoints._move_beside()
        size = (tmp_path / "hub.db-wal").stat().st_size
        with pytest.raises(RuntimeError, match="taken back"):
            await _written_and_taken_back(store)
        grown = (tmp_path / "hub.db-wal").stat().st_size

        assert grown > size
        assert await store._checkpoints._move_beside() == 0


async def test_a_long_log_begins_anew_while_writers_go_on(store, tmp_path, monkeypatch):
    await _never_by_itself(store, monkeypatch)
    monkeypatch.setattr(checkpoints, "LONG_LOG", LONG)
    monkeypatch.setattr(store._checkpoints, "_move_all", _never)
    with _a_reader(tmp_path) as other:
        await saved(store, a_revision("rule-0", body=randbytes(2 * LONG * PAGE)))
        # the first time somebody still reads what was there before
        moving = store._checkpoints._move_beside
        monkeypatch.setattr(store._checkpoints, "_move_beside", lambda: _then(moving, other.rollback))

        going_on = asyncio.create_task(store._checkpoints._move_on())
        number = 0
        while not going_on.done():
            number += 1
            await saved(store, a_revision(f"rule-{number}"))
            await asyncio.sleep(0.01)
        await going_on

        await saved(store, a_revision("rule-last"))
        assert 0 < await store._checkpoints._move_beside() <= LONG


async def test_a_short_log_is_moved_once(store, tmp_path, monkeypatch):
    await _never_by_itself(store, monkeypatch)
    moves = _counted(store, monkeypatch)
    await saved(store, a_revision("rule-1"))

    await store._checkpoints._move_on()

    assert len(moves) == 1
    assert _in_the_file_alone(tmp_path) == ["rule-1"]


async def test_a_very_long_log_is_moved_to_its_end_before_its_writers_pause(store, tmp_path, monkeypatch):
    await _never_by_itself(store, monkeypatch)
    for name, pages in (("LONG_LOG", 0), ("VERY_LONG_LOG", 0)):
        monkeypatch.setattr(checkpoints, name, pages)
    with _a_reader(tmp_path) as other:
        await saved(store, a_revision("rule-1"))
        moving = store._checkpoints._move_beside
        monkeypatch.setattr(store._checkpoints, "_move_beside", lambda: _then(moving, other.rollback))

        await store._checkpoints._move_on()

    assert _in_the_file_alone(tmp_path) == ["rule-1"]


async def test_a_long_log_that_cannot_begin_anew_keeps_no_writer_waiting(store, tmp_path, monkeypatch):
    await _never_by_itself(store, monkeypatch)
    monkeypatch.setattr(checkpoints, "LONG_LOG", 0)
    monkeypatch.setattr(store._checkpoints, "_move_all", _never)
    moves = _counted(store, monkeypatch)
    with _a_reader(tmp_path):
        await saved(store, a_revision("rule-1"))

        await store._checkpoints._move_on()

    assert len(moves) > 1
    assert _in_the_file_alone(tmp_path) == []


async def test_writers_who_go_on_have_their_log_moved_too(store, monkeypatch):
    await _all_moved(store)
    monkeypatch.setattr(checkpoints, "PAUSE_SECONDS", 0.3)
    moves, number = _counted(store, monkeypatch), 0

    async with asyncio.timeout(30):
        while not moves:
            number += 1
            await saved(store, a_revision(f"rule-{number}"))
            await asyncio.sleep(0.05)


async def test_what_is_committed_while_the_last_of_the_log_is_moved_is_moved_too(store, tmp_path, monkeypatch):
    moving = store._checkpoints._move_all
    ids = iter(("rule-2", "rule-3"))

    async def move():
        await moving()
        if written := next(ids, None):
            await saved(store, a_revision(written))

    monkeypatch.setattr(store._checkpoints, "_move_all", move)
    await saved(store, a_revision("rule-1"))

    await _all_moved(store)

    assert _in_the_file_alone(tmp_path) == ["rule-1", "rule-2", "rule-3"]


async def test_the_first_look_moves_nothing(store, tmp_path):
    await saved(store, a_revision("rule-1"))

    assert await store._checkpoints._move_beside() == 0


async def test_what_is_committed_while_the_log_is_moved_is_no_reason_to_move_it_again(store, tmp_path, monkeypatch):
    """It may have been moved with the rest: nothing would be left then."""
    await _never_by_itself(store, monkeypatch)
    await saved(store, a_revision("rule-1"))
    moved = checkpoints._moved

    async def beside_a_commit(driver):
        length = await moved(driver)
        await saved(store, a_revision("rule-2"))
        return length

    monkeypatch.setattr(checkpoints, "_moved", beside_a_commit)
    assert await store._checkpoints._move_beside() > 0
    monkeypatch.setattr(checkpoints, "_moved", moved)

    assert await store._checkpoints._move_beside() == 0


@pytest.mark.parametrize("move", ["_move_beside", "_move_all"])
async def test_after_a_move_that_failed_the_log_is_looked_at_first(store, tmp_path, monkeypatch, move):
    await _never_by_itself(store, monkeypatch)
    await saved(store, a_revision("rule-1"))
    moved = checkpoints._moved

    async def failing(driver):
        await moved(driver)
        raise UnavailableError("all of it is moved, and nobody was told")

    monkeypatch.setattr(checkpoints, "_moved", failing)
    with pytest.raises(UnavailableError):
        await getattr(store._checkpoints, move)()
    monkeypatch.setattr(checkpoints, "_moved", moved)

    assert await store._checkpoints._move_beside() == 0


async def test_who_moves_all_of_the_log_has_his_turn_among_writers_who_never_pause(store):
    await _all_moved(store)
    moving = asyncio.create_task(store._checkpoints._move_all())
    number = 0
    while not moving.done():
        number += 1
        await saved(store, a_revision(f"rule-{number}"))

    await moving
    assert number < ROUNDS


async def _never_by_itself(store, monkeypatch):
    await _all_moved(store)
    monkeypatch.setattr(checkpoints, "PAUSE_SECONDS", 60.0)
    # the first look only sees what the log shows
    await store._checkpoints._move_beside()


async def _written_and_taken_back(store):
    async with store.unit(ACME) as unit:
        # more than SQLite keeps in memory
        await unit.artifacts.write([a_revision("rule-2", body=randbytes(8 << 20))])
        await unit.artifacts.heads(["rule-2"])
        raise RuntimeError("taken back")


def _counted(store, monkeypatch):
    """A list that grows by one each time that the log is moved beside its writers."""
    moves, moving = [], store._checkpoints._move_beside

    async def move():
        moves.append(1)
        return await moving()

    monkeypatch.setattr(store._checkpoints, "_move_beside", move)
    return moves


async def _never():
    pytest.fail("the writers had to wait")


async def _then(first, second):
    found = await first()
    second()
    return found
