"""The automatic checks of submissions: one after the other, by whichever worker is free (installhub.md section 3.4).

Queued, SecurityScanning, ManifestValidation, then AwaitingHumanReview, Listed or Rejected. Every move is a transaction
of its own under the claim's lease: a process may be killed at any instant, and another one begins the checks again.
What cannot be checked is never offered.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress

from domain.errors import ErrorCode, Refusal, refuse
from domain.import_model import AuditEntry
from domain.limits import Installation
from domain.market.certifying import Candidate, carried_over, certified_before
from domain.market.examining import Examined, Examiner, may_be_shown
from domain.market.model import (
    Certification,
    Listing,
    ListingState,
    Publisher,
    PublisherStatus,
    SubmissionStatus,
    TrustLevel,
)
from domain.market.publishing import Prepared, Publication, judged, scan_refusal
from domain.market.publishing_rows import Claim
from domain.model import name_key
from domain.ports import LeaseLostError, PlatformUnit, Ports
from domain.scanning import ScanResult

#: how often the checks of one submission are begun at most (installhub.md section 13)
ATTEMPTS_MAX = 3
#: beside the scan: storing the bundle as it will be offered
_LEASE_BESIDES = 60
_DETAILS_MAX, _LISTED_MAX = 2_000, 20


class Pipeline:
    """Carries submissions from the line to their rest."""

    def __init__(self, ports: Ports, installation: Installation, examiner: Examiner, publication: Publication) -> None:
        self._store = ports.store
        self._blobs = ports.blobs
        self._clock = ports.clock
        self._seconds = installation.limits.scan_seconds
        self._examiner = examiner
        self._publication = publication

    async def check_waiting(self) -> int:
        """Check what waits, one after the other; how many came to a rest."""
        done = 0
        while (claim := await self._claimed()) is not None:
            done += await self._check(claim)
        return done

    async def release_all(self) -> int:
        """Begin anew what a process left behind, when no other one can be alive."""
        async with self._store.platform_unit() as unit:
            return await unit.publishing.let_all_go()

    async def _claimed(self) -> Claim | None:
        async with self._store.platform_unit() as unit:
            return await unit.publishing.claim(lease_seconds=self._seconds + _LEASE_BESIDES)

    async def _check(self, claim: Claim) -> bool:
        """Whether the submission came to a rest; one that another worker took over is that one's."""
        try:
            await self._checked(claim)
        except Refusal as refusal:
            return await self._rejected(claim, refusal)
        except TimeoutError:
            return await self._put_off(claim)
        except LeaseLostError:
            return False
        except asyncio.CancelledError:
            await asyncio.shield(self._given_back(claim))
            raise
        return True

    async def _checked(self, claim: Claim) -> None:
        if claim.attempt > ATTEMPTS_MAX:
            text = f"The checks were begun {ATTEMPTS_MAX} times and never came to their end."
            raise refuse(ErrorCode.SCAN_ERROR, text)
        async with asyncio.timeout(self._seconds), self._examiner.reading(claim.submission.blob_key) as package:
            await self._scanned(claim, package)
            prepared = await self._publication.restated(claim.submission, package)
        try:
            await self._decided(claim, prepared)
        except (Refusal, LeaseLostError):
            # certainly rolled back: after other trouble a row may name these bytes
            await self._blobs.delete(prepared.blob_key)
            raise

    async def _scanned(self, claim: Claim, package: Examined) -> None:
        """Keep the report, whatever it says, and go on only with one that lets the package be shown."""
        async with self._store.platform_unit() as unit:
            verdict = await judged(unit, claim.submission, package)
            changes = {"scan_report": package.report.to_stored()}
            status = SubmissionStatus.MANIFEST_VALIDATION if may_be_shown(verdict) else claim.submission.status
            await unit.publishing.advance(claim, status, changes)
        if not may_be_shown(verdict):
            raise scan_refusal(package.report)

    async def _decided(self, claim: Claim, prepared: Prepared) -> None:
        """List it, or leave it to people; once they have decided, it is prepared anew."""
        submission = prepared.submission
        async with self._store.platform_unit() as unit:
            publisher = await unit.publishing.locked(submission.publisher_id)
            listing = await unit.publishing.listing_named(name_key(submission.name))
            certification = await self._carried_over(unit, prepared, listing, publisher)
            is_official = publisher is not None and publisher.is_official
            target = TrustLevel.OFFICIAL if is_official else submission.trust_target
            reason = _why_people(target, listing, certification, prepared)
            if reason:
                await unit.publishing.advance(claim, SubmissionStatus.AWAITING_HUMAN_REVIEW, {"details": reason})
            else:
                trust = TrustLevel.CERTIFIED if certification else TrustLevel.COMMUNITY
                trust = TrustLevel.OFFICIAL if is_official else trust
                await self._publication.publish(unit, prepared, trust_level=trust, certification=certification)
                changes = {"reason": "", "details": "", "reviewed_at": self._clock.now()}
                await unit.publishing.advance(claim, SubmissionStatus.LISTED, changes)
        if reason:
            await self._blobs.delete(prepared.blob_key)

    async def _carried_over(
        self, unit: PlatformUnit, prepared: Prepared, listing: Listing | None, publisher: Publisher | None
    ) -> Certification | None:
        """The certification that the version has by rules alone (installhub.md section 10.3)."""
        if listing is None or listing.trust_level is not TrustLevel.CERTIFIED:
            return None
        candidate = Candidate(
            version=prepared.manifest.version,
            readme=prepared.bundle.readme,
            coverage=prepared.submission.coverage,
            scan_result=prepared.verdict.value,
            is_publisher_verified=publisher is not None and publisher.status is PublisherStatus.VERIFIED,
        )
        before = await certified_before(unit, listing.listing_id)
        return carried_over(before, candidate, prepared.bundle.powers, self._clock.now())

    async def _rejected(self, claim: Claim, refusal: Refusal) -> bool:
        now, submission = self._clock.now(), claim.submission
        try:
            async with self._store.platform_unit() as unit:
                await unit.publishing.advance(
                    claim, SubmissionStatus.REJECTED, rejection(refusal) | {"reviewed_at": now}
                )
                details = {"submissionId": submission.submission_id, "package": submission.name}
                details |= {"version": submission.version, "reason": refusal.code.wire}
                entry = AuditEntry(now, submission.submitted_by, "package.rejected", None, details)
                await unit.of(submission.tenant_id).imports.audit(entry)
        except LeaseLostError:
            return False
        return True

    async def _put_off(self, claim: Claim) -> bool:
        """What took too long is begun again when the lease is over, a few times."""
        with suppress(LeaseLostError):
            async with self._store.platform_unit() as unit:
                await unit.publishing.advance(claim, SubmissionStatus.QUEUED)
        return False

    async def _given_back(self, claim: Claim) -> None:
        async with self._store.platform_unit() as unit:
            await unit.publishing.let_go(claim)


def rejection(refusal: Refusal) -> dict[str, str]:
    """What a rejected submission says: the code, and every problem as a line of its own."""
    lines = dict.fromkeys([refusal.message, *(problem.message for problem in refusal.problems[:_LISTED_MAX])])
    return {"reason": refusal.code.wire, "details": "\n".join(lines)[:_DETAILS_MAX]}


def _why_people(
    target: TrustLevel, listing: Listing | None, certification: Certification | None, prepared: Prepared
) -> str:
    """Why a person decides about a package that passed the checks; empty when none need to (section 10.3, X24)."""
    if listing is not None and listing.state is ListingState.SUSPENDED:
        return "The listing is suspended: a person looks at what comes next."
    if target is TrustLevel.OFFICIAL and prepared.verdict is not ScanResult.PASS:
        return "The security scan has warnings."
    if target is TrustLevel.CERTIFIED and certification is None:
        return "A person decides about its certification."
    return ""
