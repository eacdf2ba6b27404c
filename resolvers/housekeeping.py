"""Giving things up for good: packages that were exported, and whole tenants (decisions R40)."""

from __future__ import annotations

import strawberry

from domain.model import TenantId
from resolvers.mutations import Input
from resolvers.queries import Info
from resolvers.refusals import refusable
from schema.fields import described
from schema.housekeeping import DeletePackageInput, DeletePackagePayload, PurgeTenantInput, PurgeTenantPayload
from schema.nodes import tenant_id_of
from schema.packages import Package


@strawberry.type
class HousekeepingMutation:
    @described(
        "Deletes an exported package: nobody fetches or imports it any more. Its record and the history of exports"
        " stay, and its version stays taken."
    )
    @refusable(DeletePackagePayload)
    async def delete_package(self, info: Info, input: Input[DeletePackageInput]) -> DeletePackagePayload:
        asked = info.context
        package = await asked.services.deleting.package(asked.caller, input.package_id, asked.reach)
        return DeletePackagePayload(deleted_package=Package.of(package))

    @described(
        "Deletes everything of a tenant, for good. It is suspended first; whoever is cut off may send it again."
        " What it published in the marketplace stays."
    )
    @refusable(PurgeTenantPayload)
    async def purge_tenant(self, info: Info, input: Input[PurgeTenantInput]) -> PurgeTenantPayload:
        asked, tenant_id = info.context, TenantId(tenant_id_of(input.id))
        purged = await asked.services.purging.purge(asked.caller, tenant_id, confirmed=input.confirmation)
        return PurgeTenantPayload(purged_tenant_id=purged.tenant_id, is_gone=purged.is_gone)
