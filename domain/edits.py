"""What a batch of changes comes to: next revisions of artifacts, and what is wrong with them (pure; decisions R5, R6).

References are found here, when an artifact is saved, and kept as rows: exports, previews and "used by" never read
contents.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

import uuid_utils

from domain import strict_json, versions
from domain.artifact_types import ArtifactType, is_id_of
from domain.bundle import NAME_LENGTH_MAX
from domain.contents import content_hash, content_of, file_of, with_values, written
from domain.errors import ErrorCode, Problem, refuse
from domain.manifest_fields import is_artifact_name
from domain.model import (
    Actor,
    ArtifactHead,
    ArtifactId,
    ArtifactStatus,
    NewRevision,
    Protection,
    RevisionId,
    TenantId,
    name_key,
)
from domain.protecting import protection_problems

CHANGES_MAX = 1000
ARTIFACT_BYTES_MAX = 8 << 20
#: what each list of a batch makes of the artifacts it names
STATUS_BY_VERB = {
    "publish": ArtifactStatus.PUBLISHED,
    "archive": ArtifactStatus.ARCHIVED,
    "remove": ArtifactStatus.DELETED,
}


@dataclass(frozen=True, slots=True)
class ArtifactDraft:
    """One artifact to save. ``if_revision`` refuses when somebody saved in between; 0 means: must be new."""

    artifact_type: ArtifactType
    name: str
    version: str
    content: Mapping[str, Any]
    artifact_id: str | None = None
    if_revision: int | None = None
    status: ArtifactStatus = ArtifactStatus.DRAFT


@dataclass(frozen=True, slots=True)
class ArtifactChanges:
    """A batch: what to save, and ids to publish, archive or remove, in this order."""

    tenant_id: TenantId
    save: tuple[ArtifactDraft, ...] = ()
    publish: tuple[str, ...] = ()
    archive: tuple[str, ...] = ()
    remove: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.save) + len(self.publish) + len(self.archive) + len(self.remove)

    @property
    def with_ids(self) -> ArtifactChanges:
        """The same; what is new and came without an id has one."""
        return replace(
            self, save=tuple(replace(d, artifact_id=d.artifact_id or _new_id(d.artifact_type)) for d in self.save)
        )

    @property
    def edited(self) -> Iterator[tuple[str, str]]:
        """The places in the batch that name an artifact, and its id."""
        yield from ((f"save[{place}]", draft.artifact_id or "") for place, draft in enumerate(self.save))
        for verb in STATUS_BY_VERB:
            yield from ((f"{verb}[{place}]", artifact_id) for place, artifact_id in enumerate(getattr(self, verb)))


@dataclass(slots=True)
class Batch:
    """Revisions in the making; a later change of the same artifact stands on the earlier one."""

    actor: Actor
    at: datetime
    heads: dict[str, ArtifactHead]
    revisions: dict[str, NewRevision] = field(default_factory=dict)
    #: the status that each artifact is to have at last, and the place of the wish
    statuses: dict[str, tuple[ArtifactStatus, str]] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    #: the artifacts as they are once the batch is committed, as far as it was written
    written: dict[str, ArtifactHead] = field(default_factory=dict)

    @property
    def is_refused(self) -> bool:
        """Whether anything is wrong, and not only worth knowing."""
        return any(not problem.code.is_warning for problem in self.problems)


def batch_of(
    changes: ArtifactChanges,
    heads: Mapping[ArtifactId, ArtifactHead],
    protection: Protection,
    actor: Actor,
    at: datetime,
) -> Batch:
    """The revisions of all changes on these heads, and every problem that can be told without the tenant's names."""
    batch = Batch(actor, at, {str(key): head for key, head in heads.items()})
    batch.problems += protection_problems(protection, changes.edited, batch.heads)
    for place, draft in enumerate(changes.save):
        _save(batch, place, draft)
    for verb, status in STATUS_BY_VERB.items():
        for place, artifact_id in enumerate(getattr(changes, verb)):
            _wish_status(batch, f"{verb}[{place}]", artifact_id, status)
    return batch


