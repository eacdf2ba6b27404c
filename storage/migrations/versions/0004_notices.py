"""Notices: notifications, choices, mails, webhooks; and whose an import is (installhub.md section 10.1)."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_TABLES = ("notification", "notice_choice", "notice_setting", "mail", "webhook", "webhook_delivery")
_WAITING = "state = 'Waiting'"


def upgrade() -> None:
    op.add_column("import_job", sa.Column("identity", _text(), nullable=False, server_default=sa.text("''")))
    _people()
    _mail()
    _webhooks()


def downgrade() -> None:
    for table in reversed(_TABLES):
        op.drop_table(table)
    op.drop_column("import_job", "identity")


def _people() -> None:
    op.create_table(
        "notification",
        sa.Column("number", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False, autoincrement=True),
        *_words("notification_id", "tenant_id", "identity", "at", "kind", "title", "body", "link"),
        sa.Column("import_id", _text()),
        sa.Column("is_shown", sa.SmallInteger(), nullable=False),
        sa.Column("read_at", _text()),
        sa.PrimaryKeyConstraint("number", name="pk_notification"),
        sa.UniqueConstraint("notification_id", name="uq_notification_notification_id"),
    )
    _index("ix_notification_person", "notification", ["identity", "number"], where="is_shown = 1")
    unread = "is_shown = 1 AND read_at IS NULL"
    _index("ix_notification_unread", "notification", ["identity", "tenant_id"], where=unread)
    _index("ix_notification_at", "notification", ["at"])
    op.create_table(
        "notice_choice",
        *_words("tenant_id", "identity", "kind"),
        *_flags("in_app", "email"),
        sa.PrimaryKeyConstraint("tenant_id", "identity", "kind", name="pk_notice_choice"),
    )
    op.create_table(
        "notice_setting",
        *_words("tenant_id", "kind"),
        *_flags("in_app", "email"),
        sa.PrimaryKeyConstraint("tenant_id", "kind", name="pk_notice_setting"),
    )


def _mail() -> None:
    op.create_table(
        "mail",
        *_words("mail_id", "tenant_id", "notification_id", "address", "state"),
        *_numbers("attempts"),
        sa.Column("due", sa.Double(), nullable=False),
        *_words("error", "created_at"),
        sa.Column("ended_at", _text()),
        sa.PrimaryKeyConstraint("mail_id", name="pk_mail"),
    )
    _index("ix_mail_due", "mail", ["due"], where=_WAITING)
    _index("ix_mail_created", "mail", ["created_at"])


def _webhooks() -> None:
    op.create_table(
        "webhook",
        *_words("webhook_id", "tenant_id", "url", "kinds", "secret", "old_secrets"),
        *_flags("is_enabled"),
        *_words("created_at", "created_by"),
        *_numbers("last_seq", "failures", "fence"),
        sa.Column("due", sa.Double()),
        sa.PrimaryKeyConstraint("webhook_id", name="pk_webhook"),
    )
    _index("ix_webhook_tenant", "webhook", ["tenant_id"])
    _index("ix_webhook_due", "webhook", ["due"], where="due IS NOT NULL")
    op.create_table(
        "webhook_delivery",
        *_words("delivery_id", "tenant_id", "webhook_id"),
        sa.Column("seq", sa.Integer(), nullable=False),
        *_words("kind", "body", "created_at", "state"),
        *_numbers("attempts"),
        sa.Column("status", sa.Integer()),
        *_words("error"),
        sa.Column("ended_at", _text()),
        sa.PrimaryKeyConstraint("delivery_id", name="pk_webhook_delivery"),
        sa.UniqueConstraint("webhook_id", "seq", name="uq_webhook_delivery_webhook_id_seq"),
    )
    _index("ix_webhook_delivery_waiting", "webhook_delivery", ["webhook_id", "seq"], where=_WAITING)
    _index("ix_webhook_delivery_created", "webhook_delivery", ["created_at"])


def _index(name: str, table: str, columns: list[str], *, where: str | None = None) -> None:
    condition = None if where is None else sa.text(where)
    partial: dict[str, Any] = {"sqlite_where": condition, "postgresql_where": condition} if where else {}
    op.create_index(name, table, columns, **partial)


def _words(*names: str) -> list[sa.Column[str]]:
    return [sa.Column(name, _text(), nullable=False) for name in names]


def _flags(*names: str) -> list[sa.Column[bool]]:
    return [sa.Column(name, sa.Boolean(), nullable=False) for name in names]


def _numbers(*names: str) -> list[sa.Column[int]]:
    return [sa.Column(name, sa.Integer(), nullable=False, server_default=sa.text("0")) for name in names]


def _text() -> sa.types.TypeEngine[str]:
    return sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
