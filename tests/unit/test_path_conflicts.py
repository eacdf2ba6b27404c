"""What people see of places that both sides changed: never a secret."""

from __future__ import annotations

import json

from domain.errors import ErrorCode
from domain.model import ImportId
from domain.options import Side
from domain.path_conflicts import shown_conflicts
from domain.plan import draft
from domain.plan_model import ActionKind, MergeBase
from domain.settling import settle, unsettled
from domain.whole_plan import plan_of
from tests.clocks import NOON
from tests.makers import a_bundle, a_head, a_rule_set
from tests.ports.rows import an_action
from tests.unit.planning import MERGE, a_request, an_inventory, codes

SECRETS = [f"sk_live_{letter * 24}" for letter in "abc"]


def a_side(secret, condition):
    rule = {"ruleId": "r1", "condition": condition, "action": {"apiKey": secret}}
    return a_rule_set("rule-1", name="Rules") | {"rules": [rule]}


SIDES = [a_side(secret, condition) for secret, condition in zip(SECRETS, ("1", "mine", "theirs"), strict=True)]
KEY, CONDITION = "/rules/0/action/apiKey", "/rules/0/condition"


def test_values_that_nobody_may_see_are_left_out_and_their_places_stay():
    action = an_action(0, paths={KEY: None, CONDITION: Side.PACKAGE})
    base, existing, package = (json.dumps(side).encode() for side in SIDES)

    shown = shown_conflicts(base, existing, package, action)

    assert [(one.pointer, one.base, one.existing, one.package, one.side) for one in shown] == [
        (KEY, None, None, None, None),
        (CONDITION, "1", "mine", "theirs", Side.PACKAGE),
    ]


def test_a_plan_warns_of_such_places_without_their_values(check):
    bundle = check(a_bundle(SIDES[2]))
    head = a_head("rule-1", "Rules")
    inventory = an_inventory(
        head,
        origins={"rule-1": head},
        bases={"rule-1": MergeBase("rule-1", "sha256:0", "base", head.artifact_id, ImportId("imp-1"))},
    )
    made = draft(bundle, inventory, a_request(default_strategy=MERGE))

    stored = {head.revision_id: json.dumps(SIDES[1]).encode(), "base": json.dumps(SIDES[0]).encode()}
    for one in unsettled(made):
        settle(made, one, stored)
    plan = plan_of([made], [], now=NOON, plan_days=7)

    (action,) = plan.actions
    assert (action.kind, action.merge_base_id) == (None, "base")
    assert {*action.paths} == {KEY, CONDITION}
    assert codes(plan.warnings) == [ErrorCode.MERGE_CONFLICT] * 2
    assert not any(secret in repr(plan) for secret in SECRETS)
    assert ActionKind.MERGE not in [one.kind for one in plan.actions]
