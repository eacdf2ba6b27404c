"""An installation for tests of the command line: its folder, commands in this process, and a server beside them."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

from domain.export_order import ExportOrder
from domain.import_model import ImportJob, ImportPackage
from domain.line import ImportOrder
from domain.model import TenantId, TenantPlan
from domain.options import ConflictStrategy, ImportOptions
from server import loading, settings
from server.loading import local_caller
from server.runtime import Runtime, running
from tests.forks import Forked, Said, forked
from tests.house.tree import ROOT

#: runs a command in this process
Here = Callable[..., Said]


@contextmanager
def a_server(environment: dict[str, str], *arguments: str, stderr: int | None = None) -> Iterator[tuple[Forked, str]]:
    """A server process that answers, and its address."""
    listening, said = os.pipe()
    with os.fdopen(listening) as stdout:
        process = forked(("serve", *(arguments or ("--dev",))), environment, stdout=said, stderr=stderr)
        os.close(said)
        try:
            yield process, stdout.readline().split()[3]
        finally:
            process.kill()


@asynccontextmanager
async def opened() -> AsyncIterator[Runtime]:
    """The installation that the environment names, by itself, while no server runs."""
    async with running(settings.load()) as runtime:
        yield runtime


async def a_submitted_import(runtime: Runtime, version: str = "1.0.0", **options: object) -> ImportJob:
    """Employee Onboarding on its way from acme-dev to acme-prod, submitted by the operator."""
    order = ExportOrder(TenantId("acme-dev"), "Employee Onboarding", "workflow-package", version, ("proc-1001",))
    package = (await runtime.services.exporter.export(local_caller(), order)).package
    bundle = ImportPackage(0, package.blob_key, package.bundle_sha256, package.size_bytes, package.package_id)
    chosen = ImportOptions(**({"default_strategy": ConflictStrategy.REPLACE} | options))  # type: ignore[arg-type]
    return await runtime.services.line.submit(local_caller(), ImportOrder(TenantId("acme-prod"), bundle, chosen))


async def prepare(folder: Path) -> None:
    """An installation with the two example tenants."""
    async with running(settings.load(data=folder)) as runtime:
        for tenant, files in (("acme-dev", "acme-source"), ("acme-prod", "acme-target")):
            made = await runtime.services.tenancy.add(tenant, TenantPlan.ENTERPRISE)
            await loading.load(runtime.services.authoring, made.tenant_id, ROOT / "examples" / files)


def environment_of(folder: str) -> dict[str, str]:
    # nothing of PYTHON*: without compiled modules every process takes seconds longer to start
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("INSTALLHUB_", "PYTHON"))}
    return kept | {"INSTALLHUB_DATA": folder, "INSTALLHUB_PORT": "0"}
