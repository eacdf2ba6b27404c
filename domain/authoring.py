"""Saving, publishing, archiving and deleting artifacts, many at once, all or nothing (decisions R2, R5, R6).

Every change is a new revision that is active at once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from domain import strict_json
from domain.access import Caller, Right, require
from domain.edits import (
    ArtifactChanges,
    ArtifactDraft,
    Batch,
    batch_of,
    batch_problems,
    head_now,
    moved_between,
    with_status,
)
from domain.errors import ErrorCode, Problem, Refusal, problem_of, problem_row, refuse, refuse_if
from domain.import_model import AuditEntry
from domain.model import (
    Actor,
    ArtifactFilter,
    ArtifactHead,
    ArtifactId,
    ArtifactStatus,
    NewRevision,
    Protection,
    TenantId,
    name_key,
)
from domain.portions import portions
from domain.ports import (
    CollidedError,
    KeyTakenError,
    NameTakenError,
    Ports,
    RevisionMovedError,
    TenantMovedError,
    TenantUnit,
)
from domain.repeating import Once, made_before, once, remember
from domain.rows import Slice
from domain.tenancy import active_tenant, entry_of

#: of a batch that others are quicker with each time; who says which revision he stands on is told at once
_MORE_TRIES = 3


@dataclass(frozen=True, slots=True)
class Changed:
    """The artifacts of a batch as they are now, in the order they were named, and what is worth knowing."""

    heads: tuple[ArtifactHead, ...]
    warnings: tuple[Problem, ...] = ()


@dataclass(frozen=True, slots=True)
class _Order:
    """A batch as it was asked for, and what is written down with it."""

    changes: ArtifactChanges
    actor: Actor
    request: Once | None
    entry: AuditEntry | None

    @property
    def named(self) -> list[str]:
        return list(dict.fromkeys(artifact_id for _, artifact_id in self.changes.edited))


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
        refuse_if(batch_problems(changes))
        order = _Order(changes.with_ids, actor, request, entry)
        try:
            return await self._hoped_for(order) or await self._insisted_on(order)
        except NameTakenError as error:
            text = f"Another artifact of this type is named {error.name}." if error.name else "The name is taken."
            raise refuse(ErrorCode.ARTIFACT_NAME_TAKEN, text, "save") from error
        except RevisionMovedError as error:
            raise Refusal([moved_between(error.artifact_id, "save", None)]) from error

    async def _hoped_for(self, order: _Order) -> Changed | None:
        """Save what nothing is likely to stand in the way of; ``None``: it has to be looked at, nothing was done.

        Two trips to the database: what to write on, and the rows themselves, with what must be so for them.
        """
        changes, at = order.changes, self._clock.now()
        if len(changes) > len(changes.save):
            return None
        try:
            async with self._store.platform_unit() as platform:
                platform.tenants.demand_active(changes.tenant_id)
                unit = platform.of(changes.tenant_id)
                if made := await made_before(unit, order.request, at):
                    return await _changed(unit, made)
                heads = await unit.artifacts.heads(order.named)
                # how the tenant protects what packages brought is not known here
                if any(head.origin for head in heads.values()):
                    return None
                batch = batch_of(changes, heads, Protection.OFF, order.actor, at)
                if batch.problems:
                    return None
                return await _written(unit, batch, order)
        except (TenantMovedError, NameTakenError, RevisionMovedError, CollidedError):
            return None

    async def _insisted_on(self, order: _Order) -> Changed:
        """Look at all of it, and again where others save the same artifacts at this moment (PostgreSQL)."""
        for _ in range(_MORE_TRIES):
            with suppress(RevisionMovedError, CollidedError):
                return await self._looked_at(order)
        return await self._looked_at(order)

    async def _looked_at(self, order: _Order) -> Changed:
        """Read and write in one transaction. Raises every problem, and what the rows raise."""
        changes, at = order.changes, self._clock.now()
        async with self._store.platform_unit() as platform:
            tenant = await active_tenant(platform.tenants, changes.tenant_id)
            unit = platform.of(changes.tenant_id)
            if made := await made_before(unit, order.request, at):
                return await _changed(unit, made)
            heads = await unit.artifacts.heads(order.named)
            batch = batch_of(changes, heads, tenant.protect_installed, order.actor, at)
            batch.problems += await _taken_names(unit, batch, changes.save)
            refuse_if(batch.problems)
            return await _written(unit, batch, order)

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


async def _taken_names(unit: TenantUnit, batch: Batch, drafts: Sequence[ArtifactDraft]) -> list[Problem]:
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


async def _written(unit: TenantUnit, batch: Batch, order: _Order) -> Changed:
    await _write(unit, batch)
    if order.entry is not None:
        await unit.imports.audit(order.entry)
    effect = {"artifactIds": order.named, "warnings": [problem_row(problem) for problem in batch.problems]}
    await remember(unit, order.request, effect, batch.at)
    return _told([batch.written[key] for key in order.named], effect)


async def _write(unit: TenantUnit, batch: Batch) -> None:
    """Removals first, which frees their names; what is stored is read and written a few at a time.

    Raises refusals with every problem of the stored contents, or NameTakenError; then the unit is to be given up.
    """
    stored = [key for key in batch.statuses if key not in batch.revisions]
    for known in [one for key, one in batch.revisions.items() if key in batch.statuses]:
        if made := with_status(batch, known, known.body):
            batch.revisions[known.artifact_id] = made
    freed = [key for key in stored if batch.statuses[key][0] is ArtifactStatus.DELETED]
    await _write_stored(unit, batch, freed)
    await _write_some(unit, batch, list(batch.revisions.values()))
    await _write_stored(unit, batch, [key for key in stored if batch.statuses[key][0] is not ArtifactStatus.DELETED])
    refuse_if(batch.problems)


async def _write_stored(unit: TenantUnit, batch: Batch, artifact_ids: Sequence[str]) -> None:
    """The same contents with another status."""
    heads = [batch.heads[key] for key in artifact_ids]
    sizes = await unit.artifacts.body_sizes([head.revision_id for head in heads])
    for part in portions(heads, lambda head: sizes[head.revision_id]):
        bodies = await unit.artifacts.bodies([head.revision_id for head in part])
        made = [with_status(batch, head, bodies[head.revision_id]) for head in part]
        await _write_some(unit, batch, [one for one in made if one])


async def _write_some(unit: TenantUnit, batch: Batch, revisions: Sequence[NewRevision]) -> None:
    if batch.is_refused:
        return
    await unit.artifacts.write(revisions)
    batch.written |= {new.artifact_id: head_now(unit.tenant_id, batch, new) for new in revisions}
