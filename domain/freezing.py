"""Freezing a tenant: no new import begins there until it is let go; undos go on (decisions section 9.6)."""

from __future__ import annotations

from dataclasses import replace

from domain.access import Caller, Right, require
from domain.errors import ErrorCode, Refusal, refuse
from domain.import_model import AuditEntry
from domain.model import Actor, Tenant, TenantId
from domain.ports import JOBS, Clock, PlatformUnit, Ports, Store
from domain.tenancy import entry_of

_REASON_MAX = 500
#: what the audit calls it
_AUDITED_AS = {True: "tenant.frozen", False: "tenant.unfrozen"}


class Freezing:
    """What administrators do when nothing may change for a while."""

    def __init__(self, ports: Ports) -> None:
        self._store: Store = ports.store
        self._clock: Clock = ports.clock

    async def freeze(self, caller: Caller, tenant_id: TenantId, reason: str) -> Tenant:
        """Let no new import begin: they queue, what runs finishes, dry runs and undos go on.

        Raises ``InsufficientPermission``, ``TenantMismatch``, ``NotFound`` and, without a reason, ``BadUserInput``.
        """
        _admit(caller, tenant_id)
        said = demand_reason(reason)
        return await self._set(tenant_id, said, self._entry(caller, tenant_id, said))

    async def unfreeze(self, caller: Caller, tenant_id: TenantId) -> Tenant:
        """Let imports begin again. Raises as :meth:`freeze` does; one that is not frozen stays as it is."""
        _admit(caller, tenant_id)
        return await self._set(tenant_id, None, self._entry(caller, tenant_id, None))

    async def apply(self, tenant_id: TenantId, reason: str | None, actor: Actor) -> Tenant:
        """The same for the host's own command line, which needs no token: a reason freezes, none lets go."""
        entry = AuditEntry(self._clock.now(), actor, _AUDITED_AS[reason is not None], None, {"reason": reason})
        return await self._set(tenant_id, reason, entry)

    async def refuse_frozen(self, tenant_id: TenantId) -> None:
        """Refuse with ``TenantFrozen`` where a caller would wait for an import that does not begin."""
        async with self._store.platform_view() as platform:
            tenant = await platform.tenants.find(tenant_id)
        if tenant is not None and tenant.freeze_reason is not None:
            text = f"Imports into this tenant wait: {tenant.freeze_reason} Send Prefer: respond-async to queue yours."
            raise refuse(ErrorCode.TENANT_FROZEN, text, "tenantId", reason=tenant.freeze_reason, retryAfter=60)

    async def _set(self, tenant_id: TenantId, reason: str | None, entry: AuditEntry) -> Tenant:
        async with self._store.platform_unit() as platform:
            tenant = await platform.tenants.find(tenant_id)
            if tenant is None:
                raise _unknown()
            return await set_freeze(platform, tenant, reason, entry)

    def _entry(self, caller: Caller, tenant_id: TenantId, reason: str | None) -> AuditEntry:
        action = _AUDITED_AS[reason is not None]
        return entry_of(caller, tenant_id, action, {"reason": reason}, at=self._clock.now())


def demand_reason(reason: str) -> str:
    """Why a tenant is to be frozen, as it is kept. Raises ``BadUserInput``."""
    if not 0 < len(reason.strip()) <= _REASON_MAX:
        text = f"Say why, in 1 to {_REASON_MAX} characters."
        raise refuse(ErrorCode.BAD_USER_INPUT, text, "freezeReason")
    return reason.strip()


async def set_freeze(platform: PlatformUnit, tenant: Tenant, reason: str | None, entry: AuditEntry) -> Tenant:
    """Freeze a tenant, or let it go without a reason; ``entry`` says who does it, and when."""
    if tenant.freeze_reason == reason:
        return tenant
    audited = replace(entry, action=_AUDITED_AS[reason is not None], details={**entry.details, "reason": reason})
    await platform.tenants.freeze(tenant.tenant_id, reason)
    await platform.of(tenant.tenant_id).imports.audit(audited)
    platform.ring(JOBS)
    return replace(tenant, freeze_reason=reason)


def _admit(caller: Caller, tenant_id: TenantId) -> None:
    require(caller, Right.ADMINISTER)
    if not caller.is_member(tenant_id):
        raise refuse(ErrorCode.TENANT_MISMATCH, "This token gives no access to that tenant.", "id")


def _unknown() -> Refusal:
    return refuse(ErrorCode.NOT_FOUND, "There is no such tenant.", "id", what="tenant")
