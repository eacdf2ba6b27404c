"""Reviews of another installation's packages: read there, and written there by people of there (section 10.4)."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from domain.market.catalogue import Shown
from domain.market.model import ListingId, Review, ReviewId, ReviewState
from domain.market.ports import HubPages
from domain.market.remote_catalogue import count, instant, reading
from domain.market.review_rows import ReviewSort
from domain.market.reviews import Reviews
from domain.model import Actor, TenantId
from domain.ports import Ports
from domain.rows import Page, Slice

#: what is listed of one package's reviews at the most, a page after the other
_LISTED_MAX = 100
_SOMEBODY_THERE = TenantId("")


def reviews_of(ports: Ports) -> Reviews:
    """The reviews of the hub that packages come from: another installation's, else our own."""
    return Reviews(ports) if ports.hub_pages is None else RemoteReviews(ports, ports.hub_pages)


class RemoteReviews(Reviews):
    """:class:`domain.market.reviews.Reviews` of a hub elsewhere. Reading may refuse with ``HubUnavailable``."""

    def __init__(self, ports: Ports, pages: HubPages) -> None:
        super().__init__(ports)
        self._pages = pages

    async def published_page(
        self, listing: Shown, sort: ReviewSort, *, page: int, page_size: int
    ) -> tuple[Page[Review], Mapping[int, int]]:
        """Published reviews of a listing at hand by page number, counted; and how many give how many stars."""
        listing_id = listing.head.listing_id
        tree = await self._told(listing_id, sort, page=page, page_size=page_size)
        with reading():
            found = tuple(_review(listing_id, row) for row in tree.get("reviews", ()))
            return Page(found, count(tree.get("totalReviews", 0))), _stars(tree)

    async def published(
        self, listing_ids: Collection[str], sort: ReviewSort, *, first: int, after: tuple[str, int] | None
    ) -> dict[ListingId, Slice[Review]]:
        """A page of the published reviews of each of several listings at hand."""
        wanted = list(listing_ids)
        trees = await asyncio.gather(*(self._told(one, sort, page=1, page_size=_LISTED_MAX) for one in wanted))
        with reading():
            found = {
                key: [_review(key, row) for row in tree.get("reviews", ())]
                for key, tree in zip(wanted, trees, strict=True)
            }
        return {ListingId(key): _slice(reviews, first, after) for key, reviews in found.items()}

    async def distributions(self, listing_ids: Collection[str]) -> dict[ListingId, Mapping[int, int]]:
        """How many published reviews of listings at hand give how many stars."""
        wanted = list(listing_ids)
        trees = await asyncio.gather(*(self._told(one, ReviewSort.HELPFUL, page=1, page_size=1) for one in wanted))
        with reading():
            return {ListingId(key): _stars(tree) for key, tree in zip(wanted, trees, strict=True)}

    async def _told(self, listing_id: str, sort: ReviewSort, *, page: int, page_size: int) -> Mapping[str, Any]:
        wanted = {"sortBy": sort.value, "page": page, "pageSize": page_size}
        return await self._pages.page((listing_id, "reviews"), wanted) or {}


def _review(listing_id: str, row: Mapping[str, Any]) -> Review:
    """A review as everybody may read it; its author is a name and nothing more."""
    published = instant(row["publishedAt"])
    return Review(
        review_id=ReviewId(row["reviewId"]),
        listing_id=ListingId(listing_id),
        tenant_id=_SOMEBODY_THERE,
        identity="",
        author=Actor(str(row["author"])),
        version=str(row["version"]),
        rating=count(row["rating"]),
        title=str(row["title"]),
        body=str(row["body"]),
        state=ReviewState.PUBLISHED,
        created_at=published,
        published_at=published,
        helpful_count=count(row["helpfulCount"]),
    )


def _stars(tree: Mapping[str, Any]) -> Mapping[int, int]:
    return {int(stars): count(given) for stars, given in tree.get("distribution", {}).items() if given}


def _slice(reviews: Sequence[Review], first: int, after: tuple[str, int] | None) -> Slice[Review]:
    """Those behind the last one seen; none where that one is not among them any more."""
    start = 0
    if after is not None:
        start = next((place + 1 for place, one in enumerate(reviews) if one.review_id in after), len(reviews))
    return Slice(tuple(reviews[start : start + first]), has_next=len(reviews) > start + first)
