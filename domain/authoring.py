"""Saving, publishing, archiving and deleting artifacts, many at once, all or nothing (decisions R2, R5, R6).

Every change is a new revision that is active at once. References are found here, when an artifact is saved, and
kept as rows, so that exports, previews and "used by" never read contents.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from typing import Any

import uuid_utils

from domain import strict_json, versions
from domain.access import Caller, Right, require
from domain.artifact_types import ArtifactType, is_id_of
from domain.bundle import NAME_LENGTH_MAX
from domain.contents import content_hash, content_of, file_of, with_values, written
from domain.errors import ErrorCode, Problem, Refusal, problem_of, problem_row, refuse, refuse_if
from domain.import_model import AuditEntry
from domain.manifest_fields import is_artifact_name
from domain.model import (
    Actor,
    ArtifactFilter,
    ArtifactHead,
    ArtifactId,
    ArtifactStatus,
    NewRevision,
    RevisionId,
    TenantId,
    name_key,
)
from domain.portions import portions
from domain.ports import KeyTakenError, NameTakenError, Ports, RevisionMovedError, TenantUnit
from domain.protecting import protection_problems
from domain.repeating import Once, made_before, once, remember
from domain.rows import Slice
from domain.tenancy import active_tenant, entry_of

CHANGES_MAX = 1000
ARTIFACT_BYTES_MAX = 8 << 20
_STATUS_BY_VERB = {
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
    def edited(self) -> Iterator[tuple[str, str]]:
        """The places in the batch that name an artifact, and its id."""
        yield from ((f"save[{place}]", draft.artifact_id or "") for place, draft in enumerate(self.save))
        for verb in _STATUS_BY_VERB:
            yield from ((f"{verb}[{place}]", artifact_id) for place, artifact_id in enumerate(getattr(self, verb)))


@dataclass(frozen=True, slots=True)
class Changed:
    """The artifacts of a batch as they are now, in the order they were named, and what is worth knowing."""

    heads: tuple[ArtifactHead, ...]
    warnings: tuple[Problem, ...] = ()


@dataclass(slots=True)
class _Batch:
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


class Authoring:
    """What people do with the artifacts of a tenant."""

    def __init__(self, ports: Ports) -> None:
        self._store = ports.store
        self._clock = ports.clock

    async def change(self, caller: Caller, changes: ArtifactChanges, *, key: str | None = None) -> Changed:
        """Make all changes, or none.

        With an idempotency key that the same request came with before, nothing is changed again (R25).

        Raises refusals with every problem: ``ArtifactInvalid``, ``BadUserInput``, ``InvalidVersion``,
        ``NotFound``, ``RevisionConflict``, ``ArtifactNameTaken``, ``InstalledArtifactProtected``,
        ``IdempotencyKeyReused``.
        """
        require(caller, Right.EDIT_ARTIFACTS)
        request = once(caller, key, "changeArtifacts", changes)
        is_platform_use = changes.tenant_id not in caller.tenants
        details = {"artifacts": len(changes)}
        entry = entry_of(caller, changes.tenant_id, "artifacts.changed", details, at=self._clock.now())
        try:
            return await self._apply(changes, caller.actor, request, entry if is_platform_use else None)
        except (Refusal, KeyTakenError):
            # a twin that was quicker has the key, and the names and revisions
            if first := await self._changed_before(changes.tenant_id, request):
                return first
            raise

    async def apply(self, changes: ArtifactChanges, actor: Actor, *, audited_as: str = "") -> Changed:
        """The same for the host's own command line, which needs no token and is audited instead."""
        entry = AuditEntry(self._clock.now(), actor, audited_as, None, {"artifacts": len(changes)})
        return await self._apply(changes, actor, None, entry if audited_as else None)

    async def _changed_before(self, tenant_id: TenantId, request: Once | None) -> Changed | None:
        if request is None:
            return None
        async with self._store.view(tenant_id) as unit:
            made = await made_before(unit, request, self._clock.now())
            return await _changed(unit, made) if made else None

    async def _apply(
        self, changes: ArtifactChanges, actor: Actor, request: Once | None, entry: AuditEntry | None
    ) -> Changed:
        refuse_if(_batch_problems(changes))
        drafts = [replace(d, artifact_id=d.artifact_id or _new_id(d.artifact_type)) for d in changes.save]
        applied = partial(self._applied, replace(changes, save=tuple(drafts)), actor, request, entry)
        try:
            return await applied(asks=False)
        except NameTakenError:
            # once more, to tell whose name it is, beside all else that is wrong
            try:
                return await applied(asks=True)
            except NameTakenError as error:
                text = f"Another artifact of this type is named {error.name}." if error.name else "The name is taken."
                raise refuse(ErrorCode.ARTIFACT_NAME_TAKEN, text, "save") from error

    async def _applied(
        self, changes: ArtifactChanges, actor: Actor, request: Once | None, entry: AuditEntry | None, *, asks: bool
    ) -> Changed:
        """Without ``asks`` it is for the database to say that a name is taken; few are. Raises NameTakenError."""
        named = list(dict.fromkeys(artifact_id for _, artifact_id in changes.edited))
        async with self._store.platform_unit() as platform:
            tenant = await active_tenant(platform.tenants, changes.tenant_id)
            unit = platform.of(changes.tenant_id)
            if made := await made_before(unit, request, self._clock.now()):
                return await _changed(unit, made)
            heads = await unit.artifacts.heads(named)
            batch = _Batch(actor, self._clock.now(), {str(key): head for key, head in heads.items()})
            batch.problems += protection_problems(tenant.protect_installed, changes.edited, batch.heads)
            for place, draft in enumerate(changes.save):
                _save(batch, place, draft)
            for verb, status in _STATUS_BY_VERB.items():
                for place, artifact_id in enumerate(getattr(changes, verb)):
                    _wish_status(batch, f"{verb}[{place}]", artifact_id, status)
            if asks or batch.statuses or batch.is_refused:
                batch.problems += await _taken_names(unit, batch, changes.save)
            refuse_if(batch.problems)
            await _write(unit, batch)
            if entry is not None:
                await unit.imports.audit(entry)
            effect = {"artifactIds": named, "warnings": [problem_row(problem) for problem in batch.problems]}
            await remember(unit, request, effect, batch.at)
        return _told([batch.written[key] for key in named], effect)

    async def heads(self, caller: Caller, tenant_id: TenantId, artifact_ids: list[str]) -> dict[str, ArtifactHead]:
        """Artifacts by id; unknown ones are absent."""
        require(caller, Right.READ_ARTIFACTS)
        async with self._store.view(tenant_id) as unit:
            return {str(key): head for key, head in (await unit.artifacts.heads(artifact_ids)).items()}

    async def page(
        self, caller: Caller, tenant_id: TenantId, wanted: ArtifactFilter, *, first: int, after: tuple[str, str] | None
    ) -> Slice[ArtifactHead]:
        """A tenant's artifacts by name."""
        require(caller, Right.READ_ARTIFACTS)
        async with self._store.view(tenant_id) as unit:
            return await unit.artifacts.page(wanted, first=first, after=after)

    async def contents(self, caller: Caller, tenant_id: TenantId, revision_ids: list[str]) -> dict[str, Any]:
        """The JSON of revisions, by revision id."""
        require(caller, Right.READ_ARTIFACTS)
        async with self._store.view(tenant_id) as unit:
            bodies = await unit.artifacts.bodies(revision_ids)
        return await asyncio.to_thread(_trees, revision_ids, bodies)

    async def content_sizes(self, caller: Caller, tenant_id: TenantId, revision_ids: list[str]) -> dict[str, int]:
        """How many bytes the JSON of revisions takes, by revision id: what :meth:`contents` has in memory at once."""
        require(caller, Right.READ_ARTIFACTS)
        async with self._store.view(tenant_id) as unit:
            return await unit.artifacts.body_sizes(revision_ids)


