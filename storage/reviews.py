"""Reviews, the marks that people leave on them, and the ratings that they come to (installhub.md section 10.4)."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, bindparam, func, select, tuple_, update

from domain.market.model import ListingId, Review, ReviewState
from domain.market.review_rows import Mark, MarkKind, Moderated, ReviewSort
from domain.rows import Page, Slice
from storage.artifacts import slice_of
from storage.listing_heads import among
from storage.market_tables import listing, listing_review, review_mark
from storage.prepared import AnyRow
from storage.session import Session
from storage.sql import INTEGER_MAX, on_both, word

_REVIEW, _MARK = listing_review.c, review_mark.c
#: in the order of :class:`domain.market.model.Review`
REVIEW = [
    _REVIEW[name]
    for name in (
        *("review_id", "listing_id", "tenant_id", "identity", "author", "version", "rating", "title", "body"),
        *("state", "created_at", "published_at", "helpful_count"),
    )
]
_ADD = on_both(lambda made: made(listing_review).on_conflict_do_nothing().returning(_REVIEW.review_id))
_FIND = select(*REVIEW).where(_REVIEW.review_id == bindparam("id"))
_AT = bindparam("published", type_=_REVIEW.published_at.type)
_MOVE = (
    update(listing_review)
    .where(_REVIEW.review_id == bindparam("id"), _REVIEW.state == bindparam("before", type_=_REVIEW.state.type))
    .values(
        state=bindparam("after", type_=_REVIEW.state.type),
        published_at=func.coalesce(_REVIEW.published_at, _AT, type_=_AT.type),
    )
)
_RATE = (
    update(listing)
    .where(listing.c.listing_id == bindparam("id"))
    .values(
        rating_sum=listing.c.rating_sum + bindparam("stars"), review_count=listing.c.review_count + bindparam("count")
    )
)
_ADD_MARK = on_both(lambda made: made(review_mark).on_conflict_do_nothing().returning(_MARK.review_id))
_FIND_MARK = select(_MARK.review_id).where(
    _MARK.review_id == bindparam("id"),
    _MARK.identity == bindparam("person"),
    _MARK.kind == bindparam("kind"),
)
_HELPFUL = (
    update(listing_review).where(_REVIEW.review_id == bindparam("id")).values(helpful_count=_REVIEW.helpful_count + 1)
)
_IDS = bindparam("ids", expanding=True, type_=_REVIEW.review_id.type)
_IS_PUBLISHED = _REVIEW.state == word(ReviewState.PUBLISHED)
_DISTRIBUTION = (
    select(_REVIEW.listing_id, _REVIEW.rating, func.count())
    .where(_REVIEW.listing_id.in_(_IDS), _IS_PUBLISHED)
    .group_by(_REVIEW.listing_id, _REVIEW.rating)
)
_WAITING = (
    select(*REVIEW, listing.c.name)
    .join(listing, listing.c.listing_id == _REVIEW.listing_id)
    .where(_REVIEW.state.in_([word(state) for state in (ReviewState.PENDING_MODERATION, ReviewState.HIDDEN)]))
)
_REASONS = (
    select(_MARK.review_id, _MARK.reason)
    .where(_MARK.review_id.in_(_IDS), _MARK.kind == word(MarkKind.FLAG))
    .order_by(_MARK.at, _MARK.identity)
)
#: what lists of reviews are ordered by, highest first; ids sort by time
_ORDERS: Mapping[ReviewSort, tuple[ColumnElement[Any], ...]] = {
    ReviewSort.HELPFUL: (_REVIEW.helpful_count, _REVIEW.review_id),
    ReviewSort.NEWEST: (_REVIEW.review_id,),
}


class SqlReviews:
    """:class:`domain.market.review_rows.ReviewRows`."""

    def __init__(self, session: Session) -> None:
        self._session = session

    async def add(self, review: Review) -> bool:
        return (
            await self._session.row(_ADD, {column.name: getattr(review, column.name) for column in REVIEW}) is not None
        )

    async def review(self, review_id: str) -> Review | None:
        row = await self._session.row(_FIND, {"id": review_id})
        return Review(*row) if row else None

    async def move(self, review: Review, state: ReviewState, at: datetime) -> bool:
        counts = (state is ReviewState.PUBLISHED) - (review.state is ReviewState.PUBLISHED)
        published = at if state is ReviewState.PUBLISHED else None
        values = {"id": review.review_id, "before": review.state, "after": state, "published": published}
        if (await self._session.run(_MOVE, values)).rowcount != 1:
            return False
        if counts:
            rated = {"id": review.listing_id, "stars": counts * review.rating, "count": counts}
            self._session.later(_RATE, rated)
        return True

    async def mark(self, mark: Mark) -> bool:
        row = {
            "review_id": mark.review_id,
            "identity": mark.identity,
            "kind": mark.kind.value,
            "tenant_id": mark.tenant_id,
            "reason": mark.reason,
            "at": mark.at,
        }
        if await self._session.row(_ADD_MARK, row) is None:
            return False
        if mark.kind is MarkKind.HELPFUL:
            self._session.later(_HELPFUL, {"id": mark.review_id})
        return True

    async def marked(self, review_id: str, identity: str, kind: MarkKind) -> bool:
        values = {"id": review_id, "person": identity, "kind": kind.value}
        return await self._session.row(_FIND_MARK, values) is not None

    async def published_page(self, listing_id: str, sort: ReviewSort, *, page: int, page_size: int) -> Page[Review]:
        found = select(*REVIEW).where(_REVIEW.listing_id == listing_id, _IS_PUBLISHED)
        total = await self._session.row(select(func.count()).select_from(found.subquery()))
        part = found.order_by(*_falling(sort)).limit(page_size).offset((page - 1) * page_size)
        rows = await self._session.rows(part)
        return Page(tuple(Review(*row) for row in rows), int(total[0]) if total else 0)

    async def first_published(
        self, listing_ids: Collection[str], sort: ReviewSort, *, first: int, after: tuple[str, int] | None
    ) -> dict[ListingId, Slice[Review]]:
        place = func.row_number().over(partition_by=_REVIEW.listing_id, order_by=_falling(sort)).label("place")
        ranked = (
            select(*REVIEW, place).where(_REVIEW.listing_id.in_(_IDS), _IS_PUBLISHED, *_beyond(sort, after)).subquery()
        )
        columns = [ranked.c[column.name] for column in REVIEW]
        asked = select(*columns).where(ranked.c.place <= first + 1).order_by(ranked.c.listing_id, ranked.c.place)
        found: dict[ListingId, list[Review]] = {}
        for row in await among(self._session, asked, listing_ids):
            found.setdefault(row[1], []).append(Review(*row))
        return {listing_id: slice_of(reviews, first) for listing_id, reviews in found.items()}

    async def distributions(self, listing_ids: Collection[str]) -> dict[ListingId, Mapping[int, int]]:
        found: dict[ListingId, dict[int, int]] = {}
        for listing_id, rating, count in await among(self._session, _DISTRIBUTION, listing_ids):
            found.setdefault(listing_id, {})[rating] = count
        return dict(found)

    async def waiting(self, *, first: int, after: str | None = None) -> Slice[Moderated]:
        found = _WAITING.where(_REVIEW.review_id > after) if after is not None else _WAITING
        rows = await self._session.rows(found.order_by(_REVIEW.review_id).limit(first + 1))
        return slice_of(await self._moderated(rows), first)

    async def waiting_page(self, *, page: int, page_size: int) -> Page[Moderated]:
        total = await self._session.row(select(func.count()).select_from(_WAITING.subquery()))
        part = _WAITING.order_by(_REVIEW.review_id).limit(page_size).offset((page - 1) * page_size)
        rows = await self._session.rows(part)
        return Page(tuple(await self._moderated(rows)), int(total[0]) if total else 0)

    async def _moderated(self, rows: Sequence[AnyRow]) -> list[Moderated]:
        reasons: dict[str, list[str]] = {}
        for review_id, reason in await among(self._session, _REASONS, [row[0] for row in rows]):
            reasons.setdefault(review_id, []).append(reason)
        return [Moderated(Review(*row[:-1]), row[-1], tuple(reasons.get(row[0], ()))) for row in rows]


def _falling(sort: ReviewSort) -> list[ColumnElement[Any]]:
    return [column.desc() for column in _ORDERS[sort]]


def _beyond(sort: ReviewSort, after: tuple[str, int] | None) -> list[ColumnElement[bool]]:
    """What stands behind the last one seen."""
    if after is None:
        return []
    review_id, helpful = after
    if sort is ReviewSort.NEWEST:
        return [_REVIEW.review_id < review_id]
    return [tuple_(*_ORDERS[sort]) < tuple_(min(helpful, INTEGER_MAX), review_id)]
