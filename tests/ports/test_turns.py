"""Who writes to SQLite next: whoever has waited longest."""

from __future__ import annotations

import asyncio
import shutil
from contextlib import AsyncExitStack

import pytest

from domain.courtesy import PATIENCE_SECONDS, Courtesy
from domain.import_model import AuditEntry
from domain.model import ImportId
from domain.ports import UnavailableError
from storage import one_writer
from storage.bells import LocalBell
from storage.clock import SystemClock
from storage.engines import Engines
from storage.store import SqlStore
from tests.clocks import NOON
from tests.ports.rows import ACME, ANNA, GLOBEX, with_tenants


@pytest.fixture
async def store(tmp_path, migrated_sqlite):
    shutil.copy(migrated_sqlite, tmp_path / "hub.db")
    opened = SqlStore(Engines.open(f"sqlite+aiosqlite:///{tmp_path}/hub.db"), LocalBell(), SystemClock())
    await with_tenants(opened)
    yield opened
    await opened.aclose()


async def test_a_neighbour_waits_for_no_more_than_the_unit_that_is_being_written(store):
    written, has_begun = [], asyncio.Event()

    async def write(tenant_id):
        async with store.unit(tenant_id) as unit:
            await unit.imports.queued_count()
            has_begun.set()
            written.append(tenant_id)

    async def write_much():
        for _ in range(5):
            await write(ACME)

    much = asyncio.create_task(write_much())
    await has_begun.wait()
    await write(GLOBEX)
    await much

    assert written.index(GLOBEX) <= 2
    assert written.count(ACME) == 5


async def test_who_puts_together_what_he_will_write_keeps_nobody_waiting(store):
    this = ImportId("imp-1")

    async with asyncio.timeout(5), store.unit(ACME) as unit:
        await unit.imports.audit(AuditEntry(NOON, ANNA, "import.x", this, {}))
        async with store.unit(GLOBEX) as other:
            await other.imports.audit(AuditEntry(NOON, ANNA, "import.y", this, {}))

    async with store.view(ACME) as mine, store.view(GLOBEX) as others:
        told = [*await mine.imports.audit_of(this), *await others.imports.audit_of(this)]
    assert [entry.action for entry in told] == ["import.x", "import.y"]


async def test_who_waits_too_long_for_others_is_told_so_and_the_next_is_served(store, monkeypatch):
    monkeypatch.setattr(one_writer, "_LONGEST_WAIT_SECONDS", 0.01)

    async with store.unit(ACME) as unit:
        await unit.imports.queued_count()
        with pytest.raises(UnavailableError, match="others have been writing"):
            async with store.unit(GLOBEX) as waiting:
                await waiting.imports.queued_count()

    async with store.unit(GLOBEX) as unit:
        assert await unit.imports.queued_count() == 0


async def test_who_stops_waiting_for_his_turn_cannot_commit_what_is_left_of_his_unit(store):
    this = ImportId("imp-1")

    async def goes_on():
        async with AsyncExitStack() as others, store.unit(ACME) as unit:
            other = await others.enter_async_context(store.unit(GLOBEX))
            await other.imports.queued_count()
            await unit.imports.audit(AuditEntry(NOON, ANNA, "import.x", this, {}))
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.01):
                    await unit.imports.queued_count()
            await others.aclose()
            await unit.imports.audit(AuditEntry(NOON, ANNA, "import.y", this, {}))

    with pytest.raises(RuntimeError, match="cannot be committed"):
        await goes_on()

    async with store.view(ACME) as view:
        assert not await view.imports.audit_of(this)


@pytest.mark.parametrize("opened", ["unit", "view"])
async def test_long_work_stands_aside_for_whoever_asks_the_store(store, opened):
    waits: list[float] = []
    store.courtesy = Courtesy(lambda: float(sum(waits)), waits.append)

    async with getattr(store, opened)(ACME) as unit:
        await unit.imports.queued_count()
        store.courtesy.give_way()
    meanwhile = sum(waits)
    waits.append(PATIENCE_SECONDS)
    store.courtesy.give_way()

    assert meanwhile >= PATIENCE_SECONDS
    assert sum(waits) == meanwhile + PATIENCE_SECONDS
