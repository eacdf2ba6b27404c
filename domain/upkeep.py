"""What the server does by itself, again and again: lost leases, waits that are over, what was left behind."""

from __future__ import annotations

from datetime import datetime, timedelta

from domain.discarding import discard_held
from domain.errors import ErrorCode
from domain.import_model import AuditEntry, ImportJob, ImportState
from domain.import_outcome import on_behalf_of
from domain.limits import Installation
from domain.notices.wording import IMPORT_EXPIRES
from domain.observing import NOBODY, Observer
from domain.ports import Ports
from domain.repeating import KEPT

#: a row that names new bytes is written within this time
_GRACE = timedelta(hours=24)
#: what the doors have just offered is named by an import within this time: so much longer than they offer it,
#: uploads and bytes are kept
_LEEWAY = timedelta(hours=1)


class Upkeep:
    """Small, repeatable repairs. Any process may run them at any time."""

    def __init__(self, ports: Ports, installation: Installation, observer: Observer = NOBODY) -> None:
        self._observer = observer
        self._store = ports.store
        self._blobs = ports.blobs
        self._clock = ports.clock
        self._reminded_before = timedelta(hours=installation.limits.remind_hours)
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
                if is_over and (job := await unit_of_tenant.imports.job(import_id)):
                    await unit_of_tenant.imports.audit(_expired(job, self._clock.now()))
                    ended = {"importId": import_id, "state": ImportState.EXPIRED.value}
                    await unit_of_tenant.imports.post("import.ended", ended)
            if is_over:
                self._observer.given_up(tenant_id, import_id, ImportState.EXPIRED)
        return len(overdue)

    async def remind_waiting(self) -> int:
        """Tell those whose imports wait for somebody, once, some hours before they are given up (R40)."""
        now = self._clock.now()
        async with self._store.platform_view() as unit:
            waiting = await unit.jobs.soon_overdue(now, now + self._reminded_before)
        told = 0
        for tenant_id, import_id in waiting:
            async with self._store.unit(tenant_id) as unit_of_tenant:
                if await unit_of_tenant.imports.remind(import_id):
                    await unit_of_tenant.imports.post(IMPORT_EXPIRES, {"importId": import_id})
                    told += 1
        return told

    async def forget_expired(self) -> int:
        """Drop idempotency keys an hour after their time, and rows of uploads when no key can name them (R13, R25)."""
        async with self._store.platform_unit() as unit:
            return await unit.keeping.forget_expired(self._clock.now() - _LEEWAY, uploads_kept=KEPT)

    async def sweep_blobs(self) -> int:
        """Delete stored bytes that nothing needs any more, a day after they came at the earliest (R13).

        A day, because bytes are stored before the row that names them is written; and an hour after the last
        moment when a door could offer them.
        """
        now, swept = self._clock.now(), 0
        async for keys in self._blobs.keys(older_than=now - _GRACE):
            async with self._store.platform_view() as unit:
                unnamed = await unit.keeping.unnamed(keys, now=now - _LEEWAY, kept_after_use=self._kept_after_use)
            for key in unnamed:
                await self._blobs.delete(key)
            swept += len(unnamed)
        return swept

    async def sweep_held(self) -> int:
        """Drop revisions that ended imports still hold, in small transactions. Nobody ever saw them."""
        async with self._store.platform_view() as unit:
            leftovers = await unit.jobs.with_leftovers()
        return sum([await discard_held(self._store, tenant_id, import_id) for tenant_id, import_id in leftovers])


def _expired(job: ImportJob, at: datetime) -> AuditEntry:
    """Told as the other ends that nobody asked for: under the name of whoever submitted the import."""
    details = {"code": ErrorCode.IMPORT_EXPIRED.wire, **on_behalf_of(job)}
    return AuditEntry(at, job.submitted_by, "import.expired", job.import_id, details)
