"""The nouns of notices, frozen: who is told what, and in which ways (installhub.md section 10.1).

A *message* waits in the outbox, written together with what it tells. Relaying it makes *notifications*, one a person,
*mails* for those who have an address, and *deliveries* to the tenant's *webhooks*.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NewType

from domain.model import Actor, ImportId, TenantId, WireEnum

NotificationId = NewType("NotificationId", str)
MailId = NewType("MailId", str)
WebhookId = NewType("WebhookId", str)
DeliveryId = NewType("DeliveryId", str)


class NoticeKind(WireEnum):
    """What is told. The values are the words of webhooks."""

    IMPORT_SUCCEEDED = "import.succeeded"
    IMPORT_FAILED = "import.failed"
    #: it waits for somebody, and is given up soon
    IMPORT_EXPIRES = "import.expires"
    INSTALL_SUCCEEDED = "install.succeeded"
    INSTALL_FAILED = "install.failed"
    MARKET_UPDATE = "market.update"
    MARKET_DEPRECATED = "market.deprecated"
    ADVISORY = "market.advisory"
    #: what was let pass is forbidden by newer rules of the scan
    PACKAGE_FORBIDDEN = "package.forbidden"
    WEBHOOK_TEST = "webhook.test"


#: what people and tenants may switch off; installs, deprecations, advisories and new scans are always told
CHOOSABLE = (
    *(NoticeKind.IMPORT_SUCCEEDED, NoticeKind.IMPORT_FAILED, NoticeKind.IMPORT_EXPIRES),
    NoticeKind.MARKET_UPDATE,
)


class DeliveryState(WireEnum):
    """How far a mail or a webhook's message is. DEAD: given up after the last attempt."""

    WAITING = "Waiting"
    SENT = "Sent"
    DEAD = "Dead"


@dataclass(frozen=True, slots=True)
class Ways:
    """In which ways somebody is told."""

    in_app: bool
    email: bool


EVERY_WAY = Ways(in_app=True, email=True)
NO_WAY = Ways(in_app=False, email=False)


@dataclass(frozen=True, slots=True)
class Person:
    """Who is told: ``identity`` is :attr:`domain.access.Caller.identity`, the address that of the token."""

    identity: str
    email: str | None
    is_service: bool = False

    @classmethod
    def of(cls, identity: str, actor: Actor) -> Person:
        """An actor of a record that keeps the identity too."""
        return cls(identity, actor.email, actor.is_service)


@dataclass(frozen=True, slots=True)
class Choice:
    """What one kind of notice is set to, by a person or for all people of a tenant."""

    kind: NoticeKind
    ways: Ways


def ways_of(person: Person, kind: NoticeKind, *, chosen: Ways | None, of_tenant: Ways | None) -> Ways:
    """In which ways a person is told: their own choice, else the tenant's; on for people, off for service accounts."""
    if kind not in CHOOSABLE:
        return EVERY_WAY
    if chosen is not None:
        return chosen
    if person.is_service:
        return NO_WAY
    return of_tenant or EVERY_WAY


def bell_of(identity: str) -> str:
    """The bell that is rung when a person is told something, or has read it."""
    return f"notices-{hashlib.sha256(identity.encode(errors='replace')).hexdigest()[:32]}"


@dataclass(frozen=True, slots=True)
class Message:
    """One row of the outbox."""

    number: int
    tenant_id: TenantId
    at: datetime
    kind: str
    payload: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class News:
    """A message in words. ``link`` is a path of this server; ``facts`` are what webhooks are told."""

    kind: NoticeKind
    title: str
    body: str
    link: str
    facts: Mapping[str, Any]
    import_id: ImportId | None = None


@dataclass(frozen=True, slots=True)
class Notification:
    """What one person of a tenant is told. Numbers grow with the order in which people are told."""

    number: int
    notification_id: NotificationId
    tenant_id: TenantId
    identity: str
    at: datetime
    kind: NoticeKind
    title: str
    body: str
    link: str
    import_id: ImportId | None
    #: false: it is told by mail only
    is_shown: bool
    read_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Mail:
    """A notification on its way to an address. ``attempts`` counts the one that is being made."""

    mail_id: MailId
    tenant_id: TenantId
    address: str
    attempts: int
    notification: Notification


@dataclass(frozen=True, slots=True)
class OldSecret:
    """A secret that was replaced, and until when messages are signed with it too."""

    secret: str = field(repr=False)
    until: datetime


@dataclass(frozen=True, slots=True)
class Webhook:
    """An address of a tenant's that is told. No ``kinds``: all. ``last_seq`` is the number of the last message."""

    webhook_id: WebhookId
    tenant_id: TenantId
    url: str
    kinds: tuple[NoticeKind, ...]
    secret: str = field(repr=False)
    old_secrets: tuple[OldSecret, ...]
    is_enabled: bool
    created_at: datetime
    created_by: Actor
    last_seq: int = 0
    #: attempts in a row that came to nothing
    failures: int = 0

    def wants(self, kind: NoticeKind) -> bool:
        """Whether it is told news of this kind."""
        return self.is_enabled and (not self.kinds or kind in self.kinds)


@dataclass(frozen=True, slots=True)
class Delivery:
    """One message to a webhook: its number ``seq`` has no gaps, its id stays the same at every attempt."""

    delivery_id: DeliveryId
    tenant_id: TenantId
    webhook_id: WebhookId
    seq: int
    kind: NoticeKind
    body: str
    created_at: datetime
    state: DeliveryState = DeliveryState.WAITING
    attempts: int = 0
    #: the HTTP status of the last answer
    status: int | None = None
    error: str = ""
    ended_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A delivery whose turn it is, this attempt counted, and its webhook.

    ``fence`` proves that nobody else was given it since.
    """

    webhook: Webhook
    delivery: Delivery
    fence: int