def _trees(revision_ids: Sequence[str], bodies: Mapping[str, bytes]) -> dict[str, Any]:
    return {key: strict_json.trusted(bodies[key]) for key in revision_ids}


async def _changed(unit: TenantUnit, effect: Mapping[str, Any]) -> Changed:
    heads = await unit.artifacts.heads(effect["artifactIds"])
    return _told([heads[ArtifactId(artifact_id)] for artifact_id in effect["artifactIds"]], effect)


def _told(heads: Sequence[ArtifactHead], effect: Mapping[str, Any]) -> Changed:
    return Changed(tuple(heads), tuple(problem_of(row) for row in effect.get("warnings", ())))


def _head_now(tenant_id: TenantId, batch: _Batch, new: NewRevision) -> ArtifactHead:
    before = batch.heads.get(new.artifact_id)
    imported_revision = before.imported_revision if before else None
    row = (tenant_id, new.artifact_id, new.artifact_type, new.name, new.version, new.status, new.number)
    return ArtifactHead(
        *row, new.revision_id, new.content_hash, new.written_at, new.written_by, new.origin, imported_revision
    )


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


def _new_id(artifact_type: ArtifactType) -> str:
    return f"{artifact_type.entry.prefix}-{uuid_utils.uuid7()}"


def _batch_problems(changes: ArtifactChanges) -> Iterator[Problem]:
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


