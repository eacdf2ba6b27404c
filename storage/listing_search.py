"""The search of the marketplace: which listings fit, and in which order (installhub.md section 10.2).

Words are cut by ``domain.market.searching`` before either database sees them: SQLite's FTS5 holds them in the columns
name, description and tags, PostgreSQL's tsvector under the weights A, C and B. Ranks are whole numbers, so that both
databases put listings into the same order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Select,
    String,
    and_,
    bindparam,
    case,
    cast,
    column,
    delete,
    exists,
    func,
    insert,
    literal,
    literal_column,
    select,
    table,
    tuple_,
    type_coerce,
)
from sqlalchemy.dialects import postgresql
from sqlalchemy.dialects.postgresql import TSQUERY, TSVECTOR

from domain.market.catalogue_rows import FeaturedIds, Hit
from domain.market.model import (
    Listing,
    ListingFilter,
    ListingId,
    ListingSort,
    ListingState,
    PublisherStatus,
    TrustLevel,
)
from domain.market.searching import asked_words, words_of
from domain.rows import Page, Slice
from storage.artifacts import slice_of
from storage.listing_heads import HEAD, OFFERED_STATES, head_of, is_offered, with_publisher
from storage.market_tables import listing, listing_install, listing_version, publisher
from storage.session import Session
from storage.sql import INTEGER_MAX, POSTGRESQL, SQLITE, Words, word

#: out of 85: the parts of MarketHub's ranking without the publisher's tier, which this hub does not have
_INSTALLS_PART, _RATING_PART, _RECENCY_PART, _TRUST_PART = 30, 25, 20, 10
_PARTS = _INSTALLS_PART + _RATING_PART + _RECENCY_PART + _TRUST_PART
#: what a part has at most; a hundred hundredths of them all are the whole
_FULL, _WHOLE = 1000, 100_000
#: what fits the name has so much more, and what is among the tags (+20 %, +10 %)
_NAME_MORE, _TAG_MORE = 20_000, 10_000
#: so many installs are half of what installs can give
_HALF_INSTALLS = 100
_RECENCY = ((30, 1000), (90, 750), (180, 500), (365, 250))
_TRUST = {TrustLevel.OFFICIAL: 1000, TrustLevel.CERTIFIED: 600, TrustLevel.COMMUNITY: 0}
#: stars, in thousandths
_STAR, _STARS_MAX = 1000, 5
#: "highest rated" needs so many reviews
_REVIEWS_MIN = 5
_TRENDING, _NEW = timedelta(days=30), timedelta(days=14)

_search = table("listing_search", column("listing_id", Words()), *(column(name, Words()) for name in (
    *("name", "description", "tags", "words"),
)))  # fmt: skip
_LISTING, _VERSION, _INSTALL = listing.c, listing_version.c, listing_install.c
_ADD = insert(_search).values({name: bindparam(name) for name in ("listing_id", "name", "description", "tags")})
_words = postgresql.insert(_search).values(listing_id=bindparam("listing_id"), words=cast(bindparam("words"), TSVECTOR))
_PUT = _words.on_conflict_do_update(index_elements=["listing_id"], set_={"words": _words.excluded.words})
_UNINDEX = delete(_search).where(_search.c.listing_id == bindparam("id"))

_offered, _owner = listing_version.alias("offered"), publisher.alias("owner")


#: what everybody may see
IS_SHOWN = and_(
    _LISTING.state.in_([word(state) for state in OFFERED_STATES]),
    exists().where(_offered.c.listing_id == _LISTING.listing_id, is_offered(_offered.c)),
    ~exists().where(_owner.c.publisher_id == _LISTING.publisher_id, _owner.c.status == word(PublisherStatus.SUSPENDED)),
)


class ListingSearch:
    """:class:`domain.market.catalogue_rows.SearchRows`."""

    _session: Session

    async def index(self, listing: Listing) -> None:
        texts = (listing.name, " ".join(listing.tags), listing.description)
        name, tags, description = (words_of(text) for text in texts)
        row: dict[str, str] = {"listing_id": listing.listing_id}
        if self._session.database == POSTGRESQL:
            self._session.later(_PUT, row | {"words": _weighted(A=name, B=tags, C=description)})
            return
        # FTS5 knows no keys
        await self.unindex(listing.listing_id)
        row |= {"name": " ".join(name), "tags": " ".join(tags), "description": " ".join(description)}
        self._session.later(_ADD, row)

    async def unindex(self, listing_id: str) -> None:
        self._session.later(_UNINDEX, {"id": listing_id})

    async def search(
        self, wanted: ListingFilter, now: datetime, *, first: int, after: tuple[int | str, str] | None = None
    ) -> Slice[Hit]:
        found, rank, is_rising = self._found(wanted, now)
        place = tuple_(rank, _LISTING.listing_id)
        if after is not None:
            seen = tuple_(*_seen(after))
            found = found.where(place > seen if is_rising else place < seen)
        rows = await self._session.rows(_ordered(found, rank, is_rising=is_rising).limit(first + 1))
        return slice_of([_hit(row) for row in rows], first)

    async def search_page(self, wanted: ListingFilter, now: datetime, *, page: int, page_size: int) -> Page[Hit]:
        found, rank, is_rising = self._found(wanted, now)
        total = await self._session.row(select(func.count()).select_from(found.subquery()))
        part = _ordered(found, rank, is_rising=is_rising).limit(page_size).offset((page - 1) * page_size)
        return Page(tuple(_hit(row) for row in await self._session.rows(part)), int(total[0]) if total else 0)

    async def featured(self, now: datetime, *, most: int) -> FeaturedIds:
        statements = _official(), _trending(now - _TRENDING), _new_releases(now - _NEW), _top_rated()
        lists = []
        for statement in statements:
            rows = await self._session.rows(statement.limit(most))
            lists.append(tuple(ListingId(row[0]) for row in rows))
        return FeaturedIds(*lists)

    def _found(self, wanted: ListingFilter, now: datetime) -> tuple[Select[Any], ColumnElement[Any], bool]:
        """The listings that fit, what they are ordered by, and whether the lowest comes first."""
        words = asked_words(wanted.search)
        rank, is_rising = _rank(wanted, now, lambda form: self._fits(form(words)))
        found = with_publisher(select(*HEAD, rank.label("rank"))).where(IS_SHOWN, *_conditions(wanted))
        if wanted.search.strip():
            found = found.where(self._fits(_anywhere(words)))
        return found, rank, is_rising

    def _fits(self, asked: Mapping[str, str]) -> ColumnElement[bool]:
        """Whether the index of a listing's words fits a question of this database."""
        if self._session.database == SQLITE:
            # an empty question is no question to FTS5, and fits nothing
            fits = literal_column("listing_search", String()).op("MATCH", is_comparison=True)(asked[SQLITE] or '""')
        else:
            fits = _search.c.words.op("@@", is_comparison=True)(cast(asked[POSTGRESQL], TSQUERY))
        return _LISTING.listing_id.in_(select(_search.c.listing_id).where(fits))


