"""What is remembered of another installation, over SQLite and PostgreSQL."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from domain.market.catalogue_rows import Subscription
from domain.market.model import ListingId
from domain.market.remote_rows import HUB_REPORTS, NewReport, Watched
from domain.model import TenantId
from tests.clocks import NOON
from tests.ports.rows import ACME, ANNA, GLOBEX, with_tenants

ONE, TWO = ListingId("mkt-pkg-1"), ListingId("mkt-pkg-2")
LEASE = 60.0


@pytest.fixture(autouse=True)
async def tenants(store):
    await with_tenants(store)


async def in_line(store, *listing_ids, at=NOON):
    async with store.platform_unit() as unit:
        await unit.remote.line_up([NewReport(ACME, listing_id, "1.0.0", at) for listing_id in listing_ids])


async def claimed(store, lease_seconds=LEASE):
    async with store.platform_unit() as unit:
        return await unit.remote.claim_report(lease_seconds=lease_seconds)


async def is_due(store):
    async with store.platform_view() as view:
        return await view.remote.is_report_due()


async def test_reports_are_claimed_one_by_one_in_their_order(store, bell):
    await in_line(store, ONE, TWO)

    first, meanwhile = await claimed(store), await claimed(store)
    async with store.platform_unit() as unit:
        await unit.remote.report_told(first)
    second = await claimed(store)

    assert (first.listing_id, first.tenant_id, first.version, first.attempts) == (ONE, ACME, "1.0.0", 1)
    assert (meanwhile, second.listing_id) == (None, TWO)
    assert {HUB_REPORTS} in bell.rung


async def test_one_of_two_who_claim_at_once_has_the_report(store):
    await in_line(store, ONE)

    found = await asyncio.gather(claimed(store), claimed(store))

    assert sorted(report is None for report in found) == [False, True]


async def test_the_line_rests_after_a_report_that_was_not_told_and_goes_on_when_it_is_taken_back(store):
    await in_line(store, ONE, TWO)
    report = await claimed(store)

    async with store.platform_unit() as unit:
        await unit.remote.report_not_told(report, "It is down.", again_in=3600.0)
    rests = await is_due(store), await claimed(store)
    async with store.platform_unit() as unit:
        await unit.remote.take_reports_back()
    again = await claimed(store)

    assert rests == (False, None)
    assert (again.listing_id, again.attempts) == (ONE, 2)


async def test_a_report_that_is_given_up_lets_the_next_one_go(store):
    await in_line(store, ONE, TWO)

    async with store.platform_unit() as unit:
        report = await unit.remote.claim_report(lease_seconds=LEASE)
        await unit.remote.report_not_told(report, "Unknown.", again_in=None)
    following = await claimed(store)

    assert following.listing_id == TWO


async def test_who_comes_back_late_marks_nothing_that_another_attempt_has(store):
    await in_line(store, ONE)
    late, now = await claimed(store, lease_seconds=-1.0), await claimed(store)

    async with store.platform_unit() as unit:
        await unit.remote.report_told(late)
        await unit.remote.report_not_told(late, "It is down.", again_in=None)
    async with store.platform_unit() as unit:
        await unit.remote.take_reports_back()

    assert (now.number, now.attempts) == (late.number, 2)
    assert (await claimed(store)).attempts == 3


async def test_reports_of_long_ago_are_dropped(store):
    await in_line(store, ONE, at=NOON - timedelta(days=31))
    await in_line(store, TWO)

    async with store.platform_unit() as unit:
        dropped = await unit.remote.forget_reports(NOON - timedelta(days=30))

    assert (dropped, (await claimed(store)).listing_id) == (1, TWO)


def a_subscription(listing_id=ONE, tenant_id=ACME) -> Subscription:
    return Subscription(listing_id, tenant_id, NOON, ANNA, "issuer anna")


async def subscribed(store, wanted, version="1.0.0"):
    async with store.platform_unit() as unit:
        return await unit.remote.subscribe(wanted, "Starter", version)


async def test_a_subscription_stays_as_it_is_until_it_is_ended(store):
    first = await subscribed(store, a_subscription())
    again = await subscribed(store, Subscription(ONE, ACME, NOON + timedelta(days=1), ANNA, "issuer ben"), "2.0.0")

    async with store.platform_unit() as unit:
        watched = await unit.remote.watched(("", ""), most=10)
        await unit.remote.unsubscribe(ONE, ACME)
        left = await unit.remote.subscriptions([ONE], None)

    assert first == again == a_subscription()
    assert (watched, left) == ([Watched(ONE, ACME, "Starter", "1.0.0")], {})


async def test_the_list_of_subscriptions_does_not_show_other_tenants(store):
    await subscribed(store, a_subscription())
    await subscribed(store, a_subscription(tenant_id=GLOBEX))

    async with store.platform_view() as view:
        own = await view.remote.subscriptions([ONE, TWO], frozenset({ACME}))
        everybodys = await view.remote.subscriptions([ONE], None)

    assert own == {ONE: [a_subscription()]}
    assert [one.tenant_id for one in everybodys[ONE]] == [ACME, GLOBEX]


async def test_what_is_watched_comes_in_portions(store):
    for listing_id in (TWO, ONE):
        for tenant_id in (GLOBEX, ACME):
            await subscribed(store, a_subscription(listing_id, tenant_id))

    async with store.platform_view() as view:
        first = await view.remote.watched(("", ""), most=3)
        rest = await view.remote.watched((first[-1].listing_id, first[-1].tenant_id), most=3)

    assert [(one.listing_id, one.tenant_id) for one in [*first, *rest]] == [
        (listing_id, tenant_id) for listing_id in (ONE, TWO) for tenant_id in (ACME, GLOBEX)
    ]


async def test_a_version_is_noted_as_told_by_whoever_is_first(store):
    await subscribed(store, a_subscription())
    watched = Watched(ONE, ACME, "Starter", "1.0.0")

    async def noted():
        async with store.platform_unit() as unit:
            return await unit.remote.note_told(watched, "1.1.0")

    assert sorted(await asyncio.gather(noted(), noted())) == [False, True]


async def test_so_many_tenants_of_another_installation_are_counted_and_each_of_them_once(store):
    async def admitted(name, identity="hub robot"):
        async with store.platform_unit() as unit:
            return await unit.remote.admit_tenant(identity, TenantId(name), most=2)

    at_once = await asyncio.gather(*(admitted("~one") for _ in range(4)))
    others = [await admitted(name) for name in ("~two", "~three", "~one")]

    assert at_once == [True] * 4
    assert others == [True, False, True]
    assert await admitted("~three", "hub another") is True
