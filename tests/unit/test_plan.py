"""What an import will do: which artifacts meet, under which ids, and what stays as it is."""

from __future__ import annotations

from uuid import UUID

import pytest

from domain.artifact_types import ArtifactType
from domain.errors import ErrorCode
from domain.holding import next_batch
from domain.model import ArtifactStatus, ReferenceKind
from domain.options import Decision
from domain.plan_model import ActionKind, MatchedBy
from tests.makers import (
    a_bundle,
    a_form,
    a_head,
    a_suite,
    an_entity,
)
from tests.unit.planning import (
    AUTHOR,
    CREATE,
    MERGE,
    REPLACE,
    SKIP,
    UNCHANGED,
    UPDATE,
    an_inventory,
    as_it_stands,
    codes,
    kinds,
    planned,
)

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


def test_a_copy_that_an_own_bundle_brings_itself_is_not_what_it_was_made_of_too(check):
    bundle = check(a_bundle(an_entity("ent-44", name="Gone"), an_entity("ent-45", name="Gone (2)")))
    copy = a_head("ent-45", "Gone (2)")

    _, plan = planned(bundle, an_inventory(copy, origins={"ent-44": copy}, own=[copy]), default_strategy=REPLACE)

    assert [(action.source_id, action.kind) for action in plan.actions] == [("ent-44", CREATE), ("ent-45", UPDATE)]
    assert plan.actions[1].target_id == "ent-45"


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

    _, skipped = planned(bundle, inventory, decisions={"conf-001": Decision(SKIP)})
    _, replaced = planned(bundle, inventory, decisions={"conf-001": Decision(REPLACE)})

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
