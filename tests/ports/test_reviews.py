"""Reviews, marks and ratings, over SQLite and PostgreSQL."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from domain.market.model import ReviewState
from domain.market.review_rows import Mark, MarkKind, ReviewSort
from tests.clocks import NOON
from tests.ports.listings import a_listing, a_review, listed
from tests.ports.rows import ACME, with_tenants


@pytest.fixture
async def hub(store):
    """A store with two listings and no reviews."""
    await with_tenants(store)
    await listed(store, a_listing("mkt-pkg-1"), a_listing("mkt-pkg-2"))
    return store


def a_mark(review_id="rev-1", identity="issuer bob", kind=MarkKind.HELPFUL, reason="") -> Mark:
    return Mark(review_id, identity, kind, ACME, reason, NOON)


async def published(store, *reviews) -> None:
    async with store.platform_unit() as unit:
        for review in reviews:
            assert await unit.reviews.add(replace(review, state=ReviewState.PENDING_MODERATION))
            assert await unit.reviews.move(review, ReviewState.PUBLISHED, NOON + timedelta(hours=1))


async def rating(store, listing_id="mkt-pkg-1"):
    async with store.platform_view() as view:
        head = (await view.catalogue.heads([listing_id]))[listing_id]
    return head.rating_sum, head.review_count


async def ids(store, sort, *, first, after=None):
    async with store.platform_view() as view:
        found = await view.reviews.first_published(["mkt-pkg-1", "mkt-pkg-2"], sort, first=first, after=after)
    page = found["mkt-pkg-1"]
    return [review.review_id for review in page.items], page.has_next


async def test_a_person_reviews_a_listing_once(hub):
    review = a_review()
    again = a_review("rev-2", identity=review.identity)
    elsewhere = a_review("rev-3", identity=review.identity, listing_id="mkt-pkg-2")

    async with hub.platform_unit() as unit:
        added = [await unit.reviews.add(one) for one in (review, again, elsewhere)]

    async with hub.platform_view() as view:
        assert added == [True, False, True]
        assert await view.reviews.review("rev-1") == review
        assert await view.reviews.review("rev-2") is None


async def test_only_published_reviews_count_in_a_rating_and_each_moves_once(hub):
    review = a_review(rating=5)
    await published(hub, review, a_review("rev-2", rating=2))
    after_two = await rating(hub)
    shown = replace(review, state=ReviewState.PUBLISHED)

    async with hub.platform_unit() as unit:
        moved = [await unit.reviews.move(shown, ReviewState.HIDDEN, NOON) for _ in range(2)]
    after_one = await rating(hub)
    async with hub.platform_unit() as unit:
        hidden = replace(review, state=ReviewState.HIDDEN)
        moved.append(await unit.reviews.move(hidden, ReviewState.PUBLISHED, NOON + timedelta(days=1)))

    async with hub.platform_view() as view:
        restored = await view.reviews.review("rev-1")
        stars = await view.reviews.distributions(["mkt-pkg-1", "mkt-pkg-2"])
    assert moved == [True, False, True]
    assert (after_two, after_one, await rating(hub)) == ((7, 2), (2, 1), (7, 2))
    assert (restored.state, restored.published_at) == (ReviewState.PUBLISHED, NOON + timedelta(hours=1))
    assert stars == {"mkt-pkg-1": {5: 1, 2: 1}}


async def test_a_rating_is_not_published_twice_at_the_same_time(hub):
    review = a_review()
    async with hub.platform_unit() as unit:
        await unit.reviews.add(review)

    async def publish():
        async with hub.platform_unit() as unit:
            return await unit.reviews.move(review, ReviewState.PUBLISHED, NOON)

    moved = await asyncio.gather(*(publish() for _ in range(4)))

    assert sorted(moved) == [False, False, False, True]
    assert await rating(hub) == (4, 1)


async def test_a_mark_is_made_once_a_person_and_kind(hub):
    await published(hub, a_review())
    async with hub.platform_unit() as unit:
        marks = [a_mark(), a_mark(), a_mark(identity="issuer carl"), a_mark(kind=MarkKind.FLAG, reason="spam")]
        made = [await unit.reviews.mark(mark) for mark in marks]

    async with hub.platform_view() as view:
        review = await view.reviews.review("rev-1")
        marked = [await view.reviews.marked("rev-1", who, MarkKind.FLAG) for who in ("issuer bob", "issuer carl")]
    assert made == [True, False, True, True]
    assert (review.helpful_count, marked) == (2, [True, False])


async def test_published_reviews_are_listed_by_what_helped_or_by_time(hub):
    await published(hub, *(a_review(f"rev-{n}") for n in range(1, 5)), a_review("rev-9", listing_id="mkt-pkg-2"))
    async with hub.platform_unit() as unit:
        await unit.reviews.add(a_review("rev-5"))
        for mark in (a_mark("rev-2"), a_mark("rev-2", "issuer carl"), a_mark("rev-1")):
            await unit.reviews.mark(mark)

    assert await ids(hub, ReviewSort.HELPFUL, first=3) == (["rev-2", "rev-1", "rev-4"], True)
    assert await ids(hub, ReviewSort.HELPFUL, first=3, after=("rev-4", 0)) == (["rev-3"], False)
    assert await ids(hub, ReviewSort.NEWEST, first=2) == (["rev-4", "rev-3"], True)
    assert await ids(hub, ReviewSort.NEWEST, first=2, after=("rev-3", 2**52)) == (["rev-2", "rev-1"], False)
    async with hub.platform_view() as view:
        second = await view.reviews.published_page("mkt-pkg-1", ReviewSort.HELPFUL, page=2, page_size=3)
    assert ([review.review_id for review in second.items], second.total_count) == (["rev-3"], 4)


async def test_moderators_see_new_and_hidden_reviews_with_the_reasons(hub):
    await published(hub, a_review("rev-1"), a_review("rev-2"))
    async with hub.platform_unit() as unit:
        await unit.reviews.add(a_review("rev-3", listing_id="mkt-pkg-2"))
        await unit.reviews.move(a_review("rev-1", state=ReviewState.PUBLISHED), ReviewState.HIDDEN, NOON)
        await unit.reviews.mark(a_mark(kind=MarkKind.FLAG, reason="advertisement"))
        await unit.reviews.mark(a_mark(identity="issuer carl", kind=MarkKind.FLAG, reason="spam"))
        await unit.reviews.mark(a_mark(identity="issuer carl"))

    async with hub.platform_view() as view:
        first = await view.reviews.waiting(first=1)
        rest = await view.reviews.waiting(first=1, after="rev-1")
        page = await view.reviews.waiting_page(page=1, page_size=5)
    (flagged,), (new,) = first.items, rest.items
    assert (flagged.review.review_id, flagged.listing_name) == ("rev-1", "Package mkt-pkg-1")
    assert flagged.reasons == ("advertisement", "spam")
    assert (new.review.review_id, new.reasons, first.has_next, rest.has_next) == ("rev-3", (), True, False)
    assert (page.items, page.total_count) == ((flagged, new), 2)
