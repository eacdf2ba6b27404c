"""Bringing a database's tables up to date. Any number of processes may try at once: one does it, the others wait."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text
from sqlalchemy.engine import make_url

from domain.ports import UnavailableError
from storage.engines import postgresql, translated, writing_sqlite
from storage.sql import SQLITE

#: any number that nobody else locks in the same database
_LOCK = 0x1A57A11


async def migrate(url: str) -> None:
    """Run every migration that is missing, in one transaction.

    Raises:
        UnavailableError: the database cannot be reached, another process has been migrating for too long, or a later
            version of the server did: what that one wrote is not for this one.
    """
    is_sqlite = make_url(url).get_backend_name() == SQLITE
    engine = writing_sqlite(url) if is_sqlite else postgresql(url, 1, is_patient=True)
    try:
        with translated():
            # on SQLite the transaction begins with the write lock
            async with engine.begin() as connection:
                if not is_sqlite:
                    await connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
                await connection.run_sync(_brought_up)
    finally:
        await engine.dispose()


def _brought_up(connection: Connection) -> None:
    found = MigrationContext.configure(connection).get_current_revision()
    if found is not None and found not in known_revisions():
        raise UnavailableError(f"it is of a later version of the server (its tables are at {found})")
    # most starts find nothing to do, and alembic reads every migration anew to find that out
    if found != _scripts().get_current_head():
        upgrade(connection)


def upgrade(connection: Connection, revision: str = "head") -> None:
    """Run migrations up to a revision, on a connection with an open transaction."""
    config = _config()
    config.attributes["connection"] = connection
    command.upgrade(config, revision)


def known_revisions() -> frozenset[str]:
    """The revisions that a database of this version, or an earlier one, can be at."""
    return frozenset(script.revision for script in _scripts().walk_revisions())


@cache
def _scripts() -> ScriptDirectory:
    return ScriptDirectory.from_config(_config())


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    return config
