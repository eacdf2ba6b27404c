"""Who asks, and what one operation has looked up so far.

A request or a socket has one :class:`Asker`. Every operation on it gets a fresh :class:`Operation`, so that nothing
looked up for one operation, or before one event of a subscription, is shown as the present later.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from strawberry.extensions import SchemaExtension

from domain.access import Caller, Reach, reach_of
from domain.batch_rows import QueueSpot
from domain.errors import ErrorCode, refuse
from domain.import_model import AuditEntry, ImportJob, InstalledPackage, Progress, ProgressEvent
from domain.market.installs import import_id_of
from domain.model import ArtifactHead, Revision
from domain.plan_model import ActionKind, PlanAction
from domain.rows import PastRun, Slice
from domain.services import Services
from domain.timing import Pace
from resolvers.lookups import Lookups
from resolvers.market_lookups import MarketLookups
from resolvers.plan_lookups import PlanLookups
from resolvers.publishing_lookups import PublishingLookups
from resolvers.undo_lookups import UndoLookups
from schema import artifacts, imports, installs, listings, notices, packages, plans, tenants
from schema.nodes import Kind, Node, key_of

#: what one operation may list; a page costs ten besides its members
_BUDGET = 5000
_PAGE_COST = 10


@dataclass(slots=True)
class Asker:
    """A caller on one request or socket. ``tenant_header`` is ``X-Tenant-Id``, which narrows what is in reach."""

    services: Services
    caller: Caller
    tenant_header: str | None = None


class Operation:
    """:class:`schema.context.Context`."""

    def __init__(self, asker: Asker) -> None:
        self.services = asker.services
        self.caller = asker.caller
        self.tenant_header = asker.tenant_header
        self.begin()

    def begin(self) -> None:
        """Forget what was looked up: from here on everything is read anew."""
        self._left = _BUDGET
        self._lookups: Lookups | None = None
        self._catalogue: MarketLookups | None = None
        self._publishing: PublishingLookups | None = None
        self._planning: PlanLookups | None = None
        self._undoing: UndoLookups | None = None

    @property
    def _found(self) -> Lookups:
        """Made when something is looked up: most events of a subscription need none of it."""
        if self._lookups is None:
            self._lookups = Lookups(self.services, self.caller, lambda: self.reach)
        return self._lookups

    @property
    def catalogue(self) -> MarketLookups:
        if self._catalogue is None:
            self._catalogue = MarketLookups(self.services, self.caller)
        return self._catalogue

    @property
    def planning(self) -> PlanLookups:
        if self._planning is None:
            self._planning = PlanLookups(self.services, self.caller, self._found.jobs, self.spend)
        return self._planning

    @property
    def undoing(self) -> UndoLookups:
        if self._undoing is None:
            self._undoing = UndoLookups(self.services)
        return self._undoing

    @property
    def publishing(self) -> PublishingLookups:
        if self._publishing is None:
            self._publishing = PublishingLookups(self.services, self.caller, lambda: self.reach)
        return self._publishing

    @property
    def reach(self) -> Reach:
        return reach_of(self.caller, self.tenant_header)

    def spend(self, rows: int) -> None:
        self._left -= rows + _PAGE_COST
        if self._left < 0:
            text = f"One operation lists at most {_BUDGET} things. Ask for smaller pages."
            raise refuse(ErrorCode.QUERY_TOO_COMPLEX, text)

    async def find(self, node_id: str) -> Node | None:
        key = key_of(node_id)
        if key is None:
            return None
        if key.kind is Kind.ARTIFACT:
            return await self.artifact(key.tenant_id, key.local_id)
        finders: Mapping[Kind, Callable[[str], Awaitable[Node | None]]] = {
            Kind.TENANT: self.find_tenant,
            Kind.PACKAGE: self.package,
            Kind.IMPORT: self.import_job,
            Kind.PLAN: self.plan,
            Kind.LISTING: self.listing,
            Kind.NOTIFICATION: self.notification,
            Kind.INSTALL: self.install,
            Kind.PUBLISHER: self.publishing.publisher,
            Kind.SUBMISSION: self.publishing.submission,
        }
        return await finders[key.kind](key.local_id)

    async def listing(self, listing_id: str) -> listings.Listing | None:
        shown = await self.catalogue.listing(listing_id)
        return listings.Listing.of(shown) if shown else None

    async def notification(self, notification_id: str) -> notices.Notification | None:
        found = await self._found.notifications.load(notification_id)
        return notices.Notification.of(found) if found else None

    async def tenant(self, tenant_id: str) -> Node:
        found = await self._found.tenants.load(tenant_id)
        if found is None:
            raise RuntimeError(f"a record in reach names the tenant {tenant_id}, which is not")
        return tenants.Tenant.of(found)

    async def find_tenant(self, tenant_id: str) -> tenants.Tenant | None:
        """A tenant in reach, by its own id."""
        if not self._reaches(tenant_id):
            return None
        found = await self._found.tenants.load(tenant_id)
        return tenants.Tenant.of(found) if found else None

    async def import_job(self, import_id: str) -> imports.ImportJob | None:
        found = await self._found.jobs.load(import_id)
        return imports.ImportJob.of(found) if found else None

    async def install(self, install_id: str) -> installs.Install | None:
        import_id = import_id_of(install_id)
        job = await self._found.jobs.load(import_id) if import_id else None
        return installs.Install.of(job) if job and job.install else None

    async def past_runs(self) -> Sequence[PastRun]:
        return await self._found.past_runs.load("")

    async def job(self, import_id: str) -> ImportJob:
        found = await self._found.jobs.load(import_id)
        if found is None:
            raise RuntimeError(f"a record in reach names the import {import_id}, which is not")
        return found

    async def package(self, package_id: str) -> packages.Package | None:
        found = await self._found.packages.load(package_id)
        return packages.Package.of(found) if found else None

    async def plan(self, plan_id: str) -> plans.Plan | None:
        found = await self._found.plans.load(plan_id)
        return plans.Plan.of(found) if found else None

    async def artifact(self, tenant_id: str, artifact_id: str) -> artifacts.Artifact | None:
        if not self._reaches(tenant_id):
            return None
        head = await self._found.heads.load((tenant_id, artifact_id))
        return artifacts.Artifact.of(head) if head is not None and head.is_there else None

    async def content(self, tenant_id: str, revision_id: str) -> Any:
        return await self._found.contents.load((tenant_id, revision_id))

    async def references(self, head: ArtifactHead) -> Sequence[ArtifactHead]:
        return await self._found.references.load((head.tenant_id, head.artifact_id)) or ()

    async def used_by(self, head: ArtifactHead, *, first: int, after: tuple[str, str] | None) -> Slice[ArtifactHead]:
        page = await self._found.used_by.load((head.tenant_id, head.artifact_id, first, after))
        return page or Slice((), has_next=False)

    async def revisions(self, head: ArtifactHead, *, first: int, before: int | None) -> Slice[Revision]:
        page = await self._found.revisions.load((head.tenant_id, head.artifact_id, first, before))
        return page or Slice((), has_next=False)

    async def progress(self, job: ImportJob) -> Progress:
        last = await self._found.last_events.load(job.import_id)
        return last.progress if last else Progress(job.stage, 0, None, 0.0)

    async def pace(self, tenant_id: str) -> Pace:
        return await self._found.paces.load(tenant_id) or Pace((), ())

    async def events(self, job: ImportJob, *, after: int, first: int) -> Sequence[ProgressEvent]:
        return await self._found.events.load((job.import_id, after, first)) or ()

    async def scan_report(self, job: ImportJob) -> Mapping[str, Any] | None:
        return await self._found.scan_reports.load(job.import_id)

    async def audit(self, job: ImportJob) -> Sequence[AuditEntry]:
        return await self._found.audit.load(job.import_id) or ()

    async def queue_spot(self, job: ImportJob) -> QueueSpot | None:
        return await self._found.queue_places.load(job.import_id)

    async def open_actions(self, job: ImportJob) -> Sequence[PlanAction]:
        return await self._found.open_actions.load(job.import_id) or ()

    async def action_counts(self, import_id: str) -> Mapping[ActionKind | None, int]:
        return await self._found.action_counts.load(import_id) or {}

    async def running_import(self, tenant_id: str) -> ImportJob | None:
        return await self._found.running.load(tenant_id)

    async def queued_count(self, tenant_id: str) -> int:
        return await self._found.queued_counts.load(tenant_id) or 0

    async def changed_count(self, package: InstalledPackage) -> int:
        return await self._found.changed_counts.load(package) or 0

    def _reaches(self, tenant_id: str) -> bool:
        reach = self.reach
        return reach is None or tenant_id in reach


class FreshOperation(SchemaExtension):
    """Gives every operation its own lookups."""

    def on_operation(self) -> Iterator[None]:
        self.execution_context.context = Operation(self.execution_context.context)
        yield
