"""A plan is a contract: applied once and as it was shown, agreed to by others, refused when it holds no more."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import update

from domain.access import Right
from domain.artifact_types import ArtifactType
from domain.errors import ErrorCode, Refusal
from domain.import_model import ImportMode, ImportState
from domain.model import ArtifactStatus
from domain.plan_model import ActionKind, PlanState
from domain.undo_order import UndoAsked
from storage.tables import tenant as tenants
from tests.journeys.inside import ACME, GLOBEX, MERGE, REPLACE, SKIP, a_caller, codes, visible
from tests.journeys.trouble import Troubled
from tests.makers import a_bundle, a_form, a_rule_set, a_suite, an_entity

BEN, CLARA = a_caller("ben"), a_caller("clara")


async def planned(inside, package, tenant=GLOBEX, **options):
    """The plan that a dry run made."""
    job = await inside.bring(tenant, package, dry_run=True, **options)
    assert job.state is ImportState.SUCCEEDED, job.failure
    return await plan_of(inside, job.plan_id)


async def plan_of(inside, plan_id):
    return await inside.services.records.plan(inside.caller, plan_id, None)


async def actions(inside, made):
    page = await inside.services.records.actions(inside.caller, made, first=100)
    return {action.source_id: action for action in page.items}


async def applied(inside, made, **asked):
    """The import that applies the plan, once it has ended."""
    submitted = await inside.services.plans.apply(inside.caller, made.plan_id, None, **asked)
    job = await inside.run_next()
    assert job.import_id == submitted.import_id
    return job


async def run_applied(inside, store, made):
    """The import that applies the plan, run over another store."""
    await inside.services.plans.apply(inside.caller, made.plan_id, None)
    job = await inside.claim()
    await inside.over(store).services.importer.run(job)
    return await inside.job(job.import_id)


async def refused(work):
    with pytest.raises(Refusal) as caught:
        await work
    return caught.value


async def state_of(inside, made):
    found = await plan_of(inside, made.plan_id)
    return (await inside.services.plan_views.standing(inside.caller, found)).state


async def demand_approvals(inside, count, tenant=GLOBEX):
    async with inside.sql._engines.writer.begin() as connection:
        await connection.execute(update(tenants).where(tenants.c.tenant_id == tenant).values(approvals_needed=count))


async def test_a_plan_is_applied_exactly_as_it_was_shown(inside, package):
    await inside.save(GLOBEX, a_form("form-9", name="AtlasForm 2005"))
    made = await planned(inside, package, default_strategy=REPLACE)
    shown = await actions(inside, made)

    job = await applied(inside, made)

    done = await actions(inside, await plan_of(inside, job.plan_id))
    told = {source_id: (action.kind, action.target_id) for source_id, action in shown.items()}
    assert job.state is ImportState.SUCCEEDED, job.failure
    assert {source_id: (action.kind, action.target_id) for source_id, action in done.items()} == told
    assert job.outcome["idRemapTable"] == {source_id: target for source_id, (_, target) in told.items()}
    assert job.outcome["planHash"] == made.plan_hash
    assert (await plan_of(inside, made.plan_id)).applied_by == job.import_id


async def test_a_plan_applied_again_answers_the_same_import_even_when_it_is_too_old(inside, package):
    made = await planned(inside, package)
    first = await applied(inside, made)
    inside.clock.advance(timedelta(days=30))

    again = await inside.services.plans.apply(BEN, made.plan_id, None)

    assert again.import_id == first.import_id
    assert await inside.claim() is None


async def test_two_who_apply_a_plan_at_once_get_one_import(inside, package):
    made = await planned(inside, package)

    jobs = await asyncio.gather(
        *(inside.services.plans.apply(caller, made.plan_id, None) for caller in (BEN, CLARA, inside.caller))
    )

    assert len({job.import_id for job in jobs}) == 1
    await inside.run_next()
    assert await inside.claim() is None


async def test_what_changes_outside_of_its_preconditions_does_not_touch_a_plan(inside, package):
    await inside.save(GLOBEX, a_form("form-9", name="AtlasForm 2005"), an_entity("ent-9", name="Another"))
    made = await planned(inside, package, default_strategy=SKIP)
    await inside.save(
        GLOBEX, a_form("form-9", name="AtlasForm 2005", title="new"), an_entity("ent-9", "x", name="Another")
    )

    job = await applied(inside, made)

    assert (job.state, job.outcome["planHash"]) == (ImportState.SUCCEEDED, made.plan_hash)


async def test_a_plan_that_moved_names_artifact_editor_revision_and_places_and_offers_a_new_one(inside, package):
    await inside.save(GLOBEX, a_form("form-9", name="AtlasForm 2005"))
    made = await planned(inside, package, default_strategy=REPLACE)
    inside.caller = BEN
    await inside.save(GLOBEX, a_form("form-9", name="AtlasForm 2005", title="new"))
    before = await inside.contents(GLOBEX)

    refusal = await refused(inside.services.plans.apply(CLARA, made.plan_id, None))

    (problem,) = refusal.problems
    assert (refusal.code, refusal.status, problem.artifact_id) == (ErrorCode.PLAN_STALE, 409, "form-9")
    assert problem.details["changedBy"] == "ben@acme.example"
    assert (problem.details["revision"], problem.details["pointers"]) == (2, ["/title"])
    assert await inside.contents(GLOBEX) == before
    assert await state_of(inside, made) is PlanState.STALE
    made_anew = await inside.run_next()
    assert (made_anew.mode, made_anew.plan_id) == (ImportMode.PLAN, refusal.details["newPlanId"])
    job = await applied(inside, await plan_of(inside, refusal.details["newPlanId"]))
    assert job.state is ImportState.SUCCEEDED


async def test_a_plan_that_moves_between_submission_and_run_writes_nothing_and_offers_the_new_one(inside, package):
    await inside.save(GLOBEX, a_form("form-9", name="AtlasForm 2005"))
    made = await planned(inside, package, default_strategy=REPLACE)
    submitted = await inside.services.plans.apply(inside.caller, made.plan_id, None)
    await inside.save(GLOBEX, a_form("form-9", name="AtlasForm 2005", title="new"))
    before, rows = await inside.contents(GLOBEX), await inside.tenant_counts(GLOBEX)

    stale = await inside.run_next()

    assert (stale.import_id, codes(stale)) == (submitted.import_id, {ErrorCode.PLAN_STALE})
    assert stale.failure.problems[0].details["pointers"] == ["/title"]
    assert (await inside.contents(GLOBEX), await inside.tenant_counts(GLOBEX)) == (before, rows)
    offered = await plan_of(inside, stale.failure.details["newPlanId"])
    assert await state_of(inside, offered) is PlanState.READY
    job = await applied(inside, offered)
    assert job.state is ImportState.SUCCEEDED
    assert job.outcome["idRemapTable"] == {
        source_id: action.target_id for source_id, action in (await actions(inside, offered)).items()
    }


async def test_a_plan_that_moves_right_before_its_activation_is_not_made_anew_by_itself(inside):
    big = a_bundle(*[an_entity(f"ent-{n}", name=f"E{n}") for n in range(60)])
    counted = Troubled(inside.sql)
    await run_applied(inside, counted, await planned(inside, big, ACME))
    await inside.save(GLOBEX, an_entity("ent-1", "hours", name="E3"))
    made = await planned(inside, big, default_strategy=REPLACE)

    async def save():
        await inside.save(GLOBEX, an_entity("ent-1", "minutes", name="E3"))

    stale = await run_applied(inside, Troubled(inside.sql, counted.count, before=save), made)

    assert (stale.state, codes(stale)) == (ImportState.FAILED, {ErrorCode.PLAN_STALE})
    assert stale.failure.details["newPlanId"] == stale.plan_id
    assert (await inside.heads(GLOBEX)).keys() == {"E3"}
    assert (await inside.tenant_counts(GLOBEX))["revision"] == 2


async def test_another_installed_version_of_the_package_is_drift(inside, package):
    made = await planned(inside, package, default_strategy=REPLACE)
    later = (await inside.export(ACME, "ent-44", version="1.1.0")).package
    await inside.bring(GLOBEX, later, default_strategy=REPLACE)

    refusal = await refused(inside.services.plans.apply(inside.caller, made.plan_id, None))

    told = next(problem for problem in refusal.problems if "planned" in problem.details)
    assert refusal.code is ErrorCode.PLAN_STALE
    assert (told.details["planned"], told.details["installed"]) == ([], [f"1.1.0 {ACME}"])
    assert await state_of(inside, made) is PlanState.STALE


async def test_a_name_that_was_taken_meanwhile_is_drift(inside, package):
    made = await planned(inside, package)
    await inside.save(GLOBEX, an_entity("ent-7", name="EntitySchema 44"))

    refusal = await refused(inside.services.plans.apply(inside.caller, made.plan_id, None))

    assert [problem.artifact_id for problem in refusal.problems] == ["ent-7"]


async def test_a_plan_lives_for_days_and_then_is_gone(inside, package):
    made = await planned(inside, package)
    inside.clock.advance(timedelta(days=7, seconds=1))
    before = await inside.row_counts()

    found = [
        await refused(inside.services.plans.apply(inside.caller, made.plan_id, None)),
        await refused(inside.services.plans.approve(BEN, made.plan_id, made.plan_hash, None)),
        await refused(inside.services.plans.fix(inside.caller, made.plan_id, "fix-1", None)),
    ]

    assert [(refusal.code, refusal.status) for refusal in found] == [(ErrorCode.PLAN_EXPIRED, 410)] * 3
    assert await state_of(inside, made) is PlanState.EXPIRED
    assert await inside.row_counts() == before


async def test_a_blocked_plan_is_refused_with_all_that_blocks_it(inside, package):
    await inside.save(GLOBEX, *a_suite())
    await inside.save(
        GLOBEX, an_entity("ent-44", "other"), a_rule_set("rule-305", "ent-44", "ent-44"), status=ArtifactStatus.LOCKED
    )
    made = await planned(inside, package, default_strategy=REPLACE)

    refusal = await refused(inside.services.plans.apply(inside.caller, made.plan_id, None))

    assert refusal.code is ErrorCode.ARTIFACT_LOCKED
    assert {problem.artifact_id for problem in refusal.problems} == {"ent-44", "rule-305"}
    assert await state_of(inside, made) is PlanState.BLOCKED


async def test_a_plan_with_open_conflicts_waits_for_decisions(inside, package):
    await inside.save(GLOBEX, a_form("form-9", name="AtlasForm 2005"))
    made = await planned(inside, package)

    refusal = await refused(inside.services.plans.apply(inside.caller, made.plan_id, None))

    assert (refusal.code, refusal.status) == (ErrorCode.CONFLICT_REQUIRES_RESOLUTION, 409)
    assert [problem.details["conflictId"] for problem in refusal.problems] == ["conf-001"]
    assert await state_of(inside, made) is PlanState.NEEDS_DECISIONS


async def test_a_plan_whose_package_is_no_longer_kept_is_refused(inside, package):
    made = await planned(inside, package)
    await inside.blobs.delete(package.blob_key)

    refusal = await refused(inside.services.plans.apply(inside.caller, made.plan_id, None))

    assert (refusal.code, refusal.status) == (ErrorCode.BUNDLE_EXPIRED, 410)


async def test_a_package_that_is_sent_along_is_the_planned_one_or_refused(inside, package):
    made = await planned(inside, package)

    refusal = await refused(inside.services.plans.apply(inside.caller, made.plan_id, None, sha256="0" * 64))
    job = await applied(inside, made, sha256=package.bundle_sha256)

    assert (refusal.code, refusal.problems[0].where) == (ErrorCode.BAD_USER_INPUT, "planId")
    assert job.state is ImportState.SUCCEEDED


async def test_a_plan_of_another_tenant_is_unknown_to_everything(inside, package):
    made = await planned(inside, package)
    stranger = a_caller("eve", tenants=frozenset({ACME}), scopes=frozenset({"installhub:admin"}))
    plans = inside.services.plans

    found = [
        await refused(work(stranger, plan_id, *rest, stranger.reach))
        for plan_id in (made.plan_id, "plan-nobody")
        for work, rest in ((plans.apply, ()), (plans.approve, (made.plan_hash,)), (plans.fix, ("fix-1",)))
    ]

    assert {(refusal.code, refusal.message) for refusal in found} == {(ErrorCode.NOT_FOUND, "There is no such plan.")}


async def test_whoever_applies_a_plan_needs_what_its_options_need(inside, package):
    made = await planned(inside, package, allow_major_version_upgrade=True)
    plain = replace(BEN, scopes=frozenset({"installhub:import", "installhub:export"}))
    reader = replace(BEN, scopes=frozenset({"installhub:read"}))

    found = [await refused(inside.services.plans.apply(one, made.plan_id, None)) for one in (plain, reader)]

    required = [refusal.details["required"] for refusal in found]
    assert required == [Right.OVERRIDE_MAJOR.scopes[0], Right.IMPORT.scopes[0]]


async def test_a_failed_import_of_a_plan_is_tried_again_and_stays_the_one_that_applies_it(inside, package):
    made = await planned(inside, package)
    first = await inside.services.plans.apply(inside.caller, made.plan_id, None)
    await inside.services.line.cancel(inside.caller, first.import_id, None)

    again = await inside.services.line.retry(inside.caller, first.import_id, None)
    job = await inside.run_next()

    assert (job.import_id, job.state) == (again.import_id, ImportState.SUCCEEDED)
    assert job.outcome["planHash"] == made.plan_hash
    assert (await inside.services.plans.apply(BEN, made.plan_id, None)).import_id == again.import_id


async def test_an_import_that_plans_for_itself_is_the_one_that_applies_its_plan(inside, package):
    job = await inside.bring(GLOBEX, package)

    again = await inside.services.plans.apply(BEN, job.plan_id, None)

    assert again.import_id == job.import_id
    assert await state_of(inside, await plan_of(inside, job.plan_id)) is PlanState.APPLIED


async def test_in_a_tenant_that_asks_for_approvals_only_an_approved_plan_is_applied(inside, package):
    await demand_approvals(inside, 2)
    direct = await refused(inside.submit(GLOBEX, package))
    made = await planned(inside, package)
    early = await refused(inside.services.plans.apply(inside.caller, made.plan_id, None))
    states = [await state_of(inside, made)]
    for approver in (BEN, BEN, CLARA):
        await inside.services.plans.approve(approver, made.plan_id, made.plan_hash, None)
        states.append(await state_of(inside, made))

    job = await applied(inside, made)

    assert direct.code is early.code is ErrorCode.APPROVAL_REQUIRED
    assert (early.details["planId"], early.details["approvals"], early.details["needed"]) == (made.plan_id, 0, 2)
    assert states == [PlanState.NEEDS_APPROVAL] * 3 + [PlanState.READY]
    assert job.state is ImportState.SUCCEEDED
    entries = await inside.services.records.audit(inside.caller, await inside.job(made.import_id))
    assert [(entry.action, entry.actor.label) for entry in entries if entry.action == "plan.approved"] == [
        ("plan.approved", "ben@acme.example"),
        ("plan.approved", "clara@acme.example"),
    ]


async def test_a_plan_is_not_approved_by_its_maker_nor_by_another_hash_nor_without_the_right(inside, package):
    made = await planned(inside, package)
    importer = replace(BEN, scopes=frozenset({"installhub:import"}))
    plans = inside.services.plans

    found = [
        await refused(plans.approve(inside.caller, made.plan_id, made.plan_hash, None)),
        await refused(plans.approve(importer, made.plan_id, made.plan_hash, None)),
        await refused(plans.approve(BEN, made.plan_id, "sha256:" + "0" * 64, None)),
    ]
    await applied(inside, made)
    found.append(await refused(plans.approve(BEN, made.plan_id, made.plan_hash, None)))

    assert [refusal.status for refusal in found] == [403, 403, 400, 409]
    assert {refusal.details["required"] for refusal in found[:2]} == {"installhub:approve"}
    standing = await inside.services.plan_views.standing(inside.caller, await plan_of(inside, made.plan_id))
    assert standing.approvals == ()


async def test_what_a_plan_means_for_others_is_told(inside, package):
    other = (await inside.export(ACME, "rule-305", package_name="Rules")).package
    await inside.bring(GLOBEX, other)
    rules = next(head for head in (await inside.heads(GLOBEX)).values() if head.name == "RuleSet 305")
    await inside.save(GLOBEX, a_form("form-8", name="Mine", rules=rules.artifact_id))
    await inside.save(ACME, a_rule_set("rule-305", "ent-44", "ent-44"))
    later = (await inside.export(ACME, "proc-1001", version="1.1.0")).package
    made = await planned(inside, later, default_strategy=REPLACE)

    impact = await inside.services.plan_views.impact(inside.caller, made)

    kinds = {action.name: action.kind for action in (await actions(inside, made)).values()}
    assert kinds["RuleSet 305"] is ActionKind.UPDATE
    assert {action.name for action in impact.activates} == {"AtlasForm 2005", "ProcessDefinition 1001"}
    assert impact.deactivates == ()
    assert [head.name for head in impact.also_used_by] == ["Mine"]
    assert [one.name for one in impact.other_packages] == ["Rules"]
    assert impact.new_powers is None


async def test_what_an_import_brought_is_not_told_among_the_others_it_concerns(inside, package):
    rules = a_bundle(a_rule_set("rule-305"), name="Rules", version="1.0.0")
    await inside.bring(GLOBEX, rules)
    made = await planned(inside, package, default_strategy=REPLACE)

    job = await applied(inside, made)

    impact = await inside.services.plan_views.impact(inside.caller, await plan_of(inside, job.plan_id))
    assert (await actions(inside, made))["rule-305"].kind is ActionKind.UPDATE
    assert impact.also_used_by == ()
    assert [one.name for one in impact.other_packages] == ["Rules"]


async def test_a_package_is_not_another_one_to_its_own_next_version(inside, package):
    await inside.bring(GLOBEX, package)
    await inside.save(ACME, a_rule_set("rule-305", "ent-44", "ent-44"))
    later = (await inside.export(ACME, "proc-1001", version="1.1.0")).package

    made = await planned(inside, later, default_strategy=REPLACE)

    impact = await inside.services.plan_views.impact(inside.caller, made)
    assert (await actions(inside, made))["rule-305"].kind is ActionKind.UPDATE
    assert impact.other_packages == ()


async def test_applying_the_same_package_again_by_plan_writes_no_artifact(inside, package):
    await inside.bring(GLOBEX, package)
    made = await planned(inside, package)
    before, seen = await inside.tenant_counts(GLOBEX), visible(await inside.contents(GLOBEX))

    job = await applied(inside, made)

    assert job.outcome["counts"]["unchanged"] == 4
    assert await inside.tenant_counts(GLOBEX) == before
    assert visible(await inside.contents(GLOBEX)) == seen


async def changes_of(inside, made):
    """What the plan changes, by artifact name: the places, in order."""
    job = await inside.job(made.import_id)
    page = await inside.services.records.actions(inside.caller, made, first=100)
    found = await inside.services.action_changes.among(inside.caller, job, page.items)
    return {one.name: [change.pointer for change in found[one.place].items] for one in page.items if one.place in found}


async def test_what_a_merge_would_change_is_what_it_changes(inside):
    await inside.bring(GLOBEX, a_bundle(an_entity("ent-1", "a", "b", name="E", title="base")))
    (head,) = (await inside.heads(GLOBEX)).values()
    await inside.save(GLOBEX, an_entity(head.artifact_id, "a", "b", "mine", name="E", title="base"))
    later = a_bundle(an_entity("ent-1", "b", "new", name="E", title="later"), version="1.1.0")
    made = await planned(inside, later, default_strategy=MERGE)

    before = await changes_of(inside, made)
    job = await applied(inside, made)

    assert before == await changes_of(inside, await plan_of(inside, job.plan_id))
    assert before["E"] == ["/fields/0", "/fields/2", "/title"]


async def test_what_is_new_or_left_or_gone_changes_no_place_and_a_lost_package_tells_nothing(inside, package):
    await inside.save(GLOBEX, a_form("form-9", name="AtlasForm 2005"), an_entity("ent-9", "x", name="EntitySchema 44"))
    made = await planned(inside, package, default_strategy=REPLACE, strategy_by_type={ArtifactType.ATLAS_FORM: SKIP})

    shown = await changes_of(inside, made)
    await inside.blobs.delete(package.blob_key)
    lost = await changes_of(inside, made)

    assert shown.pop("EntitySchema 44") != []
    assert lost == shown == {name: [] for name in ("RuleSet 305", "AtlasForm 2005", "ProcessDefinition 1001")}


async def test_an_undo_shows_what_comes_back_place_by_place(inside):
    await inside.save(GLOBEX, an_entity("ent-1", "a", name="E", title="mine"))
    job = await inside.bring(
        GLOBEX, a_bundle(an_entity("ent-1", "a", name="E", title="theirs")), default_strategy=REPLACE
    )
    submitted = await inside.services.undos.roll_back(inside.caller, job.import_id, None, UndoAsked(is_dry_run=True))
    await inside.run_next()
    made = await plan_of(inside, submitted.plan_id)

    assert await changes_of(inside, made) == {"E": ["/title"]}
    done = await applied(inside, made)
    assert (done.state, (await inside.contents(GLOBEX))["E"]["title"]) == (ImportState.SUCCEEDED, "mine")
