"""Reads of many things at once: the same as one by one, in a number of statements that does not grow."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from domain.batch_rows import Standing
from domain.import_model import AuditEntry, ImportMode, ImportState
from domain.model import ArtifactStatus, ReferenceKind, RevisionId, name_key
from domain.plan_model import ActionKind
from domain.rows import Step
from tests.clocks import NOON
from tests.ports.rows import (
    ACME,
    ANNA,
    GLOBEX,
    LEASE,
    ORIGIN,
    a_package,
    a_plan,
    a_revision,
    a_tenant,
    an_action,
    an_import,
    an_installed,
    claimed,
    ended,
    progress,
    running,
    saved,
    submitted,
    with_tenants,
)

BOTH = frozenset({ACME, GLOBEX})


async def test_things_with_ids_of_their_own_are_found_inside_the_reach_only(store):
    await with_tenants(store)
    jobs = [an_import(tenant_id=tenant_id) for tenant_id in (ACME, GLOBEX)]
    packages = [a_package("pkg-1"), a_package("pkg-2", tenant_id=GLOBEX)]
    plans = [a_plan(job) for job in jobs]
    await submitted(store, *jobs)
    for job, package, plan in zip(jobs, packages, plans, strict=True):
        async with store.unit(job.tenant_id) as unit:
            await unit.packages.add(package)
            await unit.imports.save_plan(plan)

    async with store.platform_view() as view:
        rows = view.batches
        found = [
            [
                await rows.import_jobs([job.import_id for job in jobs] + ["imp-x", "\0"], reach),
                await rows.packages(["pkg-1", "pkg-2", "pkg-3"], reach),
                await rows.plans([plan.plan_id for plan in plans], reach),
            ]
            for reach in (frozenset(), frozenset({GLOBEX}), BOTH, None)
        ]
        tenants = await rows.tenants([ACME, GLOBEX, "nobody"])

    everything = [
        {job.import_id: job for job in jobs},
        {package.package_id: package for package in packages},
        {plan.plan_id: plan for plan in plans},
    ]
    assert found[0] == [{}, {}, {}]
    assert found[1] == [{jobs[1].import_id: jobs[1]}, {"pkg-2": packages[1]}, {plans[1].plan_id: plans[1]}]
    assert found[2] == found[3] == everything
    assert tenants == {tenant_id: a_tenant(tenant_id) for tenant_id in (ACME, GLOBEX)}


async def test_nothing_is_asked_for_nothing(store):
    async with store.platform_view() as view:
        rows = view.batches

        assert await rows.import_jobs([], None) == {}
        assert await rows.changed_counts([]) == {}
        assert await rows.used_by(ACME, [], first=9, after=None) == {}


async def test_journals_are_read_together(store):
    await with_tenants(store)
    first, second = await running(store), await running(store, GLOBEX)
    async with store.unit(ACME) as unit:
        await unit.imports.advance(Step(first.import_id, first.fence, (progress(1), progress(2))))
    ids = [first.import_id, second.import_id, "imp-x"]

    async with store.platform_view() as view:
        last = await view.batches.last_events(ids)
        after = [await view.batches.events(ids, after=number, first=2) for number in (0, 1, 2**40, -5)]

    assert {key: event.seq for key, event in last.items()} == {first.import_id: 3, second.import_id: 1}
    assert [{key: [event.seq for event in found] for key, found in page.items()} for page in after] == [
        {first.import_id: [1, 2], second.import_id: [1]},
        {first.import_id: [2, 3]},
        {},
        {first.import_id: [1, 2], second.import_id: [1]},
    ]


async def test_actions_are_counted_and_open_ones_found_for_many_plans(store):
    await with_tenants(store)
    jobs = [an_import(tenant_id=tenant_id) for tenant_id in (ACME, GLOBEX)]
    await submitted(store, *jobs)
    opened = [an_action(position, kind=None, conflict_key=f"conf-{position}") for position in (2, 3)]
    async with store.unit(ACME) as unit:
        await unit.imports.save_plan(a_plan(jobs[0], an_action(1), *opened, an_action(4, kind=ActionKind.SKIP)))
    async with store.unit(GLOBEX) as unit:
        await unit.imports.save_plan(a_plan(jobs[1], an_action(1)))
    ids = [job.import_id for job in jobs]

    async with store.platform_view() as view:
        counts = await view.batches.action_counts(ids)
        found = await view.batches.open_actions(ids, limit=9)
        some = await view.batches.open_actions(ids, limit=1)

    assert counts == {
        jobs[0].import_id: {ActionKind.CREATE: 1, None: 2, ActionKind.SKIP: 1},
        jobs[1].import_id: {ActionKind.CREATE: 1},
    }
    assert found == [(jobs[0].import_id, action) for action in opened]
    assert some == found[:1]


async def test_reports_and_audit_entries_are_those_of_each_import(store):
    await with_tenants(store)
    jobs = [an_import(tenant_id=tenant_id) for tenant_id in (ACME, GLOBEX)]
    await submitted(store, *jobs)
    entries = {
        job.import_id: [AuditEntry(NOON, ANNA, f"import.{word}", job.import_id, {"n": 1}) for word in ("one", "two")]
        for job in jobs
    }
    for job in jobs:
        async with store.unit(job.tenant_id) as unit:
            await unit.imports.save_scan(job.import_id, 1, {"second": True})
            await unit.imports.save_scan(job.import_id, 0, {"of": job.import_id})
            for entry in entries[job.import_id]:
                await unit.imports.audit(entry)
    ids = [job.import_id for job in jobs]

    async with store.platform_view() as view:
        reports = await view.batches.scan_reports(ids)
        audit = await view.batches.audit(ids)

    assert reports == {job.import_id: [{"of": job.import_id}, {"second": True}] for job in jobs}
    assert audit == entries


async def test_places_in_line_are_told_together_with_what_holds_them_up(store):
    await with_tenants(store)
    holder = await running(store)
    jobs = [an_import(tenant_id=ACME if n % 3 else GLOBEX) for n in range(7)]
    dry_run = an_import(mode=ImportMode.PLAN)
    await submitted(store, *jobs, dry_run)
    asked = [*jobs, dry_run]

    async with store.platform_view() as view:
        spots = await view.batches.queue_places([*(job.import_id for job in asked), holder.import_id])
        running_ones = await view.batches.running([ACME, GLOBEX])
        counts = await view.batches.queued_counts([ACME, GLOBEX, "nobody"])

    lease_until = spots[jobs[1].import_id].holder_lease_until
    # a dry run counts those before it, and nobody counts it
    lines = {ACME: [(1, jobs[1]), (2, jobs[2]), (3, jobs[4]), (4, jobs[5]), (4, dry_run)]}
    lines[GLOBEX] = [(1, jobs[0]), (2, jobs[3]), (3, jobs[6])]
    held_up = {ACME: (holder.import_id, lease_until), GLOBEX: (None, None)}
    assert {import_id: spot[:3] for import_id, spot in spots.items()} == {
        job.import_id: (place, *held_up[tenant_id]) for tenant_id, line in lines.items() for place, job in line
    }
    assert abs((lease_until - datetime.now(UTC)).total_seconds() - LEASE) < LEASE / 2
    assert running_ones == {ACME: holder}
    assert counts == {ACME: 4, GLOBEX: 3}


@pytest.mark.parametrize("after", [None, ("name of rule-1", "rule-1")])
async def test_who_uses_several_artifacts_is_told_together_in_pages(store, after):
    await with_tenants(store)
    targets = {"ent-1": ReferenceKind.LITERAL, "ent-2": ReferenceKind.DYNAMIC}
    await saved(
        store,
        *(a_revision(f"rule-{n}", targets=dict(list(targets.items())[: n % 3])) for n in range(6)),
        a_revision("rule-6", targets=targets, status=ArtifactStatus.DELETED),
        a_revision("rule-7", targets={"ent-1": ReferenceKind.POSSIBLE}),
    )
    await saved(store, a_revision("rule-8", targets=targets), tenant_id=GLOBEX)
    asked = ["ent-1", "ent-2", "ent-3"]

    async with store.platform_view() as view:
        together = await view.batches.used_by(ACME, asked, first=2, after=after)

    users = {"ent-1": ["rule-1", "rule-2", "rule-4", "rule-5"], "ent-2": ["rule-2", "rule-5"]}
    rest = {key: [one for one in found if after is None or one > after[1]] for key, found in users.items()}
    assert {key: [head.artifact_id for head in page.items] for key, page in together.items()} == {
        key: found[:2] for key, found in rest.items()
    }
    assert {key: page.has_next for key, page in together.items()} == {key: len(rest[key]) > 2 for key in rest}


@pytest.mark.parametrize("before", [None, 3, 0, 2**40])
async def test_histories_are_told_together_in_pages(store, before):
    await with_tenants(store)
    for number in range(1, 5):
        some = ("rule-1", "rule-2") if number < 3 else ("rule-1",)
        await saved(store, *(a_revision(key, number=number) for key in some))
    await saved(store, a_revision("rule-1"), tenant_id=GLOBEX)
    asked = ["rule-1", "rule-2", "rule-3"]

    async with store.platform_view() as view:
        together = await view.batches.revisions(ACME, asked, first=2, before=before)

    numbers = {"rule-1": [4, 3, 2, 1], "rule-2": [2, 1]}
    before = 9 if before is None else before
    rest = {key: [number for number in found if number < before] for key, found in numbers.items()}
    assert {key: [one.number for one in page.items] for key, page in together.items()} == {
        key: found[:2] for key, found in rest.items() if found
    }
    assert {key: page.has_next for key, page in together.items()} == {
        key: len(found) > 2 for key, found in rest.items() if found
    }


async def test_changed_artifacts_of_installed_packages_are_counted(store):
    await with_tenants(store)
    installed = [an_installed(an_import(tenant_id=tenant_id)) for tenant_id in (ACME, GLOBEX)]
    elsewhere = ORIGIN._replace(source="tenant-other")
    imported = [a_revision(f"rule-{n}", origin=ORIGIN if n < 4 else elsewhere) for n in range(1, 6)]
    for tenant_id in (ACME, GLOBEX):
        job = await running(store, tenant_id)
        mine = [
            new._replace(revision_id=RevisionId(f"{new.revision_id}-{tenant_id}"), import_id=job.import_id)
            for new in imported
        ]
        plan = a_plan(job, *(an_action(n, new) for n, new in enumerate(mine)))
        async with store.unit(tenant_id) as unit:
            await unit.imports.save_plan(plan)
            await unit.imports.hold(mine)
            await unit.imports.activate(job.import_id, [], written=len(mine))
    await saved(store, *(a_revision(f"rule-{n}", number=2, origin=ORIGIN) for n in (1, 2)))

    # more names than one statement looks for
    others = [replace(installed[0], name=f"Package {number}") for number in range(600)]

    async with store.platform_view() as view:
        counts = await view.batches.changed_counts([*others, *installed])

    assert counts == {(ACME, name_key(ORIGIN.package_name), ORIGIN.source): 2}


async def test_what_stands_is_what_goes_on_and_what_has_just_ended(store, clock):
    await with_tenants(store)
    over = await running(store)
    await ended(store, over)
    asked_to_stop, waiting = await running(store), an_import(tenant_id=GLOBEX)
    await submitted(store, waiting)
    async with store.unit(ACME) as unit:
        await unit.imports.request_cancel(asked_to_stop.import_id)

    async with store.platform_view() as view:
        found = [
            await view.batches.standing(reach, ended_since=since, limit=limit)
            for reach, since, limit in (
                (None, NOON, 9),
                (None, NOON + timedelta(seconds=1), 9),
                (None, NOON, 1),
                (frozenset({GLOBEX}), NOON, 9),
                (frozenset(), NOON, 9),
            )
        ]

    told = [
        Standing(waiting.import_id, ImportState.QUEUED, 0),
        Standing(asked_to_stop.import_id, ImportState.CANCELLING, 1),
        Standing(over.import_id, ImportState.SUCCEEDED, 1),
    ]
    assert found == [told, told[:2], told[:1], told[:1], []]


async def test_lists_longer_than_a_statement_takes_are_read_whole(store):
    await with_tenants(store)
    jobs = [an_import() for _ in range(3)]
    await submitted(store, *jobs)
    ids = [*(f"imp-none-{n}" for n in range(1200)), *(job.import_id for job in jobs)]

    async with store.platform_view() as view:
        found = await view.batches.import_jobs(ids, None)

    assert found == {job.import_id: job for job in jobs}
    assert (await claimed(store)).import_id in found
