"""Fixes as data: for every code that can have one, sending it back makes a plan without that problem."""

from __future__ import annotations

from dataclasses import replace

import pytest

from domain.access import OVERRIDE_MAJOR
from domain.errors import ErrorCode
from domain.fixes import fixes_of, open_problem
from domain.import_model import ImportKind
from domain.model import ArtifactStatus
from domain.options import Decision
from domain.plan_model import PlanState
from domain.undo_order import UndoAsked
from tests.journeys.inside import GLOBEX, MERGE, REPLACE, SKIP
from tests.journeys.test_installs import INSTALLER, installed
from tests.journeys.test_plans import applied, plan_of, planned, refused, state_of
from tests.makers import a_bundle, a_rule_set, an_agent, an_artifact, an_entity
from tests.market import published

pytestmark = pytest.mark.rules

LOCKED = ArtifactStatus.LOCKED
WARNED = an_artifact("rule-1", name="Loud", rules=[{"ruleId": "r", "condition": "window.open"}])
TOOLED = an_agent("agent-1", name="A", llmConfig={"model": "m"})


async def fixes(inside, made):
    """All fixes of a plan, by code."""
    page = await inside.services.records.actions(inside.caller, made, first=100, kinds=(None,))
    problems = [*made.blockers, *made.warnings, *map(open_problem, page.items)]
    return {problem.code: fixes_of(problem) for problem in problems if fixes_of(problem)}


async def fixed(inside, made, fix):
    """The plan after a fix."""
    submitted = await inside.services.plans.fix(inside.caller, made.plan_id, fix.fix_id, None)
    job = await inside.run_next()
    assert job.import_id == submitted.import_id
    assert job.failure is None, job.failure
    return await plan_of(inside, job.plan_id)


async def a_downgrade(inside):
    await inside.save(GLOBEX, an_entity("ent-1", "hours", name="E", version="2.0.0"))
    return await planned(inside, a_bundle(an_entity("ent-1", name="E")), default_strategy=REPLACE)


async def a_major_upgrade(inside):
    await inside.bring(GLOBEX, a_bundle(an_entity("ent-1", name="E")))
    return await planned(inside, a_bundle(an_entity("ent-1", name="E"), version="2.0.0"), default_strategy=REPLACE)


async def a_warning(inside):
    return await planned(inside, a_bundle(WARNED))


async def an_unbound(inside):
    return await planned(inside, a_bundle(TOOLED, bindings=[("agent-1", "/llmConfig/credentialId")]))


async def a_locked(inside):
    await inside.save(GLOBEX, an_entity("ent-1", "hours", name="E"), status=LOCKED)
    return await planned(inside, a_bundle(an_entity("ent-1", name="E")), default_strategy=REPLACE)


async def an_open_conflict(inside):
    await inside.save(GLOBEX, an_entity("ent-1", "hours", name="E"))
    return await planned(inside, a_bundle(an_entity("ent-1", name="E")))


async def an_ambiguous_one(inside):
    await inside.bring(GLOBEX, a_bundle(an_entity("ent-1", name="E")))
    (head,) = (await inside.heads(GLOBEX)).values()
    await inside.save(GLOBEX, an_entity(head.artifact_id, "hours", name="Mine"), an_entity("ent-7", "x", name="E"))
    return await planned(inside, a_bundle(an_entity("ent-1", "new", name="E"), version="1.1.0"))


async def a_kept_name(inside):
    """Both names of a package changed places there, and one of the two stays as it is here."""
    await inside.bring(
        GLOBEX, a_bundle(an_entity("ent-1", name="A"), a_rule_set("rule-1", name="R"), an_entity("ent-2", name="B"))
    )
    swapped = a_bundle(
        an_entity("ent-1", name="B"),
        a_rule_set("rule-1", name="R"),
        an_entity("ent-2", "new", name="C"),
        version="1.1.0",
    )
    return await planned(inside, swapped, default_strategy=REPLACE, decisions={"ent-2": Decision(SKIP)})


async def a_clash_of_a_merge(inside):
    await inside.bring(GLOBEX, a_bundle(an_entity("ent-1", name="E", title="base")))
    (head,) = (await inside.heads(GLOBEX)).values()
    await inside.save(GLOBEX, an_entity(head.artifact_id, name="E", title="ours"))
    later = a_bundle(an_entity("ent-1", name="E", title="theirs"), version="1.1.0")
    return await planned(inside, later, default_strategy=MERGE)


async def a_blocked_removal(inside):
    await inside.bring(GLOBEX, a_bundle(an_entity("ent-1", name="E"), an_entity("ent-2", name="F")))
    mine = (await inside.heads(GLOBEX))["F"]
    await inside.save(GLOBEX, an_entity(mine.artifact_id, "hours", name="F"))
    later = a_bundle(an_entity("ent-1", name="E"), version="1.1.0")
    return await planned(inside, later, default_strategy=REPLACE, remove_dropped=True)


CASES = {
    ErrorCode.VERSION_DOWNGRADE_NOT_ALLOWED: a_downgrade,
    ErrorCode.MAJOR_VERSION_UPGRADE_NOT_ALLOWED: a_major_upgrade,
    ErrorCode.ARTIFACT_LOCKED: a_locked,
    ErrorCode.CONFLICT_REQUIRES_RESOLUTION: an_open_conflict,
    ErrorCode.AMBIGUOUS_MATCH: an_ambiguous_one,
    ErrorCode.DUPLICATE_ARTIFACT: a_kept_name,
    ErrorCode.MERGE_CONFLICT: a_clash_of_a_merge,
    ErrorCode.REMOVAL_BLOCKED: a_blocked_removal,
    ErrorCode.SECURITY_WARNINGS_NOT_ALLOWED: a_warning,
    ErrorCode.BINDING_UNRESOLVED: an_unbound,
}


