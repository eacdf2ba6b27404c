"""What publishers submit, and who looks at it meanwhile: lease and fence as for imports (ADR 0005)."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Select, bindparam, case, func, insert, literal_column, null, select, type_coerce, update

from domain.market.model import PublisherId, Submission, SubmissionId, SubmissionStatus
from domain.market.publishing_rows import SUBMISSIONS, Claim
from domain.model import name_key
from domain.ports import LeaseLostError
from domain.rows import Page, Slice
from storage.artifacts import slice_of
from storage.market_tables import submission
from storage.session import Session
from storage.sql import DatabaseSeconds, Json, chunks

#: in the order of :class:`domain.market.model.Submission`
_FIELDS = (
    *("submission_id", "tenant_id", "publisher_id", "listing_id", "name", "version", "status", "trust_target"),
    *("blob_key", "sha256", "size_bytes", "wishes", "submitted_at", "submitted_by", "signature", "coverage"),
    *("explanation", "reason", "details", "scan_report", "reviewed_at", "reviewed_by", "is_fast_track"),
)
_OWNER = _FIELDS.index("publisher_id")
SUBMISSION = [submission.c[name] for name in _FIELDS]
#: a report is as large as its package is bad: a list says only whether there is one
_HAS_REPORT = case((submission.c.scan_report.is_not(None), literal_column("'{}'", Json())), else_=null())
LISTED = [
    type_coerce(_HAS_REPORT, Json()).label("scan_report") if name == "scan_report" else submission.c[name]
    for name in _FIELDS
]

_S = submission.c
#: what only the automatic checks move
_AUTOMATIC = (SubmissionStatus.QUEUED, SubmissionStatus.SECURITY_SCANNING, SubmissionStatus.MANIFEST_VALIDATION)
#: a fast track comes before all others
LANE = case((_S.is_fast_track, 0), else_=1)
_ID = _S.submission_id == bindparam("id")
_IS_FREE = _S.lease_until < DatabaseSeconds()

_FIND = select(*SUBMISSION).where(_ID)
_NEXT = (
    select(_S.submission_id)
    .where(_S.status.in_(_AUTOMATIC), _IS_FREE)
    .order_by(LANE, _S.submission_id)
    .limit(1)
    .with_for_update(skip_locked=True)
)
_CLAIM = (
    update(submission)
    .where(_S.submission_id == _NEXT.scalar_subquery())
    .values(
        status=SubmissionStatus.SECURITY_SCANNING,
        attempt=_S.attempt + 1,
        lease_until=DatabaseSeconds() + bindparam("seconds"),
    )
    .returning(*SUBMISSION, _S.attempt)
)
_LET_GO = (
    update(submission)
    .where(_ID, _S.status.in_(_AUTOMATIC), _S.attempt == bindparam("held_attempt"))
    .values(status=SubmissionStatus.QUEUED, lease_until=0, attempt=_S.attempt - 1)
)
_LET_ALL_GO = update(submission).where(_S.lease_until > 0, _S.status.in_(_AUTOMATIC)).values(lease_until=0)
_SINCE = (
    select(_S.submitted_at)
    .where(_S.publisher_id == bindparam("publisher"), _S.submitted_at > bindparam("since", type_=_S.submitted_at.type))
    .order_by(_S.submission_id.desc())
)
_OF_NAME = (_S.publisher_id == bindparam("publisher"), _S.name_key == bindparam("key"))
_LAST_OF = select(*LISTED).where(*_OF_NAME).order_by(_S.submission_id.desc()).limit(1)
_UNDER_WAY = (
    select(_S.submission_id)
    .where(*_OF_NAME, _S.version == bindparam("number"))
    .where(_S.status.not_in([status for status in SubmissionStatus if status.is_final]))
    .limit(1)
)
_ADD = insert(submission)


class SqlSubmissions:
    """:class:`domain.market.publishing_rows.SubmissionRows`."""

    def __init__(self, session: Session) -> None:
        self._session = session

    async def submit(self, submission: Submission) -> None:
        row = {name: getattr(submission, name) for name in _FIELDS}
        self._session.later(_ADD, row | {"name_key": name_key(submission.name)})
        self._session.ring(SUBMISSIONS)

    async def submission(self, submission_id: str) -> Submission | None:
        row = await self._session.row(_FIND, {"id": submission_id})
        return Submission(*row) if row else None

    async def submissions_named(self, submission_ids: Collection[str]) -> dict[SubmissionId, Submission]:
        found: dict[SubmissionId, Submission] = {}
        for some in chunks(sorted(set(submission_ids))):
            rows = await self._session.rows(select(*SUBMISSION).where(_S.submission_id.in_(some)))
            found |= {row[0]: Submission(*row) for row in rows}
        return found

    async def submissions(
        self,
        publisher_ids: Collection[str],
        statuses: Collection[SubmissionStatus],
        *,
        first: int,
        after: str | None = None,
    ) -> dict[PublisherId, Slice[Submission]]:
        place = func.row_number().over(partition_by=_S.publisher_id, order_by=_S.submission_id.desc())
        pages: dict[PublisherId, list[Submission]] = {}
        for some in chunks(sorted(set(publisher_ids))):
            listed = _with(select(*LISTED, place.label("place")).where(_S.publisher_id.in_(some)), statuses)
            if after is not None:
                listed = listed.where(_S.submission_id < after)
            numbered = listed.subquery()
            *fields, number = numbered.c
            page = select(*fields).where(number <= first + 1).order_by(numbered.c.submission_id.desc())
            for row in await self._session.rows(page):
                pages.setdefault(row[_OWNER], []).append(Submission(*row))
        return {publisher: slice_of(items, first) for publisher, items in pages.items()}

    async def submission_page(
        self, publisher_id: str, statuses: Collection[SubmissionStatus], *, page: int, page_size: int
    ) -> Page[Submission]:
        found = _with(select(*LISTED).where(_S.publisher_id == publisher_id), statuses)
        total = await self._session.row(select(func.count()).select_from(found.subquery()))
        part = found.order_by(_S.submission_id.desc()).limit(page_size).offset((page - 1) * page_size)
        rows = await self._session.rows(part)
        return Page(tuple(Submission(*row) for row in rows), int(total[0]) if total else 0)

    async def submitted_since(self, publisher_id: str, since: datetime) -> list[datetime]:
        rows = await self._session.rows(_SINCE, {"publisher": publisher_id, "since": since})
        return [row[0] for row in rows]

    async def last_of(self, publisher_id: str, name_key: str) -> Submission | None:
        row = await self._session.row(_LAST_OF, {"publisher": publisher_id, "key": name_key})
        return Submission(*row) if row else None

    async def under_way(self, publisher_id: str, name_key: str, version: str) -> SubmissionId | None:
        row = await self._session.row(_UNDER_WAY, {"publisher": publisher_id, "key": name_key, "number": version})
        return SubmissionId(row[0]) if row else None

    async def claim(self, *, lease_seconds: float) -> Claim | None:
        row = await self._session.row(_CLAIM, {"seconds": lease_seconds})
        return Claim(Submission(*row[:-1]), row[-1]) if row else None

    async def advance(self, claim: Claim, status: SubmissionStatus, changes: Mapping[str, Any] | None = None) -> None:
        values = dict(changes or {}) | ({} if status in _AUTOMATIC else {"lease_until": 0})
        moved = (
            update(submission)
            .where(_S.submission_id == claim.submission.submission_id, _S.attempt == claim.attempt)
            .where(_S.status.in_(_AUTOMATIC))
            .values(status=status, **values)
        )
        if (await self._session.run(moved)).rowcount != 1:
            raise LeaseLostError(claim.submission.submission_id)

    async def let_go(self, claim: Claim) -> None:
        self._session.later(_LET_GO, {"id": claim.submission.submission_id, "held_attempt": claim.attempt})
        self._session.ring(SUBMISSIONS)

    async def let_all_go(self) -> int:
        return (await self._session.run(_LET_ALL_GO)).rowcount

    async def decide(
        self, submission_id: str, expected: SubmissionStatus, status: SubmissionStatus, changes: Mapping[str, Any]
    ) -> bool:
        decided = (
            update(submission)
            .where(_S.submission_id == submission_id, _S.status == expected)
            .values(status=status, **changes)
        )
        if status in _AUTOMATIC:
            decided = decided.values(attempt=0, lease_until=0)
            self._session.ring(SUBMISSIONS)
        return (await self._session.run(decided)).rowcount == 1


def _with(found: Select[Any], statuses: Collection[SubmissionStatus]) -> Select[Any]:
    return found.where(_S.status.in_(statuses)) if statuses else found
