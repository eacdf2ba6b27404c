"""The difference of two contents: place by place, items by their keys, never more than can be read."""

from __future__ import annotations

import copy
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain import strict_json
from domain.artifact_types import ArtifactType
from domain.contents import value_at
from domain.differing import Change, ChangeKind, changes, shown_content

RULE_SET, SCHEMA, FORM = ArtifactType.RULE_SET, ArtifactType.ENTITY_SCHEMA, ArtifactType.ATLAS_FORM
AGENT, PROCESS = ArtifactType.AGENT_DEFINITION, ArtifactType.PROCESS_DEFINITION
ADDED, CHANGED, REMOVED = ChangeKind.ADDED, ChangeKind.CHANGED, ChangeKind.REMOVED

leaves = (
    st.booleans()
    | st.integers(0, 2)
    | st.floats(allow_nan=False, allow_infinity=False, width=16)
    | st.sampled_from(["", "1", "a/~b"])
)
values = st.recursive(
    leaves,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=12,
)
rules = st.lists(
    st.fixed_dictionaries({"ruleId": st.sampled_from("pqrs")}, optional={"x": values, "y": values}), max_size=4
)
contents = st.fixed_dictionaries(
    {"id": st.just("rule-1")}, optional={"rules": rules, "extra": values, "more/~": values}
)


def a_content(**members):
    return {"_type": "RuleSet", "id": "rule-1", "name": "R"} | members


def told(before, after, kind=RULE_SET):
    """Pointer, kind and both sides of every change."""
    return [(one.pointer, one.kind, one.before, one.after) for one in changes(before, after, kind).items]


def is_same(one, other):
    return strict_json.compact(one) == strict_json.compact(other)


def applied(before: Any, found: list[Change], depth: int = 0) -> Any:
    """``before`` with all changes carried out: what is inside first, then orders, removals and additions."""
    here = [one for one in found if len(one.place) == depth]
    if here and not isinstance(here[0].before, tuple):
        return here[0].after
    steps = dict.fromkeys(one.place[depth] for one in found if len(one.place) > depth)
    below = {step: [one for one in found if one.place[depth : depth + 1] == (step,)] for step in steps}
    if isinstance(before, dict):
        return _applied_object(before, below, depth + 1)
    return _applied_list(before, below, here, depth + 1) if isinstance(before, list) else before


def _applied_object(before, below, depth):
    after = dict(before)
    for step, found in below.items():
        if len(found[0].place) == depth and found[0].kind is REMOVED:
            del after[step]
        else:
            after[step] = applied(before.get(step), found, depth)
    return after


def _applied_list(before, below, orders, depth):
    kept, added = [], {}
    for index, item in enumerate(before):
        inside = [one for one in below.get(index, []) if not (len(one.place) == depth and one.kind is ADDED)]
        if not any(len(one.place) == depth and one.kind is REMOVED for one in inside):
            kept.append(applied(item, inside, depth))
    for index, found in below.items():
        for one in found:
            if len(one.place) == depth and one.kind is ADDED:
                added[index] = one.after
    for order in orders:
        kept.sort(key=lambda item: order.after.index(item["ruleId"]))
    for index in sorted(added):
        kept.insert(index, added[index])
    return kept


@given(contents)
def test_equal_contents_have_no_difference(content):
    assert changes(content, copy.deepcopy(content), RULE_SET).items == ()


@given(contents, contents)
def test_the_changes_carried_out_make_the_other_side(before, after):
    found = changes(before, after, RULE_SET)

    assert not found.is_truncated
    assert is_same(applied(before, list(found.items)), after)


@given(contents, contents)
def test_the_way_back_has_the_same_changes_with_the_sides_swapped(before, after):
    there, back = changes(before, after, RULE_SET).items, changes(after, before, RULE_SET).items

    swapped = {ADDED: REMOVED, REMOVED: ADDED, CHANGED: CHANGED}
    forth = sorted((swapped[one.kind].value, repr(one.after), repr(one.before)) for one in there)
    assert sorted((one.kind.value, repr(one.before), repr(one.after)) for one in back) == forth


@given(contents, contents)
def test_a_pointer_leads_to_what_is_told(before, after):
    for one in changes(before, after, RULE_SET).items:
        if isinstance(one.before, tuple):
            continue
        if one.kind is not ADDED:
            assert is_same(value_at(before, one.pointer), one.before)
        if len(one.place) == 1 and one.kind is not REMOVED:
            assert is_same(value_at(after, one.pointer), one.after)


def test_items_are_matched_by_their_keys_wherever_they_stand():
    before = a_content(rules=[{"ruleId": "r1", "priority": 1}, {"ruleId": "r2"}])
    after = a_content(rules=[{"ruleId": "r0"}, {"ruleId": "r1", "priority": 2}])

    assert told(before, after) == [
        ("/rules/0/priority", CHANGED, 1, 2),
        ("/rules/1", REMOVED, {"ruleId": "r2"}, None),
        ("/rules/0", ADDED, None, {"ruleId": "r0"}),
    ]


