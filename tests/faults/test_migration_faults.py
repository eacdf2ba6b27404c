"""A migration that is killed, and two versions of the server on one database: F23 (design: security, section 4.2)."""

from __future__ import annotations

import subprocess
import sys

import pytest
from sqlalchemy import inspect, text
from sqlalchemy.ext.asyncio import create_async_engine

from domain.ports import UnavailableError
from storage.migrate import known_revisions, migrate
from tests.house.tree import ROOT
from tests.ports.rows import ACME, a_revision, saved

#: migrates, and kills itself after so many statements
_KILLED = """
import asyncio, os, sys
from sqlalchemy import event
from sqlalchemy.engine import Engine
from storage.migrate import migrate

left = int(sys.argv[2])

def count(*_):
    global left
    left -= 1
    if not left:
        os.kill(os.getpid(), 9)

event.listen(Engine, "after_cursor_execute", count)
asyncio.run(migrate(sys.argv[1]))
"""


async def _tables(url: str) -> set[str]:
    engine = create_async_engine(url)
    async with engine.connect() as connection:
        names = await connection.run_sync(lambda bare: inspect(bare).get_table_names())
    await engine.dispose()
    return set(names)


async def _tell(url: str, *statements: str) -> None:
    engine = create_async_engine(url)
    async with engine.begin() as connection:
        for statement in statements:
            await connection.execute(text(statement))
    await engine.dispose()


async def test_a_killed_migration_leaves_nothing_and_the_next_one_does_it(empty_database_url):
    command = [sys.executable, "-c", _KILLED, empty_database_url, "60"]
    killed = subprocess.run(command, cwd=ROOT, check=False, capture_output=True)
    left = await _tables(empty_database_url)

    await migrate(empty_database_url)

    assert (killed.returncode, left) == (-9, set())
    assert len(await _tables(empty_database_url)) > 40


async def test_a_running_server_goes_on_while_a_later_version_adds_to_its_tables(store, database_url):
    (before,) = await saved(store, a_revision("rule-1"))

    await _tell(
        database_url,
        "ALTER TABLE artifact ADD COLUMN later TEXT",
        "ALTER TABLE revision ADD COLUMN later TEXT",
        "CREATE TABLE of_later (id TEXT)",
        "UPDATE alembic_version SET version_num = '9999'",
    )
    (after,) = await saved(store, a_revision("rule-1", number=2))
    async with store.view(ACME) as view:
        bodies = await view.artifacts.bodies([before.revision_id, after.revision_id])

    assert (before.revision, after.revision, len(bodies)) == (1, 2, 2)


async def test_a_database_of_a_later_version_is_left_as_it_is(database_url):
    assert "9999" not in known_revisions()
    await _tell(database_url, "UPDATE alembic_version SET version_num = '9999'")

    with pytest.raises(UnavailableError, match="later version"):
        await migrate(database_url)