@pytest.mark.parametrize("code", CASES, ids=lambda code: code.wire)
async def test_every_fix_makes_a_plan_without_its_problem_and_that_plan_can_be_applied(inside, code):
    made = await CASES[code](inside)
    before = await inside.contents(GLOBEX)
    offered = (await fixes(inside, made))[code]

    plans = [await fixed(inside, made, fix) for fix in offered]

    assert offered
    for fix, plan in zip(offered, plans, strict=True):
        assert code not in await fixes(inside, plan), fix
        assert await state_of(inside, plan) is PlanState.READY, (fix, plan.blockers)
    assert await inside.contents(GLOBEX) == before
    assert (await applied(inside, plans[0])).failure is None


async def test_a_fix_is_known_by_what_it_does_and_adds_to_what_was_decided_before(inside):
    await inside.save(GLOBEX, an_entity("ent-1", "hours", name="E"), an_entity("ent-2", "hours", name="F"))
    made = await planned(inside, a_bundle(an_entity("ent-1", name="E"), an_entity("ent-2", name="F")))
    first, second = (
        next(fix for fix in fixes_of(open_problem(action)) if "Skip" in str(fix.patch))
        for action in (await inside.services.records.actions(inside.caller, made, first=9)).items
    )

    half = await fixed(inside, made, first)
    whole = await fixed(inside, half, second)

    assert await state_of(inside, half) is PlanState.NEEDS_DECISIONS
    assert await state_of(inside, whole) is PlanState.READY
    assert first.patch == {"decisions": [{"artifactId": "ent-1", "strategy": "Skip"}]}


async def test_a_fix_whose_option_needs_a_right_of_its_own_is_not_for_everybody(inside):
    made = await a_major_upgrade(inside)
    (fix,) = (await fixes(inside, made))[ErrorCode.MAJOR_VERSION_UPGRADE_NOT_ALLOWED]
    plain = replace(inside.caller, scopes=frozenset({"installhub:import"}))

    refusal = await refused(inside.services.plans.fix(plain, made.plan_id, fix.fix_id, None))

    assert refusal.details["required"] == OVERRIDE_MAJOR


async def test_an_unknown_fix_is_unknown(inside):
    made = await an_open_conflict(inside)

    refusal = await refused(inside.services.plans.fix(inside.caller, made.plan_id, "fix-nothing", None))

    assert (refusal.code, refusal.details["what"]) == (ErrorCode.NOT_FOUND, "fix")


async def test_the_same_fix_under_one_key_makes_one_plan(inside):
    made = await an_open_conflict(inside)
    fix = (await fixes(inside, made))[ErrorCode.CONFLICT_REQUIRES_RESOLUTION][0]

    jobs = [await inside.services.plans.fix(inside.caller, made.plan_id, fix.fix_id, None, key="k") for _ in range(2)]

    assert jobs[0].import_id == jobs[1].import_id


async def test_the_plan_of_an_install_is_agreed_to_by_its_fix_and_applied_with_all_that_it_needs(inside):
    await published(inside, name="Core")
    suite = await published(inside, name="Suite", dependencies=[("Core", "1.0.0", None)])
    inside.caller = INSTALLER
    job = await installed(inside, suite, acknowledged=False, dry_run=True)
    made = await plan_of(inside, job.plan_id)
    (agreed,) = (await fixes(inside, made))[ErrorCode.ACKNOWLEDGMENT_REQUIRED]

    early = await refused(inside.services.plans.apply(INSTALLER, made.plan_id, None))
    done = await applied(inside, await fixed(inside, made, agreed))
    stranger = replace(INSTALLER, scopes=frozenset({"installhub:import"}))
    forbidden = await refused(inside.services.plans.apply(stranger, made.plan_id, None))

    assert early.code is ErrorCode.ACKNOWLEDGMENT_REQUIRED
    assert (done.kind, done.outcome["counts"]["create"]) == (ImportKind.INSTALL, 2)
    assert done.outcome["newPowers"]
    assert forbidden.details["required"] == "marketplace:install"


async def test_the_choices_of_a_blocked_undo_are_fixes(inside):
    job = await inside.bring(GLOBEX, a_bundle(an_entity("ent-1", name="E")))
    (head,) = (await inside.heads(GLOBEX)).values()
    await inside.save(GLOBEX, an_entity(head.artifact_id, "mine", name="E"))
    asked = UndoAsked(is_dry_run=True)
    submitted = await inside.services.undos.roll_back(inside.caller, job.import_id, None, asked)
    await inside.run_next()
    made = await plan_of(inside, submitted.plan_id)

    offered = (await fixes(inside, made))[ErrorCode.UNDO_BLOCKED]
    plans = [await fixed(inside, made, fix) for fix in offered]
    states = [await state_of(inside, plan) for plan in plans]
    early = await refused(inside.services.plans.apply(inside.caller, made.plan_id, None))
    done = await applied(inside, plans[-1])

    assert [fix.patch["blockers"] for fix in offered] == ["Detach", "KeepAsLocal", "UndoThoseToo"]
    assert states == [PlanState.READY] * 3
    assert early.code is ErrorCode.UNDO_BLOCKED
    assert (done.kind, await inside.heads(GLOBEX)) == (ImportKind.ROLLBACK, {})
