"""Whoever remembers what PostgreSQL said knows in time that something was committed, by whichever process."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections import Counter

import asyncpg
import pytest
import pytest_asyncio

from storage.snapshots import Snapshots

pytestmark = [pytest.mark.postgres, pytest.mark.asyncio]

#: another process: a row for each line that it reads, told when it is committed
_WRITER = """
import asyncio, sys, asyncpg
async def main():
    connection = await asyncpg.connect(sys.argv[1])
    for line in sys.stdin:
        await connection.execute("INSERT INTO written VALUES ($1)", int(line))
        print(line.strip(), flush=True)
asyncio.run(main())
"""


@pytest_asyncio.fixture
async def dsn(postgres_url):
    return postgres_url.replace("postgresql+asyncpg", "postgresql")


@pytest_asyncio.fixture
async def other(dsn):
    connection = await asyncpg.connect(dsn)
    await connection.execute("CREATE TABLE written (number integer)")
    yield connection
    await connection.close()


@pytest_asyncio.fixture
async def snapshots(dsn):
    made = Snapshots(dsn)
    yield made
    await made.aclose()


async def test_it_stays_while_others_only_look(snapshots, other):
    before = await snapshots.now()
    await other.fetch("SELECT * FROM written")
    # what changes nothing has no number, as when a worker looks for work and finds none
    async with other.transaction():
        await other.execute("UPDATE written SET number = 1 WHERE number = 0")

    assert before is not None
    assert await snapshots.now() == before


async def test_what_another_process_has_committed_is_known_at_once(snapshots, dsn, other):
    process = subprocess.Popen(
        (sys.executable, "-c", _WRITER, dsn), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdin is not None
    assert process.stdout is not None
    with process:
        seen = [await snapshots.now()]
        for number in range(200):
            process.stdin.write(f"{number}\n")
            process.stdin.flush()
            await asyncio.to_thread(process.stdout.readline)
            seen.append(await snapshots.now())
        process.stdin.close()

    assert None not in seen
    assert max(Counter(seen).values()) == 1


async def test_between_two_equal_ones_everybody_saw_the_same(snapshots, dsn, other):
    """Looks and commits race; a count of rows between two equal snapshots is that of these snapshots."""
    counts: dict[object, set[int]] = {}

    async def write():
        connection = await asyncpg.connect(dsn)
        for number in range(150):
            async with connection.transaction():
                await connection.execute("INSERT INTO written VALUES ($1)", number)
                async with connection.transaction():
                    await connection.execute("INSERT INTO written VALUES ($1)", number)
        await connection.close()

    async def look(writers):
        while not all(writer.done() for writer in writers):
            before = await snapshots.now()
            count = await other.fetchval("SELECT count(*) FROM written")
            if before == await snapshots.now():
                counts.setdefault(before, set()).add(count)

    writers = [asyncio.create_task(write()) for _ in range(2)]
    await asyncio.gather(look(writers), *writers)

    assert {len(of_one) for of_one in counts.values()} == {1}
    assert len(counts) > 1


async def test_an_open_transaction_is_known_when_it_commits_and_not_before(snapshots, dsn, other):
    later = await asyncpg.connect(dsn)
    opened = later.transaction()
    await opened.start()
    await later.execute("INSERT INTO written VALUES (1)")
    await other.execute("INSERT INTO written VALUES (2)")
    seen = [await snapshots.now(), await snapshots.now()]
    await later.execute("INSERT INTO written VALUES (3)")
    seen.append(await snapshots.now())
    await opened.commit()
    seen.append(await snapshots.now())
    await later.close()

    assert seen[0] == seen[1] == seen[2] != seen[3]


async def test_who_asks_while_a_trip_is_under_way_shares_the_next_one(snapshots, other, monkeypatch):
    trips = []
    whole = Snapshots._asked

    async def asked(self):
        trips.append(1)
        return await whole(self)

    monkeypatch.setattr(Snapshots, "_asked", asked)
    first = [asyncio.create_task(snapshots.now()) for _ in range(20)]
    while not trips:
        await asyncio.sleep(0)
    # the trip may have seen the database before this
    later = [asyncio.create_task(snapshots.now()) for _ in range(20)]
    later[0].cancel()
    found = await asyncio.gather(*first, *later[1:])

    assert (len(trips), len(set(found))) == (2, 1)


async def test_with_another_connection_nothing_is_as_it_was(snapshots, other):
    before = await snapshots.now()
    await other.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE application_name = 'installhub snapshots' AND datname = current_database()"
    )
    while await snapshots.now() == before:
        pass
    after = None
    while after is None:
        after = await snapshots.now()
        await asyncio.sleep(0.05)

    assert after[1] == before[1]
    assert after != before


async def test_without_a_database_nobody_waits_for_one_again_and_again():
    nowhere = Snapshots("postgresql://nobody@127.0.0.1:1/nowhere")
    clock = asyncio.get_running_loop().time

    began = clock()
    found = [await nowhere.now() for _ in range(100)]
    await nowhere.aclose()

    assert set(found) == {None}
    assert clock() - began < 2