def draft_of_file(raw: bytes) -> ArtifactDraft:
    """An artifact from a file in the bundle's own form, to be published (``artifacts load``).

    Raises a refusal that says what is wrong with the file.
    """
    try:
        tree = strict_json.read(raw)
    except strict_json.NotStrict as flaw:
        raise refuse(ErrorCode.ARTIFACT_INVALID, f"{flaw.pointer}: {flaw.reason}") from flaw
    if not isinstance(tree, dict):
        raise refuse(ErrorCode.ARTIFACT_INVALID, "The file does not hold a JSON object.")
    artifact_type = next((member for member in ArtifactType if member.wire == tree.get("_type")), None)
    if artifact_type is None:
        raise refuse(ErrorCode.UNKNOWN_ARTIFACT_TYPE, "_type names no artifact type.", "_type")
    return ArtifactDraft(
        artifact_type=artifact_type,
        artifact_id=tree.get("id") if isinstance(tree.get("id"), str) else None,
        name=str(tree.get("name", "")),
        version=str(tree.get("_version", "")),
        content=tree,
        status=ArtifactStatus.PUBLISHED,
    )


def batch_problems(changes: ArtifactChanges) -> Iterator[Problem]:
    """What is wrong with a batch, whatever the tenant has."""
    if len(changes) > CHANGES_MAX:
        text = f"One batch holds at most {CHANGES_MAX} changes."
        yield Problem(ErrorCode.BAD_USER_INPUT, text, "save", details={"limit": CHANGES_MAX, "actual": len(changes)})
    names = Counter((draft.artifact_type, name_key(draft.name)) for draft in changes.save)
    ids = Counter(draft.artifact_id for draft in changes.save if draft.artifact_id)
    for place, draft in enumerate(changes.save):
        where = f"save[{place}]"
        if names[draft.artifact_type, name_key(draft.name)] > 1:
            text = f"{draft.name} stands twice in this batch."
            yield Problem(ErrorCode.DUPLICATE_ARTIFACT, text, f"{where}.name")
        if draft.artifact_id and ids[draft.artifact_id] > 1:
            text = f"{draft.artifact_id} stands twice in this batch."
            yield Problem(ErrorCode.DUPLICATE_ARTIFACT, text, f"{where}.artifactId")
        yield from _draft_problems(draft, where)


def _draft_problems(draft: ArtifactDraft, where: str) -> Iterator[Problem]:
    if draft.artifact_id is not None and not is_id_of(draft.artifact_id, draft.artifact_type):
        text = f"An id of this type is {draft.artifact_type.entry.prefix}- and letters, digits or hyphens."
        yield Problem(ErrorCode.BAD_USER_INPUT, text, f"{where}.artifactId")
    if not is_artifact_name(draft.name) or len(draft.name) > NAME_LENGTH_MAX:
        text = f"A name is one line of 1 to {NAME_LENGTH_MAX} characters."
        yield Problem(ErrorCode.BAD_USER_INPUT, text, f"{where}.name")
    if not versions.is_semver(draft.version):
        text = "version is not a semantic version such as 2.1.0."
        yield Problem(ErrorCode.INVALID_VERSION, text, f"{where}.version")
    if draft.status is ArtifactStatus.DELETED:
        yield Problem(ErrorCode.BAD_USER_INPUT, "To delete an artifact, use remove.", f"{where}.status")


def _save(batch: Batch, place: int, draft: ArtifactDraft) -> None:
    artifact_id = draft.artifact_id or ""
    head = batch.heads.get(artifact_id)
    where = f"save[{place}]"
    current = head.revision if head and head.is_there else 0
    if draft.if_revision is not None and draft.if_revision != current:
        batch.problems.append(moved_between(artifact_id, f"{where}.ifRevision", current))
    if head is not None and head.artifact_type is not draft.artifact_type:
        text = f"{artifact_id} is a {head.artifact_type.wire}."
        batch.problems.append(Problem(ErrorCode.BAD_USER_INPUT, text, f"{where}.artifactType", artifact_id))
    if head is not None and not head.is_there:
        text = f"{artifact_id} was deleted; a deleted id is never used again."
        batch.problems.append(Problem(ErrorCode.BAD_USER_INPUT, text, f"{where}.artifactId", artifact_id))
    tree = {**draft.content, "name": draft.name, "status": draft.status.wire}
    if made := _revision(batch, where, artifact_id, draft.artifact_type, draft.version, tree):
        batch.revisions[artifact_id] = made


