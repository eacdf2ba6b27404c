"""What becomes of listings, and what people are asked to decide about them (installhub.md sections 9.6 and 10.3)."""

from __future__ import annotations

from datetime import datetime

import strawberry

from domain.market import curation_rows, model
from domain.market.curation_rows import Judgement, ListingFigures, ReportStatus, ShelfFigures
from domain.market.model import ListingState, SubmissionStatus, TrustLevel
from domain.scanning import Severity
from schema.context import Info
from schema.fields import described
from schema.nodes import Node, upward
from schema.values import Actor

strawberry.enum(Judgement, description="How a request to a person stands.")
strawberry.enum(ReportStatus, name="VulnerabilityReportStatus", description="What became of a report.")

_SEVERITIES = {severity.wire: severity for severity in Severity}
_LISTING = "The listing, as the caller sees it."


@strawberry.type(description="What a certified version stands on.")
class Certification:
    certified_at: datetime = strawberry.field(description="When it was certified.")
    certified_by: str = strawberry.field(description="By whom: a name, no address.")
    next_review: datetime = strawberry.field(description="Until when, without another look.")
    line_coverage: float | None = strawberry.field(description="The part of the lines that its tests cover, 0 to 1.")
    branch_coverage: float | None = strawberry.field(description="The part of the branches, 0 to 1.")

    @classmethod
    def of(cls, given: model.Certification) -> Certification:
        return cls(
            certified_at=given.certified_at,
            certified_by=given.certified_by.public_label,
            next_review=given.next_review,
            line_coverage=given.line_coverage,
            branch_coverage=given.branch_coverage,
        )


@strawberry.type(description="How far a listing is trusted, and why.")
class ListingTrust:
    trust_level: TrustLevel = strawberry.field(description="How far its latest version is trusted.")
    certification: Certification | None = strawberry.field(description="What that stands on; null if not certified.")

    @classmethod
    def of(cls, listing: model.Listing, given: model.Certification | None) -> ListingTrust:
        return cls(trust_level=listing.trust_level, certification=Certification.of(given) if given else None)


@strawberry.type(description="How many tenants installed a listing first on one day.")
class DayCount:
    day: str = strawberry.field(description="The day, in UTC: `2026-05-25`.")
    count: int = strawberry.field(description="How many.")


@strawberry.type(description="How many tenants installed a version last.")
class VersionCount:
    version: str = strawberry.field(description="The version.")
    count: int = strawberry.field(description="How many.")


@strawberry.type(description="What became of a listing: real counts, for its publisher.")
class ListingAnalytics:
    install_count: int = strawberry.field(description="How many tenants installed it.")
    installs_in_period: int = strawberry.field(description="How many did for the first time in the period.")
    by_day: list[DayCount] = strawberry.field(description="Days of the period with installs, in order.")
    by_version: list[VersionCount] = strawberry.field(description="By version.")

    @classmethod
    def of(cls, figures: ListingFigures) -> ListingAnalytics:
        return cls(
            install_count=figures.installs,
            installs_in_period=figures.installs_since,
            by_day=[DayCount(day=day, count=count) for day, count in figures.by_day],
            by_version=[VersionCount(version=version, count=count) for version, count in figures.by_version],
        )


@strawberry.type(description="A listing on its publisher's dashboard.")
class ShelfRow:
    key: strawberry.ID = strawberry.field(description="The listing's id.")
    name: str = strawberry.field(description="Its name.")
    trust_level: TrustLevel = strawberry.field(description="How far it is trusted.")
    state: ListingState = strawberry.field(description="What may be done with it.")
    latest_version: str | None = strawberry.field(description="The version that an install takes.")
    version_count: int = strawberry.field(description="How many versions it has.")
    install_count: int = strawberry.field(description="How many tenants installed it.")
    recent_install_count: int = strawberry.field(description="How many did in the last 30 days.")
    rating: float | None = strawberry.field(description="Average stars.")
    review_count: int = strawberry.field(description="How many published reviews it has.")

    @classmethod
    def of(cls, listing: model.Listing, figures: ShelfFigures) -> ShelfRow:
        return cls(
            key=strawberry.ID(listing.listing_id),
            name=listing.name,
            trust_level=listing.trust_level,
            state=listing.state,
            latest_version=listing.latest_version or None,
            version_count=figures.versions.get(listing.listing_id, 0),
            install_count=listing.install_count,
            recent_install_count=figures.installs_since.get(listing.listing_id, 0),
            rating=listing.rating,
            review_count=listing.review_count,
        )


@strawberry.type(description="How many submissions stand so.")
class SubmissionCount:
    status: SubmissionStatus = strawberry.field(description="How they stand.")
    count: int = strawberry.field(description="How many.")


