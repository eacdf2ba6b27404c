"""Imports into one tenant go one after the other; tenants never wait for each other."""

from __future__ import annotations

import asyncio
from itertools import pairwise

import pytest

from domain.import_model import ImportState
from domain.model import TenantId, TenantPlan
from domain.ports import LeaseLostError
from tests.journeys.inside import ACME, GLOBEX, REPLACE, an_inside, is_whole
from tests.makers import a_bundle, a_suite, an_entity

SMALL = a_bundle(*a_suite())


async def test_one_tenants_second_import_waits_and_another_tenants_does_not(inside):
    first = await inside.submit(ACME, SMALL)
    second = await inside.submit(ACME, a_bundle(an_entity("ent-9", name="Nine"), name="Other"))
    third = await inside.submit(GLOBEX, SMALL)

    claimed = [await inside.claim(owner) for owner in ("one", "two", "three")]

    running = [job for job in claimed if job]
    assert [job.import_id for job in running] == [first.import_id, third.import_id]
    spot = (await inside.services.batches.queue_places(inside.caller, [second.import_id]))[second.import_id]
    assert (spot.position, spot.holder) == (1, first.import_id)
    for job in running:
        await inside.services.importer.run(job)
    assert (await inside.run_next()).import_id == second.import_id


async def test_twenty_imports_over_five_tenants_all_end_and_never_two_in_one_tenant(inside):
    tenants = [TenantId(f"t{number}") for number in range(5)]
    for tenant in tenants:
        await inside.services.tenancy.add(tenant, TenantPlan.STANDARD)
    jobs = [
        await inside.submit(
            tenants[number % 5],
            a_bundle(*a_suite()[: 1 + number % 4], version=f"1.{number}.0"),
            default_strategy=REPLACE,
        )
        for number in range(20)
    ]
    busy: set[str] = set()
    overlaps: list[str] = []

    async def work(owner):
        while (job := await inside.claim(owner)) is not None or await waiting():
            if job is None:
                await asyncio.sleep(0.01)
                continue
            overlaps.extend({job.tenant_id} & busy)
            busy.add(job.tenant_id)
            await inside.services.importer.run(job)
            busy.discard(job.tenant_id)

    async def waiting():
        states = [(await inside.job(job.import_id)).state for job in jobs]
        return not all(state.is_final for state in states)

    await asyncio.gather(*(work(owner) for owner in ("one", "two", "three")))

    ended = [await inside.job(job.import_id) for job in jobs]
    assert [job.state for job in ended] == [ImportState.SUCCEEDED] * 20
    assert overlaps == []
    for job in ended:
        assert is_whole(await inside.events(job.import_id))
    for tenant in tenants:
        assert (await inside.tenant_counts(tenant))["artifact"] >= 1


@pytest.mark.postgres
async def test_more_small_imports_at_once_than_there_are_connections_all_end(postgres_url, tmp_path):
    async with an_inside(postgres_url, tmp_path) as inside, asyncio.timeout(30):
        tenants = [TenantId(f"t{number}") for number in range(12)]
        for tenant in tenants:
            await inside.services.tenancy.add(tenant, TenantPlan.STANDARD)
            await inside.submit(tenant, SMALL)
        claimed = [await inside.claim(f"worker-{tenant}") for tenant in tenants]

        await asyncio.gather(*(inside.services.importer.run(job) for job in claimed if job))

        ended = [await inside.job(job.import_id) for job in claimed if job]
    assert [job.state for job in ended] == [ImportState.SUCCEEDED] * len(tenants)


async def test_watchers_of_a_running_import_see_every_number_once(inside):
    submitted = await inside.submit(GLOBEX, a_bundle(*[an_entity(f"ent-{n}", name=f"E{n}") for n in range(60)]))
    watchers = [asyncio.create_task(inside.followed(submitted.import_id)) for _ in range(3)]
    await asyncio.sleep(0)

    await inside.run_next()

    for events in await asyncio.gather(*watchers):
        assert events[0].first_seq == 1
        assert all(one.seq + 1 == other.first_seq for one, other in pairwise(events))
        assert events[-1].is_final
    assert inside.services.follower.tail_count == 0


async def test_two_workers_that_hold_the_same_job_by_turns_write_it_once(inside):
    submitted = await inside.submit(GLOBEX, a_bundle(*[an_entity(f"ent-{n}", name=f"E{n}") for n in range(60)]))
    slow = await inside.claim("slow")
    await inside.services.upkeep.requeue_lost(all_running=True)
    quick = await inside.claim("quick")

    results = await asyncio.gather(
        inside.services.importer.run(slow), inside.services.importer.run(quick), return_exceptions=True
    )

    assert (type(results[0]), results[1]) == (LeaseLostError, None)
    assert (await inside.job(submitted.import_id)).state is ImportState.SUCCEEDED
    assert (await inside.tenant_counts(GLOBEX))["revision"] == 60
    assert is_whole(await inside.events(submitted.import_id))
