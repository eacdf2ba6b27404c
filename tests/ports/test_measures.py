"""What waits in the whole installation, counted over SQLite and PostgreSQL."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import text
from sqlalchemy.dialects import sqlite

from domain.import_model import EventKind, ImportState, Stage
from domain.measures import Measures
from domain.model import BlobKey, Upload, UploadId
from domain.rows import Step
from storage.measures import OPEN_IMPORTS, QUEUED_SINCE
from storage.store import SqlStore
from tests.clocks import NOON
from tests.ports.rows import ACME, ANNA, GLOBEX, an_import, claimed, ended, progress, submitted, with_tenants


@pytest.fixture(autouse=True)
async def tenants(store):
    await with_tenants(store)


async def measured(store: SqlStore) -> Measures:
    async with store.platform_view() as unit:
        return await unit.measures.now()


async def test_nothing_waits_in_an_empty_installation(store):
    assert await measured(store) == Measures({}, None, 0, 0, 0)


async def test_open_imports_are_counted_by_state_and_stage_over_all_tenants(store):
    for tenant_id in (ACME, GLOBEX):
        await submitted(store, an_import(tenant_id=tenant_id), an_import(tenant_id=tenant_id))
    over, installing = await claimed(store), await claimed(store)
    await ended(store, over)
    async with store.unit(installing.tenant_id) as unit:
        await unit.imports.advance(
            Step(installing.import_id, installing.fence, (progress(1),), {"stage": Stage.INSTALLATION})
        )

    found = await measured(store)

    assert found.open_imports == {(ImportState.QUEUED, None): 2, (ImportState.RUNNING, Stage.INSTALLATION): 1}


async def test_an_import_that_comes_back_into_the_line_waits_since_then(store, clock):
    await submitted(store, an_import())
    job = await claimed(store)
    pause = progress(0, kind=EventKind.WAITING, state=ImportState.WAITING_FOR_DECISIONS)
    async with store.unit(ACME) as unit:
        changes = {
            "state": ImportState.WAITING_FOR_DECISIONS,
            "stage": Stage.PLANNING,
            "expires_at": NOON + timedelta(days=1),
        }
        await unit.imports.advance(Step(job.import_id, job.fence, (pause,), changes))
    while_it_waits = await measured(store)
    resumed_at = clock.advance(3600)
    async with store.unit(ACME) as unit:
        await unit.imports.resume(job.import_id, {})
    clock.advance(60)
    await submitted(store, an_import())

    found = await measured(store)

    assert while_it_waits.open_imports == {(ImportState.WAITING_FOR_DECISIONS, Stage.PLANNING): 1}
    assert while_it_waits.queued_since is None
    assert found.queued_since == resumed_at


async def test_uploads_and_messages_are_counted(store):
    async with store.unit(ACME) as unit:
        for number in (1, 2):
            blob = BlobKey(f"blob-{number}")
            await unit.uploads.add(
                Upload(UploadId(f"upl-{number}"), ACME, "i anna", blob, "0" * 64, 5 << 31, ANNA, NOON)
            )
        for _ in range(3):
            await unit.imports.post("import.ended", {})

    found = await measured(store)

    assert (found.uploads, found.upload_bytes, found.outbox) == (2, 2 * (5 << 31), 3)
    assert found.outbox_since == NOON


# a small table's plan says nothing on PostgreSQL
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_counting_what_waits_does_not_read_the_history(store):
    async with store._engines.reader.connect() as connection:
        plans = [
            await connection.execute(text(f"EXPLAIN QUERY PLAN {statement.compile(dialect=sqlite.dialect())}"))
            for statement in (OPEN_IMPORTS, QUEUED_SINCE)
        ]

    steps = [row[-1] for found in plans for row in found]
    assert [step for step in steps if "import_job" in step and "USING INDEX" not in step] == []
    assert [step for step in steps if step == "SCAN import_event"] == []
