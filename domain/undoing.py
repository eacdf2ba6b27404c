"""What an undo does, artifact by artifact, before it does anything (pure; decisions sections 5.7, 9.6; ADR 0017).

1. *Go back.* Each artifact that the chosen imports wrote is to be what it was before the first of them; one that they
   made is to go. What was put on top of them since, by hand or by an import that is not chosen, is in the way.
2. *Look around.* Something that stays may refer to what would go, what comes back may refer to what is not there any
   more, and somebody else may have taken its name.
3. *Choose.* What is in the way blocks the undo, unless the caller said what is to be done about it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

import uuid_utils

from domain import strict_json
from domain.artifact_types import ArtifactType
from domain.errors import ErrorCode, Problem
from domain.import_model import ImportJob, ImportKind
from domain.model import (
    HASH_PREFIX,
    ArtifactHead,
    ArtifactId,
    ArtifactStatus,
    ImportId,
    Origin,
    Reference,
    ReferenceKind,
    RevisionId,
    name_key,
    rfc3339,
)
from domain.options import BlockerChoice
from domain.plan_model import ActionKind, DecisionSource, PlanAction
from domain.undo_rows import Layer, Written

UNDOS = frozenset({ImportKind.ROLLBACK, ImportKind.UNINSTALL})


@dataclass(frozen=True, slots=True)
class Past:
    """What the chosen imports wrote, and all that was active since. ``imports`` are those that the layers name.

    ``chosen`` says whose writing of which artifact is taken back.
    """

    written: Sequence[Written]
    layers: Sequence[Layer]
    heads: Mapping[ArtifactId, ArtifactHead]
    imports: Mapping[ImportId, ImportJob]
    chosen: Collection[tuple[ImportId, ArtifactId]]


@dataclass(frozen=True, slots=True)
class Around:
    """What else of the tenant an undo may meet."""

    #: references of what is there now to what would go
    referrers: Sequence[Reference]
    #: those of the revisions that would come back, or stay
    references: Mapping[RevisionId, Sequence[Reference]]
    #: whoever refers, and whatever is referred to
    heads: Mapping[ArtifactId, ArtifactHead]
    named: Sequence[ArtifactHead]


@dataclass(frozen=True, slots=True)
class Step:
    """What is done with one artifact. ``state`` is the revision that it is the same as afterwards."""

    action: PlanAction
    origin: Origin | None = None
    state: RevisionId | None = None
    #: the same, as it is now
    state_now: RevisionId | None = None

    @property
    def goes(self) -> bool:
        """Whether it is there no more afterwards."""
        return self.action.writes and self.action.status is ArtifactStatus.DELETED


@dataclass(frozen=True, slots=True)
class Obstacle:
    """What stands in the way of one artifact's undo, and the import that put it there, if one did.

    ``is_lost``: going on without a word would lose somebody's edit, and nothing else.
    """

    problem: Problem
    artifact_id: ArtifactId | None = None
    cause: ImportId | None = None
    is_lost: bool = False


class Pile:
    """The layers of one artifact: from the one before the first chosen import to the active one."""

    def __init__(self, layers: Sequence[Layer], imports: Mapping[ImportId, ImportJob]) -> None:
        self._layers = layers
        self._undos = {import_id for import_id, job in imports.items() if job.kind in UNDOS}
        self._places = {layer.revision_id: place for place, layer in enumerate(layers)}

    @property
    def now(self) -> RevisionId | None:
        """The state of the active revision."""
        return self.state(self._layers[-1])

    def numbered(self, number: int) -> Layer | None:
        """The revision with this number; ``None`` when there is none, or none that is known."""
        place = number - self._layers[0].number
        return self._layers[place] if 0 <= place < len(self._layers) else None

    def state(self, layer: Layer | None) -> RevisionId | None:
        """The revision that a state of the artifact began with, however often it was taken away and brought back.

        ``None``: there is nothing, because an undo took it away.
        """
        if layer is None:
            return None
        if layer.restores is None and layer.import_id in self._undos:
            return None
        return layer.restores or layer.revision_id

    def since(self, written: Written) -> list[Layer]:
        """The layers put on top of what was there before this was written, the top one first.

        Where the active revision lies on neither that nor on what was written: all that came after it.
        """
        before, after = (self.state(self.numbered(number)) for number in (written.number - 1, written.number))
        found = self._down_to(before)
        if found is None:
            found = self._down_to(after)
        if found is None:
            found = [layer for layer in reversed(self._layers) if layer.number > written.number]
        return found

    def _down_to(self, state: RevisionId | None) -> list[Layer] | None:
        found: list[Layer] = []
        top = self.now
        while top != state:
            place = self._places.get(top) if top else None
            if place is None:
                return None
            found.append(self._layers[place])
            top = self.state(self._layers[place - 1]) if place else None
        return found


def steps_back(past: Past) -> tuple[list[Step], list[Obstacle]]:
    """Every artifact on its way back, and what lies on top of what is to be taken away."""
    by_artifact = groupby(sorted(past.layers, key=_place), key=lambda layer: layer.artifact_id)
    piles = {artifact_id: Pile(list(layers), past.imports) for artifact_id, layers in by_artifact}
    firsts: dict[ArtifactId, Written] = {}
    for row in sorted(past.written, key=lambda one: -one.number):
        firsts[row.artifact_id] = row
    heads = past.heads
    order = sorted(firsts.values(), key=lambda one: (heads[one.artifact_id].artifact_type.rank, one.artifact_id))
    steps, obstacles = [], []
    for position, first in enumerate(order):
        head, pile = heads[first.artifact_id], piles[first.artifact_id]
        step = _step_back(position, first, head, pile)
        steps.append(step)
        if step.action.writes:
            obstacles += [
                _lies_on_top(head, layer, past)
                for layer in pile.since(first)
                if (layer.import_id, first.artifact_id) not in past.chosen
            ]
    return steps, obstacles


def _place(layer: Layer) -> tuple[str, int]:
    return layer.artifact_id, layer.number


def _step_back(position: int, first: Written, head: ArtifactHead, pile: Pile) -> Step:
    before = pile.numbered(first.number - 1)
    state = pile.state(before)
    origin = first.before.origin if first.before else None
    if before is None or state is None:
        if not head.is_there:
            return Step(_left(position, head, ActionKind.UNCHANGED), state_now=pile.now)
        action = _left(position, head, ActionKind.REMOVE)._replace(
            revision_id=_new_revision_id(),
            status=ArtifactStatus.DELETED,
            restores=head.revision_id,
        )
        return Step(action, head.origin, None, pile.now)
    if pile.now == state and head.origin == origin:
        return Step(_left(position, head, ActionKind.UNCHANGED), state_now=pile.now)
    action = _left(position, head, ActionKind.UPDATE)._replace(
        name=before.name,
        to_version=before.version,
        written_version=before.version,
        status=before.status,
        content_hash=before.content_hash,
        revision_id=_new_revision_id(),
        restores=before.revision_id,
    )
    return Step(action, origin, state, pile.now)


def stays(step: Step, choice: BlockerChoice) -> Step:
    """The artifact as it is now; as nobody's package any more where that was chosen."""
    head = step.action.existing
    if head is None or not head.is_there:
        left = ActionKind.UNCHANGED
    elif choice is BlockerChoice.KEEP_AS_LOCAL and head.origin is not None:
        kept = _left(step.action.position, head, ActionKind.UPDATE)
        action = kept._replace(revision_id=_new_revision_id(), restores=head.revision_id)
        return Step(action, None, step.state_now, step.state_now)
    else:
        left = ActionKind.SKIP
    action = step.action._replace(kind=left, revision_id=None, restores=None)
    return Step(action if head is None else _left(action.position, head, left), state_now=step.state_now)


