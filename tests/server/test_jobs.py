"""The worker: what is submitted is run, whoever dies, and a bug ends one import and nothing else."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import update

from domain.access import ADMIN, PLATFORM, Caller
from domain.export_order import ExportOrder
from domain.import_model import ImportJob, ImportPackage, ImportState
from domain.line import ImportOrder
from domain.model import ImportId, Tenant, TenantId, TenantPlan, TenantStatus
from domain.options import ConflictStrategy, ImportOptions
from domain.scanning import RULES_VERSION
from server import loading, settings
from server.jobs import Rhythm, Worker
from server.runtime import Runtime, running
from storage.market_tables import listing_version
from tests.house.tree import ROOT
from tests.market import published

SOURCE, TARGET, ODD = TenantId("acme-dev"), TenantId("acme-prod"), TenantId("odd")
QUICK = Rhythm(lease=10.0, renewal=0.05, look=0.05, sweep=5.0, pause=0.05)
ANNA = Caller(
    "anna",
    "tests",
    frozenset({SOURCE, TARGET}),
    frozenset({ADMIN, PLATFORM}),
    expires_at=datetime.now(UTC) + timedelta(days=1),
)


@pytest.fixture
async def runtime(tmp_path: Path, database_url: str) -> AsyncIterator[Runtime]:
    async with running(settings.load(data=tmp_path, database_url=database_url)) as opened:
        for tenant_id in (SOURCE, TARGET):
            await opened.services.tenancy.add(tenant_id, TenantPlan.ENTERPRISE)
        await loading.load(opened.services.authoring, SOURCE, ROOT / "examples" / "acme-source")
        yield opened


def a_worker(runtime: Runtime) -> Worker:
    return Worker(runtime, rhythm=QUICK)


async def an_import(runtime: Runtime, root: str = "proc-1001", target: TenantId = TARGET) -> ImportJob:
    """An import that has been submitted and waits for a worker."""
    order = ExportOrder(SOURCE, f"Package of {root}", "workflow-package", "1.0.0", (root,))
    package = (await runtime.services.exporter.export(ANNA, order)).package
    bundle = ImportPackage(0, package.blob_key, package.bundle_sha256, package.size_bytes, package.package_id)
    options = ImportOptions(default_strategy=ConflictStrategy.REPLACE)
    return await runtime.services.line.submit(ANNA, ImportOrder(target, bundle, options))


async def job_now(runtime: Runtime, import_id: ImportId) -> ImportJob:
    return await runtime.services.records.get_import(ANNA, import_id, None)


async def ended(runtime: Runtime, job: ImportJob) -> ImportJob:
    async with asyncio.timeout(20):
        return await runtime.services.records.settled(job)


async def claimed_by_somebody_else(runtime: Runtime, *, lease: float) -> ImportJob:
    async with runtime.ports.store.platform_unit() as unit:
        job = await unit.jobs.claim("somebody else", lease_seconds=lease)
    assert job is not None
    return job


async def test_what_is_submitted_is_run(runtime):
    async with a_worker(runtime).working():
        job = await an_import(runtime)

        done = await ended(runtime, job)

    assert (done.state, done.attempt) == (ImportState.SUCCEEDED, 1)


async def test_what_waited_before_the_worker_came_is_run(runtime):
    job = await an_import(runtime)

    async with a_worker(runtime).working():
        done = await ended(runtime, job)

    assert done.state is ImportState.SUCCEEDED


async def test_a_job_whose_worker_died_is_begun_again_when_its_lease_has_ended(runtime):
    job = await an_import(runtime)
    await claimed_by_somebody_else(runtime, lease=0.3)

    async with a_worker(runtime).working():
        done = await ended(runtime, job)

    assert (done.state, done.attempt) == (ImportState.SUCCEEDED, 2)


async def test_a_worker_that_is_alone_does_not_wait_for_leases(runtime):
    job = await an_import(runtime)
    await claimed_by_somebody_else(runtime, lease=3600)

    async with a_worker(runtime).working(is_alone=True):
        done = await ended(runtime, job)

    assert (done.state, done.attempt) == (ImportState.SUCCEEDED, 2)


async def test_a_worker_that_lost_its_job_writes_nothing_more(runtime):
    job = await an_import(runtime, root="app-7001")
    async with runtime.ports.bell.listen(job.import_id) as rung, a_worker(runtime).working():
        await rung.wait(5)
        async with runtime.ports.store.platform_unit() as unit:
            await unit.jobs.requeue_lost(all_running=True)
            taken = await unit.jobs.claim("somebody else", lease_seconds=3600)
        before = (await job_now(runtime, job.import_id)).last_seq
        await asyncio.sleep(0.5)
        after = await job_now(runtime, job.import_id)

    assert taken is not None
    assert (after.state, after.fence, after.last_seq) == (ImportState.RUNNING, taken.fence, before)


async def test_a_lease_is_renewed_as_long_as_the_work_takes(runtime):
    job = await an_import(runtime)
    slow = Rhythm(lease=0.4, renewal=0.1, look=0.05, sweep=5, pause=0.05)
    worker = Worker(runtime, rhythm=slow)
    claimed = await claimed_by_somebody_else(runtime, lease=0.4)

    keeper = asyncio.create_task(worker._keep_lease(claimed, asyncio.get_running_loop().create_future()))
    await asyncio.sleep(1.0)
    lost = await runtime.services.upkeep.requeue_lost()
    keeper.cancel()
    await asyncio.wait([keeper])

    assert lost == 0
    assert (await job_now(runtime, job.import_id)).state is ImportState.RUNNING


async def test_a_worker_that_stops_gives_its_jobs_back_at_once(runtime):
    job = await an_import(runtime, root="app-7001")
    async with runtime.ports.bell.listen(job.import_id) as rung, a_worker(runtime).working():
        await rung.wait(5)
    left = await job_now(runtime, job.import_id)

    async with a_worker(runtime).working():
        done = await ended(runtime, job)

    assert left.state is ImportState.QUEUED
    assert (done.state, done.attempt) == (ImportState.SUCCEEDED, 2)


async def test_a_bug_of_ours_ends_its_import_and_no_other(runtime, caplog):
    # no version of ours was ever written so; whoever reads it meets a bug
    odd = Tenant(ODD, TenantPlan.ENTERPRISE, TenantStatus.ACTIVE, "no version at all", datetime.now(UTC))
    async with runtime.ports.store.platform_unit() as unit:
        await unit.tenants.add(odd)
    broken, sound = await an_import(runtime, target=ODD), await an_import(runtime, root="proc-1003")

    async with a_worker(runtime).working():
        failed, done = await ended(runtime, broken), await ended(runtime, sound)

    assert (failed.state, done.state) == (ImportState.FAILED, ImportState.SUCCEEDED)
    assert failed.failure is not None
    assert failed.failure.code == "InternalError"
    assert failed.failure.details["correlationId"] in caplog.text


async def test_what_other_rules_let_pass_is_scanned_again_as_soon_as_a_worker_comes(runtime):
    made = await published(runtime)
    async with runtime.ports.store.platform_unit() as unit:
        await unit.publishing._session.run(update(listing_version).values(rules_version="older"))

    async def rules() -> str:
        async with runtime.ports.store.platform_view() as view:
            return str((await view.publishing.version(made.listing_id, "1.0.0")).rules_version)

    before = await rules()
    async with a_worker(runtime).working(), asyncio.timeout(20):
        while await rules() != RULES_VERSION:
            await asyncio.sleep(0.02)

    assert before == "older"


async def test_two_workers_share_the_work_and_never_an_import(runtime):
    jobs = [await an_import(runtime, root=f"proc-100{number}") for number in range(1, 5)]

    async with a_worker(runtime).working(), a_worker(runtime).working():
        done = [await ended(runtime, job) for job in jobs]

    assert {(job.state, job.attempt) for job in done} == {(ImportState.SUCCEEDED, 1)}
