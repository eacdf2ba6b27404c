"""What migrations make is what the tables say, on both databases."""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
import sys

import pytest
from alembic import command
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine

from domain.options import Activation, ConflictStrategy
from storage.migrate import _config, migrate, upgrade
from storage.sql import moment_text
from storage.tables import METADATA
from tests.clocks import NOON
from tests.journeys.inside import GLOBEX, REPLACE, an_inside
from tests.makers import a_bundle, an_entity

_SHAPE = {
    "sqlite": """
        SELECT type, name, tbl_name, sql FROM sqlite_master WHERE tbl_name NOT LIKE 'alembic%' ORDER BY type, name""",
    "postgresql": """
        SELECT table_name, column_name, data_type, collation_name, is_nullable, column_default, ordinal_position::text
        FROM information_schema.columns WHERE table_schema = 'public' AND table_name NOT LIKE 'alembic%'
        UNION ALL SELECT tablename, indexname, indexdef, '', '', '', '' FROM pg_indexes
        WHERE schemaname = 'public' AND tablename NOT LIKE 'alembic%'
        UNION ALL SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid), '', '', '', '' FROM pg_constraint
        WHERE connamespace = 'public'::regnamespace AND contype <> 'n' AND conrelid::regclass::text NOT LIKE 'alembic%'
        ORDER BY 1, 2, 3""",
}


_OLD_TENANT = "INSERT INTO tenant VALUES ('acme', 'Standard', 'Active', '4.2.0', '2026-01-01T00:00:00.000000Z', 0)"
_OLD_EXPORT = """
    INSERT INTO export_record (tenant_id, at, record) VALUES ('acme', '2026-01-01T00:00:00.000000Z', :record)"""
_OLD_IMPORT = """
    INSERT INTO import_job (
        import_id, tenant_id, kind, mode, state, options, submitted_by, submitted_at, fence, attempt, last_seq,
        cancel_requested, decisions
    ) VALUES (
        :import_id, 'acme', 'SINGLE', 'APPLY', 'QUEUED', :options, :submitted_by, '2026-01-01T00:00:00.000000Z', 0, 0,
        1, :is_stopped, '{}'
    )"""
#: who submitted, whom they named, and how the import is found: by the submitter and by the importer
_OLD_NAMES = [
    ('["ann", "ann@example.com", false]', '"ben@example.com"', "ann@example.com", "ann@example.com"),
    ('["robot", null, true]', '"ben@example.com"', "robot", "ben@example.com"),
    ('["robot", "", true]', "null", "robot", "robot"),
]
_OLD_IMPORTS = [
    {"import_id": f"imp-{n}", "submitted_by": actor, "options": f'{{"imported_by":{named}}}', "is_stopped": False}
    for n, (actor, named, *_) in enumerate(_OLD_NAMES)
]


async def _shape(connection: AsyncConnection) -> list[list[str]]:
    rows = await connection.execute(text(_SHAPE[connection.dialect.name]))
    return [[re.sub(r"\s+", " ", str(value)) for value in row] for row in rows]


async def test_migrated_tables_are_exactly_those_of_the_metadata(empty_database_url):
    await migrate(empty_database_url)
    engine = create_async_engine(empty_database_url)

    async with engine.begin() as connection:
        migrated = await _shape(connection)
        await connection.run_sync(METADATA.drop_all)
        gone = await _shape(connection)
        await connection.run_sync(METADATA.create_all)
        created = await _shape(connection)
    await engine.dispose()

    assert gone == []
    assert len(migrated) > len(METADATA.tables)
    assert migrated == created


async def test_a_second_migration_changes_nothing(database_url):
    engine = create_async_engine(database_url)
    async with engine.begin() as connection:
        before = await _shape(connection)

    await migrate(database_url)

    async with engine.begin() as connection:
        assert await _shape(connection) == before
    await engine.dispose()


async def test_processes_that_migrate_at_once_all_succeed(empty_database_url):
    program = "import asyncio, sys; from storage.migrate import migrate; asyncio.run(migrate(sys.argv[1]))"

    started = [
        await asyncio.create_subprocess_exec(sys.executable, "-c", program, empty_database_url) for _ in range(3)
    ]
    codes = [await process.wait() for process in started]

    assert codes == [0, 0, 0]


