"""Somebody works in the tenant while an import is under way: it plans anew, waits, or gives up; it never overwrites."""

from __future__ import annotations

import pytest

from domain.errors import ErrorCode
from domain.holding import BATCH_REVISIONS
from domain.import_model import EventKind, ImportState, Stage
from domain.importing import REPLANS_MAX
from domain.options import Decision
from domain.ports import NameTakenError
from tests.journeys.inside import ACME, GLOBEX, REPLACE, SKIP, a_caller, is_whole
from tests.journeys.trouble import Restless, Troubled
from tests.makers import a_bundle, an_entity

COUNT = BATCH_REVISIONS + 5
BIG = a_bundle(*[an_entity(f"ent-{n}", name=f"E{n}") for n in range(COUNT)])
BEN = a_caller("ben")


async def run_with(inside, store):
    job = await inside.claim()
    await inside.over(store).services.importer.run(job)
    return await inside.job(job.import_id)


async def activation_at(inside, tenant, **options):
    """The number of the transaction that activates: the last one of an undisturbed run."""
    await inside.submit(tenant, BIG, **options)
    store = Troubled(inside.sql)
    await run_with(inside, store)
    return store.count


def saving(inside, *trees):
    async def save():
        for tree in trees:
            inside.caller = BEN
            await inside.save(GLOBEX, tree)

    return save


async def test_a_save_between_plan_and_activation_leads_to_a_new_plan(inside):
    last = await activation_at(inside, ACME)
    await inside.save(GLOBEX, an_entity("ent-1", "hours", name="E3"))
    submitted = await inside.submit(GLOBEX, BIG, default_strategy=REPLACE)
    save = saving(inside, an_entity("ent-1", "minutes", name="E3"))

    job = await run_with(inside, Troubled(inside.sql, last, before=save))

    head = (await inside.heads(GLOBEX))["E3"]
    assert (job.state, head.artifact_id, head.revision) == (ImportState.SUCCEEDED, "ent-1", 3)
    events = await inside.events(submitted.import_id)
    assert is_whole(events)
    assert [event.kind for event in events].count(EventKind.PROBLEM_FOUND) == 1
    assert max(event.progress.percent for event in events[:-1]) < 100


async def test_what_was_unchanged_in_the_plan_and_is_edited_right_before_the_activation_is_planned_anew(inside):
    inside.caller = BEN
    await inside.bring(GLOBEX, BIG, default_strategy=REPLACE)
    brought = (await inside.heads(GLOBEX))["E3"]
    last = await activation_at(inside, GLOBEX, default_strategy=REPLACE)
    await inside.submit(GLOBEX, BIG, default_strategy=REPLACE)
    save = saving(inside, an_entity(brought.artifact_id, "minutes", name="E3"))

    job = await run_with(inside, Troubled(inside.sql, last, before=save))

    head = (await inside.heads(GLOBEX))["E3"]
    assert (job.state, job.outcome["artifactsWritten"]) == (ImportState.SUCCEEDED, 1)
    assert (head.revision, head.content_hash) == (3, brought.content_hash)


async def test_a_conflict_first_seen_in_a_new_plan_pauses_the_import(inside):
    last = await activation_at(inside, ACME)
    submitted = await inside.submit(GLOBEX, BIG)
    save = saving(inside, an_entity("ent-1", "minutes", name="e3"))

    paused = await run_with(inside, Troubled(inside.sql, last, before=save))
    (row,) = paused.outcome["conflictReport"]["conflicts"]
    await inside.services.line.resume(inside.caller, paused.import_id, None, {row["conflictId"]: Decision(SKIP)})
    job = await inside.run_next()

    assert paused.state is ImportState.WAITING_FOR_DECISIONS
    assert (job.state, len(await inside.heads(GLOBEX))) == (ImportState.SUCCEEDED, COUNT)
    assert is_whole(await inside.events(submitted.import_id))
    assert (await inside.tenant_counts(GLOBEX))["revision"] == COUNT


async def test_an_import_with_a_strategy_takes_over_a_name_that_was_taken_meanwhile(inside):
    last = await activation_at(inside, ACME)
    await inside.submit(GLOBEX, BIG, default_strategy=REPLACE)
    save = saving(inside, an_entity("ent-1", "minutes", name="E3"))

    job = await run_with(inside, Troubled(inside.sql, last, before=save))

    assert job.outcome["counts"] | {"create": COUNT - 1, "update": 1} == job.outcome["counts"]
    assert (await inside.heads(GLOBEX))["E3"].artifact_id == "ent-1"


