"""Looking after the marketplace: what publishers and those who run it ask and do."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from functools import partial
from operator import attrgetter
from typing import Annotated, TypeVar

import strawberry

from domain.errors import ErrorCode, Refusal
from domain.market.curation_rows import ReportStatus
from domain.market.managing import LATELY
from domain.rows import Slice
from resolvers.mutations import Input
from resolvers.paging import paged
from resolvers.queries import Id, Info
from resolvers.refusals import refusable
from schema import curation_inputs as asked_for
from schema.connections import After, Connection, Cursors, First, connection, page_size
from schema.curation import (
    ListingAnalytics,
    ListingTrust,
    ManualReview,
    PublisherDashboard,
    ScanException,
    VulnerabilityReport,
)
from schema.fields import described
from schema.listings import Listing
from schema.publishers import Submission

T = TypeVar("T")

Statuses = Annotated[list[ReportStatus] | None, strawberry.argument(description="Only those that stand so.")]
OfSubmission = Annotated[strawberry.ID, strawberry.argument(description="The submission.")]


@strawberry.type
class CurationQuery:
    @described("How far a listing is trusted, and why; null for what is unknown or not listed.")
    async def listing_trust(self, info: Info, id: Id) -> ListingTrust | None:
        found = await _known(info.context.services.curation.certifying.shown(id))
        return ListingTrust.of(*found) if found else None

    @described("What became of a listing of the caller's publishers; null for others'.")
    async def listing_analytics(
        self,
        info: Info,
        id: Id,
        days: Annotated[int | None, strawberry.argument(description="Of how many days, 1 to 365.")] = LATELY.days,
    ) -> ListingAnalytics | None:
        asked, period = info.context, LATELY.days if days is None else days
        managing = asked.services.curation.managing
        found = await _known(managing.analytics(asked.caller, id, asked.reach, days=period))
        return ListingAnalytics.of(found[1]) if found else None

    @described("What became of all that a publisher of the caller's offers; null for others'.")
    async def publisher_dashboard(self, info: Info, id: Id) -> PublisherDashboard | None:
        asked = info.context
        found = await _known(asked.services.curation.managing.dashboard(asked.caller, id, asked.reach))
        if found:
            asked.spend(len(found[1].listings))
        return PublisherDashboard.of(*found) if found else None

    @described("The last second look at a submission; null for none, and for others' submissions.")
    async def manual_review(self, info: Info, submission_id: OfSubmission) -> ManualReview | None:
        asked = info.context
        found = await _known(asked.services.curation.reviewing.asked(asked.caller, submission_id, asked.reach))
        return ManualReview.of(found) if found else None

    @described("An exception of a submission; null for what is unknown, and for others'.")
    async def scan_exception(self, info: Info, submission_id: OfSubmission, id: Id) -> ScanException | None:
        asked = info.context
        found = await _known(asked.services.curation.excepting.find(asked.caller, submission_id, id, asked.reach))
        return ScanException.of(found) if found else None

    @described("Submissions that wait for a person, oldest first.")
    async def review_queue(self, info: Info, first: First = 20, after: After = None) -> Connection[Submission]:
        find, cursors = info.context.services.curation.reviewing.queue, Cursors("reviewQueue")
        key = attrgetter("submission_id")
        return await paged(info.context, cursors, find, first=first, after=after, node=Submission.of, key=key)

    @described("Second looks that nobody took, oldest first.")
    async def manual_reviews(self, info: Info, first: First = 20, after: After = None) -> Connection[ManualReview]:
        find, cursors = info.context.services.curation.reviewing.waiting, Cursors("manualReviews")
        key = attrgetter("request_id")
        return await paged(info.context, cursors, find, first=first, after=after, node=ManualReview.of, key=key)

    @described("Exceptions that wait to be decided, oldest first.")
    async def scan_exceptions(self, info: Info, first: First = 20, after: After = None) -> Connection[ScanException]:
        find, cursors = info.context.services.curation.excepting.waiting, Cursors("scanExceptions")
        key = attrgetter("exception_id")
        return await paged(info.context, cursors, find, first=first, after=after, node=ScanException.of, key=key)

    @described("Reports that listings are dangerous, oldest first.")
    async def vulnerability_reports(
        self, info: Info, statuses: Statuses = None, first: First = 20, after: After = None
    ) -> Connection[VulnerabilityReport]:
        find = partial(info.context.services.curation.safeguarding.reports, statuses=statuses or ())
        cursors, key = Cursors("vulnerabilityReports"), attrgetter("report_id")
        return await paged(info.context, cursors, find, first=first, after=after, node=VulnerabilityReport.of, key=key)

    @described("Listings that people are to look at again, by id.")
    async def flagged_listings(self, info: Info, first: First = 20, after: After = None) -> Connection[Listing]:
        asked, cursors = info.context, Cursors("flaggedListings")
        size, seen = page_size(first), cursors.text(after)
        page = await asked.services.curation.safeguarding.flagged(asked.caller, first=size, after=seen)
        asked.spend(len(page.items))
        shown = await asyncio.gather(*(asked.catalogue.listing(one.listing_id) for one in page.items))
        listings = Slice(tuple(one for one in shown if one), page.has_next)
        return connection(listings, cursors, after, node=Listing.of, key=lambda one: (one.head.listing_id,))


@strawberry.type
class CurationMutation:
    @described("Changes how a listing is described.")
    @refusable(asked_for.UpdateListingPayload)
    async def update_listing(
        self, info: Info, input: Input[asked_for.UpdateListingInput]
    ) -> asked_for.UpdateListingPayload:
        asked, managing = info.context, info.context.services.curation.managing
        await managing.change(asked.caller, input.listing_id, asked.reach, input.change())
        return asked_for.UpdateListingPayload(listing=await asked.listing(input.listing_id))

    @described("Lets nobody install a version anew; whoever has it is told.")
    @refusable(asked_for.DeprecateVersionPayload)
    async def deprecate_version(
        self, info: Info, input: Input[asked_for.DeprecateVersionInput]
    ) -> asked_for.DeprecateVersionPayload:
        asked, instead = info.context, input.replaced_by_version or ""
        await asked.services.curation.managing.deprecate(
            asked.caller, input.listing_id, input.version, asked.reach, reason=input.reason, replaced_by=instead
        )
        return asked_for.DeprecateVersionPayload(listing=await asked.listing(input.listing_id))

    @described("Takes a version back: nobody installs it any more, not even by its number.")
    @refusable(asked_for.YankVersionPayload)
    async def yank_version(self, info: Info, input: Input[asked_for.YankVersionInput]) -> asked_for.YankVersionPayload:
        asked, managing = info.context, info.context.services.curation.managing
        await managing.take_back(asked.caller, input.listing_id, input.version, asked.reach, reason=input.reason)
        return asked_for.YankVersionPayload(listing=await asked.listing(input.listing_id))

    @described("Takes a listing off the market. Only a review brings it back.")
    @refusable(asked_for.UnlistListingPayload)
    async def unlist_listing(
        self, info: Info, input: Input[asked_for.UnlistListingInput]
    ) -> asked_for.UnlistListingPayload:
        asked, managing = info.context, info.context.services.curation.managing
        await managing.unlist(asked.caller, input.listing_id, asked.reach, reason=input.reason)
        return asked_for.UnlistListingPayload(listing=await asked.listing(input.listing_id))

    @described("Asks for the review that brings a listing back.")
    @refusable(asked_for.RelistListingPayload)
    async def relist_listing(
        self, info: Info, input: Input[asked_for.RelistListingInput]
    ) -> asked_for.RelistListingPayload:
        asked, managing = info.context, info.context.services.curation.managing
        await managing.ask_relisting(asked.caller, input.listing_id, asked.reach, explanation=input.explanation)
        return asked_for.RelistListingPayload(listing=await asked.listing(input.listing_id))

    @described("Offers a listing, or one of its versions, to nobody anew.")
    @refusable(asked_for.SuspendListingPayload)
    async def suspend_listing(
        self, info: Info, input: Input[asked_for.SuspendListingInput]
    ) -> asked_for.SuspendListingPayload:
        asked, safeguarding = info.context, info.context.services.curation.safeguarding
        version = input.version or ""
        await safeguarding.suspend(asked.caller, input.listing_id, reason=input.reason, version=version)
        return asked_for.SuspendListingPayload(listing=await asked.listing(input.listing_id))

    @described("Offers a listing, or one of its versions, again.")
    @refusable(asked_for.ReinstateListingPayload)
    async def reinstate_listing(
        self, info: Info, input: Input[asked_for.ReinstateListingInput]
    ) -> asked_for.ReinstateListingPayload:
        asked, safeguarding = info.context, info.context.services.curation.safeguarding
        version, details = input.version or "", input.details or ""
        await safeguarding.reinstate(asked.caller, input.listing_id, version=version, details=details)
        return asked_for.ReinstateListingPayload(listing=await asked.listing(input.listing_id))

    @described("Certifies a published version.")
    @refusable(asked_for.CertifyVersionPayload)
    async def certify_version(
        self, info: Info, input: Input[asked_for.CertifyVersionInput]
    ) -> asked_for.CertifyVersionPayload:
        asked = info.context
        await asked.services.curation.certifying.certify(asked.caller, input.listing_id, input.version)
        return asked_for.CertifyVersionPayload(listing=await asked.listing(input.listing_id))

    @described("Takes the certification of a listing.")
    @refusable(asked_for.RevokeCertificationPayload)
    async def revoke_certification(
        self, info: Info, input: Input[asked_for.RevokeCertificationInput]
    ) -> asked_for.RevokeCertificationPayload:
        asked = info.context
        await asked.services.curation.certifying.revoke(asked.caller, input.listing_id, reason=input.reason)
        return asked_for.RevokeCertificationPayload(listing=await asked.listing(input.listing_id))

    @described("Decides about a submission that waits for a person. Approved, its package is offered.")
    @refusable(asked_for.ReviewSubmissionPayload)
    async def review_submission(
        self, info: Info, input: Input[asked_for.ReviewSubmissionInput]
    ) -> asked_for.ReviewSubmissionPayload:
        asked, reviewing, details = info.context, info.context.services.curation.reviewing, input.details or ""
        if input.decision.is_yes:
            found = await reviewing.approve(
                asked.caller, input.submission_id, details=details, trust_level=input.trust_level
            )
        else:
            reason, is_fast_track = input.reason or "", bool(input.is_fast_track)
            found = await reviewing.reject(
                asked.caller, input.submission_id, reason=reason, details=details, is_fast_track=is_fast_track
            )
        return asked_for.ReviewSubmissionPayload(submission=Submission.of(found))

    @described("Asks that a person looks at what the scan of a submission warned of.")
    @refusable(asked_for.RequestManualReviewPayload)
    async def request_manual_review(
        self, info: Info, input: Input[asked_for.RequestManualReviewInput]
    ) -> asked_for.RequestManualReviewPayload:
        asked, key = info.context, input.idempotency_key
        made = await asked.services.curation.reviewing.ask(
            asked.caller, input.submission_id, asked.reach, explanation=input.explanation, key=key
        )
        return asked_for.RequestManualReviewPayload(manual_review=ManualReview.of(made))

    @described("Closes a second look.")
    @refusable(asked_for.DecideManualReviewPayload)
    async def decide_manual_review(
        self, info: Info, input: Input[asked_for.DecideManualReviewInput]
    ) -> asked_for.DecideManualReviewPayload:
        asked, is_approved = info.context, input.decision.is_yes
        decided = await asked.services.curation.reviewing.decide(
            asked.caller, input.submission_id, is_approved=is_approved, details=input.details
        )
        return asked_for.DecideManualReviewPayload(manual_review=ManualReview.of(decided))

    @described("Asks that one finding of a submission's scan be let pass.")
    @refusable(asked_for.RequestScanExceptionPayload)
    async def request_scan_exception(
        self, info: Info, input: Input[asked_for.RequestScanExceptionInput]
    ) -> asked_for.RequestScanExceptionPayload:
        asked = info.context
        made = await asked.services.curation.excepting.ask(
            asked.caller,
            input.submission_id,
            asked.reach,
            finding_index=input.finding_index,
            explanation=input.explanation,
            evidence=input.evidence or "",
            key=input.idempotency_key,
        )
        return asked_for.RequestScanExceptionPayload(scan_exception=ScanException.of(made))

    @described("Decides about an exception.")
    @refusable(asked_for.DecideScanExceptionPayload)
    async def decide_scan_exception(
        self, info: Info, input: Input[asked_for.DecideScanExceptionInput]
    ) -> asked_for.DecideScanExceptionPayload:
        asked = info.context
        decided = await asked.services.curation.excepting.decide(
            asked.caller,
            input.submission_id,
            input.exception_id,
            is_approved=input.decision.is_yes,
            details=input.details or "",
        )
        return asked_for.DecideScanExceptionPayload(scan_exception=ScanException.of(decided))

    @described("Says that a listing is dangerous. Everybody may.")
    @refusable(asked_for.ReportVulnerabilityPayload)
    async def report_vulnerability(
        self, info: Info, input: Input[asked_for.ReportVulnerabilityInput]
    ) -> asked_for.ReportVulnerabilityPayload:
        asked = info.context
        made = await asked.services.curation.safeguarding.report(
            asked.caller,
            input.listing_id,
            severity=input.severity.wire,
            description=input.description,
            version=input.version or "",
            key=input.idempotency_key,
        )
        return asked_for.ReportVulnerabilityPayload(vulnerability_report=VulnerabilityReport.of(made))

    @described("Confirms or dismisses a report. Confirmed, every tenant that has the package is told.")
    @refusable(asked_for.DecideVulnerabilityReportPayload)
    async def decide_vulnerability_report(
        self, info: Info, input: Input[asked_for.DecideVulnerabilityReportInput]
    ) -> asked_for.DecideVulnerabilityReportPayload:
        asked = info.context
        closed = await asked.services.curation.safeguarding.close(
            asked.caller,
            input.report_id,
            is_confirmed=input.is_confirmed,
            advisory=input.advisory or "",
            is_whole=bool(input.is_whole_listing),
        )
        return asked_for.DecideVulnerabilityReportPayload(vulnerability_report=VulnerabilityReport.of(closed))


async def _known(looked: Awaitable[T]) -> T | None:
    """What a lookup found; nothing for what is unknown or foreign (decisions R21, section 9.5)."""
    try:
        return await looked
    except Refusal as refusal:
        if refusal.code is ErrorCode.NOT_FOUND:
            return None
        raise
