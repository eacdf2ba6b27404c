"""Relaying the outbox: each message becomes what people and webhooks are told, exactly once (security: I8, F07, F08).

A message is forgotten in the transaction that writes all it leads to. Whoever is stopped in the middle has done
nothing, and two who relay at once wait for each other, so nothing is lost, doubled or told in another order. What the
messages mean and whom they concern is read before, while others write.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import orjson
import uuid_utils

from domain.import_model import ImportJob
from domain.market.reporting import reports_in
from domain.model import ImportId, TenantId, rfc3339
from domain.notices.letters import is_address
from domain.notices.model import (
    Delivery,
    DeliveryId,
    Message,
    News,
    NoticeKind,
    Notification,
    NotificationId,
    Person,
    Ways,
    Webhook,
    ways_of,
)
from domain.notices.rows import NoticeRows, Shelf
from domain.notices.wording import (
    MARKET,
    OF_IMPORTS,
    OF_INSTALLERS,
    PACKAGE_FORBIDDEN,
    news_of_market,
    news_of_rescan,
)
from domain.observing import NOBODY, Observer
from domain.ports import PlatformUnit, Ports, Turn, UnavailableError
from domain.rescan_rows import RescanRows

#: how many messages one transaction relays
RELAYED_AT_ONCE = 50


@dataclass(frozen=True, slots=True)
class Told:
    """A message in words, and whom it concerns; its tenant's webhooks are told too."""

    message: Message
    news: News
    people: tuple[Person, ...]


@dataclass(frozen=True, slots=True)
class _Wishes:
    """How people and tenants wish to be told."""

    of_people: Mapping[tuple[TenantId, str, NoticeKind], Ways]
    of_tenants: Mapping[tuple[TenantId, NoticeKind], Ways]


@dataclass(slots=True)
class _Written:
    """What some messages lead to."""

    notifications: list[Notification] = field(default_factory=list)
    #: addresses by notification
    mails: dict[str, str] = field(default_factory=dict)
    deliveries: list[Delivery] = field(default_factory=list)


class Relay:
    """Empties the outbox. Any number of processes may try at the same time."""

    def __init__(self, ports: Ports, observer: Observer = NOBODY) -> None:
        self._store = ports.store
        self._observer = observer
        self._at_once = RELAYED_AT_ONCE
        #: numbers of messages that this process cannot relay
        self._set_aside: set[int] = set()

    async def empty(self) -> int:
        """Relay until nothing waits; how many messages."""
        relayed = 0
        while some := await self.relay():
            relayed += some
        return relayed

    async def relay(self) -> int:
        """Relay the oldest messages, in their order; how many. 0: nothing waits.

        What cannot be relayed, by a mistake of ours, is raised, and the next time they are relayed one by one; the one
        that fails alone stays in the outbox until a process begins anew, and keeps nobody waiting.
        """
        taken: list[Message] = []
        try:
            while await self._relay_some(self._at_once, taken):
                pass
        except UnavailableError:
            raise
        except Exception as bug:
            is_alone = self._at_once == 1
            if is_alone and taken:
                self._set_aside.add(taken[0].number)
                bug.add_note(f"message {taken[0].number} of the outbox is set aside")
            self._at_once = RELAYED_AT_ONCE if is_alone else 1
            raise
        if not taken:
            self._at_once = RELAYED_AT_ONCE
        return len(taken)

    async def _relay_some(self, limit: int, taken: list[Message]) -> bool:
        """Relay the oldest messages, and put them into ``taken``. True: another relay was faster with all of them."""
        most = limit + len(self._set_aside)
        async with self._store.platform_view() as view:
            messages = await view.notices.waiting(limit=most)
            taken += [message for message in messages if message.number not in self._set_aside][:limit]
            if not taken:
                return False
            told = await _told(view, taken)
            wishes = await _wishes(view.notices, told)
        async with self._store.platform_unit(turn=Turn.BRIEF) as unit:
            # compared as a whole: SQLite gives a number again once nothing is left with it
            still = {message.number: message for message in await unit.notices.locked(limit=most)}
            taken[:] = [message for message in taken if still.get(message.number) == message]
            told = [one for one in told if still.get(one.message.number) == one.message]
            written = _Written()
            _notify(told, wishes, written)
            await _deliver(unit.notices, told, written)
            await unit.notices.notify(written.notifications, written.mails)
            await unit.notices.deliver(written.deliveries)
            await unit.remote.line_up(reports_in(taken))
            await unit.notices.forget([message.number for message in taken])
        for one in told:
            self._observer.relayed(one.message, one.news.kind)
        return not taken


async def _told(view: PlatformUnit, messages: Sequence[Message]) -> list[Told]:
    """What there is to tell, in the order of the messages."""
    jobs = await view.batches.import_jobs(_imports_in(messages), None)
    told = [*_of_imports(messages, jobs), *await _of_rescans(view.rescans, messages)]
    told += await _of_market(view.notices, messages)
    return sorted(told, key=lambda one: one.message.number)


def _imports_in(messages: Iterable[Message]) -> list[str]:
    return [str(message.payload.get("importId")) for message in messages if message.kind in OF_IMPORTS]


