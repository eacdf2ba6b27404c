"""What an import will do, artifact by artifact, before it does anything."""

from __future__ import annotations

import json
from datetime import timedelta
from uuid import UUID

import pytest

from domain.artifact_types import ArtifactType
from domain.contents import content_hash, written
from domain.errors import ErrorCode, Problem
from domain.holding import Author, next_batch
from domain.import_model import (
    ActionKind,
    ConflictStrategy,
    DecisionSource,
    ImportOptions,
    MatchedBy,
    UnresolvedBindings,
)
from domain.model import Actor, ArtifactId, ArtifactStatus, ImportId, PlanId, ReferenceKind, name_key
from domain.plan import Inventory, PlanRequest, draft, plan_of, settle
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

REPLACE, MERGE, SKIP = ConflictStrategy.REPLACE, ConflictStrategy.MERGE, ConflictStrategy.SKIP
CREATE, UPDATE, UNCHANGED = ActionKind.CREATE, ActionKind.UPDATE, ActionKind.UNCHANGED
AUTHOR = Author(ImportId("imp-1"), Actor("anna"), NOON)


def an_inventory(*heads, origins=None, own=()):
    return Inventory(
        named={(head.artifact_type, name_key(head.name)): head for head in heads},
        from_package=origins or {},
        own={head.artifact_id: head for head in own},
        bases={},
        installed=(),
        platform_version="4.2.0",
    )


def a_request(plan_id="plan-1", **fields):
    known = {name: fields.pop(name) for name in ("decisions", "conflict_keys") if name in fields}
    return PlanRequest(
        plan_id=PlanId(plan_id),
        import_id=ImportId("imp-1"),
        tenant_id=TARGET,
        options=ImportOptions(**fields),
        decisions=known.get("decisions", {}),
        conflict_keys=known.get("conflict_keys", {}),
    )


def planned(bundle, inventory, bodies=None, **fields):
    """The plan, settled with these contents of existing artifacts."""
    made = draft(bundle, inventory, a_request(**fields))
    for place, head in made.unsettled:
        settle(made, place, (bodies or {}).get(head.artifact_id) if head else None)
    return made, plan_of(made, [], now=NOON, plan_days=7)


def kinds(plan):
    return [action.kind for action in plan.actions]


def codes(problems):
    return [problem.code for problem in problems]


def as_it_stands(bundle, place, **ids):
    """The head of an artifact that holds just what the package brings, under its own id."""
    artifact = bundle.artifacts[place]
    target = ids.pop("artifact_id")
    remap = {artifact.source_id: target, **ids.pop("remap", {})}
    return a_head(target, artifact.name, content_hash=content_hash(written(bundle.template(artifact), remap)), **ids)


# ---- ids


def test_new_artifacts_get_ids_of_their_type_made_from_plan_and_source(check):
    bundle = check(a_bundle(*a_suite()))

    _, first = planned(bundle, an_inventory())
    _, again = planned(bundle, an_inventory())
    _, other = planned(bundle, an_inventory(), plan_id="plan-2")

    ids = [action.target_id for action in first.actions]
    assert [artifact_id.partition("-")[0] for artifact_id in ids] == ["ent", "rule", "form", "proc"]
    assert {UUID(artifact_id.partition("-")[2]).version for artifact_id in ids} == {5}
    assert ids == [action.target_id for action in again.actions]
    assert not {*ids} & {action.target_id for action in other.actions}


def test_no_source_id_is_left_in_what_will_be_written(check):
    bundle = check(a_bundle(*a_suite()))
    made, plan = planned(bundle, an_inventory())

    batch = next_batch(made, iter(plan.actions), AUTHOR)

    targets = {action.target_id for action in plan.actions}
    literal = {r.target_id for new in batch.revisions for r in new.references if r.kind is ReferenceKind.LITERAL}
    assert {new.artifact_id for new in batch.revisions} == targets
    assert literal < targets
    assert not any(tree["id"].encode() + b'"' in new.body for tree in a_suite() for new in batch.revisions)


