"""Short questions to SQLite are answered at once; long ones leave the loop to others."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import asynccontextmanager, closing
from itertools import count

import pytest

from storage.prepared import Step
from storage.quick_reads import Quickness, quick_reader

_COUNTED = "WITH RECURSIVE n(i) AS (VALUES(1) UNION ALL SELECT i + 1 FROM n WHERE i < ?) SELECT count(*) FROM n"


@pytest.fixture
def path(tmp_path):
    with closing(sqlite3.connect(tmp_path / "hub.db")) as writer:
        writer.execute("PRAGMA journal_mode=WAL")
        writer.execute("CREATE TABLE kept (number INTEGER PRIMARY KEY, body BLOB)")
        writer.executemany("INSERT INTO kept VALUES (?, ?)", [(1, b"short"), (2, b"x" * 300_000)])
        writer.commit()
    return tmp_path / "hub.db"


@asynccontextmanager
async def a_reader(path, quickness=None):
    reader = await quick_reader(path, 16, quickness or Quickness(lambda: 0.0))
    try:
        yield reader
    finally:
        await reader.close()


async def asked(reader, sql, *parameters):
    """What was found, and whether others had their turn meanwhile."""
    turns: list[int] = []
    asyncio.get_running_loop().call_soon(turns.append, 1)
    found = await reader.together([Step(sql, parameters)])
    return [tuple(row) for row in found.rows], bool(turns)


async def test_a_short_question_is_answered_at_once_however_often_it_is_asked(path):
    async with a_reader(path) as reader:
        answers = [await asked(reader, "SELECT body FROM kept WHERE number = ?", 1) for _ in range(2000)]

    assert {repr(found) for found, _ in answers} == {repr([(b"short",)])}
    # its instructions add up, and are looked at now and then
    assert sum(took_turns for _, took_turns in answers) == 0


@pytest.mark.parametrize(
    ("sql", "parameter", "expected"),
    [(_COUNTED, 100_000, 100_000), ("SELECT body FROM kept WHERE number = ?", 2, b"x" * 300_000)],
    ids=["many steps", "many bytes"],
)
async def test_a_long_one_is_answered_in_the_thread_while_others_have_their_turn(path, sql, parameter, expected):
    async with a_reader(path) as reader:
        answers = [await asked(reader, sql, parameter) for _ in range(3)]

    assert answers == [([(expected,)], True)] * 3


async def test_what_takes_long_because_the_disk_is_slow_is_given_up_on_the_way(path):
    ticks = count()

    async with a_reader(path, Quickness(lambda: next(ticks) / 100)) as reader:
        answer = await asked(reader, _COUNTED, 100)

    assert answer == ([(100,)], True)


async def test_a_lock_is_waited_for_in_the_thread(path):
    async with a_reader(path) as reader:
        with closing(sqlite3.connect(path)) as other:
            other.execute("PRAGMA locking_mode=EXCLUSIVE")
            other.execute("BEGIN EXCLUSIVE")
            asking = asyncio.create_task(asked(reader, "SELECT count(*) FROM kept"))
            done, _ = await asyncio.wait([asking], timeout=0.05)
        found = await asking

    assert (done, found) == (set(), ([(2,)], True))


async def test_what_is_wrong_is_told_as_ever(path):
    async with a_reader(path) as reader:
        with pytest.raises(sqlite3.OperationalError, match="no such table: nowhere"):
            await asked(reader, "SELECT 1 FROM nowhere")


async def test_after_a_slow_answer_all_ask_in_the_thread_for_twenty_times_as_long(path):
    now = 0.0

    def monotonic():
        return now

    quickness = Quickness(monotonic)
    async with a_reader(path, quickness) as one, a_reader(path, quickness) as other:
        quickness.took(0.1)
        slow = [await asked(reader, "SELECT 1") for reader in (one, other)]
        now = 2.0
        quick = [await asked(reader, "SELECT 1") for reader in (one, other)]

    assert [took_turns for _, took_turns in slow + quick] == [True, True, False, False]
