"""Merge with a common past: who changed what is known, and where both did, somebody decides."""

from __future__ import annotations

import copy

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from domain.artifact_types import ArtifactType
from domain.contents import value_at
from domain.merging import EVERYWHERE, Reconciled, is_same, three_way
from domain.options import Side
from tests.pace import quiet_seconds
from tests.unit.test_merging import a_rule, a_rule_set, leaves, schemas, shuffled, values

RULE_SET, SCHEMA, APP = ArtifactType.RULE_SET, ArtifactType.ENTITY_SCHEMA, ArtifactType.APP_DEFINITION
BASE = a_rule_set(a_rule("r1"), a_rule("r2"), a_rule("r3"))


def merged(base, existing, package, artifact_type=RULE_SET, sides=None):
    return three_way(base, existing, package, artifact_type=artifact_type, sides=sides or {})


def conflicts_of(found):
    return [(one.pointer, one.base, one.existing, one.package) for one in found.conflicts]


def rules_of(found):
    return [rule["ruleId"] for rule in found.value["rules"]]


# ---- one side changed


def test_what_only_the_package_changed_is_the_packages_and_the_tenants_own_edits_stay():
    existing = a_rule_set(a_rule("r1", priority=99), a_rule("r2"), a_rule("r3"))
    package = a_rule_set(a_rule("r1"), a_rule("r2", condition="total > 2"), a_rule("r3"), description="new")

    found = merged(BASE, existing, package)

    value = a_rule_set(a_rule("r1", priority=99), a_rule("r2", condition="total > 2"), a_rule("r3"), description="new")
    assert found == Reconciled(value)


def test_what_the_package_removed_and_nobody_touched_goes():
    existing = a_rule_set(a_rule("r1"), a_rule("r2", priority=1), a_rule("r3"), a_rule("mine"))
    package = a_rule_set(a_rule("r1"), a_rule("r2"))

    found = merged(BASE | {"tags": ["a"]}, existing | {"tags": ["a"]}, package)

    assert found == Reconciled(a_rule_set(a_rule("r1"), a_rule("r2", priority=1), a_rule("mine")))


def test_what_the_tenant_removed_stays_away_where_the_package_left_it_as_it_was():
    existing = a_rule_set(a_rule("r1"), a_rule("r3"))
    package = a_rule_set(a_rule("r1", condition="x"), a_rule("r2"), a_rule("r3"))

    assert merged(BASE, existing, package) == Reconciled(a_rule_set(a_rule("r1", condition="x"), a_rule("r3")))


def test_the_version_is_the_higher_one_and_the_id_the_tenants_whatever_changed():
    existing = a_rule_set(version="1.10.0", _exportedAt="2026-01-01T00:00:00Z")
    package = a_rule_set(version="1.9.0", id="rule-9", name="Renamed", _exportedAt="2026-02-02T00:00:00Z")

    found = merged(a_rule_set(), existing, package)

    assert found == Reconciled(existing | {"name": "Renamed"})


# ---- both sides changed


def test_a_value_that_both_changed_each_its_way_waits_for_a_decision():
    existing = a_rule_set(a_rule("r1"), a_rule("r2", condition="mine"), a_rule("r3"))
    package = a_rule_set(a_rule("r1"), a_rule("r2", condition="theirs", priority=7), a_rule("r3"))

    found = merged(BASE, existing, package)
    decided = {
        side: merged(BASE, existing, package, sides={"/rules/1/condition": side}).value["rules"][1] for side in Side
    }

    assert conflicts_of(found) == [("/rules/1/condition", "total > 1", "mine", "theirs")]
    assert not found.is_decided
    assert decided == {
        Side.EXISTING: a_rule("r2", condition="mine", priority=7),
        Side.PACKAGE: a_rule("r2", condition="theirs", priority=7),
    }


def test_both_sides_making_the_same_change_is_no_conflict():
    both = a_rule_set(a_rule("r1", condition="new"), a_rule("r3"), note={"a": 1})

    assert merged(BASE, both, copy.deepcopy(both)) == Reconciled(both)


def test_an_item_removed_here_and_edited_there_is_a_conflict_about_the_item():
    gone, edited = (
        a_rule_set(a_rule("r1"), a_rule("r3")),
        a_rule_set(a_rule("r1"), a_rule("r2", priority=1), a_rule("r3")),
    )

    by_package, by_tenant = merged(BASE, edited, gone), merged(BASE, gone, edited)
    brought = merged(BASE, gone, edited, sides={"/rules/3": Side.PACKAGE})
    removed = merged(BASE, edited, gone, sides={"/rules/1": Side.PACKAGE})

    assert conflicts_of(by_package) == [("/rules/1", a_rule("r2"), a_rule("r2", priority=1), None)]
    # the tenant has it no more: it is counted on behind what the tenant has
    assert conflicts_of(by_tenant) == [("/rules/3", a_rule("r2"), None, a_rule("r2", priority=1))]
    assert brought.value == edited
    assert removed.value == gone


