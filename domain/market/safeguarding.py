"""What keeps people from harm: suspensions, reports of vulnerabilities, and the rules that act by themselves.

(installhub.md sections 4.3, 10.2 and 10.3.) What is suspended is found by no search and installed by nobody anew; where
it is installed it stays usable. Whoever has a version that turned out dangerous is told.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from datetime import datetime, timedelta

import uuid_utils

from domain.access import Caller, Right, require
from domain.errors import ErrorCode, Problem, refuse, refuse_if
from domain.market.certifying import taken
from domain.market.curation_rows import ReportStatus
from domain.market.model import Certification, Listing, ListingState, VulnerabilityReport
from domain.market.standing import (
    ADVISORY_NEWS,
    EXPLANATION_MAX,
    OFFERED,
    any_listing,
    audited,
    kept_account,
    settled,
    suspend_version,
    text_problems,
    unknown_listing,
    version_of,
)
from domain.ports import PlatformUnit, Ports
from domain.repeating import Once, made_before, once, remember, written_once
from domain.rows import Page, Slice

SEVERITIES = ("Low", "Medium", "High", "Critical")
#: a rating speaks with this many reviews (section 10.3)
REVIEWS_MIN = 10
#: below it a certified package is suspended; below the other, people look at any package again
CERTIFIED_STARS_MIN, STARS_MIN = 3.0, 2.5
_REPORTS_A_DAY, _DAY_SECONDS = 20, 86_400
_AT_ONCE = 100
#: how long a publisher has to mend what a scan suspended (section 9.4)
REPAIR_TIME = timedelta(days=30)

_BAD_RATING = "The package is rated below 3.0."
_LAPSED_DOMAIN = "The publisher's domain is no longer proven."
_NOT_MENDED = "What the scan found was not mended within 30 days."


class Safeguarding:
    """Suspensions and reports. Deciding needs the right to run the market; reporting needs only a token."""

    def __init__(self, ports: Ports) -> None:
        self._store = ports.store
        self._clock = ports.clock
        self._limiter = ports.limiter

    async def suspend(self, caller: Caller, listing_id: str, *, reason: str, version: str = "") -> Listing:
        """Let nobody install a listing anew, or only one of its versions.

        Raises ``InsufficientPermission``, ``NotFound``, ``MissingRequiredField``, ``BadUserInput`` and
        ``StateConflict`` for what is suspended already.
        """
        require(caller, Right.RUN_MARKET)
        now = self._clock.now()
        async with self._store.platform_unit() as unit:
            listing = await any_listing(unit, listing_id)
            refuse_if(text_problems("reason", reason))
            changed = await _suspended(unit, listing, version, reason, now)
            details = {"listingId": listing_id, "version": version, "reason": reason}
            await audited(unit, caller, listing.tenant_id, "listing.suspended", details, at=now)
        return changed

    async def reinstate(self, caller: Caller, listing_id: str, *, version: str = "", details: str = "") -> Listing:
        """Offer a suspended or unlisted listing again, or one suspended version; a flag on the listing is seen.

        Raises ``InsufficientPermission``, ``NotFound``, ``BadUserInput`` and ``StateConflict`` where there is nothing
        to bring back. A yanked version stays what it is: its publisher took it back.
        """
        require(caller, Right.RUN_MARKET)
        now = self._clock.now()
        async with self._store.platform_unit() as unit:
            listing = await any_listing(unit, listing_id)
            refuse_if(text_problems("details", details, longest=EXPLANATION_MAX, is_required=False))
            if version:
                changed = await _brought_back(unit, listing, version, now)
            elif listing.state in OFFERED and not listing.needs_review:
                raise refuse(ErrorCode.STATE_CONFLICT, "The package is listed, and nobody asked to look.", "packageId")
            else:
                changes = {"state": ListingState.LISTED, "state_reason": "", "needs_review": False}
                changed = await settled(unit, listing, now, **changes)
            told = {"listingId": listing_id, "version": version, "details": details}
            await audited(unit, caller, listing.tenant_id, "listing.reinstated", told, at=now)
        return changed

    async def flagged(self, caller: Caller, *, first: int, after: str | None = None) -> Slice[Listing]:
        """Listings that people are to look at again, by id. Raises ``InsufficientPermission``."""
        require(caller, Right.RUN_MARKET)
        async with self._store.platform_view() as unit:
            return await unit.curation.flagged(first=first, after=after)

    async def report(
        self,
        caller: Caller,
        listing_id: str,
        *,
        severity: str,
        description: str,
        version: str = "",
        key: str | None = None,
    ) -> VulnerabilityReport:
        """Say that a package is dangerous; ``version`` may be left out: the latest. Everybody signed in may.

        Raises ``NotFound``, ``MissingRequiredField``, ``BadUserInput``, ``RateLimitExceeded`` and
        ``IdempotencyKeyReused``.
        """
        request = once(caller, key, "reportVulnerability", listing_id, severity, description, version)
        return await written_once(lambda: self._report(caller, listing_id, severity, description, version, request))

    async def _report(
        self,
        caller: Caller,
        listing_id: str,
        severity: str,
        description: str,
        version: str,
        request: Once | None,
    ) -> VulnerabilityReport:
        now = self._clock.now()
        async with self._store.platform_unit() as unit:
            listing = await unit.publishing.listing(listing_id)
            if listing is None or not await _may_see(unit, caller, listing):
                raise unknown_listing()
            # whose key it is: the publisher's tenant holds what is said about its listings
            owner = unit.of(listing.tenant_id)
            made = await made_before(owner, request, now)
            if made and (first := await unit.curation.reported(made["reportId"])):
                return first
            refuse_if(_report_problems(severity, description))
            named = (await version_of(unit, listing, version)).version if version else listing.latest_version
            await self._demand_place(caller)
            report = VulnerabilityReport(
                report_id=f"vr-{uuid_utils.uuid7()}",
                listing_id=listing.listing_id,
                tenant_id=listing.tenant_id,
                version=named,
                severity=severity,
                description=description,
                reported_by=caller.actor,
                reported_at=now,
                status=ReportStatus.RECEIVED.wire,
            )
            await unit.curation.report(report)
            await remember(owner, request, {"reportId": report.report_id}, now)
        return report

    async def _demand_place(self, caller: Caller) -> None:
        wait = await self._limiter.take([(f"reports {caller.identity}", _REPORTS_A_DAY, _DAY_SECONDS)])
        if wait:
            text = f"At most {_REPORTS_A_DAY} vulnerabilities are reported a day by one caller."
            raise refuse(ErrorCode.RATE_LIMIT_EXCEEDED, text, limit=_REPORTS_A_DAY, retryAfter=wait)

    async def reports(
        self, caller: Caller, statuses: Collection[ReportStatus] = (), *, first: int, after: str | None = None
    ) -> Slice[VulnerabilityReport]:
        """Reports that stand so, oldest first. Raises ``InsufficientPermission``."""
        require(caller, Right.RUN_MARKET)
        async with self._store.platform_view() as unit:
            return await unit.curation.reports(statuses, first=first, after=after)

    async def reports_page(
        self, caller: Caller, statuses: Collection[ReportStatus], *, page: int, page_size: int
    ) -> Page[VulnerabilityReport]:
        """The same by page number, counted."""
        require(caller, Right.RUN_MARKET)
        async with self._store.platform_view() as unit:
            return await unit.curation.reports_page(statuses, page=page, page_size=page_size)

    async def close(
        self, caller: Caller, report_id: str, *, is_confirmed: bool, advisory: str = "", is_whole: bool = False
    ) -> VulnerabilityReport:
        """Decide about a report.

        Confirmed, its version (``is_whole``: the listing) is suspended, and every tenant that has the package is told
        the ``advisory``, in the same transaction.

        Raises ``InsufficientPermission``, ``NotFound``, ``MissingRequiredField``, ``BadUserInput`` and
        ``StateConflict`` when it was decided before.
        """
        require(caller, Right.RUN_MARKET)
        now = self._clock.now()
        status = ReportStatus.CONFIRMED if is_confirmed else ReportStatus.DISMISSED
        async with self._store.platform_unit() as unit:
            report = await unit.curation.reported(report_id)
            if report is None:
                raise refuse(ErrorCode.NOT_FOUND, "There is no such report.", "reportId", what="vulnerabilityReport")
            listing = await any_listing(unit, report.listing_id)
            refuse_if(text_problems("advisory", advisory, longest=EXPLANATION_MAX, is_required=is_confirmed))
            if not await unit.curation.close_report(report_id, status):
                raise refuse(ErrorCode.STATE_CONFLICT, "This report was decided before.", "reportId")
            if is_confirmed:
                await _endangered(unit, listing, report, advisory, is_whole=is_whole, at=now)
            details = {"reportId": report_id, "listingId": listing.listing_id, "version": report.version}
            await audited(
                unit, caller, listing.tenant_id, f"vulnerabilityReport.{status.name.lower()}", details, at=now
            )
        return replace(report, status=status.wire)

    async def tend(self) -> int:
        """Let the rules act: bad ratings, lapsed domains, certifications that ended, repairs that never came.

        How many listings changed. Small transactions: it may be stopped at any instant and begun again.
        """
        return await self._flag_badly_rated() + await self._tend_certified() + await self._unlist_unmended()

    async def _flag_badly_rated(self) -> int:
        async with self._store.platform_view() as unit:
            found = await unit.curation.badly_rated(below=STARS_MIN, reviews=REVIEWS_MIN, most=_AT_ONCE)
        now = self._clock.now()
        for listing in found:
            async with self._store.platform_unit() as unit:
                await settled(unit, await any_listing(unit, listing.listing_id), now, needs_review=True)
                details = {"listingId": listing.listing_id, "rating": listing.rating}
                await kept_account(unit, listing.tenant_id, "listing.flagged", details, at=now)
        return len(found)

    async def _tend_certified(self) -> int:
        changed, after = 0, ""
        while True:
            async with self._store.platform_view() as unit:
                found = await unit.curation.certified(most=_AT_ONCE, after=after)
            for listing, certification, is_proven in found:
                changed += await self._tend_one(listing, certification, is_proven=is_proven)
            if len(found) < _AT_ONCE:
                return changed
            after = found[-1][0].listing_id

    async def _tend_one(self, listing: Listing, certification: Certification, *, is_proven: bool) -> bool:
        now = self._clock.now()
        is_bad = listing.review_count >= REVIEWS_MIN and (listing.rating or 0) < CERTIFIED_STARS_MIN
        reason = _LAPSED_DOMAIN if not is_proven else _BAD_RATING if is_bad else ""
        if not reason and certification.next_review > now:
            return False
        async with self._store.platform_unit() as unit:
            there = await any_listing(unit, listing.listing_id)
            if reason:
                changed = {"state": ListingState.SUSPENDED, "state_reason": reason, "needs_review": True}
                action = "listing.suspended"
            else:
                await taken(unit, there)
                changed, action = {"needs_review": True}, "listing.certificationLapsed"
            await settled(unit, there, now, **changed)
            details = {"listingId": listing.listing_id, "reason": reason}
            await kept_account(unit, listing.tenant_id, action, details, at=now)
        return True

    async def _unlist_unmended(self) -> int:
        now = self._clock.now()
        async with self._store.platform_view() as unit:
            overdue = await unit.curation.overdue_repairs(now - REPAIR_TIME, most=_AT_ONCE)
        for listing_id, version in overdue:
            async with self._store.platform_unit() as unit:
                listing = await any_listing(unit, listing_id)
                await unit.curation.stand(listing_id, version, ListingState.UNLISTED, reason=_NOT_MENDED)
                await settled(unit, listing, now)
                details = {"listingId": listing_id, "version": version}
                await kept_account(unit, listing.tenant_id, "version.unlisted", details, at=now)
        return len(overdue)


async def _suspended(unit: PlatformUnit, listing: Listing, version: str, reason: str, at: datetime) -> Listing:
    if not version:
        if listing.state is ListingState.SUSPENDED:
            raise refuse(ErrorCode.STATE_CONFLICT, "The package is suspended already.", "packageId")
        return await settled(unit, listing, at, state=ListingState.SUSPENDED, state_reason=reason)
    standing = await version_of(unit, listing, version)
    if standing.state in {ListingState.SUSPENDED, ListingState.YANKED}:
        raise refuse(ErrorCode.STATE_CONFLICT, f"{version} is {standing.state.wire} already.", "version")
    await unit.curation.stand(listing.listing_id, version, ListingState.SUSPENDED, reason=reason)
    return await settled(unit, listing, at)


async def _brought_back(unit: PlatformUnit, listing: Listing, version: str, at: datetime) -> Listing:
    standing = await version_of(unit, listing, version)
    if standing.state not in {ListingState.SUSPENDED, ListingState.UNLISTED}:
        text = f"{version} is {standing.state.wire}; only a suspended version is brought back."
        raise refuse(ErrorCode.STATE_CONFLICT, text, "version")
    await unit.curation.stand(listing.listing_id, version, ListingState.LISTED)
    return await settled(unit, listing, at)


async def _endangered(
    unit: PlatformUnit, listing: Listing, report: VulnerabilityReport, advisory: str, *, is_whole: bool, at: datetime
) -> None:
    """Suspend what a report is about, unless it is withdrawn already, and tell those who have it."""
    reason = f"A vulnerability was confirmed ({report.report_id})."
    if is_whole or not report.version:
        await settled(unit, listing, at, state=ListingState.SUSPENDED, state_reason=reason)
    elif await suspend_version(unit, listing, report.version, reason):
        await settled(unit, listing, at)
    told = {
        "listingId": listing.listing_id,
        "packageName": listing.name,
        "version": report.version,
        "severity": report.severity,
        "reason": advisory,
        "reportId": report.report_id,
    }
    await unit.catalogue.tell(ADVISORY_NEWS, listing.listing_id, told, installers=True)


async def _may_see(unit: PlatformUnit, caller: Caller, listing: Listing) -> bool:
    """What is not offered is known to its publisher, to who runs the market, and to those who have it."""
    if listing.state in OFFERED or caller.has(Right.RUN_MARKET) or caller.is_member(listing.tenant_id):
        return True
    return bool(await unit.catalogue.installed_by([listing.listing_id], caller.reach))


def _report_problems(severity: str, description: str) -> list[Problem]:
    problems = text_problems("description", description, longest=EXPLANATION_MAX)
    if severity not in SEVERITIES:
        text = f"severity must be one of {', '.join(SEVERITIES)}."
        problems.append(Problem(ErrorCode.BAD_USER_INPUT, text, "severity"))
    return problems
