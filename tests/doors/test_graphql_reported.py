"""What other installations tell a hub through GraphQL (decisions R34; ADR 0014)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from domain.market.reviews import Verdict
from tests.doors.graphql_world import Asking, asking
from tests.market import Published, an_operator, published
from tests.world import World, a_world

INSTALL = """mutation($input: ReportInstallInput!) { reportInstall(input: $input) {
  listingId refusal { code problems { inputPath } } } }"""
REVIEW = """mutation($input: ReportReviewInput!) { reportReview(input: $input) {
  review { key state rating author version } refusal { code problems { inputPath } } } }"""
HELPFUL = """mutation($input: ReportHelpfulInput!) { reportHelpful(input: $input) {
  review { helpfulCount } refusal { code } } }"""
FLAG = "mutation($input: ReportFlagInput!) { reportFlag(input: $input) { review { state } refusal { code } } }"
INA = {"tenant": "1" * 64, "person": "a" * 64, "author": "Ina"}
BEN = INA | {"person": "b" * 64, "author": "Ben"}


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with a_world(tmp_path) as made:
        yield made


@pytest.fixture
async def listing(world: World) -> Published:
    return await published(world)


@pytest.fixture
def robot(world: World) -> Asking:
    return asking(world, scopes=("marketplace:report",), subject="robot")


def install(listing: Published, **fields: Any) -> dict[str, Any]:
    return {"tenant": INA["tenant"], "listingId": listing.listing_id, "version": "1.0.0", **fields}


def review(listing: Published, **fields: Any) -> dict[str, Any]:
    about = {"somebody": INA, "listingId": listing.listing_id}
    return {**about, "rating": 4, "title": "Good", "body": "It works.", **fields}


async def test_an_installation_tells_of_installs_and_of_what_its_people_say(world, listing, robot):
    early = await robot.data(REVIEW, input=review(listing))
    counted = await robot.data(INSTALL, input=install(listing))
    written = (await robot.data(REVIEW, input=review(listing, idempotencyKey="once")))["reportReview"]["review"]
    again = (await robot.data(REVIEW, input=review(listing, idempotencyKey="once")))["reportReview"]["review"]
    await world.services.reviews.moderate(an_operator(), written["key"], Verdict.APPROVE)
    helpful = await robot.data(HELPFUL, input={"somebody": BEN, "reviewId": written["key"]})
    flag = await robot.data(FLAG, input={"somebody": BEN, "reviewId": written["key"], "reason": "An advertisement"})

    assert early["reportReview"]["refusal"]["code"] == "NOT_AN_INSTALLER"
    assert counted["reportInstall"] == {"listingId": listing.listing_id, "refusal": None}
    assert written | {"key": ""} == {
        "key": "",
        "state": "PENDING_MODERATION",
        "rating": 4,
        "author": "Ina",
        "version": "1.0.0",
    }
    assert again == written
    assert helpful["reportHelpful"] == {"review": {"helpfulCount": 1}, "refusal": None}
    assert flag["reportFlag"] == {"review": {"state": "HIDDEN"}, "refusal": None}


async def test_only_an_installation_that_has_the_permission_is_heard(world, listing):
    anna = asking(world, "northwind")
    somebody = {"somebody": INA, "reviewId": "rev-1"}

    told = [
        (await anna.data(INSTALL, input=install(listing)))["reportInstall"],
        (await anna.data(REVIEW, input=review(listing)))["reportReview"],
        (await anna.data(HELPFUL, input=somebody))["reportHelpful"],
        (await anna.data(FLAG, input=somebody | {"reason": "Bad"}))["reportFlag"],
    ]

    assert [one["refusal"]["code"] for one in told] == ["INSUFFICIENT_PERMISSION"] * 4


async def test_what_is_no_key_is_refused_with_its_place(listing, robot):
    refused = (await robot.data(INSTALL, input=install(listing, tenant="acme")))["reportInstall"]

    assert (refused["listingId"], refused["refusal"]["code"]) == (None, "BAD_USER_INPUT")
    assert [problem["inputPath"] for problem in refused["refusal"]["problems"]] == [["input", "tenant"]]
