"""A whole installation in one file, and back (decisions R40)."""

from __future__ import annotations

import asyncio
import io
import sqlite3
import tarfile
from contextlib import closing
from pathlib import Path

import pytest

from domain.import_model import ImportState
from domain.options import BlockerChoice
from domain.undo_order import UndoAsked
from server.backup_commands import back_up
from server.errands import Errand
from server.loading import local_caller
from server.runtime import Runtime
from tests.forks import hub
from tests.server.installation import a_server, a_submitted_import, opened

CALLER = local_caller()


@pytest.fixture
def target(tmp_path):
    return tmp_path / "backup.tar"


@pytest.fixture
def elsewhere(tmp_path, environment):
    """The environment of another, empty installation."""
    return {**environment, "INSTALLHUB_DATA": str(tmp_path / "elsewhere")}


async def run_next(runtime: Runtime) -> None:
    async with runtime.ports.store.platform_unit() as unit:
        claimed = await unit.jobs.claim("worker", lease_seconds=60)
    assert claimed is not None
    await runtime.services.importer.run(claimed)


def files_in(target: Path) -> list[str]:
    with tarfile.open(target) as tar:
        return tar.getnames()


def changed(target: Path, change) -> Path:
    """The archive with each member changed: name and content in, name and content out, or nothing."""
    made = target.with_name("changed.tar")
    with tarfile.open(target) as old, tarfile.open(made, "w") as new:
        for member in old:
            file = old.extractfile(member)
            assert file is not None
            for name, content in change(member.name, file.read()):
                copy = tarfile.TarInfo(name)
                copy.size = len(content)
                new.addfile(copy, io.BytesIO(content))
    return made


def test_a_restored_installation_lists_imports_and_takes_back_as_the_first_one_did(
    tenants, here, target, elsewhere, monkeypatch
):
    async def import_once():
        async with opened() as runtime:
            job = await a_submitted_import(runtime)
            await run_next(runtime)
            return job.import_id

    import_id = asyncio.run(import_once())
    before = here("artifacts", "list", "--tenant", "acme-prod").stdout
    made = here("backup", str(target))

    monkeypatch.setenv("INSTALLHUB_DATA", elsewhere["INSTALLHUB_DATA"])
    put = here("restore", str(target))
    again = here("restore", str(target))

    async def take_back():
        async with opened() as runtime:
            undo = await runtime.services.undos.roll_back(CALLER, import_id, None, UndoAsked(BlockerChoice.REFUSE))
            await run_next(runtime)
            ended = await runtime.services.records.get_import(CALLER, undo.import_id, None)
            job = await a_submitted_import(runtime, "2.0.0")
            return ended.state, job.state

    assert (made.returncode, put.returncode) == (0, 0)
    assert here("artifacts", "list", "--tenant", "acme-prod").stdout == before
    assert asyncio.run(take_back()) == (ImportState.SUCCEEDED, ImportState.QUEUED)
    assert again.returncode == 1
    assert "is not empty" in again.stderr
    assert target.stat().st_mode & 0o777 == 0o600


def test_a_backup_is_made_while_a_server_writes(tenants, environment, here, target, elsewhere, monkeypatch):
    for number in range(3):
        assert here("tenant", "add", f"early-{number}").returncode == 0

    with a_server(environment) as (process, _):
        made = hub(environment, "backup", str(target))
        late = hub(environment, "tenant", "add", "late")
        assert process.poll() is None

    monkeypatch.setenv("INSTALLHUB_DATA", elsewhere["INSTALLHUB_DATA"])
    put = here("restore", str(target))
    listed = here("tenant", "list").stdout
    assert (made.returncode, late.returncode, put.returncode) == (0, 0, 0), (made, late, put)
    assert [f"early-{number}\t" in listed for number in range(3)] == [True] * 3
    assert "late\t" not in listed


async def test_a_backup_that_is_made_during_an_import_has_the_tenant_as_before_or_as_after(
    tenants, environment, here, target, elsewhere, monkeypatch
):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    async with opened() as runtime:
        await a_submitted_import(runtime)
        run = asyncio.create_task(run_next(runtime))
        backups = []
        for number in range(6):
            place = target.with_name(f"{number}.tar")
            given = {"target": str(place)}
            async for _ in back_up(Errand(runtime, CALLER, given, is_served=True)):
                pass
            backups.append(place)
        await run

    assert [await asyncio.to_thread(one_state, place) for place in backups] == [True] * len(backups)