@strawberry.type(description="What became of all that a publisher offers: real counts.")
class PublisherDashboard:
    publisher_name: str = strawberry.field(description="The publisher's name.")
    listing_count: int = strawberry.field(description="How many listings it has.")
    install_count: int = strawberry.field(description="How many tenants installed them, each counted once a listing.")
    rating: float | None = strawberry.field(description="Average stars of all of them.")
    review_count: int = strawberry.field(description="How many published reviews they have.")
    submissions: list[SubmissionCount] = strawberry.field(description="How its submissions stand.")
    listings: list[ShelfRow] = strawberry.field(description="The most installed first, at most 200.")

    @classmethod
    def of(cls, publisher: model.Publisher, figures: ShelfFigures) -> PublisherDashboard:
        totals = figures.totals
        return cls(
            publisher_name=publisher.display_name,
            listing_count=totals.listings,
            install_count=totals.installs,
            rating=totals.rating,
            review_count=totals.reviews,
            submissions=[SubmissionCount(status=status, count=count) for status, count in figures.submissions.items()],
            listings=[ShelfRow.of(one, figures) for one in figures.listings],
        )


@strawberry.type(description="A second look at what the scan of a submission warned of.")
class ManualReview:
    key: strawberry.ID = strawberry.field(description="Its id.")
    submission_id: strawberry.ID = strawberry.field(description="The submission.")
    status: Judgement = strawberry.field(description="How it stands.")
    explanation: str = strawberry.field(description="Why it was asked for.")
    requested_at: datetime = strawberry.field(description="When.")
    requested_by: Actor = strawberry.field(description="By whom.")
    details: str | None = strawberry.field(description="What was found.")
    decided_at: datetime | None = strawberry.field(description="When it was decided.")
    decided_by: Actor | None = strawberry.field(description="By whom.")

    @classmethod
    def of(cls, found: curation_rows.ManualReview) -> ManualReview:
        return cls(
            key=strawberry.ID(found.request_id),
            submission_id=strawberry.ID(found.submission_id),
            status=found.status,
            explanation=found.explanation,
            requested_at=found.asked_at,
            requested_by=Actor.of(found.asked_by),
            details=found.details or None,
            decided_at=found.decided_at,
            decided_by=Actor.of(found.decided_by) if found.decided_by else None,
        )


@strawberry.type(description="A publisher's word that one finding of a scan is a false alarm.")
class ScanException:
    key: strawberry.ID = strawberry.field(description="Its id: mutations know it as `exceptionId`.")
    submission_id: strawberry.ID = strawberry.field(description="The submission.")
    finding_index: int = strawberry.field(description="The finding's place in the report, from 0.")
    rule: str = strawberry.field(description="The rule whose finding is let pass.")
    pointer: str = strawberry.field(description="Where in the artifact, as a JSON pointer.")
    status: Judgement = strawberry.field(description="How it stands.")
    explanation: str = strawberry.field(description="Why it does no harm.")
    evidence: str | None = strawberry.field(description="What shows it.")
    requested_at: datetime = strawberry.field(description="When it was asked for.")
    requested_by: Actor = strawberry.field(description="By whom.")
    decided_at: datetime | None = strawberry.field(description="When it was decided.")
    decided_by: Actor | None = strawberry.field(description="By whom.")

    @classmethod
    def of(cls, found: curation_rows.ScanException) -> ScanException:
        return cls(
            key=strawberry.ID(found.exception_id),
            submission_id=strawberry.ID(found.submission_id),
            finding_index=found.finding_index,
            rule=found.rule,
            pointer=found.pointer,
            status=found.status,
            explanation=found.explanation,
            evidence=found.evidence or None,
            requested_at=found.asked_at,
            requested_by=Actor.of(found.asked_by),
            decided_at=found.decided_at,
            decided_by=Actor.of(found.decided_by) if found.decided_by else None,
        )


@strawberry.type(description="Somebody's word that a listing is dangerous.")
class VulnerabilityReport:
    key: strawberry.ID = strawberry.field(description="Its id: mutations know it as `reportId`.")
    version: str | None = strawberry.field(description="The version that it is about.")
    severity: Severity = strawberry.field(description="How bad it is said to be.")
    description: str = strawberry.field(description="What was reported.")
    status: ReportStatus = strawberry.field(description="What became of it.")
    reported_at: datetime = strawberry.field(description="When.")
    reported_by: Actor = strawberry.field(description="By whom.")
    listing_id: strawberry.ID = strawberry.field(description="What it is about.")

    @described(_LISTING, upward("Listing", "listings") | None)
    async def listing(self, info: Info) -> Node | None:
        return await info.context.find(self.listing_id)

    @classmethod
    def of(cls, found: model.VulnerabilityReport) -> VulnerabilityReport:
        return cls(
            key=strawberry.ID(found.report_id),
            version=found.version or None,
            severity=_SEVERITIES[found.severity],
            description=found.description,
            status=ReportStatus(found.status),
            reported_at=found.reported_at,
            reported_by=Actor.of(found.reported_by),
            listing_id=strawberry.ID(found.listing_id),
        )
