"""A package that the tenant imported before, byte for byte: nothing of it is read or scanned twice (decisions R3).

The bytes are known by the SHA-256 of their receipt; what was in them, by the plan and the report of the import that the
installed package comes from. Whoever asks more of them than whether all of it is still there has them read: other
options, a warning, a value that the tenant supplies, a reference out of the package, rules of the scan that are newer.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import BinaryIO

from domain.bundle import BundleArtifact, BundleLimits, CheckedBundle, Known, read_known_manifest
from domain.errors import Problem, Refusal
from domain.import_model import ImportJob, ImportKind
from domain.import_run import Run
from domain.limits import Limits
from domain.model import ArtifactEntry, ArtifactStatus, Manifest, TenantId
from domain.options import Activation
from domain.ports import Blobs, Store
from domain.scanning import ScanReport, ScanResult, rules_version
from domain.spool import Span, Spool


@dataclass(frozen=True, slots=True)
class _Earlier:
    """What is kept of the import that an installed package comes from."""

    known: Known
    warnings: tuple[Problem, ...]


@asynccontextmanager
async def known_bundle(store: Store, blobs: Blobs, limits: Limits, run: Run) -> AsyncIterator[CheckedBundle | None]:
    """The package of an import by its manifest, if all else of it is known; ``None`` when it has to be read."""
    earlier = await _imported_before(store, run.job)
    if earlier is None:
        yield None
        return
    async with AsyncExitStack() as stack:
        folder = await stack.enter_async_context(blobs.scratch())
        try:
            path = await stack.enter_async_context(blobs.local(run.job.packages[0].blob_key))
        except FileNotFoundError:
            yield None
            return
        source, spool = stack.enter_context(path.open("rb")), stack.enter_context(Spool(folder / "contents"))
        allowed, target = limits.bundle(run.tenant.plan), run.job.tenant_id
        yield await asyncio.to_thread(_by_manifest, source, spool, earlier, limits=allowed, target=target)


async def _imported_before(store: Store, job: ImportJob) -> _Earlier | None:
    """An import after which the tenant had these very bytes as they are, if nothing else was asked then or now."""
    if not _is_plain(job) or job.expires_at is not None or job.applies_plan is not None or not job.packages[0].sha256:
        return None
    async with store.view(job.tenant_id) as unit:
        import_id = await unit.imports.installed_from(job.packages[0].sha256)
        earlier = await unit.imports.job(import_id) if import_id else None
        if earlier is None or earlier.plan_id is None or not _is_plain(earlier):
            return None
        made = await unit.imports.plan(earlier.plan_id)
        if made is None or made.bindings or made.externals:
            return None
        reports = [ScanReport.from_wire(row) for row in await unit.imports.scan_reports(earlier.import_id)]
    if len(reports) != 1:
        return None
    (report,) = reports
    is_clean = report.overall_result is ScanResult.PASS and report.rules_version == rules_version()
    return _Earlier(Known(earlier.import_id, report), made.warnings) if is_clean else None


def _by_manifest(
    source: BinaryIO, spool: Spool, earlier: _Earlier, *, limits: BundleLimits, target: TenantId
) -> CheckedBundle | None:
    try:
        manifest, warnings = read_known_manifest(source, limits)
    except Refusal:
        return None
    # what a tenant exported itself may meet its own artifacts, whatever an import put there
    if manifest.bindings or manifest.external_references or manifest.tenant_id == target:
        return None
    if {*map(_said, earlier.warnings)} - {*map(_said, warnings)}:
        return None
    return CheckedBundle(manifest, _heads(manifest), tuple(warnings), (), 0, spool, known=earlier.known)


def _said(warning: Problem) -> tuple[str, ...]:
    return warning.code.name, warning.where, warning.artifact_id


def _is_plain(job: ImportJob) -> bool:
    """An import of one package, as its publisher made it."""
    options = job.options
    asked = options.bindings or options.endpoint_mapping or options.decisions or job.decisions
    special = options.remove_dropped or options.is_migration or options.dry_run or options.backup_before_replace
    return job.kind is ImportKind.IMPORT and options.activation is Activation.AUTOMATIC and not asked and not special


def _heads(manifest: Manifest) -> tuple[BundleArtifact, ...]:
    """In install order; what is not in the manifest is not asked for, since nothing is written."""
    entries = {entry.artifact_id: (index, entry) for index, entry in enumerate(manifest.artifacts)}
    return tuple(_head(*entries[artifact_id]) for artifact_id in manifest.install_order)


def _head(index: int, entry: ArtifactEntry) -> BundleArtifact:
    return BundleArtifact(
        row=index,
        source_id=entry.artifact_id,
        artifact_type=entry.artifact_type,
        name=entry.name,
        version=entry.version,
        status=ArtifactStatus.PUBLISHED,
        references=(),
        credentials=(),
        hash=entry.hash,
        marks=(),
        span=Span(0, 0),
    )
