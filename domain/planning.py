"""Gathering what a plan needs from the tenant, and having it made in a thread (the plan itself: ``plan``)."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from itertools import islice
from typing import Any

from domain import plan, policy, scanning, strict_json
from domain.aside import aside
from domain.bindings import suggested
from domain.bundle import CheckedBundle, dynamic_references
from domain.completing import complete
from domain.courtesy import Courtesy
from domain.deciding import changed_meanwhile, unknown_artifacts
from domain.errors import Problem, refuse_if
from domain.external import Beside, found_there
from domain.import_model import ImportJob
from domain.limits import Limits
from domain.market.powers import NO_POWERS, Powers, new_powers, powers_from, powers_of, powers_row, together
from domain.model import ArtifactHead, ArtifactId, Manifest, PlanId, Tenant, name_key
from domain.options import ImportOptions
from domain.plan import Inventory, Planned, PlanRequest
from domain.plan_model import Plan, PlanAction
from domain.ports import Clock, Store, TenantUnit
from domain.relationships import user_relationships
from domain.remembering import remembered_values
from domain.scanning import ScanReport, ScanResult
from domain.suggesting import with_suggestions
from domain.whole_plan import plan_of

_DYNAMIC_MAX = 200
_SUGGESTED_MAX = 20
_RELATIONSHIPS_MAX = 200


@dataclass(frozen=True, slots=True)
class Checked:
    """A package of an import whose bytes were read and scanned."""

    bundle: CheckedBundle
    report: ScanReport
    #: looked for in installs only
    powers: Powers = NO_POWERS
    #: where it names people; looked for in migrations only
    relationships: tuple[Problem, ...] = ()


def checked(bundle: CheckedBundle, now: datetime) -> Checked:
    """The bundle with the report of its scan."""
    if bundle.known is not None:
        return Checked(bundle, bundle.known.report)
    manifest = bundle.manifest
    report = scanning.report(
        manifest.package_id,
        manifest.version,
        bundle.findings,
        scanned_at=now,
        duration_ms=bundle.scan_ms,
        trouble=bundle.scan_trouble,
    )
    return Checked(bundle, report)


def with_powers(package: Checked) -> Checked:
    """The same with what its artifacts will be able to do; reads every content."""
    bundle = package.bundle
    found = (
        powers_of(one.artifact_type, one.source_id, one.name, strict_json.trusted(bundle.spool.read(one.span)))
        for one in bundle.artifacts
    )
    return replace(package, powers=together(found))


def with_relationships(package: Checked) -> Checked:
    """The same with where its artifacts name people; reads every content."""
    bundle = package.bundle
    found = (
        problem
        for one in bundle.artifacts
        for problem in user_relationships(one.source_id, one.name, strict_json.trusted(bundle.spool.read(one.span)))
    )
    return replace(package, relationships=tuple(islice(found, _RELATIONSHIPS_MAX)))


def powers_told(met: Sequence[tuple[Checked, Inventory]]) -> dict[str, Any]:
    """What the packages of an install can do, and what of that their versions in the tenant cannot."""
    after = together(package.powers for package, _ in met)
    before = together(
        powers_from(had.powers)
        for package, inventory in met
        for had in inventory.installed
        if had.powers and had.source == package.bundle.manifest.tenant_id
        if name_key(had.name) == name_key(package.bundle.manifest.name)
    )
    return {"powers": powers_row(after), "newPowers": powers_row(new_powers(before, after))}


def scan_result(packages: Sequence[Checked]) -> ScanResult:
    """The worst result among an import's packages."""
    return scanning.worst_of(package.report.overall_result for package in packages)


