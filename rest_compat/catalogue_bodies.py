"""The documented shapes of the catalogue, built from domain values (installhub.md sections 10.2 and 10.4; R29)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from domain.market.catalogue import Artifact, Featured, Shown
from domain.market.catalogue_rows import ListingTexts, Subscription, VersionHead
from domain.market.model import ListingState, Offer, Review
from domain.market.review_rows import Moderated
from domain.market.reviews import STARS_MAX
from domain.market.updates import InstalledUpdate
from domain.model import TenantId, rfc3339
from domain.rows import Page

_VERSIONS_MAX = 100
_KEPT = "Thank you. A moderator reads your review before others do."


def listed(shown: Shown) -> dict[str, Any]:
    """An item of the search."""
    head = shown.head
    return {
        "packageId": head.listing_id,
        "name": head.name,
        "publisher": head.publisher_name,
        "trustLevel": head.trust_level.wire,
        "packageType": head.package_type.wire,
        "version": shown.version.version,
        "description": head.description,
        "category": head.category.wire,
        "tags": list(head.tags),
        "rating": head.rating,
        "reviewCount": head.review_count,
        "installCount": head.install_count,
        "updatedAt": rfc3339(head.updated_at),
        "securityScanResult": shown.version.scan_result,
        "deprecated": shown.is_deprecated,
        **_pending(shown.version),
    }


def featured(front: Featured) -> dict[str, Any]:
    """The front page."""
    return {
        "official": [listed(shown) for shown in front.official],
        "trending": [listed(shown) for shown in front.trending],
        "newReleases": [listed(shown) for shown in front.new_releases],
        "topRated": [listed(shown) for shown in front.top_rated],
    }


def detail(
    shown: Shown, texts: ListingTexts, artifacts: Sequence[Artifact], versions: Sequence[VersionHead]
) -> dict[str, Any]:
    """A package's page. Texts nobody gave are left out."""
    head = shown.head
    given = {"license": texts.license, "homepage": texts.homepage, "reason": head.state_reason}
    return {
        **listed(shown),
        "publisherUrl": head.publisher_website,
        "latestVersion": shown.version.version,
        "longDescription": texts.long_description,
        **{name: text for name, text in given.items() if text},
        "securityScannedAt": rfc3339(shown.version.scanned_at),
        "artifacts": [{"type": one.artifact_type, "name": one.name, "version": one.version} for one in artifacts],
        "versions": [_version(shown, one) for one in versions[:_VERSIONS_MAX]],
        "publisherId": head.publisher_id,
        "state": head.state.wire,
        "screenshots": list(texts.screenshots),
        "createdAt": rfc3339(head.created_at),
    }


def version(shown: Shown, one: VersionHead) -> dict[str, Any]:
    """A version in the list of all. Texts nobody gave are left out."""
    given = {"reason": one.state_reason, "replacedByVersion": one.replaced_by, "changelog": one.changelog}
    return {
        **_version(shown, one),
        "deprecated": one.state is ListingState.DEPRECATED,
        "state": one.state.wire,
        **{name: text for name, text in given.items() if text},
        "contentChecksum": one.content_checksum,
        "sizeBytes": one.size_bytes,
        "artifactCount": one.artifact_count,
        "platformVersion": one.platform_version,
        "securityScanResult": one.scan_result,
        **_pending(one),
    }


def reviews(shown: Shown, found: Page[Review], stars: Mapping[int, int]) -> dict[str, Any]:
    """The published reviews of a package."""
    return {
        "averageRating": shown.head.rating,
        "totalReviews": found.total_count,
        "distribution": {str(count): stars.get(count, 0) for count in range(STARS_MAX, 0, -1)},
        "reviews": [_review(review) for review in found.items],
    }


def review_kept(review: Review) -> dict[str, Any]:
    """A review that waits for a moderator."""
    return {"reviewId": review.review_id, "status": review.state.wire, "message": _KEPT}


def review_standing(review: Review) -> dict[str, Any]:
    """How a review stands."""
    return {"reviewId": review.review_id, "status": review.state.wire, "helpfulCount": review.helpful_count}


def review_elsewhere(review: Review) -> dict[str, Any]:
    """A review as another installation is told of it."""
    published = {"publishedAt": rfc3339(review.published_at)} if review.published_at else {}
    return {
        "reviewId": review.review_id,
        "packageId": review.listing_id,
        "status": review.state.wire,
        "rating": review.rating,
        "title": review.title,
        "body": review.body,
        "author": review.author.public_label,
        "version": review.version,
        "createdAt": rfc3339(review.created_at),
        **published,
        "helpfulCount": review.helpful_count,
    }


def moderated(found: Moderated) -> dict[str, Any]:
    """A review as moderators see it."""
    review = found.review
    return {
        "reviewId": review.review_id,
        "packageId": review.listing_id,
        "packageName": found.listing_name,
        "status": review.state.wire,
        "rating": review.rating,
        "title": review.title,
        "body": review.body,
        "author": review.author.label,
        "tenantId": review.tenant_id,
        "version": review.version,
        "createdAt": rfc3339(review.created_at),
        "flags": list(found.reasons),
    }


def installed(update: InstalledUpdate) -> dict[str, Any]:
    """A package that a tenant has from the marketplace."""
    package = update.package
    return {
        "packageId": update.listing_id,
        "installedVersion": package.version,
        "latestVersion": update.latest_version,
        "updateAvailable": update.is_available,
        "isBreakingChange": update.is_breaking,
        "installedAt": rfc3339(package.installed_at),
        "packageName": package.name,
        "deprecated": update.is_deprecated,
        **(_offered(update.offer) if update.offer else {}),
    }


def _offered(offer: Offer) -> dict[str, Any]:
    given = {"reason": offer.state_reason, "replacedByVersion": offer.replaced_by}
    return {"state": offer.state.wire, **{name: text for name, text in given.items() if text}}


def subscribed(subscription: Subscription) -> dict[str, Any]:
    """A tenant that hears of new versions."""
    return {
        "packageId": subscription.listing_id,
        "tenantId": subscription.tenant_id,
        "subscribed": True,
        "subscribedAt": rfc3339(subscription.subscribed_at),
    }


def unsubscribed(listing_id: str, tenant_id: TenantId) -> dict[str, Any]:
    """A tenant that hears of none."""
    return {"packageId": listing_id, "tenantId": tenant_id, "subscribed": False}


def _pending(one: VersionHead) -> dict[str, Any]:
    """Only those who are inside see it meanwhile."""
    return {"rescanPending": True} if one.is_rescan_pending else {}


def _version(shown: Shown, one: VersionHead) -> dict[str, Any]:
    return {
        "version": one.version,
        "publishedAt": rfc3339(one.published_at),
        "isLatest": one.version == shown.head.latest_version,
        "breakingChange": one.is_breaking,
    }


def _review(review: Review) -> dict[str, Any]:
    return {
        "reviewId": review.review_id,
        "rating": review.rating,
        "title": review.title,
        "body": review.body,
        "author": review.author.public_label,
        "version": review.version,
        "publishedAt": rfc3339(review.published_at or review.created_at),
        "helpfulCount": review.helpful_count,
    }
