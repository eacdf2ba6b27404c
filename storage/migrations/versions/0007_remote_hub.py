"""Installs that are told to another installation's hub, and what such a hub counts (installhub.md section 10.2)."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_TABLES = ("hub_report", "remote_subscription", "reporter", "reported_tenant")
_WAITING = "state = 'Waiting'"


def upgrade() -> None:
    op.create_table(
        "hub_report",
        sa.Column("number", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False, autoincrement=True),
        *_words("tenant_id", "listing_id", "version", "at", "state"),
        _count("attempts"),
        sa.Column("due", sa.Double(), nullable=False),
        *_words("error"),
        sa.PrimaryKeyConstraint("number", name="pk_hub_report"),
    )
    waiting = sa.text(_WAITING)
    op.create_index("ix_hub_report_waiting", "hub_report", ["number"], sqlite_where=waiting, postgresql_where=waiting)
    op.create_table(
        "remote_subscription",
        *_words("listing_id", "tenant_id", "name", "subscribed_at", "subscribed_by", "identity", "told_version"),
        sa.PrimaryKeyConstraint("listing_id", "tenant_id", name="pk_remote_subscription"),
    )
    op.create_table(
        "reporter",
        *_words("identity", "tenant_id"),
        _count("tenants"),
        sa.PrimaryKeyConstraint("identity", name="pk_reporter"),
    )
    op.create_table(
        "reported_tenant",
        *_words("tenant_id", "identity", "first_at"),
        sa.PrimaryKeyConstraint("tenant_id", name="pk_reported_tenant"),
    )


def downgrade() -> None:
    for table in reversed(_TABLES):
        op.drop_table(table)


def _words(*names: str) -> list[sa.Column[str]]:
    return [sa.Column(name, _text(), nullable=False) for name in names]


def _count(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.Integer(), nullable=False, server_default=sa.text("0"))


def _text() -> sa.types.TypeEngine[str]:
    return sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
