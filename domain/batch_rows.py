"""What a unit remembers of many things at once, whose members a list shows together (see ``ports``).

What is asked for is known to be in the caller's reach already, by its own row; only lookups by a foreign id take a
reach. What is not there is absent from the answer.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any, NamedTuple, Protocol

from domain.access import Reach
from domain.import_model import (
    AuditEntry,
    ImportJob,
    ImportKind,
    ImportMode,
    ImportState,
    InstalledPackage,
    ProgressEvent,
)
from domain.model import (
    ArtifactHead,
    ArtifactId,
    ImportId,
    Package,
    PackageId,
    PlanId,
    Revision,
    Tenant,
    TenantId,
    WireEnum,
)
from domain.plan_model import ActionKind, Plan, PlanAction
from domain.rows import Slice


class QueueReason(WireEnum):
    """Why an import still waits in line."""

    TENANT_BUSY = "TENANT_BUSY"
    TENANT_FROZEN = "TENANT_FROZEN"
    NO_FREE_WORKER = "NO_FREE_WORKER"
    RETRY_DELAY = "RETRY_DELAY"


class QueueSpot(NamedTuple):
    """Where a queued import stands: 1 for the next one, and the import that has the tenant's place now.

    A holder whose worker has died loses the place when its lease ends.
    """

    position: int
    holder: ImportId | None
    holder_lease_until: datetime | None = None
    reason: QueueReason = QueueReason.NO_FREE_WORKER


class TimedRun(NamedTuple):
    """How long an import ran from its first stage to its end, and the bytes of its bundles."""

    kind: ImportKind
    mode: ImportMode
    seconds: float
    size_bytes: int


class Standing(NamedTuple):
    """The state of an import as callers see it. ``fence`` tells one run from the next."""

    import_id: ImportId
    state: ImportState
    fence: int


class BatchRows(Protocol):
    """The same reads as elsewhere, for many at once: the number of statements does not depend on how many."""

    async def tenants(self, tenant_ids: Collection[str]) -> dict[TenantId, Tenant]:
        """Tenants."""

    async def import_jobs(self, import_ids: Collection[str], reach: Reach) -> dict[ImportId, ImportJob]:
        """Import jobs."""

    async def packages(self, package_ids: Collection[str], reach: Reach) -> dict[PackageId, Package]:
        """Exported packages."""

    async def plans(self, plan_ids: Collection[str], reach: Reach) -> dict[PlanId, Plan]:
        """Plans without their actions."""

    async def last_events(self, import_ids: Collection[str]) -> dict[ImportId, ProgressEvent]:
        """The last line of each journal."""

    async def events(
        self, import_ids: Collection[str], *, after: int, first: int
    ) -> dict[ImportId, list[ProgressEvent]]:
        """At most ``first`` lines of each journal after a number."""

    async def action_counts(self, import_ids: Collection[str]) -> dict[ImportId, dict[ActionKind | None, int]]:
        """How many actions of each kind the plans have; ``None`` for open conflicts."""

    async def open_actions(self, import_ids: Collection[str], *, limit: int) -> list[tuple[ImportId, PlanAction]]:
        """Actions whose conflict waits for a decision, in install order; at most ``limit`` of all together."""

    async def scan_reports(self, import_ids: Collection[str]) -> dict[ImportId, list[Mapping[str, Any]]]:
        """The reports of each import's packages, by ordinal."""

    async def audit(self, import_ids: Collection[str]) -> dict[ImportId, list[AuditEntry]]:
        """Audit entries, oldest first."""

    async def queue_places(self, import_ids: Collection[str]) -> dict[ImportId, QueueSpot]:
        """Places of those that are queued."""

    async def runs(self, tenant_ids: Collection[TenantId]) -> dict[TenantId, list[TimedRun]]:
        """The last imports of each tenant that succeeded and waited for nobody."""

    async def latest_runs(self) -> list[TimedRun]:
        """Those of the whole installation."""

    async def running(self, tenant_ids: Collection[str]) -> dict[TenantId, ImportJob]:
        """The imports that have their tenants' places."""

    async def queued_counts(self, tenant_ids: Collection[str]) -> dict[TenantId, int]:
        """How many imports wait in each tenant's line; dry runs, which need no place, are not counted."""

    async def used_by(
        self, tenant_id: TenantId, artifact_ids: Collection[str], *, first: int, after: tuple[str, str] | None
    ) -> dict[ArtifactId, Slice[ArtifactHead]]:
        """For each artifact the first page of those that refer to it, after a name key and id."""

    async def revisions(
        self, tenant_id: TenantId, artifact_ids: Collection[str], *, first: int, before: int | None
    ) -> dict[ArtifactId, Slice[Revision]]:
        """For each artifact a page of its activated revisions, newest first."""

    async def changed_counts(self, packages: Collection[InstalledPackage]) -> dict[tuple[TenantId, str, str], int]:
        """How many artifacts of installed packages were changed here, by tenant, name key and source."""

    async def standing(self, reach: Reach, *, ended_since: datetime, limit: int) -> list[Standing]:
        """Imports that go on, and those that ended since, newest first."""
