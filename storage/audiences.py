"""Who installed a listing, and who wants to hear of it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, delete, literal, select, true, update

from domain.access import Reach
from domain.market.catalogue_rows import Subscription
from domain.market.model import ListingId
from domain.market.remote_rows import ELSEWHERE
from domain.model import TenantId
from domain.ports import OUTBOX
from storage.listing_heads import among
from storage.market_tables import listing, listing_install, listing_subscription
from storage.prepared import AnyRow
from storage.session import Session
from storage.sql import chunks, on_both
from storage.tables import outbox

_INSTALL, _SUBSCRIPTION = listing_install.c, listing_subscription.c
#: in the order of :class:`domain.market.catalogue_rows.Subscription`
_SUBSCRIBED = [
    _SUBSCRIPTION[name] for name in ("listing_id", "tenant_id", "subscribed_at", "subscribed_by", "identity")
]
#: how many messages one statement posts
_POSTED_AT_ONCE = 500

_IS_KNOWN = select(literal(1)).where(listing.c.listing_id == bindparam("id"))
_FIRST_INSTALL = on_both(lambda made: made(listing_install).on_conflict_do_nothing().returning(_INSTALL.tenant_id))
_NEXT_INSTALL = (
    update(listing_install)
    .where(_INSTALL.listing_id == bindparam("id"), _INSTALL.tenant_id == bindparam("tenant"))
    .values(
        version=bindparam("installed", type_=_INSTALL.version.type),
        last_at=bindparam("at", type_=_INSTALL.last_at.type),
    )
)
_COUNT = (
    update(listing).where(listing.c.listing_id == bindparam("id")).values(install_count=listing.c.install_count + 1)
)
_INSTALLED_VERSION = select(_INSTALL.version).where(
    _INSTALL.listing_id == bindparam("id"), _INSTALL.tenant_id == bindparam("tenant")
)
_SUBSCRIBE = on_both(lambda made: made(listing_subscription).on_conflict_do_nothing())
_THIS = (_SUBSCRIPTION.listing_id == bindparam("id"), _SUBSCRIPTION.tenant_id == bindparam("tenant"))
_SUBSCRIPTION_OF = select(*_SUBSCRIBED).where(*_THIS)
_UNSUBSCRIBE = delete(listing_subscription).where(*_THIS)
_IDS = bindparam("ids", expanding=True, type_=_SUBSCRIPTION.listing_id.type)
_SUBSCRIBERS = select(_SUBSCRIPTION.tenant_id, _SUBSCRIPTION.identity).where(
    _SUBSCRIPTION.listing_id == bindparam("id")
)
#: whoever installed it elsewhere hears of it there
_INSTALLERS = select(_INSTALL.tenant_id, literal("")).where(
    _INSTALL.listing_id == bindparam("id"), ~_INSTALL.tenant_id.startswith(ELSEWHERE)
)


class Audiences:
    """:class:`domain.market.catalogue_rows.AudienceRows`."""

    _session: Session

    async def count_install(self, listing_id: str, tenant_id: TenantId, version: str, at: datetime) -> None:
        if await self._session.row(_IS_KNOWN, {"id": listing_id}) is None:
            return
        row = {"listing_id": listing_id, "tenant_id": tenant_id, "version": version, "first_at": at, "last_at": at}
        if await self._session.row(_FIRST_INSTALL, row) is not None:
            self._session.later(_COUNT, {"id": listing_id})
        else:
            self._session.later(_NEXT_INSTALL, {"id": listing_id, "tenant": tenant_id, "installed": version, "at": at})

    async def installed_version(self, listing_id: str, tenant_id: TenantId) -> str | None:
        row = await self._session.row(_INSTALLED_VERSION, {"id": listing_id, "tenant": tenant_id})
        return str(row[0]) if row else None

    async def subscribe(self, subscription: Subscription) -> Subscription:
        row = {column.name: getattr(subscription, column.name) for column in _SUBSCRIBED}
        self._session.later(_SUBSCRIBE, row)
        place = {"id": subscription.listing_id, "tenant": subscription.tenant_id}
        there = await self._session.row(_SUBSCRIPTION_OF, place)
        return Subscription(*there) if there else subscription

    async def unsubscribe(self, listing_id: str, tenant_id: TenantId) -> None:
        self._session.later(_UNSUBSCRIBE, {"id": listing_id, "tenant": tenant_id})

    async def subscriptions(self, listing_ids: Collection[str], reach: Reach) -> dict[ListingId, list[Subscription]]:
        here = true() if reach is None else _SUBSCRIPTION.tenant_id.in_(reach)
        asked = select(*_SUBSCRIBED).where(_SUBSCRIPTION.listing_id.in_(_IDS), here).order_by(_SUBSCRIPTION.tenant_id)
        found: dict[ListingId, list[Subscription]] = {}
        for row in await among(self._session, asked, listing_ids):
            found.setdefault(row[0], []).append(Subscription(*row))
        return found

    async def tell(self, kind: str, listing_id: str, payload: Mapping[str, Any], *, installers: bool) -> int:
        people = {str(row[0]): str(row[1]) for row in await self._audience(listing_id, installers=installers)}
        now = self._session.clock.now()
        for tenants in chunks(sorted(people), _POSTED_AT_ONCE):
            rows = [
                {"tenant_id": one, "at": now, "kind": kind, "payload": {**payload, "identity": people[one]}}
                for one in tenants
            ]
            await self._session.add(outbox, rows)
        if people:
            self._session.ring(OUTBOX)
        return len(people)

    async def _audience(self, listing_id: str, *, installers: bool) -> Sequence[AnyRow]:
        """Tenants and identities; a subscriber's comes last, and so is the one that counts."""
        rows: list[AnyRow] = []
        if installers:
            rows += await self._session.rows(_INSTALLERS, {"id": listing_id})
        return [*rows, *await self._session.rows(_SUBSCRIBERS, {"id": listing_id})]
