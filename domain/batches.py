"""What callers see of many things at once: lists whose members show more than their own row.

The same rights as for one of them (decisions section 9.1). What is asked for is at hand already, so its tenant is in
the caller's reach; what is looked up by an id from elsewhere takes the reach.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager
from typing import Any

from domain import scanning
from domain.access import Caller, Reach, Right, require
from domain.batch_rows import BatchRows, QueueSpot
from domain.import_model import AuditEntry, ImportJob, InstalledPackage, ProgressEvent
from domain.model import ArtifactHead, ArtifactId, ImportId, Package, PackageId, PlanId, Revision, Tenant, TenantId
from domain.plan_model import ActionKind, Plan, PlanAction
from domain.ports import Ports
from domain.rows import Slice


class Batches:
    """Reads for lists. What is not there, or not in reach, is absent from an answer."""

    def __init__(self, ports: Ports) -> None:
        self._store = ports.store

    async def tenants(self, caller: Caller, tenant_ids: Collection[str]) -> dict[TenantId, Tenant]:
        """Tenants of the caller's."""
        async with self._store.platform_view() as unit:
            return await unit.batches.tenants([one for one in tenant_ids if caller.is_member(TenantId(one))])

    async def import_jobs(self, caller: Caller, ids: Collection[str], reach: Reach) -> dict[ImportId, ImportJob]:
        """Imports."""
        async with self._rows(caller, Right.READ_IMPORTS) as rows:
            return await rows.import_jobs(ids, reach)

    async def packages(self, caller: Caller, ids: Collection[str], reach: Reach) -> dict[PackageId, Package]:
        """Exported packages."""
        async with self._rows(caller, Right.EXPORT) as rows:
            return await rows.packages(ids, reach)

    async def plans(self, caller: Caller, ids: Collection[str], reach: Reach) -> dict[PlanId, Plan]:
        """Plans without their actions."""
        async with self._rows(caller, Right.READ_IMPORTS) as rows:
            return await rows.plans(ids, reach)

    async def last_events(self, caller: Caller, import_ids: Collection[str]) -> dict[ImportId, ProgressEvent]:
        """How far imports are."""
        async with self._rows(caller, Right.READ_IMPORTS) as rows:
            return await rows.last_events(import_ids)

    async def events(
        self, caller: Caller, import_ids: Collection[str], *, after: int, first: int
    ) -> dict[ImportId, list[ProgressEvent]]:
        """Journals after a number, unmerged (R20)."""
        async with self._rows(caller, Right.READ_IMPORTS) as rows:
            return await rows.events(import_ids, after=after, first=first)

    async def action_counts(
        self, caller: Caller, import_ids: Collection[str]
    ) -> dict[ImportId, dict[ActionKind | None, int]]:
        """How many actions of each kind plans have; ``None`` stands for open conflicts."""
        async with self._rows(caller, Right.READ_IMPORTS) as rows:
            return await rows.action_counts(import_ids)

    async def open_actions(
        self, caller: Caller, import_ids: Collection[str], *, limit: int
    ) -> list[tuple[ImportId, PlanAction]]:
        """What imports wait for, in install order; at most ``limit`` conflicts of all together."""
        async with self._rows(caller, Right.READ_IMPORTS) as rows:
            return await rows.open_actions(import_ids, limit=limit)

    async def scan_reports(self, caller: Caller, import_ids: Collection[str]) -> dict[ImportId, Mapping[str, Any]]:
        """Scan reports of imports, one each."""
        async with self._rows(caller, Right.READ_IMPORTS) as rows:
            found = await rows.scan_reports(import_ids)
        return {import_id: scanning.together(reports) for import_id, reports in found.items()}

    async def audit(self, caller: Caller, import_ids: Collection[str]) -> dict[ImportId, list[AuditEntry]]:
        """Audit entries of imports, oldest first."""
        async with self._rows(caller, Right.READ_IMPORTS) as rows:
            return await rows.audit(import_ids)

    async def queue_places(self, caller: Caller, import_ids: Collection[str]) -> dict[ImportId, QueueSpot]:
        """Where queued imports stand in their tenants' lines."""
        async with self._rows(caller, Right.READ_IMPORTS) as rows:
            return await rows.queue_places(import_ids)

    async def running(self, caller: Caller, tenant_ids: Collection[str]) -> dict[TenantId, ImportJob]:
        """The imports that change tenants now."""
        async with self._rows(caller, Right.READ_IMPORTS) as rows:
            return await rows.running(tenant_ids)

    async def queued_counts(self, caller: Caller, tenant_ids: Collection[str]) -> dict[TenantId, int]:
        """How many imports wait for their turn."""
        async with self._rows(caller, Right.READ_IMPORTS) as rows:
            return await rows.queued_counts(tenant_ids)

    async def used_by(
        self,
        caller: Caller,
        tenant_id: TenantId,
        artifact_ids: Collection[str],
        *,
        first: int,
        after: tuple[str, str] | None,
    ) -> dict[ArtifactId, Slice[ArtifactHead]]:
        """For each artifact a page of those that refer to it."""
        async with self._rows(caller, Right.READ_ARTIFACTS) as rows:
            return await rows.used_by(tenant_id, artifact_ids, first=first, after=after)

    async def references(
        self, caller: Caller, tenant_id: TenantId, artifact_ids: Collection[str]
    ) -> dict[ArtifactId, list[ArtifactHead]]:
        """For each artifact those it refers to, in install order."""
        require(caller, Right.READ_ARTIFACTS)
        async with self._store.view(tenant_id) as unit:
            found = await unit.artifacts.references(artifact_ids)
            heads = await unit.artifacts.heads({reference.target_id for reference in found})
        targets: dict[ArtifactId, set[ArtifactId]] = {}
        for reference in found:
            targets.setdefault(reference.artifact_id, set()).add(reference.target_id)
        there = sorted((h for h in heads.values() if h.is_there), key=lambda h: (h.artifact_type.rank, h.artifact_id))
        return {key: [head for head in there if head.artifact_id in named] for key, named in targets.items()}

    async def revisions(
        self,
        caller: Caller,
        tenant_id: TenantId,
        artifact_ids: Collection[str],
        *,
        first: int,
        before: int | None,
    ) -> dict[ArtifactId, Slice[Revision]]:
        """For each artifact a page of its history, newest first."""
        async with self._rows(caller, Right.READ_ARTIFACTS) as rows:
            return await rows.revisions(tenant_id, artifact_ids, first=first, before=before)

    async def changed_counts(
        self, caller: Caller, packages: Collection[InstalledPackage]
    ) -> dict[tuple[TenantId, str, str], int]:
        """How many artifacts of installed packages were changed here, by tenant, name key and source."""
        async with self._rows(caller, Right.READ_ARTIFACTS) as rows:
            return await rows.changed_counts(packages)

    @asynccontextmanager
    async def _rows(self, caller: Caller, right: Right) -> AsyncIterator[BatchRows]:
        require(caller, right)
        async with self._store.platform_view() as unit:
            yield unit.batches
