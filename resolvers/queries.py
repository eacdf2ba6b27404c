"""What can be asked. A lookup of one thing answers null for what is unknown or foreign (decisions R21, section 9.5)."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Annotated, TypeAlias

import strawberry

from domain.access import Reach, tenant_of
from domain.errors import ErrorCode, refuse
from domain.model import TenantId
from domain.referring import DependencyMode
from resolvers.context import Operation
from schema.connections import PAGE_MAX, After, Connection, Cursors, First, connection, page_size
from schema.fields import described
from schema.imports import ImportJob
from schema.inputs import ImportFilter
from schema.nodes import Node, tenant_id_of
from schema.packages import ExportPreview, InstalledPackage, Package, installed_key
from schema.plans import Plan
from schema.tenants import Tenant, Viewer

Info: TypeAlias = strawberry.Info[Operation, None]
Id: TypeAlias = Annotated[strawberry.ID, strawberry.argument(description="Its id.")]
TenantIds: TypeAlias = Annotated[
    list[strawberry.ID] | None, strawberry.argument(description="Only these tenants'; left out: all in reach.")
]


@strawberry.type(description="What can be asked.")
class Query:
    @described("Anything with an id; null for what is unknown or foreign.")
    async def node(self, info: Info, id: Id) -> Node | None:
        return await info.context.find(id)

    @described("Several things, in the same order; null for each that is unknown or foreign.")
    async def nodes(
        self, info: Info, ids: Annotated[list[strawberry.ID], strawberry.argument(description="At most 100.")]
    ) -> list[Node | None]:
        if len(ids) > PAGE_MAX:
            raise refuse(ErrorCode.BAD_USER_INPUT, f"ids holds at most {PAGE_MAX}.", "ids", limit=PAGE_MAX)
        return list(await asyncio.gather(*(info.context.find(node_id) for node_id in ids)))

    @described("The caller: what the token allows.")
    def viewer(self, info: Info) -> Viewer:
        return Viewer.of(info.context.caller)

    @described("A tenant, by its Node id or its own id.")
    async def tenant(self, info: Info, id: Id) -> Tenant | None:
        return await info.context.find_tenant(tenant_id_of(id))

    @described("An import.")
    async def import_job(self, info: Info, id: Id) -> ImportJob | None:
        return await info.context.import_job(id)

    @described("Imports of all tenants the caller may read, newest first.")
    async def import_jobs(
        self,
        info: Info,
        filter: Annotated[ImportFilter | None, strawberry.argument(description="Which ones.")] = None,
        first: First = 20,
        after: After = None,
    ) -> Connection[ImportJob]:
        asked, wanted, cursors = info.context, filter or ImportFilter(), Cursors("imports")
        page = await asked.services.records.import_jobs(
            asked.caller,
            named_reach(asked, wanted.tenant_ids),
            wanted.wanted(),
            first=page_size(first),
            after=cursors.text(after),
        )
        asked.spend(len(page.items))
        return connection(page, cursors, after, node=ImportJob.of, key=lambda job: (job.import_id,))

    @described("Which tenant has which version of which package, by tenant, then by name.")
    async def installed_packages(
        self,
        info: Info,
        package_name: Annotated[str | None, strawberry.argument(description="Only this package, in any case.")] = None,
        tenant_ids: TenantIds = None,
        first: First = 20,
        after: After = None,
    ) -> Connection[InstalledPackage]:
        asked, cursors = info.context, Cursors("installed")
        page = await asked.services.records.installed_packages(
            asked.caller,
            named_reach(asked, tenant_ids),
            package_name=package_name or "",
            first=page_size(first),
            after=cursors.triple(after),
        )
        asked.spend(len(page.items))
        return connection(
            page, cursors, after, node=InstalledPackage.of, key=lambda one: (one.tenant_id, *installed_key(one))
        )

    @described("A plan.")
    async def plan(self, info: Info, id: Id) -> Plan | None:
        return await info.context.plan(id)

    @described("An exported package.")
    async def exported_package(self, info: Info, id: Id) -> Package | None:
        return await info.context.package(id)

    @described("What an export would hold, why, and in which order. Creates nothing and is never rate-limited.")
    async def export_preview(
        self,
        info: Info,
        tenant_id: Annotated[strawberry.ID, strawberry.argument(description="Whose artifacts.")],
        artifact_ids: Annotated[list[str], strawberry.argument(description="The roots.")],
        package_name: Annotated[
            str | None, strawberry.argument(description="The package, for `suggestedVersion` and REFER.")
        ] = None,
        dependency_mode: Annotated[
            DependencyMode | None, strawberry.argument(description="As an export would have it.")
        ] = DependencyMode.INCLUDE,
    ) -> ExportPreview:
        gathered = await info.context.services.exporter.preview(
            info.context.caller,
            named_tenant(info.context, tenant_id),
            artifact_ids,
            package_name=package_name or "",
            mode=dependency_mode or DependencyMode.INCLUDE,
        )
        return ExportPreview.of(gathered)


def named_tenant(asked: Operation, tenant_id: str) -> TenantId:
    """The tenant that an argument names (decisions R1). Raises ``TENANT_MISMATCH``, ``INVALID_TENANT_ID``."""
    return tenant_of(asked.caller, body=tenant_id_of(tenant_id), header=asked.tenant_header, where="tenantId")


def named_reach(asked: Operation, tenant_ids: Sequence[str] | None) -> Reach:
    """The tenants that a list of them names, or all in reach. Raises like :func:`named_tenant`."""
    if tenant_ids is None:
        return asked.reach
    return frozenset(
        tenant_of(asked.caller, body=tenant_id_of(one), header=asked.tenant_header, where=f"tenantIds[{place}]")
        for place, one in enumerate(tenant_ids)
    )
