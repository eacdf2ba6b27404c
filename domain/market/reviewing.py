"""What people decide about submissions: the review queue, and second looks that publishers ask for.

(installhub.md sections 3.4, 4.3, 10.3 and 10.4; X24.) A person publishes through the same door as the automatic
checks: ``domain.market.publishing``.
"""

from __future__ import annotations

from typing import Any

import uuid_utils

from domain.access import Caller, Reach, Right, require
from domain.errors import ErrorCode, Refusal, refuse, refuse_if
from domain.market.certifying import Candidate, certification_problems, certified
from domain.market.curation_rows import Judgement, ManualReview
from domain.market.excepting import refuse_own, submission_of
from domain.market.model import (
    Certification,
    PublisherStatus,
    Submission,
    SubmissionStatus,
    TrustLevel,
)
from domain.market.publishing import Prepared, Publication
from domain.market.standing import (
    EXPLANATION_MAX,
    OFFERED,
    REASON_MAX,
    any_listing,
    audited,
    settled,
    suspend_version,
    text_problems,
)
from domain.ports import PlatformUnit, Ports
from domain.repeating import Once, made_before, once, remember, written_once
from domain.rows import Page, Slice
from domain.scanning import ScanResult

_AWAITING = SubmissionStatus.AWAITING_HUMAN_REVIEW
_REJECTED_REASON = "RejectedByReview"


