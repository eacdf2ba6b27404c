"""Scans of what is kept, made again (security.md section 3.3). Rules: see ``tables``."""

from __future__ import annotations

from sqlalchemy import Column, Double, Index, Integer, Table, UniqueConstraint

from domain.rescan_rows import Keeping
from storage.sql import Choice, Json, Moment
from storage.tables import METADATA, words

rescan = Table(
    "rescan",
    METADATA,
    words("rescan_id", key=True),
    words("tenant_id"),
    Column("keeping", Choice(Keeping), nullable=False),
    #: the exported package, or the import that brought the installed one
    words("subject_id"),
    Column("ordinal", Integer(), nullable=False),
    words("package_id"),
    words("package_name"),
    words("package_version"),
    words("rules_version"),
    Column("attempt", Integer(), nullable=False),
    Column("lease_until", Double(), nullable=False),
    words("result", optional=True),
    Column("report", Json()),
    Column("scanned_at", Moment()),
    UniqueConstraint("subject_id", "ordinal", "rules_version"),
    Index("ix_rescan_page", "tenant_id", "rescan_id"),
)
