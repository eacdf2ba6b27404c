"""The table of remembered bindings (decisions R22). Rules: see ``tables``."""

from __future__ import annotations

from sqlalchemy import Column, Table

from storage.sql import Moment, Who
from storage.tables import METADATA, words

remembered_binding = Table(
    "remembered_binding",
    METADATA,
    words("tenant_id", key=True),
    words("source", key=True),
    words("binding_key", key=True),
    #: see :mod:`storage.sealing`
    words("sealed"),
    Column("kept_at", Moment(), nullable=False),
    Column("kept_by", Who(), nullable=False),
    #: the list item that it was given to; empty: whatever stands there
    words("item"),
)
