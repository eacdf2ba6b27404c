"""Conflicts looked at: while they wait, after they were decided, and long after."""

from __future__ import annotations

from datetime import timedelta

import pytest

from domain.conflicts import ConflictOutcome, MergeDetails
from domain.errors import ErrorCode, Refusal
from domain.import_model import ImportState
from domain.model import name_key
from domain.options import Decision
from domain.plan_model import DecisionSource
from storage.imports import SqlImports
from tests.clocks import NOON
from tests.journeys.inside import ACME, GLOBEX, MERGE, REPLACE, ROOT, SKIP, a_caller
from tests.makers import a_bundle, a_form, a_rule_set, a_suite, an_agent, an_entity

pytestmark = pytest.mark.rules

BEN = a_caller("ben")


def rules(*conditions, **members):
    rows = [{"ruleId": f"r{place}", "condition": condition} for place, condition in enumerate(conditions)]
    return a_rule_set("rule-1", name="Rules", rules=rows, **members)


async def audited(inside, import_id):
    return await inside.services.conflicts.audit(inside.caller, import_id, None)


async def differing(inside, import_id, conflict_id="conf-001", **reach):
    return await inside.services.conflicts.diff(inside.caller, import_id, conflict_id, reach.get("reach"))


async def refused(asking):
    with pytest.raises(Refusal) as raised:
        await asking
    return raised.value.code


def told(found):
    return [(one.path, one.kind.value, one.before, one.after) for one in found.changes.items]


async def forget_bundle(inside, job):
    await inside.blobs.delete(job.packages[0].blob_key)


async def test_conflicts_that_wait_were_resolved_by_nobody(inside):
    await inside.save(GLOBEX, rules("old"))
    job = await inside.bring(GLOBEX, a_bundle(rules("new")))

    (found,) = await audited(inside, job.import_id)

    assert job.state is ImportState.WAITING_FOR_DECISIONS
    assert (found.action.strategy, found.resolved_by, found.resolved_at) == (None, None, None)
    assert (found.outcome, found.merge) == (None, None)


async def test_the_audit_names_who_decided_by_hand_and_when(inside):
    await inside.save(GLOBEX, rules("old"), an_entity("ent-1", name="Days"))
    job = await inside.bring(GLOBEX, a_bundle(an_entity("ent-1", "more", name="Days"), rules("new")))
    inside.clock.advance(timedelta(hours=2))
    decisions = {"conf-001": Decision(REPLACE), "conf-002": Decision(SKIP)}
    await inside.services.line.resume(BEN, job.import_id, None, decisions)
    await inside.run_next()

    found = await audited(inside, job.import_id)

    assert [(one.action.conflict_key, one.outcome) for one in found] == [
        ("conf-001", ConflictOutcome.APPLIED),
        ("conf-002", ConflictOutcome.SKIPPED),
    ]
    assert {(one.resolved_by, one.resolved_at) for one in found} == {(BEN.actor, NOON + timedelta(hours=2))}
    assert {one.action.decided_by for one in found} == {DecisionSource.BY_ARTIFACT}


async def test_what_a_strategy_decided_was_decided_by_nobody(inside):
    await inside.save(GLOBEX, rules("old"))
    job = await inside.bring(GLOBEX, a_bundle(rules("new")), default_strategy=REPLACE)

    (found,) = await audited(inside, job.import_id)

    assert (found.resolved_by, found.resolved_at, found.outcome) == (None, NOON, ConflictOutcome.APPLIED)


async def test_a_merge_tells_what_it_did(inside):
    await inside.save(GLOBEX, rules("r0", "r1", note="mine"))
    package = rules("r0 new", note="mine") | {"rules": [*rules("r0 new")["rules"], {"ruleId": "r9"}], "extra": 1}
    job = await inside.bring(GLOBEX, a_bundle(package), default_strategy=MERGE)

    (found,) = await audited(inside, job.import_id)

    assert found.merge == MergeDetails(updated=("rules[0].condition",), added=("extra", "rules[2]"))


