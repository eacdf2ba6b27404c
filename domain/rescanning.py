"""What is kept is scanned again when the rules change: exported packages, and those that tenants have installed.

(security.md section 3.3, rule 7; listings: :mod:`domain.market.rescanning`.) One package after the other, each
tenant's in turn, each under a lease of its own: whoever is stopped has lost one package's scan, and somebody else makes
it again. The report of the first scan stays as it is; each new one stands beside it for good.

Nothing is switched off by itself. Where today's rules forbid what was let pass, or cannot be tried to their end, those
whom it concerns are told, once for a package and a version of the rules. Where the bytes are no longer kept, the report
says so and nobody is told, for nothing is known against them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import uuid_utils

from domain import scanning
from domain.abandoning import read_in_thread
from domain.access import Caller, Reach, Right, require
from domain.bundle import CheckedBundle, Told, read_bundle
from domain.bundle_mapping import with_endpoints
from domain.errors import Refusal
from domain.excepting import let_pass
from domain.import_model import ImportJob
from domain.limits import Installation
from domain.market.excepted import HUB, excepted
from domain.model import ImportId, TenantPlan
from domain.notices.wording import PACKAGE_FORBIDDEN
from domain.observing import NOBODY, Observer, Scanned
from domain.planning import checked
from domain.ports import Ports, UnavailableError
from domain.rescan_rows import Claim, Keeping, Kept, Rescan
from domain.rows import Slice
from domain.scanning import ScanReport, ScanResult, rules_version
from domain.spool import Spool
from domain.tending import Tending

#: one that took whoever scanned it down so often is not tried again by the same rules
ATTEMPTS_MAX = 3
#: beside the scan itself: fetching and reading the bundle
_LEASE_BESIDES = 600.0
_TOLD = (ScanResult.FAIL, ScanResult.ERROR)
_NOT_KEPT = "The package's bundle is no longer kept, so it could not be scanned by these rules."
_NO_END = f"The scan was begun {ATTEMPTS_MAX} times and came to no end."


@dataclass(frozen=True, slots=True)
class _Verdict:
    """A new report, and whether it is news to anybody."""

    report: ScanReport
    is_told: bool


class Rescans:
    """Makes scans again, and shows their reports."""

    def __init__(self, ports: Ports, installation: Installation, observer: Observer = NOBODY) -> None:
        self._store = ports.store
        self._blobs = ports.blobs
        self._clock = ports.clock
        self._courtesy = ports.courtesy
        self._observer = observer
        # what was brought in stays within the limits of the day on which it came
        self._limits = installation.limits.bundle(TenantPlan.ENTERPRISE)
        self._lease = self._limits.scan_seconds * scanning.ATTEMPTS_MAX + _LEASE_BESIDES
        self._tending = Tending(self._due, self._tried, self._failed)

    async def scan_due(self) -> int:
        """Scan all that other rules were tried on last, as far as nobody else does; how many packages.

        Raises as :meth:`Tending.tend` does: :class:`UnavailableError` for what cannot be read now and is let go,
        a bug of ours for what keeps its lease and so its attempt.
        """
        return await self._tending.tend()

    async def page(
        self,
        caller: Caller,
        *,
        reach: Reach,
        package_id: str | None = None,
        import_id: str | None = None,
        first: int,
        after: str | None = None,
    ) -> Slice[Rescan]:
        """Scans that were made again, newest first, without their reports; of one package or import, if given.

        Those of exported packages need ``installhub:export`` besides. Raises ``InsufficientPermission``.
        """
        keepings = _shown_to(caller)
        async with self._store.platform_view() as unit:
            return await unit.rescans.page(
                reach, keepings, package_id=package_id, import_id=import_id, first=first, after=after
            )

    async def find(self, caller: Caller, rescan_id: str, reach: Reach) -> Rescan | None:
        """One with its report; nothing for what is unknown or not for the caller. Raises the same."""
        keepings = _shown_to(caller)
        async with self._store.platform_view() as unit:
            found = await unit.rescans.find(rescan_id, reach)
        return found if found is not None and found.keeping in keepings else None

    async def _due(self, most: int) -> list[Kept]:
        async with self._store.platform_view() as unit:
            return await unit.rescans.due(rules_version(), self._clock.now(), most=most)

    def _failed(self, kept: Kept, trouble: Exception) -> None:
        self._observer.unscanned(Scanned.RESCAN, kept.subject_id, trouble)

    async def _tried(self, kept: Kept) -> bool:
        """Scan one, unless somebody else does."""
        rescan_id = f"rsc-{uuid_utils.uuid7()}"
        async with self._store.platform_unit() as unit:
            claim = await unit.rescans.claim(kept, rules_version(), rescan_id, lease_seconds=self._lease)
        if claim is None:
            return False
        try:
            verdict = await self._judged(claim)
        except (UnavailableError, asyncio.CancelledError):
            async with self._store.platform_unit() as unit:
                await unit.rescans.let_go(claim)
            raise
        await self._keep(claim, verdict)
        return True

    async def _judged(self, claim: Claim) -> _Verdict:
        kept, now = claim.kept, self._clock.now()
        if claim.attempt > ATTEMPTS_MAX:
            return _Verdict(_without_scan(kept, _NO_END, now), is_told=_was_let_pass(kept))
        try:
            bundle = await self._read(kept, await self._job(kept), now)
        except FileNotFoundError:
            return _Verdict(_without_scan(kept, _NOT_KEPT, now), is_told=False)
        except Refusal as refusal:
            return _Verdict(_without_scan(kept, refusal.message, now), is_told=_was_let_pass(kept))
        report = checked(bundle, now).report
        self._observer.scanned(Scanned.RESCAN, report.overall_result, report.duration_ms / 1000)
        return _Verdict(report, is_told=_was_let_pass(kept) and report.overall_result in _TOLD)

    async def _keep(self, claim: Claim, verdict: _Verdict) -> None:
        report, tenant_id = verdict.report, claim.kept.tenant_id
        async with self._store.platform_unit() as unit:
            result = report.overall_result.value
            is_noted = await unit.rescans.note(claim, result, report.to_stored(), report.scanned_at)
            if is_noted and verdict.is_told:
                await unit.of(tenant_id).imports.post(PACKAGE_FORBIDDEN, {"rescanId": claim.rescan_id})

    async def _job(self, kept: Kept) -> ImportJob | None:
        if kept.keeping is Keeping.EXPORTED:
            return None
        async with self._store.view(kept.tenant_id) as unit:
            return await unit.imports.job(ImportId(kept.subject_id))

    async def _read(self, kept: Kept, job: ImportJob | None, now: datetime) -> CheckedBundle:
        """The bundle as its import would see it today. Raises refusals, ``FileNotFoundError``, ``UnavailableError``."""
        async with self._blobs.local(kept.blob_key, sha256=kept.sha256) as path, self._blobs.scratch() as folder:
            bundle = await read_in_thread(self._reading(path, folder, kept, job))
        if job is None:
            return bundle
        offer = job.packages[kept.ordinal].offer
        if offer is not None:
            bundle = excepted(bundle, offer.exceptions, job.options, who=HUB)
        return (await let_pass(self._store, job, [bundle], now))[0]

    def _reading(self, path: Path, folder: Path, kept: Kept, job: ImportJob | None) -> Callable[[Told], CheckedBundle]:
        limits, give_way = self._limits, self._courtesy.give_way

        def read(told: Told) -> CheckedBundle:
            with path.open("rb") as source, Spool(folder / "contents") as spool:
                bundle = read_bundle(source, spool, limits=limits, target=kept.tenant_id, told=told, give_way=give_way)
                if job is None:
                    return bundle
                targets, bytes_max = job.options.endpoint_mapping, limits.archive.entry_bytes_max
                return with_endpoints(bundle, targets, bytes_max=bytes_max, scan_seconds=limits.scan_seconds)

        return read


def _without_scan(kept: Kept, why: str, now: datetime) -> ScanReport:
    return scanning.report(kept.package_id, kept.package_version, [], scanned_at=now, duration_ms=0, trouble=why)


def _was_let_pass(kept: Kept) -> bool:
    """Whether other rules had the chance to forbid it: exports are scanned for the first time here."""
    return kept.keeping is Keeping.INSTALLED or bool(kept.scanned_by)


def _shown_to(caller: Caller) -> tuple[Keeping, ...]:
    require(caller, Right.READ_IMPORTS)
    return tuple(Keeping) if caller.has(Right.EXPORT) else (Keeping.INSTALLED,)
