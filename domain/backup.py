"""What an import is about to replace, kept first as a package of its own tenant (decisions R38; installhub.md 8.6).

One package an import, ``Backup <importId>`` 1.0.0: exactly the artifacts that are replaced, merged or removed, as the
plan saw them, at any status. Imported again with Replace, it brings their contents back. Credentials never travel
(R22): bringing a backup back keeps those that are active then.
"""

from __future__ import annotations

from collections.abc import Sequence

from domain.closure import Closure, exactly
from domain.errors import Refusal
from domain.export_order import ExportOrder, export_record, taken_problem
from domain.exporting import Exporter
from domain.import_model import AuditEntry, ImportJob
from domain.import_run import Run
from domain.limits import Installation
from domain.model import ArtifactHead, Package, TenantId, name_key
from domain.plan_model import ActionKind, Plan
from domain.ports import Ports

VERSION = "1.0.0"
_REPLACED = (ActionKind.UPDATE, ActionKind.MERGE, ActionKind.REMOVE)
#: the audit's word for it; it tells an import's own backup from somebody's package of that name
_KEPT = "import.backed-up"


class Backups:
    """Keeps what imports replace."""

    def __init__(self, ports: Ports, installation: Installation) -> None:
        self._store = ports.store
        self._clock = ports.clock
        self._exporter = Exporter(ports, installation)

    async def keep(self, run: Run, made: Plan) -> Package | None:
        """Before anything is written: the backup of what this plan replaces; none where nobody wants or needs one.

        May be called again, by another run of the import or for another plan: then an earlier backup is the answer
        where it holds the same, and is given up where it does not.

        Raises ``CircularDependency`` when the artifacts could not be brought back, and ``VersionConflict`` when
        somebody has taken the backup's name.
        """
        job = run.job
        heads = [action.existing for action in made.actions if action.existing and action.kind in _REPLACED]
        if not job.options.backup_before_replace or not heads:
            return None
        order = _order(job, heads)
        gathered = await self._gathered(job.tenant_id, heads)
        earlier = await self._earlier(job, order)
        package = await self._exporter.backup(
            job.submitted_by, order, gathered, run.tenant.platform_version, earlier=earlier
        )
        run.progress(0, f"{len(heads)} artifacts that will be replaced are kept in {package.name}.")
        if package is not earlier:
            await self._write(run, order, package, earlier)
        return package

    async def _gathered(self, tenant_id: TenantId, heads: Sequence[ArtifactHead]) -> Closure:
        """Exactly these artifacts, in install order: what they refer to besides stays where it is."""
        async with self._store.view(tenant_id) as unit:
            references = await unit.artifacts.references([head.artifact_id for head in heads])
        return exactly(heads, references)

    async def _earlier(self, job: ImportJob, order: ExportOrder) -> Package | None:
        """The backup that this import has made before."""
        async with self._store.view(job.tenant_id) as unit:
            taken = await unit.packages.of_version(name_key(order.package_name), VERSION)
            entries = await unit.imports.audit_of(job.import_id) if taken else []
        if taken is None:
            return None
        if not any(entry.action == _KEPT and entry.details["packageId"] == taken.package_id for entry in entries):
            raise Refusal([taken_problem(taken)])
        return taken

    async def _write(self, run: Run, order: ExportOrder, package: Package, earlier: Package | None) -> None:
        job, now = run.job, self._clock.now()
        details = {"packageId": package.package_id, "artifacts": package.artifact_count}
        async with run.writing() as unit:
            if earlier is not None:
                await unit.packages.drop(earlier.package_id)
            await unit.packages.add(package)
            await unit.packages.record_export(export_record(job.submitted_by, order, package, "", now))
            await unit.imports.audit(AuditEntry(now, job.submitted_by, _KEPT, job.import_id, details))


def _order(job: ImportJob, heads: Sequence[ArtifactHead]) -> ExportOrder:
    return ExportOrder(
        tenant_id=job.tenant_id,
        package_name=f"Backup {job.import_id}",
        package_type=heads[0].artifact_type.entry.package_type,
        version=VERSION,
        artifact_ids=tuple(head.artifact_id for head in heads),
        description=f"What import {job.import_id} replaced.",
    )
