"""Plans, held revisions and the activation, over SQLite and PostgreSQL."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.dialects import sqlite

from domain.artifact_types import ArtifactType
from domain.errors import ErrorCode, Problem
from domain.import_model import AuditEntry, EventKind, ImportState
from domain.model import ArtifactFilter, ArtifactId, ArtifactStatus
from domain.options import ConflictStrategy
from domain.plan_model import ActionKind, Drift, MatchedBy, MergeBase
from domain.ports import NameTakenError, PlanMovedError, RevisionMovedError
from domain.rows import Slice, Step
from storage import activation, batches
from storage.prepared import prepared
from storage.tables import revision
from tests.clocks import NOON
from tests.ports.rows import (
    ACME,
    ANNA,
    GLOBEX,
    ORIGIN,
    a_plan,
    a_revision,
    an_action,
    an_installed,
    ended,
    progress,
    running,
    saved,
    with_tenants,
)

_ALL_RULES = [f"rule-{number}" for number in range(10)]


@pytest.fixture(autouse=True)
async def tenants(store):
    await with_tenants(store)


async def _held(store, job, *actions_and_revisions, bases=None):
    """Save a plan of these actions and hold their revisions."""
    actions = [action for action, _ in actions_and_revisions]
    revisions = [new._replace(import_id=job.import_id) for _, new in actions_and_revisions if new is not None]
    async with store.unit(job.tenant_id) as unit:
        await unit.imports.save_plan(a_plan(job, *actions))
        await unit.imports.hold(revisions, bases)


async def _activated(store, job, *, written=0, is_demanded=False):
    """Activate and end an import, in one transaction as a run does."""
    event = progress(10, kind=EventKind.ENDED, state=ImportState.SUCCEEDED)
    end = Step(job.import_id, job.fence, (event,), {"state": ImportState.SUCCEEDED, "ended_at": NOON})
    async with store.unit(job.tenant_id) as unit:
        await unit.imports.advance(end)
        if is_demanded:
            await unit.imports.demand_preconditions(job.import_id)
        await unit.imports.activate(job.import_id, [an_installed(job)], written=written)


async def test_a_plan_is_read_back_with_every_action_in_order(store):
    job = await running(store)
    (head,) = await saved(store, a_revision("rule-1", origin=ORIGIN))
    new = a_revision("rule-1", number=2)
    update = an_action(
        0,
        new,
        kind=ActionKind.UPDATE,
        existing=head,
        matched_by=MatchedBy.ORIGIN,
        conflict_key="conf-001",
        strategy=ConflictStrategy.REPLACE,
    )
    waiting = an_action(1, kind=None)
    made = a_plan(job, waiting, update, warnings=(Problem(ErrorCode.DRAFT_REPLACED, "draft", details={"n": 1}),))

    async with store.unit(ACME) as unit:
        await unit.imports.save_plan(a_plan(job, an_action(7)))
        await unit.imports.save_plan(made)

    async with store.view(ACME) as view:
        assert await view.imports.plan(made.plan_id) == replace(made, actions=())
        first = await view.imports.actions(job.import_id, first=1)
        rest = await view.imports.actions(job.import_id, first=9, after=0)
    assert (first, rest) == (Slice((update,), has_next=True), Slice((waiting,), has_next=False))


async def test_a_plan_that_is_saved_in_parts_is_there_with_its_last_action(store):
    job = await running(store)
    made = a_plan(job, *(an_action(position) for position in range(5)))
    async with store.unit(ACME) as unit:
        await unit.imports.save_plan(a_plan(job, an_action(7)))

    seen, actions = [], ()
    for part in (slice(0, 2), slice(2, 4), slice(4, 6)):
        async with store.unit(ACME) as unit:
            await unit.imports.save_plan(made, part=part)
        async with store.view(ACME) as view:
            actions = (await view.imports.actions(job.import_id, first=9)).items
            seen.append((await view.imports.plan(made.plan_id), len(actions)))

    assert seen == [(None, 2), (None, 4), (replace(made, actions=()), 5)]
    assert actions == made.actions


@pytest.mark.parametrize(
    ("kinds", "expected"),
    [
        (None, [0, 1, 2, 3, 4]),
        ({None}, [1, 3]),
        ({ActionKind.CREATE}, [0, 4]),
        ({ActionKind.SKIP, None}, [1, 2, 3]),
        (set(), []),
    ],
)
async def test_actions_of_some_kinds_are_found_counted_and_paged(store, kinds, expected):
    job = await running(store)
    of_plan = [ActionKind.CREATE, None, ActionKind.SKIP, None, ActionKind.CREATE]
    async with store.unit(ACME) as unit:
        await unit.imports.save_plan(a_plan(job, *(an_action(at, kind=kind) for at, kind in enumerate(of_plan))))

    async with store.view(ACME) as view:
        seen, this = view.imports, job.import_id
        first = await seen.actions(this, first=1, kinds=kinds)
        rest = await seen.actions(this, first=9, after=first.items[-1].place if first.items else None, kinds=kinds)
        pages = [await seen.action_page(this, page=page, page_size=2, kinds=kinds) for page in (1, 2, 3)]

    assert [action.position for action in (*first.items, *rest.items)] == expected
    assert first.has_next == (len(expected) > 1)
    assert [action.position for page in pages for action in page.items] == expected
    assert {page.total_count for page in pages} == {len(expected)}


async def test_the_place_of_an_action_counts_on_through_the_packages_of_an_import(store):
    job = await running(store)
    actions = [an_action(position, ordinal=ordinal) for ordinal in (0, 1) for position in (0, 1)]
    async with store.unit(ACME) as unit:
        await unit.imports.save_plan(a_plan(job, *actions))

    async with store.view(ACME) as view:
        after = [await view.imports.actions(job.import_id, first=9, after=action.place) for action in actions]

    assert [list(page.items) for page in after] == [actions[1:], actions[2:], actions[3:], []]


async def test_held_revisions_are_seen_by_nobody(store):
    job = await running(store)
    new = a_revision("rule-1", targets={"ent-1": 1})

    await _held(store, job, (an_action(0, new), new))

    async with store.view(ACME) as view:
        assert await view.imports.unreadable(job.import_id) == []
        assert await view.artifacts.heads(["rule-1"]) == {}
        assert await view.artifacts.page(ArtifactFilter(), first=9) == Slice((), has_next=False)
    async with store.platform_view() as view:
        assert await view.batches.revisions(ACME, ["rule-1"], first=9, before=None) == {}
        assert await view.batches.used_by(ACME, ["ent-1"], first=9, after=None) == {}


async def test_activation_makes_everything_visible_at_once(store):
    job = await running(store)
    (old,) = await saved(store, a_revision("rule-1", name="Old name"))
    first, second = a_revision("rule-1", number=2, name="New name", origin=ORIGIN), a_revision("rule-2")
    update = an_action(0, first, kind=ActionKind.UPDATE, existing=old)
    await _held(store, job, (update, first), (an_action(1, second), second))

    await _activated(store, job, written=2)

    async with store.view(ACME) as view:
        heads = await view.artifacts.heads(["rule-1", "rule-2"])
        bases = await view.imports.merge_bases("starter", "tenant-source")
        installed = await view.imports.installed(["starter"])
    async with store.platform_view() as view:
        histories = await view.batches.revisions(ACME, ["rule-1"], first=9, before=None)
    history = histories[ArtifactId("rule-1")].items
    moved = heads["rule-1"]
    assert (moved.name, moved.revision, moved.imported_revision, moved.origin) == ("New name", 2, 2, ORIGIN)
    assert heads["rule-2"].imported_revision == 1
    assert [(revision.number, revision.import_id) for revision in history] == [(2, job.import_id), (1, None)]
    assert bases == {
        source_id: MergeBase(source_id, head.content_hash, head.revision_id, head.artifact_id, job.import_id)
        for source_id, head in (("rule-source-0", first), ("rule-source-1", second))
    }
    assert installed == [an_installed(job)]


async def test_nobody_sees_in_an_artifacts_history_what_an_import_holds(store):
    job, later = await running(store), a_revision("rule-1", number=2)
    (old,) = await saved(store, a_revision("rule-1"))
    await _held(store, job, (an_action(0, later, kind=ActionKind.UPDATE, existing=old), later))

    async with store.platform_view() as view:
        held = await view.batches.revisions(ACME, ["rule-1"], first=9, before=None)
    await ended(store, job, ImportState.FAILED)
    async with store.platform_view() as view:
        failed = await view.batches.revisions(ACME, ["rule-1"], first=9, before=None)

    assert [[one.number for one in page[ArtifactId("rule-1")].items] for page in (held, failed)] == [[1], [1]]


async def test_what_an_activated_import_wrote_is_never_discarded(store):
    job, new = await running(store), a_revision("rule-1")
    await _held(store, job, (an_action(0, new), new))
    await _activated(store, job, written=1)

    async with store.unit(ACME) as unit:
        dropped = await unit.imports.discard(job.import_id)

    async with store.platform_view() as view:
        assert (dropped, await view.jobs.with_leftovers()) == (0, [])
    async with store.view(ACME) as view:
        assert list(await view.artifacts.bodies([new.revision_id])) == [new.revision_id]


async def test_an_artifact_that_moved_in_the_last_moment_is_not_overwritten(store):
    job, new, beside = await running(store), a_revision("rule-1", number=2), a_revision("rule-2", number=2)
    old, other = await saved(store, a_revision("rule-1"), a_revision("rule-2"))
    update, follows = (
        an_action(0, new, kind=ActionKind.UPDATE, existing=old),
        an_action(1, beside, kind=ActionKind.UPDATE, existing=other),
    )
    await _held(store, job, (update, new), (follows, beside))
    await saved(store, a_revision("rule-1", number=2, name="Saved meanwhile"))

    with pytest.raises(PlanMovedError) as moved:
        await _activated(store, job, written=2)

    assert [one.artifact_id for one in moved.value.drift] == ["rule-1"]
    async with store.view(ACME) as view:
        heads = await view.artifacts.heads(["rule-1", "rule-2"])
    assert (heads[ArtifactId("rule-1")].name, heads[ArtifactId("rule-2")]) == ("Saved meanwhile", other)


async def test_a_new_artifact_whose_id_was_taken_meanwhile_is_not_overwritten(store):
    job, new = await running(store), a_revision("rule-1")
    await _held(store, job, (an_action(0, new), new))
    await saved(store, a_revision("rule-1", name="Saved meanwhile"))

    with pytest.raises(RevisionMovedError):
        await _activated(store, job, written=1)

    async with store.view(ACME) as view:
        assert (await view.artifacts.heads(["rule-1"]))[ArtifactId("rule-1")].name == "Saved meanwhile"


async def test_a_failed_activation_leaves_the_tenant_as_it_was(store):
    job = await running(store)
    first, second = a_revision("rule-1"), a_revision("rule-2", name="Taken")
    await _held(store, job, (an_action(0, first), first), (an_action(1, second), second))
    await saved(store, a_revision("rule-9", name="TAKEN"))

    with pytest.raises(NameTakenError):
        await _activated(store, job, written=2)

    async with store.view(ACME) as view:
        assert await view.artifacts.heads(["rule-1", "rule-2"]) == {}
        assert await view.imports.unreadable(job.import_id) == []
        assert await view.imports.installed() == []
        assert await view.imports.merge_bases("starter", "tenant-source") == {}


async def test_two_artifacts_may_swap_their_names(store):
    job = await running(store)
    one, two = await saved(store, a_revision("rule-1", name="One"), a_revision("rule-2", name="Two"))
    new_one, new_two = a_revision("rule-1", number=2, name="Two"), a_revision("rule-2", number=2, name="One")
    actions = [
        (an_action(0, new_one, kind=ActionKind.UPDATE, existing=one), new_one),
        (an_action(1, new_two, kind=ActionKind.UPDATE, existing=two), new_two),
    ]
    await _held(store, job, *actions)
    async with store.view(ACME) as view:
        assert await view.imports.drift(job.import_id) == []

    await _activated(store, job, written=2)

    async with store.view(ACME) as view:
        found = await view.artifacts.named([(ArtifactType.RULE_SET, "one"), (ArtifactType.RULE_SET, "two")])
    assert {head.artifact_id: head.name for head in found} == {"rule-1": "Two", "rule-2": "One"}


async def test_a_name_that_a_removal_frees_can_be_taken_in_the_same_import(store):
    job = await running(store)
    (old,) = await saved(store, a_revision("rule-1", name="Same"))
    new, gone = (
        a_revision("rule-0", name="Same"),
        a_revision("rule-1", number=2, name="Same", status=ArtifactStatus.DELETED),
    )
    removal = an_action(1, gone, kind=ActionKind.REMOVE, existing=old)
    await _held(store, job, (an_action(0, new), new), (removal, gone))
    async with store.view(ACME) as view:
        assert await view.imports.drift(job.import_id) == []

    await _activated(store, job, written=2)

    async with store.view(ACME) as view:
        found = await view.artifacts.named([(ArtifactType.RULE_SET, "same")])
    assert [head.artifact_id for head in found] == ["rule-0"]


async def test_nothing_is_activated_while_something_of_an_earlier_attempt_is_held(store):
    job = await running(store)
    left_over, new = a_revision("rule-1"), a_revision("rule-2")
    await _held(store, job, (an_action(0, left_over), left_over))
    await _held(store, job, (an_action(0, new), new))

    with pytest.raises(RevisionMovedError):
        await _activated(store, job, written=1)

    async with store.view(ACME) as view:
        assert await view.artifacts.heads(["rule-1", "rule-2"]) == {}


async def test_what_an_earlier_attempt_holds_is_not_shown_by_an_import_that_writes_nothing(store):
    job, left_over = await running(store), a_revision("rule-1", number=2)
    (old,) = await saved(store, a_revision("rule-1"))
    await _held(store, job, (an_action(0, left_over, kind=ActionKind.UPDATE, existing=old), left_over))

    with pytest.raises(RevisionMovedError):
        await _activated(store, job, written=0)

    async with store.platform_view() as view:
        found = await view.batches.revisions(ACME, ["rule-1"], first=9, before=None)
    assert [one.number for one in found[ArtifactId("rule-1")].items] == [1]


async def test_an_unchanged_artifact_renews_its_base_and_a_skipped_one_does_not(store):
    job = await running(store)
    same, other = await saved(store, a_revision("rule-1"), a_revision("rule-2"))
    unchanged = an_action(
        0, kind=ActionKind.UNCHANGED, existing=same, base_body_id=same.revision_id, base_hash=same.content_hash
    )
    await _held(store, job, (unchanged, None), (an_action(1, kind=ActionKind.SKIP, existing=other), None))

    await _activated(store, job)

    async with store.view(ACME) as view:
        bases = await view.imports.merge_bases("starter", "tenant-source")
        heads = await view.artifacts.heads(["rule-1", "rule-2"])
    assert bases == {
        "rule-source-0": MergeBase(
            "rule-source-0", same.content_hash, same.revision_id, ArtifactId("rule-0"), job.import_id
        )
    }
    assert [head.revision for head in heads.values()] == [1, 1]


async def test_a_later_version_takes_the_place_of_the_installed_one(store):
    first = await running(store)
    await _held(store, first)
    await _activated(store, first)
    second = await running(store)
    await _held(store, second)

    async with store.unit(ACME) as unit:
        await unit.imports.activate(second.import_id, [an_installed(second, version="2.0.0")], written=0)

    async with store.view(ACME) as view:
        assert [package.version for package in await view.imports.installed()] == ["2.0.0"]


@pytest.mark.parametrize("kind", [ActionKind.UPDATE, ActionKind.MERGE, ActionKind.UNCHANGED, ActionKind.REMOVE])
async def test_an_artifact_that_was_saved_since_the_plan_is_drift(store, kind):
    job = await running(store)
    head, still = await saved(store, a_revision("rule-1"), a_revision("rule-2"))
    actions = [
        (an_action(1, kind=kind, name=head.name, existing=head, target_id=head.artifact_id), None),
        (an_action(2, kind=kind, name=still.name, existing=still, target_id=still.artifact_id), None),
    ]
    await _held(store, job, *actions)
    (now,) = await saved(store, a_revision("rule-1", number=2))

    async with store.view(ACME) as view:
        drift = await view.imports.drift(job.import_id)

    revisions = (head.revision_id, now.revision_id)
    assert drift == [Drift(ArtifactId("rule-1"), "Name of rule-1", 2, ANNA, NOON, ArtifactType.RULE_SET, *revisions)]


async def test_a_skipped_artifact_drifts_only_when_it_is_gone(store):
    job = await running(store)
    first, second = await saved(store, a_revision("rule-1"), a_revision("rule-2"))
    skips = [
        (an_action(n, kind=ActionKind.SKIP, name=head.name, existing=head, target_id=head.artifact_id), None)
        for n, head in enumerate((first, second))
    ]
    await _held(store, job, *skips)
    await saved(store, a_revision("rule-1", number=2))
    await saved(store, a_revision("rule-2", number=2, status=ArtifactStatus.DELETED))

    async with store.view(ACME) as view:
        drift = await view.imports.drift(job.import_id)

    assert [moved.artifact_id for moved in drift] == ["rule-2"]


@pytest.mark.parametrize("kind", [ActionKind.CREATE, ActionKind.COPY, ActionKind.UPDATE, ActionKind.MERGE])
async def test_a_name_that_was_taken_since_the_plan_is_drift(store, kind):
    job = await running(store)
    existing = None
    if kind in {ActionKind.UPDATE, ActionKind.MERGE}:
        (existing,) = await saved(store, a_revision("rule-1", name="Before"))
    action = an_action(0, kind=kind, name="Wanted", existing=existing, target_id="rule-1")
    await _held(store, job, (action, None))
    (now,) = await saved(store, a_revision("rule-9", name="WANTED"))

    async with store.view(ACME) as view:
        drift = await view.imports.drift(job.import_id)

    told = Drift(ArtifactId("rule-9"), "WANTED", 1, ANNA, NOON, ArtifactType.RULE_SET, None, now.revision_id)
    assert drift == [told]


_EDITED = a_revision("rule-1", number=2)
_RENAMED = a_revision("rule-1", number=2, name="Renamed")
_DELETED = a_revision("rule-1", number=2, status=ArtifactStatus.DELETED)
_NAMED_SO = a_revision("rule-9", name="Wanted")
_CHANGES = (ActionKind.UPDATE, ActionKind.MERGE, ActionKind.REMOVE)
_NAMES = (ActionKind.CREATE, ActionKind.COPY, ActionKind.UPDATE, ActionKind.MERGE)


@pytest.mark.parametrize(
    ("kind", "meanwhile"),
    [
        *((kind, saves) for kind in (*_CHANGES, ActionKind.UNCHANGED) for saves in (_EDITED, _RENAMED, _DELETED)),
        *((kind, _NAMED_SO) for kind in _NAMES),
        (ActionKind.SKIP, _DELETED),
    ],
)
async def test_an_activation_tells_the_same_drift_as_the_plan_and_moves_nothing(store, kind, meanwhile):
    job = await running(store)
    (head,) = await saved(store, a_revision("rule-1", name="Before"))
    existing = None if kind in {ActionKind.CREATE, ActionKind.COPY} else head
    target = "rule-1" if existing else "rule-2"
    status = ArtifactStatus.DELETED if kind is ActionKind.REMOVE else head.status
    name = "Before" if kind in {ActionKind.REMOVE, ActionKind.UNCHANGED, ActionKind.SKIP} else "Wanted"
    new = a_revision(target, number=2 if existing else 1, name=name, status=status)
    first = a_revision("rule-0", name="First")
    is_written = kind not in {ActionKind.UNCHANGED, ActionKind.SKIP}
    action = an_action(1, new if is_written else None, kind=kind, name=name, existing=existing, target_id=target)
    await _held(store, job, (an_action(0, first), first), (action, new if is_written else None))
    await saved(store, meanwhile)
    async with store.view(ACME) as view:
        expected, before = await view.imports.drift(job.import_id), await view.artifacts.heads(_ALL_RULES)

    with pytest.raises(PlanMovedError) as moved:
        await _activated(store, job, written=1 + is_written, is_demanded=True)

    async with store.view(ACME) as view:
        assert (moved.value.drift, await view.artifacts.heads(_ALL_RULES)) == (expected, before)
    assert len(expected) == 1


@pytest.mark.parametrize("meanwhile", [_EDITED, _RENAMED])
async def test_a_skipped_artifact_may_change_before_the_activation(store, meanwhile):
    job = await running(store)
    (head,) = await saved(store, a_revision("rule-1"))
    new = a_revision("rule-0", name="First")
    skipped = an_action(1, kind=ActionKind.SKIP, name=head.name, existing=head, target_id=head.artifact_id)
    await _held(store, job, (an_action(0, new), new), (skipped, None))
    await saved(store, meanwhile)

    await _activated(store, job, written=1, is_demanded=True)

    async with store.view(ACME) as view:
        assert sorted(await view.artifacts.heads(_ALL_RULES)) == ["rule-0", "rule-1"]


async def test_an_undecided_action_relies_on_nothing(store):
    job = await running(store)
    (head,) = await saved(store, a_revision("rule-1"))
    await _held(store, job, (an_action(0, kind=None, existing=head), None))
    await saved(store, a_revision("rule-1", number=2))

    async with store.view(ACME) as view:
        assert await view.imports.drift(job.import_id) == []


async def test_a_reference_to_what_is_neither_there_nor_held_is_broken(store):
    job = await running(store)
    (old,) = await saved(store, a_revision("ent-1", artifact_type=ArtifactType.ENTITY_SCHEMA))
    await saved(store, a_revision("rule-gone", status=ArtifactStatus.DELETED))
    entity_goes = a_revision("ent-1", number=2, status=ArtifactStatus.DELETED, targets={"rule-unknown": 1})
    beside = a_revision("rule-2", targets={"rule-3": 1})
    broken = a_revision("rule-3", targets={"rule-unknown": 1, "rule-gone": 1, "ent-1": 1, "rule-2": 1})
    actions = [
        (an_action(0, entity_goes, kind=ActionKind.REMOVE, existing=old), entity_goes),
        (an_action(1, beside), beside),
        (an_action(2, broken), broken),
    ]

    await _held(store, job, *actions)

    async with store.view(ACME) as view:
        found = await view.imports.broken_references(job.import_id)
    assert [reference.target_id for reference in found] == ["rule-unknown", "rule-gone", "ent-1"]


async def test_a_planned_revision_that_was_never_held_is_unreadable(store):
    job = await running(store)
    first, second = a_revision("rule-1"), a_revision("rule-2")

    await _held(store, job, (an_action(0, first), first), (an_action(1, second), None), (an_action(2), None))

    async with store.view(ACME) as view:
        assert await view.imports.unreadable(job.import_id) == ["rule-2"]


async def test_discarding_drops_what_was_held_in_batches_and_nothing_else(store):
    job = await running(store)
    (kept,) = await saved(store, a_revision("rule-9"))
    held = [a_revision(f"rule-{n}", targets={"rule-9": 1}) for n in range(5)]
    actions = [(an_action(n, new), new) for n, new in enumerate(held)]
    unchanged = an_action(5, kind=ActionKind.UNCHANGED, existing=kept, base_body_id=kept.revision_id)
    merged = an_action(6, kind=ActionKind.MERGE, existing=kept, base_body_id="base-1")
    await _held(store, job, *actions, (unchanged, None), (merged, None), bases={"base-1": b"{}"})
    await ended(store, job, ImportState.FAILED)
    async with store.platform_view() as view:
        assert await view.jobs.with_leftovers() == [(ACME, job.import_id)]

    dropped: list[int] = []
    while not dropped or dropped[-1]:
        async with store.unit(ACME) as unit:
            dropped.append(await unit.imports.discard(job.import_id, limit=3))

    async with store.view(ACME) as view:
        bodies = await view.artifacts.bodies([*(new.revision_id for new in held), kept.revision_id, "base-1"])
    async with store.platform_view() as view:
        assert await view.jobs.with_leftovers() == []
    assert (dropped, list(bodies)) == ([3, 2, 0], [kept.revision_id])


async def test_the_bases_of_an_activated_import_are_never_discarded(store):
    job = await running(store)
    (head,) = await saved(store, a_revision("rule-1"))
    new = a_revision("rule-1", number=2)
    merge = an_action(0, new, kind=ActionKind.MERGE, existing=head, base_body_id="base-1")
    await _held(store, job, (merge, new), bases={"base-1": b"own side"})
    await _activated(store, job, written=1)

    async with store.unit(ACME) as unit:
        dropped = await unit.imports.discard(job.import_id)
        bodies = await unit.artifacts.bodies(["base-1", new.revision_id])

    assert (dropped, set(bodies)) == (0, {"base-1", new.revision_id})


async def test_the_first_scan_report_of_a_package_stays(store):
    job = await running(store)
    async with store.unit(ACME) as unit:
        await unit.imports.save_scan(job.import_id, 1, {"result": "WARN"})
        await unit.imports.save_scan(job.import_id, 0, {"result": "PASS"})
        await unit.imports.save_scan(job.import_id, 0, {"result": "FAIL"})

    async with store.view(ACME) as view:
        assert await view.imports.scan_reports(job.import_id) == [{"result": "PASS"}, {"result": "WARN"}]


async def test_audit_entries_of_an_import_come_oldest_first(store):
    job = await running(store)
    entries = [AuditEntry(NOON, ANNA, f"import.{word}", job.import_id, {"n": word}) for word in ("one", "two")]
    async with store.unit(ACME) as unit:
        for entry in entries:
            await unit.imports.audit(entry)
        await unit.imports.audit(AuditEntry(NOON, ANNA, "tenant.changed", None, {}))
        await unit.imports.post("import.ended", {"importId": job.import_id})

    async with store.view(ACME) as view:
        assert await view.imports.audit_of(job.import_id) == entries


async def test_every_question_about_plans_does_not_show_other_tenants(store):
    job = await running(store, GLOBEX)
    new = a_revision("rule-1", targets={"rule-unknown": 1})
    await _held(store, job, (an_action(0, new), new), (an_action(1, a_revision("rule-2")), None))
    async with store.unit(GLOBEX) as unit:
        await unit.imports.audit(AuditEntry(NOON, ANNA, "import.x", job.import_id, {}))
    async with store.view(GLOBEX) as view:
        assert await view.imports.broken_references(job.import_id)

    async with store.unit(ACME) as unit:
        seen, this = unit.imports, job.import_id
        nothing = [
            *(await seen.plan(f"plan-{this}"), (await seen.actions(this, first=9)).items),
            (await seen.action_page(this, page=1, page_size=9)).items,
            *(await seen.broken_references(this), await seen.unreadable(this), await seen.drift(this)),
            *(await seen.audit_of(this), await seen.discard(this), await seen.installed()),
        ]
        await seen.activate(this, [an_installed(job)], written=0)
        assert await seen.merge_bases("starter", "tenant-source") == {}
        assert await unit.artifacts.heads(["rule-1"]) == {}

    assert not any(nothing)


# a small table's plan says nothing on PostgreSQL
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_an_activation_reads_only_the_plan_of_its_own_import(store):
    told: dict[str, Any] = {"GIVE_UP_NAMES": activation._GIVE_UP_NAMES, "POINT": activation._POINT["sqlite"]}
    told |= {"POINT_RENAMED": activation._POINT_RENAMED["sqlite"], "KEEP_BASES": activation._KEEP_BASES["sqlite"]}
    read = {}
    async with store._engines.reader.connect() as connection:
        for name, statement in told.items():
            asked = str(statement.compile(dialect=sqlite.dialect())).replace("?", "'x'")
            rows = await connection.execute(text(f"EXPLAIN QUERY PLAN {asked}"))
            read[name] = [row[-1] for row in rows if row[-1].startswith("SCAN") or "(tenant_id=?)" in row[-1]]

    assert read == {name: [] for name in told}


_COLUMNS = [column.name for column in revision.columns]
_OTHERWISE = {"revision_id": "revision_id || next", "number": "next", "restores": "revision_id"}
#: the same revision a thousand times more, as if its artifact had been put back again and again
_MANY = f"""
    INSERT INTO revision ({", ".join(_COLUMNS)}) SELECT {", ".join(_OTHERWISE.get(name, name) for name in _COLUMNS)}
    FROM revision, generate_series(2, 1001) n (next)"""


@pytest.mark.parametrize("database_url", [pytest.param("postgres", marks=pytest.mark.postgres)], indirect=True)
async def test_what_is_asked_about_a_thousand_revisions_reads_neither_all_imports_nor_all_revisions(store):
    job, new = await running(store), a_revision("rule-1")
    await _held(store, job, (an_action(0, new), new))
    async with store._engines.writer.begin() as connection:
        for statement in (_MANY, "ANALYZE"):
            await connection.execute(text(statement))
    history = {"tenant": ACME, "ids": ["rule-1"], "before": 9_999, "limit": 20}
    pointed = {"tenant": ACME, "id": job.import_id, "written": 1_001}

    plans = ""
    questions: list[tuple[Any, dict[str, Any]]] = [
        (batches._REVISIONS, history),
        (activation._POINT["postgresql"], pointed),
    ]
    for asked, values in questions:
        step = prepared(asked, "postgresql", tuple(values)).step(values)
        async with store.view(ACME) as view:
            told = await view._session._driver.together(
                [step._replace(sql=f"EXPLAIN VERBOSE {step.sql}", gives_rows=True)]
            )
        plans += "\n".join(row[0] for row in told.rows)

    # a list of all that might be asked for, read before the first question
    assert ("SubPlan" in plans, "hashed SubPlan" in plans) == (True, False)
