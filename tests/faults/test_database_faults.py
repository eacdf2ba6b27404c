"""PostgreSQL behind a line that fails: F03, F04 and F05 (design: security, section 4.2)."""

from __future__ import annotations

import asyncio
import json
import shutil
import sqlite3
import time
from typing import Any

import asyncpg
import httpx
import pytest
from sqlalchemy.engine import make_url

from bench import corpus
from domain.model import TenantId
from domain.ports import UnavailableError
from storage.engines import Engines
from storage.prepared import Step
from storage.store import SqlStore
from tests.faults.database import a_database
from tests.ports.rows import a_revision, saved
from tests.world import a_world

pytestmark = pytest.mark.postgres
ACME = TenantId("acme")
UPLOADS = "/api/installhub/uploads"
IMPORT = "/api/installhub/packages/import"
OPTIONS = json.dumps({"targetTenantId": "target"})


async def _timed(asking) -> tuple[float, httpx.Response]:
    began = time.perf_counter()
    answer = await asking
    return time.perf_counter() - began, answer


@pytest.fixture(scope="module")
def package() -> bytes:
    return corpus.bundle("elsewhere", "Suite", corpus.artifacts(6, size=500))


async def _answered_again(world, seconds: float = 10.0) -> None:
    async with asyncio.timeout(seconds):
        while (await world.http.get("/readyz")).status_code != 200:
            await asyncio.sleep(0.1)


@pytest.mark.parametrize("fault", ["break_down", "fall_silent"])
async def test_without_its_database_a_server_says_503_soon_and_comes_back_by_itself(tmp_path, postgres_url, fault):
    async with a_database(postgres_url) as (proxy, url), a_world(tmp_path, database_url=url) as world:
        await world.tenant("target")
        asked = [lambda: world.http.get("/api/installhub/imports", headers=world.headers("target"))] * 30
        began = time.perf_counter()
        await asyncio.gather(*(ask() for ask in asked))
        usual = time.perf_counter() - began
        getattr(proxy, fault)()

        lives = await _timed(world.http.get("/healthz"))
        refused = await asyncio.gather(*(_timed(ask()) for ask in asked))
        {"break_down": proxy.repair, "fall_silent": proxy.speak}[fault]()
        began = time.perf_counter()
        await _answered_again(world)
        again = await asked[0]()

    assert lives[1].status_code == 200
    assert {(answer.status_code, answer.json()["error"]) for _, answer in refused} == {(503, "ServiceUnavailable")}
    assert {answer.headers["retry-after"] for _, answer in refused} == {"5"}
    # all at once, and on a machine that may be busy
    assert max(seconds for seconds, _ in refused) < 2 + 2 * usual
    assert time.perf_counter() - began < 10
    assert again.status_code == 200


async def test_a_database_that_is_busy_for_long_is_waited_for(postgres_url):
    engines = Engines.open(postgres_url, pool=1)
    taken, driver = await engines.connection(engines.writer)
    long = asyncio.ensure_future(driver.together([Step("SELECT pg_sleep(2.5)", gives_rows=True)]))
    long.add_done_callback(lambda _done: taken.close())

    waited, _ = await engines.connection(engines.writer)

    waited.close()
    assert long.done()
    await engines.close()


async def test_a_connection_that_breaks_in_the_middle_of_a_unit_leaves_nothing_of_it(postgres_url, bell, clock):
    async with a_database(postgres_url) as (proxy, url):
        store = SqlStore(Engines.open(url), bell, clock)

        with pytest.raises(UnavailableError):  # noqa: PT012 - the unit is the statement
            async with store.unit(ACME) as unit:
                await unit.artifacts.write([a_revision("rule-1")])
                await unit.artifacts.heads(["rule-1"])
                proxy.reset()
        async with store.view(ACME) as view:
            left = await view.artifacts.heads(["rule-1"])
        (head,) = await saved(store, a_revision("rule-1"))
        await store.aclose()

    assert left == {}
    assert head.revision == 1


async def test_a_commit_whose_answer_was_lost_is_found_by_its_key_and_not_done_again(tmp_path, postgres_url, package):
    async with a_database(postgres_url) as (proxy, url), a_world(tmp_path, database_url=url, role="web") as world:
        await world.tenant("target")

        headers = world.headers("target") | {"Content-Type": "application/zip", "Idempotency-Key": "once"}
        proxy.drops_answer_to = b"COMMIT"

        lost, found = [await world.http.post(UPLOADS, content=package, headers=headers) for _ in range(2)]
        count = await _count(postgres_url, "SELECT count(*) FROM upload")

    assert (lost.status_code, proxy.dropped) == (503, 1)
    assert (found.status_code, count) == (201, 1)


