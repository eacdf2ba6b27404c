"""Looking things up by id, inside a caller's reach: unknown and foreign are the same (decisions R1, R21, X35)."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Collection, Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any

from domain.access import Caller, Reach, Right, require
from domain.errors import ErrorCode, Problem, Refusal, refuse, refuse_if
from domain.following import Follower, demand_number
from domain.import_model import (
    AuditEntry,
    Importable,
    ImportFilter,
    ImportJob,
    ImportPackage,
    InstalledPackage,
    ProgressEvent,
)
from domain.model import BlobKey, Package, PlanId, TenantId, rfc3339
from domain.plan_model import ActionKind, Plan, PlanAction
from domain.ports import Ports
from domain.rows import ExportLine, HistoryFilter, Page, Slice

_RENEWED_EVERY = timedelta(days=1)
_DAMAGED = "The bytes of the bundle are damaged, so nobody is given them. Export the package again."
_NOT_KEPT = "The bundle is no longer kept; its record stays. Export the package again."


class Records:
    """Packages, imports, plans and journals, as callers may see them."""

    def __init__(self, ports: Ports, follower: Follower) -> None:
        self._store = ports.store
        self._blobs = ports.blobs
        self._clock = ports.clock
        self._follower = follower

    async def package(self, caller: Caller, package_id: str, reach: Reach) -> Package | None:
        """An exported package (``installhub:export``)."""
        require(caller, Right.EXPORT)
        async with self._store.platform_view() as unit:
            return await unit.lookup.package(package_id, reach)

    async def get_package(self, caller: Caller, package_id: str, reach: Reach) -> Package:
        """An exported package, or ``NotFound``."""
        package = await self.package(caller, package_id, reach)
        if package is None:
            raise _no_package("packageId")
        return package

    async def with_bytes(self, package: Package) -> Package:
        """The same package, when its bundle can still be fetched; else ``BundleExpired`` (installhub.md 6.8)."""
        refuse_if(await self._gone(package))
        return package

    async def demand_whole(self, package: Package) -> None:
        """Raise ``BundleExpired`` where the bytes are damaged: nobody is given others than those that were exported."""
        if not await self._blobs.is_whole(package.blob_key, package.bundle_sha256):
            raise refuse(ErrorCode.BUNDLE_EXPIRED, _DAMAGED)

    async def _gone(self, package: Package) -> tuple[Problem, ...]:
        if package.expires_at > self._clock.now() and await self.is_stored(package.blob_key):
            return ()
        return tuple(deleted_problems(package)) or (Problem(ErrorCode.BUNDLE_EXPIRED, _NOT_KEPT),)

    async def keep_longer(self, package: Package, *, days: int) -> None:
        """A download keeps the bytes for so many days from now (installhub.md section 6.8); told once a day."""
        expires_at = self._clock.now() + timedelta(days=days)
        if expires_at - package.expires_at >= _RENEWED_EVERY:
            async with self._store.unit(package.tenant_id) as unit:
                await unit.packages.touch(package.package_id, expires_at)

    async def is_stored(self, key: BlobKey) -> bool:
        """Whether these bytes are still kept."""
        try:
            return bool([chunk async for chunk in self._blobs.read(key, length=1)])
        except FileNotFoundError:
            return False

    async def packages(
        self, caller: Caller, tenant_id: TenantId, *, search: str, first: int, after: str | None
    ) -> Slice[Package]:
        """A tenant's exported packages, newest first."""
        require(caller, Right.EXPORT)
        async with self._store.view(tenant_id) as unit:
            return await unit.packages.page(search=search, first=first, after=after)

    async def importable(self, caller: Caller, package_id: str, reach: Reach, target: TenantId) -> Importable:
        """An exported package as that of an import: another tenant's needs ``installhub:export`` too (section 9.1).

        Raises ``NotFound`` and ``InsufficientPermission``.
        """
        async with self._store.platform_view() as unit:
            package = await unit.lookup.package(package_id, reach)
        if package is None:
            raise _no_package("sourcePackageId")
        if package.tenant_id != target:
            require(caller, Right.EXPORT)
        named = ImportPackage(0, package.blob_key, package.bundle_sha256, package.size_bytes, package.package_id)
        return Importable(named, await self._gone(package))

    async def import_job(self, caller: Caller, import_id: str, reach: Reach) -> ImportJob | None:
        """An import."""
        require(caller, Right.READ_IMPORTS)
        async with self._store.platform_view() as unit:
            return await unit.lookup.import_job(import_id, reach)

    async def import_jobs(
        self, caller: Caller, reach: Reach, wanted: ImportFilter, *, first: int, after: str | None
    ) -> Slice[ImportJob]:
        """Imports, newest first."""
        require(caller, Right.READ_IMPORTS)
        async with self._store.platform_view() as unit:
            return await unit.lookup.import_jobs(reach, wanted, first=first, after=after)

    async def get_import(self, caller: Caller, import_id: str, reach: Reach) -> ImportJob:
        """An import, or ``NotFound``."""
        job = await self.import_job(caller, import_id, reach)
        if job is None:
            raise refuse(ErrorCode.NOT_FOUND, "There is no such import.", "importId", what="import")
        return job

    async def plan(self, caller: Caller, plan_id: str, reach: Reach) -> Plan | None:
        """A plan without its actions; those are paged."""
        require(caller, Right.READ_IMPORTS)
        async with self._store.platform_view() as unit:
            tenant_id = await unit.lookup.plan_tenant(plan_id, reach)
        if tenant_id is None:
            return None
        async with self._store.view(tenant_id) as unit:
            return await unit.imports.plan(PlanId(plan_id))

    async def actions(
        self,
        caller: Caller,
        plan: Plan,
        *,
        first: int,
        after: int | None = None,
        kinds: Collection[ActionKind | None] | None = None,
    ) -> Slice[PlanAction]:
        """A plan's actions in install order; of some kinds, if given, ``None`` among them for open conflicts."""
        require(caller, Right.READ_IMPORTS)
        async with self._store.view(plan.tenant_id) as unit:
            return await unit.imports.actions(plan.import_id, first=first, after=after, kinds=kinds)

    async def action_page(
        self,
        caller: Caller,
        plan: Plan,
        *,
        page: int,
        page_size: int,
        kinds: Collection[ActionKind | None] | None = None,
    ) -> Page[PlanAction]:
        """The same by page number, counted."""
        require(caller, Right.READ_IMPORTS)
        async with self._store.view(plan.tenant_id) as unit:
            return await unit.imports.action_page(plan.import_id, page=page, page_size=page_size, kinds=kinds)

    async def events(self, caller: Caller, job: ImportJob, *, after: int, first: int) -> list[ProgressEvent]:
        """All events after a number, unmerged (R20)."""
        require(caller, Right.READ_IMPORTS)
        async with self._store.view(job.tenant_id) as unit:
            return await unit.imports.events(job.import_id, after=after, limit=first)

    async def follow(
        self, caller: Caller, import_id: str, reach: Reach, *, after: int = 0
    ) -> AsyncGenerator[ProgressEvent, None]:
        """Every event after a number, past and coming, until the final one. Access is decided here, once (R37).

        Raises ``NotFound``, and ``BadUserInput`` for a number that the journal does not have.
        """
        job = await self.get_import(caller, import_id, reach)
        demand_number(job, after)
        return self._follower.follow(job.tenant_id, job.import_id, after=after)

    async def settled(self, job: ImportJob) -> ImportJob:
        """The import once it has ended or waits for somebody: how a synchronous door waits (R18)."""
        events = self._follower.follow(job.tenant_id, job.import_id)
        try:
            async for event in events:
                if event.state.is_final or event.state.is_waiting:
                    async with self._store.view(job.tenant_id) as unit:
                        now = await unit.imports.job(job.import_id)
                    if now is not None and (now.state.is_final or now.state.is_waiting):
                        return now
        finally:
            await events.aclose()
        msg = f"the journal of {job.import_id} ended without an end"
        raise RuntimeError(msg)

    async def scan_reports(self, caller: Caller, job: ImportJob) -> list[dict[str, Any]]:
        """The scan reports of an import, one a package."""
        require(caller, Right.READ_IMPORTS)
        async with self._store.view(job.tenant_id) as unit:
            return await unit.imports.scan_reports(job.import_id)

    async def audit(self, caller: Caller, job: ImportJob) -> Sequence[AuditEntry]:
        """The audit entries of an import, oldest first."""
        require(caller, Right.READ_IMPORTS)
        async with self._store.view(job.tenant_id) as unit:
            return await unit.imports.audit_of(job.import_id)

    async def import_page(
        self, caller: Caller, reach: Reach, wanted: ImportFilter, *, page: int, page_size: int
    ) -> Page[ImportJob]:
        """Imports by page number, newest first, counted; without their outcomes."""
        require(caller, Right.READ_IMPORTS)
        async with self._store.platform_view() as unit:
            return await unit.lookup.import_page(reach, wanted, page=page, page_size=page_size)

    async def export_history(
        self, caller: Caller, tenant_id: TenantId, wanted: HistoryFilter, *, page: int, page_size: int
    ) -> Page[Mapping[str, Any]]:
        """Every export of a tenant that was tried, newest first, in the contract's words (installhub.md 6.8)."""
        require(caller, Right.EXPORT)
        async with self._store.view(tenant_id) as unit:
            return await unit.packages.history(wanted, page=page, page_size=page_size)

    async def exports(
        self, caller: Caller, tenant_id: TenantId, wanted: HistoryFilter, *, first: int, after: int | None = None
    ) -> Slice[ExportLine]:
        """The same line after line."""
        require(caller, Right.EXPORT)
        async with self._store.view(tenant_id) as unit:
            return await unit.packages.exports(wanted, first=first, after=after)

    async def installed_packages(
        self,
        caller: Caller,
        reach: Reach,
        *,
        package_name: str = "",
        first: int,
        after: tuple[str, str, str] | None = None,
    ) -> Slice[InstalledPackage]:
        """Which tenant has which version of which package, by tenant, name key and source."""
        require(caller, Right.READ_ARTIFACTS)
        async with self._store.platform_view() as unit:
            return await unit.lookup.installed(reach, package_name=package_name, first=first, after=after)

    async def installed_page(
        self, caller: Caller, reach: Reach, *, package_name: str = "", page: int, page_size: int
    ) -> Page[InstalledPackage]:
        """The same by page number, counted."""
        require(caller, Right.READ_ARTIFACTS)
        async with self._store.platform_view() as unit:
            return await unit.lookup.installed_page(reach, package_name=package_name, page=page, page_size=page_size)


def deleted_problems(package: Package) -> Iterator[Problem]:
    """Why nobody gets a package that was deleted; ``deletedAt`` is when (decisions R40)."""
    if package.deleted_at is not None:
        text = "The package was deleted. Its version stays taken: export another one."
        yield Problem(ErrorCode.BUNDLE_EXPIRED, text, details={"deletedAt": rfc3339(package.deleted_at)})


def _no_package(where: str) -> Refusal:
    return refuse(ErrorCode.NOT_FOUND, "There is no such package.", where, what="package")
