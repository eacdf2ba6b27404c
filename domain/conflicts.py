"""Conflicts after they were met: who decided what, how the two sides differ, what touched an artifact.

What a plan decided and what was written are rows; the package's own side of a conflict is one where it was written,
and else read again from the import's bundle (installhub.md sections 8.7, 8.10; decisions R7, R18, R19).
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from domain import versions
from domain.access import Caller, Reach, Right, require
from domain.artifact_types import ArtifactType
from domain.differing import ChangeKind, Changes, changes, shown_content
from domain.errors import ErrorCode, refuse
from domain.import_model import AuditEntry, ImportJob, ImportMode, ImportState
from domain.import_outcome import is_conflict
from domain.limits import Installation
from domain.merging import PathConflict
from domain.model import Actor, ArtifactStatus, TenantId, WireEnum, name_key
from domain.options import ConflictStrategy
from domain.package_sides import PackageSides
from domain.path_conflicts import shown_conflicts
from domain.plan_model import ActionKind, DecisionSource, PlanAction
from domain.portions import with_bodies
from domain.ports import Ports
from domain.records import Records
from domain.rows import Page, Slice, Touch

#: changes that one audit tells of all merges together
_MERGE_CHANGES_MAX = 10_000
#: the audit's word for decisions sent by hand (R18); ``domain.line`` writes these entries
_RESUMED = "import.resumed"
BY_HAND = (DecisionSource.BY_ARTIFACT, DecisionSource.BY_PATH)
#: as :class:`MergeDetails` names them
_DETAIL_ORDER = (ChangeKind.CHANGED, ChangeKind.ADDED, ChangeKind.REMOVED)


class ConflictOutcome(WireEnum):
    """What became of a conflict (installhub.md section 3.4)."""

    APPLIED = "Applied"
    SKIPPED = "Skipped"
    FAILED = "Failed"


@dataclass(frozen=True, slots=True)
class MergeDetails:
    """What a merge did to the tenant's artifact, by paths as the documents write them: ``rules[0].condition``."""

    updated: tuple[str, ...] = ()
    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    is_truncated: bool = False


@dataclass(frozen=True, slots=True)
class AuditedConflict:
    """One conflict of an import. ``resolved_by`` is nobody where a strategy given beforehand decided.

    ``outcome`` is ``None`` until the import has ended, and for a dry run.
    """

    action: PlanAction
    resolved_by: Actor | None = None
    resolved_at: datetime | None = None
    outcome: ConflictOutcome | None = None
    merge: MergeDetails | None = None


@dataclass(frozen=True, slots=True)
class ConflictDiff:
    """Both sides of a conflict under the tenant's ids, without credentials, and what the package would change."""

    action: PlanAction
    existing: Mapping[str, Any]
    package: Mapping[str, Any]
    changes: Changes
    suggested: tuple[ConflictStrategy, ...]
    #: places that both sides changed since the package's last import
    paths: tuple[PathConflict, ...] = ()


class Conflicts:
    """What is known of the conflicts of imports."""

    def __init__(self, ports: Ports, installation: Installation, records: Records) -> None:
        self._store = ports.store
        self._sides = PackageSides(ports, installation)
        self._limits = installation.limits
        self._records = records

    async def audit(self, caller: Caller, import_id: str, reach: Reach) -> tuple[AuditedConflict, ...]:
        """The conflicts of an import in install order, and who decided them. Raises ``NotFound``."""
        job = await self._records.get_import(caller, import_id, reach)
        conflicts = [action for action in await self._actions(job) if is_conflict(action)]
        async with self._store.view(job.tenant_id) as unit:
            made = await unit.imports.plan(job.plan_id) if job.plan_id else None
            decided = decided_by_hand(await unit.imports.audit_of(job.import_id))
        merges = await self._merges(job.tenant_id, conflicts)
        return tuple(
            AuditedConflict(
                action,
                *_resolution(action, decided, made.created_at if made else None),
                outcome=_outcome(job, action),
                merge=merges.get(action.place),
            )
            for action in conflicts
        )

    async def diff(self, caller: Caller, import_id: str, conflict_id: str, reach: Reach) -> ConflictDiff:
        """How the package's side of a conflict differs from the tenant's, as the plan saw it.

        Raises ``NotFound``, and ``BundleExpired`` when the package's side is kept nowhere any more.
        """
        job = await self._records.get_import(caller, import_id, reach)
        async with self._store.view(job.tenant_id) as unit:
            action = await unit.imports.conflict(job.import_id, conflict_id)
        if action is None or action.existing is None:
            raise refuse(ErrorCode.NOT_FOUND, "This import has no such conflict.", "conflictId", what="conflict")
        revision_id = action.existing.revision_id
        async with self._store.view(job.tenant_id) as unit:
            wanted = [revision_id, action.base_body_id, action.merge_base_id or ""]
            bodies = await unit.artifacts.bodies([key for key in wanted if key])
        package = bodies.get(action.base_body_id)
        if package is None:
            (package,) = await self._sides.read(job, [action], lambda _, side: side)
        suggested = tuple(suggestions(action, job))
        base = bodies.get(action.merge_base_id or "")
        return await asyncio.to_thread(_diff, action, bodies[revision_id], package, base, suggested)

    async def touched(
        self,
        caller: Caller,
        tenant_id: TenantId,
        artifact_name: str,
        artifact_types: Sequence[ArtifactType] = (),
        *,
        page: int,
        page_size: int,
    ) -> Page[Touch]:
        """What successful imports did with artifacts of this name, of all types unless some are named."""
        require(caller, Right.READ_IMPORTS)
        types = artifact_types or tuple(ArtifactType)
        async with self._store.view(tenant_id) as unit:
            return await unit.imports.touched(name_key(artifact_name), types, page=page, page_size=page_size)

    async def touches(
        self,
        caller: Caller,
        tenant_id: TenantId,
        artifact_name: str,
        artifact_types: Sequence[ArtifactType] = (),
        *,
        first: int,
        after: tuple[str, int] | None = None,
    ) -> Slice[Touch]:
        """The same one after the other; ``after`` is the last import id and place seen."""
        require(caller, Right.READ_IMPORTS)
        types = artifact_types or tuple(ArtifactType)
        async with self._store.view(tenant_id) as unit:
            return await unit.imports.touches(name_key(artifact_name), types, first=first, after=after)

    async def _actions(self, job: ImportJob) -> tuple[PlanAction, ...]:
        most = self._limits.artifacts_enterprise * len(job.packages)
        async with self._store.view(job.tenant_id) as unit:
            return (await unit.imports.actions(job.import_id, first=most)).items

    async def _merges(self, tenant_id: TenantId, conflicts: Sequence[PlanAction]) -> dict[int, MergeDetails]:
        """What the merges did, by place in the plan. What was never written is not there."""
        merged = [action for action in conflicts if action.strategy is ConflictStrategy.MERGE]
        found = {action.place: MergeDetails() for action in merged if action.kind is ActionKind.UNCHANGED}
        written_ones = [action for action in merged if action.kind is ActionKind.MERGE]
        async for part, bodies in with_bodies(self._store, tenant_id, written_ones, _sides):
            room = _MERGE_CHANGES_MAX - sum(len(one.updated + one.added + one.removed) for one in found.values())
            found |= await asyncio.to_thread(_merge_details, part, bodies, room)
        return found


