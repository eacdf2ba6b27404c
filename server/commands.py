"""What the command line does in the process that has the database (decisions R34, R40)."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from pathlib import Path

from domain.model import ArtifactFilter, TenantId, TenantPlan, name_key
from server import loading
from server.backup_commands import back_up
from server.dumping import dump_artifacts
from server.errands import Command, Errand, Said, known_tenant
from server.hub_commands import export_hub, export_root, import_root, publish_hub, rotate_key, show_hub
from server.import_commands import cancel_import, follow_import, list_imports, show_import
from server.logs import printable
from server.notice_commands import retry_outbox, show_outbox
from server.tenant_commands import purge_tenant
from server.undo_commands import freeze_tenant, roll_back_import, unfreeze_tenant
from server.user_commands import add_user, disable_user, enable_user, list_users, set_password, set_power

_PAGE = 100


async def add_tenant(errand: Errand) -> AsyncGenerator[Said, None]:
    tenant = await errand.runtime.services.tenancy.add(errand.given["tenant"], TenantPlan(errand.given["plan"]))
    yield f"{tenant.tenant_id} is there, plan {tenant.plan.wire}."


async def list_tenants(errand: Errand) -> AsyncGenerator[Said, None]:
    after, has_next = None, True
    while has_next:
        page = await errand.runtime.services.tenancy.page(errand.caller, first=_PAGE, after=after)
        for tenant in page.items:
            yield f"{tenant.tenant_id}\t{tenant.plan.wire}\t{tenant.status.wire}"
            after = tenant.tenant_id
        has_next = page.has_next


async def unknown_tenants(errand: Errand) -> AsyncGenerator[Said, None]:
    """Which of these, one a line, are not there."""
    for tenant_id in errand.given["tenants"].splitlines():
        if await errand.runtime.services.tenancy.find(errand.caller, tenant_id) is None:
            yield tenant_id


async def load_artifacts(errand: Errand) -> AsyncGenerator[Said, None]:
    tenant_id, folder = TenantId(errand.given["tenant"]), Path(errand.given["folder"])
    done = await loading.load(errand.runtime.services.authoring, tenant_id, folder, caller=errand.caller)
    yield f"{done.saved} artifacts saved, {done.unchanged} unchanged."


async def list_artifacts(errand: Errand) -> AsyncGenerator[Said, None]:
    tenant_id = await known_tenant(errand)
    authoring = errand.runtime.services.authoring
    after, has_next = None, True
    while has_next:
        page = await authoring.page(errand.caller, tenant_id, ArtifactFilter(), first=_PAGE, after=after)
        for head in page.items:
            # a name can hold what reads backwards on a terminal
            name = printable(head.name)
            yield f"{head.artifact_id}\t{head.artifact_type.wire}\t{name}\t{head.version}\t{head.status.wire}"
            after = (name_key(head.name), head.artifact_id)
        has_next = page.has_next


COMMANDS: Mapping[str, Command] = {
    "tenant add": add_tenant,
    "tenant list": list_tenants,
    "tenant unknown": unknown_tenants,
    "tenant freeze": freeze_tenant,
    "tenant unfreeze": unfreeze_tenant,
    "tenant purge": purge_tenant,
    "user add": add_user,
    "user list": list_users,
    "user passwd": set_password,
    "user power": set_power,
    "user disable": disable_user,
    "user enable": enable_user,
    "artifacts load": load_artifacts,
    "artifacts dump": dump_artifacts,
    "artifacts list": list_artifacts,
    "imports list": list_imports,
    "imports show": show_import,
    "imports follow": follow_import,
    "imports cancel": cancel_import,
    "imports rollback": roll_back_import,
    "notices outbox": show_outbox,
    "notices retry": retry_outbox,
    "backup": back_up,
    "hub show": show_hub,
    "hub publish": publish_hub,
    "hub export": export_hub,
    "hub rotate-key": rotate_key,
    "hub root export": export_root,
    "hub root import": import_root,
}