async def test_a_merge_that_changes_nothing_tells_so(inside):
    await inside.save(GLOBEX, rules("r0", "r1"))
    job = await inside.bring(GLOBEX, a_bundle(rules("r0")), default_strategy=MERGE)

    (found,) = await audited(inside, job.import_id)

    assert (found.merge, found.outcome) == (MergeDetails(), ConflictOutcome.APPLIED)


async def test_the_conflicts_of_an_import_that_was_cancelled_came_to_nothing(inside):
    await inside.save(GLOBEX, rules("old"))
    job = await inside.bring(GLOBEX, a_bundle(rules("new")))
    await inside.services.line.cancel(BEN, job.import_id, None)

    (found,) = await audited(inside, job.import_id)

    assert (found.action.strategy, found.resolved_by, found.outcome) == (None, None, ConflictOutcome.FAILED)


async def test_a_dry_run_has_conflicts_and_no_outcome(inside):
    await inside.save(GLOBEX, rules("old"))
    job = await inside.bring(GLOBEX, a_bundle(rules("new")), default_strategy=REPLACE, dry_run=True)

    (found,) = await audited(inside, job.import_id)
    shown = await differing(inside, job.import_id)

    assert (found.action.strategy, found.outcome) == (REPLACE, None)
    assert told(shown) == [("rules[0].condition", "CHANGED", "old", "new")]


async def test_a_waiting_conflict_shows_both_sides_and_what_differs(inside):
    await inside.save(GLOBEX, rules("old", note="mine"))
    job = await inside.bring(GLOBEX, a_bundle(rules("new", "more", version="1.1.0")))

    shown = await differing(inside, job.import_id)

    assert shown.existing == {"_type": "RuleSet", "_version": "1.0.0", "status": "Published", "note": "mine"} | {
        "id": "rule-1", "name": "Rules", "rules": [{"ruleId": "r0", "condition": "old"}]
    }  # fmt: skip
    assert shown.package["rules"] == [{"ruleId": "r0", "condition": "new"}, {"ruleId": "r1", "condition": "more"}]
    assert told(shown) == [
        ("_version", "CHANGED", "1.0.0", "1.1.0"),
        ("note", "REMOVED", "mine", None),
        ("rules[0].condition", "CHANGED", "old", "new"),
        ("rules[1]", "ADDED", None, {"ruleId": "r1", "condition": "more"}),
    ]
    assert shown.suggested == (MERGE, REPLACE, SKIP)


async def test_references_to_the_same_things_do_not_differ(inside, package):
    await inside.bring(GLOBEX, package)
    changed = a_suite()
    changed[2] |= {"title": "Another"}
    await inside.save(ACME, *changed)
    second = (await inside.export(ACME, ROOT, version="1.1.0")).package
    job = await inside.bring(GLOBEX, second)

    (found,) = await audited(inside, job.import_id)
    shown = await differing(inside, job.import_id, found.action.conflict_key)

    assert told(shown) == [("title", "ADDED", None, "Another")]
    assert shown.existing["id"] == shown.package["id"] != "form-2005"


@pytest.mark.parametrize("strategy", [REPLACE, MERGE])
async def test_a_conflict_can_still_be_looked_at_when_the_bundle_is_gone(inside, strategy):
    await inside.save(GLOBEX, rules("old", "kept"))
    job = await inside.bring(GLOBEX, a_bundle(rules("new")))
    before = await differing(inside, job.import_id)
    await inside.services.line.resume(BEN, job.import_id, None, {"conf-001": Decision(strategy)})
    await inside.run_next()
    await forget_bundle(inside, job)

    after = await differing(inside, job.import_id)

    assert (after.existing, after.package, after.changes) == (before.existing, before.package, before.changes)