class Reviewing:
    """The desk of those who run the market, and the publishers' way to it."""

    def __init__(self, ports: Ports, publication: Publication) -> None:
        self._store = ports.store
        self._blobs = ports.blobs
        self._clock = ports.clock
        self._publication = publication

    async def queue(self, caller: Caller, *, first: int, after: str | None = None) -> Slice[Submission]:
        """Submissions that wait for a person, those on the fast track first, then the oldest.

        Raises ``InsufficientPermission``.
        """
        require(caller, Right.RUN_MARKET)
        async with self._store.platform_view() as unit:
            return await unit.curation.awaiting(first=first, after=after)

    async def queue_page(self, caller: Caller, *, page: int, page_size: int) -> Page[Submission]:
        """The same by page number, counted."""
        require(caller, Right.RUN_MARKET)
        async with self._store.platform_view() as unit:
            return await unit.curation.awaiting_page(page=page, page_size=page_size)

    async def approve(
        self, caller: Caller, submission_id: str, *, details: str = "", trust_level: TrustLevel | None = None
    ) -> Submission:
        """Publish what waits for a person, at the trust level that was aimed at or a lower one.

        Raises ``InsufficientPermission``, ``NotFound``, ``BadUserInput``, ``StateConflict`` when it does not wait, or
        is one's own, ``CertificationRefused`` with all that Certified lacks, and whatever publishing refuses.
        """
        require(caller, Right.RUN_MARKET)
        refuse_if(text_problems("details", details, longest=EXPLANATION_MAX, is_required=False))
        submission = await self._waiting(caller, submission_id)
        level = _level(submission, trust_level)
        prepared = await self._publication.prepared(submission)
        try:
            return await self._published(caller, prepared, level, details)
        except Refusal:
            # certainly rolled back: after other trouble a row may name these bytes
            await self._blobs.delete(prepared.blob_key)
            raise

    async def _published(self, caller: Caller, prepared: Prepared, level: TrustLevel, details: str) -> Submission:
        now, submission = self._clock.now(), prepared.submission
        changes = {"reason": "", "details": details, "reviewed_at": now, "reviewed_by": caller.actor}
        async with self._store.platform_unit() as unit:
            await _decided(unit, submission, SubmissionStatus.LISTED, changes)
            certification = await self._certification(unit, caller, prepared) if level is TrustLevel.CERTIFIED else None
            await self._publication.publish(
                unit, prepared, trust_level=level, certification=certification, decided_by=caller.actor
            )
            listing = await any_listing(unit, submission.listing_id)
            if listing.state in OFFERED:
                # a person looked at it: what was flagged is seen; what asks to come back still asks
                await settled(unit, listing, now, needs_review=False)
            told = _told(submission) | {"trustLevel": level.wire, "details": details}
            await audited(unit, caller, submission.tenant_id, "submission.approved", told, at=now)
            return await submission_of(unit, caller, submission.submission_id, None)

    async def _certification(self, unit: PlatformUnit, caller: Caller, prepared: Prepared) -> Certification:
        """Raises ``CertificationRefused`` with everything that is lacking."""
        submission = prepared.submission
        publisher = await unit.publishing.publisher(submission.publisher_id)
        candidate = Candidate(
            version=submission.version,
            readme=prepared.bundle.readme,
            coverage=submission.coverage,
            scan_result=prepared.verdict.value,
            is_publisher_verified=publisher is not None and publisher.status is PublisherStatus.VERIFIED,
        )
        refuse_if(certification_problems(candidate))
        return certified(caller.actor, self._clock.now(), submission.coverage)

    async def reject(
        self, caller: Caller, submission_id: str, *, reason: str = "", details: str, is_fast_track: bool = False
    ) -> Submission:
        """Send a submission back; its version may be submitted again (section 10.4).

        ``is_fast_track``: what comes next is looked at first. Raises ``InsufficientPermission``, ``NotFound``,
        ``MissingRequiredField``, ``BadUserInput`` and ``StateConflict`` when it does not wait.
        """
        require(caller, Right.RUN_MARKET)
        wrong = text_problems("reason", reason, is_required=False)
        refuse_if([*wrong, *text_problems("details", details, longest=EXPLANATION_MAX)])
        submission = await self._waiting(caller, submission_id)
        now = self._clock.now()
        changes = {"reason": reason or _REJECTED_REASON, "details": details, "is_fast_track": is_fast_track}
        async with self._store.platform_unit() as unit:
            seen = changes | {"reviewed_at": now, "reviewed_by": caller.actor}
            await _decided(unit, submission, SubmissionStatus.REJECTED, seen)
            await audited(
                unit, caller, submission.tenant_id, "submission.rejected", _told(submission) | changes, at=now
            )
            return await submission_of(unit, caller, submission_id, None)

    async def _waiting(self, caller: Caller, submission_id: str) -> Submission:
        async with self._store.platform_view() as unit:
            submission = await submission_of(unit, caller, submission_id, None)
        if submission.status is not _AWAITING:
            raise _not_waiting(submission)
        refuse_own(submission.submitted_by, caller)
        return submission

    async def ask(
        self, caller: Caller, submission_id: str, reach: Reach, *, explanation: str, key: str | None = None
    ) -> ManualReview:
        """Ask that a person looks at a submission whose scan warned (section 4.3).

        Raises ``InsufficientPermission``, ``NotFound``, ``MissingRequiredField``, ``BadUserInput``, ``StateConflict``
        for one that was not warned of or is asked for already, and ``IdempotencyKeyReused``.
        """
        require(caller, Right.PUBLISH)
        request = once(caller, key, "requestManualReview", submission_id, explanation)
        return await written_once(lambda: self._ask(caller, submission_id, reach, explanation, request))

    async def _ask(
        self, caller: Caller, submission_id: str, reach: Reach, explanation: str, request: Once | None
    ) -> ManualReview:
        now = self._clock.now()
        async with self._store.platform_unit() as unit:
            submission = await submission_of(unit, caller, submission_id, reach)
            owner = unit.of(submission.tenant_id)
            made = await made_before(owner, request, now)
            if made and (first := await unit.curation.manual_review(made["requestId"])):
                return first
            refuse_if(text_problems("explanation", explanation, longest=EXPLANATION_MAX))
            if not _was_warned(submission):
                text = "A person looks only at what the scan warned of; for what it forbids, ask for an exception."
                raise refuse(ErrorCode.STATE_CONFLICT, text, "submissionId")
            wanted = ManualReview(
                request_id=f"rev-req-{uuid_utils.uuid7()}",
                tenant_id=submission.tenant_id,
                submission_id=submission.submission_id,
                explanation=explanation,
                status=Judgement.UNDER_REVIEW,
                details="",
                asked_at=now,
                asked_by=caller.actor,
            )
            if not await unit.curation.ask_for_review(wanted):
                raise refuse(ErrorCode.STATE_CONFLICT, "A review is under way already.", "submissionId")
            await remember(owner, request, {"requestId": wanted.request_id}, now)
            told = _told(submission) | {"requestId": wanted.request_id}
            await audited(unit, caller, submission.tenant_id, "manualReview.asked", told, at=now)
        return wanted

    async def asked(self, caller: Caller, submission_id: str, reach: Reach) -> ManualReview:
        """The last second look that was asked for. Raises ``InsufficientPermission`` and ``NotFound``."""
        async with self._store.platform_view() as unit:
            submission = await submission_of(unit, caller, submission_id, reach)
            return await _asked(unit, submission)

    async def waiting(self, caller: Caller, *, first: int, after: str | None = None) -> Slice[ManualReview]:
        """Second looks that nobody took, oldest first. Raises ``InsufficientPermission``."""
        require(caller, Right.RUN_MARKET)
        async with self._store.platform_view() as unit:
            return await unit.curation.open_reviews(first=first, after=after)

    async def decide(self, caller: Caller, submission_id: str, *, is_approved: bool, details: str) -> ManualReview:
        """Close a second look. Not approved, the version that came of the submission is suspended.

        Raises ``InsufficientPermission``, ``NotFound``, ``MissingRequiredField``, ``BadUserInput`` and
        ``StateConflict`` when it was decided before, or is one's own.
        """
        require(caller, Right.RUN_MARKET)
        now = self._clock.now()
        status = Judgement.APPROVED if is_approved else Judgement.REJECTED
        async with self._store.platform_unit() as unit:
            submission = await submission_of(unit, caller, submission_id, None)
            there = await _asked(unit, submission)
            refuse_if(text_problems("details", details, longest=EXPLANATION_MAX))
            refuse_own(there.asked_by, caller)
            if not await unit.curation.decide_review(there.request_id, status, details, by=caller.actor, at=now):
                raise refuse(ErrorCode.STATE_CONFLICT, "This review was decided before.", "submissionId")
            if not is_approved and submission.status is SubmissionStatus.LISTED:
                listing = await any_listing(unit, submission.listing_id)
                await suspend_version(unit, listing, submission.version, details[:REASON_MAX])
                await settled(unit, listing, now)
            told = _told(submission) | {"requestId": there.request_id, "details": details}
            await audited(unit, caller, submission.tenant_id, f"manualReview.{status.name.lower()}", told, at=now)
            return await _asked(unit, submission)


