"""``artifacts dump``: what it writes is what ``load`` reads, and it writes nowhere else."""

from __future__ import annotations

import asyncio
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from domain.artifact_types import ArtifactType
from domain.edits import CHANGES_MAX, ArtifactChanges, ArtifactDraft
from domain.model import ArtifactStatus, TenantId
from server.loading import local_caller, login
from storage.store import SqlStore
from storage.tables import audit
from tests.house.tree import ROOT
from tests.server.installation import a_server, opened

PROD, DEV = TenantId("acme-prod"), TenantId("acme-dev")


def files(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def contents(folder: Path) -> dict[str, Any]:
    """What is in the files, but when each was written."""
    read = {name: json.loads(content) for name, content in files(folder).items()}
    return {name: {key: value for key, value in tree.items() if key != "_exportedAt"} for name, tree in read.items()}


def changed(changes: ArtifactChanges) -> None:
    async def apply() -> None:
        async with opened() as runtime:
            await runtime.services.authoring.apply(changes, local_caller().actor)

    asyncio.run(apply())


def a_draft(number: int, status: ArtifactStatus = ArtifactStatus.DRAFT) -> ArtifactDraft:
    return ArtifactDraft(ArtifactType.ENTITY_SCHEMA, f"Entity {number}", "1.0.0", {}, f"ent-9{number}", status=status)


@pytest.fixture
def mixed(tenants, here) -> None:
    """acme-prod has artifacts of every status besides its examples, and a deleted one."""
    statuses = [ArtifactStatus.DRAFT, ArtifactStatus.ARCHIVED, ArtifactStatus.LOCKED, ArtifactStatus.ACTIVE]
    save = tuple(a_draft(number, status) for number, status in enumerate(statuses))
    changed(ArtifactChanges(PROD, save=(*save, a_draft(9))))
    changed(ArtifactChanges(PROD, remove=("ent-99",)))


def test_what_is_dumped_and_loaded_again_changes_nothing_and_says_so(here, mixed, tmp_path):
    dumped = here("artifacts", "dump", "--tenant", PROD, str(tmp_path / "dump"))
    loaded = here("artifacts", "load", "--tenant", PROD, str(tmp_path / "dump"))

    assert (dumped.stdout, loaded.stdout) == (
        "11 artifacts written, 0 unchanged.\n",
        "0 artifacts saved, 11 unchanged.\n",
    )
    assert {"artifacts/entities/ent-90.json", "artifacts/forms/form-118.json"} <= set(files(tmp_path / "dump"))
    assert "artifacts/entities/ent-99.json" not in files(tmp_path / "dump")


def test_an_empty_tenant_that_loads_a_dump_has_equal_contents(here, mixed, tmp_path):
    here("artifacts", "dump", "--tenant", PROD, str(tmp_path / "first"))
    here("tenant", "add", "empty")

    here("artifacts", "load", "--tenant", "empty", str(tmp_path / "first"))
    here("artifacts", "dump", "--tenant", "empty", str(tmp_path / "second"))

    assert contents(tmp_path / "second") == contents(tmp_path / "first")
    assert {tree["status"] for tree in contents(tmp_path / "second").values()} == {
        "Published", "Draft", "Archived", "Locked", "Active",
    }  # fmt: skip


def test_the_examples_that_were_loaded_are_dumped_into_the_same_layout(here, tenants, tmp_path):
    here("artifacts", "dump", "--tenant", DEV, str(tmp_path / "dump"))

    assert set(files(tmp_path / "dump")) == set(files(ROOT / "examples" / "acme-source"))


def test_a_dump_can_be_repeated_and_finished_after_a_kill(here, tenants, tmp_path):
    folder = tmp_path / "dump"
    here("artifacts", "dump", "--tenant", PROD, str(folder))
    before = files(folder)
    (folder / "artifacts" / "forms" / "form-118.json").unlink()
    (folder / ".unfinished-dump").mkdir()
    (folder / ".unfinished-dump" / "0").write_text("{}")

    repeated = here("artifacts", "dump", "--tenant", PROD, str(folder))

    assert repeated.stdout == "1 artifacts written, 6 unchanged.\n"
    assert files(folder) == before


@pytest.mark.parametrize("other", ["notes.txt", "artifacts/forms/form-118.json", ".git/config"])
def test_a_folder_that_holds_something_else_is_left_as_it_is_unless_forced(here, tenants, tmp_path, other):
    folder = tmp_path / "dump"
    (folder / other).parent.mkdir(parents=True)
    (folder / other).write_text("mine")

    refused = here("artifacts", "dump", "--tenant", PROD, str(folder))
    untouched = files(folder)
    forced = here("artifacts", "dump", "--tenant", PROD, "--force", str(folder))

    assert (refused.returncode, refused.stdout, untouched) == (1, "", {other: b"mine"})
    assert other in refused.stderr
    is_ours = other.endswith("form-118.json")
    left = "" if is_ours else " 1 other files were left."
    assert forced.stdout == f"7 artifacts written, 0 unchanged.{left}\n"
    assert (files(folder)[other] == b"mine") is not is_ours


@pytest.mark.parametrize("link", ["artifacts", "artifacts/forms", "artifacts/forms/form-118.json"])
def test_nothing_is_written_outside_the_folder_through_a_link_in_it(here, tenants, tmp_path, link):
    folder, outside = tmp_path / "dump", tmp_path / "outside"
    outside.mkdir()
    (outside / "file").write_text("theirs")
    (folder / link).parent.mkdir(parents=True)
    (folder / link).symlink_to(outside / "file" if link.endswith(".json") else outside)

    refused = here("artifacts", "dump", "--tenant", PROD, str(folder))
    forced = here("artifacts", "dump", "--tenant", PROD, "--force", str(folder))

    assert refused.returncode == 1
    assert files(outside) == {"file": b"theirs"}
    assert forced.returncode == (0 if link.endswith(".json") else 1)
    assert not (folder / ".unfinished-dump").exists()


@pytest.mark.parametrize("link", ["artifacts/rules", "artifacts/workflows"])
def test_a_folder_that_is_a_link_is_named_before_anything_is_written(here, tenants, tmp_path, link):
    folder, outside = tmp_path / "dump", tmp_path / "outside"
    outside.mkdir()
    here("artifacts", "dump", "--tenant", PROD, str(folder))
    (folder / "artifacts/forms/form-118.json").write_text("mine")
    shutil.rmtree(folder / link, ignore_errors=True)
    (folder / link).symlink_to(outside)
    before = files(folder)

    forced = here("artifacts", "dump", "--tenant", DEV, "--force", str(folder))

    assert forced.returncode == 1
    assert forced.stderr == f"installhub: {folder / link}: a link, which is not followed; nothing was written.\n"
    assert (files(folder), files(outside)) == (before, {})


def test_a_folder_where_a_file_belongs_is_named_before_anything_is_written(here, tenants, tmp_path):
    folder = tmp_path / "dump"
    there = folder / "artifacts" / "forms" / "form-118.json"
    there.mkdir(parents=True)

    refused = here("artifacts", "dump", "--tenant", PROD, str(folder))

    assert (refused.returncode, refused.stderr) == (1, f"installhub: {there} is a folder; nothing was written.\n")
    assert [path for path in folder.rglob("*") if not path.is_dir()] == []
    assert sorted(path.name for path in folder.rglob("*")) == ["artifacts", "form-118.json", "forms"]


def test_a_refused_dump_leaves_none_of_the_folders_that_it_made(here, tmp_path):
    refused = here("artifacts", "dump", "--tenant", "nobody", str(tmp_path / "some" / "where" / "dump"))

    assert refused.returncode == 1
    assert not (tmp_path / "some").exists()


def test_a_dump_of_a_tenant_without_artifacts_is_an_empty_folder_that_can_be_loaded(here, tmp_path):
    here("tenant", "add", "empty")

    dumped = here("artifacts", "dump", "--tenant", "empty", str(tmp_path / "dump"))
    loaded = here("artifacts", "load", "--tenant", "empty", str(tmp_path / "dump"))

    assert (dumped.returncode, dumped.stdout) == (0, "0 artifacts written, 0 unchanged.\n")
    assert list((tmp_path / "dump").iterdir()) == []
    assert (loaded.returncode, loaded.stdout) == (0, "0 artifacts saved, 0 unchanged.\n")


def test_a_dump_of_an_unknown_tenant_leaves_no_folder_behind(here, tmp_path):
    refused = here("artifacts", "dump", "--tenant", "nobody", str(tmp_path / "dump"))

    assert (refused.returncode, refused.stderr) == (1, "installhub: There is no tenant nobody.\n")
    assert not (tmp_path / "dump").exists()


def test_dumped_files_are_for_their_owner_alone(here, tenants, tmp_path):
    here("artifacts", "dump", "--tenant", PROD, str(tmp_path / "dump"))

    assert {(tmp_path / "dump" / name).stat().st_mode & 0o077 for name in files(tmp_path / "dump")} == {0}


def test_loads_and_dumps_are_audited_by_login(here, tenants, tmp_path):
    here("artifacts", "dump", "--tenant", PROD, str(tmp_path / "dump"))
    here("tenant", "add", "empty")
    here("artifacts", "load", "--tenant", "empty", str(tmp_path / "dump"))
    here("artifacts", "load", "--tenant", "empty", str(tmp_path / "dump"))

    entries = asyncio.run(audit_entries())

    assert entries[-2:] == [
        (PROD, f"local:{login()}", "artifacts.dumped", {"artifacts": 7}),
        ("empty", f"local:{login()}", "artifacts.loaded", {"artifacts": 7}),
    ]


async def audit_entries() -> list[tuple[Any, ...]]:
    async with opened() as runtime:
        store = runtime.ports.store
        assert isinstance(store, SqlStore)
        async with store._engines.reader.connect() as connection:
            columns = (audit.c.tenant_id, audit.c.actor, audit.c.action, audit.c.details)
            rows = await connection.execute(select(*columns).order_by(audit.c.audit_id))
            return [(tenant, actor.subject, action, details) for tenant, actor, action, details in rows]


@pytest.mark.slow
def test_more_artifacts_than_one_batch_holds_go_there_and_back(here, tenants, tmp_path):
    made = tmp_path / "made"
    made.mkdir()
    for number in range(CHANGES_MAX + 1):
        tree = {"_type": "EntitySchema", "_version": "1.0.0", "id": f"ent-{number}", "name": f"Entity {number}"}
        (made / f"{number}.json").write_text(json.dumps(tree))
    here("tenant", "add", "large")

    loaded = here("artifacts", "load", "--tenant", "large", str(made))
    dumped = here("artifacts", "dump", "--tenant", "large", str(tmp_path / "dump"))

    assert loaded.stdout == "1001 artifacts saved, 0 unchanged.\n"
    assert dumped.stdout == "1001 artifacts written, 0 unchanged.\n"


@pytest.mark.slow
def test_a_dump_beside_a_running_server_is_written_by_whoever_asks(here, environment, tenants, tmp_path, monkeypatch):
    with a_server(environment):
        monkeypatch.chdir(tmp_path)
        dumped = here("artifacts", "dump", "--tenant", DEV, "dump")
        loaded = here("artifacts", "load", "--tenant", DEV, "dump")

    assert dumped.stdout == "58 artifacts written, 0 unchanged.\n"
    assert loaded.stdout == "0 artifacts saved, 58 unchanged.\n"
