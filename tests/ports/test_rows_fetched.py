"""What SQLite's driver fetches: all rows, however many, and others have the interpreter meanwhile."""

from __future__ import annotations

import itertools
import time

import pytest

from storage.drivers import sqlite_driver
from storage.prepared import Step

COUNTED = (
    "WITH RECURSIVE counted(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM counted WHERE n < {0}) "
    "SELECT n FROM counted WHERE n <= {0}"
)


@pytest.fixture
async def driver(tmp_path):
    driver = await sqlite_driver(tmp_path / "rows.db", 10)
    yield driver
    await driver.close()


@pytest.mark.parametrize("count", [0, 1, 99, 100, 101, 200, 1_000, 1_050])
async def test_all_rows_are_fetched(driver, count):
    found = await driver.together([Step(COUNTED.format(count), gives_rows=True)])

    assert [row[0] for row in found.rows] == [*range(1, count + 1)]


async def test_rows_of_what_is_written_are_counted_when_all_are_fetched(driver):
    await driver.together([Step("CREATE TABLE kept (n INTEGER)")])
    await driver.together([Step("INSERT INTO kept " + COUNTED.format(250))])

    found = await driver.together([Step("UPDATE kept SET n = n + 1 RETURNING n", gives_rows=True)])

    assert (len(found.rows), found.rowcount) == (250, 250)


@pytest.mark.parametrize(("seconds", "count"), [(0.0, 0), (0.001, 20)])
async def test_a_pause_stands_behind_what_took_a_while(driver, monkeypatch, seconds, count):
    pauses: list[float] = []
    ticks = itertools.count()
    monkeypatch.setattr(time, "sleep", pauses.append)
    monkeypatch.setattr(time, "monotonic", lambda: next(ticks) * seconds)

    await driver.together([Step(COUNTED.format(1_000), gives_rows=True)])

    assert len(pauses) == count