async def test_rows_written_before_a_migration_are_found_by_their_names_after_it(empty_database_url):
    engine = create_async_engine(empty_database_url)
    async with engine.begin() as connection:
        await connection.run_sync(lambda sync: upgrade(sync, "0001"))
        await connection.execute(text(_OLD_TENANT))
        for record in ("{}", '{"exportedBy":"ann@example.com"}'):
            await connection.execute(text(_OLD_EXPORT), {"record": record})
        await connection.execute(text(_OLD_IMPORT), _OLD_IMPORTS)

    await migrate(empty_database_url)

    async with engine.begin() as connection:
        exports = await connection.execute(text("SELECT record, exported_by FROM export_record ORDER BY record_id"))
        imports = await connection.execute(text("SELECT submitter, imported_by FROM import_job ORDER BY import_id"))
        found = [tuple(row) for row in exports], [tuple(row) for row in imports]
    await engine.dispose()
    assert found == (
        [("{}", ""), ('{"exportedBy":"ann@example.com"}', "ann@example.com")],
        [(submitter, importer) for _, _, submitter, importer in _OLD_NAMES],
    )


async def test_a_migration_tells_all_of_many_rows(empty_database_url):
    engine = create_async_engine(empty_database_url)
    async with engine.begin() as connection:
        await connection.run_sync(lambda sync: upgrade(sync, "0001"))
        await connection.execute(text(_OLD_TENANT))
        await connection.execute(text(_OLD_EXPORT), [{"record": f'{{"exportedBy":"p{n}"}}'} for n in range(2500)])

    await migrate(empty_database_url)

    async with engine.begin() as connection:
        told = await connection.execute(
            text("SELECT record FROM export_record WHERE record NOT LIKE '%\"' || exported_by || '\"%'")
        )
        count = await connection.execute(text("SELECT count(DISTINCT exported_by) FROM export_record"))
        found = told.all(), count.scalar_one()
    await engine.dispose()
    assert found == ([], 2500)


async def test_whoever_goes_back_a_version_finds_what_imports_were_put_over_and_that_a_copy_was_over_nothing(
    database_url, tmp_path
):
    async with an_inside(database_url, tmp_path) as inside:
        await inside.save(GLOBEX, an_entity("ent-9", "own", name="Hours"))
        mine = (await inside.heads(GLOBEX))["Hours"].revision_id
        jobs = [
            await inside.bring(
                GLOBEX, a_bundle(an_entity("ent-1", name="Hours"), name=strategy.value), default_strategy=strategy
            )
            for strategy in (ConflictStrategy.COPY, ConflictStrategy.REPLACE)
        ]
    engine = create_async_engine(database_url)
    async with engine.begin() as connection:
        await connection.run_sync(_back_to, "0014")
        rows = await connection.execute(text("SELECT import_id, before_revision_id FROM activation"))
        found = {row[0]: row[1] for row in rows}
    await engine.dispose()

    assert found == {jobs[0].import_id: None, jobs[1].import_id: mine}


def _back_to(connection: Connection, revision: str) -> None:
    config = _config()
    config.attributes["connection"] = connection
    command.downgrade(config, revision)


async def test_contents_can_be_put_back_as_older_versions_kept_them_and_leave_as_the_same_bytes(database_url, tmp_path):
    async with an_inside(database_url, tmp_path) as inside:
        await inside.save(GLOBEX, *(an_entity(f"ent-{number}", name=f"Hours {number}") for number in range(60)))
        asked = {"package_type": "config-package", "artifact_ids": tuple(await _ids(inside))[:50]}
        first = await inside.export(GLOBEX, version="1.0.0", **asked)
        async with inside.sql._engines.writer.begin() as connection:
            await connection.run_sync(_back_to, "0015")
            kept = (await connection.execute(text("SELECT body FROM revision_body"))).scalars().all()
            await connection.run_sync(upgrade)
        second = await inside.export(GLOBEX, version="1.0.1", **asked)
        bundles = [await inside.bytes_of(exported.package) for exported in (first, second)]

    assert {json.loads(bytes(body))["_type"] for body in kept} == {"EntitySchema"}
    # the artifacts stand first; what stands behind tells the version
    parts = [raw[: raw.index(b"README.md") - _LOCAL_HEADER] for raw in bundles]
    assert (parts[0] == parts[1], first.package.checksum) == (True, second.package.checksum)


