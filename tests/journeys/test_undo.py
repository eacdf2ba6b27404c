"""Imports are taken back: what was there before is there again, with all that was known of it."""

from __future__ import annotations

import pytest

from domain.errors import ErrorCode, Refusal
from domain.holding import BATCH_REVISIONS
from domain.import_model import ImportKind, ImportMode, ImportState
from domain.model import ArtifactStatus
from domain.undo_order import UndoAsked
from tests.journeys.inside import ACME, GLOBEX, MERGE, REPLACE, SKIP, a_caller, is_whole, written_to
from tests.journeys.trouble import KilledError, Troubled, killed
from tests.journeys.undoing import a_package, roll_back, state_of
from tests.makers import a_bundle, a_form, an_entity

FIRST = a_package()
SECOND = a_package("Starter", "2.0.0", "hours", "pay", title="new")
MANY = a_bundle(*[an_entity(f"ent-{n}", name=f"E{n}") for n in range(BATCH_REVISIONS + 10)])


async def test_an_undo_takes_away_what_the_import_made_and_says_so(inside):
    before = await state_of(inside)
    job = await inside.bring(GLOBEX, FIRST)

    undo = await roll_back(inside, job.import_id, reason="the wrong tenant")

    entries = {entry.action: entry for entry in await inside.services.records.audit(inside.caller, undo)}
    told = entries["import.undone"].details
    assert (undo.state, undo.kind, undo.package_name) == (ImportState.SUCCEEDED, ImportKind.ROLLBACK, "Starter")
    assert await state_of(inside) == before
    assert is_whole(await inside.events(undo.import_id))
    assert (undo.outcome["undoes"], undo.outcome["idRemapTable"]) == ([job.import_id], {})
    assert [row["name"] for row in undo.outcome["removed"]] == ["Hours", "Sheet"]
    assert (told["undoes"], told["reason"]) == ([job.import_id], "the wrong tenant")


async def test_an_undo_brings_back_what_the_import_replaced_and_leaves_it_nobodys_package(inside):
    await inside.save(GLOBEX, an_entity("ent-9", "own", name="Hours"))
    before = await state_of(inside)
    job = await inside.bring(GLOBEX, FIRST, default_strategy=REPLACE)

    undo = await roll_back(inside, job.import_id)

    head = (await inside.heads(GLOBEX))["Hours"]
    assert undo.state is ImportState.SUCCEEDED
    assert await state_of(inside) == before
    assert (head.revision, head.origin) == (3, None)


async def test_the_undo_of_a_second_version_brings_the_first_back_with_the_base_of_its_merges(inside):
    await inside.bring(GLOBEX, FIRST)
    before = await state_of(inside)
    second = await inside.bring(GLOBEX, SECOND, default_strategy=REPLACE, allow_major_version_upgrade=True)

    await roll_back(inside, second.import_id)

    assert await state_of(inside) == before


async def test_what_somebody_changed_between_two_imports_is_still_changed_when_the_second_is_taken_back(inside):
    await inside.bring(GLOBEX, FIRST)
    entity = (await inside.heads(GLOBEX))["Hours"]
    await inside.save(GLOBEX, an_entity(entity.artifact_id, "hours", "own", name="Hours"))
    before = await state_of(inside)
    second = await inside.bring(
        GLOBEX, SECOND, default_strategy=MERGE, merge_fallback=REPLACE, allow_major_version_upgrade=True
    )

    await roll_back(inside, second.import_id)

    assert await state_of(inside) == before


async def test_the_undo_of_an_undo_brings_the_import_back_and_then_it_can_be_undone_again(inside):
    before = await state_of(inside)
    job = await inside.bring(GLOBEX, FIRST)
    after = await state_of(inside)

    first = await roll_back(inside, job.import_id)
    states = [await state_of(inside)]
    for undone in (first.import_id, job.import_id):
        await roll_back(inside, undone)
        states.append(await state_of(inside))

    assert states == [before, after, before]


async def test_an_undo_of_the_undo_of_an_undo_takes_it_away_again(inside):
    before = await state_of(inside)
    last = await inside.bring(GLOBEX, FIRST)
    after = await state_of(inside)

    states = []
    for _ in range(4):
        last = await roll_back(inside, last.import_id)
        states.append(await state_of(inside))

    assert states == [before, after, before, after]


async def test_two_artifacts_that_swapped_their_names_get_them_back(inside):
    await inside.bring(GLOBEX, a_bundle(an_entity("ent-1", "a", name="One"), an_entity("ent-2", "b", name="Two")))
    before = await state_of(inside)
    ids = {name: head.artifact_id for name, head in (await inside.heads(GLOBEX)).items()}
    swapped = a_bundle(an_entity("ent-1", "a", name="Two"), an_entity("ent-2", "b", name="One"), version="1.1.0")
    job = await inside.bring(GLOBEX, swapped, default_strategy=REPLACE)
    assert {name: head.artifact_id for name, head in (await inside.heads(GLOBEX)).items()} != ids

    await roll_back(inside, job.import_id)

    assert await state_of(inside) == before


