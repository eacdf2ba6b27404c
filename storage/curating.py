"""Listings in the hands of their publisher, or of who runs the market: how versions stand, certifications, counts."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import BindParameter, bindparam, false, func, select, true, update

from domain.market.curation_rows import ListingFigures, ShelfFigures, ShelfTotals, Standing
from domain.market.model import (
    Certification,
    Listing,
    ListingId,
    ListingState,
    PublisherStatus,
    ReviewState,
    SubmissionStatus,
    TrustLevel,
)
from domain.rows import Slice
from storage.artifacts import slice_of
from storage.listings import LISTING, certification_of, certification_row, listing_of
from storage.market_tables import listing, listing_install, listing_review, listing_version, publisher, submission
from storage.session import Session

_L, _V, _I, _R = listing.c, listing_version.c, listing_install.c, listing_review.c
_ID: BindParameter[str] = bindparam("id")
_THIS = _L.listing_id == _ID
_LOCKED = select(*LISTING).where(_THIS).with_for_update()
_STANDINGS = select(
    _V.version, _V.state, _V.state_reason, _V.replaced_by, _V.scan_result, _V.submission_id, _V.certification
).where(_V.listing_id == _ID)
_THIS_VERSION = (_V.listing_id == _ID, _V.version == bindparam("number"))
_STAND = (
    update(listing_version)
    .where(*_THIS_VERSION)
    .values(
        state=bindparam("new_state", type_=_V.state.type),
        state_reason=bindparam("reason"),
        replaced_by=bindparam("instead"),
    )
)
_CERTIFY = (
    update(listing_version).where(*_THIS_VERSION).values(certification=bindparam("given", type_=_V.certification.type))
)
_DAY = func.substr(_I.first_at, 1, 10)
_SINCE = bindparam("since", type_=_I.first_at.type)
_INSTALLS = select(func.count()).select_from(listing_install).where(_I.listing_id == _ID)
_BY_DAY = select(_DAY, func.count()).where(_I.listing_id == _ID, _I.first_at >= _SINCE).group_by(_DAY).order_by(_DAY)
_BY_VERSION = select(_I.version, func.count()).where(_I.listing_id == _ID).group_by(_I.version).order_by(_I.version)
_STARS = (
    select(_R.rating, func.count()).where(_R.listing_id == _ID, _R.state == ReviewState.PUBLISHED).group_by(_R.rating)
)
_OF_PUBLISHER = (
    select(*LISTING)
    .where(_L.publisher_id == _ID)
    .order_by(_L.install_count.desc(), _L.listing_id)
    .limit(bindparam("most"))
)
_TOTALS = select(
    func.count(), *(func.coalesce(func.sum(column), 0) for column in (_L.install_count, _L.rating_sum, _L.review_count))
).where(_L.publisher_id == _ID)
_OWN = select(_L.listing_id).where(_L.publisher_id == _ID)
_VERSION_COUNTS = select(_V.listing_id, func.count()).where(_V.listing_id.in_(_OWN)).group_by(_V.listing_id)
_INSTALL_COUNTS = (
    select(_I.listing_id, func.count()).where(_I.listing_id.in_(_OWN), _I.first_at >= _SINCE).group_by(_I.listing_id)
)
_SUBMISSION_COUNTS = (
    select(submission.c.status, func.count()).where(submission.c.publisher_id == _ID).group_by(submission.c.status)
)
_BADLY_RATED = (
    select(*LISTING)
    .where(
        _L.needs_review.is_(false()),
        _L.review_count >= bindparam("reviews"),
        # whole numbers: a hundredth of a star decides the same way on every database
        _L.rating_sum * 100 < _L.review_count * bindparam("hundredths"),
    )
    .order_by(_L.listing_id)
    .limit(bindparam("most"))
)
_CERTIFIED = (
    select(*LISTING, _V.certification, publisher.c.status == PublisherStatus.VERIFIED)
    .join(listing_version, (_V.listing_id == _L.listing_id) & (_V.version == _L.latest_version))
    .join(publisher, publisher.c.publisher_id == _L.publisher_id)
    .where(
        _L.trust_level == TrustLevel.CERTIFIED,
        _L.state.in_((ListingState.LISTED, ListingState.DEPRECATED)),
        _V.certification.is_not(None),
        _L.listing_id > bindparam("after"),
    )
    .order_by(_L.listing_id)
    .limit(bindparam("most"))
)


class SqlManaged:
    """:class:`domain.market.curation_rows.ManagedRows`."""

    def __init__(self, session: Session) -> None:
        self._session = session

    async def locked_listing(self, listing_id: str) -> Listing | None:
        row = await self._session.row(_LOCKED, {"id": listing_id})
        return listing_of(row) if row else None

    async def standings(self, listing_id: str) -> list[Standing]:
        return [_standing(row) for row in await self._session.rows(_STANDINGS, {"id": listing_id})]

    async def stand(
        self, listing_id: str, version: str, state: ListingState, *, reason: str = "", replaced_by: str = ""
    ) -> None:
        values = {"id": listing_id, "number": version, "new_state": state, "reason": reason, "instead": replaced_by}
        self._session.later(_STAND, values)

    async def certify(self, listing_id: str, version: str, certification: Certification | None) -> None:
        values = {"id": listing_id, "number": version, "given": certification_row(certification)}
        self._session.later(_CERTIFY, values)

    async def listing_figures(self, listing_id: str, since: datetime) -> ListingFigures:
        this, lately = {"id": listing_id}, {"id": listing_id, "since": since}
        total = await self._session.row(_INSTALLS, this)
        by_day = [(str(day), int(count)) for day, count in await self._session.rows(_BY_DAY, lately)]
        by_version = [(str(version), int(count)) for version, count in await self._session.rows(_BY_VERSION, this)]
        stars = {int(rating): int(count) for rating, count in await self._session.rows(_STARS, this)}
        return ListingFigures(
            installs=int(total[0]) if total else 0,
            installs_since=sum(count for _, count in by_day),
            by_day=by_day,
            by_version=by_version,
            stars=stars,
        )

    async def shelf_figures(self, publisher_id: str, since: datetime, *, most: int) -> ShelfFigures:
        this, lately = {"id": publisher_id}, {"id": publisher_id, "since": since}
        listings = await self._session.rows(_OF_PUBLISHER, this | {"most": most})
        totals = await self._session.row(_TOTALS, this)
        statuses = await self._session.rows(_SUBMISSION_COUNTS, this)
        return ShelfFigures(
            listings=[listing_of(row) for row in listings],
            totals=ShelfTotals(*map(int, totals or (0, 0, 0, 0))),
            versions=_counts(await self._session.rows(_VERSION_COUNTS, this)),
            installs_since=_counts(await self._session.rows(_INSTALL_COUNTS, lately)),
            submissions={SubmissionStatus(status): int(count) for status, count in statuses},
        )

    async def flagged(self, *, first: int, after: str | None = None) -> Slice[Listing]:
        page = select(*LISTING).where(_L.needs_review.is_(true()))
        if after is not None:
            page = page.where(_L.listing_id > after)
        rows = await self._session.rows(page.order_by(_L.listing_id).limit(first + 1))
        return slice_of([listing_of(row) for row in rows], first)

    async def badly_rated(self, *, below: float, reviews: int, most: int) -> list[Listing]:
        values = {"hundredths": round(below * 100), "reviews": reviews, "most": most}
        return [listing_of(row) for row in await self._session.rows(_BADLY_RATED, values)]

    async def certified(self, *, most: int, after: str = "") -> list[tuple[Listing, Certification, bool]]:
        found = []
        for row in await self._session.rows(_CERTIFIED, {"after": after, "most": most}):
            *columns, stored, is_proven = row
            certification = certification_of(stored)
            if certification is not None:
                found.append((listing_of(columns), certification, bool(is_proven)))
        return found


def _standing(row: Sequence[Any]) -> Standing:
    values = list(row)
    values[-1] = certification_of(values[-1])
    return Standing(*values)


def _counts(rows: Sequence[Sequence[Any]]) -> dict[ListingId, int]:
    return {ListingId(listing_id): int(count) for listing_id, count in rows}
