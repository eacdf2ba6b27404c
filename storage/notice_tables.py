"""Tables of notices: who is told what, mails and webhooks (installhub.md section 10.1). Rules: see ``tables``."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Double,
    Index,
    Integer,
    SmallInteger,
    Table,
    UniqueConstraint,
    literal_column,
    text,
)

from domain.notices.model import DeliveryState, NoticeKind
from storage.sql import Choice, Json, Moment, Who, Words
from storage.tables import METADATA

KIND = Choice(NoticeKind)
STATE = Choice(DeliveryState)
_WAITING = "state = 'Waiting'"


def _words(name: str, *, key: bool = False, optional: bool = False) -> Column[str]:
    return Column(name, Words(), primary_key=key, nullable=optional)


def _number(name: str) -> Column[int]:
    return Column(name, Integer(), nullable=False, server_default=text("0"))


notification = Table(
    "notification",
    METADATA,
    Column("number", BigInteger().with_variant(Integer(), "sqlite"), primary_key=True, autoincrement=True),
    _words("notification_id"),
    _words("tenant_id"),
    _words("identity"),
    Column("at", Moment(), nullable=False),
    Column("kind", KIND, nullable=False),
    _words("title"),
    _words("body"),
    _words("link"),
    _words("import_id", optional=True),
    #: 0: told by mail only; a number, because the databases spell truth differently in index conditions
    Column("is_shown", SmallInteger(), nullable=False),
    Column("read_at", Moment()),
    UniqueConstraint("notification_id"),
    Index("ix_notification_person", "identity", "number", sqlite_where=text("is_shown = 1"),
          postgresql_where=text("is_shown = 1")),
    Index("ix_notification_unread", "identity", "tenant_id", sqlite_where=text("is_shown = 1 AND read_at IS NULL"),
          postgresql_where=text("is_shown = 1 AND read_at IS NULL")),
    Index("ix_notification_at", "at"),
)  # fmt: skip
IS_SHOWN = notification.c.is_shown == literal_column("1")

notice_choice = Table(
    "notice_choice",
    METADATA,
    _words("tenant_id", key=True),
    _words("identity", key=True),
    Column("kind", KIND, primary_key=True),
    Column("in_app", Boolean(), nullable=False),
    Column("email", Boolean(), nullable=False),
)

notice_setting = Table(
    "notice_setting",
    METADATA,
    _words("tenant_id", key=True),
    Column("kind", KIND, primary_key=True),
    Column("in_app", Boolean(), nullable=False),
    Column("email", Boolean(), nullable=False),
)

mail = Table(
    "mail",
    METADATA,
    _words("mail_id", key=True),
    _words("tenant_id"),
    _words("notification_id"),
    _words("address"),
    Column("state", STATE, nullable=False),
    _number("attempts"),
    #: database seconds: when it is tried next; somebody has it until then
    Column("due", Double(), nullable=False),
    _words("error"),
    Column("created_at", Moment(), nullable=False),
    Column("ended_at", Moment()),
    Index("ix_mail_due", "due", sqlite_where=text(_WAITING), postgresql_where=text(_WAITING)),
    Index("ix_mail_created", "created_at"),
)

webhook = Table(
    "webhook",
    METADATA,
    _words("webhook_id", key=True),
    _words("tenant_id"),
    _words("url"),
    Column("kinds", Json(), nullable=False),
    _words("secret"),
    Column("old_secrets", Json(), nullable=False),
    Column("is_enabled", Boolean(), nullable=False),
    Column("created_at", Moment(), nullable=False),
    Column("created_by", Who(), nullable=False),
    _number("last_seq"),
    _number("failures"),
    #: grows whenever its next message is given to somebody who sends it
    _number("fence"),
    #: database seconds: when its next message is tried; null: none waits
    Column("due", Double()),
    Index("ix_webhook_tenant", "tenant_id"),
    Index("ix_webhook_due", "due", sqlite_where=text("due IS NOT NULL"), postgresql_where=text("due IS NOT NULL")),
)

webhook_delivery = Table(
    "webhook_delivery",
    METADATA,
    _words("delivery_id", key=True),
    _words("tenant_id"),
    _words("webhook_id"),
    Column("seq", Integer(), nullable=False),
    Column("kind", KIND, nullable=False),
    _words("body"),
    Column("created_at", Moment(), nullable=False),
    Column("state", STATE, nullable=False),
    _number("attempts"),
    Column("status", Integer()),
    _words("error"),
    Column("ended_at", Moment()),
    UniqueConstraint("webhook_id", "seq"),
    Index("ix_webhook_delivery_waiting", "webhook_id", "seq", sqlite_where=text(_WAITING),
          postgresql_where=text(_WAITING)),
    Index("ix_webhook_delivery_created", "created_at"),
)  # fmt: skip
