"""What is remembered for those who look after the market: publishers, reviewers, operators (see ``domain.ports``)."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from domain.market.model import (
    Certification,
    Listing,
    ListingId,
    ListingState,
    Submission,
    SubmissionId,
    SubmissionStatus,
    VulnerabilityReport,
)
from domain.model import Actor, BlobKey, TenantId, WireEnum
from domain.rows import Page, Slice


class Judgement(WireEnum):
    """How a request to a person stands: a manual review, or an exception from a scan (installhub.md section 9.6)."""

    UNDER_REVIEW = "UnderReview"
    APPROVED = "Approved"
    REJECTED = "Rejected"


class ReportStatus(WireEnum):
    """What became of a vulnerability report."""

    RECEIVED = "Received"
    CONFIRMED = "Confirmed"
    DISMISSED = "Dismissed"


@dataclass(frozen=True, slots=True)
class Standing:
    """How one version of a listing stands, without its manifest and its reports."""

    version: str
    state: ListingState
    state_reason: str
    replaced_by: str
    scan_result: str
    submission_id: SubmissionId
    certification: Certification | None


@dataclass(frozen=True, slots=True)
class ManualReview:
    """A publisher's wish that a person looks at what the scan warned of (installhub.md section 4.3)."""

    request_id: str
    tenant_id: TenantId
    submission_id: SubmissionId
    explanation: str
    status: Judgement
    details: str
    asked_at: datetime
    asked_by: Actor
    decided_at: datetime | None = None
    decided_by: Actor | None = None


@dataclass(frozen=True, slots=True)
class ScanException:
    """A publisher's word that one finding is a false alarm; bound to rule, place and bytes (R6)."""

    exception_id: str
    tenant_id: TenantId
    submission_id: SubmissionId
    finding_index: int
    rule: str
    pointer: str
    artifact_hash: str
    explanation: str
    evidence: str
    status: Judgement
    asked_at: datetime
    asked_by: Actor
    decided_at: datetime | None = None
    decided_by: Actor | None = None

    @property
    def binding(self) -> Binding:
        """What it lets pass, once approved."""
        return self.rule, self.pointer, self.artifact_hash


#: the rule, the JSON pointer and the hash of the artifact's file that one approved exception lets pass (R6)
Binding = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class DueScan:
    """A version that is to be scanned again."""

    listing_id: ListingId
    tenant_id: TenantId
    version: str
    blob_key: BlobKey
    scanned_at: datetime
    rules_version: str


@dataclass(frozen=True, slots=True)
class NewScan:
    """The outcome of scanning a version again."""

    result: str
    report: Mapping[str, Any]
    scanned_at: datetime
    rules_version: str


@dataclass(frozen=True, slots=True)
class ListingFigures:
    """Real counts of one listing. Installs are counted once a tenant (installhub.md section 10.2)."""

    installs: int
    installs_since: int
    #: day (``2026-05-25``) and how many tenants installed it first on that day, in order; days without are left out
    by_day: Sequence[tuple[str, int]]
    #: version and how many tenants installed it last
    by_version: Sequence[tuple[str, int]]
    #: stars of published reviews, 1 to 5
    stars: Mapping[int, int]


@dataclass(frozen=True, slots=True)
class ShelfTotals:
    """Sums over all listings of a publisher; ``rating_sum`` are the stars of published reviews."""

    listings: int
    installs: int
    rating_sum: int
    reviews: int

    @property
    def rating(self) -> float | None:
        """Average stars, 1 to 5, to two digits; ``None`` without any review."""
        return round(self.rating_sum / self.reviews, 2) if self.reviews else None


@dataclass(frozen=True, slots=True)
class ShelfFigures:
    """Real counts of a publisher's listings; ``listings`` are some of them, everything else counts all."""

    listings: Sequence[Listing]
    totals: ShelfTotals
    versions: Mapping[ListingId, int]
    installs_since: Mapping[ListingId, int]
    submissions: Mapping[SubmissionStatus, int]


