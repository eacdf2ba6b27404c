"""A loss of power: the disk is left with what was last made safe of SQLite's files, and nothing else (F02)."""

from __future__ import annotations

import random
import shutil
import sqlite3
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import httpx
import pytest

from bench import corpus
from tests.faults.hub import TENANT, Hub, a_hub

AUTHORS = 4
_SAVE = "mutation($input: ChangeArtifactsInput!) { changeArtifacts(input: $input) { refusal { message } } }"
_SAVED = """query($tenant: ID!, $id: String!) { tenant(id: $tenant) { artifact(artifactId: $id) { content } } }"""


@pytest.mark.parametrize("seconds", [0.7, 2.6])
def test_a_loss_of_power_takes_nothing_that_was_told(tmp_path, shim, seconds):
    disk, folder = tmp_path / "disk", tmp_path / "hub"
    disk.mkdir()
    with a_hub(folder, shim.environment | {"INSTALLHUB_TEST_DISK": str(disk)}) as hub:
        told = _a_storm(hub, seconds + random.random() / 10)
    _left_by(disk, folder)

    with a_hub(folder) as hub:
        saved = {name: _saved(hub, name) for name in told.saved}
        states = {_state(hub, import_id) for import_id in told.imports}

    assert _is_whole(folder)
    assert min(told.saved.values()) > 0
    # what was being answered may be there or not
    assert all(saved[name] - told.saved[name] in {0, 1} for name in saved), (saved, told.saved)
    assert states == {"SUCCEEDED"}


def test_a_commit_that_the_disk_did_not_keep_is_refused_and_the_next_is_kept(tmp_path, shim):
    with a_hub(tmp_path, shim.environment) as hub:
        with shim.asked("log"):
            refused = [_save(hub, "ent-1", 1), hub.bring(corpus.bundle("elsewhere", "Suite", corpus.artifacts(6)))]
        left = hub.count()
        kept = _save(hub, "ent-1", 2)
        saved = _saved(hub, "ent-1")

    assert refused[0].json()["errors"][0]["extensions"]["code"] == "SERVICE_UNAVAILABLE"
    assert refused[1].status_code == 503
    assert left == 0
    assert kept.json()["data"]["changeArtifacts"]["refusal"] is None
    assert saved == 2


@dataclass(frozen=True, slots=True)
class Told:
    """The number that each author was told last to be saved, and the imports that were told to have ended."""

    saved: dict[str, int]
    imports: list[str]


def _a_storm(hub: Hub, seconds: float) -> Told:
    """Authors save and somebody imports, until so long after the first import the process is killed."""
    told = Told({f"ent-{number}": 0 for number in range(AUTHORS)}, [])

    def save(name: str) -> None:
        number = told.saved[name] + 1
        assert _save(hub, name, number).json()["data"]["changeArtifacts"]["refusal"] is None
        told.saved[name] = number

    def bring() -> None:
        content = corpus.artifacts(100, size=500 + len(told.imports))
        answer = hub.bring(corpus.bundle("elsewhere", "Suite", content))
        told.imports.append(answer.raise_for_status().json()["importId"])

    def again_and_again(act: Callable[[], None]) -> None:
        with suppress(httpx.TransportError):
            while True:
                act()

    with ThreadPoolExecutor(AUTHORS + 1) as people:
        working = [people.submit(again_and_again, partial(save, name)) for name in told.saved]
        working.append(people.submit(again_and_again, bring))
        while not told.imports and not any(one.done() for one in working):
            time.sleep(0.01)
        time.sleep(seconds)
        hub.process.kill()
    for one in working:
        one.result()
    return told


def _save(hub: Hub, name: str, number: int) -> httpx.Response:
    draft = {"artifactType": "ENTITY_SCHEMA", "artifactId": name, "name": name, "version": "1.0.0"}
    content = {"fields": [{"fieldName": f"f{number}"}]}
    order = {"tenantId": TENANT, "save": [draft | {"content": content}]}
    return hub.http.post("/graphql", json={"query": _SAVE, "variables": {"input": order}})


def _saved(hub: Hub, name: str) -> int:
    asked = {"query": _SAVED, "variables": {"tenant": TENANT, "id": name}}
    content = hub.http.post("/graphql", json=asked).json()["data"]["tenant"]["artifact"]["content"]
    return int(content["fields"][0]["fieldName"].removeprefix("f"))


def _state(hub: Hub, import_id: str) -> str:
    asked = {"query": "query($id: ID!) { importJob(id: $id) { state } }", "variables": {"id": import_id}}
    return str(hub.http.post("/graphql", json=asked).json()["data"]["importJob"]["state"])


def _left_by(disk: Path, folder: Path) -> None:
    (database,) = folder.glob("*.db")
    for path in folder.glob("*.db-*"):
        path.unlink()
    database.unlink()
    for path in disk.glob("*.db*"):
        if not path.name.endswith(".next"):
            shutil.move(path, folder / path.name)


def _is_whole(folder: Path) -> bool:
    (database,) = folder.glob("*.db")
    with closing(sqlite3.connect(database)) as opened:
        return opened.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
