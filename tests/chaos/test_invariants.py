"""The program that looks for what a crash may leave finds it: each damage below violates its invariant."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from domain.export_order import ExportOrder
from domain.import_model import ImportPackage
from domain.line import ImportOrder
from domain.options import ImportOptions
from storage.lock import single_process_lock
from tests.chaos.invariants import Acknowledged, examine, main
from tests.journeys.inside import ACME, ANNA, GLOBEX, REPLACE, Inside, an_inside
from tests.makers import a_bundle, a_suite, an_entity

_IMPORT = "(SELECT min(import_id) FROM import_job)"
_FAILED = "(SELECT import_id FROM import_job WHERE state = 'FAILED')"
_FIRST = "rowid = (SELECT min(rowid) FROM"
_ENTRY = "tenant_id, at, actor, action, import_id, details"
_MESSAGE = "tenant_id, at, kind, payload"
DAMAGES = {
    "I1 a revision is hidden": f"""UPDATE revision SET import_id = {_FAILED}
        WHERE {_FIRST} revision WHERE follows_import = 1)""",
    "I1 a failed import is shown": f"UPDATE merge_base SET import_id = {_FAILED} WHERE {_FIRST} merge_base)",
    "I1 a package did not arrive": "DELETE FROM arrival",
    "I1 no outcome": "UPDATE import_job SET outcome = NULL WHERE state = 'SUCCEEDED'",
    "I2 another content": """UPDATE revision_body SET body = (
        SELECT other.body FROM revision_body other WHERE other.body <> revision_body.body LIMIT 1)""",
    "I2 no body": f"DELETE FROM revision_body WHERE {_FIRST} revision_body)",
    "I2 a gap in a history": "DELETE FROM revision WHERE tenant_id = 'acme' AND number = 1",
    "I2 another hash": "UPDATE artifact SET content_hash = 'sha256:0'",
    "I2 no bytes": "UPDATE package SET blob_key = '00000000000000000000000000000000'",
    "I3 no last word": "DELETE FROM import_event WHERE kind = 'ENDED'",
    "I3 a terminal state changed": "UPDATE import_job SET state = 'CANCELLED' WHERE state = 'FAILED'",
    "I3 a gap": "DELETE FROM import_event WHERE seq = 2",
    "I3 something is held": f"UPDATE revision SET follows_import = 1, import_id = {_FAILED} WHERE rowid = 1",
    "I4 an import is gone": "UPDATE import_job SET state = 'RUNNING' WHERE state = 'SUCCEEDED'",
    "I4 a package is gone": "DELETE FROM package",
    "I5 another checksum": "UPDATE package SET checksum = 'sha256:0'",
    "I5 another effect": """UPDATE idempotency SET effect = '{"packageId": "pkg-2"}'""",
    "I6 another tenant": "UPDATE audit SET tenant_id = 'acme' WHERE import_id IS NOT NULL",
    "I7 no owner": "UPDATE import_job SET state = 'RUNNING' WHERE state = 'FAILED'",
    "I8 no audit": "DELETE FROM audit",
    "I8 two entries": f"INSERT INTO audit ({_ENTRY}) SELECT {_ENTRY} FROM audit WHERE action = 'import.activated'",
    "I8 no message": "DELETE FROM outbox",
    "I8 told twice": f"INSERT INTO outbox ({_MESSAGE}) SELECT {_MESSAGE} FROM outbox",
}


def url_of(folder: Path) -> str:
    return f"sqlite+aiosqlite:///{folder / 'hub.db'}"


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, migrated_sqlite: Path) -> tuple[Path, Acknowledged]:
    """An installation where something was exported, imported and refused, and what its clients know."""
    folder = tmp_path_factory.mktemp("whole")
    shutil.copy(migrated_sqlite, folder / "hub.db")
    return folder, asyncio.run(lived(folder))


async def lived(folder: Path) -> Acknowledged:
    async with an_inside(url_of(folder), folder) as inside:
        for field in ("days", "hours"):
            await inside.save(ACME, an_entity("ent-1", field, name="E"))
        order = ExportOrder(ACME, "Starter", "workflow-package", "1.0.0", ("ent-1",))
        package = (await inside.services.exporter.export(ANNA, order, key="k-export")).package
        done = await imported(inside, a_bundle(*a_suite()), "k-import")
        refused = await imported(inside, b"no bundle", "k-refused")
    return Acknowledged(
        {"k-import": (done, "SUCCEEDED"), "k-refused": (refused, "FAILED")},
        {"k-export": (package.package_id, package.checksum)},
    )


async def imported(inside: Inside, raw: bytes, key: str) -> str:
    async with inside.blobs.create() as blob:
        await blob.write(raw)
        bundle = ImportPackage(0, await blob.finish(), "", len(raw))
    order = ImportOrder(GLOBEX, bundle, ImportOptions(default_strategy=REPLACE))
    job = await inside.services.line.submit(ANNA, order, key=key)
    await inside.run_next()
    return str(job.import_id)


async def test_what_is_whole_violates_nothing(whole):
    folder, told = whole

    findings = await examine(url_of(folder), folder, told)

    assert [one.violations for one in findings] == [()] * 8
    assert [one.counted > 0 for one in findings] == [True] * 6 + [False, True]


@pytest.mark.parametrize("damage", DAMAGES)
async def test_a_damage_is_found(whole, tmp_path, damage):
    folder, told = whole
    shutil.copy(folder / "hub.db", tmp_path)
    with closing(sqlite3.connect(tmp_path / "hub.db")) as database:
        assert database.execute(DAMAGES[damage]).rowcount > 0
        database.commit()

    findings = await examine(url_of(tmp_path), folder, told, is_settled="held" in damage)

    assert damage.split()[0] in {one.name for one in findings if one.violations}


async def test_what_a_living_server_has_only_in_its_log_is_looked_at(whole, tmp_path):
    folder, told = whole
    file = tmp_path / "hub.db"
    shutil.copy(folder / "hub.db", file)
    with single_process_lock(file), closing(sqlite3.connect(file)) as living:
        living.execute("PRAGMA journal_mode = wal")
        living.execute(next(iter(DAMAGES.values())))
        living.commit()
        assert file.with_name("hub.db-wal").stat().st_size > 0

        findings = await examine(url_of(tmp_path), folder, told)

    assert [one.name for one in findings if one.violations] != []


async def test_bytes_that_are_others_or_not_swept_in_time_are_found(whole, tmp_path):
    folder, told = whole
    shutil.copytree(folder, tmp_path / "data")
    *_, blob = (tmp_path / "data" / "blobs").glob("??/??/*")
    for stored in (tmp_path / "data" / "blobs").glob("??/??/*"):
        stored.write_bytes(stored.read_bytes()[::-1])
    old = "0" * 32
    (blob.parent / old).write_bytes(b"old")
    (tmp_path / "data" / "scratch" / "dead").mkdir()

    findings = await examine(url_of(folder), tmp_path / "data", told, is_settled=True)

    violated = {one.name: one.violations for one in findings if one.violations}
    assert "are other ones" in violated["I2"][0]
    assert [one for one in violated["I7"] if old in one or "dead" in one] != []


def test_the_program_prints_each_invariant_and_ends_with_1_where_one_is_violated(whole, tmp_path, capsys):
    folder, _ = whole
    shutil.copy(folder / "hub.db", tmp_path)
    with closing(sqlite3.connect(tmp_path / "hub.db")) as database:
        database.execute(DAMAGES["I8 no audit"])
        database.commit()

    ends = [main([url_of(place), str(folder)]) for place in (folder, tmp_path)]

    printed = capsys.readouterr().out.splitlines()
    assert ends == [0, 1]
    assert [line[:2] for line in printed[:8]] == [f"I{number}" for number in range(1, 9)]
    assert any(line.startswith("I8") and "VIOLATED" in line for line in printed[8:])
