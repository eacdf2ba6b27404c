"""Scans that were made again, through GraphQL (security.md section 3.3)."""

from __future__ import annotations

from functools import partial
from operator import attrgetter
from typing import Annotated

import strawberry

from resolvers.paging import paged
from resolvers.queries import Info, named_reach
from schema.connections import After, Connection, Cursors, First
from schema.fields import described
from schema.rescans import Rescan
from schema.scans import ScanReport

_OfPackage = Annotated[strawberry.ID | None, strawberry.argument(description="Only of this package.")]
_OfImport = Annotated[strawberry.ID | None, strawberry.argument(description="Only of what this import brought.")]
_Tenants = Annotated[list[strawberry.ID] | None, strawberry.argument(description="Only of these tenants.")]


@strawberry.type
class RescanQuery:
    @described(
        "Scans that were made again when the rules changed, newest first: of what is installed, and of exported"
        " packages for who may export."
    )
    async def rescans(
        self,
        info: Info,
        tenant_ids: _Tenants = None,
        package_id: _OfPackage = None,
        import_id: _OfImport = None,
        first: First = 20,
        after: After = None,
    ) -> Connection[Rescan]:
        asked = info.context
        reach = named_reach(asked, tenant_ids)
        find = partial(asked.services.rescans.page, reach=reach, package_id=package_id, import_id=import_id)
        key = attrgetter("rescan_id")
        return await paged(asked, Cursors("rescans"), find, first=first, after=after, node=Rescan.of, key=key)

    @described("What such a scan found; null for what is unknown or not for the caller.")
    async def rescan_report(
        self, info: Info, rescan_id: Annotated[strawberry.ID, strawberry.argument(description="The scan's `key`.")]
    ) -> ScanReport | None:
        asked = info.context
        found = await asked.services.rescans.find(asked.caller, rescan_id, asked.reach)
        return ScanReport.of(found.report) if found is not None and found.report is not None else None
