"""Small stored things with good defaults, for the suites of the store."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from datetime import timedelta
from itertools import count
from typing import Any

from domain.artifact_types import ArtifactType
from domain.import_model import (
    EventKind,
    ImportJob,
    ImportKind,
    ImportMode,
    ImportPackage,
    ImportState,
    InstalledPackage,
    Progress,
    Stage,
)
from domain.model import (
    Actor,
    ArtifactHead,
    ArtifactId,
    ArtifactStatus,
    BlobKey,
    ImportId,
    NewRevision,
    Origin,
    Package,
    PackageId,
    PackageType,
    PlanId,
    Reference,
    ReferenceKind,
    RevisionId,
    Tenant,
    TenantId,
    TenantPlan,
    TenantStatus,
)
from domain.options import ImportOptions
from domain.plan_model import ActionKind, DecisionSource, Plan, PlanAction
from domain.ports import Rung
from domain.rows import NewEvent, Step
from storage.store import SqlStore
from tests.clocks import NOON

ACME = TenantId("tenant-acme")
GLOBEX = TenantId("tenant-globex")
ANNA = Actor("anna", "anna@acme.example")
ORIGIN = Origin("starter", "Starter", "1.0.0", "tenant-source", "rule-1", ImportId("imp-000"))
LEASE = 30.0

_numbers = count(1)


class RecordingBell:
    """Remembers what was rung."""

    def __init__(self) -> None:
        self.rung: list[set[str]] = []

    def ring(self, topics: Iterable[str]) -> None:
        self.rung.append(set(topics))

    def listen(self, topic: str) -> AbstractAsyncContextManager[Rung]:
        raise NotImplementedError(topic)


def a_tenant(tenant_id: TenantId = ACME) -> Tenant:
    return Tenant(tenant_id, TenantPlan.STANDARD, TenantStatus.ACTIVE, "4.2.0", NOON)


async def with_tenants(store: SqlStore, *tenant_ids: TenantId) -> None:
    async with store.platform_unit() as unit:
        for tenant_id in tenant_ids or (ACME, GLOBEX):
            assert await unit.tenants.add(a_tenant(tenant_id))


def a_revision(artifact_id: str = "rule-1", **fields: Any) -> NewRevision:
    targets = fields.pop("targets", {})
    new = NewRevision(
        revision_id=RevisionId(f"rev-{next(_numbers):05}"),
        artifact_id=ArtifactId(artifact_id),
        artifact_type=ArtifactType.RULE_SET,
        number=1,
        name=f"Name of {artifact_id}",
        version="1.0.0",
        status=ArtifactStatus.PUBLISHED,
        content_hash=f"sha256:{next(_numbers):064}",
        body=b'{"rules":[]}',
        written_at=NOON,
        written_by=ANNA,
    )
    kinds = {
        target: kind if isinstance(kind, ReferenceKind) else ReferenceKind.LITERAL for target, kind in targets.items()
    }
    references = tuple(
        Reference(new.artifact_id, ArtifactId(target), f"/rules/{index}", kind)
        for index, (target, kind) in enumerate(kinds.items())
    )
    return new._replace(references=references, **fields)


async def saved(store: SqlStore, *revisions: NewRevision, tenant_id: TenantId = ACME) -> list[ArtifactHead]:
    async with store.unit(tenant_id) as unit:
        await unit.artifacts.write(revisions)
        heads = await unit.artifacts.heads([new.artifact_id for new in revisions])
    return [heads[new.artifact_id] for new in revisions]


def an_import(import_id: str | None = None, tenant_id: TenantId = ACME, **fields: Any) -> ImportJob:
    job = ImportJob(
        import_id=ImportId(import_id or f"imp-{next(_numbers):05}"),
        tenant_id=tenant_id,
        kind=ImportKind.IMPORT,
        mode=ImportMode.APPLY,
        state=ImportState.QUEUED,
        options=ImportOptions(),
        packages=(ImportPackage(0, BlobKey("blob-1"), "0" * 64, 1234),),
        submitted_by=ANNA,
        submitted_at=NOON,
        last_seq=1,
    )
    return replace(job, **fields)


def queued() -> NewEvent:
    return NewEvent(EventKind.QUEUED, Progress(None, 0, None, 0.0), "The import was accepted.", ImportState.QUEUED)


def progress(done: int, **fields: Any) -> NewEvent:
    event = NewEvent(EventKind.PROGRESS, Progress(Stage.INSTALLATION, done, 10, done * 10.0), f"{done} of 10")
    return replace(event, **fields)


async def submitted(store: SqlStore, *jobs: ImportJob) -> None:
    for job in jobs:
        async with store.unit(job.tenant_id) as unit:
            await unit.imports.submit(job, queued())


async def claimed(store: SqlStore, owner: str = "worker-a", lease: float = LEASE) -> ImportJob:
    job = await next_claim(store, owner, lease)
    assert job is not None
    return job


async def next_claim(store: SqlStore, owner: str = "worker-a", lease: float = LEASE) -> ImportJob | None:
    async with store.platform_unit() as unit:
        return await unit.jobs.claim(owner, lease_seconds=lease)


async def running(store: SqlStore, tenant_id: TenantId = ACME) -> ImportJob:
    await submitted(store, an_import(tenant_id=tenant_id))
    return await claimed(store)


async def ended(store: SqlStore, job: ImportJob, state: ImportState = ImportState.SUCCEEDED) -> None:
    event = progress(10, kind=EventKind.ENDED, state=state)
    step = Step(job.import_id, job.fence, (event,), {"state": state, "ended_at": NOON})
    async with store.unit(job.tenant_id) as unit:
        await unit.imports.advance(step)


def an_action(position: int, new: NewRevision | None = None, **fields: Any) -> PlanAction:
    action = PlanAction(
        ordinal=0,
        position=position,
        source_id=f"rule-source-{position}",
        artifact_type=ArtifactType.RULE_SET,
        name=f"Name {position}",
        to_version="1.0.0",
        kind=ActionKind.CREATE,
        target_id=ArtifactId(f"rule-{position}"),
        decided_by=DecisionSource.NO_CONFLICT,
    )
    if new is not None:
        action = action._replace(
            artifact_type=new.artifact_type,
            name=new.name,
            target_id=new.artifact_id,
            revision_id=new.revision_id,
            written_version=new.version,
            status=new.status,
            content_hash=new.content_hash,
            base_body_id=new.revision_id,
            base_hash=new.content_hash,
        )
    return action._replace(**fields)


def a_plan(job: ImportJob, *actions: PlanAction, **fields: Any) -> Plan:
    made = Plan(
        plan_id=PlanId(f"plan-{job.import_id}"),
        import_id=job.import_id,
        tenant_id=job.tenant_id,
        plan_hash="sha256:" + "1" * 64,
        actions=actions,
        warnings=(),
        blockers=(),
        created_at=NOON,
        expires_at=NOON + timedelta(days=7),
    )
    return replace(made, **fields)


def an_installed(job: ImportJob, **fields: Any) -> InstalledPackage:
    installed = InstalledPackage(
        tenant_id=job.tenant_id,
        name="Starter",
        source="tenant-source",
        version="1.0.0",
        checksum="sha256:" + "2" * 64,
        package_id=PackageId("pkg-1"),
        import_id=job.import_id,
        installed_at=NOON,
    )
    return replace(installed, **fields)


def a_package(package_id: str = "pkg-1", **fields: Any) -> Package:
    package = Package(
        package_id=PackageId(package_id),
        tenant_id=ACME,
        name="Straße Pack",
        version="1.0.0",
        package_type=PackageType.CONFIG_PACKAGE,
        description="What it is for",
        author="Anna",
        tags=("one", "two"),
        checksum="sha256:" + "3" * 64,
        content_checksum="sha256:" + "4" * 64,
        artifact_count=1,
        install_order=("rule-1",),
        manifest={"packageName": "Straße Pack"},
        blob_key=BlobKey("blob-1"),
        bundle_sha256="5" * 64,
        size_bytes=5 << 31,
        exported_at=NOON,
        exported_by=ANNA,
        expires_at=NOON + timedelta(days=30),
    )
    return replace(package, **fields)
