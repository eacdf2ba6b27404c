"""Changing tenants: plan, status, freeze, and what they ask of imports and edits (decisions section 9.1, 9.6)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from enum import Enum
from typing import Any

from domain.access import Caller, Right, require
from domain.errors import ErrorCode, Problem, refuse, refuse_if
from domain.freezing import demand_reason, set_freeze
from domain.model import Protection, Tenant, TenantId, TenantPlan, TenantStatus
from domain.ports import Ports
from domain.tenancy import entry_of

APPROVALS_MAX = 10


@dataclass(frozen=True, slots=True)
class TenantChange:
    """What of a tenant is to change; ``None`` leaves it."""

    plan: TenantPlan | None = None
    status: TenantStatus | None = None
    approvals_needed: int | None = None
    protect_installed: Protection | None = None
    accepts_warnings: bool | None = None
    #: lets no new import begin
    freeze_reason: str | None = None
    #: lets them begin again
    unfreeze: bool = False

    @property
    def fields(self) -> dict[str, Any]:
        """What changes of the tenant's own row, by name; the freeze is another matter."""
        apart = {"freeze_reason", "unfreeze"}
        return {name: value for name, value in asdict(self).items() if name not in apart and value is not None}


class TenantChanges:
    """What administrators change about tenants that are there."""

    def __init__(self, ports: Ports) -> None:
        self._store = ports.store
        self._clock = ports.clock

    async def update(self, caller: Caller, tenant_id: TenantId, change: TenantChange) -> Tenant:
        """Change all of it, or nothing; the audit tells what.

        Raises ``InsufficientPermission``, ``TenantMismatch``, ``NotFound`` and ``BadUserInput``.
        """
        require(caller, Right.ADMINISTER)
        if not caller.is_member(tenant_id):
            raise refuse(ErrorCode.TENANT_MISMATCH, "This token gives no access to that tenant.", "id")
        refuse_if(_problems(change))
        reason = demand_reason(change.freeze_reason) if change.freeze_reason is not None else None
        told = {name: value.value if isinstance(value, Enum) else value for name, value in change.fields.items()}
        entry = entry_of(caller, tenant_id, "tenant.changed", told, at=self._clock.now())
        async with self._store.platform_unit() as platform:
            tenant = await platform.tenants.find(tenant_id)
            if tenant is None:
                raise refuse(ErrorCode.NOT_FOUND, "There is no such tenant.", "id", what="tenant")
            if change.fields:
                await platform.tenants.update(tenant_id, **change.fields)
                await platform.of(tenant_id).imports.audit(entry)
            if reason is not None or change.unfreeze:
                await set_freeze(platform, tenant, reason, entry)
            return await platform.tenants.find(tenant_id) or tenant


def _problems(change: TenantChange) -> Iterator[Problem]:
    if change.approvals_needed is not None and not 0 <= change.approvals_needed <= APPROVALS_MAX:
        text = f"Between 0 and {APPROVALS_MAX} others may have to agree to a plan."
        yield Problem(ErrorCode.BAD_USER_INPUT, text, "approvalsNeeded")
    if change.freeze_reason is not None and change.unfreeze:
        yield Problem(ErrorCode.BAD_USER_INPUT, "A tenant is frozen or let go, not both.", "unfreeze")
