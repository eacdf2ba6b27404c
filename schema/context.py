"""What the types need of the operation in which they are answered."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, TypeAlias

import strawberry

from domain.access import Caller, Reach
from domain.batch_rows import QueueSpot
from domain.import_model import AuditEntry, ImportJob, InstalledPackage, Progress, ProgressEvent
from domain.model import ArtifactHead, Revision
from domain.plan_model import ActionKind, PlanAction
from domain.rows import PastRun, Slice
from domain.services import Services
from domain.timing import Pace
from schema.market_context import CatalogueContext
from schema.nodes import Node
from schema.plan_context import PlanContext
from schema.publishing_context import PublishingContext
from schema.undo_context import UndoContext


class Context(Protocol):
    """One operation of one caller. Lookups are asked once an operation, and those of a list's members together."""

    @property
    def services(self) -> Services:
        """The product."""

    @property
    def caller(self) -> Caller:
        """Who asks."""

    @property
    def reach(self) -> Reach:
        """The tenants that ids are looked up in; ``None`` means all."""

    @property
    def publishing(self) -> PublishingContext:
        """Lookups of publishers and what they submit."""

    @property
    def undoing(self) -> UndoContext:
        """Lookups of undos."""

    @property
    def planning(self) -> PlanContext:
        """Lookups of plans."""

    @property
    def catalogue(self) -> CatalogueContext:
        """Lookups of the marketplace's catalogue."""

    def spend(self, rows: int) -> None:
        """Count what a list gives. Raises ``QUERY_TOO_COMPLEX`` when one operation asks for too much."""

    async def find(self, node_id: str) -> Node | None:
        """Anything in reach, by its Node id."""

    async def tenant(self, tenant_id: str) -> Node:
        """The tenant of a record at hand."""

    async def import_job(self, import_id: str) -> Node | None:
        """An import in reach."""

    async def job(self, import_id: str) -> ImportJob:
        """The import that a record at hand belongs to."""

    async def package(self, package_id: str) -> Node | None:
        """A package in reach."""

    async def plan(self, plan_id: str) -> Node | None:
        """A plan in reach."""

    async def artifact(self, tenant_id: str, artifact_id: str) -> Node | None:
        """An artifact in reach that is not deleted."""

    async def content(self, tenant_id: str, revision_id: str) -> Any:
        """The JSON of a revision at hand."""

    async def references(self, head: ArtifactHead) -> Sequence[ArtifactHead]:
        """What an artifact at hand refers to, in install order."""

    async def used_by(self, head: ArtifactHead, *, first: int, after: tuple[str, str] | None) -> Slice[ArtifactHead]:
        """Those who refer to an artifact at hand."""

    async def revisions(self, head: ArtifactHead, *, first: int, before: int | None) -> Slice[Revision]:
        """The history of an artifact at hand."""

    async def progress(self, job: ImportJob) -> Progress:
        """How far an import is, by its last event."""

    async def pace(self, tenant_id: str) -> Pace:
        """How long imports take in a tenant."""

    async def events(self, job: ImportJob, *, after: int, first: int) -> Sequence[ProgressEvent]:
        """Some of an import's journal."""

    async def install(self, install_id: str) -> Node | None:
        """An install in reach."""

    async def listing(self, listing_id: str) -> Node | None:
        """A listing that the caller may see."""

    async def past_runs(self) -> Sequence[PastRun]:
        """How long the installation's last imports took."""

    async def scan_report(self, job: ImportJob) -> Mapping[str, Any] | None:
        """What the security scan of an import found."""

    async def audit(self, job: ImportJob) -> Sequence[AuditEntry]:
        """Who did what with an import."""

    async def queue_spot(self, job: ImportJob) -> QueueSpot | None:
        """Where a queued import stands."""

    async def open_actions(self, job: ImportJob) -> Sequence[PlanAction]:
        """What an import waits for."""

    async def action_counts(self, import_id: str) -> Mapping[ActionKind | None, int]:
        """How many actions of each kind the plan of an import has; ``None`` stands for open conflicts."""

    async def running_import(self, tenant_id: str) -> ImportJob | None:
        """The import that changes a tenant now."""

    async def queued_count(self, tenant_id: str) -> int:
        """How many imports of a tenant wait for their turn."""

    async def changed_count(self, package: InstalledPackage) -> int:
        """How many artifacts of an installed package were changed here."""


Info: TypeAlias = strawberry.Info[Context, None]
