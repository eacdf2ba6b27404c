"""Two installations that know each other: what is told to a hub elsewhere, and what our hub is told (section 10.2)."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, and_, bindparam, delete, func, insert, select, true, tuple_, update

from domain.access import Reach
from domain.market.catalogue_rows import Subscription
from domain.market.model import ListingId
from domain.market.remote_rows import HUB_REPORTS, HubReport, NewReport, Watched
from domain.model import TenantId
from domain.notices.model import DeliveryState
from storage.listing_heads import among
from storage.remote_tables import hub_report, remote_subscription, reported_tenant, reporter
from storage.session import Session
from storage.sql import DatabaseSeconds, on_both, word

_ERROR_MAX = 500
#: nobody's: it belongs to the installation
_NO_TENANT = ""
_H, _S, _R, _T = hub_report.c, remote_subscription.c, reporter.c, reported_tenant.c

_WAITS = _H.state == word(DeliveryState.WAITING)
_FIRST = select(func.min(_H.number)).where(_WAITS).scalar_subquery()
_IS_DUE: ColumnElement[bool] = and_(_H.number == _FIRST, _WAITS, _H.due <= DatabaseSeconds())
_IN_A_WHILE = DatabaseSeconds() + bindparam("seconds")
_LINE_UP = insert(hub_report).values(due=DatabaseSeconds())
_ANY_DUE = select(_H.number).where(_IS_DUE)
_CLAIM = (
    update(hub_report)
    .where(_IS_DUE)
    .values(attempts=_H.attempts + 1, due=_IN_A_WHILE)
    .returning(_H.number, _H.tenant_id, _H.listing_id, _H.version, _H.attempts)
)
_THIS = and_(_H.number == bindparam("id"), _H.attempts == bindparam("attempt"), _WAITS)
_TOLD = delete(hub_report).where(_THIS)
_ERROR = bindparam("new_error", type_=_H.error.type)
_DELAY = update(hub_report).where(_THIS).values(due=_IN_A_WHILE, error=_ERROR)
_GIVE_UP = update(hub_report).where(_THIS).values(state=DeliveryState.DEAD, error=_ERROR)
_TAKE_BACK = update(hub_report).where(_WAITS).values(due=DatabaseSeconds())
_FORGET = delete(hub_report).where(_H.at < bindparam("before", type_=_H.at.type))

#: in the order of :class:`domain.market.catalogue_rows.Subscription`
_SUBSCRIBED = [_S[name] for name in ("listing_id", "tenant_id", "subscribed_at", "subscribed_by", "identity")]
_SUBSCRIBE = on_both(lambda made: made(remote_subscription).on_conflict_do_nothing())
_OF_TENANT = and_(_S.listing_id == bindparam("id"), _S.tenant_id == bindparam("tenant"))
_SUBSCRIPTION_OF = select(*_SUBSCRIBED).where(_OF_TENANT)
_UNSUBSCRIBE = delete(remote_subscription).where(_OF_TENANT)
_IDS = bindparam("ids", expanding=True, type_=_S.listing_id.type)
_WATCHED = (
    select(_S.listing_id, _S.tenant_id, _S.name, _S.told_version)
    .where(
        tuple_(_S.listing_id, _S.tenant_id)
        > tuple_(
            bindparam("after_listing", type_=_S.listing_id.type), bindparam("after_tenant", type_=_S.tenant_id.type)
        )
    )
    .order_by(_S.listing_id, _S.tenant_id)
    .limit(bindparam("most"))
)
_NOTE_TOLD = (
    update(remote_subscription)
    .where(_OF_TENANT, _S.told_version == bindparam("before"))
    .values(told_version=bindparam("told", type_=_S.told_version.type))
)

_MAKE_REPORTER = on_both(lambda made: made(reporter).on_conflict_do_nothing())
_ADMIT = on_both(lambda made: made(reported_tenant).on_conflict_do_nothing().returning(_T.tenant_id))
_ADMITTED = select(_T.tenant_id).where(_T.tenant_id == bindparam("tenant"))
#: the row's lock lets one count at a time
_COUNT = (
    update(reporter)
    .where(_R.identity == bindparam("which"), _R.tenants < bindparam("most"))
    .values(tenants=_R.tenants + 1)
)
_UNCOUNT = update(reporter).where(_R.identity == bindparam("which")).values(tenants=_R.tenants - 1)


class ReportLine:
    """:class:`domain.market.remote_rows.ReportLineRows`."""

    _session: Session

    async def line_up(self, reports: Sequence[NewReport]) -> None:
        if not reports:
            return
        rows = [
            {
                "tenant_id": report.tenant_id,
                "listing_id": report.listing_id,
                "version": report.version,
                "at": report.at,
                "state": DeliveryState.WAITING,
                "error": "",
            }
            for report in reports
        ]
        self._session.later(_LINE_UP, rows)
        self._session.ring(HUB_REPORTS)

    async def is_report_due(self) -> bool:
        return await self._session.row(_ANY_DUE) is not None

    async def claim_report(self, *, lease_seconds: float) -> HubReport | None:
        row = await self._session.row(_CLAIM, {"seconds": lease_seconds})
        return HubReport(*row) if row else None

    async def report_told(self, report: HubReport) -> None:
        self._session.later(_TOLD, {"id": report.number, "attempt": report.attempts})

    async def report_not_told(self, report: HubReport, error: str, *, again_in: float | None) -> None:
        named = {"id": report.number, "attempt": report.attempts, "new_error": error[:_ERROR_MAX]}
        if again_in is None:
            self._session.later(_GIVE_UP, named)
        else:
            self._session.later(_DELAY, named | {"seconds": again_in})

    async def take_reports_back(self) -> None:
        self._session.later(_TAKE_BACK)

    async def forget_reports(self, before: datetime) -> int:
        return (await self._session.run(_FORGET, {"before": before})).rowcount


class RemoteSubscriptions:
    """:class:`domain.market.remote_rows.RemoteSubscriptionRows`."""

    _session: Session

    async def subscribe(self, wanted: Subscription, name: str, told_version: str) -> Subscription:
        row: dict[str, Any] = {column.name: getattr(wanted, column.name) for column in _SUBSCRIBED}
        self._session.later(_SUBSCRIBE, row | {"name": name, "told_version": told_version})
        there = await self._session.row(_SUBSCRIPTION_OF, {"id": wanted.listing_id, "tenant": wanted.tenant_id})
        return Subscription(*there) if there else wanted

    async def unsubscribe(self, listing_id: str, tenant_id: TenantId) -> None:
        self._session.later(_UNSUBSCRIBE, {"id": listing_id, "tenant": tenant_id})

    async def subscriptions(self, listing_ids: Collection[str], reach: Reach) -> dict[ListingId, list[Subscription]]:
        here = true() if reach is None else _S.tenant_id.in_(reach)
        asked = select(*_SUBSCRIBED).where(_S.listing_id.in_(_IDS), here).order_by(_S.tenant_id)
        found: dict[ListingId, list[Subscription]] = {}
        for row in await among(self._session, asked, listing_ids):
            found.setdefault(row[0], []).append(Subscription(*row))
        return found

    async def watched(self, after: tuple[str, str], *, most: int) -> list[Watched]:
        values = {"after_listing": after[0], "after_tenant": after[1], "most": most}
        return [Watched(*row) for row in await self._session.rows(_WATCHED, values)]

    async def note_told(self, watched: Watched, version: str) -> bool:
        place = {"id": watched.listing_id, "tenant": watched.tenant_id}
        noted = await self._session.run(_NOTE_TOLD, place | {"before": watched.told_version, "told": version})
        return noted.rowcount == 1


class SqlRemote(ReportLine, RemoteSubscriptions):
    """:class:`domain.market.remote_rows.RemoteRows`."""

    def __init__(self, session: Session) -> None:
        self._session = session

    async def admit_tenant(self, identity: str, tenant_id: TenantId, *, most: int) -> bool:
        if await self._session.row(_ADMITTED, {"tenant": tenant_id}) is not None:
            return True
        self._session.later(_MAKE_REPORTER, {"identity": identity, "tenant_id": _NO_TENANT, "tenants": 0})
        if (await self._session.run(_COUNT, {"which": identity, "most": most})).rowcount != 1:
            return False
        made = {"tenant_id": tenant_id, "identity": identity, "first_at": self._session.clock.now()}
        if await self._session.row(_ADMIT, made) is None:
            # somebody else let it in meanwhile: it must not be counted twice
            await self._session.run(_UNCOUNT, {"which": identity})
        return True
