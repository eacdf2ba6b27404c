"""Plans as promises: applied once, approved by people, stale or not, and what they touch, over both databases."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from domain.model import Actor, ArtifactStatus, ImportId, PlanId
from domain.plan_model import ActionKind, Approval
from domain.plan_rows import Touched
from tests.clocks import NOON
from tests.ports.rows import (
    ACME,
    ANNA,
    GLOBEX,
    ORIGIN,
    a_plan,
    a_revision,
    an_action,
    an_import,
    saved,
    submitted,
    with_tenants,
)

BEN = Actor("ben", "ben@acme.example")


@pytest.fixture(autouse=True)
async def tenants(store):
    await with_tenants(store)


async def planned(store, *actions, tenant_id=ACME, **fields):
    """A plan of these actions."""
    job = an_import(tenant_id=tenant_id)
    await submitted(store, job)
    made = a_plan(job, *actions, **fields)
    async with store.unit(tenant_id) as unit:
        await unit.imports.save_plan(made)
    return made


def changing(position, head, kind=ActionKind.UPDATE, **fields):
    """An action on what is there."""
    new = a_revision(head.artifact_id, name=head.name, number=head.revision + 1)
    return an_action(position, new, kind=kind, existing=head, **fields)


def an_approval(identity="issuer ben", actor=BEN):
    return Approval(identity, actor, "sha256:" + "1" * 64, NOON)


async def claimed_by(store, made, import_id, **instead):
    async with store.unit(made.tenant_id) as unit:
        return await unit.plans.claim(made.plan_id, ImportId(import_id), **instead)


async def test_a_plan_is_applied_by_the_first_import_that_claims_it(store):
    made = await planned(store)

    first = await claimed_by(store, made, "imp-1")
    second = await claimed_by(store, made, "imp-2")

    async with store.view(ACME) as view:
        kept = await view.imports.plan(made.plan_id)
    assert (first, second, kept.applied_by) == ("imp-1", "imp-1", "imp-1")


async def test_two_claims_at_once_give_one_import(store):
    made = await planned(store)

    winners = await asyncio.gather(*(claimed_by(store, made, f"imp-{n}") for n in range(5)))

    assert len(set(winners)) == 1


async def test_a_new_try_takes_the_place_of_the_import_that_it_tries_again_and_of_no_other(store):
    made = await planned(store)
    await claimed_by(store, made, "imp-1")

    moved = await claimed_by(store, made, "imp-2", instead_of=ImportId("imp-1"))
    late = await claimed_by(store, made, "imp-3", instead_of=ImportId("imp-1"))

    assert (moved, late) == ("imp-2", "imp-2")


async def test_another_tenants_plan_cannot_be_claimed(store):
    made = await planned(store, tenant_id=GLOBEX)

    with pytest.raises(LookupError):
        await claimed_by(store, replace(made, tenant_id=ACME), "imp-1")


async def test_an_approval_counts_once_for_each_identity(store):
    made = await planned(store)

    async with store.unit(ACME) as unit:
        given = [await unit.plans.approve(made.plan_id, an_approval()) for _ in range(2)]
        given.append(await unit.plans.approve(made.plan_id, an_approval("issuer anna", ANNA)))

    async with store.view(ACME) as view:
        found = await view.plans.approvals([made.plan_id, "plan-nobody"])
    async with store.view(GLOBEX) as view:
        foreign = await view.plans.approvals([made.plan_id])
    assert given == [True, False, True]
    assert found == {made.plan_id: [an_approval("issuer anna", ANNA), an_approval()]}
    assert foreign == {}


async def test_a_plan_that_is_made_anew_has_to_be_approved_anew(store):
    made = await planned(store)
    async with store.unit(ACME) as unit:
        await unit.plans.approve(made.plan_id, an_approval())

    async with store.unit(ACME) as unit:
        await unit.imports.save_plan(made)

    async with store.view(ACME) as view:
        assert await view.plans.approvals([made.plan_id]) == {}


async def test_what_a_plan_relies_on_is_read_back(store):
    made = await planned(store, relied={"starter": ["1.0.0 tenant-source"], "base": []})

    async with store.view(ACME) as view:
        assert (await view.imports.plan(made.plan_id)).relied == made.relied


async def test_plans_that_moved_and_plans_that_wait_are_told_apart_for_many_at_once(store):
    one, other = await saved(store, a_revision("rule-1"), a_revision("rule-2"))
    stale = await planned(store, changing(0, one))
    still = await planned(store, changing(0, other))
    waiting = await planned(store, an_action(0, kind=None))
    await saved(store, a_revision("rule-1", number=2))

    ids = [made.import_id for made in (stale, still, waiting)]
    async with store.view(ACME) as view:
        moved, undecided = await view.plans.moved(ids), await view.plans.undecided(ids)
    async with store.view(GLOBEX) as view:
        foreign = await view.plans.moved(ids), await view.plans.undecided(ids)

    assert (moved, undecided) == ({stale.import_id}, {waiting.import_id})
    assert foreign == (set(), set())


async def test_what_starts_or_stops_being_active_is_told(store):
    draft, live = await saved(store, a_revision("rule-1", status=ArtifactStatus.DRAFT), a_revision("rule-2"))
    starts, stops, goes = (changing(n, head) for n, head in enumerate((draft, live, live)))
    new = an_action(3, a_revision("rule-3"))
    stays = an_action(4, kind=ActionKind.UNCHANGED, existing=live)
    stops = stops._replace(status=ArtifactStatus.LOCKED)
    goes = goes._replace(kind=ActionKind.REMOVE)
    made = await planned(store, starts, stops, goes, new, stays, changing(5, live))

    async with store.view(ACME) as view:
        touched = await view.plans.touched(made.import_id, limit=10)
        cut = await view.plans.touched(made.import_id, limit=2)

    assert touched.switched == (starts, stops, goes, new)
    assert len(cut.switched) == 2


async def test_who_else_uses_what_changes_is_told_and_whose_it_was(store):
    (used, kept, beside, user, past, mine, foreign) = await saved(
        store,
        a_revision("rule-1", origin=ORIGIN),
        a_revision("rule-2"),
        a_revision("rule-3"),
        a_revision("rule-4", targets={"rule-1": None}),
        a_revision("rule-5", targets={"rule-1": None}),
        a_revision("rule-6", targets={"rule-1": None}),
        a_revision("rule-7", targets={"rule-2": None, "rule-3": None}),
    )
    await saved(store, a_revision("rule-5", number=2))
    await saved(store, a_revision("rule-9", targets={"rule-1": None}), tenant_id=GLOBEX)
    skipped = an_action(1, kind=ActionKind.SKIP, existing=kept)
    made = await planned(store, changing(0, used), skipped, changing(2, mine))

    async with store.view(ACME) as view:
        touched = await view.plans.touched(made.import_id, limit=10)
    async with store.view(GLOBEX) as view:
        elsewhere = await view.plans.touched(made.import_id, limit=10)

    assert (touched.users, touched.packages) == ((user,), ((ORIGIN.package_key, ORIGIN.source),))
    assert {beside.artifact_id, past.artifact_id, foreign.artifact_id}.isdisjoint(touched.users)
    assert elsewhere == Touched((), (), ())


async def test_unknown_plans_have_nothing(store):
    async with store.view(ACME) as view:
        assert await view.plans.approvals([PlanId("plan-nobody")]) == {}
        assert await view.plans.moved([]) == set()
