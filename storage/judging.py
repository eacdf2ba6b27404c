"""What people are asked to decide about submissions: the review queue, manual reviews, exceptions from scans."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any, TypeVar

from sqlalchemy import Select, Table, bindparam, exists, func, insert, literal, select, tuple_, update

from domain.market.curation_rows import Binding, Judgement, ManualReview, ScanException
from domain.market.model import Submission, SubmissionId, SubmissionStatus
from domain.model import Actor
from domain.rows import Page, Slice
from storage.artifacts import slice_of
from storage.market_tables import manual_review, scan_exception, submission
from storage.session import Session
from storage.sql import chunks
from storage.submissions import LANE, LISTED

#: in the order of :class:`domain.market.curation_rows.ManualReview`
_REVIEW_FIELDS = (
    *("request_id", "tenant_id", "submission_id", "explanation", "status", "details"),
    *("asked_at", "asked_by", "decided_at", "decided_by"),
)
#: in the order of :class:`domain.market.curation_rows.ScanException`
_EXCEPTION_FIELDS = (
    *("exception_id", "tenant_id", "submission_id", "finding_index", "rule", "pointer", "artifact_hash"),
    *("explanation", "evidence", "status", "asked_at", "asked_by", "decided_at", "decided_by"),
)
_S, _M, _E = submission.c, manual_review.c, scan_exception.c
_REVIEW = [_M[name] for name in _REVIEW_FIELDS]
_EXCEPTION = [_E[name] for name in _EXCEPTION_FIELDS]
_REVIEW_STATUS, _EXCEPTION_STATUS = _REVIEW_FIELDS.index("status"), _EXCEPTION_FIELDS.index("status")

_AWAITING = select(*LISTED).where(_S.status == SubmissionStatus.AWAITING_HUMAN_REVIEW)
_COUNTED = select(func.count()).select_from(_AWAITING.subquery())
_OPEN = Judgement.UNDER_REVIEW.wire
_BINDING = (_E.rule, _E.pointer, _E.artifact_hash)
_GRANTED = (
    select(*_BINDING)
    .join(submission, _S.submission_id == _E.submission_id)
    .where(
        _S.publisher_id == bindparam("publisher"),
        _S.name_key == bindparam("key"),
        _E.status == Judgement.APPROVED.wire,
    )
)

T = TypeVar("T")


class SqlAsked:
    """:class:`domain.market.curation_rows.AskedRows`."""

    def __init__(self, session: Session) -> None:
        self._session = session

    async def awaiting(self, *, first: int, after: str | None = None) -> Slice[Submission]:
        page = _AWAITING if after is None else _AWAITING.where(tuple_(LANE, _S.submission_id) > tuple_(*_seen(after)))
        rows = await self._session.rows(page.order_by(LANE, _S.submission_id).limit(first + 1))
        return slice_of([Submission(*row) for row in rows], first)

    async def awaiting_page(self, *, page: int, page_size: int) -> Page[Submission]:
        total = await self._session.row(_COUNTED)
        part = _AWAITING.order_by(LANE, _S.submission_id).limit(page_size).offset((page - 1) * page_size)
        rows = await self._session.rows(part)
        return Page(tuple(Submission(*row) for row in rows), int(total[0]) if total else 0)

    async def ask_for_review(self, wanted: ManualReview) -> bool:
        row = {name: getattr(wanted, name) for name in _REVIEW_FIELDS} | {"status": wanted.status.wire}
        is_open = exists().where(_M.submission_id == wanted.submission_id, _M.status == _OPEN)
        return await self._added(manual_review, _REVIEW_FIELDS, row, ~is_open)

    async def manual_review(self, request_id: str) -> ManualReview | None:
        row = await self._session.row(select(*_REVIEW).where(_M.request_id == request_id))
        return _review(row) if row else None

    async def manual_reviews(self, submission_ids: Collection[str]) -> dict[SubmissionId, ManualReview]:
        found: dict[SubmissionId, ManualReview] = {}
        for some in chunks(sorted(set(submission_ids))):
            of_them = select(*_REVIEW).where(_M.submission_id.in_(some)).order_by(_M.request_id)
            rows = await self._session.rows(of_them)
            found |= {review.submission_id: review for review in map(_review, rows)}
        return found

    async def open_reviews(self, *, first: int, after: str | None = None) -> Slice[ManualReview]:
        page = select(*_REVIEW).where(_M.status == _OPEN)
        if after is not None:
            page = page.where(_M.request_id > after)
        rows = await self._session.rows(page.order_by(_M.request_id).limit(first + 1))
        return slice_of([_review(row) for row in rows], first)

    async def decide_review(self, request_id: str, status: Judgement, details: str, *, by: Actor, at: datetime) -> bool:
        decided = (
            update(manual_review)
            .where(_M.request_id == request_id, _M.status == _OPEN)
            .values(status=status.wire, details=details, decided_by=by, decided_at=at)
        )
        return (await self._session.run(decided)).rowcount == 1

    async def ask_for_exception(self, wanted: ScanException) -> bool:
        row = {name: getattr(wanted, name) for name in _EXCEPTION_FIELDS} | {"status": wanted.status.wire}
        stands = exists().where(
            _E.submission_id == wanted.submission_id,
            _E.finding_index == wanted.finding_index,
            _E.status != Judgement.REJECTED.wire,
        )
        return await self._added(scan_exception, _EXCEPTION_FIELDS, row, ~stands)

    async def exceptions(self, submission_ids: Collection[str]) -> dict[SubmissionId, list[ScanException]]:
        found: dict[SubmissionId, list[ScanException]] = {}
        for some in chunks(sorted(set(submission_ids))):
            of_them = select(*_EXCEPTION).where(_E.submission_id.in_(some)).order_by(_E.exception_id)
            for row in await self._session.rows(of_them):
                found.setdefault(row[2], []).append(_exception(row))
        return found

    async def open_exceptions(self, *, first: int, after: str | None = None) -> Slice[ScanException]:
        page = select(*_EXCEPTION).where(_E.status == _OPEN)
        if after is not None:
            page = page.where(_E.exception_id > after)
        rows = await self._session.rows(page.order_by(_E.exception_id).limit(first + 1))
        return slice_of([_exception(row) for row in rows], first)

    async def decide_exception(self, exception_id: str, status: Judgement, *, by: Actor, at: datetime) -> bool:
        decided = (
            update(scan_exception)
            .where(_E.exception_id == exception_id, _E.status == _OPEN)
            .values(status=status.wire, decided_by=by, decided_at=at)
        )
        return (await self._session.run(decided)).rowcount == 1

    async def granted(self, publisher_id: str, name_key: str) -> frozenset[Binding]:
        rows = await self._session.rows(_GRANTED, {"publisher": publisher_id, "key": name_key})
        return frozenset((str(rule), str(pointer), str(digest)) for rule, pointer, digest in rows)

    async def _added(self, table: Table, names: Sequence[str], row: dict[str, Any], condition: Any) -> bool:
        """Insert a row unless another one stands in its way: looked at and written in one statement."""
        values: Select[Any] = select(*(literal(row[name], table.c[name].type) for name in names)).where(condition)
        return (await self._session.run(insert(table).from_select(list(names), values))).rowcount == 1


def _seen(submission_id: str) -> tuple[Any, Any]:
    """The place in the queue of the submission that was seen last, wherever it is now."""
    lane = select(LANE).where(_S.submission_id == submission_id).correlate(None).scalar_subquery()
    return func.coalesce(lane, 0), literal(submission_id)


def _review(row: Sequence[Any]) -> ManualReview:
    values = list(row)
    values[_REVIEW_STATUS] = Judgement(values[_REVIEW_STATUS])
    return ManualReview(*values)


def _exception(row: Sequence[Any]) -> ScanException:
    values = list(row)
    values[_EXCEPTION_STATUS] = Judgement(values[_EXCEPTION_STATUS])
    return ScanException(*values)
