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
from storage.sql import Choice, Json, Moment, Who
from storage.tables import METADATA, words

KIND = Choice(NoticeKind)
STATE = Choice(DeliveryState)
_WAITING = "state = 'Waiting'"


def _number(name: str) -> Column[int]:
    return Column(name, Integer(), nullable=False, server_default=text("0"))


notification = Table(
    "notification",
    METADATA,
    Column("number", BigInteger().with_variant(Integer(), "sqlite"), primary_key=True, autoincrement=True),
    words("notification_id"),
    words("tenant_id"),
    words("identity"),
    Column("at", Moment(), nullable=False),
    Column("kind", KIND, nullable=False),
    words("title"),
    words("body"),
    words("link"),
    words("import_id", optional=True),
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
    words("tenant_id", key=True),
    words("identity", key=True),
    Column("kind", KIND, primary_key=True),
    Column("in_app", Boolean(), nullable=False),
    Column("email", Boolean(), nullable=False),
)

notice_setting = Table(
    "notice_setting",
    METADATA,
    words("tenant_id", key=True),
    Column("kind", KIND, primary_key=True),
    Column("in_app", Boolean(), nullable=False),
    Column("email", Boolean(), nullable=False),
)

mail = Table(
    "mail",
    METADATA,
    words("mail_id", key=True),
    words("tenant_id"),
    words("notification_id"),
    words("address"),
    Column("state", STATE, nullable=False),
    _number("attempts"),
    #: database seconds: when it is tried next; somebody has it until then
    Column("due", Double(), nullable=False),
    words("error"),
    Column("created_at", Moment(), nullable=False),
    Column("ended_at", Moment()),
    Index("ix_mail_due", "due", sqlite_where=text(_WAITING), postgresql_where=text(_WAITING)),
    Index("ix_mail_created", "created_at"),
)

webhook = Table(
    "webhook",
    METADATA,
    words("webhook_id", key=True),
    words("tenant_id"),
    words("url"),
    Column("kinds", Json(), nullable=False),
    words("secret"),
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
    words("delivery_id", key=True),
    words("tenant_id"),
    words("webhook_id"),
    Column("seq", Integer(), nullable=False),
    Column("kind", KIND, nullable=False),
    words("body"),
    Column("created_at", Moment(), nullable=False),
    Column("state", STATE, nullable=False),
    _number("attempts"),
    Column("status", Integer()),
    words("error"),
    Column("ended_at", Moment()),
    UniqueConstraint("webhook_id", "seq"),
    Index("ix_webhook_delivery_waiting", "webhook_id", "seq", sqlite_where=text(_WAITING),
          postgresql_where=text(_WAITING)),
    Index("ix_webhook_delivery_created", "created_at"),
)  # fmt: skip
