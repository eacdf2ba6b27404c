"""One installation installs from another: the way is long, and whoever stands in it gets nowhere."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from io import BytesIO
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest

from domain.market.index import content_path
from domain.market.model import TrustLevel
from domain.market.signatures import signed
from domain.model import ArtifactFilter, TenantId
from server.hub_client import FIRST_USE
from server.loading import local_caller
from tests.hostile import page
from tests.journeys.middleman import Middleman, a_middleman
from tests.journeys.processes import a_process
from tests.market import Published, a_package, a_publishing_caller, a_verified_publisher, published
from tests.signers import a_signer, public_pem
from tests.world import World, a_world

SCOPES = ("installhub:import", "installhub:read", "marketplace:install")
CERTIFIED = TrustLevel.CERTIFIED
MARKET = "/api/marketplace"


@asynccontextmanager
async def an_installation(folder: Path, hub_url: str, database_url: str = "") -> AsyncIterator[World]:
    """One with a tenant ``acme``, whose packages come from this hub."""
    chosen: dict[str, Any] = {
        "hub_url": hub_url,
        "hub_root": FIRST_USE,
        "allow_private_addresses": "127.0.0.0/8",
        "database_url": database_url,
    }
    async with a_world(folder, **chosen) as world:
        await world.tenant("acme")
        yield world


async def offered(hub: World, name: str = "Starter", **fields: Any) -> Published:
    """A package in the hub's index."""
    made = await published(hub, name=name, trust=CERTIFIED, **fields)
    assert hub.runtime.hub is not None
    await hub.runtime.hub.publish()
    return made


async def install(world: World, package: Published) -> dict[str, Any]:
    """The first answer to a request to install."""
    headers = world.headers("acme", scopes=SCOPES)
    body = {"targetTenantId": "acme"}
    answer = await world.http.post(f"{MARKET}/packages/{package.listing_id}/install", json=body, headers=headers)
    assert answer.status_code == 202, answer.text
    started: dict[str, Any] = answer.json()
    return started


async def ended(world: World, started: dict[str, Any]) -> dict[str, Any]:
    """The install's status once it has ended."""
    headers = world.headers("acme", scopes=SCOPES)
    async with asyncio.timeout(60):
        while True:
            status: dict[str, Any] = (await world.http.get(started["statusUrl"], headers=headers)).json()
            if status["status"] != "InProgress":
                return status
            await asyncio.sleep(0.05)


async def names(world: World) -> list[str]:
    """What the tenant has."""
    everything, tenant = ArtifactFilter(), TenantId("acme")
    found = await world.services.authoring.page(local_caller(), tenant, everything, first=100, after=None)
    return [head.name for head in found.items]


def refused(status: dict[str, Any]) -> tuple[Any, ...]:
    return status["status"], status["error"], status["rolledBack"]


def blobs(world: World) -> list[Path]:
    return [file for file in (world.settings.data / "blobs").rglob("*") if file.is_file() and file.name != "lock"]


async def test_a_package_comes_from_another_installation_over_a_broken_connection(tmp_path, database_url):
    async with a_world(tmp_path / "hub") as hub, a_middleman(hub.url) as between:
        package = await offered(hub, version="1.2.0")
        async with an_installation(tmp_path / "own", between.url, database_url) as own:
            between.cut_at = 700
            between.goes_on.set()

            status = await ended(own, await install(own, package))

            assert (status["status"], status["artifactsInstalled"]) == ("Success", 1)
            assert await names(own) == ["Starter rules"]
        asked = [head for head in between.server.requests if "/hub/targets/" in head]
        assert len(asked) == 2
        assert "Range: bytes=700-" in asked[1]


@pytest.mark.slow
async def test_a_hub_that_is_killed_in_the_middle_leaves_nothing_and_is_installed_from_later(tmp_path):
    async with a_world(tmp_path / "hub") as hub:
        package = await offered(hub)
    async with (
        a_process(tmp_path / "hub") as process,
        a_middleman(process.url) as between,
        an_installation(tmp_path / "own", between.url) as own,
    ):
        between.cut_at = 700
        started = await install(own, package)
        await between.halfway.wait()

        await process.kill()
        between.goes_on.set()
        failed = await ended(own, started)
        left, kept = await names(own), blobs(own)
        await process.start()
        done = await ended(own, await install(own, package))

        assert refused(failed) == ("Failed", "HubUnavailable", True)
        assert failed["stage"] == "Download"
        assert (left, kept) == ([], [])
        assert (done["status"], await names(own)) == ("Success", ["Starter rules"])


@pytest.fixture
async def hub(tmp_path: Path) -> AsyncIterator[World]:
    async with a_world(tmp_path / "hub") as running:
        yield running


@pytest.fixture
async def between(hub: World) -> AsyncIterator[Middleman]:
    async with a_middleman(hub.url) as running:
        yield running


