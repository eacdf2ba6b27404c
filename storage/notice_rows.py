"""Rows of notices, there and back."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from domain.notices.model import Delivery, MailId, NoticeKind, Notification, NotificationId, OldSecret, Webhook
from storage.notice_tables import notification, webhook, webhook_delivery

#: in the order of :class:`domain.notices.model.Notification`
NOTIFICATION = [
    notification.c[name]
    for name in (
        *("number", "notification_id", "tenant_id", "identity", "at", "kind", "title", "body", "link", "import_id"),
        *("is_shown", "read_at"),
    )
]
#: in the order of :class:`domain.notices.model.Webhook`
WEBHOOK = [
    webhook.c[name]
    for name in (
        *("webhook_id", "tenant_id", "url", "kinds", "secret", "old_secrets", "is_enabled", "created_at"),
        *("created_by", "last_seq", "failures"),
    )
]
#: in the order of :class:`domain.notices.model.Delivery`
DELIVERY = [
    webhook_delivery.c[name]
    for name in (
        *("delivery_id", "tenant_id", "webhook_id", "seq", "kind", "body", "created_at", "state", "attempts"),
        *("status", "error", "ended_at"),
    )
]
_NOT_NUMBERED = 1


def mail_id_of(notification_id: NotificationId) -> MailId:
    """A notification has one mail at most."""
    return MailId(f"mail-{notification_id.removeprefix('ntc-')}")


def notification_of(row: Sequence[Any]) -> Notification:
    values = dict(zip((column.name for column in NOTIFICATION), row, strict=True))
    return Notification(**(values | {"is_shown": bool(values["is_shown"])}))


def notification_row(told: Notification) -> dict[str, Any]:
    """Without its number: the database counts."""
    row = {column.name: getattr(told, column.name) for column in NOTIFICATION[_NOT_NUMBERED:]}
    return row | {"is_shown": int(told.is_shown)}


def webhook_of(row: Sequence[Any]) -> Webhook:
    values = dict(zip((column.name for column in WEBHOOK), row, strict=True))
    values |= {
        "kinds": tuple(NoticeKind(word) for word in values["kinds"]),
        "old_secrets": tuple(OldSecret(old, datetime.fromisoformat(until)) for old, until in values["old_secrets"]),
        "is_enabled": bool(values["is_enabled"]),
    }
    return Webhook(**values)


def webhook_row(made: Webhook) -> dict[str, Any]:
    row = {column.name: getattr(made, column.name) for column in WEBHOOK}
    return row | {
        "kinds": [kind.wire for kind in made.kinds],
        "old_secrets": [[old.secret, old.until.isoformat()] for old in made.old_secrets],
    }


def delivery_of(row: Sequence[Any]) -> Delivery:
    return Delivery(*row)


def delivery_row(made: Delivery) -> dict[str, Any]:
    return {column.name: getattr(made, column.name) for column in DELIVERY}
