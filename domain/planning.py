"""Gathering what a plan needs from the tenant, and having it made in a thread (the plan itself: ``plan``)."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from itertools import islice

from domain import plan, policy
from domain.bundle import CheckedBundle, dynamic_references
from domain.errors import Problem
from domain.import_model import ImportJob, Plan
from domain.limits import Limits
from domain.model import ArtifactHead, PlanId, Tenant, name_key
from domain.plan import Inventory, Planned, PlanRequest
from domain.portions import with_bodies
from domain.ports import Clock, Store, TenantUnit
from domain.scanning import ScanReport

_DYNAMIC_MAX = 200


class Planner:
    """Makes plans; writes nothing."""

    def __init__(self, store: Store, clock: Clock, limits: Limits) -> None:
        self._store = store
        self._clock = clock
        self._limits = limits

    async def inventory(self, bundle: CheckedBundle, tenant: Tenant, job: ImportJob) -> Inventory:
        """What the tenant has that this package may meet; a few queries, whatever the tenant's size."""
        manifest = bundle.manifest
        key, source = name_key(manifest.name), manifest.tenant_id
        names = [key, *(name_key(needed.package_name) for needed in manifest.package_dependencies)]
        async with self._store.view(job.tenant_id) as unit:
            named = await unit.artifacts.named({(a.artifact_type, name_key(a.name)) for a in bundle.artifacts})
            from_package = await unit.artifacts.from_package(key, source)
            return Inventory(
                named={(head.artifact_type, name_key(head.name)): head for head in named},
                from_package={head.origin.source_id: head for head in reversed(from_package) if head.origin},
                own=await _own(unit, bundle) if source == tenant.tenant_id else {},
                bases=await unit.imports.merge_bases(key, source) if from_package else {},
                installed=tuple(await unit.imports.installed(names)),
                platform_version=tenant.platform_version,
            )

    def blockers(
        self, bundle: CheckedBundle, inventory: Inventory, job: ImportJob, report: ScanReport
    ) -> list[Problem]:
        """Everything, warnings too, that stands in the way before a single artifact is looked at."""
        manifest = bundle.manifest
        return [
            *policy.platform_problems(manifest, inventory.platform_version),
            *policy.dependency_problems(manifest.package_dependencies, inventory.installed),
            *policy.package_version_problems(manifest, inventory.installed, job.options),
            *policy.scan_problems(report, job.options),
            *bundle.warnings,
            *islice(dynamic_references(bundle.artifacts), _DYNAMIC_MAX),
        ]

    async def plan(
        self, bundle: CheckedBundle, inventory: Inventory, job: ImportJob, blockers: list[Problem]
    ) -> tuple[Planned, Plan]:
        """The plan, and what is needed to carry it out."""
        request = PlanRequest(
            plan_id=job.plan_id or PlanId(job.import_id),
            import_id=job.import_id,
            tenant_id=job.tenant_id,
            options=job.options,
            decisions=job.decisions,
            conflict_keys=await self._keys_given(job),
        )
        planned = await asyncio.to_thread(plan.draft, bundle, inventory, request)
        await self._settle(planned)
        made = plan.plan_of(planned, blockers, now=self._clock.now(), plan_days=self._limits.plan_days)
        return planned, made

    async def _keys_given(self, job: ImportJob) -> dict[str, str]:
        """Conflict ids stay with their source artifacts from the first planning on (R18)."""
        if job.expires_at is None:  # it never waited, so nobody has seen any
            return {}
        async with self._store.view(job.tenant_id) as unit:
            earlier = await unit.imports.actions(job.import_id, first=self._limits.artifacts_enterprise)
        return {action.source_id: action.conflict_key for action in earlier.items if action.conflict_key}

    async def _settle(self, planned: Planned) -> None:
        """Merges and credentials, a few existing contents in memory at a time."""
        unsettled = planned.unsettled
        if not unsettled:
            return
        async for part, bodies in with_bodies(self._store, planned.request.tenant_id, unsettled, _existing):
            await asyncio.to_thread(_settle_part, planned, part, bodies)


async def _own(unit: TenantUnit, bundle: CheckedBundle) -> dict[str, ArtifactHead]:
    """The tenant's artifacts under the source ids, if the bundle is one that this tenant exported here (R3)."""
    manifest = bundle.manifest
    exported = await unit.packages.of_version(name_key(manifest.name), manifest.version)
    if exported is None or exported.checksum != manifest.checksum:
        return {}
    heads = await unit.artifacts.heads([artifact.source_id for artifact in bundle.artifacts])
    return {head.artifact_id: head for head in heads.values() if head.is_there}


def _existing(unsettled: tuple[int, ArtifactHead | None]) -> list[str]:
    _, head = unsettled
    return [head.revision_id] if head else []


def _settle_part(planned: Planned, part: list[tuple[int, ArtifactHead | None]], bodies: Mapping[str, bytes]) -> None:
    for place, head in part:
        plan.settle(planned, place, bodies.get(head.revision_id) if head else None)