@pytest.fixture
async def own(tmp_path: Path, between: Middleman) -> AsyncIterator[World]:
    async with an_installation(tmp_path / "own", between.url) as running:
        yield running


async def test_nothing_is_installed_while_an_old_index_is_replayed(hub, between, own):
    package = await offered(hub)
    old = (await hub.http.get("/hub/metadata/timestamp.json")).content
    await offered(hub, "Other")
    assert own.runtime.ports.hub is not None
    await own.runtime.ports.hub.renew()

    between.server.answers["/hub/metadata/timestamp.json"] = page(old)
    status = await ended(own, await install(own, package))

    assert refused(status) == ("Failed", "HubIndexRefused", True)
    assert "older than one seen before" in status["message"]
    assert await names(own) == []


async def test_nothing_is_installed_of_a_package_that_was_swapped(hub, between, own):
    package, other = await offered(hub), await offered(hub, "Other")
    path = f"/hub/targets/{content_path(package.offer)}"
    swapped = (await hub.http.get(f"/hub/targets/{content_path(other.offer)}")).content
    size = package.offer.size_bytes

    between.server.answers[path] = page(swapped[:size].ljust(size, b"\0"))
    status = await ended(own, await install(own, package))

    assert refused(status) == ("Failed", "HubContentRefused", True)
    assert "its hash is another" in status["message"]
    assert (await names(own), blobs(own)) == ([], [])


async def seen(world: World, path: str = "", **wanted: str) -> dict[str, Any]:
    answer = await world.http.get(f"{MARKET}/packages{path}", params=wanted, headers=world.headers("acme"))
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def test_what_is_no_package_of_the_index_is_not_asked_for(hub, between, own):
    package = await offered(hub)
    asked = ["featured", "..", ".", "a/b?c", "", "\ud800", "mkt-pkg-unknown", package.listing_id]

    found = await own.services.catalogue.shown(None, asked)

    assert list(found) == [package.listing_id]
    pages = [path for path in between.server.paths if path.startswith(f"{MARKET}/packages")]
    assert pages == [f"{MARKET}/packages/{package.listing_id}"]


@pytest.mark.parametrize(
    "flaw",
    [
        {"rating": 1e308, "reviewCount": 10**15},
        {"updatedAt": "2026-01-01T00:00:00"},
        {"updatedAt": 1},
        {"tags": None},
        {"reviewCount": 10**12},
        {"installCount": -1},
        {"description": ["x"]},
    ],
)
async def test_pages_of_the_hub_that_are_not_as_documented_are_refused(hub, between, own, flaw):
    package = await offered(hub)
    path = f"{MARKET}/packages/{package.listing_id}"
    tree = (await hub.http.get(path)).json()
    between.server.answers[path] = page(json.dumps(tree | flaw).encode())
    query = "query($id: ID!) { listing(id: $id) { name rating reviewCount installCount updatedAt description tags } }"
    body = {"query": query, "variables": {"id": package.listing_id}}

    answer = (await own.http.post("/graphql", json=body, headers=own.headers("acme"))).json()
    rest = await own.http.get(path, headers=own.headers("acme"))

    assert [error["extensions"]["code"] for error in answer["errors"]] == ["HUB_UNAVAILABLE"]
    assert (rest.status_code, rest.json()["error"]) == (503, "HubUnavailable")


async def test_callers_of_one_look_at_what_the_other_offers(hub, own):
    package = await offered(hub)
    await offered(hub, "Other")
    there, here = await seen(hub, q="starter"), await seen(own, q="starter")

    assert package.listing_id in [item["packageId"] for item in here["items"]]
    assert here == there
    page_there, page_here = await seen(hub, f"/{package.listing_id}"), await seen(own, f"/{package.listing_id}")
    assert page_here == page_there
    assert (await seen(own, sortBy="name"))["totalCount"] == 2
    assert [item["name"] for item in (await seen(own, "/featured"))["newReleases"]]


async def test_reviews_of_the_other_are_read_through_both_doors(hub, between, own):
    package = await offered(hub)
    path = f"{MARKET}/packages/{package.listing_id}/reviews"
    row = {"reviewId": "rev-1", "rating": 4, "title": "Good", "body": "It works.", "author": "ina", "version": "1.0.0"}
    told = {"reviews": [row | {"publishedAt": "2026-05-25T10:00:00Z", "helpfulCount": 2}], "totalReviews": 1}
    for asked in ("?sortBy=helpful&page=1&pageSize=50", "?sortBy=helpful&page=1&pageSize=100"):
        between.server.answers[f"{path}{asked}"] = page(json.dumps(told | {"distribution": {"4": 1, "5": 0}}).encode())

    rest = await seen(own, f"/{package.listing_id}/reviews", pageSize="50")
    query = "query($id: ID!) { listing(id: $id) { reviews(first: 5) { nodes { title rating } } } }"
    body = {"query": query, "variables": {"id": package.listing_id}}
    graphql = (await own.http.post("/graphql", json=body, headers=own.headers("acme"))).json()

    assert (rest["totalReviews"], rest["distribution"]["4"], rest["reviews"][0]["title"]) == (1, 1, "Good")
    assert graphql["data"]["listing"]["reviews"]["nodes"] == [{"title": "Good", "rating": 4}]