async def _decided(
    unit: PlatformUnit, submission: Submission, status: SubmissionStatus, changes: dict[str, Any]
) -> None:
    if not await unit.publishing.decide(submission.submission_id, _AWAITING, status, changes):
        raise refuse(ErrorCode.STATE_CONFLICT, "Somebody else decided about it meanwhile.", "submissionId")


async def _asked(unit: PlatformUnit, submission: Submission) -> ManualReview:
    found = (await unit.curation.manual_reviews([submission.submission_id])).get(submission.submission_id)
    if found is None:
        raise refuse(ErrorCode.NOT_FOUND, "No manual review was asked for.", "submissionId", what="manualReview")
    return found


def _level(submission: Submission, wanted: TrustLevel | None) -> TrustLevel:
    """What the submission becomes: never more than it aimed at."""
    if wanted is None or wanted is submission.trust_target:
        return submission.trust_target
    if wanted is TrustLevel.COMMUNITY and submission.trust_target is TrustLevel.CERTIFIED:
        return wanted
    text = f"The submission aims at {submission.trust_target.wire}."
    raise refuse(ErrorCode.BAD_USER_INPUT, text, "trustLevel")


def _not_waiting(submission: Submission) -> Refusal:
    text = f"The submission is {submission.status.wire}; nobody decides about it now."
    return refuse(ErrorCode.STATE_CONFLICT, text, "submissionId", status=submission.status.wire)


def _was_warned(submission: Submission) -> bool:
    report = submission.scan_report or {}
    return report.get("overallResult") == ScanResult.WARN.value and submission.status in {
        SubmissionStatus.LISTED,
        _AWAITING,
    }


def _told(submission: Submission) -> dict[str, Any]:
    return {
        "submissionId": submission.submission_id,
        "listingId": submission.listing_id,
        "package": submission.name,
        "version": submission.version,
    }