def test_two_items_added_under_one_key_are_merged_where_they_agree_and_decided_where_they_do_not():
    existing = a_rule_set(a_rule("new", condition="mine", note="ours"))
    package = a_rule_set(a_rule("new", condition="theirs", code=7))

    found = merged(a_rule_set(), existing, package, sides={"/rules/0/condition": Side.PACKAGE})

    assert found.value["rules"] == [a_rule("new", condition="theirs", note="ours", code=7)]
    assert found.is_decided


def test_a_list_without_keys_is_one_value():
    base, existing, package = ({"tags": tags} for tags in (["a"], ["a", "b"], ["a", "c"]))

    assert conflicts_of(merged(base, existing, package, APP)) == [("/tags", ["a"], ["a", "b"], ["a", "c"])]


def test_items_that_cannot_be_told_apart_make_the_list_one_value():
    existing, package = a_rule_set(a_rule("r1"), a_rule("r1")), a_rule_set(a_rule("r1", priority=2))

    assert [one.pointer for one in merged(BASE, existing, package).conflicts] == ["/rules"]


# ---- order


def test_a_new_item_stands_behind_the_one_that_it_stands_behind_in_the_package():
    existing = a_rule_set(a_rule("r1"), a_rule("mine"), a_rule("r2"), a_rule("r3"))
    package = a_rule_set(a_rule("first"), a_rule("r1"), a_rule("theirs"), a_rule("r2"), a_rule("r3"), a_rule("last"))

    assert rules_of(merged(BASE, existing, package)) == ["first", "r1", "mine", "theirs", "r2", "r3", "last"]


@pytest.mark.parametrize("mover", Side)
def test_the_order_of_the_side_that_moved_items_stands(mover):
    moved = a_rule_set(a_rule("r3"), a_rule("r1"), a_rule("r2"))
    edited = a_rule_set(a_rule("r1"), a_rule("r2", priority=1), a_rule("r3"))
    sides = (moved, edited) if mover is Side.EXISTING else (edited, moved)

    found = merged(BASE, *sides)

    assert found == Reconciled(a_rule_set(a_rule("r3"), a_rule("r1"), a_rule("r2", priority=1)))


def test_two_orders_are_a_conflict_about_the_list_told_by_its_keys():
    existing = a_rule_set(a_rule("r3"), a_rule("r1"), a_rule("r2"))
    package = a_rule_set(a_rule("r2"), a_rule("r1"), a_rule("r3"))

    found = merged(BASE, existing, package)
    theirs = merged(BASE, existing, package, sides={"/rules": Side.PACKAGE})

    assert conflicts_of(found) == [("/rules", ["r1", "r2", "r3"], ["r3", "r1", "r2"], ["r2", "r1", "r3"])]
    assert (rules_of(theirs), theirs.is_decided) == (["r2", "r1", "r3"], True)


# ---- what is decided together


def test_a_side_for_everywhere_stands_where_no_place_is_named():
    existing, package = {"a": 1, "b": 1, "c": 0}, {"a": 2, "b": 2, "c": 0}

    found = merged({"a": 0, "b": 0, "c": 0}, existing, package, APP, {"/a": Side.EXISTING, EVERYWHERE: Side.PACKAGE})

    assert found.value == {"a": 1, "b": 2, "c": 0}
    assert found.sides == {"/a": Side.EXISTING, "/b": Side.PACKAGE}


def test_more_places_than_anybody_decides_are_one_question():
    base, existing, package = ({f"k{place}": number for place in range(1_500)} for number in range(3))

    found = merged(base, existing, package, APP)
    decided = merged(base, existing, package, APP, {EVERYWHERE: Side.PACKAGE})

    assert found.sides == {EVERYWHERE: None}
    assert (decided.value, decided.sides) == (package, {EVERYWHERE: Side.PACKAGE})


def test_long_names_around_many_places_are_not_told_one_by_one():
    long = "k" * 100_000
    base, existing, package = ({long: {str(place): number for place in range(100)}} for number in range(3))

    assert merged(base, existing, package, APP).sides == {EVERYWHERE: None}


def test_a_type_that_offers_no_merge_is_a_mistake_of_the_caller():
    with pytest.raises(RuntimeError):
        merged({}, {}, {}, ArtifactType.ATLAS_FORM)