async def test_a_small_import_never_sees_anybody_in_between(inside):
    await inside.save(GLOBEX, an_entity("ent-1", "hours", name="E3"))
    await inside.submit(GLOBEX, a_bundle(an_entity("ent-3", name="E3")), default_strategy=REPLACE)
    store = Troubled(inside.sql)

    job = await run_with(inside, store)

    assert (job.state, store.count) == (ImportState.SUCCEEDED, 1)


async def test_a_tenant_that_keeps_moving_is_left_alone(inside):
    await inside.save(GLOBEX, an_entity("ent-1", "hours", name="E3"))
    submitted = await inside.submit(GLOBEX, BIG, default_strategy=REPLACE)
    saves = []

    async def save():
        saves.append(1)
        inside.caller = BEN
        await inside.save(GLOBEX, an_entity("ent-1", f"minutes{len(saves)}", name="E3"))

    job = await run_with(inside, Restless(inside.sql, before=save))

    heads = await inside.heads(GLOBEX)
    assert (job.state, job.failure.code, job.failure.status) == (ImportState.FAILED, ErrorCode.PLAN_STALE.wire, 409)
    assert [*heads] == ["E3"]
    assert heads["E3"].revision == 1 + len(saves)
    assert job.failure.details["artifactId"] == "ent-1"
    assert job.failure.details["changedBy"] == "ben@acme.example"
    events = await inside.events(submitted.import_id)
    assert is_whole(events)
    assert [event.kind for event in events].count(EventKind.PROBLEM_FOUND) == 1 + REPLANS_MAX
    assert (await inside.tenant_counts(GLOBEX))["revision"] == 1 + len(saves)


async def test_an_artifact_that_was_deleted_meanwhile_is_created_anew(inside):
    last = await activation_at(inside, ACME)
    await inside.save(GLOBEX, an_entity("ent-1", "hours", name="E3"))
    await inside.submit(GLOBEX, BIG, default_strategy=SKIP)

    async def delete():
        await inside.change(GLOBEX, remove=("ent-1",))

    job = await run_with(inside, Troubled(inside.sql, last, before=delete))

    assert job.outcome["counts"] | {"create": COUNT, "skip": 0} == job.outcome["counts"]
    assert (await inside.heads(GLOBEX))["E3"].artifact_id != "ent-1"


@pytest.mark.parametrize("field", ["status", "name"])
async def test_any_change_counts_as_drift(inside, field):
    last = await activation_at(inside, ACME)
    await inside.save(GLOBEX, an_entity("ent-1", "hours", name="E3"))
    await inside.submit(GLOBEX, BIG, default_strategy=REPLACE)

    async def change():
        if field == "status":
            await inside.change(GLOBEX, archive=("ent-1",))
        else:
            await inside.save(GLOBEX, an_entity("ent-1", "hours", name="Another"))

    job = await run_with(inside, Troubled(inside.sql, last, before=change))

    heads = await inside.heads(GLOBEX)
    assert job.state is ImportState.SUCCEEDED
    assert heads["E3"].artifact_id == ("ent-1" if field == "status" else heads["E3"].artifact_id)
    assert (heads.get("Another", heads["E3"]).artifact_id, job.outcome["counts"]["update"]) == (
        "ent-1",
        1 if field == "status" else 0,
    )


async def test_a_small_import_that_is_planned_again_tells_its_first_stages_once(inside):
    submitted = await inside.submit(GLOBEX, a_bundle(an_entity("ent-3", name="E3")))

    async def name_taken():
        raise NameTakenError

    job = await run_with(inside, Troubled(inside.sql, 1, inside=name_taken))

    events = await inside.events(submitted.import_id)
    told = [(event.kind, event.progress.stage) for event in events]
    assert job.state is ImportState.SUCCEEDED
    assert is_whole(events)
    assert told.count((EventKind.STAGE_STARTED, Stage.VALIDATION)) == 1
    assert told.count((EventKind.STAGE_STARTED, Stage.ACTIVATION)) == 1
    assert told.count((EventKind.PROBLEM_FOUND, Stage.ACTIVATION)) == 1
    assert told[1:3] == [(EventKind.STAGE_STARTED, Stage.VALIDATION), (EventKind.STAGE_ENDED, Stage.VALIDATION)]
