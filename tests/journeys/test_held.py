"""An import may be held and verified first, and switched on when somebody says so."""

from __future__ import annotations

from datetime import timedelta

import pytest

from domain.errors import ErrorCode, Refusal
from domain.import_model import ImportState
from domain.model import PackageDependency
from domain.options import Activation
from domain.ports import Store
from tests.journeys.inside import ACME, GLOBEX, REPLACE, a_caller, codes, is_whole
from tests.journeys.test_crash import BIG
from tests.journeys.trouble import KilledError, Troubled, killed
from tests.journeys.undoing import a_package, roll_back, state_of, uninstall
from tests.makers import a_bundle, a_form, a_process, an_entity

pytestmark = pytest.mark.rules

FIRST = a_package()
HELD = {"activation": Activation.MANUAL, "default_strategy": REPLACE}


async def switched_on(inside, import_id):
    await inside.services.line.activate(inside.caller, import_id, None)
    return await inside.run_next()


@pytest.mark.parametrize("raw", [FIRST, BIG], ids=["small", "big"])
async def test_a_held_import_waits_unseen_and_is_then_switched_on_like_any_other(inside, raw):
    plain = await inside.bring(ACME, raw)
    before = await state_of(inside)

    waiting = await inside.bring(GLOBEX, raw, **HELD)
    unseen = await state_of(inside)
    job = await switched_on(inside, waiting.import_id)

    assert (waiting.state, waiting.state.wire) == (ImportState.WAITING_FOR_ACTIVATION, "PendingActivation")
    assert waiting.expires_at - inside.clock.now() == timedelta(days=7)
    assert unseen == before
    assert job.state is ImportState.SUCCEEDED
    assert (job.outcome["counts"], set(job.outcome)) == (plain.outcome["counts"], set(plain.outcome))
    assert set(await inside.heads(GLOBEX)) == set(await inside.heads(ACME))
    assert is_whole(await inside.events(job.import_id))
    told = [entry.action for entry in await inside.services.records.audit(inside.caller, job)]
    assert told == ["import.held", "import.activation-requested", "import.activated"]


async def test_what_a_held_import_takes_away_goes_when_it_is_switched_on(inside):
    await inside.bring(GLOBEX, FIRST)
    without_the_form = a_bundle(an_entity("ent-1", "hours", "pay", name="Hours"), version="1.1.0")

    waiting = await inside.bring(GLOBEX, without_the_form, **HELD, remove_dropped=True)
    unseen = set(await inside.heads(GLOBEX))
    job = await switched_on(inside, waiting.import_id)

    assert (unseen, waiting.state) == ({"Hours", "Sheet"}, ImportState.WAITING_FOR_ACTIVATION)
    assert (job.state, set(await inside.heads(GLOBEX))) == (ImportState.SUCCEEDED, {"Hours"})


async def test_a_held_import_takes_no_place_and_a_later_one_passes_it(inside):
    waiting = await inside.bring(GLOBEX, FIRST, **HELD)

    later = await inside.bring(GLOBEX, a_package("Other", "1.0.0"), default_strategy=REPLACE)

    assert (waiting.state, later.state) == (ImportState.WAITING_FOR_ACTIVATION, ImportState.SUCCEEDED)


async def test_what_changed_meanwhile_fails_the_activation_and_everything_held_is_dropped(inside):
    await inside.save(GLOBEX, an_entity("ent-9", "own", name="Hours"))
    waiting = await inside.bring(GLOBEX, FIRST, **HELD)
    await inside.save(GLOBEX, an_entity("ent-9", "own", "more", name="Hours"))
    before, counts = await state_of(inside), await inside.tenant_counts(GLOBEX)

    job = await switched_on(inside, waiting.import_id)

    assert (job.state, codes(job)) == (ImportState.FAILED, {ErrorCode.PLAN_STALE})
    assert await state_of(inside) == before
    assert (await inside.tenant_counts(GLOBEX))["revision"] < counts["revision"]