def _anywhere(words: Sequence[str]) -> Mapping[str, str]:
    """Every word stands somewhere; the last one as a word's beginning."""
    return _question(words, column="", weights="", is_prefix=True)


def _in_the_name(words: Sequence[str]) -> Mapping[str, str]:
    return _question(words, column="name", weights="A", is_prefix=True)


def _in_the_tags(words: Sequence[str]) -> Mapping[str, str]:
    return _question(words, column="tags", weights="B", is_prefix=False)


def _question(words: Sequence[str], *, column: str, weights: str, is_prefix: bool) -> Mapping[str, str]:
    """The words, which are letters and digits only, as either database asks for all of them."""
    last = len(words) - 1
    stars = ["*" if is_prefix and place == last else "" for place in range(len(words))]
    listed = " AND ".join(f'"{word}" {star}' for word, star in zip(words, stars, strict=True))
    marks = [f":{star}{weights}" if star or weights else "" for star in stars]
    return {
        SQLITE: f"{column} : ({listed})" if column and listed else listed,
        POSTGRESQL: " & ".join(f"'{word}'{mark}" for word, mark in zip(words, marks, strict=True)),
    }


def _weighted(**weighted: Sequence[str]) -> str:
    """Words and their weights as PostgreSQL reads a tsvector."""
    placed = [(word, weight) for weight, words in weighted.items() for word in words]
    return " ".join(f"'{word}':{place}{weight}" for place, (word, weight) in enumerate(placed, 1))