def _save(batch: _Batch, place: int, draft: ArtifactDraft) -> None:
    artifact_id = draft.artifact_id or ""
    head = batch.heads.get(artifact_id)
    where = f"save[{place}]"
    current = head.revision if head and head.is_there else 0
    if draft.if_revision is not None and draft.if_revision != current:
        batch.problems.append(_moved(artifact_id, f"{where}.ifRevision", current))
    if head is not None and head.artifact_type is not draft.artifact_type:
        text = f"{artifact_id} is a {head.artifact_type.wire}."
        batch.problems.append(Problem(ErrorCode.BAD_USER_INPUT, text, f"{where}.artifactType", artifact_id))
    if head is not None and not head.is_there:
        text = f"{artifact_id} was deleted; a deleted id is never used again."
        batch.problems.append(Problem(ErrorCode.BAD_USER_INPUT, text, f"{where}.artifactId", artifact_id))
    tree = {**draft.content, "name": draft.name, "status": draft.status.wire}
    if made := _revision(batch, where, artifact_id, draft.artifact_type, draft.version, tree):
        batch.revisions[artifact_id] = made


def _wish_status(batch: _Batch, where: str, artifact_id: str, status: ArtifactStatus) -> None:
    head = batch.heads.get(artifact_id)
    if artifact_id in batch.revisions or (head is not None and head.is_there):
        batch.statuses[artifact_id] = status, where
        return
    text = f"There is no artifact {artifact_id} in this tenant."
    batch.problems.append(Problem(ErrorCode.NOT_FOUND, text, where, artifact_id, {"what": "artifact"}))


def _with_status(batch: _Batch, known: ArtifactHead | NewRevision, body: bytes) -> NewRevision | None:
    status, where = batch.statuses[known.artifact_id]
    tree = {**strict_json.trusted(body), "status": status.wire}
    return _revision(batch, where, known.artifact_id, known.artifact_type, known.version, tree)


def _revision(
    batch: _Batch, where: str, artifact_id: str, artifact_type: ArtifactType, version: str, tree: dict[str, Any]
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


async def _taken_names(unit: TenantUnit, batch: _Batch, drafts: Sequence[ArtifactDraft]) -> list[Problem]:
    """Which names another artifact keeps; two that are saved may swap theirs, and what is removed frees its own."""
    removed = {key for key, (status, _) in batch.statuses.items() if status is ArtifactStatus.DELETED}
    places = {(draft.artifact_type, name_key(draft.name)): place for place, draft in enumerate(drafts)}
    found = []
    for head in await unit.artifacts.named(places):
        if head.artifact_id not in batch.revisions.keys() | removed:
            place = places[head.artifact_type, name_key(head.name)]
            text = f"{head.artifact_id} has this type and name: {head.name}."
            found.append(Problem(ErrorCode.ARTIFACT_NAME_TAKEN, text, f"save[{place}].name", head.artifact_id))
    return found


async def _write(unit: TenantUnit, batch: _Batch) -> None:
    """Removals first, which frees their names; what is stored is read and written a few at a time.

    Raises refusals with every problem of the stored contents, or NameTakenError; then the unit is to be given up.
    """
    stored = [key for key in batch.statuses if key not in batch.revisions]
    for known in [one for key, one in batch.revisions.items() if key in batch.statuses]:
        if made := _with_status(batch, known, known.body):
            batch.revisions[known.artifact_id] = made
    freed = [key for key in stored if batch.statuses[key][0] is ArtifactStatus.DELETED]
    await _write_stored(unit, batch, freed)
    await _write_some(unit, batch, list(batch.revisions.values()))
    await _write_stored(unit, batch, [key for key in stored if batch.statuses[key][0] is not ArtifactStatus.DELETED])
    refuse_if(batch.problems)


async def _write_stored(unit: TenantUnit, batch: _Batch, artifact_ids: Sequence[str]) -> None:
    """The same contents with another status."""
    heads = [batch.heads[key] for key in artifact_ids]
    sizes = await unit.artifacts.body_sizes([head.revision_id for head in heads])
    for part in portions(heads, lambda head: sizes[head.revision_id]):
        bodies = await unit.artifacts.bodies([head.revision_id for head in part])
        made = [_with_status(batch, head, bodies[head.revision_id]) for head in part]
        await _write_some(unit, batch, [one for one in made if one])


async def _write_some(unit: TenantUnit, batch: _Batch, revisions: Sequence[NewRevision]) -> None:
    if batch.is_refused:
        return
    try:
        await unit.artifacts.write(revisions)
    except RevisionMovedError as error:
        raise Refusal([_moved(error.artifact_id, "save", None)]) from error
    batch.written |= {new.artifact_id: _head_now(unit.tenant_id, batch, new) for new in revisions}


def _moved(artifact_id: str, where: str, current: int | None) -> Problem:
    text = f"{artifact_id} was saved by somebody else in between."
    return Problem(ErrorCode.REVISION_CONFLICT, text, where, artifact_id, {"currentRevision": current})
