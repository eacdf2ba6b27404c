"""What a tenant holds, as it stands, packed for another installation (akana.md section 5; decisions R38).

A snapshot is a stored package like every export's, and like a backup it takes artifacts at any status and is never
counted. It has the limits of an import, so that what leaves one tenant can come into another of its plan. All
snapshots of a tenant are versions of one package, told apart by what they hold: taken again of the same revisions, the
first one is the answer, and nothing is packed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from dataclasses import replace

from domain.access import Caller, Right, require
from domain.artifact_types import ArtifactType, is_id_of
from domain.closure import Closure, closure, exactly
from domain.errors import ErrorCode, Problem, Refusal, refuse, refuse_if
from domain.export_order import ExportOrder, export_record
from domain.exporting import Exporter
from domain.limits import Installation, Limits
from domain.model import ArtifactFilter, ArtifactHead, ArtifactId, Package, Tenant, TenantId, name_key
from domain.ports import Ports, VersionTakenError
from domain.records import Records
from domain.rows import ArtifactRows
from domain.tenancy import active_tenant, entry_of

_PAGE = 500
_NAME_LENGTH_MAX = 100
_DIGEST_SHOWN = 16
_ANY_DEPTH = 1_000_000
#: what an import judges by its own limits, or takes at any status
_NOT_JUDGED = (
    ErrorCode.ARTIFACT_NOT_EXPORTABLE,
    ErrorCode.BUNDLE_SIZE_EXCEEDED,
    ErrorCode.DEPENDENCY_DEPTH_EXCEEDED,
)


class Snapshots:
    """Packs tenants, or single artifacts with all they need."""

    def __init__(self, ports: Ports, installation: Installation, records: Records) -> None:
        self._store = ports.store
        self._blobs = ports.blobs
        self._clock = ports.clock
        self._limits = installation.limits
        self._records = records
        self._exporter = Exporter(ports, installation)

    async def of_types(self, caller: Caller, tenant_id: TenantId, types: Collection[ArtifactType]) -> Package:
        """All artifacts of these types that are not deleted. What they refer to besides stays where it is.

        Raises ``InsufficientPermission``, ``InvalidTenantId``, ``EmptyArtifactList`` where there is none,
        ``TooManyArtifacts``, ``PayloadTooLarge`` and ``CircularDependency``.
        """
        require(caller, Right.EXPORT)
        tenant = await self._tenant(tenant_id)
        most = self._limits.artifacts(tenant.plan)
        async with self._store.view(tenant_id) as unit:
            heads = await _heads_of(unit.artifacts, types, most + 1)
            _refuse_many(len(heads), tenant, self._limits)
            references = await unit.artifacts.references([head.artifact_id for head in heads])
        if not heads:
            raise refuse(ErrorCode.EMPTY_ARTIFACT_LIST, "There is nothing of that in the tenant.")
        return await self._taken(caller, tenant, exactly(heads, references))

    async def of_artifact(
        self,
        caller: Caller,
        tenant_id: TenantId,
        artifact_id: str,
        types: Collection[ArtifactType] = tuple(ArtifactType),
    ) -> Package:
        """One artifact and all it needs. Raises ``NotFound`` when it is not there, or of none of these types.

        Raises also what :meth:`of_types` does, and ``IncompleteArtifact`` when something that it needs is gone.
        """
        require(caller, Right.EXPORT)
        tenant = await self._tenant(tenant_id)
        # what cannot be an id, no database has to be asked for
        named = [ArtifactId(artifact_id)] if any(is_id_of(artifact_id, member) for member in types) else []
        async with self._store.view(tenant_id) as unit:
            found = await unit.artifacts.heads(named)
        if not any(head.is_there and head.artifact_type in types for head in found.values()):
            raise refuse(ErrorCode.NOT_FOUND, "There is no such resource.", what="artifact")
        roomy = replace(self._limits, export_artifacts=self._limits.artifacts(tenant.plan), export_depth=_ANY_DEPTH)
        gathered = await closure(self._store, caller, tenant_id, [artifact_id], roomy)
        _refuse_many(len(gathered.heads), tenant, self._limits)
        refuse_if(problem for problem in gathered.problems if problem.code not in _NOT_JUDGED)
        return await self._taken(
            caller, tenant, exactly([*gathered.heads.values()], gathered.references, roots=gathered.roots)
        )

    async def _tenant(self, tenant_id: TenantId) -> Tenant:
        async with self._store.platform_view() as platform:
            return await active_tenant(platform.tenants, tenant_id)

    async def _taken(self, caller: Caller, tenant: Tenant, gathered: Closure) -> Package:
        order, earlier = await self._not_deleted(_order(tenant, gathered))
        if earlier is not None and await self._is_kept(earlier):
            return earlier
        bounds = self._limits.bundle(tenant.plan).archive
        async with self._store.view(tenant.tenant_id) as unit:
            sizes = await unit.artifacts.body_sizes([head.revision_id for head in gathered.heads.values()])
        refuse_if(_size_problems(sum(sizes.values()), bounds.total_bytes_max, tenant))
        package = await self._exporter.backup(caller.actor, order, gathered, tenant.platform_version, earlier=None)
        if problems := _size_problems(package.size_bytes, bounds.bytes_max, tenant):
            await self._blobs.delete(package.blob_key)
            raise Refusal(problems)
        return await self._kept(caller, order, package, earlier)

    async def _not_deleted(self, wanted: ExportOrder) -> tuple[ExportOrder, Package | None]:
        """The order under a version that nobody has deleted: such a one stays taken (R14). And what has it now."""
        order, deleted = wanted, 0
        while (earlier := await self._of(order)) is not None and earlier.deleted_at is not None:
            deleted += 1
            order = replace(wanted, version=f"{wanted.version}.{deleted}")
        return order, earlier

    async def _of(self, order: ExportOrder) -> Package | None:
        async with self._store.view(order.tenant_id) as unit:
            return await unit.packages.of_version(name_key(order.package_name), order.version)

    async def _is_kept(self, package: Package) -> bool:
        return package.expires_at > self._clock.now() and await self._records.is_stored(package.blob_key)

    async def _kept(self, caller: Caller, order: ExportOrder, package: Package, earlier: Package | None) -> Package:
        """The package, written down; or that of a twin who was quicker, which holds the same."""
        now = self._clock.now()
        details = {"packageId": package.package_id, "package": package.name, "version": package.version}
        try:
            async with self._store.unit(order.tenant_id) as unit:
                if earlier is not None:
                    await unit.packages.drop(earlier.package_id)
                await unit.packages.add(package, identity=caller.identity)
                await unit.packages.record_export(export_record(caller.actor, order, package, "", now))
                await unit.imports.audit(entry_of(caller, order.tenant_id, "package.exported", details, at=now))
        except VersionTakenError:
            await self._blobs.delete(package.blob_key)
            twin = await self._of(order)
            if twin is None:
                raise
            return twin
        return package


async def _heads_of(artifacts: ArtifactRows, types: Collection[ArtifactType], most: int) -> list[ArtifactHead]:
    """The artifacts of these types by name, whatever their status; so many at most."""
    wanted = ArtifactFilter(artifact_types=tuple(types))
    found: list[ArtifactHead] = []
    after = None
    while len(found) < most:
        page = await artifacts.page(wanted, first=min(_PAGE, most - len(found)), after=after)
        found += page.items
        if not page.has_next:
            break
        after = (name_key(found[-1].name), str(found[-1].artifact_id))
    return found


def _size_problems(size: int, most: int, tenant: Tenant) -> list[Problem]:
    if size <= most:
        return []
    text = f"The package would have {size} bytes; an import of the {tenant.plan.wire} plan takes {most}."
    details = {"limit": most, "actual": size, "plan": tenant.plan.wire}
    return [Problem(ErrorCode.PAYLOAD_TOO_LARGE, text, details=details)]


def _refuse_many(count: int, tenant: Tenant, limits: Limits) -> None:
    most = limits.artifacts(tenant.plan)
    if count > most:
        text = f"These are more than the {most} artifacts that an import of the {tenant.plan.wire} plan may hold."
        raise refuse(ErrorCode.TOO_MANY_ARTIFACTS, text, limit=most, plan=tenant.plan.wire)


def _order(tenant: Tenant, gathered: Closure) -> ExportOrder:
    """One package name for all that leaves a tenant so: an artifact is known again by it, however it came (R3, R4)."""
    heads = [gathered.heads[key] for key in gathered.install_order]
    return ExportOrder(
        tenant_id=tenant.tenant_id,
        package_name=f"Business {tenant.tenant_id}"[:_NAME_LENGTH_MAX],
        package_type=heads[-1].artifact_type.entry.package_type,
        version=_version(tenant, heads),
        artifact_ids=gathered.roots,
        description=f"What {tenant.tenant_id} holds, as it stood.",
    )


def _version(tenant: Tenant, heads: list[ArtifactHead]) -> str:
    """``1.0.0+`` and what it will hold: its revisions in their order, and the platform that it says it comes from."""
    digest = hashlib.sha256(tenant.platform_version.encode())
    for head in heads:
        digest.update(f"\n{head.artifact_id} {head.revision_id}".encode())
    return f"1.0.0+{digest.hexdigest()[:_DIGEST_SHOWN]}"
