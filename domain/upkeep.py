"""What the server does by itself, again and again: lost leases, waits that are over, what was left behind."""

from __future__ import annotations

from datetime import timedelta

from domain.import_model import ImportState
from domain.limits import Installation
from domain.observing import NOBODY, Observer
from domain.ports import Ports

#: a row that names new bytes is written within this time
_GRACE = timedelta(hours=24)


class Upkeep:
    """Small, repeatable repairs. Any process may run them at any time."""

    def __init__(self, ports: Ports, installation: Installation, observer: Observer = NOBODY) -> None:
        self._observer = observer
        self._store = ports.store
        self._blobs = ports.blobs
        self._clock = ports.clock
        self._kept_after_use = timedelta(days=installation.limits.used_bundle_days)

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
                is_over = await unit_of_tenant.imports.expire(import_id)
            if is_over:
                self._observer.given_up(tenant_id, import_id, ImportState.EXPIRED)
        return len(overdue)

    async def forget_expired(self) -> int:
        """Drop uploads and idempotency keys past their time (R13, R25); their bytes go with the next sweep."""
        async with self._store.platform_unit() as unit:
            return await unit.keeping.forget_expired(self._clock.now())

    async def sweep_blobs(self) -> int:
        """Delete stored bytes that nothing needs any more, a day after they came at the earliest (R13).

        A day, because bytes are stored before the row that names them is written.
        """
        now, swept = self._clock.now(), 0
        async for keys in self._blobs.keys(older_than=now - _GRACE):
            async with self._store.platform_view() as unit:
                unnamed = await unit.keeping.unnamed(keys, now=now, kept_after_use=self._kept_after_use)
            for key in unnamed:
                await self._blobs.delete(key)
            swept += len(unnamed)
        return swept

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
