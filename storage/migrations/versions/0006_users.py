"""The session door: users, their sessions, and what a business demands of these (akana.md section 4)."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_TABLES = ("tenant_user", "user_session", "business_protection")


def upgrade() -> None:
    op.create_table(
        "tenant_user",
        *_words("user_id", "tenant_id", "email", "email_key", "password_hash", "power"),
        *_flags("is_enabled"),
        *_words("created_at"),
        sa.PrimaryKeyConstraint("user_id", name="pk_tenant_user"),
        sa.UniqueConstraint("tenant_id", "email_key", name="uq_tenant_user_tenant_id_email_key"),
    )
    op.create_index("ix_tenant_user_email", "tenant_user", ["email_key"])
    op.create_table(
        "user_session",
        *_words("token_hash", "tenant_id", "user_id", "begun_at", "expires_at"),
        sa.PrimaryKeyConstraint("token_hash", name="pk_user_session"),
    )
    op.create_index("ix_user_session_user", "user_session", ["user_id"])
    op.create_index("ix_user_session_end", "user_session", ["expires_at"])
    op.create_table(
        "business_protection",
        *_words("tenant_id"),
        *_flags("reads", "writes"),
        sa.PrimaryKeyConstraint("tenant_id", name="pk_business_protection"),
    )


def downgrade() -> None:
    for table in reversed(_TABLES):
        op.drop_table(table)


def _words(*names: str) -> list[sa.Column[str]]:
    return [sa.Column(name, _text(), nullable=False) for name in names]


def _flags(*names: str) -> list[sa.Column[bool]]:
    return [sa.Column(name, sa.Boolean(), nullable=False) for name in names]


def _text() -> sa.types.TypeEngine[str]:
    return sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
