"""A server's inside without its doors, over a database of the test's own, and what journeys do with it."""

from __future__ import annotations

import io
import zipfile
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import func, select

from domain import strict_json
from domain.access import ADMIN, OVERRIDE_MAJOR, OVERRIDE_SECURITY, PLATFORM, Caller
from domain.edits import ArtifactChanges, ArtifactDraft, draft_of_file
from domain.errors import ErrorCode
from domain.export_order import ExportOrder
from domain.exporting import Exported
from domain.import_model import ImportJob, ImportPackage, ProgressEvent
from domain.limits import Installation, Limits
from domain.line import ImportOrder
from domain.model import ArtifactFilter, ArtifactHead, ArtifactStatus, ImportId, Package, TenantId, TenantPlan
from domain.options import ConflictStrategy, ImportOptions
from domain.ports import Ports, Store
from domain.services import Services, services
from storage.bells import LocalBell
from storage.blobs import FileBlobs
from storage.engines import Engines
from storage.limiter import MemoryLimiter
from storage.plan_tables import merge_base
from storage.store import SqlStore
from storage.tables import METADATA, artifact, installed_package, reference, revision, revision_body
from tests.clocks import NOON, ManualClock
from tests.makers import Tree

ACME, GLOBEX = TenantId("acme"), TenantId("globex")
REPLACE, MERGE, SKIP = ConflictStrategy.REPLACE, ConflictStrategy.MERGE, ConflictStrategy.SKIP
#: what a run writes down about itself, whatever it does to artifacts
BOOKS = {
    "arrival",
    "audit",
    "import_event",
    "import_job",
    "import_package",
    "outbox",
    "plan",
    "plan_action",
    "scan_report",
}
LEASE = 60.0
#: the root of :func:`tests.makers.a_suite`
ROOT = "proc-1001"
_ARTIFACT_TABLES = (artifact, installed_package, merge_base, reference, revision, revision_body)


def a_caller(subject: str = "anna", **changes: Any) -> Caller:
    values = {
        "issuer": "tests",
        "tenants": frozenset({ACME, GLOBEX}),
        "scopes": frozenset({ADMIN, PLATFORM, OVERRIDE_MAJOR, OVERRIDE_SECURITY}),
        "expires_at": NOON + timedelta(days=1),
        "email": f"{subject}@acme.example",
    }
    return Caller(subject=subject, **{**values, **changes})


ANNA = a_caller()


@dataclass(slots=True)
class Inside:
    """Services over one store, and the clock they live by."""

    sql: SqlStore
    blobs: FileBlobs
    clock: ManualClock
    bell: LocalBell
    services: Services
    caller: Caller = ANNA

    def over(self, store: Store, **limits: int) -> Inside:
        """The same with another store in between, or other limits: a process that meets trouble."""
        made = _services(store, self.blobs, self.bell, self.clock, **limits)
        return Inside(self.sql, self.blobs, self.clock, self.bell, made, self.caller)

    async def save(self, tenant: TenantId, *trees: Tree, status: ArtifactStatus = ArtifactStatus.PUBLISHED) -> None:
        """Save artifact trees; published unless said otherwise."""
        drafts = [_with_status(draft_of_file(strict_json.canonical(tree)), status) for tree in trees]
        await self.services.authoring.change(self.caller, ArtifactChanges(tenant, save=tuple(drafts)))

    async def change(self, tenant: TenantId, **ids: Any) -> None:
        """Publish, archive or remove artifacts."""
        await self.services.authoring.change(self.caller, ArtifactChanges(tenant, **ids))

    async def export(self, tenant: TenantId, *roots: str, **fields: Any) -> Exported:
        order = ExportOrder(
            **{
                "tenant_id": tenant,
                "package_name": "Starter",
                "package_type": "workflow-package",
                "version": "1.0.0",
                "artifact_ids": roots,
                **fields,
            }
        )
        return await self.services.exporter.export(self.caller, order)

    async def submit(self, tenant: TenantId, source: Package | bytes, **options: Any) -> ImportJob:
        if isinstance(source, bytes):
            async with self.blobs.create() as blob:
                await blob.write(source)
                package = ImportPackage(0, await blob.finish(), "", len(source))
        else:
            package = ImportPackage(
                0, source.blob_key, source.bundle_sha256, source.size_bytes, source_package=source.package_id
            )
        return await self.services.line.submit(self.caller, ImportOrder(tenant, package, ImportOptions(**options)))

    async def claim(self, owner: str = "worker") -> ImportJob | None:
        async with self.sql.platform_unit() as unit:
            return await unit.jobs.claim(owner, lease_seconds=LEASE)

    async def run_next(self) -> ImportJob:
        """Claim and run whatever is next; gives the job as it is then."""
        job = await self.claim()
        assert job is not None
        await self.services.importer.run(job)
        return await self.job(job.import_id)

    async def bring(self, tenant: TenantId, source: Package | bytes, **options: Any) -> ImportJob:
        """Submit and run one import."""
        submitted = await self.submit(tenant, source, **options)
        job = await self.run_next()
        assert job.import_id == submitted.import_id
        return job

    async def job(self, import_id: str) -> ImportJob:
        return await self.services.records.get_import(self.caller, import_id, None)

    async def events(self, import_id: ImportId) -> list[ProgressEvent]:
        job = await self.job(import_id)
        return await self.services.records.events(self.caller, job, after=0, first=100_000)

    async def heads(self, tenant: TenantId) -> dict[str, ArtifactHead]:
        """The artifacts that people see, by name."""
        async with self.sql.view(tenant) as unit:
            page = await unit.artifacts.page(ArtifactFilter(), first=5_000)
        return {head.name: head for head in page.items}

    async def contents(self, tenant: TenantId) -> dict[str, Tree]:
        """What they hold, by name."""
        heads = await self.heads(tenant)
        found: dict[str, Any] = {}
        ids = [head.revision_id for head in heads.values()]
        for begin in range(0, len(ids), 50):
            found |= await self.services.authoring.contents(self.caller, tenant, [*ids[begin : begin + 50]])
        return {name: found[head.revision_id] for name, head in heads.items()}

    async def followed(self, import_id: ImportId) -> list[ProgressEvent]:
        """The whole journal as a watcher sees it, to its final event."""
        events = await self.services.records.follow(self.caller, import_id, None)
        async with aclosing(events):
            return [event async for event in events]

    async def row_counts(self) -> dict[str, int]:
        async with self.sql._engines.reader.connect() as connection:
            return {
                table.name: (await connection.execute(select(func.count()).select_from(table))).scalar_one()
                for table in METADATA.sorted_tables
            }

    async def tenant_counts(self, tenant: TenantId) -> dict[str, int]:
        """Rows of a tenant's artifacts, held ones too."""
        async with self.sql._engines.reader.connect() as connection:
            return {
                table.name: (
                    await connection.execute(select(func.count()).select_from(table).where(table.c.tenant_id == tenant))
                ).scalar_one()
                for table in _ARTIFACT_TABLES
            }

    async def bytes_of(self, package: Package) -> bytes:
        return b"".join([chunk async for chunk in self.blobs.read(package.blob_key)])