class Planner:
    """Makes plans; writes nothing."""

    def __init__(self, store: Store, clock: Clock, limits: Limits, courtesy: Courtesy) -> None:
        self._store = store
        self._clock = clock
        self._limits = limits
        self._courtesy = courtesy

    async def inventory(self, bundle: CheckedBundle, tenant: Tenant, job: ImportJob) -> Inventory:
        """What the tenant has that this package may meet; a few queries, whatever the tenant's size."""
        manifest = bundle.manifest
        key, source = name_key(manifest.name), manifest.tenant_id
        names = [key, *(name_key(needed.package_name) for needed in manifest.package_dependencies)]
        slots = [f"{one.source_id}{pointer}" for one in bundle.artifacts for pointer in one.credentials]
        async with self._store.view(job.tenant_id) as unit:
            # a known bundle writes nothing, so no name that others keep is in its way
            wanted = () if bundle.known else {(a.artifact_type, name_key(a.name)) for a in bundle.artifacts}
            named = await unit.artifacts.named(wanted)
            from_package = await unit.artifacts.from_package(key, source)
            return Inventory(
                named={(head.artifact_type, name_key(head.name)): head for head in named},
                from_package={head.origin.source_id: head for head in reversed(from_package) if head.origin},
                own=await _own(unit, bundle) if source == tenant.tenant_id else {},
                bases=await unit.imports.merge_bases(key, source) if from_package else {},
                installed=tuple(await unit.imports.installed(names)),
                platform_version=tenant.platform_version,
                accepts_warnings=tenant.accepts_warnings,
                brought=tuple(from_package),
                remembered=await remembered_values(unit, source, slots),
                externals=await _externals(unit, manifest),
            )

    def blockers(
        self, checked: Checked, inventory: Inventory, job: ImportJob, beside: Sequence[Manifest] = ()
    ) -> list[Problem]:
        """Everything, warnings too, that stands in the way before a single artifact is looked at.

        ``beside`` are the other packages of the same install: what they bring is as good as there.
        """
        bundle, report = checked.bundle, checked.report
        manifest = bundle.manifest
        there: list[policy.Versioned] = [*inventory.installed, *beside]
        installed = inventory.installed if job.install else ()
        return [
            *policy.platform_problems(manifest, inventory.platform_version, job.options),
            *policy.dependency_problems(manifest.package_dependencies, there),
            *policy.package_version_problems(manifest, inventory.installed, job.options),
            *policy.downgrade_problems(manifest, manifest.tenant_id, installed, job.options),
            *policy.scan_problems(report, job.options, tenant_accepts=inventory.accepts_warnings),
            *bundle.warnings,
            *checked.relationships,
            *islice(dynamic_references(bundle.artifacts), _DYNAMIC_MAX),
        ]

    async def plan(
        self,
        met: Sequence[tuple[CheckedBundle, Inventory]],
        job: ImportJob,
        blockers: list[Problem],
        *,
        seed: PlanId | None = None,
    ) -> tuple[list[Planned], Plan]:
        """The plan, and what is needed to carry it out, package by package. ``met``: each with what it meets.

        ``seed`` is the plan whose ids new artifacts get, where that is another one (R10).
        """
        earlier, options = await self._earlier(job), await self._opened(job)
        given = _keys_given(earlier)
        following = plan.following_conflict(key for keys in given.values() for key in keys.values())
        drafts, beside = [], Beside()
        for ordinal, (bundle, inventory) in enumerate(met):
            request = PlanRequest(
                plan_id=job.plan_id or PlanId(job.import_id),
                import_id=job.import_id,
                tenant_id=job.tenant_id,
                options=options,
                decisions=job.decisions,
                conflict_keys=given.get(ordinal, {}),
                ordinal=ordinal,
                next_conflict=following,
                beside=beside,
                seed=seed,
            )
            planned = await asyncio.to_thread(plan.draft, bundle, inventory, request, self._courtesy.among)
            await complete(self._store, self._courtesy, planned)
            await self._suggest(planned)
            drafts.append(planned)
            if len(met) > 1:
                beside.add(bundle.manifest, planned.actions)
            new = (action.conflict_key for action in planned.actions if action.conflict_key)
            following = max(following, plan.following_conflict(new))
        refuse_if(unknown_artifacts(drafts, options.decisions))
        blockers = [*blockers, *changed_meanwhile(earlier, drafts)]
        now, days = self._clock.now(), self._limits.plan_days
        size = sum(len(planned.actions) for planned in drafts)
        return drafts, await aside(size, partial(plan_of, drafts, blockers, now=now, plan_days=days))

    async def _suggest(self, planned: Planned) -> None:
        """Say of the first places without a value what the tenant's own artifacts have there."""
        lacking = [slot for slot in planned.slots if slot.source is None][:_SUGGESTED_MAX]
        if lacking:
            found = await suggested(self._store, planned.request.tenant_id, lacking)
            planned.problems[:] = with_suggestions(planned.problems, found)

    async def _opened(self, job: ImportJob) -> ImportOptions:
        """The options with the supplied bindings as they were sent: a job keeps them sealed."""
        if not job.options.bindings:
            return job.options
        async with self._store.view(job.tenant_id) as unit:
            return replace(job.options, bindings=await unit.bindings.opened(job.options.bindings))

    async def _earlier(self, job: ImportJob) -> tuple[PlanAction, ...]:
        """What was planned before the import waited: none for one that never did, since nobody has seen any of it."""
        if job.expires_at is None:
            return ()
        most = self._limits.artifacts_enterprise * len(job.packages)
        async with self._store.view(job.tenant_id) as unit:
            return (await unit.imports.actions(job.import_id, first=most)).items


def _keys_given(earlier: Sequence[PlanAction]) -> dict[int, dict[str, str]]:
    """By package and source artifact: conflict ids stay from the first planning on (R18)."""
    given: dict[int, dict[str, str]] = {}
    for action in earlier:
        if action.conflict_key:
            given.setdefault(action.ordinal, {})[action.source_id] = action.conflict_key
    return given


async def _own(unit: TenantUnit, bundle: CheckedBundle) -> dict[str, ArtifactHead]:
    """The tenant's artifacts under the source ids, if the bundle is one that this tenant exported here (R3)."""
    manifest = bundle.manifest
    exported = await unit.packages.of_version(name_key(manifest.name), manifest.version)
    if exported is None or exported.checksum != manifest.checksum:
        return {}
    heads = await unit.artifacts.heads([artifact.source_id for artifact in bundle.artifacts])
    return {head.artifact_id: head for head in heads.values() if head.is_there}


async def _externals(unit: TenantUnit, manifest: Manifest) -> dict[str, ArtifactId]:
    """What the package leaves to others to bring, as far as the tenant has it."""
    references = manifest.external_references
    if not references:
        return {}
    from_packages: list[ArtifactHead] = []
    for package in await unit.imports.installed({name_key(one.package_name) for one in references}):
        from_packages += await unit.artifacts.from_package(name_key(package.name), package.source)
    named = await unit.artifacts.named({(one.artifact_type, name_key(one.name)) for one in references})
    return found_there(references, from_packages, {(head.artifact_type, name_key(head.name)): head for head in named})
