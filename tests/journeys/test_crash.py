"""A run that dies at any commit leaves the old state, and the next run comes to the same end."""

from __future__ import annotations

import asyncio

import pytest

from domain import carrying
from domain.errors import ErrorCode
from domain.holding import BATCH_REVISIONS
from domain.import_model import ImportState
from domain.importing import ATTEMPTS_MAX
from domain.model import TenantId, TenantPlan
from domain.ports import LeaseLostError
from tests.journeys.inside import MERGE, REPLACE, is_whole, visible
from tests.journeys.trouble import KilledError, Restless, Troubled, killed
from tests.makers import a_bundle, a_form, a_rule_set, a_suite, an_entity

SMALL = a_bundle(*a_suite())
#: more than one batch, so one transaction after another
COUNT = BATCH_REVISIONS + 10
BIG = a_bundle(*[an_entity(f"ent-{n}", name=f"E{n}") for n in range(COUNT)], a_form(name="F", entity="ent-7"))
BUNDLES = pytest.mark.parametrize("raw", [SMALL, BIG], ids=["small", "big"])


@pytest.fixture(autouse=True)
def _plan_in_parts(monkeypatch):
    """The plan of the big one is saved in two steps."""
    monkeypatch.setattr(carrying, "ACTIONS_AT_ONCE", BATCH_REVISIONS)


async def a_tenant(inside, number):
    """A tenant with one artifact to merge, some to replace, and one of its own."""
    tenant = TenantId(f"tenant-{number}")
    await inside.services.tenancy.add(tenant, TenantPlan.ENTERPRISE)
    await inside.save(
        tenant, an_entity("ent-1", "hours", name="E7"), an_entity("ent-2", "hours", name="EntitySchema 44")
    )
    await inside.save(tenant, a_form("form-1", name="f", title="old"), a_rule_set("rule-1", "ent-2"))
    return tenant


async def submitted(inside, tenant, raw):
    return await inside.submit(tenant, raw, default_strategy=MERGE, merge_fallback=REPLACE)


async def whole_run(inside, raw):
    """An uninterrupted run: its tenant, and how many transactions it took."""
    tenant = await a_tenant(inside, "whole")
    await submitted(inside, tenant, raw)
    store = Troubled(inside.sql)
    job = await inside.claim()
    await inside.over(store).services.importer.run(job)
    return tenant, store.count


async def state_of(inside, tenant):
    return visible(await inside.contents(tenant)), await inside.tenant_counts(tenant)


@BUNDLES
@pytest.mark.parametrize("where", ["before", "inside", "after"])
async def test_a_run_that_dies_at_any_commit_is_taken_up_and_comes_to_the_same_end(inside, raw, where):
    whole, count = await whole_run(inside, raw)
    expected = await state_of(inside, whole)

    for at in range(1, count + 1):
        tenant = await a_tenant(inside, at)
        seen = await inside.heads(tenant)
        job_id = (await submitted(inside, tenant, raw)).import_id
        dying = inside.over(Troubled(inside.sql, at, **{where: killed}))
        with pytest.raises(KilledError):
            await dying.services.importer.run(await inside.claim())
        if not (await inside.job(job_id)).state.is_final:
            assert await inside.heads(tenant) == seen
            assert await inside.services.upkeep.requeue_lost(all_running=True) == 1
            await inside.run_next()

        job = await inside.job(job_id)
        assert job.state is ImportState.SUCCEEDED
        assert await state_of(inside, tenant) == expected
        assert is_whole(await inside.events(job_id))


@BUNDLES
async def test_a_run_that_is_cancelled_by_its_process_anywhere_is_taken_up_again(inside, raw):
    whole, _ = await whole_run(inside, raw)
    expected = await state_of(inside, whole)

    for number in range(1, 9):
        tenant = await a_tenant(inside, number)
        job_id = (await submitted(inside, tenant, raw)).import_id
        run = asyncio.ensure_future(inside.services.importer.run(await inside.claim()))
        await asyncio.wait({run}, timeout=0.004 * number * number)
        run.cancel()
        await asyncio.wait({run})
        if not (await inside.job(job_id)).state.is_final:
            await inside.services.upkeep.requeue_lost(all_running=True)
            await inside.run_next()

        assert await state_of(inside, tenant) == expected
        assert is_whole(await inside.events(job_id))


