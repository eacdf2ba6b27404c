"""Reports of danger, and versions whose scan is due again."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any

from sqlalchemy import BindParameter, Select, and_, bindparam, case, func, insert, or_, select, update

from domain.market.curation_rows import DueScan, NewScan, ReportStatus
from domain.market.model import ListingId, ListingState, VulnerabilityReport
from domain.rows import Page, Slice
from domain.scanning import ScanResult
from storage.artifacts import slice_of
from storage.market_tables import listing_version, vulnerability_report
from storage.session import Session

#: in the order of :class:`domain.market.model.VulnerabilityReport`
_FIELDS = (
    *("report_id", "listing_id", "tenant_id", "version", "severity", "description", "reported_by", "reported_at"),
    "status",
)
_R, _V = vulnerability_report.c, listing_version.c
_REPORT = [_R[name] for name in _FIELDS]
_ADD = insert(vulnerability_report)
_FIND = select(*_REPORT).where(_R.report_id == bindparam("id"))
_CLOSE = (
    update(vulnerability_report)
    .where(_R.report_id == bindparam("id"), _R.status == ReportStatus.RECEIVED.wire)
    .values(status=bindparam("new_status"))
)
_BEFORE = bindparam("before", type_=_V.scanned_at.type)
_UNFINISHED = bindparam("unfinished", type_=_V.scanned_at.type)
_RULES: BindParameter[str] = bindparam("rules")
_DUE = (
    select(_V.listing_id, _V.tenant_id, _V.version, _V.blob_key, _V.scanned_at, _V.rules_version)
    .where(
        _V.state.in_((ListingState.LISTED, ListingState.DEPRECATED)),
        or_(
            _V.rules_version != _RULES,
            _V.scanned_at < _BEFORE,
            and_(_V.scan_result == ScanResult.ERROR.value, _V.scanned_at < _UNFINISHED),
        ),
    )
    # what other rules let pass comes first
    .order_by(case((_V.rules_version != _RULES, 0), else_=1), _V.scanned_at, _V.listing_id, _V.version)
    .limit(bindparam("most"))
)
_NOTE = (
    update(listing_version)
    .where(
        _V.listing_id == bindparam("id"),
        _V.version == bindparam("number"),
        _V.scanned_at == bindparam("seen_at", type_=_V.scanned_at.type),
        _V.rules_version == bindparam("seen_rules"),
    )
    .values(
        scan_result=bindparam("new_result"),
        scan_report=bindparam("new_report", type_=_V.scan_report.type),
        scanned_at=bindparam("new_at", type_=_V.scanned_at.type),
        rules_version=bindparam("new_rules"),
    )
)
_OVERDUE = (
    select(_V.listing_id, _V.version)
    .where(
        _V.state == ListingState.SUSPENDED,
        _V.scan_result == ScanResult.FAIL.value,
        _V.scanned_at < bindparam("since", type_=_V.scanned_at.type),
    )
    .order_by(_V.scanned_at, _V.listing_id, _V.version)
    .limit(bindparam("most"))
)


class SqlSafety:
    """:class:`domain.market.curation_rows.SafetyRows`."""

    def __init__(self, session: Session) -> None:
        self._session = session

    async def report(self, report: VulnerabilityReport) -> None:
        self._session.later(_ADD, {name: getattr(report, name) for name in _FIELDS})

    async def reported(self, report_id: str) -> VulnerabilityReport | None:
        row = await self._session.row(_FIND, {"id": report_id})
        return VulnerabilityReport(*row) if row else None

    async def reports(
        self, statuses: Collection[ReportStatus], *, first: int, after: str | None = None
    ) -> Slice[VulnerabilityReport]:
        page = _standing(statuses)
        if after is not None:
            page = page.where(_R.report_id > after)
        rows = await self._session.rows(page.order_by(_R.report_id).limit(first + 1))
        return slice_of([VulnerabilityReport(*row) for row in rows], first)

    async def reports_page(
        self, statuses: Collection[ReportStatus], *, page: int, page_size: int
    ) -> Page[VulnerabilityReport]:
        found = _standing(statuses)
        total = await self._session.row(select(func.count()).select_from(found.subquery()))
        part = found.order_by(_R.report_id).limit(page_size).offset((page - 1) * page_size)
        rows = await self._session.rows(part)
        return Page(tuple(VulnerabilityReport(*row) for row in rows), int(total[0]) if total else 0)

    async def close_report(self, report_id: str, status: ReportStatus) -> bool:
        return (await self._session.run(_CLOSE, {"id": report_id, "new_status": status.wire})).rowcount == 1

    async def due_scans(
        self, rules_version: str, before: datetime, *, unfinished_before: datetime, most: int
    ) -> list[DueScan]:
        values = {"rules": rules_version, "before": before, "unfinished": unfinished_before, "most": most}
        return [DueScan(*row) for row in await self._session.rows(_DUE, values)]

    async def note_scan(self, due: DueScan, scan: NewScan) -> bool:
        values = {
            "id": due.listing_id,
            "number": due.version,
            "seen_at": due.scanned_at,
            "seen_rules": due.rules_version,
            "new_result": scan.result,
            "new_report": dict(scan.report),
            "new_at": scan.scanned_at,
            "new_rules": scan.rules_version,
        }
        return (await self._session.run(_NOTE, values)).rowcount == 1

    async def overdue_repairs(self, since: datetime, *, most: int) -> list[tuple[ListingId, str]]:
        rows = await self._session.rows(_OVERDUE, {"since": since, "most": most})
        return [(ListingId(listing_id), str(version)) for listing_id, version in rows]


def _standing(statuses: Collection[ReportStatus]) -> Select[Any]:
    found = select(*_REPORT)
    return found.where(_R.status.in_([status.wire for status in statuses])) if statuses else found
