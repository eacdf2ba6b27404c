"""What can be asked. A lookup of one thing answers null for what is unknown or foreign (decisions R21, section 9.5)."""

from __future__ import annotations

import asyncio
from typing import Annotated, TypeAlias

import strawberry

from domain.access import tenant_of
from domain.errors import ErrorCode, refuse
from domain.model import TenantId
from resolvers.context import Operation
from schema.connections import PAGE_MAX, After, Connection, First, connection, page_size, text_after
from schema.fields import described
from schema.imports import ImportJob
from schema.inputs import ImportFilter
from schema.nodes import Kind, Node, key_of, tenant_id_of
from schema.packages import ExportPreview, Package
from schema.plans import Plan
from schema.tenants import Tenant, Viewer

Info: TypeAlias = strawberry.Info[Operation, None]
Id: TypeAlias = Annotated[strawberry.ID, strawberry.argument(description="Its id.")]


@strawberry.type(description="What can be asked.")
class Query:
    @described("Anything with an id; null for what is unknown or foreign.")
    async def node(self, info: Info, id: Id) -> Node | None:
        return await find_node(info.context, id)

    @described("Several things, in the same order; null for each that is unknown or foreign.")
    async def nodes(
        self, info: Info, ids: Annotated[list[strawberry.ID], strawberry.argument(description="At most 100.")]
    ) -> list[Node | None]:
        if len(ids) > PAGE_MAX:
            raise refuse(ErrorCode.BAD_USER_INPUT, f"ids holds at most {PAGE_MAX}.", "ids", limit=PAGE_MAX)
        return list(await asyncio.gather(*(find_node(info.context, node_id) for node_id in ids)))

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
        asked, wanted = info.context, filter or ImportFilter()
        reach = asked.reach
        if wanted.tenant_ids is not None:
            named = [tenant_id_of(tenant_id) for tenant_id in wanted.tenant_ids]
            reach = frozenset(tenant_of(asked.caller, body=one, header=asked.tenant_header) for one in named if one)
        page = await asked.services.records.import_jobs(
            asked.caller, reach, wanted.wanted(), first=page_size(first), after=text_after(after)
        )
        asked.spend(len(page.items))
        return connection(page, after, node=ImportJob.of, key=lambda job: (job.import_id,))

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
    ) -> ExportPreview:
        gathered = await info.context.services.exporter.preview(
            info.context.caller, named_tenant(info.context, tenant_id), artifact_ids
        )
        return ExportPreview.of(gathered)


def named_tenant(asked: Operation, tenant_id: str) -> TenantId:
    """The tenant that an argument names (decisions R1). Raises ``TENANT_MISMATCH``, ``INVALID_TENANT_ID``."""
    return tenant_of(asked.caller, body=tenant_id_of(tenant_id), header=asked.tenant_header, where="tenantId")


async def find_node(asked: Operation, node_id: str) -> Node | None:
    """Anything in reach, by its Node id."""
    key = key_of(node_id)
    if key is None:
        return None
    match key.kind:
        case Kind.TENANT:
            return await asked.find_tenant(key.tenant_id)
        case Kind.ARTIFACT:
            return await asked.artifact(key.tenant_id, key.local_id)
        case Kind.PACKAGE:
            return await asked.package(key.local_id)
        case Kind.IMPORT:
            return await asked.import_job(key.local_id)
        case Kind.PLAN:
            return await asked.plan(key.local_id)
