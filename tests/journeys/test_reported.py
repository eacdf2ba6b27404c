"""What other installations tell our hub: counted once, reviewed by whom it should be, and nobody speaks for another."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from domain.access import Caller
from domain.errors import ErrorCode, Refusal
from domain.market.model import ReviewState
from domain.market.reported import ReportedInstall, ReportedReview, Somebody
from domain.market.reviews import Verdict
from tests.journeys.inside import ACME, Inside
from tests.market import Published, a_publishing_caller, an_operator, published

pytestmark = pytest.mark.rules

REPORT = "marketplace:report"
ONE, TWO = "1" * 64, "2" * 64
#: the token of another installation, and of a third
ROBOT = replace(a_publishing_caller("nobody", "robot", REPORT), tenants=frozenset())
OTHER = replace(ROBOT, subject="another robot")
INA = Somebody(ONE, "a" * 64, "Ina")
BEN = Somebody(TWO, "b" * 64, "Ben")


@pytest.fixture
async def listing(inside: Inside) -> Published:
    return await published(inside)


async def install(
    inside: Inside, listing: Published, tenant: str = ONE, caller: Caller = ROBOT, version: str = "1.0.0"
) -> None:
    await inside.services.reported.install(caller, ReportedInstall(tenant, listing.listing_id, version))


async def count(inside: Inside, listing: Published) -> int:
    async with inside.sql.platform_view() as view:
        found = await view.publishing.listing(listing.listing_id)
    assert found is not None
    return found.install_count


async def refused(work: Any) -> Refusal:
    with pytest.raises(Refusal) as caught:
        await work
    return caught.value


def a_review(listing: Published, somebody: Somebody = INA, **fields: Any) -> ReportedReview:
    return replace(ReportedReview(somebody, listing.listing_id, 4, "Good", "It works."), **fields)


async def test_an_install_elsewhere_counts_once_a_tenant_and_installation(inside, listing):
    await published(inside, version="1.1.0")

    await asyncio.gather(*(install(inside, listing) for _ in range(3)))
    await install(inside, listing, version="1.1.0")
    once = await count(inside, listing)
    await install(inside, listing, TWO)
    await install(inside, listing, caller=OTHER)

    assert (once, await count(inside, listing)) == (1, 3)
    _, figures = await inside.services.curation.managing.analytics(
        a_publishing_caller("northwind"), listing.listing_id, None, days=30
    )
    assert dict(figures.by_version) == {"1.0.0": 2, "1.1.0": 1}


async def test_an_installation_counts_for_no_more_tenants_than_the_hub_lets_it(inside, listing):
    small = inside.over(inside.sql, reported_tenants=2)
    for tenant in (ONE, TWO, ONE):
        await install(small, listing, tenant)

    beyond = await refused(install(small, listing, "3" * 64))
    await install(small, listing, "3" * 64, OTHER)

    assert (beyond.code, beyond.details["limit"]) == (ErrorCode.STATE_CONFLICT, 2)
    assert await count(inside, listing) == 3


async def test_what_this_hub_never_offered_is_not_counted(inside, listing):
    unknown = await refused(inside.services.reported.install(ROBOT, ReportedInstall(ONE, "mkt-pkg-nothing", "1.0.0")))
    version = await refused(install(inside, listing, version="9.9.9"))

    assert unknown.code is version.code is ErrorCode.NOT_FOUND
    assert await count(inside, listing) == 0


@pytest.mark.parametrize("key", ["", "acme", "A" * 64, "1" * 63, "1" * 65, "1" * 64 + "\n", "\ud800" * 64])
async def test_a_tenant_is_spoken_of_by_a_key_alone(inside, listing, key):
    found = await refused(install(inside, listing, key))
    said = await refused(inside.services.reported.review(ROBOT, a_review(listing, Somebody(key, key, "Ina"))))

    assert (found.code, found.problems[0].where) == (ErrorCode.BAD_USER_INPUT, "tenant")
    assert said.code in {ErrorCode.BAD_USER_INPUT, ErrorCode.NOT_AN_INSTALLER}


async def test_everything_needs_the_permission_to_report(inside, listing):
    reported, nobody = inside.services.reported, replace(ROBOT, scopes=frozenset({"marketplace:install"}))

    works = (
        install(inside, listing, caller=nobody),
        reported.review(nobody, a_review(listing)),
        reported.mark_helpful(nobody, INA, "rev-1"),
        reported.flag(nobody, INA, "rev-1", "Bad"),
    )
    codes = [(await refused(work)).code for work in works]

    assert codes == [ErrorCode.INSUFFICIENT_PERMISSION] * 4


async def test_a_review_from_elsewhere_is_moderated_and_counts_as_any_other(inside, listing):
    await install(inside, listing)
    reviews, reported = inside.services.reviews, inside.services.reported

    written = await reported.review(ROBOT, a_review(listing))
    again = await refused(reported.review(ROBOT, a_review(listing, rating=1)))
    await reviews.moderate(an_operator(), written.review_id, Verdict.APPROVE)
    shown = await inside.services.catalogue.get(None, listing.listing_id)

    assert (written.state, written.version, written.author.label) == (ReviewState.PENDING_MODERATION, "1.0.0", "Ina")
    assert again.code is ErrorCode.ALREADY_REVIEWED
    assert (shown.head.rating, shown.head.review_count) == (4.0, 1)


async def test_only_people_of_a_tenant_whose_install_was_reported_review_and_only_under_its_token(inside, listing):
    await install(inside, listing)
    reported = inside.services.reported
    insider = replace(ROBOT, subject="northwinds robot", tenants=frozenset({listing.publisher.tenant_id}))
    await install(inside, listing, caller=insider)

    refusals = [
        await refused(reported.review(ROBOT, a_review(listing, BEN))),
        await refused(reported.review(OTHER, a_review(listing))),
        await refused(reported.review(insider, a_review(listing))),
    ]

    assert [one.code for one in refusals] == [ErrorCode.NOT_AN_INSTALLER] * 3


async def test_a_review_sent_again_under_its_key_is_the_first_one(inside, listing):
    await install(inside, listing)
    reported = inside.services.reported

    first, again = await asyncio.gather(*(reported.review(ROBOT, a_review(listing), key="once") for _ in range(2)))
    other = await refused(reported.review(ROBOT, a_review(listing, title="Bad"), key="once"))

    assert first.review_id == again.review_id
    assert other.code is ErrorCode.IDEMPOTENCY_KEY_REUSED


async def test_everything_wrong_with_a_review_from_elsewhere_is_told_at_once(inside, listing):
    await install(inside, listing)
    wrong = a_review(listing, replace(INA, person="x", author=" "), rating=9, title="", body="\0")

    found = await refused(inside.services.reported.review(ROBOT, wrong))

    assert [problem.where for problem in found.problems] == ["person", "author", "rating", "title", "body"]


async def test_a_published_review_is_marked_and_flagged_from_elsewhere_once_a_person(inside, listing):
    await install(inside, listing)
    reported = inside.services.reported
    written = await reported.review(ROBOT, a_review(listing))
    unread = await refused(reported.mark_helpful(ROBOT, BEN, written.review_id))
    await inside.services.reviews.moderate(an_operator(), written.review_id, Verdict.APPROVE)

    own = await refused(reported.mark_helpful(ROBOT, INA, written.review_id))
    marked = [(await reported.mark_helpful(ROBOT, BEN, written.review_id)).helpful_count for _ in range(2)]
    elsewhere = (await reported.mark_helpful(OTHER, BEN, written.review_id)).helpful_count
    flagged = [(await reported.flag(ROBOT, BEN, written.review_id, "An advertisement")).state for _ in range(2)]

    assert (unread.code, own.code) == (ErrorCode.NOT_FOUND, ErrorCode.STATE_CONFLICT)
    assert (marked, elsewhere, flagged) == ([1, 1], 2, [ReviewState.HIDDEN] * 2)


async def test_marks_of_people_who_may_be_made_up_count_once_a_tenant_and_for_no_more_tenants_than_installs(
    inside, listing
):
    small = inside.over(inside.sql, reported_tenants=2)
    await install(small, listing)
    written = await small.services.reported.review(ROBOT, a_review(listing))
    await small.services.reviews.moderate(an_operator(), written.review_id, Verdict.APPROVE)
    crowd = [Somebody(TWO, digit * 64, "Nobody") for digit in "bcdef"]

    marked = [await small.services.reported.mark_helpful(ROBOT, one, written.review_id) for one in crowd]
    third = replace(BEN, tenant="3" * 64)
    beyond = await refused(small.services.reported.mark_helpful(ROBOT, third, written.review_id))
    flagged = await small.services.reported.flag(ROBOT, crowd[0], written.review_id, "Bad")
    await small.services.reviews.moderate(an_operator(), written.review_id, Verdict.RESTORE)
    again = await small.services.reported.flag(ROBOT, crowd[1], written.review_id, "Bad")

    assert [one.helpful_count for one in marked] == [1] * 5
    assert (beyond.code, beyond.details["limit"]) == (ErrorCode.STATE_CONFLICT, 2)
    assert (flagged.state, again.state) == (ReviewState.HIDDEN, ReviewState.PUBLISHED)


async def test_news_of_a_package_is_not_addressed_to_tenants_of_other_installations(inside, listing):
    await install(inside, listing)
    async with inside.sql.platform_unit() as unit:
        await unit.catalogue.count_install(listing.listing_id, ACME, "1.0.0", inside.clock.now())

    await inside.services.curation.managing.deprecate(
        a_publishing_caller("northwind"), listing.listing_id, "1.0.0", None, reason="Old"
    )

    async with inside.sql.platform_view() as view:
        waiting = await view.notices.waiting(limit=10)
    assert [message.tenant_id for message in waiting if message.kind == "market.deprecated"] == [ACME]