# ---- matching


def test_a_name_matches_whatever_its_case_and_only_within_its_type(check):
    bundle = check(a_bundle(an_entity(name="Straße")))
    inventory = an_inventory(a_head("ent-1", "STRASSE"), a_head("rule-1", "Straße"))

    _, plan = planned(bundle, inventory, default_strategy=REPLACE)

    (action,) = plan.actions
    assert (action.target_id, action.matched_by, action.kind) == ("ent-1", MatchedBy.NAME, UPDATE)


def test_an_origin_matches_before_a_name_does(check):
    bundle = check(a_bundle(an_entity("ent-44", name="New name")))
    inventory = an_inventory(origins={"ent-44": a_head("ent-1", "Old name")})

    _, plan = planned(bundle, inventory, default_strategy=REPLACE)

    assert (plan.actions[0].target_id, plan.actions[0].matched_by) == ("ent-1", MatchedBy.ORIGIN)


def test_the_tenants_own_artifact_of_an_own_bundle_matches_before_all(check):
    bundle = check(a_bundle(an_entity("ent-44")))
    inventory = an_inventory(origins={"ent-44": a_head("ent-1")}, own=[a_head("ent-44")])

    _, plan = planned(bundle, inventory, default_strategy=REPLACE)

    assert plan.actions[0].target_id == "ent-44"


def test_an_artifact_of_the_same_origin_and_another_type_is_another_one(check):
    bundle = check(a_bundle(an_entity("ent-44")))

    _, plan = planned(bundle, an_inventory(origins={"ent-44": a_head("rule-1", "EntitySchema 44")}))

    assert kinds(plan) == [CREATE]


@pytest.mark.parametrize("strategy", [REPLACE, SKIP, MERGE])
def test_two_different_matches_wait_for_a_decision_by_hand(check, strategy):
    bundle = check(a_bundle(an_entity("ent-44", name="N")))
    inventory = an_inventory(a_head("ent-2", "n"), origins={"ent-44": a_head("ent-1", "Old")})

    _, plan = planned(
        bundle, inventory, default_strategy=strategy, strategy_by_type={ArtifactType.ENTITY_SCHEMA: strategy}
    )

    assert [action.target_id for action in plan.open_conflicts] == ["ent-1"]
    assert codes(plan.warnings) == [ErrorCode.AMBIGUOUS_MATCH]


def test_a_decision_by_hand_settles_an_ambiguous_match_but_cannot_take_the_others_name(check):
    bundle = check(a_bundle(an_entity("ent-44", name="N")))
    inventory = an_inventory(a_head("ent-2", "n"), origins={"ent-44": a_head("ent-1", "Old")})

    _, skipped = planned(bundle, inventory, decisions={"conf-001": SKIP})
    _, replaced = planned(bundle, inventory, decisions={"conf-001": REPLACE})

    assert (kinds(skipped), skipped.blockers) == ([ActionKind.SKIP], ())
    assert codes(replaced.blockers) == [ErrorCode.DUPLICATE_ARTIFACT]


def test_artifacts_that_swap_their_names_are_matched_by_their_origins(check):
    bundle = check(a_bundle(an_entity("ent-1", name="B"), an_entity("ent-2", name="A")))
    a, b = a_head("ent-11", "A"), a_head("ent-12", "B")

    _, plan = planned(bundle, an_inventory(a, b, origins={"ent-1": a, "ent-2": b}), default_strategy=REPLACE)

    assert [(action.target_id, action.kind) for action in plan.actions] == [("ent-11", UPDATE), ("ent-12", UPDATE)]
    assert (plan.open_conflicts, plan.blockers) == ((), ())


@pytest.mark.parametrize(("strategy", "blocked"), [(REPLACE, []), (SKIP, [ErrorCode.DUPLICATE_ARTIFACT]), (None, [])])
def test_a_new_artifact_may_take_a_name_that_is_given_up_and_no_other(check, strategy, blocked):
    bundle = check(a_bundle(an_entity("ent-1", name="B"), an_entity("ent-2", name="A")))
    a = a_head("ent-11", "A")

    _, plan = planned(bundle, an_inventory(a, origins={"ent-1": a}), default_strategy=strategy)

    assert codes(plan.blockers) == blocked
    assert len(plan.open_conflicts) == (strategy is None)


