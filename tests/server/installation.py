"""An installation for tests of the command line: its folder, commands in this process, and a server beside them."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from domain.export_order import ExportOrder
from domain.import_model import ImportJob, ImportPackage
from domain.line import ImportOrder
from domain.model import TenantId, TenantPlan
from domain.options import ConflictStrategy, ImportOptions
from server import loading, settings
from server.loading import local_caller
from server.runtime import Runtime, running
from tests.house.tree import ROOT


@dataclass(frozen=True, slots=True)
class Said:
    """What a command had to say."""

    returncode: int
    stdout: str
    stderr: str


#: runs a command in this process
Here = Callable[..., Said]


def hub(environment: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "server", *arguments]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=100, check=False)


@contextmanager
def a_server(
    environment: dict[str, str], *arguments: str, stderr: int = subprocess.DEVNULL
) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A server process that answers, and its address."""
    command = [sys.executable, "-m", "server", "serve", *(arguments or ("--dev",))]
    with subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=stderr, text=True
    ) as process:
        try:
            assert process.stdout is not None
            yield process, process.stdout.readline().split()[3]
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
