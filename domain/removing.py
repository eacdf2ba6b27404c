"""Artifacts that a package brought and does not hold any more, taken away where that was wished (R31; pure).

What somebody changed since, what is locked, and what an artifact that stays refers to is not taken away: each is a
blocker that names it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import uuid_utils

from domain.errors import ErrorCode, Problem
from domain.holding import Author, Batch
from domain.model import ArtifactHead, ArtifactStatus, NewRevision, ReferenceKind, RevisionId
from domain.plan import Planned
from domain.plan_model import ActionKind, DecisionSource, MatchedBy, PlanAction
from domain.settling import remapped_references

#: users that one blocker names
NAMED_MAX = 20


def dropped(planned: Planned) -> list[ArtifactHead]:
    """What this package brought, what is still there, and what its new version has no artifact for."""
    if not planned.request.options.remove_dropped:
        return []
    artifacts = planned.bundle.artifacts
    held = {(artifact.source_id, artifact.artifact_type) for artifact in artifacts}
    met = {action.existing.artifact_id for action in planned.actions if action.existing}
    return [
        head
        for head in planned.inventory.brought
        if head.origin and (head.origin.source_id, head.artifact_type) not in held and head.artifact_id not in met
    ]


def remove(planned: Planned, heads: Sequence[ArtifactHead], users: Mapping[str, Sequence[ArtifactHead]]) -> None:
    """Add the removals behind the package's own artifacts; ``users`` are the artifacts that refer to each today."""
    first = len(planned.actions)
    planned.removals += [_removal(planned, first + place, head) for place, head in enumerate(heads)]
    others, written = stays_not(planned, heads), _written_users(planned)
    for head in heads:
        stay = [user for user in users.get(head.artifact_id, ()) if user.artifact_id not in others]
        names = [*dict.fromkeys([user.name for user in stay] + written.get(head.artifact_id, []))]
        planned.problems += _problems(head, names)


def stays_not(planned: Planned, heads: Sequence[ArtifactHead]) -> set[str]:
    """Whose references today say nothing: what goes too, and what says anew what it refers to."""
    rewritten = (ActionKind.UPDATE, ActionKind.MERGE)
    return {head.artifact_id for head in heads} | {a.target_id for a in planned.actions if a.kind in rewritten}


def _removal(planned: Planned, position: int, head: ArtifactHead) -> PlanAction:
    return PlanAction(
        ordinal=planned.request.ordinal,
        position=position,
        source_id=head.origin.source_id if head.origin else head.artifact_id,
        artifact_type=head.artifact_type,
        name=head.name,
        to_version=head.version,
        kind=ActionKind.REMOVE,
        target_id=head.artifact_id,
        decided_by=DecisionSource.NO_CONFLICT,
        existing=head,
        matched_by=MatchedBy.ORIGIN,
        revision_id=RevisionId(str(uuid_utils.uuid7())),
        written_version=head.version,
        status=ArtifactStatus.DELETED,
        content_hash=head.content_hash,
    )


def _written_users(planned: Planned) -> dict[str, list[str]]:
    """By target, the names of the artifacts that will refer to it once they are written."""
    found: dict[str, list[str]] = {}
    for action in (action for action in planned.actions if action.writes):
        merge = planned.merged.get(action.source_id)
        for reference in merge.references if merge else remapped_references(planned, action):
            if reference.kind is ReferenceKind.LITERAL:
                found.setdefault(reference.target_id, []).append(action.name)
    return found


def _problems(head: ArtifactHead, users: Sequence[str]) -> Iterator[Problem]:
    where, facts = head.artifact_id, {"artifactId": head.artifact_id, "artifactName": head.name}
    begin = f"The package does not hold {head.name} any more, and it cannot be removed:"
    if head.status is ArtifactStatus.LOCKED:
        yield Problem(ErrorCode.REMOVAL_BLOCKED, f"{begin} it is locked.", artifact_id=where, details=facts)
    if head.revision != head.imported_revision:
        text = f"{begin} {head.changed_by.label} changed it since."
        yield Problem(ErrorCode.REMOVAL_BLOCKED, text, artifact_id=where, details=facts)
    if users:
        named = list(users[:NAMED_MAX])
        more = f" and {len(users) - len(named)} more" if len(users) > len(named) else ""
        text = f"{begin} {', '.join(named)}{more} would refer to nothing."
        yield Problem(ErrorCode.REMOVAL_BLOCKED, text, artifact_id=where, details=facts | {"usedBy": named})


def removal_batch(actions: Sequence[PlanAction], bodies: Mapping[str, bytes], author: Author) -> Batch:
    """The revisions that end these artifacts: the contents stay readable in their histories."""
    revisions = [_last_revision(action, action.existing, bodies, author) for action in actions if action.existing]
    return Batch(revisions, size=sum(len(new.body) for new in revisions))


def _last_revision(action: PlanAction, head: ArtifactHead, bodies: Mapping[str, bytes], author: Author) -> NewRevision:
    return NewRevision(
        revision_id=action.revision_id or RevisionId(""),
        artifact_id=head.artifact_id,
        artifact_type=head.artifact_type,
        number=head.revision + 1,
        name=head.name,
        version=head.version,
        status=ArtifactStatus.DELETED,
        content_hash=head.content_hash,
        body=bodies[head.revision_id],
        written_at=author.at,
        written_by=author.actor,
        import_id=author.import_id,
        origin=head.origin,
    )