# ---- unchanged


def test_an_identical_artifact_is_unchanged_and_never_an_open_conflict(check):
    bundle = check(a_bundle(an_entity("ent-44")))
    head = as_it_stands(bundle, 0, artifact_id="ent-1")

    _, plan = planned(bundle, an_inventory(head))

    (action,) = plan.actions
    assert (action.kind, action.writes, action.base_body_id) == (UNCHANGED, False, head.revision_id)
    assert plan.open_conflicts == ()


def test_only_the_times_of_the_envelope_differ_and_it_is_unchanged(check):
    first = check(a_bundle(an_entity("ent-44")))
    head = as_it_stands(first, 0, artifact_id="ent-1")
    later = check(a_bundle(an_entity("ent-44") | {"_exportedAt": "2027-01-01T00:00:00Z"}, version="1.1.0"))

    _, plan = planned(later, an_inventory(head))

    assert kinds(plan) == [UNCHANGED]


def test_a_reference_to_another_artifact_is_a_change(check):
    bundle = check(a_bundle(an_entity("ent-44"), a_form("form-1", entity="ent-44")))
    form = as_it_stands(bundle, 1, artifact_id="form-9", remap={"ent-44": "ent-1"})
    entity = as_it_stands(bundle, 0, artifact_id="ent-1")

    _, same = planned(bundle, an_inventory(entity, form))
    _, other = planned(bundle, an_inventory(form), default_strategy=REPLACE)

    assert kinds(same) == [UNCHANGED, UNCHANGED]
    assert kinds(other) == [CREATE, UPDATE]


def test_an_unchanged_match_stays_in_the_report_under_the_strategy(check):
    bundle = check(a_bundle(an_entity("ent-44")))

    _, plan = planned(bundle, an_inventory(as_it_stands(bundle, 0, artifact_id="ent-1")), default_strategy=SKIP)

    assert (plan.actions[0].kind, plan.actions[0].strategy) == (UNCHANGED, SKIP)


def test_an_unchanged_locked_artifact_blocks_nothing(check):
    bundle = check(a_bundle(an_entity("ent-44")))
    head = as_it_stands(bundle, 0, artifact_id="ent-1", status=ArtifactStatus.LOCKED)

    _, plan = planned(bundle, an_inventory(head), default_strategy=REPLACE)

    assert (kinds(plan), plan.blockers) == ([UNCHANGED], ())


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
                "decisions": {"conf-001": MERGE},
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

    later = plan_of(made, [], now=NOON + timedelta(days=1), plan_days=3)
    _, again = planned(bundle, an_inventory(a_head("ent-1", "EntitySchema 44")), default_strategy=REPLACE)

    assert first.plan_hash == later.plan_hash == again.plan_hash
    assert first.expires_at == NOON + timedelta(days=7)


@pytest.mark.parametrize(
    "changed",
    [
        {"default_strategy": SKIP},
        {"decisions": {"conf-001": SKIP}},
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

    plan = plan_of(made, outside, now=NOON, plan_days=7)

    assert (codes(plan.warnings), codes(plan.blockers)) == (
        [ErrorCode.UNSTABLE_VERSION],
        [ErrorCode.MISSING_PACKAGE_DEPENDENCY],
    )


def test_a_reference_out_of_an_own_bundle_stays_with_what_the_tenant_has(check):
    bundle = check(a_bundle(a_form(entity="ent-99"), tenant_id=TARGET))

    made, plan = planned(bundle, an_inventory(own=[a_head("form-2005")]), default_strategy=REPLACE)

    batch = next_batch(made, iter(plan.actions), AUTHOR)
    assert [reference.target_id for reference in batch.revisions[0].references] == [ArtifactId("ent-99")]
