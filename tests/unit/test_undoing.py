"""The pile of an artifact's layers: what lies on what, however often it was taken away and brought back."""

from __future__ import annotations

from types import MappingProxyType

import pytest

from domain.import_model import ImportJob, ImportKind, ImportMode, ImportState
from domain.model import ImportId, RevisionId, TenantId
from domain.options import BlockerChoice, ImportOptions
from domain.plan_model import ActionKind
from domain.undo_rows import Layer, Portion, Undone, Written
from domain.undoing import Past, Pile, plan_hash, stays, steps_back
from tests.clocks import NOON
from tests.makers import a_head
from tests.ports.rows import ANNA

HEAD = a_head("ent-1", "Hours")


def a_job(import_id, kind=ImportKind.IMPORT):
    return ImportJob(
        import_id=ImportId(import_id),
        tenant_id=TenantId("acme"),
        kind=kind,
        mode=ImportMode.APPLY,
        state=ImportState.SUCCEEDED,
        options=ImportOptions(),
        packages=(),
        submitted_by=ANNA,
        submitted_at=NOON,
    )


def layers(*told):
    """Revisions 1, 2 and so on: by whom, and as what; ``""`` is an edit, ``undo`` names what it restores."""
    return [
        Layer(
            artifact_id=HEAD.artifact_id,
            number=number,
            revision_id=RevisionId(f"r{number}"),
            artifact_type=HEAD.artifact_type,
            name=HEAD.name,
            version="1.0.0",
            status=HEAD.status,
            content_hash=f"h{number}",
            written_at=NOON,
            written_by=ANNA,
            import_id=ImportId(by) if by else None,
            restores=RevisionId(restores) if restores else None,
        )
        for number, (by, restores) in enumerate(told, 1)
    ]


IMPORTS = MappingProxyType(
    {
        job.import_id: job
        for job in (a_job("a"), a_job("b"), a_job("u", ImportKind.ROLLBACK), a_job("v", ImportKind.ROLLBACK))
    }
)


def written(by, number, before=HEAD):
    return Written(Portion(ImportId(by)), HEAD.artifact_id, number, before)


@pytest.mark.parametrize(
    ("told", "of", "on_top"),
    [
        ([("a", "")], ("a", 1), [1]),
        ([("", ""), ("a", ""), ("", "")], ("a", 2), [3, 2]),
        ([("", ""), ("a", ""), ("b", ""), ("u", "r2")], ("a", 2), [2]),
        ([("a", ""), ("u", ""), ("v", "r1")], ("a", 1), [1]),
        ([("", ""), ("a", ""), ("u", "r1"), ("", "")], ("u", 3), [4]),
        ([("", ""), ("a", ""), ("u", "r1"), ("b", ""), ("v", "r1")], ("u", 3), []),
    ],
)
def test_what_lies_on_an_import_is_what_was_put_there_and_not_taken_away(told, of, on_top):
    pile = Pile(layers(*told), IMPORTS)

    assert [layer.number for layer in pile.since(written(*of))] == on_top


def past(told, *rows):
    chosen = {(row.portion.import_id, row.artifact_id) for row in rows}
    head = HEAD._replace(revision=len(told), revision_id=RevisionId(f"r{len(told)}"))
    return Past(rows, layers(*told), {HEAD.artifact_id: head}, IMPORTS, chosen)


def test_an_artifact_goes_back_to_what_was_there_before_the_first_of_the_chosen_imports():
    steps, obstacles = steps_back(past([("", ""), ("a", ""), ("b", "")], written("a", 2), written("b", 3)))

    action = steps[0].action
    assert (action.kind, action.restores, steps[0].state, obstacles) == (ActionKind.UPDATE, "r1", "r1", [])


def test_what_is_as_it_was_is_left_alone():
    steps, obstacles = steps_back(past([("", ""), ("a", ""), ("u", "r1")], written("a", 2)))

    assert ([step.action.kind for step in steps], obstacles) == ([ActionKind.UNCHANGED], [])


def test_an_edit_in_the_way_is_told_apart_from_an_import():
    told = [("", ""), ("a", ""), ("", ""), ("b", "")]

    _, obstacles = steps_back(past(told, written("a", 2)))

    assert [(one.cause, one.is_lost) for one in obstacles] == [("b", False), (None, True)]


@pytest.mark.parametrize(
    ("choice", "kind"), [(BlockerChoice.DETACH, ActionKind.SKIP), (BlockerChoice.KEEP_AS_LOCAL, ActionKind.SKIP)]
)
def test_what_is_nobodys_package_stays_as_it_is_without_a_new_revision(choice, kind):
    (step,), _ = steps_back(past([("", ""), ("a", ""), ("", "")], written("a", 2)))

    kept = stays(step, choice)

    assert (kept.action.kind, kept.action.writes, kept.action.target_id) == (kind, False, HEAD.artifact_id)


def test_the_hash_of_an_undo_tells_its_choice_and_its_preconditions():
    (step,), _ = steps_back(past([("", ""), ("a", "")], written("a", 2)))
    (same,), _ = steps_back(past([("", ""), ("a", "")], written("a", 2)))
    (later,), _ = steps_back(past([("", ""), ("a", ""), ("", "")], written("a", 2)))

    hashes = [plan_hash([one], BlockerChoice.REFUSE) for one in (step, same, later)]

    assert hashes[0] == hashes[1]
    assert len({*hashes, plan_hash([step], BlockerChoice.DETACH)}) == 3


def test_an_undo_that_was_taken_back_counts_for_nothing():
    a, u, v = (Portion(ImportId(name)) for name in "auv")
    once, twice, thrice = (
        Undone({a: (u.import_id,)}),
        Undone({a: (u.import_id,), u: (v.import_id,)}),
        Undone({a: (u.import_id, ImportId("w")), u: (v.import_id,)}),
    )

    assert [undone.by(a) for undone in (once, twice, thrice)] == ["u", None, "w"]
    assert once.also([u]).by(a) is None