class ManagedRows(Protocol):
    """Listings and versions in the hands of their publisher or of who runs the market."""

    async def locked_listing(self, listing_id: str) -> Listing | None:
        """The listing, which nobody else changes until the end of the unit, nor how its versions stand."""

    async def standings(self, listing_id: str) -> list[Standing]:
        """How its versions stand, in no order."""

    async def stand(
        self, listing_id: str, version: str, state: ListingState, *, reason: str = "", replaced_by: str = ""
    ) -> None:
        """Let a version stand so from now on."""

    async def certify(self, listing_id: str, version: str, certification: Certification | None) -> None:
        """Give a version its certification, or take it."""

    async def listing_figures(self, listing_id: str, since: datetime) -> ListingFigures:
        """Counts of one listing."""

    async def shelf_figures(self, publisher_id: str, since: datetime, *, most: int) -> ShelfFigures:
        """Counts of a publisher's listings, the most installed first, at most so many."""

    async def flagged(self, *, first: int, after: str | None = None) -> Slice[Listing]:
        """Listings that people are to look at again, by id."""

    async def badly_rated(self, *, below: float, reviews: int, most: int) -> list[Listing]:
        """Listings nobody looks at again yet, with at least so many reviews and fewer stars on average."""

    async def certified(self, *, most: int, after: str = "") -> list[tuple[Listing, Certification, bool]]:
        """Listed certified listings by id, the certification of the latest version, whether its domain is proven."""


class AskedRows(Protocol):
    """What people are asked to decide about submissions."""

    async def awaiting(self, *, first: int, after: str | None = None) -> Slice[Submission]:
        """Submissions that wait for a person, those on the fast track first, then the oldest.

        Of a scan report it says only whether there is one.
        """

    async def awaiting_page(self, *, page: int, page_size: int) -> Page[Submission]:
        """The same by page number, counted."""

    async def ask_for_review(self, wanted: ManualReview) -> bool:
        """False when one is open for this submission."""

    async def manual_review(self, request_id: str) -> ManualReview | None:
        """One of them."""

    async def manual_reviews(self, submission_ids: Collection[str]) -> dict[SubmissionId, ManualReview]:
        """The last one of each submission."""

    async def open_reviews(self, *, first: int, after: str | None = None) -> Slice[ManualReview]:
        """Those that wait, oldest first."""

    async def decide_review(self, request_id: str, status: Judgement, details: str, *, by: Actor, at: datetime) -> bool:
        """False when it was decided before."""

    async def ask_for_exception(self, wanted: ScanException) -> bool:
        """False when this finding of the submission has one that is open or approved."""

    async def exceptions(self, submission_ids: Collection[str]) -> dict[SubmissionId, list[ScanException]]:
        """All exceptions of submissions, oldest first."""

    async def open_exceptions(self, *, first: int, after: str | None = None) -> Slice[ScanException]:
        """Those that wait, oldest first."""

    async def decide_exception(self, exception_id: str, status: Judgement, *, by: Actor, at: datetime) -> bool:
        """False when it was decided before."""

    async def granted(self, publisher_id: str, name_key: str) -> frozenset[Binding]:
        """What approved exceptions let pass in a publisher's package of this name."""


class SafetyRows(Protocol):
    """Reports of danger, and scans that are due."""

    async def report(self, report: VulnerabilityReport) -> None:
        """Remember it."""

    async def reported(self, report_id: str) -> VulnerabilityReport | None:
        """One report."""

    async def reports(
        self, statuses: Collection[ReportStatus], *, first: int, after: str | None = None
    ) -> Slice[VulnerabilityReport]:
        """Reports that stand so, oldest first; no status asks for all."""

    async def reports_page(
        self, statuses: Collection[ReportStatus], *, page: int, page_size: int
    ) -> Page[VulnerabilityReport]:
        """The same by page number, counted."""

    async def close_report(self, report_id: str, status: ReportStatus) -> bool:
        """False when it was closed before."""

    async def due_scans(
        self, rules_version: str, before: datetime, *, unfinished_before: datetime, most: int
    ) -> list[DueScan]:
        """Versions that can be installed, scanned by other rules or before this time; other rules first.

        Scans that came to no end are due when they were made before ``unfinished_before``.
        """

    async def note_scan(self, due: DueScan, scan: NewScan) -> bool:
        """Keep the outcome; False when somebody else scanned it meanwhile."""

    async def overdue_repairs(self, since: datetime, *, most: int) -> list[tuple[ListingId, str]]:
        """Versions suspended by a scan before this time that nobody mended."""


class CurationRows(ManagedRows, AskedRows, SafetyRows, Protocol):
    """All of it."""
