"""Merge: the package's changes applied to what the tenant has, the rest kept."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.artifact_types import ArtifactType
from domain.merging import Merged, merge

RULE_SET, SCHEMA, APP = ArtifactType.RULE_SET, ArtifactType.ENTITY_SCHEMA, ArtifactType.APP_DEFINITION


def a_rule_set(*rules, version="1.0.0", **members):
    return {"_type": "RuleSet", "_version": version, "id": "rule-305", "name": "R", "rules": list(rules)} | members


def a_rule(key, **members):
    return {"ruleId": key, "condition": "total > 1", "priority": 10} | members


leaves = st.none() | st.booleans() | st.integers(0, 2) | st.sampled_from(["", "1", "a"])
values = st.recursive(
    leaves,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=8,
)
items = st.lists(
    st.dictionaries(st.sampled_from(["fieldName", "name", "fields", "x", "y"]), values, max_size=4) | leaves, max_size=4
)
schemas = st.fixed_dictionaries(
    {"id": st.sampled_from(["ent-1", "ent-2"]), "name": st.sampled_from("NM")},
    optional={
        "_version": st.sampled_from(["1.0.0", "2.0.0", "1.0"]),
        "fields": items,
        "indexes": items,
        "extra": values,
    },
)


def shuffled(value, chance):
    """The same JSON with other orders of keys."""
    if isinstance(value, dict):
        return {key: shuffled(value[key], chance) for key in chance.sample(list(value), len(value))}
    return [shuffled(item, chance) for item in value] if isinstance(value, list) else value


def test_the_worked_example_of_the_documents_is_reproduced():
    existing = a_rule_set(a_rule("r1"), a_rule("r2"))
    package = a_rule_set(a_rule("r1", condition="total > 2"), a_rule("r3"))

    merged = merge(existing, package, artifact_type=RULE_SET)

    assert merged == Merged(
        value=a_rule_set(a_rule("r1", condition="total > 2"), a_rule("r2"), a_rule("r3")),
        added=("rules[2]",),
        changed=("rules[0].condition",),
        unchanged=("rules[1]",),
    )


def test_a_known_item_keeps_what_only_the_tenant_says_of_it():
    existing = a_rule_set(a_rule("r1", note="ours", action={"type": "ALERT", "to": "hr"}))
    package = a_rule_set(a_rule("r1", action={"type": "BLOCK", "code": 7}))

    merged = merge(existing, package, artifact_type=RULE_SET)

    assert merged.value == a_rule_set(a_rule("r1", note="ours", action={"type": "BLOCK", "to": "hr", "code": 7}))
    assert merged.added == ("rules[0].action.code",)
    assert merged.changed == ("rules[0].action.type",)


def test_existing_items_stay_in_place_and_new_ones_follow_in_the_packages_order():
    existing = a_rule_set(a_rule("b"), a_rule("a"))
    package = a_rule_set(a_rule("z"), a_rule("a"), a_rule("y"), a_rule("b"))

    merged = merge(existing, package, artifact_type=RULE_SET)

    assert [rule["ruleId"] for rule in merged.value["rules"]] == ["b", "a", "z", "y"]
    assert (merged.added, merged.changed) == (("rules[2]", "rules[3]"), ())


def test_id_name_and_envelope_stay_the_tenants_and_the_version_is_the_higher_one():
    existing = a_rule_set(version="1.10.0", _exportedAt="2026-01-01T00:00:00Z")
    package = a_rule_set(version="1.9.0", id="rule-9", name="Other", _exportedAt="2026-02-02T00:00:00Z")

    lower, higher = (merge(a, b, artifact_type=RULE_SET) for a, b in ((existing, package), (package, existing)))

    assert lower == Merged(existing)
    assert higher == Merged(package | {"_version": "1.10.0"})


def test_nothing_the_package_leaves_out_is_removed():
    existing = a_rule_set(a_rule("r1"), description="ours", theme={"dark": True})
    package: dict[str, Any] = {"_version": "1.0.0", "name": "R", "theme": {}, "description": None}

    merged = merge(existing, package, artifact_type=RULE_SET)

    assert merged == Merged(existing)


def test_a_list_without_a_key_and_a_value_of_another_kind_are_the_packages():
    existing = a_rule_set(tags=["a", "b"], layout={"columns": 2}, isActive=1)
    package = a_rule_set(tags=["c"], layout="wide", isActive=True)

    merged = merge(existing, package, artifact_type=RULE_SET)

    assert merged.value == package
    assert merged.value["isActive"] is True
    assert merged.changed == ("isActive", "layout", "tags")


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ([a_rule("r1"), a_rule("r1")], [a_rule("r2")]),
        ([a_rule("r1")], [a_rule("r2"), a_rule("r2")]),
        ([a_rule("r1"), {"note": "no key"}], [a_rule("r2")]),
        ([a_rule("r1")], ["r2"]),
        ([a_rule(None)], [a_rule("r2")]),
    ],
)
def test_a_keyed_list_whose_items_cannot_be_told_apart_is_the_packages(ours, theirs):
    merged = merge(a_rule_set(*ours), a_rule_set(*theirs), artifact_type=RULE_SET)

    assert merged == Merged(a_rule_set(*theirs), changed=("rules",))


def test_keys_of_other_kinds_are_other_keys():
    existing, package = a_rule_set(a_rule(1)), a_rule_set(a_rule("1"), a_rule(True))

    merged = merge(existing, package, artifact_type=RULE_SET)

    assert [rule["ruleId"] for rule in merged.value["rules"]] == [1, "1", True]


def test_an_index_without_a_name_is_matched_by_its_fields_in_their_order():
    ours = [{"fields": ["a", "b"], "isUnique": False}, {"name": "byDate", "fields": ["d"]}]
    theirs = [{"fields": ["b", "a"]}, {"fields": ["a", "b"], "isUnique": True}, {"name": "byDate", "fields": ["e"]}]

    merged = merge({"indexes": ours}, {"indexes": theirs}, artifact_type=SCHEMA)

    assert merged.value["indexes"] == [
        {"fields": ["a", "b"], "isUnique": True},
        {"name": "byDate", "fields": ["e"]},
        {"fields": ["b", "a"]},
    ]
    assert merged.changed == ("indexes[0].isUnique", "indexes[1].fields")
    assert merged.added == ("indexes[2]",)


def test_an_apps_pages_and_widgets_are_matched_by_their_own_keys():
    existing = {"pages": [{"pageId": "p1", "title": "Old"}], "widgets": [{"widgetId": "w1"}], "theme": "dark"}
    package = {"pages": [{"pageId": "p1", "title": "New"}, {"pageId": "p2"}], "widgets": [{"widgetId": "w2"}]}

    merged = merge(existing, package, artifact_type=APP)

    assert merged == Merged(
        value={
            "pages": [{"pageId": "p1", "title": "New"}, {"pageId": "p2"}],
            "widgets": [{"widgetId": "w1"}, {"widgetId": "w2"}],
            "theme": "dark",
        },
        added=("pages[1]", "widgets[1]"),
        changed=("pages[0].title",),
        unchanged=("widgets[0]",),
    )


def test_a_key_that_is_no_plain_word_is_quoted_in_its_path():
    merged = merge({"a.b": {"": 1}}, {"a.b": {"": 2, 'x"y': 3}}, artifact_type=APP)

    assert (merged.changed, merged.added) == (('["a.b"][""]',), ('["a.b"]["x\\"y"]',))


def test_a_type_that_offers_no_merge_is_a_mistake_of_the_caller():
    with pytest.raises(RuntimeError):
        merge({}, {}, artifact_type=ArtifactType.ATLAS_FORM)


@given(schemas, schemas)
def test_merging_twice_gives_the_same_and_says_nothing_changed(existing, package):
    once = merge(existing, package, artifact_type=SCHEMA).value

    twice = merge(once, package, artifact_type=SCHEMA)

    assert twice.value == once
    assert (twice.added, twice.changed) == ((), ())


@given(schemas)
def test_merging_a_thing_with_itself_changes_nothing(existing):
    merged = merge(existing, copy.deepcopy(existing), artifact_type=SCHEMA)

    assert (merged.value, merged.added, merged.changed) == (existing, (), ())


@given(schemas, schemas, st.randoms(use_true_random=False))
def test_the_order_of_keys_never_matters(existing, package, chance):
    merged = merge(existing, package, artifact_type=SCHEMA)

    assert merge(shuffled(existing, chance), shuffled(package, chance), artifact_type=SCHEMA) == merged


@given(schemas, schemas)
def test_neither_side_is_touched(existing, package):
    before = copy.deepcopy((existing, package))

    merge(existing, package, artifact_type=SCHEMA)

    assert (existing, package) == before


def test_what_is_done_to_the_result_reaches_neither_side():
    existing, package = a_rule_set(a_rule("r1"), a_rule("r2")), a_rule_set(a_rule("r1"), a_rule("r3"))
    before = copy.deepcopy((existing, package))

    merged = merge(existing, package, artifact_type=RULE_SET)
    for rule in merged.value["rules"]:
        rule.clear()

    assert (existing, package) == before


@given(schemas, schemas)
def test_no_member_of_the_tenants_is_ever_lost(existing, package):
    merged = merge(existing, package, artifact_type=SCHEMA)

    assert set(existing) <= set(merged.value)
