"""Why imports wait in line, and how long those before them took, on both databases."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from domain.batch_rows import QueueReason, TimedRun
from domain.import_model import EventKind, ImportKind, ImportMode, ImportState, Stage
from domain.model import ImportId
from domain.options import UndoWish
from domain.rows import Step
from tests.clocks import NOON
from tests.ports.rows import ACME, GLOBEX, an_import, claimed, next_claim, progress, running, submitted, with_tenants

#: seconds of a lease that has ended already; one of none has not, as long as the millisecond lasts
GONE = -1.0


@pytest.fixture
async def tenants(store):
    await with_tenants(store)
    return store


async def reasons(store, *jobs):
    async with store.platform_view() as view:
        spots = await view.batches.queue_places([job.import_id for job in jobs])
    return [spots[job.import_id].reason for job in jobs]


async def test_a_tenants_line_waits_for_what_runs_there_and_a_dry_run_for_nobody(tenants):
    await running(tenants)
    waiting, dry_run, elsewhere = an_import(), an_import(mode=ImportMode.PLAN), an_import(tenant_id=GLOBEX)
    await submitted(tenants, waiting, dry_run, elsewhere)

    assert await reasons(tenants, waiting, dry_run, elsewhere) == [
        QueueReason.TENANT_BUSY,
        QueueReason.NO_FREE_WORKER,
        QueueReason.NO_FREE_WORKER,
    ]


async def test_who_stands_behind_others_waits_for_the_tenant(tenants):
    first, second = an_import(), an_import()
    await submitted(tenants, first, second)

    assert await reasons(tenants, first, second) == [QueueReason.NO_FREE_WORKER, QueueReason.TENANT_BUSY]


async def test_a_frozen_tenant_lets_undos_and_dry_runs_pass(tenants):
    async with tenants.platform_unit() as unit:
        await unit.tenants.freeze(ACME, "The year is being closed.")
    waiting, dry_run = an_import(), an_import(mode=ImportMode.PLAN)
    undo = an_import(kind=ImportKind.ROLLBACK, packages=(), undo=UndoWish(ImportId("imp-1")))
    await submitted(tenants, waiting, dry_run, undo)

    assert await reasons(tenants, waiting, dry_run, undo) == [
        QueueReason.TENANT_FROZEN,
        QueueReason.NO_FREE_WORKER,
        QueueReason.NO_FREE_WORKER,
    ]


async def test_an_import_whose_worker_died_twice_rests_a_little(tenants):
    await submitted(tenants, an_import())
    claims = []
    for _ in range(2):
        claims.append(await claimed(tenants, lease=GONE))
        async with tenants.platform_unit() as unit:
            lost = await unit.jobs.requeue_lost()
        assert lost == [claims[0].import_id]

    assert [job.attempt for job in claims] == [1, 2]
    assert await reasons(tenants, claims[0]) == [QueueReason.RETRY_DELAY]
    assert await next_claim(tenants) is None


async def ran(store, job, seconds):
    """The job after a run that took so long."""
    await submitted(store, job)
    run = await claimed(store)
    started = progress(0, kind=EventKind.STAGE_STARTED)
    async with store.unit(job.tenant_id) as unit:
        await unit.imports.advance(Step(run.import_id, run.fence, (started,), {"stage": Stage.VALIDATION}))
    end = progress(10, kind=EventKind.ENDED, state=ImportState.SUCCEEDED)
    changes = {"state": ImportState.SUCCEEDED, "ended_at": NOON + timedelta(seconds=seconds)}
    async with store.unit(job.tenant_id) as unit:
        await unit.imports.advance(Step(run.import_id, run.fence, (end,), changes))


async def test_runs_are_told_by_tenant_and_of_all(tenants):
    undo = an_import(tenant_id=GLOBEX, kind=ImportKind.ROLLBACK, packages=(), undo=UndoWish(ImportId("imp-1")))
    large = an_import()
    large = replace(large, packages=tuple(replace(large.packages[0], ordinal=n) for n in range(3)))
    await ran(tenants, an_import(), 1)
    await ran(tenants, large, 20)
    await ran(tenants, undo, 3)
    await submitted(tenants, an_import())

    async with tenants.platform_view() as view:
        runs = await view.batches.runs([ACME, GLOBEX, "nobody"])
        latest = await view.batches.latest_runs()

    mine = [TimedRun(ImportKind.IMPORT, ImportMode.APPLY, s, size) for s, size in ((1.0, 1234), (20.0, 3 * 1234))]
    theirs = [TimedRun(ImportKind.ROLLBACK, ImportMode.APPLY, 3.0, 0)]
    assert {tenant: sorted(some) for tenant, some in runs.items()} == {ACME: sorted(mine), GLOBEX: theirs}
    assert sorted(latest, key=lambda run: run.seconds) == sorted([*mine, *theirs], key=lambda run: run.seconds)


async def test_the_runs_of_a_tenant_do_not_show_other_tenants(tenants):
    await ran(tenants, an_import(), 1)

    async with tenants.platform_view() as view:
        assert await view.batches.runs([GLOBEX]) == {}
