"""Finding listings, over SQLite and PostgreSQL: the same listings in the same order."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from domain.market.model import (
    Category,
    ListingFilter,
    ListingSort,
    ListingState,
    PublisherId,
    PublisherStatus,
    TrustLevel,
)
from domain.model import PackageType
from tests.clocks import NOON
from tests.ports.listings import a_listing, a_publisher, a_version, listed, with_installs
from tests.ports.rows import ACME, GLOBEX, with_tenants

HOSTILE = [
    '"', "'", '"" OR ""', "name:", "name : hr", "hr AND", "AND OR NOT NEAR(", "hr*", "-hr", "^hr", "(hr", "hr)", "\\",
    "hr & people", "!hr", "hr:*", "hr <-> people", "a | b", "%", "_", ";--", "\0", "hr\0people", "\ud800", "😀",
    "x" * 10_000, "hr " * 5_000, "' ' " * 2_500, "{name} : hr", "ﷺ" * 200,
]  # fmt: skip


async def found(store, **wanted):
    async with store.platform_view() as view:
        page = await view.catalogue.search_page(ListingFilter(**wanted), NOON, page=1, page_size=50)
    assert page.total_count == len(page.items)
    return [hit.head.listing_id for hit in page.items]


async def walked(store, wanted, *, first=2):
    """The whole list, a page after the other."""
    ids, after = [], None
    while True:
        async with store.platform_view() as view:
            page = await view.catalogue.search(wanted, NOON, first=first, after=after)
        ids += [hit.head.listing_id for hit in page.items]
        if not page.has_next:
            return ids
        after = (page.items[-1].rank, page.items[-1].head.listing_id)


@pytest.fixture
async def hub(store):
    """A store with four listings that differ in everything."""
    await with_tenants(store)
    await listed(
        store,
        a_listing(
            "mkt-pkg-1", name="Employee Onboarding", tags=("hr", "new people"), description="Forms and approvals"
        ),
        a_listing(
            "mkt-pkg-2",
            name="Übersicht Reports",
            tags=("finance",),
            description="Onboarding of invoices",
            category=Category.FINANCE,
            trust_level=TrustLevel.OFFICIAL,
            install_count=10,
            rating_sum=17,
            review_count=5,
        ),
        a_listing(
            "mkt-pkg-3",
            name="Agents",
            tags=("onboarding",),
            description="Helping hands",
            package_type=PackageType.AGENT_PACKAGE,
            trust_level=TrustLevel.CERTIFIED,
            install_count=10,
            rating_sum=4,
            review_count=1,
            updated_at=NOON - timedelta(days=100),
        ),
        a_listing("mkt-pkg-4", name="forms", tags=(), description="", install_count=1, updated_at=NOON + timedelta(1)),
    )
    return store


async def test_a_text_is_looked_for_in_names_descriptions_and_tags(hub):
    assert await found(hub, search="employee") == ["mkt-pkg-1"]
    assert await found(hub, search="INVOICES") == ["mkt-pkg-2"]
    assert await found(hub, search="people") == ["mkt-pkg-1"]
    assert sorted(await found(hub, search="onboarding")) == ["mkt-pkg-1", "mkt-pkg-2", "mkt-pkg-3"]
    assert await found(hub, search="onboarding employee forms") == ["mkt-pkg-1"]
    assert await found(hub, search="ubersicht") == ["mkt-pkg-2"]
    assert await found(hub, search="nothing of the kind") == []


async def test_only_the_last_word_may_be_the_beginning_of_one(hub):
    assert await found(hub, search="employee onb") == ["mkt-pkg-1"]
    assert await found(hub, search="emp onboarding") == []


async def test_no_text_means_more_to_a_database_than_its_words(hub):
    numbered = [await found(hub, search=text) for text in HOSTILE]
    by_place = [await walked(hub, ListingFilter(search=text)) for text in HOSTILE]

    assert numbered == by_place
    assert {listing_id for ids in numbered for listing_id in ids} == {"mkt-pkg-1"}


async def test_a_text_without_words_finds_nothing_and_an_empty_one_everything(hub):
    assert await found(hub, search='"*"') == []
    assert len(await found(hub, search="  ")) == 4


async def test_filters_narrow_the_list(hub):
    both = (TrustLevel.OFFICIAL, TrustLevel.CERTIFIED)

    assert await found(hub, category=Category.FINANCE) == ["mkt-pkg-2"]
    assert await found(hub, trust_levels=both) == ["mkt-pkg-3", "mkt-pkg-2"]
    assert await found(hub, package_type=PackageType.AGENT_PACKAGE) == ["mkt-pkg-3"]
    assert await found(hub, min_rating=3.5) == ["mkt-pkg-3"]
    assert await found(hub, min_rating=3.4, category=Category.FINANCE, trust_levels=both) == ["mkt-pkg-2"]
    assert await found(hub, min_rating=4.5) == []


@pytest.mark.parametrize(
    ("sort", "ids"),
    [
        (ListingSort.INSTALLS, ["mkt-pkg-3", "mkt-pkg-2", "mkt-pkg-4", "mkt-pkg-1"]),
        # one review is no rating to be proud of: five come first
        (ListingSort.RATING, ["mkt-pkg-2", "mkt-pkg-3", "mkt-pkg-4", "mkt-pkg-1"]),
        (ListingSort.NEWEST, ["mkt-pkg-4", "mkt-pkg-2", "mkt-pkg-1", "mkt-pkg-3"]),
        (ListingSort.NAME, ["mkt-pkg-3", "mkt-pkg-1", "mkt-pkg-4", "mkt-pkg-2"]),
        (None, ["mkt-pkg-3", "mkt-pkg-2", "mkt-pkg-4", "mkt-pkg-1"]),
    ],
)
async def test_every_order_is_the_same_page_after_page(hub, sort, ids):
    wanted = ListingFilter(sort=sort)

    async with hub.platform_view() as view:
        numbered = [await view.catalogue.search_page(wanted, NOON, page=page, page_size=3) for page in (1, 2, 3)]

    assert await walked(hub, wanted) == ids
    assert [hit.head.listing_id for page in numbered for hit in page.items] == ids
    assert [page.total_count for page in numbered] == [4, 4, 4]


async def test_ranks_are_the_parts_of_the_documented_ranking(hub):
    async with hub.platform_view() as view:
        page = await view.catalogue.search_page(ListingFilter(search="onboarding"), NOON, page=1, page_size=9)

    # out of 100,000 for installs 30, rating 25, recency 20, trust 10 (of 85); 20,000 for the name, 10,000 for a tag
    official = (30 * (10_000 // 110) + 25 * (3400 // 5) + 20 * 1000 + 10 * 1000) * 100 // 85
    certified = (30 * (10_000 // 110) + 25 * (4000 // 5) + 20 * 500 + 10 * 600) * 100 // 85 + 10_000
    community = (30 * (1000 // 101) + 20 * 1000) * 100 // 85 + 20_000
    assert [(hit.head.listing_id, hit.rank) for hit in page.items] == [
        ("mkt-pkg-2", official),
        ("mkt-pkg-3", certified),
        ("mkt-pkg-1", community),
    ]


async def test_a_beginning_is_no_tag_but_may_fit_a_name(hub):
    async with hub.platform_view() as view:
        page = await view.catalogue.search_page(ListingFilter(search="onboard"), NOON, page=1, page_size=9)
        whole = await view.catalogue.search_page(ListingFilter(search="onboarding"), NOON, page=1, page_size=9)

    ranks = {hit.head.listing_id: hit.rank for hit in page.items}
    assert {hit.head.listing_id: hit.rank - ranks[hit.head.listing_id] for hit in whole.items} == {
        "mkt-pkg-1": 0,
        "mkt-pkg-2": 0,
        "mkt-pkg-3": 10_000,
    }


async def test_large_counts_break_no_order(store):
    await with_tenants(store)
    huge: dict[str, Any] = {"install_count": 2**31 - 1, "rating_sum": 2**31 - 1, "review_count": 2**31 - 1}
    await listed(store, a_listing(name="Pack", **huge))

    for sort in ListingSort:
        assert await found(store, search="pack", sort=sort) == ["mkt-pkg-1"]
        async with store.platform_view() as view:
            after = ("x" if sort in {ListingSort.NAME, ListingSort.NEWEST} else 2**52, "mkt")
            await view.catalogue.search(ListingFilter(sort=sort), NOON, first=1, after=after)


async def test_only_listed_and_deprecated_listings_are_found(store):
    await with_tenants(store)
    await listed(store, *(a_listing(f"mkt-pkg-{state.wire}", name=state.wire, state=state) for state in ListingState))

    assert await found(store) == ["mkt-pkg-Listed", "mkt-pkg-Deprecated"]


async def test_a_listing_is_found_by_a_version_that_is_offered_and_passed_its_scan(store):
    await with_tenants(store)
    versions: dict[str, dict[str, Any]] = {
        "pass": {},
        "warn": {"state": ListingState.DEPRECATED, "scan_result": "WARN"},
        "fail": {"scan_result": "FAIL"},
        "error": {"scan_result": "ERROR"},
        "pending": {"rules_version": "older"},
        "yanked": {"state": ListingState.YANKED},
        "unlisted": {"state": ListingState.UNLISTED},
        "suspended": {"state": ListingState.SUSPENDED},
    }
    listings = {name: a_listing(name, name=f"Pack {name}") for name in versions}
    await listed(
        store,
        *listings.values(),
        versions=tuple(a_version(listings[name], **fields) for name, fields in versions.items()),
    )

    assert await found(store, search="pack") == ["warn", "pass"]


async def test_a_listing_is_found_by_what_it_says_now(hub):
    async with hub.platform_unit() as unit:
        await unit.catalogue.index(a_listing("mkt-pkg-1", name="Employee Onboarding", tags=(), description="Renamed"))
        await unit.catalogue.unindex("mkt-pkg-3")

    assert await found(hub, search="renamed") == ["mkt-pkg-1"]
    assert await found(hub, search="approvals") == []
    assert await found(hub, search="onboarding") == ["mkt-pkg-2", "mkt-pkg-1"]


async def test_what_was_not_committed_is_not_found(hub):
    with suppress(KeyError):
        async with hub.platform_unit() as unit:
            await unit.catalogue.index(a_listing("mkt-pkg-1", name="Something else"))
            raise KeyError("stop")

    assert await found(hub, search="else") == []
    assert await found(hub, search="employee") == ["mkt-pkg-1"]


async def test_the_front_page_shows_official_trending_new_and_well_rated_listings(hub):
    await with_installs(hub, "mkt-pkg-1", ACME, GLOBEX, at=NOON - timedelta(days=29))
    await with_installs(hub, "mkt-pkg-2", ACME, GLOBEX, "tenant-x", at=NOON - timedelta(days=31))
    await with_installs(hub, "mkt-pkg-3", ACME)
    async with hub.platform_unit() as unit:
        for listing_id, days in (("mkt-pkg-1", 13), ("mkt-pkg-2", 15), ("mkt-pkg-3", 1)):
            old = a_version(a_listing(listing_id), "0.9.0", published_at=NOON - timedelta(days=days))
            await unit.publishing.add_version(old)

    async with hub.platform_view() as view:
        featured = await view.catalogue.featured(NOON + timedelta(days=1), most=2)
        later = await view.catalogue.featured(NOON + timedelta(days=14), most=2)

    assert featured.official == ("mkt-pkg-2",)
    assert featured.trending == ("mkt-pkg-1", "mkt-pkg-3")
    assert featured.new_releases == ("mkt-pkg-1", "mkt-pkg-2")
    assert featured.top_rated == ("mkt-pkg-2",)
    assert (later.trending, later.new_releases) == (("mkt-pkg-3",), ("mkt-pkg-1", "mkt-pkg-2"))


async def test_the_front_page_shows_no_listing_that_is_not_offered(store):
    await with_tenants(store)
    rated: dict[str, Any] = {"rating_sum": 25, "review_count": 5, "trust_level": TrustLevel.OFFICIAL}
    await listed(
        store,
        a_listing("mkt-pkg-1", state=ListingState.SUSPENDED, **rated),
        replace(a_listing("mkt-pkg-2", state=ListingState.UNLISTED, **rated), publisher_id=PublisherId("pub-2")),
    )
    await with_installs(store, "mkt-pkg-1", ACME)

    async with store.platform_view() as view:
        featured = await view.catalogue.featured(NOON, most=9)

    assert (featured.official, featured.trending, featured.new_releases, featured.top_rated) == ((), (), (), ())


async def test_nothing_of_a_suspended_publisher_is_found_and_its_listings_say_why(store):
    await with_tenants(store)
    rated: dict[str, Any] = {"rating_sum": 25, "review_count": 5, "trust_level": TrustLevel.OFFICIAL}
    await listed(store, a_listing("mkt-pkg-1", **rated), a_listing("mkt-pkg-2", publisher_id="pub-2", **rated))
    async with store.platform_unit() as unit:
        await unit.publishing.change(a_publisher(status=PublisherStatus.SUSPENDED))

    ids = await found(store)
    async with store.platform_view() as view:
        featured = await view.catalogue.featured(NOON, most=9)
        heads = await view.catalogue.heads(["mkt-pkg-1", "mkt-pkg-2"])

    assert ids == ["mkt-pkg-2"]
    assert (featured.official, featured.new_releases, featured.top_rated) == (("mkt-pkg-2",),) * 3
    stopped, other = heads["mkt-pkg-1"], heads["mkt-pkg-2"]
    assert (stopped.state, stopped.state_reason) == (ListingState.SUSPENDED, "Its publisher is suspended.")
    assert (other.state, other.state_reason) == (ListingState.LISTED, "")


async def test_a_listing_indexed_by_several_at_once_is_found_once(hub):
    async def index(name):
        async with hub.platform_unit() as unit:
            await unit.catalogue.index(a_listing("mkt-pkg-1", name=f"Renamed {name}", tags=()))

    await asyncio.gather(*(index(name) for name in ("a", "b", "c", "d")))

    assert await found(hub, search="renamed") == ["mkt-pkg-1"]
