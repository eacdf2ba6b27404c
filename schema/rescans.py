"""Scans of what is kept, made again when the rules changed (security.md section 3.3)."""

from __future__ import annotations

from datetime import datetime

import strawberry

from domain import rescan_rows
from domain.rescan_rows import Keeping
from domain.scanning import ScanResult
from schema.context import Info
from schema.fields import described
from schema.nodes import Node, upward

strawberry.enum(Keeping, name="PackageKeeping", description="As what a tenant keeps a package.")


@strawberry.type(description="One scan that was made again; its report is asked for by its key.")
class Rescan:
    key: strawberry.ID = strawberry.field(description="Its id: `rescanReport` knows it as `rescanId`.")
    kept_as: Keeping = strawberry.field(description="Whether it was exported from the tenant or is installed there.")
    package_id: str = strawberry.field(description="The package's id.")
    package_name: str = strawberry.field(description="The package.")
    package_version: str = strawberry.field(description="Its version.")
    result: ScanResult = strawberry.field(description="The worst finding decides.")
    rules_version: str = strawberry.field(description="The rules it was made with.")
    scanned_at: datetime = strawberry.field(description="When it was made.")
    made: strawberry.Private[rescan_rows.Rescan]

    @described("The tenant whose package it is.", upward("Tenant", "tenants"))
    async def tenant(self, info: Info) -> Node:
        return await info.context.tenant(self.made.tenant_id)

    @described("The import that brought it; null for an exported package.", upward("ImportJob", "imports") | None)
    async def import_job(self, info: Info) -> Node | None:
        return await info.context.import_job(self.made.import_id) if self.made.import_id else None

    @classmethod
    def of(cls, made: rescan_rows.Rescan) -> Rescan:
        return cls(
            key=strawberry.ID(made.rescan_id),
            kept_as=made.keeping,
            package_id=made.package_id,
            package_name=made.package_name,
            package_version=made.package_version,
            result=ScanResult(made.result),
            rules_version=made.rules_version,
            scanned_at=made.scanned_at,
            made=made,
        )