async def test_what_a_held_import_needs_must_be_installed_still_when_it_is_switched_on(inside):
    await inside.bring(GLOBEX, FIRST)
    needs = (PackageDependency("Starter", "1.0.0"),)
    addition = a_bundle(a_process("proc-5", name="Flow"), name="Addition", package_dependencies=needs)
    waiting = await inside.bring(GLOBEX, addition, **HELD)
    await uninstall(inside)

    job = await switched_on(inside, waiting.import_id)

    assert (job.state, codes(job)) == (ImportState.FAILED, {ErrorCode.PLAN_STALE})
    assert job.failure.problems[0].details == {
        "packageKey": "starter",
        "planned": ["1.0.0 tenant-source"],
        "installed": [],
    }
    assert await inside.heads(GLOBEX) == {}


async def test_a_held_version_is_not_switched_on_over_a_newer_one_that_passed_it(inside):
    older, newer = (
        a_bundle(an_entity(f"ent-{name}", name=name), name="Rates", version=version)
        for name, version in (("Old", "1.0.0"), ("New", "1.1.0"))
    )
    waiting = await inside.bring(GLOBEX, older, **HELD)
    await inside.bring(GLOBEX, newer)

    job = await switched_on(inside, waiting.import_id)

    assert (job.state, codes(job)) == (ImportState.FAILED, {ErrorCode.PLAN_STALE})
    assert set(await inside.heads(GLOBEX)) == {"New"}


async def test_what_a_held_import_would_remove_stays_where_somebody_refers_to_it_meanwhile(inside):
    both = (an_entity("ent-1", name="Kept"), an_entity("ent-2", name="Dropped"))
    await inside.bring(GLOBEX, a_bundle(*both, name="Rates", version="1.0.0"))
    second = a_bundle(both[0], name="Rates", version="1.1.0")
    waiting = await inside.bring(GLOBEX, second, **HELD, remove_dropped=True)
    entity = (await inside.heads(GLOBEX))["Dropped"].artifact_id
    await inside.save(GLOBEX, a_form("form-9", name="Own sheet", entity=entity))

    job = await switched_on(inside, waiting.import_id)

    assert (job.state, codes(job)) == (ImportState.FAILED, {ErrorCode.PLAN_STALE})
    assert set(await inside.heads(GLOBEX)) == {"Kept", "Dropped", "Own sheet"}


async def test_the_journal_of_a_held_import_counts_to_its_end(inside):
    waiting = await inside.bring(GLOBEX, FIRST, **HELD)

    job = await switched_on(inside, waiting.import_id)

    last = (await inside.events(job.import_id))[-1].progress
    assert (last.done, last.total) == (2, 2)


async def test_a_cancel_while_it_is_switched_on_says_what_was_dropped(inside):
    waiting = await inside.bring(GLOBEX, FIRST, **HELD)
    await inside.services.line.activate(inside.caller, waiting.import_id, None)
    claimed = await inside.claim()
    await inside.services.line.cancel(inside.caller, waiting.import_id, None)

    await inside.services.importer.run(claimed)

    job = await inside.job(waiting.import_id)
    assert (job.state, job.failure.details) == (ImportState.CANCELLED, {"revisionsDropped": 2})
    assert (await inside.tenant_counts(GLOBEX))["revision"] == 0


async def test_a_held_import_that_nobody_switched_on_is_given_up_after_a_week_and_dropped(inside):
    before = await inside.tenant_counts(GLOBEX)
    waiting = await inside.bring(GLOBEX, FIRST, **HELD)
    inside.clock.advance(timedelta(days=6))
    await inside.services.upkeep.expire_waiting()
    early = await inside.job(waiting.import_id)
    inside.clock.advance(timedelta(days=1, seconds=1))

    with pytest.raises(Refusal) as late:
        await inside.services.line.activate(inside.caller, waiting.import_id, None)
    await inside.services.upkeep.expire_waiting()
    await inside.services.upkeep.sweep_held()

    job = await inside.job(waiting.import_id)
    assert late.value.code is ErrorCode.IMPORT_EXPIRED
    assert (early.state, job.state) == (ImportState.WAITING_FOR_ACTIVATION, ImportState.EXPIRED)
    assert await inside.tenant_counts(GLOBEX) == before
    with pytest.raises(Refusal) as gone:
        await inside.services.line.activate(inside.caller, waiting.import_id, None)
    assert gone.value.code is ErrorCode.IMPORT_EXPIRED


