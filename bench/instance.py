"""A server's inside without its doors: real SQLite file, real folders, real worker code."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from domain.access import ADMIN, PLATFORM, Caller
from domain.import_model import ImportJob, ImportPackage, ImportState
from domain.limits import Installation, Limits
from domain.line import ImportOrder
from domain.model import TenantId, TenantPlan
from domain.options import ImportOptions
from domain.ports import Ports, Turn
from domain.services import Services, services
from storage.bells import LocalBell
from storage.blobs import FileBlobs
from storage.clock import SystemClock
from storage.engines import Engines
from storage.limiter import MemoryLimiter
from storage.migrate import migrate
from storage.store import SqlStore

#: the documented export limits are far below these workloads, so they are raised here (decisions R28)
ROOMY = Limits(
    exports_per_user_minute=10_000, exports_per_tenant_hour=10_000, export_roots=5_000, export_artifacts=5_000
)


@dataclass(frozen=True, slots=True)
class Instance:
    """Services and their store over one folder."""

    services: Services
    store: SqlStore
    caller: Caller

    async def import_bundle(self, tenant: str, data: bytes, **options: object) -> ImportJob:
        """Store the bytes, submit, claim and run."""
        order = ImportOrder(TenantId(tenant), await self.stored(data), ImportOptions(**options))  # type: ignore[arg-type]
        return await self.run(order)

    async def stored(self, data: bytes) -> ImportPackage:
        """A bundle at rest, as an upload leaves it."""
        async with self.services.blobs.create() as blob:
            await blob.write(data)
            key = await blob.finish()
        return ImportPackage(0, key, hashlib.sha256(data).hexdigest(), len(data))

    async def run(self, order: ImportOrder) -> ImportJob:
        """Submit, claim and run: the work of one import from bytes at rest to its end."""
        submitted = await self.services.line.submit(self.caller, order)
        async with self.store.platform_unit(turn=Turn.BRIEF) as unit:
            job = await unit.jobs.claim("bench", lease_seconds=60)
        if job is None:
            msg = "nothing to claim"
            raise RuntimeError(msg)
        await self.services.importer.run(job)
        ended = await self.services.records.get_import(self.caller, submitted.import_id, None)
        if ended.state is not ImportState.SUCCEEDED:
            msg = f"the import ended {ended.state.name}: {ended.failure}"
            raise RuntimeError(msg)
        return ended


@asynccontextmanager
async def an_instance(folder: Path) -> AsyncIterator[Instance]:
    """A fresh installation in an empty folder that is there."""
    url = f"sqlite+aiosqlite:///{folder}/hub.db"
    await migrate(url)
    bell, clock = LocalBell(), SystemClock()
    store = SqlStore(Engines.open(url), bell, clock)
    ports = Ports(store, FileBlobs(folder / "blobs", folder / "scratch"), bell, MemoryLimiter(), clock)
    caller = Caller(
        subject="bench",
        issuer="bench",
        tenants=frozenset(),
        scopes=frozenset({ADMIN, PLATFORM}),
        expires_at=datetime.now(UTC) + timedelta(days=1),
        email="bench@example.com",
    )
    try:
        yield Instance(services(ports, Installation(ROOMY)), store, caller)
    finally:
        await store.aclose()


async def a_tenant(instance: Instance, tenant: str) -> str:
    """Make an Enterprise tenant."""
    await instance.services.tenancy.add(tenant, TenantPlan.ENTERPRISE)
    return tenant