def decided_by_hand(entries: Sequence[AuditEntry]) -> dict[str, AuditEntry]:
    """By conflict id the entry of its last decision."""
    resumed = [entry for entry in entries if entry.action == _RESUMED]
    return {key: entry for entry in resumed for key in entry.details["decisions"]}


def _resolution(
    action: PlanAction, decided: Mapping[str, AuditEntry], planned_at: datetime | None
) -> tuple[Actor | None, datetime | None]:
    """Who resolved a conflict, and when. What a strategy decided was resolved when the plan was made."""
    if action.strategy is None:
        return None, None
    entry = decided.get(action.conflict_key or "") if action.decided_by in BY_HAND else None
    return (entry.actor, entry.at) if entry else (None, planned_at)


def _outcome(job: ImportJob, action: PlanAction) -> ConflictOutcome | None:
    if job.mode is ImportMode.PLAN or not job.state.is_final:
        return None
    if job.state is not ImportState.SUCCEEDED:
        return ConflictOutcome.FAILED
    return ConflictOutcome.SKIPPED if action.kind is ActionKind.SKIP else ConflictOutcome.APPLIED


def _sides(action: PlanAction) -> tuple[str, str]:
    """The revision that a merge met, and the one it made."""
    return action.existing.revision_id if action.existing else "", action.revision_id or ""


def _merge_details(part: Sequence[PlanAction], bodies: Mapping[str, bytes], room: int) -> dict[int, MergeDetails]:
    found = {}
    for action in part:
        sides = [bodies[key] for key in _sides(action) if key in bodies]
        if len(sides) == len(_sides(action)):
            before, after = (shown_content(body, action.artifact_type) for body in sides)
            told = changes(before, after, action.artifact_type, most=max(0, room))
            room -= len(told.items)
            updated, added, removed = ([one.path for one in told.of(kind)] for kind in _DETAIL_ORDER)
            details = MergeDetails(tuple(updated), tuple(added), tuple(removed), told.is_truncated)
            found[action.place] = details
    return found


def _diff(
    action: PlanAction,
    existing_body: bytes,
    package_body: bytes,
    base_body: bytes | None,
    suggested: tuple[ConflictStrategy, ...],
) -> ConflictDiff:
    existing, package = (shown_content(body, action.artifact_type) for body in (existing_body, package_body))
    found = changes(existing, package, action.artifact_type)
    paths = shown_conflicts(base_body, existing_body, package_body, action) if base_body and action.paths else ()
    return ConflictDiff(action, existing, package, found, suggested, tuple(paths))


def suggestions(action: PlanAction, job: ImportJob) -> Iterator[ConflictStrategy]:
    """What the import would let through, the mildest that brings the package's changes first (section 8.6; R5)."""
    existing = action.existing
    if existing is not None and existing.status is not ArtifactStatus.LOCKED:
        if action.artifact_type.is_mergeable:
            yield ConflictStrategy.MERGE
        is_downgrade = versions.is_downgrade(existing.version, action.to_version)
        if not is_downgrade or job.options.allow_version_downgrade:
            yield ConflictStrategy.REPLACE
    yield ConflictStrategy.SKIP
