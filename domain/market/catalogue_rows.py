"""What is remembered about listings for those who look for packages (see ``domain.ports``)."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from domain.access import Reach
from domain.market.model import (
    Category,
    Listing,
    ListingFilter,
    ListingId,
    ListingState,
    PublisherId,
    TrustLevel,
)
from domain.model import Actor, PackageType, TenantId
from domain.rows import Page, Slice
from domain.scanning import rules_version


@dataclass(frozen=True, slots=True)
class ListingHead:
    """A listing as lists show it, with its publisher's name; long texts are apart (:class:`ListingTexts`)."""

    listing_id: ListingId
    tenant_id: TenantId
    publisher_id: PublisherId
    publisher_name: str
    publisher_slug: str
    publisher_website: str
    name: str
    package_type: PackageType
    category: Category
    tags: tuple[str, ...]
    description: str
    trust_level: TrustLevel
    state: ListingState
    state_reason: str
    latest_version: str
    install_count: int
    rating_sum: int
    review_count: int
    created_at: datetime
    updated_at: datetime

    @property
    def rating(self) -> float | None:
        """Average stars of the published reviews, 1 to 5, to two digits; ``None`` without any."""
        return round(self.rating_sum / self.review_count, 2) if self.review_count else None


@dataclass(frozen=True, slots=True)
class ListingTexts:
    """What only the page of a listing shows. ``long_description`` is Markdown."""

    long_description: str
    license: str
    homepage: str
    screenshots: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class VersionHead:
    """A version of a listing, without its manifest and its scan report. ``rules_version``: what it was scanned by."""

    listing_id: ListingId
    version: str
    state: ListingState
    state_reason: str
    replaced_by: str
    changelog: str
    published_at: datetime
    is_breaking: bool
    content_checksum: str
    size_bytes: int
    artifact_count: int
    platform_version: str
    scan_result: str
    scanned_at: datetime
    rules_version: str

    @property
    def is_rescan_pending(self) -> bool:
        """Whether the rules changed since its scan; until it is scanned again, no result of it counts."""
        return self.rules_version != rules_version()


@dataclass(frozen=True, slots=True)
class Hit:
    """A listing that a search found. ``rank`` is what the search orders by: a number, or a text."""

    head: ListingHead
    rank: int | str


@dataclass(frozen=True, slots=True)
class FeaturedIds:
    """The listings that the front page shows, each list in its order (installhub.md section 10.2)."""

    official: tuple[ListingId, ...]
    trending: tuple[ListingId, ...]
    new_releases: tuple[ListingId, ...]
    top_rated: tuple[ListingId, ...]


@dataclass(frozen=True, slots=True)
class Subscription:
    """A tenant that wants to hear of a listing's new versions; ``identity`` is that of the person who asked."""

    listing_id: ListingId
    tenant_id: TenantId
    subscribed_at: datetime
    subscribed_by: Actor
    identity: str


class SearchRows(Protocol):
    """Finding listings. Only what everybody may see is found: listed or deprecated, with a version that passed."""

    async def index(self, listing: Listing) -> None:
        """Let a search find the listing by its name, tags and description as they are now."""

    async def unindex(self, listing_id: str) -> None:
        """Let no text search find it."""

    async def search(
        self, wanted: ListingFilter, now: datetime, *, first: int, after: tuple[int | str, str] | None = None
    ) -> Slice[Hit]:
        """Listings in the order of ``wanted.order``; ``after`` is the rank and the id of the last one seen."""

    async def search_page(self, wanted: ListingFilter, now: datetime, *, page: int, page_size: int) -> Page[Hit]:
        """The same by page number, counted."""

    async def featured(self, now: datetime, *, most: int) -> FeaturedIds:
        """At most so many listings for each part of the front page."""


class ListingRows(Protocol):
    """Listings at hand, many at once. What is not there is absent."""

    async def heads(self, listing_ids: Collection[str]) -> dict[ListingId, ListingHead]:
        """Listings in any state."""

    async def texts(self, listing_ids: Collection[str]) -> dict[ListingId, ListingTexts]:
        """Their long texts."""

    async def versions(
        self, listing_ids: Collection[str], *, shown_only: bool = False
    ) -> dict[ListingId, list[VersionHead]]:
        """Every version; ``shown_only``: the latest one alone, where it is offered to everybody."""

    async def manifests(self, versions: Collection[tuple[str, str]]) -> dict[tuple[str, str], Mapping[str, Any]]:
        """The manifests of versions, by listing and version."""

    async def installed_by(self, listing_ids: Collection[str], reach: Reach) -> set[ListingId]:
        """Which of them any of these tenants installed."""

    async def installed_versions(self, places: Collection[tuple[str, str]]) -> dict[tuple[str, str], str]:
        """The version that is active now, by listing and tenant; absent where none is."""


class AudienceRows(Protocol):
    """Who has a listing, and who wants to hear of it."""

    async def count_install(self, listing_id: str, tenant_id: TenantId, version: str, at: datetime) -> None:
        """Note that a tenant installed a version; the listing's count rises once a tenant (section 10.2).

        A listing that this installation does not know (it is another hub's) is no error. Several listings in one
        transaction are counted in the order of their ids: two transactions must not wait for each other.
        """

    async def installed_version(self, listing_id: str, tenant_id: TenantId) -> str | None:
        """The version that a tenant installed last, whether it is still there or not."""

    async def subscribe(self, subscription: Subscription) -> Subscription:
        """The tenant's subscription: this one, or the one that was there."""

    async def unsubscribe(self, listing_id: str, tenant_id: TenantId) -> None:
        """Nothing more is to be heard of; unknown ones are no error."""

    async def subscriptions(self, listing_ids: Collection[str], reach: Reach) -> dict[ListingId, list[Subscription]]:
        """The subscriptions of these tenants."""

    async def tell(self, kind: str, listing_id: str, payload: Mapping[str, Any], *, installers: bool) -> int:
        """Post a message to every subscribed tenant, with the person's ``identity`` in it; how many.

        ``installers``: to every tenant that installed the listing too, with an empty ``identity``.
        """


class CatalogueRows(SearchRows, ListingRows, AudienceRows, Protocol):
    """All of it."""
