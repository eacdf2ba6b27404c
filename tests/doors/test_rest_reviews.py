"""Reviews over REST: who may write one, who decides what is read, and the rating that follows."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from storage.tables import audit
from tests.doors.market_world import (
    BUYER,
    HIDDEN,
    MARKET,
    OTHER,
    RUN_MARKET,
    SUITE_ADDRESS,
    VENDOR,
    a_buyer,
    a_hub,
    a_moderator,
    decided,
    somebody,
    wrote,
)
from tests.doors.rest import problems_of

ANNA, CARL = "anna@buyer.example", "carl@buyer.example"
GOOD = {"rating": 5, "title": "Good", "body": "It works."}


@pytest.fixture
async def hub(tmp_path):
    async with a_hub(tmp_path) as world:
        yield world


async def published(hub, subject=ANNA, rating=4) -> str:
    review_id = await wrote(hub, subject, rating)
    assert await decided(hub, review_id, "approve") == "Published"
    return review_id


async def read(hub, query=""):
    return (await hub.http.get(f"{SUITE_ADDRESS}/reviews{query}")).json()


async def test_a_review_is_read_by_a_moderator_before_others_read_it(hub):
    answer = await hub.http.post(f"{SUITE_ADDRESS}/reviews", json=GOOD, headers=a_buyer(hub))
    before = await read(hub)
    status = await decided(hub, answer.json()["reviewId"], "approve")
    after = await read(hub)

    review_id, message = answer.json()["reviewId"], answer.json()["message"]
    assert answer.json() == {"reviewId": review_id, "status": "PendingModeration", "message": message}
    assert review_id.startswith("rev-")
    assert before == {
        "averageRating": None,
        "totalReviews": 0,
        "reviews": [],
        "page": 1,
        "pageSize": 25,
        "distribution": {"5": 0, "4": 0, "3": 0, "2": 0, "1": 0},
    }
    assert status == "Published"
    (review,) = after["reviews"]
    assert review == {
        **GOOD,
        "reviewId": review_id,
        "author": "anna",
        "version": "1.0.0",
        "publishedAt": review["publishedAt"],
        "helpfulCount": 0,
    }
    assert (after["averageRating"], after["totalReviews"], after["distribution"]["5"]) == (5.0, 1, 1)


async def test_reviews_are_counted_sorted_and_paged(hub):
    low, high = await published(hub, ANNA, 2), await published(hub, CARL, 5)
    await hub.http.post(f"{MARKET}/reviews/{low}/helpful", headers=somebody(hub))

    helpful, newest = await read(hub), await read(hub, "?sortBy=newest&pageSize=1")
    wrong = await hub.http.get(f"{SUITE_ADDRESS}/reviews?sortBy=luck&page=0")

    assert [one["reviewId"] for one in helpful["reviews"]] == [low, high]
    assert (helpful["averageRating"], helpful["distribution"]) == (3.5, {"5": 1, "4": 0, "3": 0, "2": 1, "1": 0})
    assert ([one["reviewId"] for one in newest["reviews"]], newest["totalReviews"]) == ([high], 2)
    assert {field for _, field in problems_of(wrong)} == {"sortBy", "page"}


@pytest.mark.parametrize(
    ("tenants", "code"),
    [((OTHER,), "NotAnInstaller"), ((VENDOR,), "NotAnInstaller"), ((BUYER, VENDOR), "NotAnInstaller")],
)
async def test_only_installers_that_are_not_of_the_publisher_review(hub, tenants, code):
    token = hub.token("zoe", tenants=tenants, scopes=("none",))

    body = GOOD | {"tenantId": tenants[0]}
    answer = await hub.http.post(f"{SUITE_ADDRESS}/reviews", json=body, headers={"Authorization": f"Bearer {token}"})

    assert (answer.status_code, answer.json()["error"]) == (403, code)


async def test_everything_wrong_with_a_review_is_told_at_once(hub):
    address = f"{SUITE_ADDRESS}/reviews"
    wrong = {"rating": 6, "title": "x" * 101, "body": "  "}

    refused = await hub.http.post(address, json=wrong, headers=a_buyer(hub))
    malformed = await hub.http.post(address, json={"rating": "five", "title": 1}, headers=a_buyer(hub))
    hidden = await hub.http.post(f"{MARKET}/packages/nobody/reviews", json=GOOD, headers=a_buyer(hub))

    assert {field for _, field in problems_of(refused)} == {"rating", "title", "body"}
    assert {field for _, field in problems_of(malformed)} == {"rating", "title", "body"}
    assert hidden.status_code == 404


async def test_a_person_reviews_a_package_once_but_may_send_the_same_request_again(hub):
    headers = a_buyer(hub) | {"Idempotency-Key": "mine"}
    address = f"{SUITE_ADDRESS}/reviews"

    first = await hub.http.post(address, json=GOOD, headers=headers)
    same = await hub.http.post(address, json=GOOD, headers=headers)
    other = await hub.http.post(address, json=GOOD | {"rating": 1}, headers=headers)
    again = await hub.http.post(address, json=GOOD, headers=a_buyer(hub))
    colleague = await hub.http.post(address, json=GOOD, headers=a_buyer(hub, CARL))

    assert (first.status_code, same.json()) == (201, first.json())
    assert (other.status_code, other.json()["error"]) == (422, "IdempotencyKeyReused")
    assert (again.status_code, again.json()["error"]) == (409, "AlreadyReviewed")
    assert colleague.status_code == 201


async def test_a_flag_hides_a_review_until_a_moderator_has_looked(hub):
    review_id = await published(hub)
    address = f"{MARKET}/reviews/{review_id}/flag"

    flagged = await hub.http.post(address, json={"reason": "spam"}, headers=somebody(hub))
    hidden = await read(hub)
    queue = (await hub.http.get(f"{MARKET}/reviews/moderation", headers=a_moderator(hub))).json()
    again = await hub.http.post(address, json={"reason": "spam"}, headers=somebody(hub))
    late = await hub.http.post(address, json={"reason": "spam"}, headers=somebody(hub, subject="zoe"))
    status = await decided(hub, review_id, "restore")
    once_more = await hub.http.post(address, json={"reason": "spam"}, headers=somebody(hub))
    shown = await read(hub)

    assert (flagged.json()["status"], again.json()["status"], late.status_code) == ("Hidden", "Hidden", 404)
    assert (hidden["totalReviews"], hidden["averageRating"]) == (0, None)
    (row,) = queue["items"]
    assert (row["reviewId"], row["status"], row["flags"], row["author"]) == (review_id, "Hidden", ["spam"], ANNA)
    # who flagged it before does not hide what a moderator shows again
    assert (status, once_more.json()["status"]) == ("Published", "Published")
    assert (shown["totalReviews"], shown["averageRating"]) == (1, 4.0)


async def test_a_rejected_review_is_gone_and_no_longer_counts(hub):
    review_id = await published(hub)

    statuses = [await decided(hub, review_id, verdict) for verdict in ("reject", "reject")]
    refused = await hub.http.post(
        f"{MARKET}/reviews/{review_id}/moderate", json={"verdict": "approve"}, headers=a_moderator(hub)
    )

    assert statuses == ["Rejected", "Rejected"]
    assert ((await read(hub))["totalReviews"], (await read(hub))["averageRating"]) == (0, None)
    assert (refused.status_code, refused.json()["error"], refused.json()["state"]) == (409, "StateConflict", "Rejected")


async def test_a_review_helps_a_person_once_and_never_its_author(hub):
    review_id = await published(hub)
    address = f"{MARKET}/reviews/{review_id}/helpful"

    counts = [
        (await hub.http.post(address, headers=somebody(hub, subject=subject))).json()["helpfulCount"]
        for subject in ("bob", "bob", "zoe")
    ]
    own = await hub.http.post(address, headers=a_buyer(hub))

    assert counts == [1, 1, 2]
    assert (own.status_code, own.json()["error"]) == (409, "StateConflict")


async def test_what_is_not_published_or_not_seen_is_neither_flagged_nor_helpful(hub):
    waiting = await wrote(hub)
    body = {"rating": 4, "title": "Good", "body": "It works."}
    hidden = await hub.http.post(f"{MARKET}/packages/{HIDDEN.listing_id}/reviews", json=body, headers=a_buyer(hub))
    of_hidden = hidden.json()["reviewId"]
    await decided(hub, of_hidden, "approve")

    told = [
        (await hub.http.post(f"{MARKET}/reviews/{review_id}/{what}", json={"reason": "x"}, headers=somebody(hub)))
        for review_id in (waiting, of_hidden, "rev-nobody")
        for what in ("flag", "helpful")
    ]

    assert {answer.status_code for answer in told} == {404}


async def test_only_those_who_run_the_market_moderate(hub):
    review_id = await wrote(hub)

    queue = await hub.http.get(f"{MARKET}/reviews/moderation", headers=a_buyer(hub))
    verdict = await hub.http.post(
        f"{MARKET}/reviews/{review_id}/moderate", json={"verdict": "approve"}, headers=a_buyer(hub)
    )
    odd = await hub.http.post(
        f"{MARKET}/reviews/{review_id}/moderate", json={"verdict": "burn"}, headers=a_moderator(hub)
    )

    assert [answer.status_code for answer in (queue, verdict, odd)] == [403, 403, 400]


async def test_nobody_moderates_a_review_of_their_own(hub):
    review_id = await wrote(hub)
    author = somebody(hub, BUYER, RUN_MARKET, subject=ANNA)

    answer = await hub.http.post(f"{MARKET}/reviews/{review_id}/moderate", json={"verdict": "approve"}, headers=author)

    assert (answer.status_code, answer.json()["error"]) == (409, "StateConflict")
    assert (await read(hub))["totalReviews"] == 0


async def test_what_moderators_decide_is_audited_in_the_authors_tenant(hub):
    review_id = await published(hub)

    async with hub.runtime.ports.store.platform_view() as view:
        found = select(audit.c.tenant_id, audit.c.action, audit.c.details).order_by(audit.c.audit_id)
        rows = [tuple(row) for row in await view._session.rows(found) if row[1].startswith("market.review")]

    details = {"reviewId": review_id, "listingId": "mkt-pkg-suite"}
    verdict = {"reviewId": review_id, "verdict": "approve", "asPlatform": True}
    assert rows == [(BUYER, "market.reviewed", details), (BUYER, "market.reviewModerated", verdict)]