def _wish_status(batch: Batch, where: str, artifact_id: str, status: ArtifactStatus) -> None:
    head = batch.heads.get(artifact_id)
    if artifact_id in batch.revisions or (head is not None and head.is_there):
        batch.statuses[artifact_id] = status, where
        return
    text = f"There is no artifact {artifact_id} in this tenant."
    batch.problems.append(Problem(ErrorCode.NOT_FOUND, text, where, artifact_id, {"what": "artifact"}))


def with_status(batch: Batch, known: ArtifactHead | NewRevision, body: bytes) -> NewRevision | None:
    """The same content under the status that the batch wishes for it; ``None`` and a problem as for any revision."""
    status, where = batch.statuses[known.artifact_id]
    tree = {**strict_json.trusted(body), "status": status.wire}
    return _revision(batch, where, known.artifact_id, known.artifact_type, known.version, tree)


def _revision(
    batch: Batch, where: str, artifact_id: str, artifact_type: ArtifactType, version: str, tree: dict[str, Any]
) -> NewRevision | None:
    """The next revision of an artifact; ``None`` and a problem where nobody could import it."""
    head = batch.heads.get(artifact_id)
    try:
        strict_json.demand_strict(tree)
        content = content_of(
            strict_json.trusted(strict_json.compact(tree)),
            artifact_type=artifact_type,
            artifact_id=ArtifactId(artifact_id),
            version=version,
        )
    except strict_json.NotStrict as flaw:
        text = f"{where}.content{flaw.pointer}: {flaw.reason}"
        batch.problems.append(Problem(ErrorCode.ARTIFACT_INVALID, text, f"{where}.content", artifact_id))
        return None
    final = written(
        content.template, {r.target_id: r.target_id for r in content.references} | {artifact_id: artifact_id}
    )
    file = file_of(final, batch.at)
    body = with_values(file, dict(content.credentials)) if content.credentials else file
    if reason := _unreadable(body):
        text = f"{where}.content: {reason}"
        batch.problems.append(Problem(ErrorCode.ARTIFACT_INVALID, text, f"{where}.content", artifact_id))
        return None
    return NewRevision(
        revision_id=RevisionId(str(uuid_utils.uuid7())),
        artifact_id=ArtifactId(artifact_id),
        artifact_type=artifact_type,
        number=head.revision + 1 if head else 1,
        name=content.name,
        version=version,
        status=ArtifactStatus(tree["status"]),
        content_hash=content_hash(final),
        body=body,
        written_at=batch.at,
        written_by=batch.actor,
        references=content.references,
        origin=head.origin if head else None,
    )


def _unreadable(body: bytes) -> str:
    """Why no tenant could import this file: what is saved must be able to travel."""
    if len(body) > ARTIFACT_BYTES_MAX:
        return f"it is larger than {ARTIFACT_BYTES_MAX} bytes"
    try:
        strict_json.read(body)
    except strict_json.NotStrict as flaw:
        return f"{flaw.pointer}: {flaw.reason}" if flaw.pointer else flaw.reason
    return ""


def moved_between(artifact_id: str, where: str, current: int | None) -> Problem:
    """Somebody else saved the artifact after it was looked at."""
    text = f"{artifact_id} was saved by somebody else in between."
    return Problem(ErrorCode.REVISION_CONFLICT, text, where, artifact_id, {"currentRevision": current})


def head_now(tenant_id: TenantId, batch: Batch, new: NewRevision) -> ArtifactHead:
    """An artifact as it is once this revision of it is active."""
    before = batch.heads.get(new.artifact_id)
    imported_revision = before.imported_revision if before else None
    row = (tenant_id, new.artifact_id, new.artifact_type, new.name, new.version, new.status, new.number)
    return ArtifactHead(
        *row, new.revision_id, new.content_hash, new.written_at, new.written_by, new.origin, imported_revision
    )


def _new_id(artifact_type: ArtifactType) -> str:
    return f"{artifact_type.entry.prefix}-{uuid_utils.uuid7()}"
