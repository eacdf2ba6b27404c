"""Who installed a listing and who hears of it, and listings read many at once, over SQLite and PostgreSQL."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from sqlalchemy import select

from domain.market.catalogue_rows import Subscription
from domain.market.model import ListingId, ListingState, PublisherId
from domain.model import TenantId
from storage.tables import outbox
from tests.clocks import NOON
from tests.ports.listings import a_listing, a_version, keep_installed, listed, with_installs
from tests.ports.rows import ACME, ANNA, GLOBEX, with_tenants


@pytest.fixture
async def hub(store):
    """A store with two listings of different publishers."""
    await with_tenants(store)
    first = a_listing("mkt-pkg-1", name="Straße", latest_version="2.0.0")
    second = a_listing("mkt-pkg-2", publisher_id=PublisherId("pub-2"), latest_version="")
    versions = (
        a_version(first, "1.0.0", state=ListingState.DEPRECATED, state_reason="old", replaced_by="2.0.0"),
        a_version(first, "2.0.0", is_breaking=True),
        a_version(second, "1.0.0", state=ListingState.DEPRECATED),
        a_version(second, "0.9.0", state=ListingState.YANKED),
    )
    await listed(store, first, second, versions=versions)
    return store


def a_subscription(tenant_id=ACME, identity="issuer anna", listing_id="mkt-pkg-1") -> Subscription:
    return Subscription(ListingId(listing_id), tenant_id, NOON, ANNA, identity)


async def counts(store):
    async with store.platform_view() as view:
        return {head.listing_id: head.install_count for head in (await view.catalogue.heads(["mkt-pkg-1"])).values()}


async def told(store):
    async with store.platform_view() as view:
        asked = select(outbox.c.tenant_id, outbox.c.kind, outbox.c.payload).order_by(outbox.c.message_id)
        return [tuple(row) for row in await view._session.rows(asked)]


async def test_installs_are_counted_once_a_tenant(hub):
    await with_installs(hub, "mkt-pkg-1", ACME, GLOBEX, ACME)
    await with_installs(hub, "mkt-pkg-1", ACME, version="2.0.0", at=NOON + timedelta(days=1))

    async with hub.platform_view() as view:
        versions = [await view.catalogue.installed_version("mkt-pkg-1", one) for one in (ACME, GLOBEX, "nobody")]
        mine = await view.catalogue.installed_by(["mkt-pkg-1", "mkt-pkg-2"], frozenset({ACME}))
        everybodys = await view.catalogue.installed_by(["mkt-pkg-1", "mkt-pkg-2"], None)
        nobodys = await view.catalogue.installed_by(["mkt-pkg-1"], frozenset())
    assert await counts(hub) == {"mkt-pkg-1": 2}
    assert versions == ["2.0.0", "1.0.0", None]
    assert (mine, everybodys, nobodys) == ({"mkt-pkg-1"}, {"mkt-pkg-1"}, set())


async def test_the_same_install_told_by_several_at_once_counts_once(hub):
    await asyncio.gather(*(with_installs(hub, "mkt-pkg-1", ACME) for _ in range(4)))

    assert await counts(hub) == {"mkt-pkg-1": 1}


async def test_an_install_from_another_hub_is_nobodys_count(hub):
    await with_installs(hub, "mkt-pkg-of-another-hub", ACME)

    async with hub.platform_view() as view:
        assert await view.catalogue.installed_version("mkt-pkg-of-another-hub", ACME) is None


async def test_listings_know_the_version_that_a_tenant_has_now(hub):
    async with hub.platform_unit() as unit:
        await keep_installed(unit, ACME, a_listing(name="STRASSE"))
        # of the same name, and from somebody else
        await keep_installed(unit, GLOBEX, a_listing(name="Straße", publisher_id=PublisherId("tenant-source")))
        await keep_installed(unit, GLOBEX, a_listing("mkt-pkg-2", publisher_id=PublisherId("pub-2")), "0.9.0")

    places = [("mkt-pkg-1", ACME), ("mkt-pkg-1", GLOBEX), ("mkt-pkg-2", GLOBEX)]
    async with hub.platform_view() as view:
        versions = await view.catalogue.installed_versions(places)
    assert versions == {("mkt-pkg-1", ACME): "1.0.0", ("mkt-pkg-2", GLOBEX): "0.9.0"}


async def test_a_tenant_subscribes_once_and_leaves(hub):
    async with hub.platform_unit() as unit:
        first = await unit.catalogue.subscribe(a_subscription())
        again = await unit.catalogue.subscribe(a_subscription(identity="issuer bob"))
        await unit.catalogue.subscribe(a_subscription(GLOBEX))
        await unit.catalogue.unsubscribe("mkt-pkg-1", TenantId("nobody"))
    async with hub.platform_view() as view:
        mine = await view.catalogue.subscriptions(["mkt-pkg-1", "mkt-pkg-2"], frozenset({ACME}))
        everybodys = await view.catalogue.subscriptions(["mkt-pkg-1"], None)

    async with hub.platform_unit() as unit:
        await unit.catalogue.unsubscribe("mkt-pkg-1", ACME)

    async with hub.platform_view() as view:
        left = await view.catalogue.subscriptions(["mkt-pkg-1"], None)
    assert first == again == a_subscription()
    assert mine == {"mkt-pkg-1": [a_subscription()]}
    assert everybodys == {"mkt-pkg-1": [a_subscription(), a_subscription(GLOBEX)]}
    assert left == {"mkt-pkg-1": [a_subscription(GLOBEX)]}


async def test_subscribers_are_told_and_installers_too_where_it_is_urgent(hub, bell):
    await with_installs(hub, "mkt-pkg-1", ACME, GLOBEX)
    async with hub.platform_unit() as unit:
        await unit.catalogue.subscribe(a_subscription())

    async with hub.platform_unit() as unit:
        count = await unit.catalogue.tell("market.update", "mkt-pkg-1", {"version": "2.0.0"}, installers=False)
        urgent = await unit.catalogue.tell("market.deprecated", "mkt-pkg-1", {"version": "1.0.0"}, installers=True)
        nobody = await unit.catalogue.tell("market.update", "mkt-pkg-2", {}, installers=True)

    assert (count, urgent, nobody) == (1, 2, 0)
    assert await told(hub) == [
        (ACME, "market.update", {"version": "2.0.0", "identity": "issuer anna"}),
        (ACME, "market.deprecated", {"version": "1.0.0", "identity": "issuer anna"}),
        (GLOBEX, "market.deprecated", {"version": "1.0.0", "identity": ""}),
    ]
    assert bell.rung[-1] == {"outbox"}


async def test_a_listing_is_shown_with_its_latest_version_where_that_is_offered(hub):
    async with hub.platform_view() as view:
        shown = await view.catalogue.versions(["mkt-pkg-1", "mkt-pkg-2", "nothing"], shown_only=True)
        every = await view.catalogue.versions(["mkt-pkg-1"])
        manifests = await view.catalogue.manifests([("mkt-pkg-1", "2.0.0"), ("mkt-pkg-1", "9.0.0")])
        texts = await view.catalogue.texts(["mkt-pkg-1"])

    assert {key: sorted(one.version for one in found) for key, found in shown.items()} == {
        "mkt-pkg-1": ["2.0.0"],
        "mkt-pkg-2": ["0.9.0", "1.0.0"],
    }
    assert sorted(one.version for one in every["mkt-pkg-1"]) == ["1.0.0", "2.0.0"]
    assert [(key, manifest["version"]) for key, manifest in manifests.items()] == [(("mkt-pkg-1", "2.0.0"), "2.0.0")]
    assert texts["mkt-pkg-1"].long_description == "# Read me"
