"""What the command line does to tenants and artifacts: each command gives the lines to print."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

from domain.errors import ErrorCode, Refusal, refuse
from domain.model import ArtifactFilter, TenantId, TenantPlan, name_key
from server import loading
from server.runtime import Runtime

Arguments = Mapping[str, str]
Command = Callable[[Runtime, Arguments], Awaitable[list[str]]]
_PAGE = 100


async def add_tenant(runtime: Runtime, given: Arguments) -> list[str]:
    tenant = await runtime.services.tenancy.add(given["tenant"], TenantPlan(given["plan"]))
    return [f"{tenant.tenant_id} is there, plan {tenant.plan.wire}."]


async def list_tenants(runtime: Runtime, _: Arguments) -> list[str]:
    lines: list[str] = []
    after, has_next = None, True
    while has_next:
        page = await runtime.services.tenancy.page(loading.local_caller(), first=_PAGE, after=after)
        for tenant in page.items:
            lines.append(f"{tenant.tenant_id}\t{tenant.plan.wire}\t{tenant.status.wire}")
            after = tenant.tenant_id
        has_next = page.has_next
    return lines


async def load_artifacts(runtime: Runtime, given: Arguments) -> list[str]:
    done = await loading.load(runtime.services.authoring, TenantId(given["tenant"]), Path(given["folder"]))
    return [f"{done.saved} artifacts saved and published, {done.unchanged} unchanged."]


async def list_artifacts(runtime: Runtime, given: Arguments) -> list[str]:
    tenant_id, caller = TenantId(given["tenant"]), loading.local_caller()
    if await runtime.services.tenancy.find(caller, tenant_id) is None:
        raise refuse(ErrorCode.NOT_FOUND, f"There is no tenant {tenant_id}.")
    lines: list[str] = []
    after, has_next = None, True
    while has_next:
        page = await runtime.services.authoring.page(caller, tenant_id, ArtifactFilter(), first=_PAGE, after=after)
        for head in page.items:
            lines.append(
                f"{head.artifact_id}\t{head.artifact_type.wire}\t{head.name}\t{head.version}\t{head.status.wire}"
            )
            after = (name_key(head.name), head.artifact_id)
        has_next = page.has_next
    return lines


COMMANDS: Mapping[str, Command] = {
    "tenant add": add_tenant,
    "tenant list": list_tenants,
    "artifacts load": load_artifacts,
    "artifacts list": list_artifacts,
}


def told(refusal: Refusal) -> list[str]:
    """A refusal for people: its message, and each problem that says something else."""
    return list(dict.fromkeys([refusal.message, *(problem.message for problem in refusal.problems)]))
