"""Tables of what imports brought, and of what was taken back (decisions section 5.7). Rules: see ``tables``."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, Integer, Table, UniqueConstraint

from storage.sql import Json
from storage.tables import METADATA, words

#: every package that an import brought, for good: what is installed is the last one in effect
arrival = Table(
    "arrival",
    METADATA,
    Column("arrival_id", BigInteger().with_variant(Integer(), "sqlite"), primary_key=True, autoincrement=True),
    words("import_id"),
    Column("ordinal", Integer(), nullable=False),
    words("tenant_id"),
    words("name_key"),
    words("source"),
    #: as it was installed then
    Column("package", Json(), nullable=False),
    UniqueConstraint("import_id", "ordinal"),
    Index("ix_arrival_name", "tenant_id", "name_key"),
)

#: what each undo took back: packages of imports, or another undo
undone = Table(
    "undone",
    METADATA,
    words("undo_id", key=True),
    words("import_id", key=True),
    Column("ordinal", Integer(), primary_key=True, autoincrement=False),
    words("tenant_id"),
    Index("ix_undone_import", "import_id"),
)
