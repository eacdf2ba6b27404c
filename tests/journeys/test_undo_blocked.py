"""What was built on an import since stands in the way of its undo, is named, and is done with as somebody chooses."""

from __future__ import annotations

import pytest

from domain.errors import ErrorCode, Refusal
from domain.import_model import ImportState
from domain.model import PackageDependency
from domain.undo_order import UndoAsked
from tests.journeys.inside import GLOBEX, REPLACE, SKIP, a_caller
from tests.journeys.trouble import Troubled
from tests.journeys.undoing import DETACH, KEEP, TOO, a_package, blockers, roll_back, state_of, uninstall
from tests.makers import a_bundle, a_form, a_process, an_entity

pytestmark = pytest.mark.rules

FIRST = a_package()
SECOND = a_package("Starter", "1.1.0", "hours", "pay", title="new")
#: it replaces the entity of the first package and brings a process of its own
OTHER = a_bundle(an_entity("ent-5", "other", name="Hours"), a_process("proc-5", name="Flow"), name="Other")


async def edited(inside, name, **members):
    """Change one artifact of globex by hand."""
    tree = (await inside.contents(GLOBEX))[name]
    inside.caller = a_caller("ben")
    await inside.save(GLOBEX, {**tree, **members})
    inside.caller = a_caller()
    return tree


async def test_an_edit_on_top_blocks_the_undo_and_is_named_with_its_author(inside):
    job = await inside.bring(GLOBEX, FIRST)
    await edited(inside, "Sheet", title="mine")
    before = await state_of(inside)

    undo = await roll_back(inside, job.import_id)

    told = blockers(undo)
    assert len(told) == 1
    assert "Sheet was changed since, by ben@acme.example" in told[0]
    assert await state_of(inside) == before


async def test_a_later_import_on_top_blocks_the_undo_and_is_named(inside):
    job = await inside.bring(GLOBEX, FIRST)
    second = await inside.bring(GLOBEX, SECOND, default_strategy=REPLACE)

    undo = await roll_back(inside, job.import_id)

    told = blockers(undo)
    assert len(told) == 2
    assert all(f"the import {second.import_id} of Starter 1.1.0" in text for text in told)


async def test_what_refers_to_an_artifact_that_would_go_blocks_the_undo(inside):
    job = await inside.bring(GLOBEX, FIRST)
    entity = (await inside.heads(GLOBEX))["Hours"].artifact_id
    await inside.save(GLOBEX, a_form("form-9", name="Own sheet", entity=entity))

    undo = await roll_back(inside, job.import_id)

    assert blockers(undo) == ["Own sheet refers to Hours, which would be removed."]
    problem = undo.failure.problems[0]
    assert (problem.artifact_id, problem.details["usedById"]) == (entity, "form-9")


async def test_a_name_that_somebody_took_meanwhile_blocks_the_undo_of_an_undo(inside):
    job = await inside.bring(GLOBEX, FIRST)
    undo = await roll_back(inside, job.import_id)
    await inside.save(GLOBEX, an_entity("ent-9", "own", name="Hours"))

    again = await roll_back(inside, undo.import_id)

    assert blockers(again) == ["Hours cannot come back: ent-9 has that name now."]


async def test_an_installed_package_that_needs_this_one_blocks_its_undo(inside):
    job = await inside.bring(GLOBEX, FIRST)
    needs = (PackageDependency("Starter", "1.0.0"),)
    addition = a_bundle(a_process("proc-5", name="Flow"), name="Addition", package_dependencies=needs)
    other = await inside.bring(GLOBEX, addition)

    undo = await roll_back(inside, job.import_id)

    assert other.state is ImportState.SUCCEEDED
    assert len(blockers(undo)) == 1
    assert blockers(undo)[0].startswith("Addition 1.0.0 is installed and needs Starter")


async def test_a_package_does_not_come_back_without_what_it_needs(inside):
    await inside.bring(GLOBEX, FIRST)
    needs = (PackageDependency("Starter", "1.0.0"),)
    addition = a_bundle(a_process("proc-5", name="Flow"), name="Addition", package_dependencies=needs)
    undo = await roll_back(inside, (await inside.bring(GLOBEX, addition)).import_id)
    await uninstall(inside)

    refused = await roll_back(inside, undo.import_id)
    too = await roll_back(inside, undo.import_id, TOO)
    anyway = await roll_back(inside, undo.import_id, DETACH)

    for one in (refused, too):
        assert blockers(one) == ["Addition 1.0.0 would be installed again and needs Starter >=1.0.0."]
    assert anyway.state is ImportState.SUCCEEDED
    assert set(await inside.heads(GLOBEX)) == {"Flow"}


