"""Bytes at rest that are not what was written: F06 and F22 (design: security, section 4.2)."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from bench import corpus
from domain.ports import UnavailableError
from server.loading import local_caller
from tests.house.tree import ROOT
from tests.world import World, a_world

PREFIX = "/api/installhub"
OPTIONS = {"targetTenantId": "target", "defaultConflictStrategy": "Replace"}


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with a_world(tmp_path) as made:
        await made.tenant("target")
        yield made


async def _exported(world: World, version: str = "1.0.0") -> httpx.Response:
    order = {"packageName": "Mine", "packageType": "workflow-package", "version": version, "artifactIds": ["proc-1001"]}
    return await world.http.post(f"{PREFIX}/packages/export", json=order, headers=world.headers("target"))


def _blobs(world: World) -> list[Path]:
    folder = world.settings.data / "blobs"
    return [path for path in folder.glob("??/??/*") if path.is_file()]


def _cut(place: Path) -> None:
    place.write_bytes(place.read_bytes()[:-10])


def _flip(place: Path) -> None:
    whole = bytearray(place.read_bytes())
    whole[len(whole) // 2] ^= 1
    place.write_bytes(whole)


def _swap(place: Path) -> None:
    """Another package, good by itself."""
    place.write_bytes(corpus.bundle("elsewhere", "Other", corpus.artifacts(3, size=500)))


def _forbid(place: Path) -> None:
    """A folder cannot be read as a file, not even by root."""
    place.unlink()
    place.mkdir()


def _remove(place: Path) -> None:
    place.unlink()


DAMAGES = (_cut, _flip, _swap, _remove, _forbid)


async def test_damaged_bundles_are_given_to_nobody_and_told_in_the_log(world, caplog):
    await world.load("target", ROOT / "examples" / "acme-source")
    headers = world.headers("target")
    answers = {}

    for number, damage in enumerate(DAMAGES):
        before = set(_blobs(world))
        package_id = (await _exported(world, f"1.{number}.0")).json()["packageId"]
        (place,) = set(_blobs(world)) - before
        damage(place)
        address, wish = f"{PREFIX}/packages/{package_id}/download", {"sourcePackageId": package_id, "options": OPTIONS}
        answers[damage.__name__] = [
            await world.http.get(address, headers=headers),
            await world.http.get(address, headers=headers | {"Range": "bytes=0-9"}),
            await world.http.post(f"{PREFIX}/packages/import", json=wish, headers=headers),
        ]

    statuses = {name: [answer.status_code for answer in some] for name, some in answers.items()}
    assert statuses == dict.fromkeys(("_cut", "_flip", "_swap", "_remove"), [410] * 3) | {"_forbid": [503] * 3}
    assert not any(answer.content.startswith(b"PK") for some in answers.values() for answer in some)
    damaged = [record.levelname for record in caplog.records if "is damaged" in record.message]
    assert damaged == ["ERROR"] * 9


async def test_a_bundle_that_cannot_be_read_for_its_scan_is_named_in_the_log_and_the_others_are_scanned(world, caplog):
    await world.load("target", ROOT / "examples" / "acme-source")
    packages = [(await _exported(world, version)).json()["packageId"] for version in ("1.0.0", "1.1.0")]
    (broken, _) = _blobs(world)
    _forbid(broken)

    with pytest.raises(UnavailableError):
        await world.services.rescans.scan_due()

    page = await world.services.rescans.page(local_caller("anna"), reach=None, first=5)
    scanned = [one.package_id for one in page.items]
    (told,) = [record for record in caplog.records if record.name == "server.scans"]
    assert len(scanned) == 1
    assert (told.levelname, told.fields["kind"], {told.fields["subject"], *scanned}) == ("ERROR", "rescan", {*packages})


async def test_a_damaged_artifact_is_neither_shown_nor_exported(world, caplog):
    await world.load("target", ROOT / "examples" / "acme-source")
    headers = world.headers("target")
    assert (await _exported(world)).status_code == 200
    with sqlite3.connect(world.settings.data / "installhub.db") as database:
        database.execute("UPDATE revision_body SET body = CAST(body || ' ' AS BLOB)")
    query = """{ viewer { tenants(first: 1) { nodes { artifacts(first: 1) { nodes { content } } } } } }"""

    exported = await _exported(world, "1.1.0")
    shown = await world.http.post("/graphql", json={"query": query}, headers=headers)

    assert (exported.status_code, exported.json()["error"]) == (409, "ContentDamaged")
    assert [error["extensions"]["code"] for error in shown.json()["errors"]] == ["CONTENT_DAMAGED"]
    assert "is damaged" in caplog.text


async def test_a_content_that_is_gone_is_refused_as_a_damaged_one_by_whoever_needs_it(world, caplog, tmp_path):
    await world.tenant("other")
    source = shutil.copytree(ROOT / "examples" / "acme-source", tmp_path / "source")
    await world.load("other", source)
    (schema,) = source.rglob("ent-44.json")
    schema.write_text(schema.read_text().replace("A person employed", "Somebody employed"))
    await world.load("target", source)
    package = {"sourcePackageId": (await _exported(world)).json()["packageId"]}
    headers, others = world.headers("target"), world.headers("other", "target")
    waits = await world.http.post(
        f"{PREFIX}/packages/import", json=package | {"options": {"targetTenantId": "other"}}, headers=others
    )
    with sqlite3.connect(world.settings.data / "installhub.db") as database:
        database.execute("DELETE FROM revision_body")
        database.execute("DELETE FROM export_form")

    order = {"tenantId": "target", "packageName": "Mine", "artifactIds": ["proc-1001"]}
    merging = {"targetTenantId": "other", "defaultConflictStrategy": "Merge"}
    answers = [
        await _exported(world, "1.1.0"),
        await world.http.post(f"{PREFIX}/packages/preview", json=order, headers=headers),
        await world.http.get(f"{PREFIX}/packages/{waits.json()['importId']}/conflicts/conf-001/diff", headers=others),
        await world.http.post(f"{PREFIX}/packages/import", json=package | {"options": merging}, headers=others),
    ]
    shown = """{ viewer { tenants(first: 1) { nodes { artifacts(first: 1) { nodes { content } } } } } }"""
    wish = '{ tenantId: "target", archive: ["proc-1001"] }'
    archived = f"mutation {{ changeArtifacts(input: {wish}) {{ refusal {{ code }} }} }}"
    queries = ({"query": shown}, {"query": archived})
    told = [(await world.http.post("/graphql", json=query, headers=headers)).json() for query in queries]

    assert [(answer.status_code, answer.json()["error"]) for answer in answers] == [(409, "ContentDamaged")] * 4
    assert [error["extensions"]["code"] for error in told[0]["errors"]] == ["CONTENT_DAMAGED"]
    assert told[1]["data"]["changeArtifacts"]["refusal"]["code"] == "CONTENT_DAMAGED"
    assert "is damaged" in caplog.text


async def test_a_database_whose_pages_are_damaged_answers_503_and_never_500(world):
    await world.load("target", ROOT / "examples" / "acme-source")
    database = world.settings.data / "installhub.db"
    with sqlite3.connect(database) as own:
        own.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    with database.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * (database.stat().st_size - 4096))

    answers = [
        await world.http.get(f"{PREFIX}/imports", headers=world.headers("target")),
        await world.http.get(f"{PREFIX}/packages/history?tenantId=target", headers=world.headers("target")),
    ]

    assert {answer.status_code for answer in answers} <= {200, 503}
