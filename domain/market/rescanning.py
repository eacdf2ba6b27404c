"""Listed versions are scanned again: at once when the rules change, else every night (installhub.md section 9.4).

What a scan of today forbids is installed by nobody anew from that moment on; where it is installed it stays. A few
versions at a time, each in a transaction of its own: whoever is stopped or goes on elsewhere does no harm.

It fails closed (security.md section 3.3, rule 7). What other rules let pass is shown to nobody until it was scanned by
those of today; who names it can install it meanwhile, because every install is scanned by the rules of today before
anything is written. What could not be scanned to its end is neither shown nor installed, and is tried again every hour.
"""

from __future__ import annotations

from datetime import timedelta

from domain.errors import Refusal
from domain.market.curation_rows import DueScan, NewScan
from domain.market.examining import Examined, Examiner, may_be_shown
from domain.market.model import Listing
from domain.market.publishing import judged
from domain.market.publishing_rows import LISTINGS
from domain.market.standing import any_listing, kept_account, settled, suspend_version
from domain.observing import NOBODY, Observer, Scanned
from domain.ports import PlatformUnit, Ports
from domain.scanning import ScanResult, rules_version
from domain.tending import Tending

#: how long a scan is believed under the same rules
BELIEVED = timedelta(days=1)
#: how long a scan that came to no end is left at that
RESTED = timedelta(hours=1)
_WHY = "A scan by today's rules forbids this version."
#: why a version is not offered whose last scan came to no end
IS_NOT_SCANNED = "Its last security scan came to no end. It is made again."


class Rescanning:
    """Scans of what is offered."""

    def __init__(self, ports: Ports, examiner: Examiner, observer: Observer = NOBODY) -> None:
        self._store = ports.store
        self._clock = ports.clock
        self._examiner = examiner
        self._observer = observer
        self._tending = Tending(self._due, self._scan, self._failed)

    async def scan_due(self) -> int:
        """Scan what is due, what other rules let pass first; how many versions were scanned.

        Raises as :meth:`Tending.tend` does.
        """
        return await self._tending.tend()

    async def _due(self, most: int) -> list[DueScan]:
        async with self._store.platform_view() as unit:
            now = self._clock.now()
            return await unit.curation.due_scans(
                rules_version(), now - BELIEVED, unfinished_before=now - RESTED, most=most
            )

    def _failed(self, due: DueScan, trouble: Exception) -> None:
        self._observer.unscanned(Scanned.LISTING, f"{due.listing_id} {due.version}", trouble)

    async def _scan(self, due: DueScan) -> bool:
        try:
            async with self._examiner.reading(due.blob_key) as package:
                await self._keep(due, package)
        except Refusal as refusal:
            # fails closed, and mends itself: what could not be scanned is not shown until a scan has ended well
            report = {"overallResult": ScanResult.ERROR.value, "message": refusal.message}
            scan = NewScan(ScanResult.ERROR.value, report, self._clock.now(), rules_version())
            async with self._store.platform_unit() as unit:
                await unit.curation.note_scan(due, scan)
                unit.ring(LISTINGS)
        return True

    async def _keep(self, due: DueScan, package: Examined) -> None:
        report = package.report
        async with self._store.platform_unit() as unit:
            version = await unit.publishing.version(due.listing_id, due.version)
            submission = await unit.publishing.submission(version.submission_id) if version else None
            verdict = await judged(unit, submission, package) if submission else report.overall_result
            scan = NewScan(verdict.value, report.to_stored(), report.scanned_at, report.rules_version)
            listing = await any_listing(unit, due.listing_id)
            if await unit.curation.note_scan(due, scan) and not may_be_shown(verdict):
                await self._suspend(unit, listing, due, scan)

    async def _suspend(self, unit: PlatformUnit, listing: Listing, due: DueScan, scan: NewScan) -> None:
        now = self._clock.now()
        if not await suspend_version(unit, listing, due.version, _WHY):
            return
        await settled(unit, listing, now)
        details = {"listingId": due.listing_id, "version": due.version, "scanResult": scan.result}
        await kept_account(unit, listing.tenant_id, "version.suspended", details, at=now)
