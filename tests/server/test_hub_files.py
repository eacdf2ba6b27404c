"""A real hub over HTTP: its index and packages as others fetch them, and the same as plain files."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, aclosing
from ipaddress import ip_network
from pathlib import Path

import pytest

from domain.market.index import content_path
from server.control import find_server, told_by
from server.errands import Said
from server.hub_client import FIRST_USE, Place, RemoteHub
from server.outward import Outward
from tests.hostile import a_hostile, page
from tests.hubs import a_store
from tests.market import Published, published
from tests.server.test_hub_client import read
from tests.world import World, a_world

HERE = ip_network("127.0.0.1/32")


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with a_world(tmp_path / "hub") as running:
        yield running


@pytest.fixture
async def package(world) -> Published:
    made = await published(world, name="Starter")
    hub = world.runtime.hub
    assert hub is not None
    await hub.publish()
    return made


@pytest.fixture
async def own(tmp_path: Path, migrated_sqlite: Path, world) -> AsyncIterator:
    """Another installation's way to a hub at this address."""
    async with AsyncExitStack() as opened:
        store = await opened.enter_async_context(a_store(tmp_path / "own", migrated_sqlite, world.services.clock))
        outward = await opened.enter_async_context(aclosing(Outward([HERE])))

        def client(url: str) -> RemoteHub:
            made = RemoteHub(Place(url, "", FIRST_USE), outward, store, world.services.clock)
            opened.push_async_callback(made.aclose)
            return made

        yield client


async def test_another_installation_reads_offers_and_bytes(world, package, own):
    client = own(world.url)
    await client.renew()

    offers = await client.offers_named(["starter"])

    assert offers == [package.offer]
    content = await read(client, offers[0])
    assert hashlib.sha256(content).hexdigest() == offers[0].sha256
    assert await read(client, offers[0], start=100) == content[100:]


async def test_what_is_published_is_in_the_index_without_being_asked_for(world, own):
    client = own(world.url)

    await published(world, name="Starter")

    async with asyncio.timeout(20):
        while True:
            await client.renew()
            if await client.offers_named(["starter"]):
                break
            await asyncio.sleep(0.05)


def exported(world: World, folder: Path) -> list[Said]:
    server = find_server(world.settings.data)
    assert server is not None
    return [*told_by(server, "hub export", {"folder": str(folder)})]


async def test_the_exported_files_are_the_hub(world, package, own, tmp_path):
    folder = tmp_path / "files"

    said = [await asyncio.to_thread(exported, world, folder) for _ in range(2)]

    files = {f"/hub/{file.relative_to(folder)}": page(file.read_bytes()) for file in folder.rglob("*.*")}
    async with a_hostile(files) as cdn:
        client = own(cdn.url)
        await client.renew()
        content = await read(client, package.offer)
    assert said == [[f"1 packages are below {folder}; serve it as /hub/."]] * 2
    assert hashlib.sha256(content).hexdigest() == package.offer.sha256


async def test_bytes_are_served_for_ever_and_in_parts(world, package):
    path = f"/hub/targets/{content_path(package.offer)}"

    whole = await world.http.get(path)
    part = await world.http.get(path, headers={"Range": "bytes=10-19"})
    known = await world.http.get(path, headers={"If-None-Match": whole.headers["etag"]})
    head = await world.http.head(path)
    beyond = await world.http.get(path, headers={"Range": f"bytes={package.offer.size_bytes}-"})

    assert (whole.status_code, hashlib.sha256(whole.content).hexdigest()) == (200, package.offer.sha256)
    assert whole.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert (part.status_code, part.content) == (206, whole.content[10:20])
    assert part.headers["content-range"] == f"bytes 10-19/{package.offer.size_bytes}"
    assert (known.status_code, known.content) == (304, b"")
    assert (head.status_code, head.headers["content-length"]) == (200, str(package.offer.size_bytes))
    assert beyond.status_code == 416


async def test_the_newest_of_the_index_is_asked_for_anew_and_the_rest_never(world, package):
    timestamp = await world.http.get("/hub/metadata/timestamp.json")
    version = json.loads(timestamp.content)["signed"]["version"]
    numbered = await world.http.get(f"/hub/metadata/{version}.timestamp.json")

    assert numbered.content == timestamp.content
    assert timestamp.headers["cache-control"] == "public, no-cache"
    assert numbered.headers["cache-control"] == "public, max-age=31536000, immutable"


@pytest.mark.parametrize(
    "path",
    [
        "metadata/99.root.json",
        "metadata/0.root.json",
        "metadata/targets.json",
        "metadata/secret.json",
        "metadata/99999999999999999999.root.json",
        "metadata/%2e%2e%2fhub.db",
        "targets/packages/unknown/" + "0" * 64 + ".1.0.0.zip",
        "targets/%2e%2e/%2e%2e/installhub.db",
        "targets/",
        "metadata/",
        "",
    ],
)
async def test_what_the_hub_does_not_have_is_not_found(world, path):
    answer = await world.http.get(f"/hub/{path}")

    assert answer.status_code == 404


async def test_bytes_are_not_found_under_another_hash(world, package):
    path = content_path(package.offer).replace(package.offer.sha256, "0" * 64)

    assert (await world.http.get(f"/hub/targets/{path}")).status_code == 404


async def test_a_client_of_anothers_hub_serves_none(tmp_path):
    async with a_world(tmp_path / "client", hub_url="https://hub.example", hub_root=FIRST_USE) as client:
        assert (await client.http.get("/hub/metadata/root.json")).status_code == 404


async def test_a_marketplace_that_is_not_for_everybody_is_no_hub_to_others(tmp_path):
    async with a_world(tmp_path / "closed", market_public=False) as closed:
        assert (await closed.http.get("/hub/metadata/root.json")).status_code == 404
