"""How what is looked after is told over REST (installhub.md sections 4.3, 9.6 and 10.3; R29)."""

from __future__ import annotations

from typing import Any

from domain.market.curation_rows import ListingFigures, ManualReview, ScanException, ShelfFigures
from domain.market.excepting import SLA
from domain.market.model import Certification, Listing, Publisher, VulnerabilityReport
from domain.model import rfc3339

_STARS = (5, 4, 3, 2, 1)


def listing(found: Listing) -> dict[str, Any]:
    """A listing as its publisher manages it."""
    return {
        "packageId": found.listing_id,
        "name": found.name,
        "description": found.description,
        "tags": list(found.tags),
        "screenshots": list(found.screenshots),
        "trustLevel": found.trust_level.wire,
        "state": found.state.wire,
        **({"stateReason": found.state_reason} if found.state_reason else {}),
        "latestVersion": found.latest_version or None,
        "needsReview": found.needs_review,
        "updatedAt": rfc3339(found.updated_at),
    }


def analytics(found: Listing, figures: ListingFigures, days: int) -> dict[str, Any]:
    """Real counts of a listing."""
    return {
        "packageId": found.listing_id,
        "period": f"{days}d",
        "installs": {
            "total": figures.installs,
            "inPeriod": figures.installs_since,
            "byDay": [{"date": day, "count": count} for day, count in figures.by_day],
            "byVersion": [{"version": version, "count": count} for version, count in figures.by_version],
        },
        "averageRating": _stars(found.rating_sum, found.review_count),
        "totalReviews": found.review_count,
        "distribution": {str(stars): figures.stars.get(stars, 0) for stars in _STARS},
    }


def dashboard(publisher: Publisher, figures: ShelfFigures) -> dict[str, Any]:
    """Real counts of a publisher's listings."""
    totals = figures.totals
    return {
        "publisherId": publisher.publisher_id,
        "displayName": publisher.display_name,
        "status": publisher.status.wire,
        "totals": {
            "packages": totals.listings,
            "installs": totals.installs,
            "reviews": totals.reviews,
            "averageRating": totals.rating,
        },
        "openSubmissions": sum(count for status, count in figures.submissions.items() if not status.is_final),
        "submissions": {status.wire: count for status, count in figures.submissions.items()},
        "packages": [_shelf_row(one, figures) for one in figures.listings],
    }


def certification(found: Listing, given: Certification | None) -> dict[str, Any]:
    """The documented status call; a package that is not certified has no dates."""
    head = {"packageId": found.listing_id, "trustLevel": found.trust_level.wire}
    if given is None:
        return head
    return {
        **head,
        "certifiedAt": rfc3339(given.certified_at),
        "certifiedBy": given.certified_by.public_label,
        "nextReview": rfc3339(given.next_review),
        "coverageReport": {
            "lineCoverage": given.line_coverage,
            "branchCoverage": given.branch_coverage,
            "reportedAt": rfc3339(given.certified_at),
        },
    }


def manual_review(found: ManualReview) -> dict[str, Any]:
    decided = {
        **({"details": found.details} if found.details else {}),
        **({"reviewedAt": rfc3339(found.decided_at)} if found.decided_at else {}),
        **({"reviewedBy": found.decided_by.label} if found.decided_by else {}),
    }
    return {
        "reviewRequestId": found.request_id,
        "submissionId": found.submission_id,
        "status": found.status.wire,
        "reviewSLA": SLA,
        "explanation": found.explanation,
        "requestedAt": rfc3339(found.asked_at),
        "requestedBy": found.asked_by.label,
        **decided,
    }


def scan_exception(found: ScanException) -> dict[str, Any]:
    """The documented answer, and what the exception is bound to."""
    return {
        "exceptionId": found.exception_id,
        "status": found.status.wire,
        "reviewSLA": SLA,
        "reviewerAssigned": found.decided_by.label if found.decided_by else None,
        "submissionId": found.submission_id,
        "findingIndex": found.finding_index,
        "rule": found.rule,
        "pointer": found.pointer,
        "explanation": found.explanation,
        **({"evidence": found.evidence} if found.evidence else {}),
        "requestedAt": rfc3339(found.asked_at),
        "requestedBy": found.asked_by.label,
        **({"decidedAt": rfc3339(found.decided_at)} if found.decided_at else {}),
    }


def vulnerability(found: VulnerabilityReport) -> dict[str, Any]:
    return {
        "reportId": found.report_id,
        "status": found.status,
        "packageId": found.listing_id,
        "version": found.version or None,
        "severity": found.severity,
        "description": found.description,
        "reportedAt": rfc3339(found.reported_at),
        "reportedBy": found.reported_by.label,
    }


def _shelf_row(one: Listing, figures: ShelfFigures) -> dict[str, Any]:
    return {
        "packageId": one.listing_id,
        "name": one.name,
        "trustLevel": one.trust_level.wire,
        "state": one.state.wire,
        "latestVersion": one.latest_version or None,
        "versionCount": figures.versions.get(one.listing_id, 0),
        "installCount": one.install_count,
        "installsLast30Days": figures.installs_since.get(one.listing_id, 0),
        "rating": _stars(one.rating_sum, one.review_count),
        "reviewCount": one.review_count,
    }


def _stars(rating_sum: int, review_count: int) -> float | None:
    return round(rating_sum / review_count, 2) if review_count else None
