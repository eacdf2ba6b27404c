"""What is remembered about reviews (see ``domain.ports``)."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Protocol

from domain.market.model import ListingId, Review, ReviewId, ReviewState
from domain.model import TenantId
from domain.rows import Page, Slice


class MarkKind(Enum):
    """What a person says about a review."""

    HELPFUL = "helpful"
    FLAG = "flag"


class ReviewSort(Enum):
    """Orders of a listing's reviews; the values are REST's words."""

    HELPFUL = "helpful"
    NEWEST = "newest"


@dataclass(frozen=True, slots=True)
class Mark:
    """A person's word about a review; ``reason`` is why somebody flags it. Once a person and kind."""

    review_id: ReviewId
    identity: str
    kind: MarkKind
    tenant_id: TenantId
    reason: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Moderated:
    """A review as moderators see it: its listing's name, and why others flagged it, oldest first."""

    review: Review
    listing_name: str
    reasons: tuple[str, ...]


class ReviewRows(Protocol):
    """Reviews, their marks, and what they come to in the ratings of their listings."""

    async def add(self, review: Review) -> bool:
        """False when this person reviewed the listing before."""

    async def review(self, review_id: str) -> Review | None:
        """The review, in any state."""

    async def move(self, review: Review, state: ReviewState, at: datetime) -> bool:
        """Give a review another state, and its listing the rating that follows from it; False when it moved before.

        Only published reviews count in a rating. ``at`` is when it is published, if it never was.
        """

    async def mark(self, mark: Mark) -> bool:
        """Keep a mark, and count it; False when the person had made it before."""

    async def marked(self, review_id: str, identity: str, kind: MarkKind) -> bool:
        """Whether a person made this mark."""

    async def published_page(self, listing_id: str, sort: ReviewSort, *, page: int, page_size: int) -> Page[Review]:
        """A listing's published reviews by page number, counted."""

    async def first_published(
        self, listing_ids: Collection[str], sort: ReviewSort, *, first: int, after: tuple[str, int] | None
    ) -> dict[ListingId, Slice[Review]]:
        """A page of the published reviews of each of several listings.

        ``after`` is the id of the last one seen, and how helpful it was.
        """

    async def distributions(self, listing_ids: Collection[str]) -> dict[ListingId, Mapping[int, int]]:
        """How many published reviews give how many stars."""

    async def waiting(self, *, first: int, after: str | None = None) -> Slice[Moderated]:
        """What moderators have to decide, oldest first: new reviews and flagged ones; after the id last seen."""

    async def waiting_page(self, *, page: int, page_size: int) -> Page[Moderated]:
        """The same by page number, counted."""
