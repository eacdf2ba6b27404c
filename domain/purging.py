"""Giving up a whole tenant, with everything that it has (decisions R13, R40)."""

from __future__ import annotations

from dataclasses import dataclass

from domain.access import Caller, Right, require
from domain.errors import ErrorCode, refuse
from domain.import_model import AuditEntry, ImportState
from domain.keeping_rows import PurgePlace
from domain.model import Actor, TenantId, TenantStatus
from domain.ports import PlatformUnit, Ports

#: whose audit keeps that a tenant was purged: nobody's but the installation's
INSTALLATION = TenantId("")

_ROWS_AT_ONCE = 1000


@dataclass(frozen=True, slots=True)
class Purged:
    """A tenant that has nothing any more. ``is_gone`` is false when it stays, suspended, for what it published."""

    tenant_id: TenantId
    is_gone: bool


class Purging:
    """Gives up tenants. There is no way back but a backup."""

    def __init__(self, ports: Ports) -> None:
        self._store = ports.store
        self._clock = ports.clock

    async def purge(self, caller: Caller, tenant_id: TenantId, *, confirmed: str) -> Purged:
        """Delete everything of a tenant; ``confirmed`` is its id once more.

        The tenant is suspended first, and what waits in its line is cancelled; then it goes in small transactions.
        Whoever breaks off may begin again. Stored bytes go with the next sweeps, a day later. What it published in
        the marketplace stays. Raises ``InsufficientPermission``, ``TenantMismatch``, ``BadUserInput``, ``NotFound``
        and, while something runs there, ``TenantBusy``.
        """
        require(caller, Right.ADMINISTER)
        if not caller.is_member(tenant_id):
            raise refuse(ErrorCode.TENANT_MISMATCH, "This token gives no access to that tenant.", "id")
        if confirmed != tenant_id:
            raise refuse(ErrorCode.BAD_USER_INPUT, "Say the tenant's id once more.", "confirmation")
        return await self.apply(tenant_id, caller.actor)

    async def apply(self, tenant_id: TenantId, actor: Actor) -> Purged:
        """The same for the host's own command line, which needs no token."""
        async with self._store.platform_unit() as platform:
            await _close(platform, tenant_id)
            told = {"tenantId": tenant_id}
            entry = AuditEntry(self._clock.now(), actor, "tenant.purged", None, told)
            await platform.of(INSTALLATION).imports.audit(entry)
        place: PurgePlace | None = PurgePlace()
        while place is not None:
            async with self._store.platform_unit() as platform:
                place = await platform.purging.some(tenant_id, place, most=_ROWS_AT_ONCE)
        async with self._store.platform_unit() as platform:
            return Purged(tenant_id, await platform.purging.rest(tenant_id))


async def _close(platform: PlatformUnit, tenant_id: TenantId) -> None:
    """From now on nothing begins in the tenant, and nothing goes on."""
    if await platform.tenants.find(tenant_id) is None:
        raise refuse(ErrorCode.NOT_FOUND, "There is no such tenant.", "id", what="tenant")
    await platform.tenants.update(tenant_id, status=TenantStatus.SUSPENDED)
    imports = platform.of(tenant_id).imports
    for import_id in await platform.purging.going_on(tenant_id):
        # one that runs has to end first; it is asked to, unless this transaction comes to nothing
        if await imports.request_cancel(import_id) is not ImportState.CANCELLED:
            text = "An import runs in this tenant. Wait for its end, or cancel it."
            raise refuse(ErrorCode.TENANT_BUSY, text, "id", importId=import_id)