def _left(position: int, head: ArtifactHead, kind: ActionKind) -> PlanAction:
    return PlanAction(
        ordinal=0,
        position=position,
        source_id=head.artifact_id,
        artifact_type=head.artifact_type,
        name=head.name,
        to_version=head.version,
        kind=kind,
        target_id=head.artifact_id,
        decided_by=DecisionSource.NO_CONFLICT,
        existing=head,
        written_version=head.version,
        status=head.status,
        content_hash=head.content_hash,
    )


def _new_revision_id() -> RevisionId:
    return RevisionId(str(uuid_utils.uuid7()))


def _lies_on_top(head: ArtifactHead, layer: Layer, past: Past) -> Obstacle:
    job = past.imports.get(layer.import_id) if layer.import_id else None
    by = f"{layer.written_by.label} at {rfc3339(layer.written_at)}"
    how = f"by the import {layer.import_id}{_named(job)} of {by}" if layer.import_id else f"by {by}"
    problem = _blocked(
        f"{head.name} was changed since, {how}: revision {layer.number}.",
        head,
        revision=layer.number,
        changedBy=layer.written_by.label,
        changedAt=rfc3339(layer.written_at),
        importId=layer.import_id,
    )
    return Obstacle(problem, head.artifact_id, layer.import_id, is_lost=layer.import_id is None)