async def test_what_an_import_left_alone_or_found_the_same_is_not_touched_by_its_undo(inside):
    await inside.bring(GLOBEX, FIRST)
    before = await state_of(inside)
    same = await inside.bring(GLOBEX, FIRST)
    counts = await inside.tenant_counts(GLOBEX)

    undo = await roll_back(inside, same.import_id)

    assert undo.outcome["artifactsWritten"] == 0
    assert await state_of(inside) == before
    assert await inside.tenant_counts(GLOBEX) == counts


async def test_a_dry_run_of_an_undo_shows_what_it_would_do_and_writes_nothing(inside):
    job = await inside.bring(GLOBEX, FIRST)
    before = await state_of(inside)
    rows = await inside.row_counts()

    shown = await roll_back(inside, job.import_id, is_dry_run=True)

    actions = [(row["artifactName"], row["action"]) for row in shown.outcome["actions"]]
    assert (shown.mode, shown.state) == (ImportMode.PLAN, ImportState.SUCCEEDED)
    assert actions == [("Hours", "REMOVE"), ("Sheet", "REMOVE")]
    assert await state_of(inside) == before
    assert written_to(rows, await inside.row_counts()) <= {"audit", "import_event", "import_job", "plan", "plan_action"}


async def test_an_import_is_taken_back_once(inside):
    job = await inside.bring(GLOBEX, FIRST)
    undo = await roll_back(inside, job.import_id)

    again = await inside.services.undos.roll_back(inside.caller, job.import_id, None, UndoAsked())

    assert again.import_id == undo.import_id
    assert await inside.claim() is None


async def test_two_undos_of_one_import_that_were_asked_for_at_once_take_it_back_once(inside):
    job = await inside.bring(GLOBEX, FIRST)
    for _ in range(2):
        await inside.services.undos.roll_back(inside.caller, job.import_id, None, UndoAsked())

    first, second = [await inside.run_next() for _ in range(2)]

    assert [one.state for one in (first, second)] == [ImportState.SUCCEEDED] * 2
    assert (first.outcome["artifactsWritten"], second.outcome["artifactsWritten"]) == (2, 0)
    assert second.outcome["undoes"] == []
    assert (await inside.events(second.import_id))[-1].message == "Starter had been taken back already."


@pytest.mark.parametrize("how", ["failed", "a dry run", "cancelled", "waiting"])
async def test_what_never_succeeded_cannot_be_taken_back(inside, how):
    if how == "failed":
        job = await inside.bring(GLOBEX, b"no ZIP")
    elif how == "a dry run":
        job = await inside.bring(GLOBEX, FIRST, dry_run=True)
    else:
        await inside.save(GLOBEX, an_entity("ent-9", "own", name="Hours"))
        job = await inside.bring(GLOBEX, FIRST)
        if how == "cancelled":
            await inside.services.line.cancel(inside.caller, job.import_id, None)

    with pytest.raises(Refusal) as caught:
        await inside.services.undos.roll_back(inside.caller, job.import_id, None, UndoAsked())

    assert caught.value.code is ErrorCode.BAD_USER_INPUT


async def test_an_undo_needs_its_right_and_no_other_and_reaches_no_other_tenant(inside):
    job = await inside.bring(GLOBEX, FIRST)
    undos = inside.services.undos
    mine = {"tenants": frozenset({GLOBEX})}
    stranger = a_caller("eve", tenants=frozenset({ACME}), scopes=frozenset({"installhub:rollback"}))
    reader = a_caller("rita", scopes=frozenset({"installhub:read"}), **mine)

    with pytest.raises(Refusal) as foreign:
        await undos.roll_back(stranger, job.import_id, stranger.reach, UndoAsked())
    with pytest.raises(Refusal) as unable:
        await undos.roll_back(reader, job.import_id, reader.reach, UndoAsked())
    keeper = a_caller("kim", scopes=frozenset({"installhub:rollback"}), **mine)
    submitted = await undos.roll_back(keeper, job.import_id, keeper.reach, UndoAsked())

    assert (foreign.value.code, unable.value.code) == (ErrorCode.NOT_FOUND, ErrorCode.INSUFFICIENT_PERMISSION)
    assert (submitted.state, submitted.kind) == (ImportState.QUEUED, ImportKind.ROLLBACK)
    cancelled = await inside.services.line.cancel(keeper, submitted.import_id, keeper.reach)
    assert cancelled.state is ImportState.CANCELLED


