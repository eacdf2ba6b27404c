"""A page of another origin in a real browser: with a known origin it does everything, with an unknown one nothing."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from io import BytesIO
from zipfile import ZipFile

import pytest

from server.keys import public_keys_file
from tests.browser.site import a_site
from tests.doors.graphql_world import A, B, an_order_form, exported, submitted, with_artifacts
from tests.world import ANNA, a_world

LINK = "query($id: ID!) { exportedPackage(id: $id) { downloadUrl } }"
ORDER = {
    "tenantId": A,
    "packageName": "Order forms",
    "packageType": "form-package",
    "version": "1.0.0",
    "artifactIds": ["form-1"],
}


@pytest.fixture
async def site():
    async with a_site() as site:
        yield site


@pytest.fixture
async def world(tmp_path, site):
    """A server that knows the site by its number."""
    folder = tmp_path / "world"
    keys = str(public_keys_file(folder / "keys"))
    async with a_world(folder, dev=False, jwks=keys, issuer="tests", allowed_origins=[site.origin]) as world:
        yield world


def a_task(world, **known):
    """What a page is told: who its user is and what to try."""
    user = {"url": world.url, "token": world.token(tenants=[A, B]), "target": B}
    return user | {"changes": an_order_form(A), "order": ORDER} | known


def rows(world):
    """How many rows of each kind there are, read past the server."""
    with closing(sqlite3.connect(world.settings.data / "installhub.db")) as connection:
        tables = ("artifact", "revision", "package", "upload", "import_job")
        return {table: connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in tables}


async def saved_file(path):
    """The bytes of a download, once it has its final name."""
    async with asyncio.timeout(10):
        while not path.exists() or not path.stat().st_size:
            await asyncio.sleep(0.05)
    return path.read_bytes()


async def test_a_page_of_a_known_origin_does_everything(chromium, site, world):
    for tenant in (A, B):
        await world.tenant(tenant)
    site.task = a_task(world, mayFollowLinks=True)

    async with chromium.showing(f"{site.origin}/other-origin.html"):
        told = await site.told()
        saved = await saved_file(chromium.downloads / "order-forms-1.0.0.zip")

    assert "manifest.json" in ZipFile(BytesIO(saved)).namelist()
    watched = {"hasAll": True, "state": "SUCCEEDED", "isFinal": True}
    assert told == {
        "query": {"subject": ANNA},
        "mutation": {
            "artifacts": [{"artifactId": name, "status": "PUBLISHED"} for name in ("ent-1", "form-1")],
            "refusal": None,
        },
        "export": {"packageName": "Order forms", "artifactCount": 2},
        "signing": "Order forms",
        "download": {"name": "order-forms-1.0.0.zip", "size": len(saved)},
        "upload": {"sizeBytes": len(saved)},
        "import": {"refusal": None},
        "overEvents": watched,
        "overSocket": watched,
        "refusal": "Refused: UNAUTHENTICATED",
    }


async def test_a_page_of_an_unknown_origin_gets_and_does_nothing(chromium, site, world):
    caller = await with_artifacts(world)
    package_id = await exported(caller)
    import_id = await submitted(caller, package_id)
    await caller.events(import_id)
    link = (await caller.data(LINK, id=package_id))["exportedPackage"]["downloadUrl"]
    site.task = a_task(world, packageId=package_id, importId=import_id, downloadUrl=link)
    before = rows(world)

    async with chromium.showing(f"{site.other_origin}/other-origin.html"):
        told = await site.told()

    unreachable = "TypeError: Failed to fetch"
    assert told.pop("overSocket") == "Error: The socket was closed with 1006."
    assert told == dict.fromkeys(told, unreachable)
    assert len(told) == 9
    assert rows(world) == before
