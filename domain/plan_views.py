"""Looking at plans: how they stand, who agreed to them, what they do beyond their own artifacts (R10, R11)."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from domain.access import Caller, Right, require
from domain.approving import missing_approvals
from domain.drifting import is_offered
from domain.import_model import ImportJob, ImportState, InstalledPackage
from domain.model import ArtifactHead, ArtifactStatus, ImportId, PlanId, Tenant, name_key
from domain.plan_hash import relied_now
from domain.plan_model import ActionKind, Plan, PlanAction, PlanState, Standing
from domain.ports import PlatformUnit, Ports

#: what each list of an impact tells at most
IMPACT_MAX = 100
_RUNNING = frozenset({ArtifactStatus.PUBLISHED, ArtifactStatus.ACTIVE})


@dataclass(frozen=True, slots=True)
class Impact:
    """What a plan does beyond its own artifacts; each list has at most :data:`IMPACT_MAX` members."""

    #: actions by which an artifact starts, or stops, being active
    activates: tuple[PlanAction, ...]
    deactivates: tuple[PlanAction, ...]
    #: artifacts outside the plan that refer to what it changes
    also_used_by: tuple[ArtifactHead, ...]
    #: installed packages whose artifacts it changes, that use what it changes, or that declared to need its package
    other_packages: tuple[InstalledPackage, ...]
    #: what the packages of an install can do that their versions in the tenant cannot; ``None`` for other plans
    new_powers: Mapping[str, Any] | None


class PlanViews:
    """What is known of plans beyond what was written when they were made."""

    def __init__(self, ports: Ports) -> None:
        self._store = ports.store
        self._clock = ports.clock

    async def standing(self, caller: Caller, made: Plan) -> Standing:
        """How one plan stands."""
        return (await self.standings(caller, [made]))[made.plan_id]

    async def standings(self, caller: Caller, plans: Collection[Plan]) -> dict[PlanId, Standing]:
        """How plans stand; a few queries for each tenant, however many they are."""
        require(caller, Right.READ_IMPORTS)
        found: dict[PlanId, Standing] = {}
        async with self._store.platform_view() as platform:
            jobs = await platform.batches.import_jobs([made.import_id for made in plans], None)
            tenants = await platform.batches.tenants({made.tenant_id for made in plans})
            for tenant in tenants.values():
                some = [made for made in plans if made.tenant_id == tenant.tenant_id and made.import_id in jobs]
                found |= await self._standings(platform, tenant, some, jobs)
        return found

    async def impact(self, caller: Caller, made: Plan) -> Impact:
        """What a plan does beyond its own artifacts; a few queries, whatever the tenant's size."""
        require(caller, Right.READ_IMPORTS)
        async with self._store.view(made.tenant_id) as unit:
            job = await unit.imports.job(made.import_id)
            touched = await unit.plans.touched(made.import_id, limit=IMPACT_MAX)
            installed = await unit.imports.installed()
        own = name_key(job.package_name) if job and job.package_name else ""
        used = {(head.origin.package_key, head.origin.source) for head in touched.users if head.origin}
        others = [
            package
            for package in installed
            if (name_key(package.name), package.source) in {*touched.packages, *used} or _needs(package, own)
        ]
        return Impact(
            activates=tuple(action for action in touched.switched if _runs_afterwards(action)),
            deactivates=tuple(action for action in touched.switched if not _runs_afterwards(action)),
            also_used_by=touched.users,
            other_packages=tuple(others[:IMPACT_MAX]),
            new_powers=(job.outcome or {}).get("newPowers") if job else None,
        )

    async def _standings(
        self, platform: PlatformUnit, tenant: Tenant, plans: Sequence[Plan], jobs: Mapping[ImportId, ImportJob]
    ) -> dict[PlanId, Standing]:
        unit = platform.of(tenant.tenant_id)
        ids = [made.import_id for made in plans]
        approvals = await unit.plans.approvals([made.plan_id for made in plans])
        moved, undecided = await unit.plans.moved(ids), await unit.plans.undecided(ids)
        names = {name for made in plans for name in made.relied}
        installed = await unit.imports.installed(names) if names else []
        found = {}
        for made in plans:
            job, given = jobs[made.import_id], tuple(approvals.get(made.plan_id, ()))
            missing = missing_approvals(tenant, given, job)
            is_stale = made.import_id in moved or made.relied != relied_now(made.relied, installed)
            conditions = {
                PlanState.NEEDS_DECISIONS: made.import_id in undecided,
                PlanState.STALE: is_stale,
                PlanState.NEEDS_APPROVAL: missing > 0,
            }
            state = next(_states(made, job, conditions, self._clock.now()))
            found[made.plan_id] = Standing(state, given, missing)
        return found


def _states(made: Plan, job: ImportJob, conditions: Mapping[PlanState, bool], now: datetime) -> Iterator[PlanState]:
    """Those that hold, the one that is told first."""
    if job.state is ImportState.WAITING_FOR_DECISIONS:
        yield PlanState.NEEDS_DECISIONS
    if made.applied_by is not None or not is_offered(made, job):
        yield PlanState.APPLIED
    if made.expires_at <= now:
        yield PlanState.EXPIRED
    if made.blockers:
        yield PlanState.BLOCKED
    yield from (state for state, holds in conditions.items() if holds)
    yield PlanState.READY


def _needs(package: InstalledPackage, key: str) -> bool:
    return any(name_key(needed.package_name) == key for needed in package.dependencies)


def _runs_afterwards(action: PlanAction) -> bool:
    return action.kind is not ActionKind.REMOVE and action.status in _RUNNING