async def test_an_undo_goes_to_the_head_of_its_tenants_line(inside):
    job = await inside.bring(GLOBEX, FIRST)
    waiting = await inside.submit(GLOBEX, SECOND)
    undo = await inside.services.undos.roll_back(inside.caller, job.import_id, None, UndoAsked())

    order = [await inside.run_next() for _ in range(2)]

    assert [one.import_id for one in order] == [undo.import_id, waiting.import_id]


async def test_an_undo_that_was_blocked_is_tried_again_once_nothing_is_in_its_way(inside):
    job = await inside.bring(GLOBEX, FIRST)
    sheet = (await inside.contents(GLOBEX))["Sheet"]
    await inside.save(GLOBEX, {**sheet, "title": "edited"})
    blocked = await roll_back(inside, job.import_id)
    await inside.change(GLOBEX, remove=(sheet["id"],))

    again = await inside.services.line.retry(inside.caller, blocked.import_id, None)
    ended = await inside.run_next()

    assert (again.kind, again.retry_of) == (ImportKind.ROLLBACK, blocked.import_id)
    assert (blocked.state, ended.state) == (ImportState.FAILED, ImportState.SUCCEEDED)
    assert await inside.heads(GLOBEX) == {}


async def test_with_an_idempotency_key_an_undo_is_asked_for_once(inside):
    job = await inside.bring(GLOBEX, FIRST)
    undos = inside.services.undos

    first = await undos.roll_back(inside.caller, job.import_id, None, UndoAsked(), key="k")
    second = await undos.roll_back(inside.caller, job.import_id, None, UndoAsked(), key="k")
    with pytest.raises(Refusal) as caught:
        await undos.roll_back(inside.caller, job.import_id, None, UndoAsked(reason="other"), key="k")

    assert first.import_id == second.import_id
    assert caught.value.code is ErrorCode.IDEMPOTENCY_KEY_REUSED


async def test_what_can_be_said_of_an_undo_stands_with_every_import(inside):
    job = await inside.bring(GLOBEX, FIRST)
    undos = inside.services.undos
    before = (await undos.standing([job]))[job.import_id]
    undo = await roll_back(inside, job.import_id)

    found = await undos.standing([await inside.job(job.import_id), undo])

    assert (before.is_possible, before.undone_by) == (True, None)
    assert (before.possible_until - job.ended_at).days == 400
    assert (found[job.import_id].is_possible, found[job.import_id].undone_by) == (False, undo.import_id)
    assert (found[undo.import_id].is_possible, found[undo.import_id].undoes) == (True, (job.import_id,))


async def test_an_artifact_that_was_removed_by_an_undo_keeps_its_history(inside):
    job = await inside.bring(GLOBEX, FIRST)
    artifact_id = (await inside.heads(GLOBEX))["Hours"].artifact_id

    undo = await roll_back(inside, job.import_id)

    async with inside.sql.platform_view() as unit:
        histories = await unit.batches.revisions(GLOBEX, [artifact_id], first=9, before=None)
    told = [(one.number, one.status, one.import_id) for one in histories[artifact_id].items]
    assert told == [
        (2, ArtifactStatus.DELETED, undo.import_id),
        (1, ArtifactStatus.PUBLISHED, job.import_id),
    ]


@pytest.mark.parametrize("where", ["before", "inside", "after"])
async def test_an_undo_that_dies_at_any_commit_is_taken_up_and_comes_to_the_same_end(inside, where):
    await inside.save(GLOBEX, an_entity("ent-9", "own", name="E7"))
    before = await state_of(inside)
    job = await inside.bring(GLOBEX, MANY, default_strategy=REPLACE)
    after = await state_of(inside)
    at, ended = 0, False
    while not ended:
        at += 1
        submitted = await inside.services.undos.roll_back(inside.caller, job.import_id, None, UndoAsked())
        dying = inside.over(store := Troubled(inside.sql, at, **{where: killed}))
        try:
            await dying.services.importer.run(await inside.claim())
        except KilledError:
            if not (await inside.job(submitted.import_id)).state.is_final:
                assert await state_of(inside) == after
                await inside.services.upkeep.requeue_lost(all_running=True)
                await inside.run_next()
        ended = store.count < at
        undo = await inside.job(submitted.import_id)
        assert (undo.state, await state_of(inside)) == (ImportState.SUCCEEDED, before)
        assert is_whole(await inside.events(undo.import_id))
        await roll_back(inside, undo.import_id)
        assert await state_of(inside) == after

    assert at > 4


async def test_an_import_that_skipped_everything_can_be_taken_back_too(inside):
    await inside.save(GLOBEX, an_entity("ent-9", "own", name="Hours"), a_form("form-9", name="Sheet"))
    before = await state_of(inside)
    job = await inside.bring(GLOBEX, FIRST, default_strategy=SKIP)

    undo = await roll_back(inside, job.import_id)

    assert undo.state is ImportState.SUCCEEDED
    assert await state_of(inside) == before