async def test_all_that_is_in_the_way_is_told_at_once(inside):
    job = await inside.bring(GLOBEX, FIRST)
    await edited(inside, "Sheet", title="mine")
    entity = (await inside.heads(GLOBEX))["Hours"].artifact_id
    await inside.save(GLOBEX, a_form("form-9", name="Own sheet", entity=entity))

    shown = await roll_back(inside, job.import_id, is_dry_run=True)

    assert len(shown.outcome["blockers"]) == 2
    assert {row["code"] for row in shown.outcome["blockers"]} == {ErrorCode.UNDO_BLOCKED.wire}
    listed = await inside.services.undos.blockers(inside.caller, await inside.job(job.import_id))
    assert [one.message for one in listed] == [row["message"] for row in shown.outcome["blockers"]]


async def test_detached_artifacts_stay_as_they_are_with_what_they_need_and_with_their_package(inside):
    job = await inside.bring(GLOBEX, FIRST)
    await edited(inside, "Sheet", title="mine")
    contents, marks, _, _ = await state_of(inside)

    undo = await roll_back(inside, job.import_id, DETACH)

    assert undo.state is ImportState.SUCCEEDED
    left, whose, installed, _ = await state_of(inside)
    # the form was edited, and refers to the entity
    assert (left, whose, installed) == (contents, marks, [])
    assert undo.outcome["artifactsWritten"] == 0


async def test_what_nobody_built_on_goes_although_the_rest_is_detached(inside):
    job = await inside.bring(GLOBEX, FIRST)
    await edited(inside, "Hours", extra="mine")

    await roll_back(inside, job.import_id, DETACH)

    assert set(await inside.heads(GLOBEX)) == {"Hours"}


async def test_artifacts_kept_as_local_stay_and_belong_to_no_package(inside):
    job = await inside.bring(GLOBEX, FIRST)
    await edited(inside, "Sheet", title="mine")
    contents, _, _, _ = await state_of(inside)
    marked = await state_of(inside)

    undo = await roll_back(inside, job.import_id, KEEP)

    left, whose, installed, bases = await state_of(inside)
    assert (left, installed, bases) == (contents, [], [{}])
    assert [mark[1:3] for mark in whose.values()] == [(None, None)] * 2
    await roll_back(inside, undo.import_id)
    assert await state_of(inside) == marked


async def test_later_imports_and_edits_are_taken_back_too_when_that_is_chosen(inside):
    await inside.save(GLOBEX, an_entity("ent-9", "own", name="Hours"))
    before = await state_of(inside)
    first = await inside.bring(GLOBEX, FIRST, default_strategy=REPLACE)
    await edited(inside, "Hours", extra="mine")
    other = await inside.bring(GLOBEX, OTHER, default_strategy=REPLACE)

    undo = await roll_back(inside, first.import_id, TOO)

    assert undo.state is ImportState.SUCCEEDED
    assert await state_of(inside) == before
    assert set(undo.outcome["undoes"]) == {first.import_id, other.import_id}
    standing = await inside.services.undos.standing([await inside.job(other.import_id)])
    assert standing[other.import_id].undone_by == undo.import_id


async def test_an_import_that_needs_what_goes_is_taken_back_too_when_that_is_chosen(inside):
    before = await state_of(inside)
    first = await inside.bring(GLOBEX, FIRST)
    # it leaves the entity that is there, and its form refers to that one
    forms = a_bundle(
        an_entity("ent-5", "x", name="Hours"), a_form("form-5", name="Other sheet", entity="ent-5"), name="Other"
    )
    other = await inside.bring(GLOBEX, forms, default_strategy=SKIP)

    refused = await roll_back(inside, first.import_id)
    undo = await roll_back(inside, first.import_id, TOO)

    assert "Other sheet, which came with Other 1.0.0, refers to Hours" in blockers(refused)[0]
    assert set(undo.outcome["undoes"]) == {first.import_id, other.import_id}
    assert await state_of(inside) == before


