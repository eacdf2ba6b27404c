"""The outbox as its relay sees it: what waits, who is concerned, and what relaying makes (decisions section 5.3)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import Select, and_, bindparam, delete, func, insert, select, update

from domain.model import TenantId
from domain.notices.model import (
    Delivery,
    DeliveryState,
    Message,
    NoticeKind,
    Notification,
    Person,
    Ways,
    Webhook,
    bell_of,
)
from domain.notices.rows import Place, Shelf
from domain.ports import POST
from storage.market_tables import listing, listing_subscription
from storage.notice_rows import WEBHOOK, delivery_row, mail_id_of, notification_row, webhook_of
from storage.notice_tables import mail, notice_choice, notice_setting, notification, webhook, webhook_delivery
from storage.remote_tables import remote_subscription
from storage.session import Session
from storage.sql import DatabaseSeconds, chunks
from storage.tables import import_job, installed_package, outbox

_MESSAGE = [outbox.c[name] for name in ("message_id", "tenant_id", "at", "kind", "payload")]
_WAITING = select(*_MESSAGE).order_by(outbox.c.message_id).limit(bindparam("limit"))
#: two relays would number a webhook's messages in two ways
_LOCKED = _WAITING.with_for_update()
_FORGET = delete(outbox).where(outbox.c.message_id.in_(bindparam("numbers", expanding=True)))
_NAMES = select(listing.c.listing_id, listing.c.name).where(
    listing.c.listing_id.in_(bindparam("listings", expanding=True))
)
_installed = installed_package.c
_SUBSCRIBERS, _SUBSCRIBERS_ELSEWHERE = (
    select(kept.c.tenant_id, kept.c.listing_id, kept.c.identity, kept.c.subscribed_by).where(
        kept.c.tenant_id.in_(bindparam("tenants", expanding=True)),
        kept.c.listing_id.in_(bindparam("listings", expanding=True)),
    )
    for kept in (listing_subscription, remote_subscription)
)
#: what is installed came from a listing when publisher and name are its own (decisions R4)
_INSTALLERS = (
    select(_installed.tenant_id, listing.c.listing_id, import_job.c.identity, import_job.c.submitted_by)
    .select_from(installed_package)
    .join(listing, and_(listing.c.publisher_id == _installed.source, listing.c.name_key == _installed.name_key))
    .join(import_job, import_job.c.import_id == _installed.import_id)
    .where(
        _installed.tenant_id.in_(bindparam("tenants", expanding=True)),
        listing.c.listing_id.in_(bindparam("listings", expanding=True)),
    )
)
_chosen = notice_choice.c
_CHOSEN = select(_chosen.tenant_id, _chosen.identity, _chosen.kind, _chosen.in_app, _chosen.email).where(
    _chosen.tenant_id.in_(bindparam("tenants", expanding=True)),
    _chosen.identity.in_(bindparam("identities", expanding=True)),
)
_set = notice_setting.c
_SETTINGS = select(_set.tenant_id, _set.kind, _set.in_app, _set.email).where(
    _set.tenant_id.in_(bindparam("tenants", expanding=True))
)
_WEBHOOKS = (
    select(*WEBHOOK)
    .where(webhook.c.tenant_id.in_(bindparam("tenants", expanding=True)), webhook.c.is_enabled.is_(True))
    # always in this order, or two who lock several could wait for each other
    .order_by(webhook.c.webhook_id)
    .with_for_update()
)
_NUMBERED_ON = (
    update(webhook)
    .where(webhook.c.webhook_id == bindparam("id"))
    .values(last_seq=bindparam("last"), due=func.coalesce(webhook.c.due, DatabaseSeconds()))
)
_ADD_NOTIFICATION, _ADD_DELIVERY = insert(notification), insert(webhook_delivery)
_ADD_MAIL = insert(mail).values(due=DatabaseSeconds())


class Outbox:
    """:class:`domain.notices.rows.OutboxRows`."""

    def __init__(self, session: Session) -> None:
        self._session = session

    async def waiting(self, *, limit: int) -> list[Message]:
        return [Message(*row) for row in await self._session.rows(_WAITING, {"limit": limit})]

    async def locked(self, *, limit: int) -> list[Message]:
        return [Message(*row) for row in await self._session.rows(_LOCKED, {"limit": limit})]

    async def forget(self, numbers: Collection[int]) -> None:
        for some in chunks(sorted(numbers)):
            self._session.later(_FORGET, {"numbers": some})

    async def listing_names(self, listing_ids: Collection[str]) -> dict[str, str]:
        names: dict[str, str] = {}
        for some in chunks(sorted(set(listing_ids))):
            names |= {row[0]: row[1] for row in await self._session.rows(_NAMES, {"listings": some})}
        return names

    async def subscribers(self, shelves: Collection[Shelf]) -> dict[Shelf, list[Person]]:
        # a listing is offered by one hub: no shelf is in both
        return await self._people(_SUBSCRIBERS, shelves) | await self._people(_SUBSCRIBERS_ELSEWHERE, shelves)

    async def installers(self, shelves: Collection[Shelf]) -> dict[Shelf, list[Person]]:
        return await self._people(_INSTALLERS, shelves)

    async def chosen(self, people: Collection[Place]) -> dict[tuple[TenantId, str, NoticeKind], Ways]:
        found: dict[tuple[TenantId, str, NoticeKind], Ways] = {}
        for some in chunks(sorted(set(people))):
            tenants, identities = {tenant for tenant, _ in some}, {identity for _, identity in some}
            rows = await self._session.rows(_CHOSEN, {"tenants": sorted(tenants), "identities": sorted(identities)})
            found |= {(row[0], row[1], row[2]): Ways(bool(row[3]), bool(row[4])) for row in rows}
        return found

    async def settings(self, tenant_ids: Collection[TenantId]) -> dict[tuple[TenantId, NoticeKind], Ways]:
        found: dict[tuple[TenantId, NoticeKind], Ways] = {}
        for some in chunks(sorted(set(tenant_ids))):
            rows = await self._session.rows(_SETTINGS, {"tenants": some})
            found |= {(row[0], row[1]): Ways(bool(row[2]), bool(row[3])) for row in rows}
        return found

    async def locked_webhooks(self, tenant_ids: Collection[TenantId]) -> list[Webhook]:
        found: list[Webhook] = []
        for some in chunks(sorted(set(tenant_ids))):
            found += [webhook_of(row) for row in await self._session.rows(_WEBHOOKS, {"tenants": some})]
        return found

    async def notify(self, notifications: Sequence[Notification], mails: Mapping[str, str]) -> None:
        if not notifications:
            return
        self._session.later(_ADD_NOTIFICATION, [notification_row(one) for one in notifications])
        for identity in {one.identity for one in notifications if one.is_shown}:
            self._session.ring(bell_of(identity))
        letters = [_mail_row(one, mails[one.notification_id]) for one in notifications if one.notification_id in mails]
        if letters:
            self._session.later(_ADD_MAIL, letters)
            self._session.ring(POST)

    async def deliver(self, deliveries: Sequence[Delivery]) -> None:
        if not deliveries:
            return
        self._session.later(_ADD_DELIVERY, [delivery_row(one) for one in deliveries])
        last = {one.webhook_id: one.seq for one in sorted(deliveries, key=lambda one: one.seq)}
        self._session.later(_NUMBERED_ON, [{"id": hook, "last": seq} for hook, seq in last.items()])
        self._session.ring(POST)

    async def _people(self, question: Select[Any], shelves: Collection[Shelf]) -> dict[Shelf, list[Person]]:
        found: dict[Shelf, list[Person]] = defaultdict(list)
        for some in chunks(sorted(set(shelves))):
            tenants, listings = {tenant for tenant, _ in some}, {listing_id for _, listing_id in some}
            values = {"tenants": sorted(tenants), "listings": sorted(listings)}
            for tenant_id, listing_id, identity, actor in await self._session.rows(question, values):
                if identity:
                    found[tenant_id, listing_id].append(Person.of(identity, actor))
        return found


def _mail_row(told: Notification, address: str) -> dict[str, Any]:
    return {
        "mail_id": mail_id_of(told.notification_id),
        "tenant_id": told.tenant_id,
        "notification_id": told.notification_id,
        "address": address,
        "state": DeliveryState.WAITING,
        "error": "",
        "created_at": told.at,
    }