async def test_an_import_whose_commits_lose_their_answers_is_applied_once(tmp_path, postgres_url, package):
    parts = {"package": ("a.zip", package, "application/zip"), "options": ("", OPTIONS, "application/json")}
    async with a_database(postgres_url) as (proxy, url):
        async with a_world(tmp_path, database_url=url, role="web") as world:
            await world.tenant("target")
            headers = world.headers("target") | {"Idempotency-Key": "once"}
            sent = await world.http.post(IMPORT, files=parts, headers=headers | {"Prefer": "respond-async"})
        async with a_world(tmp_path, database_url=url, lease_seconds=3) as world:
            await _lose(proxy, answers=6)
            while (told := await world.http.post(IMPORT, files=parts, headers=headers)).status_code == 503:
                await asyncio.sleep(0.2)
        counts = [
            await _count(postgres_url, f"SELECT count(*) FROM {table}")
            for table in (
                "import_job",
                "artifact",
                "revision",
                "audit WHERE action = 'import.activated'",
            )
        ]

    assert (sent.status_code, told.status_code, told.json()["status"]) == (202, 200, "Success")
    assert counts == [1, 6, 6, 1]


async def _lose(proxy, *, answers: int) -> None:
    """Whatever commits next, so many times: the worker's claims, its steps, its end."""
    while proxy.dropped < answers:
        if proxy.drops_answer_to is None:
            proxy.drops_answer_to = b"COMMIT"
        await asyncio.sleep(0.05)
    proxy.drops_answer_to = None


async def test_who_waits_too_long_for_anothers_lock_is_told_to_come_back(postgres_url, bell, clock, monkeypatch):
    monkeypatch.setattr("storage.engines._LOCK_SECONDS", 1)
    store = SqlStore(Engines.open(postgres_url), bell, clock)
    await saved(store, a_revision("rule-1"))
    other = await asyncpg.connect(_dsn(postgres_url))

    async with other.transaction():
        await other.execute("SELECT 1 FROM artifact FOR UPDATE")
        with pytest.raises(UnavailableError, match="lock timeout"):
            await saved(store, a_revision("rule-1", number=2))
    await other.close()
    (head,) = await saved(store, a_revision("rule-1", number=2))
    await store.aclose()

    assert head.revision == 2


async def test_of_two_who_wait_for_each_other_one_is_told_to_come_back(postgres_url, bell, clock):
    store = SqlStore(Engines.open(postgres_url), bell, clock)
    await saved(store, a_revision("rule-1"), a_revision("rule-2"))
    meeting = asyncio.Barrier(2)

    async def lock(*names: str) -> bool:
        try:
            async with store.unit(ACME) as unit:
                bare: Any = unit
                for name in names:
                    await bare._session._send(Step(f"SELECT 1 FROM artifact WHERE artifact_id = '{name}' FOR UPDATE"))
                    await meeting.wait()
        except UnavailableError:
            # who goes on meets nobody any more
            await meeting.abort()
            return False
        except asyncio.BrokenBarrierError:
            return True
        return True

    locked = await asyncio.gather(lock("rule-1", "rule-2"), lock("rule-2", "rule-1"))
    (head,) = await saved(store, a_revision("rule-1", number=2))
    await store.aclose()

    assert (sorted(locked), head.revision) == ([False, True], 2)


async def test_a_locked_sqlite_file_is_unavailable_and_then_written_once(
    tmp_path, migrated_sqlite, bell, clock, monkeypatch
):
    monkeypatch.setattr("storage.engines._WRITER_PRAGMAS", ("PRAGMA busy_timeout=300", "PRAGMA foreign_keys=ON"))
    shutil.copy(migrated_sqlite, tmp_path / "hub.db")
    store = SqlStore(Engines.open(f"sqlite+aiosqlite:///{tmp_path / 'hub.db'}"), bell, clock)
    other = sqlite3.connect(tmp_path / "hub.db", isolation_level=None)

    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(UnavailableError, match="locked"):
        await saved(store, a_revision("rule-1"))
    other.execute("ROLLBACK")
    other.close()
    (head,) = await saved(store, a_revision("rule-1"))
    await store.aclose()

    assert head.revision == 1


async def _count(postgres_url: str, query: str) -> int:
    connection = await asyncpg.connect(_dsn(postgres_url))
    try:
        return int(await connection.fetchval(query))
    finally:
        await connection.close()


def _dsn(postgres_url: str) -> str:
    return make_url(postgres_url).set(drivername="postgresql").render_as_string(hide_password=False)
