"""What the packages of an import come to: the revisions to hold, and what is told and written at the end."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Any

from domain import import_outcome
from domain.bundle_mapping import endpoints_audited
from domain.completing import held_batches
from domain.courtesy import Courtesy
from domain.holding import Author, Batch
from domain.import_model import ImportJob, InstalledPackage
from domain.import_run import Run
from domain.market.powers import powers_row
from domain.model import Package
from domain.plan import Planned
from domain.plan_model import Plan
from domain.planning import Checked, scan_result
from domain.ports import Store
from domain.verified import Verified


async def package_batches(
    store: Store, courtesy: Courtesy, drafts: Sequence[Planned], author: Author
) -> AsyncIterator[Batch]:
    """The revisions of all packages, for one transaction after the other."""
    for planned in drafts:
        async for batch in held_batches(store, courtesy, planned, author):
            yield batch


def shown(job: ImportJob, made: Plan, packages: Sequence[Checked]) -> dict[str, Any]:
    """The outcome of a dry run."""
    manifests = [package.bundle.manifest for package in packages]
    return import_outcome.dry_run(job, made, manifests, scan_result=scan_result(packages).value)


def verified(run: Run, made: Plan, packages: Sequence[Checked], backup: Package | None) -> Verified:
    """What the activation of these packages writes besides the artifacts."""
    job = run.job
    manifests = [package.bundle.manifest for package in packages]
    manifest = manifests[-1]
    warnings = [*made.warnings, *import_outcome.importer_warnings(job)]
    outcome = import_outcome.outcome(
        job, made, manifests, scan_result=scan_result(packages).value, warnings=warnings, installed_at=""
    )
    outcome |= run.members
    if backup is not None:
        outcome["backupPackageId"] = backup.package_id
    details = {"package": manifest.name, "version": manifest.version, "counts": outcome["counts"]}
    details |= {"conflicts": outcome["conflictReport"]["conflicts"], **import_outcome.consent(job)}
    return Verified(
        told=f"{manifest.name} {manifest.version} is active.",
        audited_as="import.activated",
        outcome=outcome,
        details=details | endpoints_audited(outcome),
        installed=tuple(_installed(job, package) for package in packages),
    )


def _installed(job: ImportJob, package: Checked) -> InstalledPackage:
    manifest = package.bundle.manifest
    return InstalledPackage(
        tenant_id=job.tenant_id,
        name=manifest.name,
        source=manifest.tenant_id,
        version=manifest.version,
        checksum=manifest.checksum,
        package_id=manifest.package_id,
        import_id=job.import_id,
        installed_at=job.submitted_at,
        powers=powers_row(package.powers) if job.install else None,
        dependencies=manifest.package_dependencies,
    )