async def test_somebodys_own_artifact_that_needs_what_goes_is_never_taken_back(inside):
    first = await inside.bring(GLOBEX, FIRST)
    entity = (await inside.heads(GLOBEX))["Hours"].artifact_id
    await inside.save(GLOBEX, a_form("form-9", name="Own sheet", entity=entity))

    undo = await roll_back(inside, first.import_id, TOO)

    assert blockers(undo) == ["Own sheet refers to Hours, which would be removed."]


async def test_uninstalling_takes_back_every_version_that_a_package_brought(inside):
    await inside.save(GLOBEX, an_entity("ent-9", "own", name="Hours"))
    before = await state_of(inside)
    first = await inside.bring(GLOBEX, FIRST, default_strategy=REPLACE)
    second = await inside.bring(GLOBEX, SECOND, default_strategy=REPLACE)
    after = await state_of(inside)

    undo = await uninstall(inside)

    assert undo.state is ImportState.SUCCEEDED
    assert await state_of(inside) == before
    assert undo.outcome["undoes"] == [first.import_id, second.import_id]
    await roll_back(inside, undo.import_id)
    assert await state_of(inside) == after


async def test_an_edit_between_two_versions_blocks_the_uninstall(inside):
    await inside.bring(GLOBEX, FIRST)
    await edited(inside, "Hours", extra="mine")
    await inside.bring(GLOBEX, SECOND, default_strategy=REPLACE)

    undo = await uninstall(inside)

    assert ["ben@acme.example" in text for text in blockers(undo)] == [True]


async def test_only_what_is_in_effect_is_uninstalled(inside):
    first = await inside.bring(GLOBEX, FIRST)
    await roll_back(inside, first.import_id)
    second = await inside.bring(GLOBEX, SECOND)

    undo = await uninstall(inside)

    assert undo.outcome["undoes"] == [second.import_id]
    assert await inside.heads(GLOBEX) == {}


async def test_a_package_of_the_same_name_from_elsewhere_stays(inside):
    await inside.bring(GLOBEX, FIRST)
    away = a_bundle(a_process("proc-5", name="Flow"), tenant_id="elsewhere")
    await inside.bring(GLOBEX, away)
    undos = inside.services.undos

    with pytest.raises(Refusal, match="Several packages") as caught:
        await uninstall(inside)
    await undos.uninstall(inside.caller, GLOBEX, "starter", UndoAsked(), source="elsewhere")
    await inside.run_next()

    assert caught.value.details["sources"] == ["elsewhere", "tenant-source"]
    assert set(await inside.heads(GLOBEX)) == {"Hours", "Sheet"}


async def test_what_is_not_installed_cannot_be_uninstalled(inside):
    first = await inside.bring(GLOBEX, FIRST)
    await roll_back(inside, first.import_id)

    with pytest.raises(Refusal, match="not installed") as caught:
        await uninstall(inside)

    assert caught.value.code is ErrorCode.NOT_FOUND


async def test_somebody_who_refers_to_what_goes_while_the_undo_runs_is_seen(inside):
    job = await inside.bring(GLOBEX, FIRST)
    entity = (await inside.heads(GLOBEX))["Hours"].artifact_id

    async def referring():
        await inside.save(GLOBEX, a_form("form-9", name="Own sheet", entity=entity))

    submitted = await inside.services.undos.roll_back(inside.caller, job.import_id, None, UndoAsked())
    store = Troubled(inside.sql, 4, before=referring)
    await inside.over(store).services.importer.run(await inside.claim())

    undo = await inside.job(submitted.import_id)
    assert store.count > 4
    assert blockers(undo) == ["Own sheet refers to Hours, which would be removed."]
    assert set(await inside.heads(GLOBEX)) == {"Hours", "Own sheet", "Sheet"}


async def test_what_led_nowhere_before_an_import_leads_nowhere_after_its_undo(inside):
    await inside.save(GLOBEX, a_form("form-9", name="Sheet", entity="ent-never"))
    before = await state_of(inside)
    job = await inside.bring(GLOBEX, FIRST, default_strategy=REPLACE)

    undo = await roll_back(inside, job.import_id)

    assert undo.state is ImportState.SUCCEEDED
    assert await state_of(inside) == before
