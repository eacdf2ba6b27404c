"""One installation installs from another's hub, tells it so, and its people speak there (ADR 0014)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from domain.market.model import TrustLevel
from server.hub_client import FIRST_USE
from server.jobs import Worker
from storage.market_tables import listing_install
from tests.market import Published, a_publishing_caller, an_operator, published
from tests.world import World, a_world

MARKET = "/api/marketplace"
SCOPES = ("installhub:import", "installhub:read", "marketplace:install")
INA = "ina@acme.example"
REVIEW = {"tenantId": "acme", "rating": 4, "title": "Good", "body": "It works."}


@asynccontextmanager
async def an_installation(folder: Path, hub: World, **given: Any) -> AsyncIterator[World]:
    """One with tenants ``acme`` and ``globex`` that installs from a hub, which gave it a token."""
    chosen = {
        "hub_url": hub.url,
        "hub_root": FIRST_USE,
        "allow_private_addresses": "127.0.0.0/8",
        "hub_token": hub.token("another-installation", scopes=("marketplace:report",)),
    }
    async with a_world(folder, **chosen | given) as world:
        for tenant in ("acme", "globex"):
            await world.tenant(tenant)
        yield world


@pytest.fixture
async def hub(tmp_path: Path) -> AsyncIterator[World]:
    async with a_world(tmp_path / "hub") as running:
        yield running


@pytest.fixture
async def own(tmp_path: Path, hub: World) -> AsyncIterator[World]:
    async with an_installation(tmp_path / "own", hub) as running:
        yield running


async def offered(hub: World, **fields: Any) -> Published:
    made = await published(hub, name="Starter", trust=TrustLevel.CERTIFIED, **fields)
    assert hub.runtime.hub is not None
    await hub.runtime.hub.publish()
    return made


async def installed(own: World, package: Published, tenant: str = "acme") -> None:
    headers = own.headers(tenant, scopes=SCOPES)
    body = {"targetTenantId": tenant, "defaultConflictStrategy": "Replace"}
    if own.runtime.ports.hub is not None:
        await own.runtime.ports.hub.renew()
    started = await own.http.post(f"{MARKET}/packages/{package.listing_id}/install", json=body, headers=headers)
    assert started.status_code == 202, started.text
    async with asyncio.timeout(60):
        while (status := (await own.http.get(started.json()["statusUrl"], headers=headers)).json())["status"] != (
            "Success"
        ):
            assert status["status"] == "InProgress", status
            await asyncio.sleep(0.05)


async def counted(hub: World, package: Published, *versions: str) -> list[str]:
    """The tenants that the hub counts, once they have these versions."""
    async with asyncio.timeout(30):
        while True:
            async with hub.runtime.ports.store.platform_view() as view:
                rows: Any = view.catalogue
                asked = select(listing_install.c.tenant_id, listing_install.c.version)
                found = await rows._session.rows(asked.order_by(listing_install.c.version))
                listing = await view.publishing.listing(package.listing_id)
            if [row[1] for row in found] == list(versions):
                assert listing is not None
                assert listing.install_count == len(versions)
                return [row[0] for row in found]
            await asyncio.sleep(0.02)


async def told(own: World) -> None:
    """Until nothing waits to be told."""
    async with asyncio.timeout(30):
        while True:
            async with own.runtime.ports.store.platform_view() as view:
                if not await view.notices.waiting(limit=1) and not await view.remote.is_report_due():
                    return
            await asyncio.sleep(0.02)


async def said(own: World, package: Published, tenant: str = "acme", **fields: Any) -> Any:
    headers = own.headers(tenant, scopes=("installhub:read",), subject=INA)
    body = {**REVIEW, "tenantId": tenant, **fields}
    return await own.http.post(f"{MARKET}/packages/{package.listing_id}/reviews", json=body, headers=headers)


async def test_installs_elsewhere_are_counted_once_a_tenant_and_no_tenant_is_named(tmp_path, database_url):
    async with a_world(tmp_path / "hub", database_url=database_url) as hub:
        package = await offered(hub)
        async with an_installation(tmp_path / "own", hub) as own:
            await installed(own, package)
            await installed(own, package, "globex")
            await offered(hub, version="1.1.0")
            await installed(own, package)

            names = await counted(hub, package, "1.0.0", "1.1.0")

        assert all(name.startswith("~") and "acme" not in name and "globex" not in name for name in names)


async def test_people_of_another_installation_review_what_their_tenant_installed(hub, own):
    package = await offered(hub)
    before = await said(own, package)
    await installed(own, package)

    first = await said(own, package)
    again = await said(own, package)
    waiting = await hub.services.reviews.waiting(an_operator(), first=10)
    verdict = await hub.http.post(
        f"{MARKET}/reviews/{first.json()['reviewId']}/moderate",
        json={"verdict": "approve"},
        headers=hub.headers(scopes=("marketplace:admin",)),
    )
    path = f"{MARKET}/packages/{package.listing_id}/reviews"
    read = (await own.http.get(path, headers=own.headers("acme"))).json()

    assert (before.status_code, before.json()["error"]) == (403, "NotAnInstaller")
    assert (first.status_code, first.json()["status"]) == (201, "PendingModeration")
    assert (again.status_code, again.json()["error"]) == (409, "AlreadyReviewed")
    (kept,) = waiting.items
    assert (kept.review.author.label, kept.review.version) == ("ina", "1.0.0")
    assert "acme" not in f"{kept.review.tenant_id} {kept.review.identity} {kept.review.author}"
    assert verdict.status_code == 200
    assert [(row["author"], row["title"], row["version"]) for row in read["reviews"]] == [("ina", "Good", "1.0.0")]


async def test_each_person_of_a_tenant_elsewhere_speaks_for_themselves(hub, own):
    package = await offered(hub)
    await installed(own, package)
    path, keyed = f"{MARKET}/packages/{package.listing_id}/reviews", {"Idempotency-Key": "said"}

    said = [
        await own.http.post(path, json=REVIEW, headers=own.headers("acme", subject=subject) | keyed)
        for subject in (INA, "jon@acme.example")
    ]
    waiting = await hub.services.reviews.waiting(an_operator(), first=10)

    assert [one.status_code for one in said] == [201, 201]
    assert sorted(kept.review.author.label for kept in waiting.items) == ["ina", "jon"]


async def test_a_review_that_is_sent_again_under_its_key_is_the_first_one(hub, own):
    package = await offered(hub)
    await installed(own, package)
    headers = own.headers("acme", subject=INA) | {"Idempotency-Key": "said"}
    path = f"{MARKET}/packages/{package.listing_id}/reviews"

    first, again = [await own.http.post(path, json=REVIEW, headers=headers) for _ in range(2)]
    other = await own.http.post(path, json={**REVIEW, "rating": 1}, headers=headers)

    assert (first.status_code, first.json()) == (again.status_code, again.json())
    assert (other.status_code, other.json()["error"]) == (422, "IdempotencyKeyReused")


async def test_a_review_of_the_hub_is_marked_and_flagged_from_another_installation(hub, own):
    package = await offered(hub)
    await installed(own, package)
    review_id = (await said(own, package)).json()["reviewId"]
    admin = hub.headers(scopes=("marketplace:admin",))
    await hub.http.post(f"{MARKET}/reviews/{review_id}/moderate", json={"verdict": "approve"}, headers=admin)
    other, author = own.headers("globex", subject="bob@globex.example"), own.headers("acme", subject=INA)
    place = f"{MARKET}/reviews/{review_id}"

    helpful = [await own.http.post(f"{place}/helpful", headers=other) for _ in range(2)]
    by_author = await own.http.post(f"{place}/helpful", headers=author)
    query = """mutation($id: ID!) { flagReview(input: {reviewId: $id, reason: "Advertisement"}) {
      review { state title rating } refusal { code } } }"""
    flag = await own.http.post("/graphql", json={"query": query, "variables": {"id": review_id}}, headers=other)
    unknown = await own.http.post(f"{MARKET}/reviews/rev-nothing/helpful", headers=other)

    assert [(one.status_code, one.json()["helpfulCount"]) for one in helpful] == [(200, 1)] * 2
    assert (by_author.status_code, by_author.json()["error"]) == (409, "StateConflict")
    assert flag.json()["data"]["flagReview"] == {
        "review": {"state": "HIDDEN", "title": "Good", "rating": 4},
        "refusal": None,
    }
    assert (unknown.status_code, unknown.json()["error"]) == (404, "NotFound")


async def test_without_a_token_the_hub_is_told_nothing_and_people_are_told_why(tmp_path, hub):
    package = await offered(hub)
    async with an_installation(tmp_path / "own", hub, hub_token="") as own:
        await installed(own, package)
        refused = await said(own, package)

    assert (refused.status_code, refused.json()["error"]) == (503, "ServiceUnavailable")
    assert await counted(hub, package) == []


async def test_a_token_that_the_hub_does_not_take_keeps_installs_waiting(tmp_path, hub):
    package = await offered(hub)
    token = hub.token("another-installation", scopes=("marketplace:install",))
    async with an_installation(tmp_path / "own", hub, hub_token=token) as own:
        await installed(own, package)
        refused = await said(own, package)
        await told(own)
        async with own.runtime.ports.store.platform_unit() as unit:
            await unit.remote.take_reports_back()
            waiting = await unit.remote.claim_report(lease_seconds=60)

    assert (refused.status_code, refused.json()["error"]) == (503, "HubUnavailable")
    assert waiting is not None
    assert waiting.attempts == 2


async def test_who_subscribed_to_a_package_elsewhere_hears_of_its_next_version_once(hub, own):
    package = await offered(hub)
    caller = own.headers("acme", subject=INA)
    query = """mutation($id: ID!) { subscribeToListing(input: {tenantId: "acme", listingId: $id}) {
      listing { isSubscribed(tenantId: "acme") } refusal { code } } }"""
    made = await own.http.post(
        "/graphql", json={"query": query, "variables": {"id": package.listing_id}}, headers=caller
    )
    assert own.runtime.ports.hub is not None
    news = own.services.remote_news

    nothing_new = await news.tell()
    await offered(hub, version="1.1.0")
    await own.runtime.ports.hub.renew()
    at_once = await asyncio.gather(news.tell(), news.tell())
    await own.services.relay.empty()
    await told(own)
    ask = "{ viewer { notifications(first: 10) { nodes { title kind } } } }"
    bob = own.headers("globex", subject="bob@globex.example")
    heard, others = [
        (await own.http.post("/graphql", json={"query": ask}, headers=headers)).json()["data"]["viewer"][
            "notifications"
        ]
        for headers in (caller, bob)
    ]

    assert made.json()["data"]["subscribeToListing"]["listing"] == {"isSubscribed": True}
    assert (nothing_new, sum(at_once) <= 1) == (0, True)
    assert [node["title"] for node in heard["nodes"]] == ["Starter 1.1.0 is available"]
    assert others["nodes"] == []


async def test_a_worker_looks_by_itself_for_what_is_new_elsewhere(hub, own):
    package = await offered(hub)
    path = f"{MARKET}/packages/{package.listing_id}/subscribe"
    await own.http.post(path, json={"tenantId": "acme"}, headers=own.headers("acme"))
    await offered(hub, version="1.1.0")
    assert own.runtime.ports.hub is not None
    await own.runtime.ports.hub.renew()

    async def told_version() -> str:
        async with own.runtime.ports.store.platform_view() as view:
            (watched,) = await view.remote.watched(("", ""), most=10)
            return str(watched.told_version)

    before = await told_version()
    async with Worker(own.runtime).working(), asyncio.timeout(30):
        while await told_version() != "1.1.0":
            await asyncio.sleep(0.02)

    assert before == "1.0.0"


async def test_nobody_hears_of_an_older_version_when_the_latest_is_taken_back(hub, own):
    await offered(hub)
    package = await offered(hub, version="1.1.0")
    path = f"{MARKET}/packages/{package.listing_id}/subscribe"
    await own.http.post(path, json={"tenantId": "acme"}, headers=own.headers("acme"))
    publisher = a_publishing_caller("northwind")
    await hub.services.curation.managing.deprecate(publisher, package.listing_id, "1.1.0", None, reason="It loses data")
    assert hub.runtime.hub is not None
    assert own.runtime.ports.hub is not None
    await hub.runtime.hub.publish()
    await own.runtime.ports.hub.renew()

    told_of_an_older = await own.services.remote_news.tell()
    await offered(hub, version="1.2.0")
    await own.runtime.ports.hub.renew()
    told_of_a_newer = await own.services.remote_news.tell()

    assert (told_of_an_older, told_of_a_newer) == (0, 1)


async def test_what_the_hub_does_not_offer_cannot_be_subscribed_to_and_a_subscription_can_be_ended(hub, own):
    package = await offered(hub)
    headers, body = own.headers("acme"), {"tenantId": "acme"}

    async def asked(listing_id: str, verb: str) -> Any:
        return await own.http.post(f"{MARKET}/packages/{listing_id}/{verb}", json=body, headers=headers)

    unknown = await asked("mkt-pkg-nothing", "subscribe")
    first, ended = await asked(package.listing_id, "subscribe"), await asked(package.listing_id, "unsubscribe")
    async with own.runtime.ports.store.platform_view() as view:
        left = await view.remote.watched(("", ""), most=10)

    assert (unknown.status_code, unknown.json()["what"]) == (404, "package")
    assert (first.json()["subscribed"], ended.json()["subscribed"], left) == (True, False, [])


@pytest.mark.parametrize(("tenant", "code"), [("globex", "TenantMismatch"), ("nowhere", "InvalidTenantId")])
async def test_nobody_subscribes_for_another_tenant_or_for_none(hub, own, tenant, code):
    package = await offered(hub)
    headers = own.headers("acme", "nowhere")

    answer = await own.http.post(
        f"{MARKET}/packages/{package.listing_id}/subscribe", json={"tenantId": tenant}, headers=headers
    )

    assert answer.json()["error"] == code
    async with own.runtime.ports.store.platform_view() as view:
        assert await view.remote.watched(("", ""), most=10) == []


async def test_the_version_that_a_tenant_has_of_a_package_elsewhere_is_shown_to_it_alone(hub, own):
    package = await offered(hub)
    await installed(own, package)
    query = "query($id: ID!, $t: ID!) { listing(id: $id) { installedVersion(tenantId: $t) } }"

    async def seen(tenant: str) -> Any:
        body = {"query": query, "variables": {"id": package.listing_id, "t": "acme"}}
        answer = await own.http.post("/graphql", json=body, headers=own.headers(tenant))
        return answer.json()["data"]["listing"]["installedVersion"]

    assert (await seen("acme"), await seen("globex")) == ("1.0.0", None)