def one_state(archive: Path) -> bool:
    """Whether what is active in acme-prod is all of the import's, or nothing."""
    with tarfile.open(archive) as tar:
        file = tar.extractfile("installhub.db")
        assert file is not None
        copy = archive.with_suffix(".db")
        copy.write_bytes(file.read())
    with closing(sqlite3.connect(copy)) as database:
        (imported,) = database.execute("SELECT count(*) FROM artifact WHERE origin_import_id IS NOT NULL").fetchone()
        (done,) = database.execute("SELECT count(*) FROM import_job WHERE state = 'SUCCEEDED'").fetchone()
    return bool(imported) == bool(done)


DAMAGES = {
    "a byte of the database": lambda name, content: [
        (name, content[:-1] + b"?" if name == "installhub.db" else content)
    ],
    "no end": lambda name, content: [] if name == "manifest.json" else [(name, content)],
    "a file too few": lambda name, content: [] if name.startswith("blobs/") else [(name, content)],
    "a file too many": lambda name, content: [
        *([("blobs/00/00/" + "0" * 32, b"")] if name == "installhub.db" else []),
        (name, content),
    ],
    "a way out": lambda name, content: [("../" + name, content)],
    "another form": lambda name, content: [(name, content.replace(b'"format": 1', b'"format": 2'))],
    "other checksums": lambda name, content: [(name, content[::-1] if name == "SHA256SUMS" else content)],
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_what_is_no_whole_backup_is_put_nowhere(tenants, here, target, elsewhere, monkeypatch, damage):
    async def export():
        async with opened() as runtime:
            await a_submitted_import(runtime)

    asyncio.run(export())
    here("backup", str(target))
    damaged = changed(target, DAMAGES[damage])
    monkeypatch.setenv("INSTALLHUB_DATA", elsewhere["INSTALLHUB_DATA"])

    said = here("restore", str(damaged))

    assert said.returncode == 1
    assert "is no whole backup" in said.stderr
    assert list(Path(elsewhere["INSTALLHUB_DATA"]).iterdir()) == []


def test_what_is_no_archive_at_all_is_refused(here, target):
    target.write_bytes(b"PK\3\4 nothing of ours")

    said = here("restore", str(target))

    assert (said.returncode, "is no whole backup" in said.stderr) == (1, True)


def test_a_backup_never_writes_over_anything(tenants, here, target):
    target.write_text("mine")

    said = here("backup", str(target))

    assert (said.returncode, target.read_text()) == (1, "mine")


@pytest.mark.postgres
def test_beside_postgresql_a_backup_has_all_but_the_database_and_says_what_to_do(
    postgres_url, here, target, elsewhere, monkeypatch
):
    monkeypatch.setenv("INSTALLHUB_DATABASE_URL", postgres_url)

    async def upload():
        async with opened() as runtime, runtime.ports.blobs.create() as blob:
            await blob.write(b"some bytes")
            return await blob.finish()

    key = asyncio.run(upload())
    made = here("backup", str(target))
    monkeypatch.setenv("INSTALLHUB_DATA", elsewhere["INSTALLHUB_DATA"])
    put = here("restore", str(target))

    assert "pg_dump" in made.stdout
    assert [name.rpartition("/")[2] for name in files_in(target)] == [key, "SHA256SUMS", "manifest.json"]
    assert put.returncode == 0
    assert [path.name for path in Path(elsewhere["INSTALLHUB_DATA"]).rglob("*") if path.is_file()] == [key]


@pytest.mark.s3
def test_beside_an_object_store_a_backup_leaves_the_bundles_there_and_goes_back_to_it_alone(
    object_store, tenants, here, target, elsewhere, monkeypatch
):
    monkeypatch.setenv("INSTALLHUB_BLOBS_URL", object_store.url())

    async def upload():
        async with opened() as runtime, runtime.ports.blobs.create() as blob:
            await blob.write(b"some bytes")
            await blob.finish()

    asyncio.run(upload())
    made = here("backup", str(target))
    monkeypatch.setenv("INSTALLHUB_DATA", elsewhere["INSTALLHUB_DATA"])
    monkeypatch.delenv("INSTALLHUB_BLOBS_URL")
    refused = here("restore", str(target))
    monkeypatch.setenv("INSTALLHUB_BLOBS_URL", object_store.url())
    put = here("restore", str(target))

    assert "object store" in made.stdout
    assert not [name for name in files_in(target) if name.startswith("blobs/")]
    assert (refused.returncode, "INSTALLHUB_BLOBS_URL" in refused.stderr, put.returncode) == (1, True, 0)
