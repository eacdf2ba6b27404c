"""Tenants: making them, changing their plan, listing them (decisions section 9.1, R1)."""

from __future__ import annotations

from dataclasses import dataclass

from domain.access import Caller, Right, require
from domain.errors import ErrorCode, Problem, refuse, refuse_if
from domain.limits import Installation
from domain.model import Tenant, TenantId, TenantPlan, TenantStatus
from domain.ports import Ports
from domain.rows import Slice, TenantRows

_LENGTH_MAX = 100


async def active_tenant(tenants: TenantRows, tenant_id: str) -> Tenant:
    """The tenant, when it is there and active; else ``InvalidTenantId`` (installhub.md section 6.2)."""
    tenant = await tenants.find(tenant_id)
    if tenant is None or tenant.status is not TenantStatus.ACTIVE:
        state = "is suspended" if tenant else "does not exist"
        raise refuse(ErrorCode.INVALID_TENANT_ID, f"The tenant {tenant_id} {state}.", "tenantId")
    return tenant


@dataclass(frozen=True, slots=True)
class TenantChange:
    """What of a tenant is to change; ``None`` leaves it."""

    plan: TenantPlan | None = None
    status: TenantStatus | None = None


class Tenancy:
    """What administrators do with tenants."""

    def __init__(self, ports: Ports, installation: Installation) -> None:
        self._store = ports.store
        self._clock = ports.clock
        self._installation = installation

    async def create(self, caller: Caller, tenant_id: str, plan: TenantPlan) -> Tenant:
        """Make a tenant. Raises ``InsufficientPermission``, ``BadUserInput``, ``TenantExists``."""
        require(caller, Right.MAKE_TENANTS)
        return await self.add(tenant_id, plan)

    async def add(self, tenant_id: str, plan: TenantPlan) -> Tenant:
        """The same for the host's own command line, which needs no token."""
        refuse_if(_id_problems(tenant_id))
        tenant = Tenant(
            tenant_id=TenantId(tenant_id),
            plan=plan,
            status=TenantStatus.ACTIVE,
            platform_version=self._installation.platform_version,
            created_at=self._clock.now(),
        )
        async with self._store.platform_unit() as unit:
            if not await unit.tenants.add(tenant):
                raise refuse(ErrorCode.TENANT_EXISTS, f"The tenant {tenant_id} is already there.", "tenantId")
        return tenant

    async def update(self, caller: Caller, tenant_id: TenantId, change: TenantChange) -> Tenant:
        """Change plan or status. Raises ``InsufficientPermission``, ``TenantMismatch``, ``NotFound``."""
        require(caller, Right.ADMINISTER)
        if not caller.is_member(tenant_id):
            raise refuse(ErrorCode.TENANT_MISMATCH, "This token gives no access to that tenant.", "id")
        async with self._store.platform_unit() as unit:
            await unit.tenants.update(tenant_id, plan=change.plan, status=change.status)
            tenant = await unit.tenants.find(tenant_id)
        if tenant is None:
            raise refuse(ErrorCode.NOT_FOUND, "There is no such tenant.", "id", what="tenant")
        return tenant

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


def _id_problems(tenant_id: str) -> list[Problem]:
    is_fit = 0 < len(tenant_id) <= _LENGTH_MAX and tenant_id.isascii()
    if is_fit and all(letter.isalnum() or letter in "._-" for letter in tenant_id) and tenant_id[0].isalnum():
        return []
    text = f"A tenant id has 1 to {_LENGTH_MAX} letters, digits, dots, hyphens or underscores."
    return [Problem(ErrorCode.BAD_USER_INPUT, text, "tenantId")]