async def test_a_damaged_content_stays_so_on_the_way_back_and_keeps_no_other_from_it(database_url, tmp_path):
    async with an_inside(database_url, tmp_path) as inside:
        await inside.save(GLOBEX, an_entity("ent-1", name="Damaged"), an_entity("ent-2", name="Hours"))
        damaged = (await inside.heads(GLOBEX))["Damaged"].revision_id
        cut_off = text("UPDATE revision_body SET body = substr(body, 1, 40) WHERE body_id = :damaged")
        async with inside.sql._engines.writer.begin() as connection:
            await connection.execute(cut_off, {"damaged": damaged})
            await connection.run_sync(_back_to, "0015")
            rows = (await connection.execute(text("SELECT body_id, body, sha256 FROM revision_body"))).all()

    intact = {row[0]: hashlib.sha256(row[1]).digest() == bytes(row[2]) for row in rows}
    assert sorted(intact.values()) == [False, True]
    assert not intact[damaged]


#: as version 0016 had them
_COLUMNS = [column.name.replace("follows_import", "held") for column in METADATA.tables["revision"].columns]
_LEFT = {"revision_id": "'left-behind'", "number": "7", "held": "1"}
#: what a worker that died held for an import, before another one brought it to its end
_LEFT_BEHIND = f"""
    INSERT INTO revision ({", ".join(_COLUMNS)}) SELECT {", ".join(_LEFT.get(name, name) for name in _COLUMNS)}
    FROM revision WHERE held = 0 AND import_id IS NOT NULL"""


async def test_what_imports_wrote_is_seen_on_the_way_back_and_again_and_what_waits_stays_unseen(database_url, tmp_path):
    seen = text("SELECT name, number FROM revision WHERE held = 0 AND import_id IS NOT NULL ORDER BY name, number")
    async with an_inside(database_url, tmp_path) as inside:
        first = await inside.bring(GLOBEX, a_bundle(an_entity("ent-1", name="Hours")), default_strategy=REPLACE)
        later = a_bundle(an_entity("ent-1", "later", name="Hours"), an_entity("ent-2", name="Days"), version="1.1.0")
        waiting = await inside.bring(GLOBEX, later, default_strategy=REPLACE, activation=Activation.MANUAL)
        async with inside.sql._engines.writer.begin() as connection:
            await connection.run_sync(_back_to, "0016")
            put_back = [tuple(row) for row in await connection.execute(seen)]
            await connection.execute(text(_LEFT_BEHIND))
            await connection.run_sync(upgrade)
        await inside.services.line.activate(inside.caller, waiting.import_id, None)
        await inside.run_next()
        hours = (await inside.heads(GLOBEX))["Hours"].artifact_id
        async with inside.sql.platform_view() as view:
            found = await view.batches.revisions(GLOBEX, [hours], first=9, before=None)

    assert put_back == [("Hours", 1)]
    imports = [(one.number, one.import_id) for one in found[hours].items]
    assert imports == [(2, waiting.import_id), (1, first.import_id)]


#: of a ZIP's entry, before its name
_LOCAL_HEADER = 30


async def _ids(inside):
    return [head.artifact_id for head in (await inside.heads(GLOBEX)).values()]


@pytest.mark.parametrize("table", ["upload", "package", "import_package"])
async def test_whether_bytes_are_in_use_is_looked_up_and_not_searched_for(database_url, table):
    engine = create_async_engine(database_url)
    async with engine.begin() as connection:
        is_sqlite = connection.dialect.name == "sqlite"
        if not is_sqlite:
            await connection.execute(text("SET LOCAL enable_seqscan = off"))
        explain = "EXPLAIN QUERY PLAN" if is_sqlite else "EXPLAIN"
        rows = await connection.execute(text(f"{explain} SELECT 1 FROM {table} WHERE blob_key = 'some-key'"))
        plan = " ".join(str(value) for row in rows for value in row)
    await engine.dispose()

    assert f"ix_{table}_blob" in plan


def test_every_table_belongs_to_a_tenant_but_the_installations_own_secrets():
    without = {table.name for table in METADATA.tables.values() if "tenant_id" not in table.columns}

    assert without == {"secret"}


@pytest.mark.parametrize("moment", [NOON, NOON.replace(year=999, microsecond=7)])
def test_a_stored_time_has_always_the_same_width(moment):
    assert len(moment_text(moment)) == len("2026-03-02T12:00:00.000000Z")
