"""What a platform unit remembers about notices (see ``domain.ports``)."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Protocol

from domain.access import Reach
from domain.model import TenantId
from domain.notices.model import (
    Choice,
    Delivery,
    Mail,
    Message,
    NoticeKind,
    Notification,
    Outgoing,
    Person,
    Ways,
    Webhook,
)
from domain.notices.undelivered import UndeliveredRows
from domain.rows import Slice

#: a person of a tenant
Place = tuple[TenantId, str]
#: a listing, as a tenant sees it
Shelf = tuple[TenantId, str]


class OutboxRows(Protocol):
    """The outbox, for whoever relays it, and all that relaying needs to know and makes."""

    async def waiting(self, *, limit: int) -> list[Message]:
        """The oldest messages."""

    async def locked(self, *, limit: int) -> list[Message]:
        """The same, locked until the unit ends: whoever else relays waits."""

    async def forget(self, numbers: Collection[int]) -> None:
        """These messages were relayed."""

    async def listing_names(self, listing_ids: Collection[str]) -> dict[str, str]:
        """The names of the listings that this installation offers."""

    async def subscribers(self, shelves: Collection[Shelf]) -> dict[Shelf, list[Person]]:
        """Who asked in a tenant to hear of a listing."""

    async def installers(self, shelves: Collection[Shelf]) -> dict[Shelf, list[Person]]:
        """Who brought into a tenant what it has of a listing now."""

    async def chosen(self, people: Collection[Place]) -> dict[tuple[TenantId, str, NoticeKind], Ways]:
        """What these people chose."""

    async def settings(self, tenant_ids: Collection[TenantId]) -> dict[tuple[TenantId, NoticeKind], Ways]:
        """What these tenants set."""

    async def locked_webhooks(self, tenant_ids: Collection[TenantId]) -> list[Webhook]:
        """The enabled webhooks of these tenants: nobody else numbers messages for them until the unit ends."""

    async def notify(self, notifications: Sequence[Notification], mails: Mapping[str, str]) -> None:
        """Tell people; ``mails`` are addresses by notification id. Numbers are given here."""

    async def deliver(self, deliveries: Sequence[Delivery]) -> None:
        """Put messages into the lines of their webhooks, which are locked and numbered on."""


class InboxRows(Protocol):
    """What people were told, and what they want to be told. ``identity`` is whose it is."""

    async def page(
        self, identity: str, reach: Reach, *, unread_only: bool, first: int, before: int | None
    ) -> Slice[Notification]:
        """Newest first; ``before`` is the number of the last one seen."""

    async def among(self, notification_ids: Collection[str], identity: str, reach: Reach) -> list[Notification]:
        """Those of these that are this person's."""

    async def unread_count(self, identity: str, reach: Reach) -> int:
        """How many are shown and not read."""

    async def last_number(self, identity: str) -> int:
        """The number of the last one, 0 before the first."""

    async def after(self, identity: str, reach: Reach, number: int, *, limit: int) -> list[Notification]:
        """Later ones, in order."""

    async def mark_read(self, notification_ids: Collection[str], identity: str, reach: Reach, at: datetime) -> None:
        """These were read; those read before keep their time, unknown ones are no error."""

    async def choices(self, tenant_id: TenantId, identity: str) -> list[Choice]:
        """What a person chose."""

    async def choose(self, tenant_id: TenantId, identity: str, choice: Choice) -> None:
        """Keep a person's choice."""

    async def set_for(self, tenant_id: TenantId, choice: Choice) -> None:
        """Keep what a tenant sets."""


class PostRows(Protocol):
    """What waits to be sent. Time is the database's; a claim lasts so many seconds, then somebody else may try."""

    async def mails_due(self, *, limit: int) -> int:
        """How many mails could be claimed now; at most ``limit``."""

    async def claim_mail(self, *, lease_seconds: float) -> Mail | None:
        """The mail that waits longest, with one more attempt counted."""

    async def mail_sent(self, mail: Mail) -> None:
        """It was handed over; nothing if another attempt was begun since."""

    async def mail_failed(self, mail: Mail, error: str, *, again_in: float | None) -> None:
        """It was not; ``None``: it is given up."""

    async def webhooks_due(self, *, limit: int) -> int:
        """Messages of how many webhooks could be claimed now; at most ``limit``."""

    async def claim_webhook(self, *, lease_seconds: float) -> Outgoing | None:
        """The next message of the webhook that waits longest: each webhook's go out one by one, in their order."""

    async def delivered(self, outgoing: Outgoing, status: int) -> None:
        """The receiver has it; nothing if another attempt was begun since."""

    async def not_delivered(
        self, outgoing: Outgoing, status: int | None, error: str, *, again_in: float, is_dead: bool
    ) -> None:
        """It has not; the webhook rests so many seconds. ``is_dead``: this message is given up."""

    async def take_back(self) -> None:
        """Let all that waits be due now: nobody is sending anything."""

    async def forget_before(self, at: datetime, deliveries_at: datetime) -> int:
        """Drop old notifications, and mails and messages that are over, in small parts; how many."""

    async def give_up_before(self, at: datetime) -> int:
        """Messages to webhooks that waited since then are dead; how many."""


class WebhookRows(Protocol):
    """A tenant's webhooks."""

    async def webhooks(self, tenant_id: TenantId) -> list[Webhook]:
        """All of them, oldest first."""

    async def find_webhook(self, webhook_id: str, reach: Reach, *, lock: bool = False) -> Webhook | None:
        """One in reach; locked until the unit ends if it is to be changed or written to."""

    async def lock_tenant(self, tenant_id: TenantId) -> None:
        """Nobody else makes webhooks for it until the unit ends."""

    async def add_webhook(self, webhook: Webhook) -> None:
        """Make one."""

    async def change_webhook(self, webhook: Webhook) -> None:
        """Its address, kinds, secrets and whether it is enabled are these now."""

    async def delete_webhook(self, webhook_id: str) -> None:
        """Drop it with its messages."""

    async def deliveries(self, webhook_id: str, *, first: int, before: int | None) -> Slice[Delivery]:
        """Its messages, newest first; ``before`` is the number of the last one seen."""


class NoticeRows(OutboxRows, InboxRows, PostRows, UndeliveredRows, WebhookRows, Protocol):
    """All of it."""
