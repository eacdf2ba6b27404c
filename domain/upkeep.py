"""What the server does by itself, again and again: lost leases, waits that are over, revisions left behind."""

from __future__ import annotations

from domain.ports import Ports


class Upkeep:
    """Small, repeatable repairs. Any process may run them at any time."""

    def __init__(self, ports: Ports) -> None:
        self._store = ports.store
        self._clock = ports.clock

    async def requeue_lost(self, *, all_running: bool = False) -> int:
        """Give back imports whose worker is gone; every running one when no other process can be alive."""
        async with self._store.platform_unit() as unit:
            lost = await unit.jobs.requeue_lost(all_running=all_running)
        return len(lost)

    async def expire_waiting(self) -> int:
        """End imports that waited too long for decisions (R18)."""
        async with self._store.platform_view() as unit:
            overdue = await unit.jobs.overdue_waiting(self._clock.now())
        for tenant_id, import_id in overdue:
            async with self._store.unit(tenant_id) as unit_of_tenant:
                await unit_of_tenant.imports.expire(import_id)
        return len(overdue)

    async def sweep_held(self) -> int:
        """Drop revisions that ended imports still hold, in small transactions. Nobody ever saw them."""
        async with self._store.platform_view() as unit:
            leftovers = await unit.jobs.with_leftovers()
        dropped = 0
        for tenant_id, import_id in leftovers:
            more = 1
            while more:
                async with self._store.unit(tenant_id) as unit_of_tenant:
                    more = await unit_of_tenant.imports.discard(import_id)
                dropped += more
        return dropped