def _named(job: ImportJob | None) -> str:
    return f" of {job.package_name} {job.package_version}" if job and job.package_name else ""


def obstacles_around(steps: Sequence[Step], around: Around) -> list[Obstacle]:
    """References that would lead nowhere, and names that are taken."""
    by_id = {step.action.target_id: step for step in steps}
    going = {artifact_id for artifact_id, step in by_id.items() if step.goes}
    rewritten = {artifact_id for artifact_id, step in by_id.items() if step.action.writes}
    held_by_others = [ref for ref in around.referrers if ref.artifact_id not in rewritten and ref.target_id in going]
    return [
        *(_needed(by_id[ref.target_id], around.heads[ref.artifact_id]) for ref in held_by_others),
        *(one for step in steps if step.action.writes and not step.goes for one in _leads(step, by_id, going, around)),
        *_taken_names(by_id, around.named),
    ]


def _leads(
    step: Step, by_id: Mapping[ArtifactId, Step], going: Collection[ArtifactId], around: Around
) -> Iterator[Obstacle]:
    """Where the references of what comes back, or stays as a new revision, lead."""
    action = step.action
    for ref in around.references.get(action.restores or RevisionId(""), ()):
        if ref.kind is not ReferenceKind.LITERAL:
            continue
        target = around.heads.get(ref.target_id)
        if ref.target_id in going and action.existing:
            yield _needed(by_id[ref.target_id], action.existing)
        elif not _is_there_afterwards(by_id.get(ref.target_id), target) and action.existing:
            text = f"{action.name} would refer to {ref.target_id}, which is not there any more."
            yield Obstacle(_blocked(text, action.existing, targetId=ref.target_id), action.target_id)


def _is_there_afterwards(step: Step | None, head: ArtifactHead | None) -> bool:
    """True for what never was there: what comes back led nowhere then as well."""
    if step is not None and step.action.writes:
        return not step.goes
    return head is None or head.is_there


def _needed(step: Step, holder: ArtifactHead) -> Obstacle:
    """What would go is referred to by what stays: by an import's artifact, or by somebody's own."""
    action, origin = step.action, holder.origin
    whose = f", which came with {origin.package_name} {origin.package_version}," if origin else ""
    text = f"{holder.name}{whose} refers to {action.name}, which would be removed."
    facts = {"usedBy": holder.name, "usedById": holder.artifact_id, "packageName": origin and origin.package_name}
    is_as_imported = origin is not None and holder.imported_revision == holder.revision
    cause = origin.import_id if origin and is_as_imported else None
    problem = Problem(
        ErrorCode.UNDO_BLOCKED,
        text,
        "",
        action.target_id,
        {"artifactId": action.target_id, "artifactName": action.name} | facts,
    )
    return Obstacle(problem, action.target_id, cause)


def _taken_names(by_id: Mapping[ArtifactId, Step], named: Iterable[ArtifactHead]) -> Iterator[Obstacle]:
    holders = {(head.artifact_type, name_key(head.name)): head for head in named}
    for artifact_id, step in by_id.items():
        key = key_of(step.action)
        holder = holders.get(key) if step.action.writes and not step.goes else None
        if holder is None or holder.artifact_id == artifact_id or step.action.existing is None:
            continue
        other = by_id.get(holder.artifact_id)
        if other is None or not other.action.writes or (not other.goes and key_of(other.action) == key):
            text = f"{step.action.name} cannot come back: {holder.artifact_id} has that name now."
            problem = _blocked(text, step.action.existing, takenBy=holder.artifact_id)
            yield Obstacle(problem, artifact_id)


def key_of(action: PlanAction) -> tuple[ArtifactType, str]:
    """Type and name key of an action's artifact afterwards."""
    return action.artifact_type, name_key(action.name)


def _blocked(text: str, head: ArtifactHead, **facts: object) -> Problem:
    details = {"artifactId": head.artifact_id, "artifactName": head.name, **facts}
    return Problem(ErrorCode.UNDO_BLOCKED, text, "", head.artifact_id, details)


def plan_hash(steps: Sequence[Step], choice: BlockerChoice) -> str:
    """Over the ordered actions, the choice and the preconditions, without times (R10)."""
    rows = [
        [
            step.action.target_id,
            step.action.kind.value if step.action.kind else "",
            step.action.restores or "",
            [step.action.existing.revision, step.action.existing.content_hash] if step.action.existing else [],
        ]
        for step in steps
    ]
    return HASH_PREFIX + hashlib.sha256(strict_json.compact([rows, choice.value])).hexdigest()