async def test_a_conflict_with_both_sides_kept_is_shown_without_the_rest_of_its_plan(inside, monkeypatch):
    await inside.save(GLOBEX, rules("old"))
    job = await inside.bring(GLOBEX, a_bundle(rules("new"), an_entity()), default_strategy=REPLACE)
    read, whole = [], SqlImports.actions

    async def actions(self, import_id, **wanted):
        read.append(import_id)
        return await whole(self, import_id, **wanted)

    monkeypatch.setattr(SqlImports, "actions", actions)
    shown = await differing(inside, job.import_id)

    assert (told(shown), read) == ([("rules[0].condition", "CHANGED", "old", "new")], [])


async def test_what_was_skipped_is_gone_with_its_bundle(inside):
    await inside.save(GLOBEX, rules("old"))
    job = await inside.bring(GLOBEX, a_bundle(rules("new")), default_strategy=SKIP)
    shown = await differing(inside, job.import_id)

    await forget_bundle(inside, job)

    assert told(shown) == [("rules[0].condition", "CHANGED", "old", "new")]
    assert await refused(differing(inside, job.import_id)) is ErrorCode.BUNDLE_EXPIRED


async def test_the_existing_side_is_the_one_that_the_import_met(inside):
    await inside.save(GLOBEX, rules("old"))
    job = await inside.bring(GLOBEX, a_bundle(rules("new")), default_strategy=REPLACE)
    await inside.save(GLOBEX, rules("later"))

    assert told(await differing(inside, job.import_id)) == [("rules[0].condition", "CHANGED", "old", "new")]


async def test_no_credential_and_no_secret_is_ever_shown(inside):
    secret = "AKIA" + "ABCDEFGHIJKLMNOP"
    mine = an_agent(name="Agent", llmConfig={"credentialId": "vault-mine", "model": "m1"}, note=f"use {secret}")
    theirs = an_agent(name="Agent", llmConfig={"credentialId": "vault-theirs", "model": "m2"})
    await inside.save(GLOBEX, mine)
    job = await inside.bring(GLOBEX, a_bundle(theirs))

    shown = await differing(inside, job.import_id)

    assert told(shown) == [("llmConfig.model", "CHANGED", "m1", "m2")]
    assert all(word not in repr(shown) for word in ("vault", secret))


async def test_only_what_the_import_would_let_through_is_suggested(inside):
    await inside.save(GLOBEX, rules("old", version="2.0.0"), a_form("form-1", name="Form", title="Mine"))
    job = await inside.bring(GLOBEX, a_bundle(rules("new"), a_form("form-1", name="Form")))

    found = {one.action.name: one.action.conflict_key for one in await audited(inside, job.import_id)}
    suggested = {name: (await differing(inside, job.import_id, key)).suggested for name, key in found.items()}

    assert suggested == {"Rules": (MERGE, SKIP), "Form": (REPLACE, SKIP)}


async def test_unknown_conflicts_and_imports_are_not_found_and_neither_are_those_of_other_tenants(inside):
    await inside.save(GLOBEX, rules("old"))
    job = await inside.bring(GLOBEX, a_bundle(rules("new")))
    elsewhere = frozenset({ACME})

    asked = [
        differing(inside, job.import_id, "conf-002"),
        differing(inside, "imp-unknown"),
        differing(inside, job.import_id, reach=elsewhere),
        inside.services.conflicts.audit(inside.caller, job.import_id, elsewhere),
    ]

    assert [await refused(one) for one in asked] == [ErrorCode.NOT_FOUND] * 4


async def test_what_touched_an_artifact_is_told_by_its_name(inside):
    await inside.bring(GLOBEX, a_bundle(rules("one")))
    await inside.bring(GLOBEX, a_bundle(rules("two", version="1.1.0"), version="1.1.0"), default_strategy=REPLACE)

    page = await inside.services.conflicts.touched(inside.caller, GLOBEX, "RULES", page=1, page_size=10)

    assert name_key("RULES") == name_key("Rules")
    assert [(one.package_version, one.strategy, one.previous_version, one.new_version) for one in page.items] == [
        ("1.1.0", REPLACE, "1.0.0", "1.1.0"),
        ("1.0.0", None, None, "1.0.0"),
    ]
