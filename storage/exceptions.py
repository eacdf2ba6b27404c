"""Exceptions from the scans of a tenant's imports (installhub.md section 9.6; decisions R6)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, exists, func, insert, literal, select, update

from domain.exception_rows import ImportException, Verdict
from domain.market.curation_rows import Binding, Judgement
from domain.model import TenantId
from domain.rows import Slice
from storage.artifacts import slice_of
from storage.plan_tables import import_exception
from storage.session import Session

#: in the order of :class:`domain.exception_rows.ImportException`
_FIELDS = (
    *("exception_id", "tenant_id", "import_id", "finding_index", "rule", "pointer", "artifact_hash", "explanation"),
    *("justification", "status", "asked_at", "asked_by", "details", "valid_until", "decided_at", "decided_by"),
)
_STATUS = _FIELDS.index("status")
_E = import_exception.c
_ALL = [_E[name] for name in _FIELDS]
_OPEN, _APPROVED = Judgement.UNDER_REVIEW.wire, Judgement.APPROVED.wire
_TENANT = bindparam("tenant", type_=_E.tenant_id.type)

_FIND = select(*_ALL).where(
    _E.tenant_id == _TENANT, _E.import_id == bindparam("import"), _E.exception_id == bindparam("id")
)
_COUNT = select(func.count()).where(_E.tenant_id == _TENANT, _E.import_id == bindparam("import"))
_GRANTED = select(_E.rule, _E.pointer, _E.artifact_hash).where(
    _E.tenant_id == _TENANT, _E.status == _APPROVED, _E.valid_until > bindparam("now", type_=_E.valid_until.type)
)


class SqlExceptions:
    """:class:`domain.exception_rows.ExceptionRows`."""

    def __init__(self, session: Session, tenant_id: TenantId) -> None:
        self._session = session
        self._tenant = tenant_id

    async def ask(self, wanted: ImportException) -> bool:
        row = {name: getattr(wanted, name) for name in _FIELDS} | {"status": wanted.status.wire}
        row["tenant_id"] = self._tenant
        stands = exists().where(
            _E.import_id == wanted.import_id,
            _E.finding_index == wanted.finding_index,
            _E.status != Judgement.REJECTED.wire,
        )
        values = select(*(literal(row[name], _E[name].type) for name in _FIELDS)).where(~stands)
        return (await self._session.run(insert(import_exception).from_select(list(_FIELDS), values))).rowcount == 1

    async def count(self, import_id: str) -> int:
        row = await self._session.row(_COUNT, {"tenant": self._tenant, "import": import_id})
        return int(row[0]) if row else 0

    async def find(self, import_id: str, exception_id: str) -> ImportException | None:
        row = await self._session.row(_FIND, {"tenant": self._tenant, "import": import_id, "id": exception_id})
        return _exception(row) if row else None

    async def page(
        self, statuses: tuple[Judgement, ...], *, first: int, after: str | None = None
    ) -> Slice[ImportException]:
        words = [status.wire for status in statuses]
        page = select(*_ALL).where(_E.tenant_id == self._tenant, _E.status.in_(words))
        if after is not None:
            page = page.where(_E.exception_id > after)
        rows = await self._session.rows(page.order_by(_E.exception_id).limit(first + 1))
        return slice_of([_exception(row) for row in rows], first)

    async def decide(self, exception_id: str, verdict: Verdict) -> bool:
        before = [_OPEN] if verdict.status is Judgement.APPROVED else [_OPEN, _APPROVED]
        decided = (
            update(import_exception)
            .where(_E.tenant_id == self._tenant, _E.exception_id == exception_id, _E.status.in_(before))
            .values(
                status=verdict.status.wire,
                details=verdict.details,
                valid_until=verdict.valid_until,
                decided_at=verdict.at,
                decided_by=verdict.by,
            )
        )
        return (await self._session.run(decided)).rowcount == 1

    async def granted(self, now: datetime) -> frozenset[Binding]:
        rows = await self._session.rows(_GRANTED, {"tenant": self._tenant, "now": now})
        return frozenset((str(rule), str(pointer), str(digest)) for rule, pointer, digest in rows)


def _exception(row: Sequence[Any]) -> ImportException:
    values = list(row)
    values[_STATUS] = Judgement(values[_STATUS])
    return ImportException(*values)
