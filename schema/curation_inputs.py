"""What those who look after the marketplace ask, and what comes of it."""

from __future__ import annotations

from enum import Enum

import strawberry

from domain.market.managing import ListingChange
from domain.market.model import TrustLevel
from domain.scanning import Severity
from schema.curation import ManualReview, ScanException, VulnerabilityReport
from schema.inputs import IDEMPOTENCY_KEY
from schema.listings import Listing
from schema.publishers import Submission
from schema.refusals import RefusalShown

_LISTING = "The listing."
_LISTING_NOW = "The listing as it is now; null when it no longer has a version to show."
_VERSION = "The version."
_SUBMISSION = "The submission."
_REASON = "Why, at most 500 characters."
_EXPLANATION = "Why, at most 5,000 characters."
_DETAILS = "What was found, at most 5,000 characters; a rejection needs it."
_REFUSAL = "Why nothing was done."


@strawberry.enum(description="What a person decides.")
class Decision(Enum):
    """It is made once."""

    APPROVE = "Approve"
    REJECT = "Reject"

    @property
    def is_yes(self) -> bool:
        return self is Decision.APPROVE


@strawberry.input(description="How a listing is described; what is left out stays.")
class UpdateListingInput:
    listing_id: strawberry.ID = strawberry.field(description=_LISTING)
    description: str | None = strawberry.field(default=None, description="At most 500 characters.")
    tags: list[str] | None = strawberry.field(default=None, description="At most 10 words to find it by.")
    screenshots: list[str] | None = strawberry.field(default=None, description="At most 10 https addresses.")

    def change(self) -> ListingChange:
        return ListingChange(
            description=self.description,
            tags=None if self.tags is None else tuple(self.tags),
            screenshots=None if self.screenshots is None else tuple(self.screenshots),
        )


@strawberry.input(description="A version that should no longer be used.")
class DeprecateVersionInput:
    listing_id: strawberry.ID = strawberry.field(description=_LISTING)
    version: str = strawberry.field(description=_VERSION)
    reason: str = strawberry.field(description=_REASON)
    replaced_by_version: str | None = strawberry.field(default=None, description="A listed version to use instead.")


@strawberry.input(description="A version that its publisher takes back.")
class YankVersionInput:
    listing_id: strawberry.ID = strawberry.field(description=_LISTING)
    version: str = strawberry.field(description=_VERSION)
    reason: str = strawberry.field(description=_REASON)


@strawberry.input(description="A listing to be taken off the market.")
class UnlistListingInput:
    listing_id: strawberry.ID = strawberry.field(description=_LISTING)
    reason: str = strawberry.field(description=_REASON)


@strawberry.input(description="A listing that its publisher wants back on the market.")
class RelistListingInput:
    listing_id: strawberry.ID = strawberry.field(description=_LISTING)
    explanation: str = strawberry.field(description=_EXPLANATION)


@strawberry.input(description="What nobody is to install anew.")
class SuspendListingInput:
    listing_id: strawberry.ID = strawberry.field(description=_LISTING)
    reason: str = strawberry.field(description=_REASON)
    version: str | None = strawberry.field(default=None, description="Only this version; left out: the listing.")


@strawberry.input(description="What is to be offered again. A flag on the listing is seen.")
class ReinstateListingInput:
    listing_id: strawberry.ID = strawberry.field(description=_LISTING)
    version: str | None = strawberry.field(default=None, description="Only this version; left out: the listing.")
    details: str | None = strawberry.field(default=None, description="What was found.")


@strawberry.input(description="A published version that meets every rule of Certified.")
class CertifyVersionInput:
    listing_id: strawberry.ID = strawberry.field(description=_LISTING)
    version: str = strawberry.field(description=_VERSION)


@strawberry.input(description="A listing whose versions are certified no more.")
class RevokeCertificationInput:
    listing_id: strawberry.ID = strawberry.field(description=_LISTING)
    reason: str = strawberry.field(description=_REASON)


@strawberry.input(description="What was decided about a submission that waits for a person.")
class ReviewSubmissionInput:
    submission_id: strawberry.ID = strawberry.field(description=_SUBMISSION)
    decision: Decision = strawberry.field(description="What was decided.")
    details: str | None = strawberry.field(default=None, description=_DETAILS)
    reason: str | None = strawberry.field(default=None, description="For a rejection, in a word.")
    trust_level: TrustLevel | None = strawberry.field(
        default=None, description="For an approval, lower than what was aimed at: COMMUNITY."
    )
    is_fast_track: bool | None = strawberry.field(
        default=False, description="For a rejection: whether the next submission is looked at first."
    )


@strawberry.input(description="A submission whose warnings a person should look at.")
class RequestManualReviewInput:
    submission_id: strawberry.ID = strawberry.field(description=_SUBMISSION)
    explanation: str = strawberry.field(description=_EXPLANATION)
    idempotency_key: str | None = strawberry.field(default=None, description=IDEMPOTENCY_KEY)


@strawberry.input(description="What a second look found. Rejected, the version is suspended.")
class DecideManualReviewInput:
    submission_id: strawberry.ID = strawberry.field(description=_SUBMISSION)
    decision: Decision = strawberry.field(description="What was decided.")
    details: str = strawberry.field(description=_DETAILS)


@strawberry.input(description="A finding of a submission's scan that is a false alarm.")
class RequestScanExceptionInput:
    submission_id: strawberry.ID = strawberry.field(description=_SUBMISSION)
    finding_index: int = strawberry.field(description="The finding's `key` in the report.")
    explanation: str = strawberry.field(description=_EXPLANATION)
    evidence: str | None = strawberry.field(default=None, description="What shows it.")
    idempotency_key: str | None = strawberry.field(default=None, description=IDEMPOTENCY_KEY)