@pytest.mark.parametrize(
    "flaw",
    [
        {"publishedAt": "0001-01-01T00:00:00+10:00"},
        {"publishedAt": None},
        {"reviewId": ["rev-1"]},
        {"title": {"a": 1}},
        {"body": "x" * 10_001},
        {"rating": 6},
        {"rating": True},
    ],
)
async def test_reviews_of_the_other_that_are_not_as_documented_are_refused(hub, between, own, flaw):
    package = await offered(hub)
    path = f"{MARKET}/packages/{package.listing_id}/reviews"
    row = {"reviewId": "rev-1", "rating": 4, "title": "Good", "body": "It works.", "author": "ina", "version": "1.0.0"}
    told = {"reviews": [row | {"publishedAt": "2026-05-25T10:00:00Z", "helpfulCount": 2} | flaw], "totalReviews": 1}
    between.server.answers[f"{path}?sortBy=helpful&page=1&pageSize=25"] = page(json.dumps(told).encode())

    found = await own.http.get(path, headers=own.headers("acme"))

    assert (found.status_code, found.json()["error"]) == (503, "HubUnavailable")


async def test_listings_of_the_other_are_paged_through_graphql(hub, own):
    for number in range(5):
        await offered(hub, f"Package {number}")
    query = """query($after: String) { listings(filter: {sort: NAME}, first: 2, after: $after) {
      nodes { name trustLevel } pageInfo { hasNextPage endCursor } } }"""
    found: list[str] = []
    more: dict[str, Any] = {"hasNextPage": True, "endCursor": None}
    while more["hasNextPage"]:
        body = {"query": query, "variables": {"after": more["endCursor"]}}
        answer = (await own.http.post("/graphql", json=body, headers=own.headers("acme"))).json()
        listings = answer["data"]["listings"]
        found += [node["name"] for node in listings["nodes"]]
        more = listings["pageInfo"]

    assert found == [f"Package {number}" for number in range(5)]


async def test_how_far_a_package_is_trusted_is_what_the_index_says(hub, between, own):
    package = await offered(hub)
    told = await seen(hub, f"/{package.listing_id}")
    lie = {**told, "trustLevel": "Official", "publisher": "Somebody else", "description": "Lies"}
    between.server.answers[f"{MARKET}/packages/{package.listing_id}"] = page(json.dumps(lie).encode())

    found = await seen(own, f"/{package.listing_id}")

    assert (found["trustLevel"], found["publisher"]) == ("Certified", told["publisher"])
    assert found["description"] == "Lies"


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        (page(b"", status="404 Not Found"), 404),
        (page(b"", status="500 Trouble"), 503),
        (page(b"nonsense"), 503),
        (page(b"[]"), 503),
        (page(b"{}"), 503),
        (page(b'{"name": "Starter", "packageId": [], "version": {}}'), 503),
        (page(b" " * (3 << 20)), 503),
        (page(b"", length=5), 503),
    ],
)
async def test_a_page_that_is_not_as_documented_is_no_page(hub, between, own, answer, status):
    package = await offered(hub)
    between.server.answers[f"{MARKET}/packages/{package.listing_id}"] = answer

    path = f"{MARKET}/packages/{package.listing_id}"
    found = await own.http.get(path, headers=own.headers("acme"))

    assert found.status_code == status


async def test_a_signed_package_is_installed_until_its_key_is_revoked(hub, own):
    old, new, paula = a_signer(), a_signer(), a_publishing_caller("northwind")
    publishers = hub.services.publishers
    owner = await a_verified_publisher(hub)
    await publishers.add_key(paula, owner.publisher_id, paula.reach, public_pem(old))
    raw = a_package("Starter")
    manifest = json.loads(ZipFile(BytesIO(raw)).read("manifest.json"))
    package = await offered(hub, raw=raw, signature=signed(manifest, old))

    done = await ended(own, await install(own, package))
    # somebody stole the key; what it signed is no longer believed, wherever it was not installed yet
    await publishers.add_key(paula, owner.publisher_id, paula.reach, public_pem(new))
    await publishers.revoke_key(paula, owner.publisher_id, paula.reach, old.public_key.keyid)
    assert hub.runtime.hub is not None
    assert own.runtime.ports.hub is not None
    await hub.runtime.hub.publish()
    await own.runtime.ports.hub.renew()
    again = await ended(own, await install(own, package))

    assert done["status"] == "Success"
    assert refused(again) == ("Failed", "SignatureInvalid", True)
    assert "unknown or revoked" in again["message"]
