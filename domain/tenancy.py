"""Tenants: making them, listing them (decisions section 9.1, R1)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from domain.access import Caller, Right, require
from domain.errors import ErrorCode, Problem, Refusal, refuse, refuse_if
from domain.import_model import AuditEntry
from domain.limits import Installation
from domain.model import ImportId, Tenant, TenantId, TenantPlan, TenantStatus
from domain.ports import Ports, TenantUnit
from domain.repeating import Once, made_before, once, remember
from domain.rows import Slice
from domain.tenant_rows import TenantRows

_LENGTH_MAX = 100


async def active_tenant(tenants: TenantRows, tenant_id: str) -> Tenant:
    """The tenant, when it is there and active; else ``InvalidTenantId`` (installhub.md section 6.2)."""
    tenant = await tenants.find(tenant_id)
    if tenant is None or tenant.status is not TenantStatus.ACTIVE:
        state = "is suspended" if tenant else "does not exist"
        raise refuse(ErrorCode.INVALID_TENANT_ID, f"The tenant {tenant_id} {state}.", "tenantId")
    return tenant


def entry_of(
    caller: Caller,
    tenant_id: TenantId,
    action: str,
    details: Mapping[str, Any],
    *,
    at: datetime,
    import_id: ImportId | None = None,
) -> AuditEntry:
    """What a caller did in a tenant; marked where the token does not name the tenant (decisions section 9.1)."""
    mark = {} if tenant_id in caller.tenants else {"asPlatform": True}
    return AuditEntry(at, caller.actor, action, import_id, {**details, **mark})


async def mark_platform_use(unit: TenantUnit, caller: Caller, entry: AuditEntry) -> None:
    """Audit what members of the tenant may do unaudited, where the caller is none (decisions section 9.1)."""
    if unit.tenant_id not in caller.tenants:
        await unit.imports.audit(entry)


class Tenancy:
    """What administrators do with tenants."""

    def __init__(self, ports: Ports, installation: Installation) -> None:
        self._store = ports.store
        self._clock = ports.clock
        self._installation = installation

    async def create(self, caller: Caller, tenant_id: str, plan: TenantPlan, *, key: str | None = None) -> Tenant:
        """Make a tenant. With an idempotency key that made it before, the tenant is the answer, as it is now (R25).

        Raises ``InsufficientPermission``, ``BadUserInput``, ``TenantExists`` and ``IdempotencyKeyReused``.
        """
        require(caller, Right.MAKE_TENANTS)
        refuse_if(_id_problems(tenant_id))
        request = once(caller, key, "createTenant", tenant_id, plan)
        tenant = self._new(tenant_id, plan)
        async with self._store.platform_unit() as platform:
            unit = platform.of(tenant.tenant_id)
            if not await platform.tenants.add(tenant):
                return await _made_tenant(platform.tenants, unit, request, tenant)
            details = {"plan": plan.wire}
            entry = entry_of(caller, tenant.tenant_id, "tenant.created", details, at=tenant.created_at)
            await mark_platform_use(unit, caller, entry)
            await remember(unit, request, {"tenantId": tenant.tenant_id}, tenant.created_at)
        return tenant

    async def add(self, tenant_id: str, plan: TenantPlan) -> Tenant:
        """The same for the host's own command line, which needs no token."""
        refuse_if(_id_problems(tenant_id))
        tenant = self._new(tenant_id, plan)
        async with self._store.platform_unit() as unit:
            if not await unit.tenants.add(tenant):
                raise _there(tenant)
        return tenant

    def _new(self, tenant_id: str, plan: TenantPlan) -> Tenant:
        return Tenant(
            tenant_id=TenantId(tenant_id),
            plan=plan,
            status=TenantStatus.ACTIVE,
            platform_version=self._installation.platform_version,
            created_at=self._clock.now(),
        )

    async def find(self, caller: Caller, tenant_id: str) -> Tenant | None:
        """A tenant of the caller's, or nothing."""
        if not caller.is_member(TenantId(tenant_id)):
            return None
        async with self._store.platform_view() as unit:
            return await unit.tenants.find(tenant_id)

    async def page(self, caller: Caller, *, search: str = "", first: int, after: str | None = None) -> Slice[Tenant]:
        """The caller's tenants, by id."""
        async with self._store.platform_view() as unit:
            return await unit.tenants.page(caller.reach, search=search, first=first, after=after)


async def _made_tenant(tenants: TenantRows, unit: TenantUnit, request: Once | None, wanted: Tenant) -> Tenant:
    """The tenant that is there, when this very request made it."""
    there = await tenants.find(wanted.tenant_id)
    if there is None or not await made_before(unit, request, wanted.created_at):
        raise _there(wanted)
    return there


def _there(tenant: Tenant) -> Refusal:
    return refuse(ErrorCode.TENANT_EXISTS, f"The tenant {tenant.tenant_id} is already there.", "tenantId")


def _id_problems(tenant_id: str) -> list[Problem]:
    is_fit = 0 < len(tenant_id) <= _LENGTH_MAX and tenant_id.isascii()
    if is_fit and all(letter.isalnum() or letter in "._-" for letter in tenant_id) and tenant_id[0].isalnum():
        return []
    text = f"A tenant id has 1 to {_LENGTH_MAX} letters, digits, dots, hyphens or underscores."
    return [Problem(ErrorCode.BAD_USER_INPUT, text, "tenantId")]