async def test_a_held_import_can_be_cancelled_and_nothing_of_it_stays(inside):
    before = await inside.tenant_counts(GLOBEX)
    waiting = await inside.bring(GLOBEX, FIRST, **HELD)

    job = await inside.services.line.cancel(inside.caller, waiting.import_id, None)

    assert job.state is ImportState.CANCELLED
    last = (await inside.events(job.import_id))[-1]
    assert last.message == "The import was cancelled. What was held is dropped."
    assert await inside.tenant_counts(GLOBEX) == before
    with pytest.raises(Refusal) as caught:
        await inside.services.line.activate(inside.caller, waiting.import_id, None)
    assert caught.value.code is ErrorCode.BAD_USER_INPUT


async def test_switching_on_twice_is_the_same_as_once(inside):
    waiting = await inside.bring(GLOBEX, FIRST, **HELD)

    asked = [await inside.services.line.activate(inside.caller, waiting.import_id, None) for _ in range(2)]
    job = await inside.run_next()
    after = await inside.services.line.activate(inside.caller, waiting.import_id, None)

    assert [one.state for one in asked] == [ImportState.QUEUED] * 2
    assert (after, job.state) == (job, ImportState.SUCCEEDED)
    assert await inside.claim() is None


async def test_only_what_waits_for_it_can_be_switched_on_and_only_by_those_who_may_import(inside):
    job = await inside.bring(ACME, FIRST)
    waiting = await inside.bring(GLOBEX, FIRST, **HELD)
    stranger = a_caller("eve", tenants=frozenset({ACME}), scopes=frozenset({"installhub:import"}))
    keeper = a_caller("kim", scopes=frozenset({"installhub:rollback"}))

    caught = []
    for caller, import_id in (
        (inside.caller, job.import_id),
        (stranger, waiting.import_id),
        (keeper, waiting.import_id),
    ):
        with pytest.raises(Refusal) as refused:
            await inside.services.line.activate(caller, import_id, caller.reach)
        caught.append(refused.value.code)

    assert caught == [ErrorCode.BAD_USER_INPUT, ErrorCode.NOT_FOUND, ErrorCode.INSUFFICIENT_PERMISSION]


@pytest.mark.parametrize("where", ["before", "inside", "after"])
async def test_a_process_that_dies_while_it_switches_an_import_on_leaves_it_to_the_next(inside, where):
    waiting = await inside.bring(GLOBEX, BIG, **HELD)
    await inside.services.line.activate(inside.caller, waiting.import_id, None)
    dying: Store = Troubled(inside.sql, 1, **{where: killed})
    with pytest.raises(KilledError):
        await inside.over(dying).services.importer.run(await inside.claim())
    if not (await inside.job(waiting.import_id)).state.is_final:
        assert await inside.heads(GLOBEX) == {}
        await inside.services.upkeep.requeue_lost(all_running=True)
        await inside.run_next()

    job = await inside.job(waiting.import_id)
    assert job.state is ImportState.SUCCEEDED
    assert is_whole(await inside.events(job.import_id))


async def test_what_was_held_first_is_taken_back_like_any_other_import(inside):
    before = await state_of(inside)
    waiting = await inside.bring(GLOBEX, FIRST, **HELD)
    await switched_on(inside, waiting.import_id)

    await roll_back(inside, waiting.import_id)

    assert await state_of(inside) == before