def test_a_thousand_artifacts_of_ten_kilobytes_are_merged_within_a_second():
    rules = [a_rule(f"r{place}", note="word " * 20) for place in range(64)]
    base, existing, package = (a_rule_set(*copy.deepcopy(rules)) for _ in range(3))
    existing["rules"][3]["priority"], package["rules"][7]["condition"] = 1, "new"

    found, took = quiet_seconds(lambda: [merged(base, existing, package) for _ in range(100)])

    assert all(one.is_decided for one in found)
    # a tenth of them in half a second: five times what is promised of a whole machine, on a busy one
    assert took < 0.5


# ---- laws


@given(schemas, schemas)
def test_with_an_unchanged_side_the_other_side_stands(base, other):
    same = copy.deepcopy(base)
    own = ("id", "_version")

    by_tenant, by_package = merged(base, other, same, SCHEMA), merged(base, same, other, SCHEMA)

    for found in (by_tenant, by_package):
        assert found.conflicts == ()
        assert is_same(
            {key: value for key, value in found.value.items() if key not in own},
            {key: value for key, value in other.items() if key not in own},
        )


@given(schemas, schemas, schemas)
def test_every_place_decided_for_a_side_has_that_sides_value(base, existing, package):
    found = merged(base, existing, package, SCHEMA)
    assume(found.conflicts)

    for side in Side:
        decided = merged(base, existing, package, SCHEMA, {one.pointer: side for one in found.conflicts})

        assert decided.is_decided
        assert {one.pointer: (one.existing, one.package) for one in decided.conflicts} == {
            one.pointer: (one.existing, one.package) for one in found.conflicts
        }
        for one in decided.conflicts:
            wanted = one.existing if side is Side.EXISTING else one.package
            if len(one.place) == 1 and not isinstance(wanted, list):
                assert is_same(value_at(decided.value, one.pointer), wanted)


@given(schemas, schemas, schemas, st.sampled_from(Side))
def test_merging_the_result_again_changes_nothing(base, existing, package, side):
    once = merged(base, existing, package, SCHEMA, {EVERYWHERE: side})

    # the next import of the same package has the package's own side as its past
    again = merged(package, once.value, package, SCHEMA)

    assert (again.value, again.conflicts) == (once.value, ())


@given(
    st.dictionaries(st.sampled_from("abcdef"), values, min_size=2),
    st.dictionaries(st.sampled_from("abc"), leaves),
    st.dictionaries(st.sampled_from("def"), leaves),
)
def test_edits_of_different_places_never_conflict(base, mine, theirs):
    found = merged(base, base | mine, base | theirs, APP)

    said = {key: value for key, value in (base | mine | theirs).items() if value is not None}
    assert found.conflicts == ()
    assert is_same({key: value for key, value in found.value.items() if value is not None}, said)


@given(
    st.lists(st.integers(0, 9), unique=True, min_size=2, max_size=8),
    st.data(),
)
def test_edits_of_different_items_never_conflict_whatever_is_added_and_removed(keys, data):
    split = data.draw(st.integers(0, len(keys)))
    base = a_rule_set(*(a_rule(key) for key in keys))

    def edited(own, new):
        """Some of one's own rules changed, some removed, and a new one somewhere."""
        rules = []
        for key in keys:
            fate = data.draw(st.sampled_from(["kept", "changed", "removed"])) if key in own else "kept"
            if fate != "removed":
                rules.append(a_rule(key, priority=key) if fate == "changed" else a_rule(key))
        rules.insert(data.draw(st.integers(0, len(rules))), a_rule(new))
        return a_rule_set(*rules)

    existing, package = edited(keys[:split], "mine"), edited(keys[split:], "theirs")

    found = merged(base, existing, package)

    mine, theirs = ({rule["ruleId"]: rule for rule in side["rules"]} for side in (existing, package))
    expected = {key: mine.get(key) for key in [*keys[:split], "mine"]} | {
        key: theirs.get(key) for key in [*keys[split:], "theirs"]
    }
    assert found.conflicts == ()
    assert {rule["ruleId"]: rule for rule in found.value["rules"]} == {k: v for k, v in expected.items() if v}


@given(schemas, schemas, schemas, st.randoms(use_true_random=False))
def test_the_order_of_keys_never_matters(base, existing, package, chance):
    found = merged(base, existing, package, SCHEMA)

    began, old, new = (shuffled(side, chance) for side in (base, existing, package))
    again = merged(began, old, new, SCHEMA)

    assert again == found


@given(schemas, schemas, schemas)
def test_no_side_is_touched(base, existing, package):
    before = copy.deepcopy((base, existing, package))

    found = merged(base, existing, package, SCHEMA)
    found.value.clear()

    assert (base, existing, package) == before
