"""Tenants, and the caller."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import strawberry

from domain import model
from domain.access import Caller, Right
from domain.artifact_types import ArtifactType
from domain.limits import Limits
from domain.model import Protection, TenantId, TenantPlan, TenantStatus
from schema.artifacts import Artifact, ArtifactFilter, artifact_key
from schema.connections import After, Connection, Cursors, First, Search, connection, page_size
from schema.context import Info
from schema.fields import described
from schema.histories import ArtifactTouch, ExportFilter, ExportRecord, touch_key
from schema.imports import ImportJob
from schema.nodes import Node, tenant_node_id
from schema.notices import NoticeViewer
from schema.packages import InstalledPackage, Package, installed_key
from schema.publishers import PublishingViewer
from schema.scalars import Long


@strawberry.type(name="Limits", description="How large things may be, by the tenant's plan.")
class LimitsShown:
    bundle_bytes: Long = strawberry.field(description="The largest ZIP of an import.")
    artifacts_per_import: int = strawberry.field(description="The most artifacts of an import.")
    artifacts_per_export: int = strawberry.field(description="The most artifacts of an export.")
    roots_per_export: int = strawberry.field(description="The most roots of an export.")
    tenant_id: strawberry.Private[TenantId]

    @described("How many more exports the tenant may make within the hour.")
    async def exports_left_this_hour(self, info: Info) -> int:
        return await info.context.services.exporter.left_this_hour(self.tenant_id)

    @classmethod
    def of(cls, limits: Limits, tenant_id: TenantId, plan: TenantPlan) -> LimitsShown:
        return cls(
            tenant_id=tenant_id,
            bundle_bytes=Long(limits.zip_bytes(plan)),
            artifacts_per_import=limits.artifacts(plan),
            artifacts_per_export=limits.export_artifacts,
            roots_per_export=limits.export_roots,
        )


@strawberry.type(description="The owner of artifacts. Nothing crosses from one to another without being checked.")
class Tenant(Node):
    tenant_id: str = strawberry.field(description="The id that tokens and REST know it by.")
    tenant_plan: TenantPlan = strawberry.field(description="Decides how large an import may be.")
    status: TenantStatus = strawberry.field(description="Whether it can be changed.")
    platform_version: str = strawberry.field(description="What its packages carry, and are compared with.")
    created_at: datetime = strawberry.field(description="When it was made.")
    freeze_reason: str | None = strawberry.field(
        description="Why no new import begins there; null unless it is frozen."
    )
    approvals_needed: int = strawberry.field(description="How many others must agree to a plan before it is applied.")
    protect_installed: Protection = strawberry.field(
        description="What happens when somebody edits what a package put there."
    )
    accepts_warnings: bool = strawberry.field(
        description="Whether the Akana-compatible door lets a scan's warnings pass."
    )

    @described("What its plan allows.")
    def limits(self, info: Info) -> LimitsShown:
        limits = info.context.services.installation.limits
        return LimitsShown.of(limits, TenantId(self.tenant_id), self.tenant_plan)

    @described("What the caller's token allows here.")
    def viewer_can(self, info: Info) -> list[Right]:
        return [right for right in Right if info.context.caller.has(right)]

    @described("Its artifacts, by name.")
    async def artifacts(
        self,
        info: Info,
        filter: Annotated[ArtifactFilter | None, strawberry.argument(description="Which ones.")] = None,
        first: First = 20,
        after: After = None,
    ) -> Connection[Artifact]:
        asked, wanted, cursors = info.context, (filter or ArtifactFilter()).wanted(), self._cursors("artifacts")
        page = await asked.services.authoring.page(
            asked.caller, TenantId(self.tenant_id), wanted, first=page_size(first), after=cursors.pair(after)
        )
        asked.spend(len(page.items))
        return connection(page, cursors, after, node=Artifact.of, key=artifact_key)

    @described("One of its artifacts; null for what is not there.", Artifact | None)
    async def artifact(
        self, info: Info, artifact_id: Annotated[str, strawberry.argument(description="Such as `form-2005`.")]
    ) -> Node | None:
        return await info.context.artifact(self.tenant_id, artifact_id)

    @described("The packages exported from it, newest first.")
    async def exported_packages(
        self, info: Info, search: Search = None, first: First = 20, after: After = None
    ) -> Connection[Package]:
        asked, cursors = info.context, self._cursors("packages")
        page = await asked.services.records.packages(
            asked.caller,
            TenantId(self.tenant_id),
            search=search or "",
            first=page_size(first),
            after=cursors.text(after),
        )
        asked.spend(len(page.items))
        return connection(page, cursors, after, node=Package.of, key=lambda package: (package.package_id,))

    @described("Every export of it that was tried, newest first, failed ones too.")
    async def export_history(
        self,
        info: Info,
        filter: Annotated[ExportFilter | None, strawberry.argument(description="Which ones.")] = None,
        first: First = 20,
        after: After = None,
    ) -> Connection[ExportRecord]:
        asked, wanted, cursors = info.context, (filter or ExportFilter()).wanted(), self._cursors("exports")
        page = await asked.services.records.exports(
            asked.caller, TenantId(self.tenant_id), wanted, first=page_size(first), after=cursors.number(after)
        )
        asked.spend(len(page.items))
        return connection(page, cursors, after, node=ExportRecord.of, key=lambda line: (line.number,))

    @described("The imports that touched artifacts of a name, newest first; deleted artifacts too.")
    async def artifact_audit(
        self,
        info: Info,
        artifact_name: Annotated[str, strawberry.argument(description="The name, in any case.")],
        artifact_types: Annotated[
            list[ArtifactType] | None, strawberry.argument(description="Only artifacts of these kinds.")
        ] = None,
        first: First = 20,
        after: After = None,
    ) -> Connection[ArtifactTouch]:
        asked, here, cursors = info.context, TenantId(self.tenant_id), self._cursors("artifactAudit")
        types, size, seen = artifact_types or (), page_size(first), cursors.place(after)
        page = await asked.services.conflicts.touches(asked.caller, here, artifact_name, types, first=size, after=seen)
        asked.spend(len(page.items))
        return connection(page, cursors, after, node=ArtifactTouch.of, key=touch_key)

    @described("The packages installed in it, by name.")
    async def installed_packages(
        self, info: Info, first: First = 20, after: After = None
    ) -> Connection[InstalledPackage]:
        asked, here, cursors = info.context, TenantId(self.tenant_id), self._cursors("installed")
        seen = cursors.pair(after)
        page = await asked.services.records.installed_packages(
            asked.caller, frozenset({here}), first=page_size(first), after=(here, *seen) if seen else None
        )
        asked.spend(len(page.items))
        return connection(page, cursors, after, node=InstalledPackage.of, key=installed_key)

    @described("The import that changes it now.")
    async def running_import(self, info: Info) -> ImportJob | None:
        running = await info.context.running_import(self.tenant_id)
        return ImportJob.of(running) if running else None

    @described("How many imports wait for their turn.")
    async def queued_import_count(self, info: Info) -> int:
        return await info.context.queued_count(self.tenant_id)

    def _cursors(self, list_name: str) -> Cursors:
        return Cursors(list_name, self.tenant_id)

    @classmethod
    def of(cls, tenant: model.Tenant) -> Tenant:
        return cls(
            id=tenant_node_id(tenant.tenant_id),
            tenant_id=tenant.tenant_id,
            tenant_plan=tenant.plan,
            status=tenant.status,
            platform_version=tenant.platform_version,
            created_at=tenant.created_at,
            freeze_reason=tenant.freeze_reason,
            approvals_needed=tenant.approvals_needed,
            protect_installed=tenant.protect_installed,
            accepts_warnings=tenant.accepts_warnings,
        )


@strawberry.type(description="The caller: what the token allows, so that buttons can be shown or hidden.")
class Viewer(NoticeViewer, PublishingViewer):
    subject: str = strawberry.field(description="The token's subject.")
    email: str | None = strawberry.field(description="The address people know the caller by.")
    scopes: list[str] = strawberry.field(description="What the token allows, in its tenants.")
    token_expires_at: datetime = strawberry.field(description="When the token ends; streams end with it.")

    @described("The tenants the token reaches, by id.")
    async def tenants(
        self, info: Info, search: Search = None, first: First = 20, after: After = None
    ) -> Connection[Tenant]:
        asked, cursors = info.context, Cursors("tenants")
        page = await asked.services.tenancy.page(
            asked.caller, search=search or "", first=page_size(first), after=cursors.text(after)
        )
        asked.spend(len(page.items))
        return connection(page, cursors, after, node=Tenant.of, key=lambda tenant: (tenant.tenant_id,))

    @classmethod
    def of(cls, caller: Caller) -> Viewer:
        return cls(
            subject=caller.subject,
            email=caller.email,
            scopes=sorted(caller.scopes),
            token_expires_at=caller.expires_at,
        )