def test_another_order_of_the_same_items_is_a_change_of_the_list():
    before = a_content(rules=[{"ruleId": "r1"}, {"ruleId": "r2", "priority": 1}])
    after = a_content(rules=[{"ruleId": "r2", "priority": 2}, {"ruleId": "r1"}])

    assert told(before, after) == [
        ("/rules", CHANGED, ("r1", "r2"), ("r2", "r1")),
        ("/rules/1/priority", CHANGED, 1, 2),
    ]


def test_items_of_types_that_are_never_merged_have_keys_too():
    before = {"fields": [{"fieldId": "f1"}, {"fieldId": "f2", "label": "A"}]}
    after = {"fields": [{"fieldId": "f2", "label": "B"}]}

    assert told(before, after, FORM) == [
        ("/fields/0", REMOVED, {"fieldId": "f1"}, None),
        ("/fields/1/label", CHANGED, "A", "B"),
    ]
    assert [one.pointer for one in changes({"nodes": [{"nodeId": "n1"}]}, {"nodes": []}, PROCESS).items] == ["/nodes/0"]


def test_a_list_without_keys_shows_what_was_put_between():
    before, after = a_content(tags=["a", "b", "c"]), a_content(tags=["a", "x", "b", "c"])

    assert told(before, after) == [("/tags/1", ADDED, None, "x")]
    assert told(after, before) == [("/tags/1", REMOVED, "x", None)]


def test_a_key_that_stands_twice_leaves_the_places_to_count():
    before = a_content(rules=[{"ruleId": "r1", "x": 1}, {"ruleId": "r1", "x": 2}])
    after = a_content(rules=[{"ruleId": "r1", "x": 1}, {"ruleId": "r1", "x": 3}])

    assert told(before, after) == [("/rules/1/x", CHANGED, 2, 3)]


@pytest.mark.parametrize(("one", "other"), [(1, True), (1, 1.0), (0.0, -0.0), ("1", 1), ([], {})])
def test_values_that_are_written_differently_are_different(one, other):
    assert told(a_content(x=one), a_content(x=other)) == [("/x", CHANGED, one, other)]


def test_a_null_says_nothing():
    assert told(a_content(x=None), a_content()) == []
    assert told(a_content(x=None), a_content(x=1)) == [("/x", ADDED, None, 1)]


def test_a_path_is_written_as_in_the_documents():
    change = Change(("rules", 0, "de-CH text", "a/b"), CHANGED, 1, 2)

    assert (change.path, change.pointer) == ('rules[0]["de-CH text"]["a/b"]', "/rules/0/de-CH text/a~1b")


def test_credentials_never_take_part():
    before = {"llmConfig": {"credentialId": "vault-1", "model": "m1"}, "tools": [{"name": "t", "credentialId": "v"}]}
    after = {"llmConfig": {"credentialId": "vault-2", "model": "m2"}, "tools": [{"name": "u", "credentialId": "w"}]}

    found = changes(before, after, AGENT)

    assert "vault" not in repr(found)
    assert [one.after for one in found.items] == ["m2", None, {"name": "u"}]


def test_a_shown_content_holds_no_credential_no_secret_and_no_times():
    secret = "AKIA" + "ABCDEFGHIJKLMNOP"
    config = {"credentialId": "vault-1", "model": "m1"}
    head = {"_exportedAt": "t", "_schemaVersion": "1.0", "id": "agent-1", "name": "A", "note": f"key {secret}"}
    tree = {**head, "llmConfig": config}

    shown = shown_content(strict_json.canonical(tree), AGENT)

    assert shown == {"id": "agent-1", "name": "A", "llmConfig": {"model": "m1"}}


def test_two_hundred_levels_are_no_trouble():
    before: Any = 1
    after: Any = 2
    for level in range(100):
        before, after = {"a": [before, level]}, {"a": [after]}

    found = changes(a_content(x=before), a_content(x=after), RULE_SET).items

    assert (found[0], len(found)) == (Change(("x", *("a", 0) * 100), CHANGED, 1, 2), 101)


def test_thousands_of_changes_are_cut_and_said_to_be():
    before, after = a_content(x=[*range(50_000)]), a_content(x=[*range(1, 50_001)])

    found = changes(before, after, RULE_SET, most=100)

    assert (len(found.items), found.is_truncated) == (100, True)
    assert found.items[99] == Change(("x", 99), CHANGED, 99, 100)
    assert not changes(before, after, RULE_SET, most=50_000).is_truncated


def test_a_long_key_around_many_changes_is_not_repeated_for_each():
    key = "k" * 100_000
    before, after = a_content(**{key: [*range(900)]}), a_content(**{key: [*range(1, 901)]})

    found = changes(before, after, RULE_SET)

    assert found.is_truncated
    assert len(found.items) == 10


def test_the_time_grows_with_the_contents_and_no_faster():
    def seconds(count):
        before = a_content(rules=[{"ruleId": f"r{n}", "x": n} for n in range(count)], tags=[*range(count)])
        after = a_content(rules=[{"ruleId": f"r{n}", "x": n} for n in range(count)][::-1], tags=[*range(1, count)])
        began = time.process_time()
        changes(before, after, RULE_SET)
        return time.process_time() - began

    few, many = min(seconds(2_000) for _ in range(3)), min(seconds(20_000) for _ in range(3))

    assert many < 40 * few
