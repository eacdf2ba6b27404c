"""How alembic runs here: on the connection, and inside the transaction, that it is handed by ``storage.migrate``."""

from __future__ import annotations

from alembic import context

from storage import (
    binding_tables,
    market_tables,
    notice_tables,
    plan_tables,
    remote_tables,
    rescan_tables,
    undo_tables,
    user_tables,
)
from storage.tables import METADATA

#: tables that make themselves known to METADATA
MORE_TABLES = (
    *(binding_tables, market_tables, notice_tables, plan_tables, remote_tables, rescan_tables, undo_tables),
    user_tables,
)

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=METADATA,
    # SQLite changes a table by making it anew
    render_as_batch=True,
)
with context.begin_transaction():
    context.run_migrations()
