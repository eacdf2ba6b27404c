"""The line, the lease and the fence of import jobs, over SQLite and PostgreSQL."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from domain.artifact_types import ArtifactType
from domain.errors import ErrorCode, Problem
from domain.import_model import EventKind, Failure, ImportMode, ImportPackage, ImportState, Progress, Stage
from domain.model import BlobKey, PackageId, PlanId
from domain.options import ConflictStrategy, Decision, ImportOptions, UnresolvedBindings
from domain.ports import CancelRequestedError, LeaseLostError
from domain.rows import Step
from storage.engines import Engines
from storage.store import SqlStore
from tests.clocks import NOON
from tests.ports.rows import (
    ACME,
    GLOBEX,
    a_revision,
    an_import,
    claimed,
    ended,
    next_claim,
    progress,
    running,
    submitted,
    with_tenants,
)


@pytest.fixture(autouse=True)
async def tenants(store):
    await with_tenants(store)


async def test_a_submitted_job_is_read_back_whole(store, bell):
    options = ImportOptions(
        default_strategy=ConflictStrategy.REPLACE,
        strategy_by_type={ArtifactType.RULE_SET: ConflictStrategy.MERGE},
        dry_run=True,
        imported_by="Ada",
        bindings={"agent-1/llmConfig/credentialId": "cred-9"},
        unresolved_bindings=UnresolvedBindings.IMPORT_SWITCHED_OFF,
    )
    second = ImportPackage(1, BlobKey("blob-2"), "1" * 64, 5 << 31, PackageId("pkg-7"))
    job = an_import(options=options, plan_id=PlanId("plan-1"))
    job = replace(job, packages=(*job.packages, second))

    await submitted(store, job)

    async with store.view(ACME) as view:
        assert await view.imports.job(job.import_id) == job
        events = await view.imports.events(job.import_id, after=0)
    assert [(event.seq, event.kind, event.state, event.at) for event in events] == [
        (1, EventKind.QUEUED, ImportState.QUEUED, NOON)
    ]
    assert bell.rung == [{job.import_id, "jobs", "imports"}]


async def test_a_claimed_job_has_a_new_fence_and_runs(store):
    job = an_import()
    await submitted(store, job)

    first = await claimed(store)

    assert first == replace(job, state=ImportState.RUNNING, fence=1, attempt=1)
    assert await next_claim(store) is None


async def test_a_tenant_has_one_place_and_plans_need_none(store):
    first, second, shown = an_import(), an_import(), an_import(mode=ImportMode.PLAN)
    await submitted(store, first, second, shown)

    order = [await next_claim(store) for _ in range(3)]
    async with store.view(ACME) as view:
        waiting = await view.imports.queued_count()
    async with store.platform_view() as view:
        places = await view.batches.queue_places([first.import_id, second.import_id])
    assert order[0] is not None
    await ended(store, order[0])
    after = await claimed(store)

    assert [job and job.import_id for job in order] == [first.import_id, shown.import_id, None]
    assert {key: (spot.position, spot.holder) for key, spot in places.items()} == {
        second.import_id: (1, first.import_id)
    }
    assert waiting == 1
    assert after.import_id == second.import_id


async def test_tenants_take_turns_however_long_a_line_is(store):
    busy = [an_import() for _ in range(4)]
    await submitted(store, *busy, an_import("imp-99998", GLOBEX), an_import("imp-99999", GLOBEX))

    order = []
    while (job := await next_claim(store)) is not None:
        order.append(job.tenant_id)
        await ended(store, job)
        # SQLite's clock tells milliseconds: of turns in the same one nobody knows which came first
        await asyncio.sleep(0.002)

    assert order == [ACME, GLOBEX, ACME, GLOBEX, ACME, ACME]


async def test_the_place_in_line_counts_only_those_before(store):
    jobs = [an_import() for _ in range(3)]
    await submitted(store, *jobs, an_import(tenant_id=GLOBEX))

    async with store.platform_view() as view:
        places = await view.batches.queue_places([job.import_id for job in jobs])

    assert [places[job.import_id].position for job in jobs] == [1, 2, 3]


async def test_workers_that_claim_at_once_never_share_a_job_or_a_tenants_place(store, database_url, bell, clock):
    await submitted(store, *(an_import() for _ in range(4)), *(an_import(tenant_id=GLOBEX) for _ in range(4)))
    other = SqlStore(Engines.open(database_url), bell, clock)

    found = await asyncio.gather(*(next_claim(one, f"worker-{n}") for n in range(6) for one in (store, other)))

    await other.aclose()
    assert sorted(job.tenant_id for job in found if job) == [ACME, GLOBEX]


async def test_an_advance_numbers_its_events_and_changes_the_job(store, bell):
    job = await running(store)
    bell.rung.clear()
    changes = {"stage": Stage.INSTALLATION, "package_name": "Starter", "package_version": "1.0.0", "plan_id": "plan-1"}
    found = progress(2, problem=Problem(ErrorCode.UNKNOWN_FIELD, "odd", "manifest.x", details={"field": "x"}))

    async with store.unit(ACME) as unit:
        await unit.imports.advance(Step(job.import_id, job.fence, (progress(1), found), changes))

    async with store.view(ACME) as view:
        events = await view.imports.events(job.import_id, after=1)
        now = await view.imports.job(job.import_id)
    assert [(event.seq, event.first_seq, event.progress, event.problem) for event in events] == [
        (2, 2, Progress(Stage.INSTALLATION, 1, 10, 10.0), None),
        (3, 3, Progress(Stage.INSTALLATION, 2, 10, 20.0), found.problem),
    ]
    assert (now.stage, now.package_name, now.plan_id, now.last_seq) == (Stage.INSTALLATION, "Starter", "plan-1", 3)
    assert bell.rung == [{job.import_id}]


async def test_the_end_frees_the_place_and_keeps_outcome_and_failure(store, bell):
    job = await running(store)
    problem = Problem(ErrorCode.PLAN_STALE, "moved", artifact_id="rule-1", details={"revision": 3})
    failure = Failure(Stage.ACTIVATION, "PlanStale", "moved", 409, (problem,), {"artifact": "rule-1"})
    changes = {"state": ImportState.FAILED, "ended_at": NOON, "failure": failure, "outcome": {"artifactsInstalled": 0}}
    bell.rung.clear()

    async with store.unit(ACME) as unit:
        await unit.imports.advance(Step(job.import_id, job.fence, (), changes))

    async with store.view(ACME) as view:
        now = await view.imports.job(job.import_id)
    async with store.platform_view() as view:
        holders = await view.batches.running([ACME])
    assert (now.state, now.failure, now.outcome, now.ended_at) == (
        *(ImportState.FAILED, failure, {"artifactsInstalled": 0}, NOON),
    )
    assert holders == {}
    assert bell.rung == [{job.import_id, "jobs"}]


async def test_a_worker_that_lost_its_lease_writes_nothing(store):
    first = await running(store)
    async with store.platform_unit() as unit:
        await unit.jobs.renew(first.import_id, first.fence, lease_seconds=-1)
        assert await unit.jobs.requeue_lost() == [first.import_id]
    second = await claimed(store, "worker-b")

    with pytest.raises(LeaseLostError):  # noqa: PT012 - the unit is the statement
        async with store.unit(ACME) as unit:
            await unit.artifacts.write([a_revision("rule-1")])
            await unit.imports.advance(Step(first.import_id, first.fence, (progress(1),)))
    with pytest.raises(LeaseLostError):
        async with store.platform_unit() as unit:
            await unit.jobs.renew(first.import_id, first.fence, lease_seconds=30)

    async with store.unit(ACME) as unit:
        await unit.imports.advance(Step(second.import_id, second.fence, (progress(2),)))
    async with store.view(ACME) as view:
        events = await view.imports.events(first.import_id, after=1)
        assert await view.artifacts.heads(["rule-1"]) == {}
    assert (second.fence, second.attempt) == (2, 2)
    assert [(event.seq, event.progress.done) for event in events] == [(2, 2)]


async def test_an_ended_job_cannot_be_advanced_even_by_its_owner(store):
    job = await running(store)
    await ended(store, job)

    with pytest.raises(LeaseLostError):
        await ended(store, job)


async def test_only_a_lease_that_ran_out_is_taken_away_unless_all_are_asked_for(store):
    job = await running(store)

    async with store.platform_unit() as unit:
        in_time = await unit.jobs.requeue_lost()
        at_start = await unit.jobs.requeue_lost(all_running=True)

    assert (in_time, at_start) == ([], [job.import_id])


async def test_every_advance_renews_the_lease(store):
    await submitted(store, an_import())
    job = await claimed(store, lease=0.5)
    await asyncio.sleep(0.3)

    async with store.unit(ACME) as unit:
        await unit.imports.advance(Step(job.import_id, job.fence))
    await asyncio.sleep(0.3)

    async with store.platform_unit() as unit:
        assert await unit.jobs.requeue_lost() == []
        await asyncio.sleep(0.3)
        assert await unit.jobs.requeue_lost() == [job.import_id]


async def test_a_running_job_is_asked_to_stop_and_hears_of_it(store):
    job = await running(store)

    async with store.unit(ACME) as unit:
        shown = await unit.imports.request_cancel(job.import_id)
    async with store.unit(ACME) as unit:
        again = await unit.imports.request_cancel(job.import_id)

    with pytest.raises(CancelRequestedError):  # noqa: PT012 - the unit is the statement
        async with store.unit(ACME) as unit:
            await unit.imports.advance(Step(job.import_id, job.fence, (progress(1),)))
            await unit.artifacts.write([a_revision("rule-1")])
    async with store.platform_unit() as unit:
        renewed = await unit.jobs.renew(job.import_id, job.fence, lease_seconds=30)
    async with store.unit(ACME) as unit:
        now = await unit.imports.job(job.import_id)
        await unit.imports.advance(Step(job.import_id, job.fence, (progress(2),), is_last=True))
    async with store.view(ACME) as view:
        events = await view.imports.events(job.import_id, after=1)
        assert await view.artifacts.heads(["rule-1"]) == {}
    assert (shown, again, now.shown_state) == (ImportState.CANCELLING, None, ImportState.CANCELLING)
    assert renewed
    assert [(event.seq, event.progress.done) for event in events] == [(2, 2)]


async def test_all_advances_of_a_transaction_are_numbered_in_their_order(store, clock):
    one, other = await running(store), await running(store, GLOBEX)

    async with store.platform_unit() as unit:
        for job, done in ((one, (1, 2)), (other, (3,)), (one, (4,))):
            step = Step(job.import_id, job.fence, tuple(progress(number) for number in done))
            await unit.of(job.tenant_id).imports.advance(step)
        clock.advance(7)

    async with store.platform_view() as view:
        told = {
            job.tenant_id: await view.of(job.tenant_id).imports.events(job.import_id, after=1) for job in (one, other)
        }
    assert [(event.seq, event.progress.done) for event in told[ACME]] == [(2, 1), (3, 2), (4, 4)]
    assert [(event.seq, event.progress.done) for event in told[GLOBEX]] == [(2, 3)]
    assert {event.at for events in told.values() for event in events} == {clock.now()}


@pytest.mark.parametrize("acts", ["request_cancel", "expire", "resume"])
async def test_who_comes_while_a_job_pauses_goes_on_from_what_it_has_told(store, acts):
    job = await running(store)
    told = progress(6, kind=EventKind.WAITING, state=ImportState.WAITING_FOR_DECISIONS)
    pause = {"state": told.state, "expires_at": NOON + timedelta(days=1)}

    async def comes():
        async with store.unit(ACME) as unit:
            return await getattr(unit.imports, acts)(job.import_id, *([{}] if acts == "resume" else []))

    async with store.unit(ACME) as unit:
        await unit.imports.advance(Step(job.import_id, job.fence, (told,), pause))
        await unit.imports.job(job.import_id)
        coming = asyncio.create_task(comes())
        await asyncio.wait({coming}, timeout=0.2)

    assert await coming
    async with store.view(ACME) as view:
        _, last, after = await view.imports.events(job.import_id, after=0)
    assert (last.progress, after.progress) == (told.progress, told.progress)


async def test_a_queued_job_is_cancelled_at_once_with_its_last_event(store):
    job = an_import()
    await submitted(store, job)

    async with store.unit(ACME) as unit:
        state = await unit.imports.request_cancel(job.import_id)
        again = await unit.imports.request_cancel(job.import_id)

    async with store.view(ACME) as view:
        now = await view.imports.job(job.import_id)
        events = await view.imports.events(job.import_id, after=1)
    assert (state, again) == (ImportState.CANCELLED, None)
    assert (now.state, now.ended_at) == (ImportState.CANCELLED, NOON)
    assert [(event.seq, event.kind, event.state) for event in events] == [(2, EventKind.ENDED, ImportState.CANCELLED)]
    assert await next_claim(store) is None


async def test_an_unknown_job_cannot_be_cancelled(store):
    with pytest.raises(LookupError):
        async with store.unit(ACME) as unit:
            await unit.imports.request_cancel("imp-unknown")


DEADLINE = NOON + timedelta(hours=24)


async def _paused(store):
    job = await running(store)
    changes = {"state": ImportState.WAITING_FOR_DECISIONS, "expires_at": DEADLINE, "outcome": {"conflicts": 2}}
    waiting = progress(4, kind=EventKind.WAITING, state=ImportState.WAITING_FOR_DECISIONS)
    async with store.unit(ACME) as unit:
        await unit.imports.advance(Step(job.import_id, job.fence, (waiting,), changes))
    return job


async def test_a_waiting_job_frees_the_place_and_goes_on_with_all_decisions(store):
    job = await _paused(store)
    other = await running(store)
    await ended(store, other)
    async with store.unit(ACME) as unit:
        assert await unit.imports.resume(job.import_id, {"conf-001": Decision(ConflictStrategy.SKIP)})
        assert not await unit.imports.resume(job.import_id, {"conf-001": Decision(ConflictStrategy.MERGE)})

    again = await claimed(store)

    async with store.view(ACME) as view:
        events = await view.imports.events(job.import_id, after=2)
    assert (again.import_id, again.fence, again.attempt) == (job.import_id, 2, 1)
    assert again.decisions == {"conf-001": Decision(ConflictStrategy.SKIP)}
    assert [(e.seq, e.kind, e.state, e.progress.percent) for e in events] == [
        (3, EventKind.RESUMED, ImportState.QUEUED, 40.0)
    ]


async def test_a_waiting_job_whose_time_is_over_does_not_go_on_though_nobody_ended_it(store, clock):
    job = await _paused(store)
    clock.advance(DEADLINE - NOON)

    async with store.unit(ACME) as unit:
        is_resumed = await unit.imports.resume(job.import_id, {"conf-001": Decision(ConflictStrategy.SKIP)})

    async with store.view(ACME) as view:
        now = await view.imports.job(job.import_id)
    assert (is_resumed, now.state, now.decisions) == (False, ImportState.WAITING_FOR_DECISIONS, {})


async def test_later_decisions_are_added_to_earlier_ones(store):
    job = await _paused(store)
    async with store.unit(ACME) as unit:
        await unit.imports.resume(job.import_id, {"conf-001": Decision(ConflictStrategy.SKIP)})
    again = await claimed(store)
    async with store.unit(ACME) as unit:
        changes = {"state": ImportState.WAITING_FOR_DECISIONS}
        await unit.imports.advance(Step(again.import_id, again.fence, (), changes))
        await unit.imports.resume(job.import_id, {"conf-002": Decision(ConflictStrategy.MERGE)})

    last = await claimed(store)

    assert last.decisions == {"conf-001": Decision(ConflictStrategy.SKIP), "conf-002": Decision(ConflictStrategy.MERGE)}


async def test_a_waiting_job_that_nobody_decides_expires_with_its_last_event(store, bell):
    job, other = await _paused(store), an_import()
    await submitted(store, other)
    bell.rung.clear()

    async with store.unit(ACME) as unit:
        expired = [await unit.imports.expire(one) for one in (job.import_id, job.import_id, other.import_id, "imp-x")]

    async with store.view(ACME) as view:
        now = await view.imports.job(job.import_id)
        events = await view.imports.events(job.import_id, after=2)
    assert (expired, now.state, now.ended_at) == ([True, False, False, False], ImportState.EXPIRED, NOON)
    assert [(e.seq, e.is_final, e.state, e.progress.percent) for e in events] == [(3, True, ImportState.EXPIRED, 40.0)]
    assert bell.rung == [{job.import_id, "imports"}]


async def test_a_waiting_job_is_overdue_after_its_time(store):
    job = await _paused(store)

    async with store.platform_view() as view:
        before = await view.jobs.overdue_waiting(DEADLINE)
        after = await view.jobs.overdue_waiting(DEADLINE + timedelta(microseconds=1))

    assert (before, after) == ([], [(ACME, job.import_id)])


async def test_a_number_beyond_any_event_is_answered_with_nothing(store):
    job = await running(store)

    async with store.view(ACME) as view:
        assert await view.imports.events(job.import_id, after=10**30) == []


async def test_every_question_about_imports_does_not_show_other_tenants(store):
    job = await running(store, GLOBEX)
    async with store.unit(GLOBEX) as unit:
        await unit.imports.save_scan(job.import_id, 0, {"result": "PASS"})

    async with store.unit(ACME) as unit:
        seen = unit.imports
        nothing = [
            *(await seen.job(job.import_id), await seen.events(job.import_id, after=0)),
            *(await seen.queued_count(), await seen.scan_reports(job.import_id)),
            *(await seen.resume(job.import_id, {}), await seen.expire(job.import_id)),
        ]
        with pytest.raises(LookupError):
            await seen.request_cancel(job.import_id)
    with pytest.raises(LeaseLostError):
        async with store.unit(ACME) as unit:
            await unit.imports.advance(Step(job.import_id, job.fence, (progress(1),)))

    assert not any(nothing)