@strawberry.input(description="What was decided about an exception. Approved, the submission is checked anew.")
class DecideScanExceptionInput:
    submission_id: strawberry.ID = strawberry.field(description=_SUBMISSION)
    exception_id: strawberry.ID = strawberry.field(description="The exception's `key`.")
    decision: Decision = strawberry.field(description="What was decided.")
    details: str | None = strawberry.field(default=None, description="What was found.")


@strawberry.input(description="What is dangerous.")
class ReportVulnerabilityInput:
    listing_id: strawberry.ID = strawberry.field(description=_LISTING)
    severity: Severity = strawberry.field(description="How bad it is.")
    description: str = strawberry.field(description="What happens, and how to see it; at most 5,000 characters.")
    version: str | None = strawberry.field(default=None, description="The version; left out: the latest.")
    idempotency_key: str | None = strawberry.field(default=None, description=IDEMPOTENCY_KEY)


@strawberry.input(description="What was found out about a report.")
class DecideVulnerabilityReportInput:
    report_id: strawberry.ID = strawberry.field(description="The report's `key`.")
    is_confirmed: bool = strawberry.field(description="Confirmed, the version is suspended.")
    advisory: str | None = strawberry.field(
        default=None, description="What everybody is told who has the package; a confirmation needs it."
    )
    is_whole_listing: bool | None = strawberry.field(default=False, description="Suspend the whole listing.")


@strawberry.type(description="The listing as it is now.")
class UpdateListingPayload:
    listing: Listing | None = strawberry.field(default=None, description=_LISTING_NOW)
    refusal: RefusalShown | None = strawberry.field(default=None, description=_REFUSAL)


@strawberry.type(description="The listing as it is now.")
class DeprecateVersionPayload:
    listing: Listing | None = strawberry.field(default=None, description=_LISTING_NOW)
    refusal: RefusalShown | None = strawberry.field(default=None, description=_REFUSAL)


@strawberry.type(description="The listing as it is now.")
class YankVersionPayload:
    listing: Listing | None = strawberry.field(default=None, description=_LISTING_NOW)
    refusal: RefusalShown | None = strawberry.field(default=None, description=_REFUSAL)


@strawberry.type(description="The listing as it is now.")
class UnlistListingPayload:
    listing: Listing | None = strawberry.field(default=None, description=_LISTING_NOW)
    refusal: RefusalShown | None = strawberry.field(default=None, description=_REFUSAL)


@strawberry.type(description="The listing as it is now: it comes back once people have looked.")
class RelistListingPayload:
    listing: Listing | None = strawberry.field(default=None, description=_LISTING_NOW)
    refusal: RefusalShown | None = strawberry.field(default=None, description=_REFUSAL)


@strawberry.type(description="The listing as it is now.")
class SuspendListingPayload:
    listing: Listing | None = strawberry.field(default=None, description=_LISTING_NOW)
    refusal: RefusalShown | None = strawberry.field(default=None, description=_REFUSAL)


@strawberry.type(description="The listing as it is now.")
class ReinstateListingPayload:
    listing: Listing | None = strawberry.field(default=None, description=_LISTING_NOW)
    refusal: RefusalShown | None = strawberry.field(default=None, description=_REFUSAL)


@strawberry.type(description="The listing as it is now.")
class CertifyVersionPayload:
    listing: Listing | None = strawberry.field(default=None, description=_LISTING_NOW)
    refusal: RefusalShown | None = strawberry.field(default=None, description=_REFUSAL)


@strawberry.type(description="The listing as it is now.")
class RevokeCertificationPayload:
    listing: Listing | None = strawberry.field(default=None, description=_LISTING_NOW)
    refusal: RefusalShown | None = strawberry.field(default=None, description=_REFUSAL)


@strawberry.type(description="The submission as it is now.")
class ReviewSubmissionPayload:
    submission: Submission | None = strawberry.field(default=None, description=_SUBMISSION)
    refusal: RefusalShown | None = strawberry.field(default=None, description=_REFUSAL)


@strawberry.type(description="The second look, which somebody will take.")
class RequestManualReviewPayload:
    manual_review: ManualReview | None = strawberry.field(default=None, description="The request.")
    refusal: RefusalShown | None = strawberry.field(default=None, description=_REFUSAL)


@strawberry.type(description="The second look as it is now.")
class DecideManualReviewPayload:
    manual_review: ManualReview | None = strawberry.field(default=None, description="The request.")
    refusal: RefusalShown | None = strawberry.field(default=None, description=_REFUSAL)


@strawberry.type(description="The exception, which somebody will decide.")
class RequestScanExceptionPayload:
    scan_exception: ScanException | None = strawberry.field(default=None, description="The exception.")
    refusal: RefusalShown | None = strawberry.field(default=None, description=_REFUSAL)


@strawberry.type(description="The exception as it is now.")
class DecideScanExceptionPayload:
    scan_exception: ScanException | None = strawberry.field(default=None, description="The exception.")
    refusal: RefusalShown | None = strawberry.field(default=None, description=_REFUSAL)


@strawberry.type(description="The report, which those who run the market will look at.")
class ReportVulnerabilityPayload:
    vulnerability_report: VulnerabilityReport | None = strawberry.field(default=None, description="The report.")
    refusal: RefusalShown | None = strawberry.field(default=None, description=_REFUSAL)


@strawberry.type(description="The report as it is now.")
class DecideVulnerabilityReportPayload:
    vulnerability_report: VulnerabilityReport | None = strawberry.field(default=None, description="The report.")
    refusal: RefusalShown | None = strawberry.field(default=None, description=_REFUSAL)
