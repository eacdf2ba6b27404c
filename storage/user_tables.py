"""Tables of the session door: users, their sessions, what a business demands (akana.md). Rules: see ``tables``."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, Index, Table, UniqueConstraint

from domain.user_rows import Power
from storage.sql import Choice, Moment
from storage.tables import METADATA, words

user = Table(
    "tenant_user",
    METADATA,
    words("user_id", key=True),
    words("tenant_id"),
    words("email"),
    words("email_key"),
    words("password_hash"),
    Column("power", Choice(Power), nullable=False),
    Column("is_enabled", Boolean(), nullable=False),
    Column("created_at", Moment(), nullable=False),
    UniqueConstraint("tenant_id", "email_key"),
    Index("ix_tenant_user_email", "email_key"),
)

session = Table(
    "user_session",
    METADATA,
    words("token_hash", key=True),
    words("tenant_id"),
    words("user_id"),
    Column("begun_at", Moment(), nullable=False),
    Column("expires_at", Moment(), nullable=False),
    Index("ix_user_session_user", "user_id"),
    Index("ix_user_session_end", "expires_at"),
)

protection = Table(
    "business_protection",
    METADATA,
    words("tenant_id", key=True),
    Column("reads", Boolean(), nullable=False),
    Column("writes", Boolean(), nullable=False),
)