def codes(job: ImportJob) -> set[ErrorCode]:
    """What an import failed by."""
    assert job.failure is not None
    return {problem.code for problem in job.failure.problems}


def members(raw: bytes) -> dict[str, bytes]:
    """The files of a bundle, by the standard library."""
    with zipfile.ZipFile(io.BytesIO(raw)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def written_to(before: Mapping[str, int], after: Mapping[str, int]) -> set[str]:
    """Tables that have got more or fewer rows."""
    return {table for table, count in after.items() if count != before[table]}


def visible(contents: Mapping[str, Tree]) -> dict[str, Tree]:
    """What people see of a tenant, its ids and times put aside: the same after any run that came to its end."""
    by_length = sorted(contents.items(), key=lambda item: -len(item[1]["id"]))  # one id may begin another
    names = {tree["id"]: f"<{name}>" for name, tree in by_length}
    return {name: _plain({**tree, "_exportedAt": ""}, names) for name, tree in contents.items()}


def is_whole(events: Sequence[ProgressEvent]) -> bool:
    """Numbers without gaps, percent that never falls, exactly one final event, at the end."""
    percents = [event.progress.percent for event in events]
    return (
        [event.seq for event in events] == [*range(1, len(events) + 1)]
        and percents == sorted(percents)
        and [event.is_final for event in events] == [False] * (len(events) - 1) + [True]
    )


@asynccontextmanager
async def an_inside(database_url: str, folder: Path) -> AsyncIterator[Inside]:
    """Fresh services with the tenants acme and globex."""
    bell, clock = LocalBell(), ManualClock()
    store = SqlStore(Engines.open(database_url), bell, clock)
    blobs = FileBlobs(folder / "blobs", folder / "scratch")
    inside = Inside(store, blobs, clock, bell, _services(store, blobs, bell, clock))
    try:
        for tenant in (ACME, GLOBEX):
            await inside.services.tenancy.add(tenant, TenantPlan.ENTERPRISE)
        yield inside
    finally:
        await store.aclose()


def _services(store: Store, blobs: FileBlobs, bell: LocalBell, clock: ManualClock, **limits: int) -> Services:
    roomy = {"exports_per_user_minute": 1_000, "exports_per_tenant_hour": 1_000}
    installation = Installation(Limits(**{**roomy, **limits}))
    return services(Ports(store, blobs, bell, MemoryLimiter(), clock), installation)


def _with_status(draft: ArtifactDraft, status: ArtifactStatus) -> ArtifactDraft:
    return ArtifactDraft(
        artifact_type=draft.artifact_type,
        artifact_id=draft.artifact_id,
        name=draft.name,
        version=draft.version,
        content=draft.content,
        status=status,
    )


def _plain(value: Any, names: Mapping[str, str]) -> Any:
    if isinstance(value, str):
        for artifact_id, name in names.items():
            value = value.replace(artifact_id, name)
        return value
    if isinstance(value, list):
        return [_plain(item, names) for item in value]
    if isinstance(value, dict):
        return {key: _plain(item, names) for key, item in value.items()}
    return value