def _of_imports(messages: Iterable[Message], jobs: Mapping[ImportId, ImportJob]) -> list[Told]:
    """Of the tenant's own imports alone, whatever a message may say."""
    told = []
    for message in messages:
        words = OF_IMPORTS.get(message.kind)
        job = jobs.get(ImportId(str(message.payload.get("importId"))))
        news = words(job) if words and job is not None and job.tenant_id == message.tenant_id else None
        if job is not None and news is not None:
            # who submitted an import before its identity was kept is not known
            people = (Person.of(job.identity, job.submitted_by),) if job.identity else ()
            told.append(Told(message, news, people))
    return told


async def _of_rescans(rows: RescanRows, messages: Iterable[Message]) -> list[Told]:
    """Of the tenant's own packages alone."""
    named = {
        message.number: str(message.payload.get("rescanId"))
        for message in messages
        if message.kind == PACKAGE_FORBIDDEN
    }
    made = await rows.concerned(set(named.values())) if named else {}
    told = []
    for message in messages:
        found = made.get(named.get(message.number, ""))
        if found is not None and found[0].tenant_id == message.tenant_id:
            people = {person.identity: person for person in found[1]}
            told.append(Told(message, news_of_rescan(found[0]), tuple(people.values())))
    return told


async def _of_market(rows: NoticeRows, messages: Iterable[Message]) -> list[Told]:
    """Whoever subscribed; for what must be known where a package is in use, also whoever installed it."""
    of_market = [message for message in messages if message.kind in MARKET]
    if not of_market:
        return []
    shelves = {message.number: (message.tenant_id, str(message.payload.get("listingId"))) for message in of_market}
    names = await rows.listing_names({listing_id for _, listing_id in shelves.values()})
    subscribers = await rows.subscribers(set(shelves.values()))
    urgent = {shelves[message.number] for message in of_market if MARKET[message.kind] in OF_INSTALLERS}
    installers = await rows.installers(urgent) if urgent else {}
    return [
        Told(
            message,
            news_of_market(message, names.get(shelves[message.number][1], "")),
            _concerned(MARKET[message.kind], shelves[message.number], subscribers, installers),
        )
        for message in of_market
    ]


def _concerned(
    kind: NoticeKind, shelf: Shelf, subscribers: Mapping[Shelf, list[Person]], installers: Mapping[Shelf, list[Person]]
) -> tuple[Person, ...]:
    """Each person once."""
    also = installers.get(shelf, []) if kind in OF_INSTALLERS else []
    return tuple({person.identity: person for person in [*also, *subscribers.get(shelf, [])]}.values())


async def _wishes(rows: NoticeRows, told: Sequence[Told]) -> _Wishes:
    return _Wishes(
        await rows.chosen({(one.message.tenant_id, person.identity) for one in told for person in one.people}),
        await rows.settings({one.message.tenant_id for one in told}),
    )


def _notify(told: Sequence[Told], wishes: _Wishes, written: _Written) -> None:
    for one in told:
        tenant_id, kind = one.message.tenant_id, one.news.kind
        for person in one.people:
            choice = wishes.of_people.get((tenant_id, person.identity, kind))
            ways = ways_of(person, kind, chosen=choice, of_tenant=wishes.of_tenants.get((tenant_id, kind)))
            is_mailed = ways.email and is_address(person.email)
            if not ways.in_app and not is_mailed:
                continue
            notification = _notification(one, person, is_shown=ways.in_app)
            written.notifications.append(notification)
            if is_mailed:
                written.mails[notification.notification_id] = person.email or ""


def _notification(told: Told, person: Person, *, is_shown: bool) -> Notification:
    return Notification(
        number=0,
        notification_id=NotificationId(f"ntc-{uuid_utils.uuid7()}"),
        tenant_id=told.message.tenant_id,
        identity=person.identity,
        at=told.message.at,
        kind=told.news.kind,
        title=told.news.title,
        body=told.news.body,
        link=told.news.link,
        import_id=told.news.import_id,
        is_shown=is_shown,
    )


async def _deliver(rows: NoticeRows, told: Sequence[Told], written: _Written) -> None:
    of_tenant: dict[TenantId, list[Webhook]] = defaultdict(list)
    for webhook in await rows.locked_webhooks({one.message.tenant_id for one in told}):
        of_tenant[webhook.tenant_id].append(webhook)
    for one in told:
        hooks = of_tenant[one.message.tenant_id]
        for place, webhook in enumerate(hooks):
            if webhook.wants(one.news.kind):
                delivery = delivery_of(webhook, one.message, one.news)
                written.deliveries.append(delivery)
                hooks[place] = replace(webhook, last_seq=delivery.seq)


def delivery_of(webhook: Webhook, message: Message, news: News) -> Delivery:
    """The next message to a webhook, worded for good: whenever it is sent, its bytes are the same."""
    seq = webhook.last_seq + 1
    body = {
        "type": news.kind.wire,
        "timestamp": rfc3339(message.at),
        "sequence": seq,
        "tenantId": webhook.tenant_id,
        "data": {**news.facts, "title": news.title, "link": news.link},
    }
    return Delivery(
        delivery_id=DeliveryId(f"msg-{uuid_utils.uuid7()}"),
        tenant_id=webhook.tenant_id,
        webhook_id=webhook.webhook_id,
        seq=seq,
        kind=news.kind,
        body=orjson.dumps(body).decode(),
        created_at=message.at,
    )
