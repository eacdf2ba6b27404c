"""Fixes: what a problem offers, and what sending it back means (every one is applied in the journeys)."""

from __future__ import annotations

import pytest

from domain.errors import ErrorCode, Problem
from domain.fixes import fixed, fixes_of, open_problem
from domain.model import ImportId
from domain.options import BlockerChoice, Decision, ImportOptions, Side, UndoWish
from tests.ports.rows import an_action, an_import
from tests.unit.planning import MERGE, SKIP

#: codes that only somebody else can do something about
WITHOUT = (
    ErrorCode.MISSING_PACKAGE_DEPENDENCY,
    ErrorCode.INCOMPATIBLE_PACKAGE_DEPENDENCY,
    ErrorCode.PLATFORM_VERSION_INCOMPATIBLE,
    ErrorCode.SECURITY_SCAN_FAILED,
    ErrorCode.SCAN_ERROR,
    ErrorCode.DRAFT_REPLACED,
)


@pytest.mark.parametrize("code", WITHOUT, ids=lambda code: code.wire)
def test_what_no_option_can_cure_offers_nothing(code):
    assert fixes_of(Problem(code, "text", artifact_id="rule-1")) == ()


def test_the_same_cure_has_the_same_id_and_another_one_another():
    one, same, other = (
        fixes_of(Problem(ErrorCode.ARTIFACT_LOCKED, text, artifact_id=artifact_id))
        for text, artifact_id in (("a", "rule-1"), ("b", "rule-1"), ("a", "rule-2"))
    )

    ids = [fix.fix_id for fix in one]
    assert ids == [fix.fix_id for fix in same]
    assert len({*ids, *(fix.fix_id for fix in other)}) == 4


def test_merge_is_offered_where_the_type_merges_and_whole_sides_where_places_clash():
    action = an_action(0, kind=None)._replace(paths={"/rules/0/x": None, "/rules/1/x": Side.PACKAGE})

    patches = [fix.patch["decisions"][0] for fix in fixes_of(open_problem(action))]

    source = action.source_id
    assert [patch.get("strategy") for patch in patches] == ["Replace", "Merge", "Skip", "Copy", "Merge", "Merge"]
    assert patches[-1] == {
        "artifactId": source,
        "strategy": "Merge",
        "paths": [{"pointer": "", "take": "package"}],
    }


def test_a_decision_adds_to_the_ones_before_and_keeps_what_it_does_not_name():
    clash = Problem(ErrorCode.MERGE_CONFLICT, "text", "/a", "rule-1", {"field": "a", "pointer": "/a"})
    before = {"rule-1": Decision(MERGE, {"/b": Side.EXISTING}), "rule-2": Decision(SKIP)}
    job = an_import(options=ImportOptions(decisions=before))

    after = fixed(job, fixes_of(clash)[1]).options.decisions

    assert after["rule-1"] == Decision(MERGE, {"/b": Side.EXISTING, "/a": Side.PACKAGE})
    assert after["rule-2"] == Decision(SKIP)


def test_a_choice_about_blockers_is_the_undos_own():
    job = an_import(undo=UndoWish(import_id=ImportId("imp-1")))
    blocked = Problem(ErrorCode.UNDO_BLOCKED, "text")

    wishes = [fixed(job, fix).undo for fix in fixes_of(blocked)]

    choices = (BlockerChoice.DETACH, BlockerChoice.KEEP_AS_LOCAL, BlockerChoice.UNDO_THOSE_TOO)
    assert wishes == [UndoWish(import_id=ImportId("imp-1"), blockers=choice) for choice in choices]
    assert fixed(an_import(), fixes_of(blocked)[0]).undo is None
