"""What an import will do with what is there: decisions, merges, credentials, and the hash of it all."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from domain.artifact_types import ArtifactType
from domain.contents import content_hash
from domain.errors import ErrorCode, Problem
from domain.holding import next_batch
from domain.import_outcome import action_row
from domain.model import ArtifactId, ArtifactStatus
from domain.options import Decision, UnresolvedBindings
from domain.plan import draft
from domain.plan_model import ActionKind, DecisionSource
from domain.whole_plan import plan_of
from tests.clocks import NOON
from tests.makers import (
    TARGET,
    a_bundle,
    a_form,
    a_head,
    a_process,
    a_rule_set,
    a_suite,
    an_agent,
    an_artifact,
    an_entity,
)
from tests.unit.planning import (
    AUTHOR,
    MERGE,
    REPLACE,
    SKIP,
    UNCHANGED,
    UPDATE,
    a_request,
    an_inventory,
    codes,
    kinds,
    planned,
)

# ---- deciding


@pytest.mark.parametrize(
    ("fields", "strategy", "source"),
    [
        ({}, None, DecisionSource.DEFAULT),
        ({"default_strategy": SKIP}, SKIP, DecisionSource.DEFAULT),
        (
            {"default_strategy": SKIP, "strategy_by_type": {ArtifactType.ENTITY_SCHEMA: REPLACE}},
            REPLACE,
            DecisionSource.BY_TYPE,
        ),
        (
            {
                "default_strategy": SKIP,
                "strategy_by_type": {ArtifactType.ENTITY_SCHEMA: REPLACE},
                "decisions": {"conf-001": Decision(MERGE)},
            },
            MERGE,
            DecisionSource.BY_ARTIFACT,
        ),
    ],
)
def test_a_decision_by_hand_goes_before_the_types_and_that_before_the_default(check, fields, strategy, source):
    bundle = check(a_bundle(an_entity("ent-44")))
    body = json.dumps(an_entity("ent-1", "hours")).encode()

    _, plan = planned(bundle, an_inventory(a_head("ent-1", "EntitySchema 44")), bodies={"ent-1": body}, **fields)

    (action,) = plan.actions
    assert (action.strategy, action.decided_by) == (strategy, source)
    assert action.decider is (source if strategy else None)


def test_what_is_the_same_without_a_strategy_is_no_conflict_that_anybody_decided(check):
    bundle = check(a_bundle(an_entity("ent-44")))
    body = json.dumps(an_entity("ent-1", "hours")).encode()
    _, plan = planned(bundle, an_inventory(a_head("ent-1", "EntitySchema 44")), bodies={"ent-1": body})

    action = plan.actions[0]._replace(kind=UNCHANGED)

    assert action.decider is DecisionSource.NO_CONFLICT
    assert action_row(action)["decidedBy"] == "NoConflict"


def test_conflict_ids_follow_the_install_order_and_stay_with_their_artifacts(check):
    bundle = check(a_bundle(*a_suite()))
    heads = [a_head("ent-1", "EntitySchema 44"), a_head("rule-1", "RuleSet 305"), a_head("form-1", "AtlasForm 2005")]

    _, first = planned(bundle, an_inventory(heads[0], heads[2]))
    given = {action.source_id: action.conflict_key for action in first.actions if action.conflict_key}
    _, second = planned(bundle, an_inventory(*heads), conflict_keys=given)

    assert given == {"ent-44": "conf-001", "form-2005": "conf-002"}
    assert [action.conflict_key for action in second.actions] == ["conf-001", "conf-003", "conf-002", None]


def test_a_skipped_artifact_is_what_others_refer_to(check):
    bundle = check(a_bundle(*a_suite()))

    made, plan = planned(bundle, an_inventory(a_head("ent-1", "EntitySchema 44")), default_strategy=SKIP)

    batch = next_batch(made, (action for action in plan.actions if action.writes), AUTHOR)
    rules = next(new for new in batch.revisions if new.artifact_type is ArtifactType.RULE_SET)
    assert [reference.target_id for reference in rules.references] == ["ent-1"]


@pytest.mark.parametrize("strategy", [REPLACE, MERGE])
def test_a_locked_artifact_blocks_and_a_draft_warns(check, strategy):
    bundle = check(a_bundle(an_entity("ent-44")))
    body = json.dumps(an_entity("ent-1", "hours")).encode()

    def made(status):
        head = a_head("ent-1", "EntitySchema 44", status=status)
        return planned(bundle, an_inventory(head), bodies={"ent-1": body}, default_strategy=strategy)[1]

    assert codes(made(ArtifactStatus.LOCKED).blockers) == [ErrorCode.ARTIFACT_LOCKED]
    assert codes(made(ArtifactStatus.DRAFT).warnings) == [ErrorCode.DRAFT_REPLACED]
    assert made(ArtifactStatus.DRAFT).blockers == ()


@pytest.mark.parametrize(
    ("strategy", "allowed", "blockers", "warnings"),
    [
        (REPLACE, False, [ErrorCode.VERSION_DOWNGRADE_NOT_ALLOWED], []),
        (REPLACE, True, [], [ErrorCode.VERSION_DOWNGRADE]),
        (SKIP, False, [], []),
        (MERGE, False, [], []),
    ],
)
def test_a_lower_version_needs_its_option_where_it_would_be_written(check, strategy, allowed, blockers, warnings):
    bundle = check(a_bundle(an_entity("ent-44")))
    head = a_head("ent-1", "EntitySchema 44", version="1.0.1")
    body = json.dumps(an_entity("ent-1", "hours", version="1.0.1")).encode()

    _, plan = planned(
        bundle,
        an_inventory(head),
        bodies={"ent-1": body},
        default_strategy=strategy,
        allow_version_downgrade=allowed,
    )

    assert (codes(plan.blockers), codes(plan.warnings)) == (blockers, warnings)


# ---- merging


def test_a_merge_keeps_id_and_name_takes_the_higher_version_and_both_sides_items(check):
    bundle = check(a_bundle(an_entity("ent-44", "days")))
    body = json.dumps(an_entity("ent-1", "hours", name="entityschema 44", version="2.0.0")).encode()
    head = a_head("ent-1", "entityschema 44", version="2.0.0")

    made, plan = planned(bundle, an_inventory(head), bodies={"ent-1": body}, default_strategy=MERGE)
    batch = next_batch(made, iter(plan.actions), AUTHOR)

    (new,) = batch.revisions
    tree = json.loads(new.body)
    assert (new.artifact_id, new.name, new.version, new.number) == ("ent-1", "entityschema 44", "2.0.0", 4)
    assert [row["fieldName"] for row in tree["fields"]] == ["hours", "days"]
    assert [json.loads(base)["fields"] for base in batch.bases.values()] == [
        [{"dataType": "string", "fieldName": "days"}]
    ]


def test_a_merge_that_changes_nothing_is_unchanged(check):
    bundle = check(a_bundle(an_entity("ent-44", "days")))
    existing = an_entity("ent-1", "days", "hours", name="EntitySchema 44")
    body = json.dumps(existing).encode()
    content = {key: value for key, value in existing.items() if key not in {"_exportedAt", "_schemaVersion"}}
    hashed = content_hash(json.dumps(content, indent=2, sort_keys=True).encode())
    head = a_head("ent-1", "EntitySchema 44", content_hash=hashed)

    _, plan = planned(bundle, an_inventory(head), bodies={"ent-1": body}, default_strategy=MERGE)

    assert kinds(plan) == [UNCHANGED]


@pytest.mark.parametrize(("fallback", "kind"), [(SKIP, ActionKind.SKIP), (REPLACE, UPDATE)])
def test_merge_falls_back_where_it_is_not_offered(check, fallback, kind):
    bundle = check(a_bundle(a_process("proc-1")))

    _, plan = planned(bundle, an_inventory(a_head("proc-9", "ProcessDefinition 1")), default_strategy=MERGE,
                      merge_fallback=fallback)  # fmt: skip

    assert kinds(plan) == [kind]
    assert codes(plan.warnings) == [ErrorCode.MERGE_FALLBACK]


def test_a_merged_rule_set_refers_to_what_both_sides_refer_to(check):
    bundle = check(a_bundle(an_entity("ent-44"), a_rule_set("rule-305", "ent-44")))
    theirs = an_artifact("rule-1", "RuleSet 305", rules=[{"ruleId": "mine", "condition": "ent-7 > 1"}])
    head = a_head("rule-1", "RuleSet 305")

    made, plan = planned(
        bundle, an_inventory(head), bodies={"rule-1": json.dumps(theirs).encode()}, default_strategy=MERGE
    )
    batch = next_batch(made, iter(plan.actions), AUTHOR)

    assert {r.target_id for r in batch.revisions[1].references} == {"ent-7", plan.actions[0].target_id}


# ---- bindings


def bound(check, body=None, **fields):
    bundle = check(a_bundle(an_agent(llmConfig={"model": "m"}), bindings=[("agent-1", "/llmConfig/credentialId")]))
    heads = [a_head("agent-9", "AgentDefinition 1")] if body else []
    made, plan = planned(bundle, an_inventory(*heads), bodies={"agent-9": body}, default_strategy=REPLACE, **fields)
    return plan, json.loads(next_batch(made, iter(plan.actions), AUTHOR).revisions[0].body)["llmConfig"]


def test_a_supplied_credential_goes_before_the_active_one_and_that_before_none(check):
    active = json.dumps(an_agent("agent-9", llmConfig={"credentialId": "active"})).encode()
    supplied = {"agent-1/llmConfig/credentialId": "supplied"}

    assert bound(check, active, bindings=supplied)[1] == {"model": "m", "credentialId": "supplied"}
    assert bound(check, active)[1] == {"model": "m", "credentialId": "active"}
    assert bound(check)[1] == {"model": "m"}


def test_a_credential_that_nobody_supplies_blocks_or_switches_the_artifact_off(check):
    refused, _ = bound(check)
    off, _ = bound(check, unresolved_bindings=UnresolvedBindings.IMPORT_SWITCHED_OFF)

    assert codes(refused.blockers) == [ErrorCode.BINDING_UNRESOLVED]
    assert refused.blockers[0].details == {"bindingKey": "agent-1/llmConfig/credentialId"}
    assert (off.blockers, codes(off.warnings)) == ((), [ErrorCode.BINDING_MISSING])
    assert off.actions[0].status is ArtifactStatus.LOCKED


def test_a_credential_changes_no_hash(check):
    with_one, _ = bound(check, bindings={"agent-1/llmConfig/credentialId": "s"})
    without, _ = bound(check)

    assert with_one.actions[0].content_hash == without.actions[0].content_hash


# ---- the plan's hash


def test_the_plan_hash_knows_no_time_and_no_order_of_planning(check):
    bundle = check(a_bundle(*a_suite()))
    made, first = planned(bundle, an_inventory(a_head("ent-1", "EntitySchema 44")), default_strategy=REPLACE)

    later = plan_of([made], [], now=NOON + timedelta(days=1), plan_days=3)
    _, again = planned(bundle, an_inventory(a_head("ent-1", "EntitySchema 44")), default_strategy=REPLACE)

    assert first.plan_hash == later.plan_hash == again.plan_hash
    assert first.expires_at == NOON + timedelta(days=7)


@pytest.mark.parametrize(
    "changed",
    [
        {"default_strategy": SKIP},
        {"decisions": {"conf-001": Decision(SKIP)}},
        {"allow_version_downgrade": True},
        {"allow_security_warnings": True},
        {"allow_major_version_upgrade": True},
        {"unresolved_bindings": UnresolvedBindings.IMPORT_SWITCHED_OFF},
        {"bindings": {"agent-1/x": "y"}},
        {"head": {"revision": 4}},
        {"head": {"content_hash": "sha256:" + "0" * 64}},
    ],
    ids=str,
)
def test_the_plan_hash_changes_with_options_decisions_and_preconditions(check, changed):
    bundle = check(a_bundle(*a_suite()))
    changes = changed.get("head", {})
    options = {"default_strategy": REPLACE} | {name: value for name, value in changed.items() if name != "head"}
    head = a_head("ent-1", "EntitySchema 44")
    _, before = planned(bundle, an_inventory(head), default_strategy=REPLACE)

    _, after = planned(bundle, an_inventory(a_head("ent-1", "EntitySchema 44", **changes)), **options)

    assert before.plan_hash != after.plan_hash


def test_what_was_found_outside_of_planning_comes_first_and_is_sorted_by_its_weight(check):
    bundle = check(a_bundle(an_entity()))
    made = draft(bundle, an_inventory(), a_request())
    outside = [Problem(ErrorCode.UNSTABLE_VERSION, "w"), Problem(ErrorCode.MISSING_PACKAGE_DEPENDENCY, "b")]

    plan = plan_of([made], outside, now=NOON, plan_days=7)

    assert (codes(plan.warnings), codes(plan.blockers)) == (
        [ErrorCode.UNSTABLE_VERSION],
        [ErrorCode.MISSING_PACKAGE_DEPENDENCY],
    )


def test_a_reference_out_of_an_own_bundle_stays_with_what_the_tenant_has(check):
    bundle = check(a_bundle(a_form(entity="ent-99"), tenant_id=TARGET))

    made, plan = planned(bundle, an_inventory(own=[a_head("form-2005")]), default_strategy=REPLACE)

    batch = next_batch(made, iter(plan.actions), AUTHOR)
    assert [reference.target_id for reference in batch.revisions[0].references] == [ArtifactId("ent-99")]