def _conditions(wanted: ListingFilter) -> Iterator[ColumnElement[bool]]:
    if wanted.category:
        yield _LISTING.category == wanted.category
    if wanted.trust_levels:
        yield _LISTING.trust_level.in_(wanted.trust_levels)
    if wanted.package_type:
        yield _LISTING.package_type == wanted.package_type
    if wanted.min_rating:
        yield and_(_LISTING.review_count > 0, round(wanted.min_rating * _STAR) <= _STARS)


#: average stars, in thousandths
_STARS: ColumnElement[int] = case(
    (_LISTING.review_count > 0, cast(_LISTING.rating_sum, BigInteger) * _STAR // _LISTING.review_count), else_=0
)
_RATED = case((_LISTING.review_count >= _REVIEWS_MIN, (_STARS_MAX + 1) * _STAR), else_=0) + _STARS


def _rank(
    wanted: ListingFilter,
    now: datetime,
    fits: Callable[[Callable[[Sequence[str]], Mapping[str, str]]], ColumnElement[bool]],
) -> tuple[ColumnElement[Any], bool]:
    match wanted.order:
        case ListingSort.INSTALLS:
            return _LISTING.install_count, False
        case ListingSort.RATING:
            return _RATED, False
        case ListingSort.NEWEST:
            return type_coerce(_LISTING.updated_at, Words()), False
        case ListingSort.NAME:
            return _LISTING.name_key, True
        case ListingSort.RELEVANCE:
            name_more = case((fits(_in_the_name), _NAME_MORE), else_=0)
            return _standing(now) + name_more + case((fits(_in_the_tags), _TAG_MORE), else_=0), False


def _standing(now: datetime) -> ColumnElement[int]:
    """MarketHub's ranking without the publisher's tier, and the rest of it stretched to the whole (section 10.2)."""
    installs = cast(case((_LISTING.install_count > 0, _LISTING.install_count), else_=1), BigInteger)
    since = [(_LISTING.updated_at >= now - timedelta(days=days), value) for days, value in _RECENCY]
    parts = (
        _INSTALLS_PART * (installs * _FULL // (installs + _HALF_INSTALLS))
        + _RATING_PART * (_STARS // _STARS_MAX)
        + _RECENCY_PART * case(*since, else_=0)
        + _TRUST_PART * case(*((_LISTING.trust_level == level, value) for level, value in _TRUST.items()), else_=0)
    )
    return parts * (_WHOLE // _FULL) // _PARTS


def _ordered(found: Select[Any], rank: ColumnElement[Any], *, is_rising: bool) -> Select[Any]:
    if is_rising:
        return found.order_by(rank, _LISTING.listing_id)
    return found.order_by(rank.desc(), _LISTING.listing_id.desc())


def _seen(after: tuple[int | str, str]) -> tuple[Any, Any]:
    rank, listing_id = after
    if isinstance(rank, int):
        return literal(min(rank, INTEGER_MAX)), literal(listing_id, Words())
    return literal(rank, Words()), literal(listing_id, Words())


def _hit(row: Sequence[Any]) -> Hit:
    return Hit(head_of(row[:-1]), row[-1])


def _official() -> Select[Any]:
    found = select(_LISTING.listing_id).where(IS_SHOWN, _LISTING.trust_level == word(TrustLevel.OFFICIAL))
    return found.order_by(_LISTING.install_count.desc(), _LISTING.listing_id)


def _top_rated() -> Select[Any]:
    found = select(_LISTING.listing_id).where(IS_SHOWN, _LISTING.review_count >= _REVIEWS_MIN)
    return found.order_by(_STARS.desc(), _LISTING.review_count.desc(), _LISTING.listing_id)


def _trending(since: datetime) -> Select[Any]:
    found = (
        select(_LISTING.listing_id)
        .join(listing_install, _INSTALL.listing_id == _LISTING.listing_id)
        .where(IS_SHOWN, _INSTALL.first_at >= since)
        .group_by(_LISTING.listing_id)
    )
    return found.order_by(func.count().desc(), _LISTING.listing_id)


def _new_releases(since: datetime) -> Select[Any]:
    found = (
        select(_LISTING.listing_id)
        .join(listing_version, _VERSION.listing_id == _LISTING.listing_id)
        .where(
            IS_SHOWN, is_offered(_VERSION), _VERSION.state == word(ListingState.LISTED), _VERSION.published_at >= since
        )
        .group_by(_LISTING.listing_id)
    )
    return found.order_by(func.max(_VERSION.published_at).desc(), _LISTING.listing_id)