async def test_an_import_that_dies_every_time_is_ended_and_leaves_nothing(inside):
    tenant = await a_tenant(inside, 1)
    before = await state_of(inside, tenant)
    job_id = (await submitted(inside, tenant, BIG)).import_id

    for _ in range(ATTEMPTS_MAX):
        dying = inside.over(Troubled(inside.sql, 5, after=killed))
        with pytest.raises(KilledError):
            await dying.services.importer.run(await inside.claim())
        await inside.services.upkeep.requeue_lost(all_running=True)
    job = await inside.run_next()

    assert job.import_id == job_id
    assert (job.state, job.failure.code) == (ImportState.FAILED, ErrorCode.ARTIFACT_INSTALL_FAILED.wire)
    assert await state_of(inside, tenant) == before
    assert is_whole(await inside.events(job_id))


async def test_who_lost_the_lease_writes_nothing_more_and_drops_nothing_of_the_other(inside):
    tenant = await a_tenant(inside, 1)
    job_id = (await submitted(inside, tenant, BIG)).import_id
    slow = await inside.claim("slow")

    async def overtaken():
        await inside.services.upkeep.requeue_lost(all_running=True)
        quick = await inside.claim("quick")
        await inside.over(Troubled(inside.sql)).services.importer.run(quick)

    overtaking = Troubled(inside.sql, 4, before=overtaken)
    with pytest.raises(LeaseLostError):
        await inside.over(overtaking).services.importer.run(slow)

    assert (await inside.job(job_id)).state is ImportState.SUCCEEDED
    assert len(await inside.heads(tenant)) == COUNT + 3
    assert is_whole(await inside.events(job_id))


async def test_a_bug_of_ours_ends_the_import_and_what_it_held_is_dropped(inside):
    tenant = await a_tenant(inside, 1)
    before = await state_of(inside, tenant)
    await submitted(inside, tenant, BIG)
    job = await inside.claim()

    async def bug():
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await inside.over(Troubled(inside.sql, 5, inside=bug)).services.importer.run(job)
    await inside.services.importer.failed_by_us(job, "c-1")

    ended = await inside.job(job.import_id)
    assert (ended.state, ended.failure.status, ended.failure.stage is not None) == (ImportState.FAILED, 500, True)
    assert await state_of(inside, tenant) == before
    assert is_whole(await inside.events(job.import_id))


async def test_what_a_cancelled_import_had_planned_in_part_goes_with_it(inside):
    tenant = await a_tenant(inside, 1)
    job_id = (await submitted(inside, tenant, BIG)).import_id

    async def planned():
        async with inside.sql.view(tenant) as unit:
            return (await unit.imports.actions(job_id, first=COUNT)).items

    async def killed_between_parts():
        if await planned():
            raise KilledError

    dying = inside.over(Restless(inside.sql, after=killed_between_parts))
    with pytest.raises(KilledError):
        await dying.services.importer.run(await inside.claim())
    await inside.services.upkeep.requeue_lost(all_running=True)
    in_part = await planned()

    await inside.services.line.cancel(inside.caller, job_id, None)

    assert (len(in_part), await planned()) == (BATCH_REVISIONS, ())
    assert (await inside.job(job_id)).state is ImportState.CANCELLED


async def test_an_import_that_ends_takes_what_it_had_planned_in_part_with_it_whoever_dies_then(inside):
    tenant = await a_tenant(inside, 1)
    job_id = (await submitted(inside, tenant, BIG)).import_id
    in_part: list[int] = []

    async def planned():
        async with inside.sql.view(tenant) as unit:
            return len((await unit.imports.actions(job_id, first=COUNT)).items)

    async def stopped_and_killed():
        if (await inside.job(job_id)).state.is_final:
            raise KilledError
        in_part.append(await planned())
        if in_part[-1]:
            await inside.services.line.cancel(inside.caller, job_id, None)

    with pytest.raises(KilledError):
        await inside.over(Restless(inside.sql, after=stopped_and_killed)).services.importer.run(await inside.claim())

    assert (in_part[-1], await planned()) == (BATCH_REVISIONS, 0)
    assert (await inside.job(job_id)).state is ImportState.CANCELLED


async def test_what_an_ended_import_still_holds_is_swept(inside):
    tenant = await a_tenant(inside, 1)
    before = await state_of(inside, tenant)
    job_id = (await submitted(inside, tenant, BIG)).import_id
    dying = inside.over(Troubled(inside.sql, 5, after=killed))
    with pytest.raises(KilledError):
        await dying.services.importer.run(await inside.claim())
    await inside.services.upkeep.requeue_lost(all_running=True)
    await inside.services.line.cancel(inside.caller, job_id, None)

    dropped = await inside.services.upkeep.sweep_held()

    assert dropped > 0
    assert await state_of(inside, tenant) == before
    assert (await inside.job(job_id)).state is ImportState.CANCELLED
