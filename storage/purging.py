"""Everything of a tenant, table by table; what stays, and why (decisions R40).

A table is gone through once, in the order in which its rows lie: few tables are indexed by tenant alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Select, Table, Text, and_, bindparam, cast, delete, exists, func, literal_column, select, text

from domain.import_model import ImportState
from domain.keeping_rows import PurgePlace
from domain.model import ImportId, TenantId
from storage import (
    binding_tables,
    market_tables,
    notice_tables,
    plan_tables,
    remote_tables,
    rescan_tables,
    tables,
    undo_tables,
)
from storage import user_tables as people
from storage.session import Session
from storage.sql import POSTGRESQL, SQLITE, Both

#: what goes, in this order: what names other rows before those
PURGED: tuple[Table, ...] = (
    *(plan_tables.plan_action, plan_tables.plan_approval, plan_tables.plan, plan_tables.scan_report),
    plan_tables.import_exception,
    *(plan_tables.merge_base, undo_tables.arrival, undo_tables.undone),
    *(tables.import_event, tables.import_package, tables.import_job, tables.installed_package),
    *(tables.reference, tables.export_form, tables.revision_body, tables.revision, tables.artifact),
    *(tables.package, tables.export_record, tables.upload, tables.idempotency),
    # after all that may be scanned: no scan is begun any more
    rescan_tables.rescan,
    *(binding_tables.remembered_binding, people.session, people.user, people.protection),
    *(notice_tables.webhook_delivery, notice_tables.webhook, notice_tables.mail, notice_tables.notification),
    *(notice_tables.notice_choice, notice_tables.notice_setting, tables.outbox, tables.audit),
    *(market_tables.listing_install, market_tables.listing_subscription),
    *(remote_tables.remote_subscription, remote_tables.hub_report),
)
_PUBLISHED = "what is published belongs to those who installed it too"
_PUBLIC = "the marketplace's: what others read, and what ratings are counted from"
_OF_THE_INSTALLATION = "the installation's own, of no tenant here"
#: what stays though it names a tenant, and why
KEPT: Mapping[Table, str] = {
    tables.tenant: "goes last, unless it published something",
    **dict.fromkeys((market_tables.publisher, market_tables.publisher_key), _PUBLISHED),
    **dict.fromkeys((market_tables.listing, market_tables.listing_version, market_tables.submission), _PUBLISHED),
    **dict.fromkeys((market_tables.scan_exception, market_tables.manual_review), _PUBLISHED),
    **dict.fromkeys((market_tables.listing_review, market_tables.review_mark), _PUBLIC),
    market_tables.vulnerability_report: "a weakness stays one, whoever found it",
    **dict.fromkeys((market_tables.hub_metadata, market_tables.hub_trust), _OF_THE_INSTALLATION),
    **dict.fromkeys((remote_tables.reporter, remote_tables.reported_tenant), _OF_THE_INSTALLATION),
}

_JOB = tables.import_job.c
_GOING_ON = select(_JOB.import_id).where(
    _JOB.tenant_id == bindparam("tenant", type_=_JOB.tenant_id.type),
    _JOB.state.not_in([state for state in ImportState if state.is_final]),
)
#: a row as its database names it, the first of all, and how two of them are compared
_ROW: Mapping[str, Any] = {SQLITE: literal_column("rowid"), POSTGRESQL: literal_column("ctid")}
_FIRST: Mapping[str, Any] = {SQLITE: -1, POSTGRESQL: "(0,0)"}
_AFTER = {SQLITE: text("rowid > :after"), POSTGRESQL: text("ctid > CAST(CAST(:after AS TEXT) AS tid)")}
_UP_TO = {SQLITE: text("rowid <= :last"), POSTGRESQL: text("ctid <= CAST(CAST(:last AS TEXT) AS tid)")}


def _last_of_some(table: Table, database: str) -> Select[Any]:
    """The last of the next few rows of a tenant."""
    mine = table.c.tenant_id == bindparam("tenant", type_=table.c.tenant_id.type)
    row = _ROW[database].label("row")
    some = (
        select(row).select_from(table).where(mine, _AFTER[database]).order_by(row).limit(bindparam("most")).subquery()
    )
    last = func.max(some.c.row)
    return select(last if database == SQLITE else cast(last, Text()))


def _up_to(table: Table, database: str) -> Any:
    mine = table.c.tenant_id == bindparam("tenant", type_=table.c.tenant_id.type)
    return delete(table).where(and_(mine, _AFTER[database], _UP_TO[database]))


def _on_both(build: Any, table: Table) -> Both:
    return {database: build(table, database) for database in (SQLITE, POSTGRESQL)}


_LAST = [_on_both(_last_of_some, table) for table in PURGED]
_DELETE = [_on_both(_up_to, table) for table in PURGED]
#: what may not outlive the tenant's row
_BOUND = [table for table in PURGED if table.c.tenant_id.foreign_keys]
_OF = bindparam("tenant", type_=tables.tenant.c.tenant_id.type)
_PUBLISHER = market_tables.publisher.c.tenant_id
_TENANT = (
    delete(tables.tenant)
    .where(tables.tenant.c.tenant_id == _OF, ~exists().where(_PUBLISHER == _OF))
    .returning(tables.tenant.c.tenant_id)
)


class SqlPurging:
    """:class:`domain.keeping_rows.PurgeRows`."""

    def __init__(self, session: Session) -> None:
        self._session = session

    async def going_on(self, tenant_id: TenantId) -> list[ImportId]:
        return [row[0] for row in await self._session.rows(_GOING_ON, {"tenant": tenant_id})]

    async def some(self, tenant_id: TenantId, place: PurgePlace, *, most: int) -> PurgePlace | None:
        number, after = place
        span = {"tenant": tenant_id, "after": _FIRST[self._session.database] if after is None else after}
        last = (await self._session.rows(_LAST[number], {**span, "most": most}))[0][0]
        if last is None:
            return PurgePlace(number + 1) if number + 1 < len(PURGED) else None
        self._session.later(_DELETE[number], {**span, "last": last})
        return PurgePlace(number, last)

    async def rest(self, tenant_id: TenantId) -> bool:
        for table in _BOUND:
            await self._session.run(delete(table).where(table.c.tenant_id == tenant_id))
        return await self._session.row(_TENANT, {"tenant": tenant_id}) is not None
