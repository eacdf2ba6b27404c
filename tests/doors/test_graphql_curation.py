"""Looking after the marketplace over GraphQL: the same services, their objects or their refusals."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.doors.graphql_world import Asking
from tests.doors.market_world import VENDOR, a_hub, somebody
from tests.journeys.test_curation import COVERED, FORBIDDEN, WARNED
from tests.market import PUBLISH, RUN_MARKET, a_package, a_verified_publisher, checked, published, submitted
from tests.unit.test_certifying import README
from tests.world import World, a_world

SUITE = "mkt-pkg-suite"


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with a_world(tmp_path) as made:
        yield made


@pytest.fixture
async def hub(tmp_path: Path) -> AsyncIterator[World]:
    async with a_hub(tmp_path) as made:
        yield made


def nora(world: World, tenant: str = "northwind") -> Asking:
    return Asking(world, somebody(world, tenant, PUBLISH, subject="nora"))


def olga(world: World) -> Asking:
    return Asking(world, somebody(world, "market", RUN_MARKET, subject="olga"))


async def done(caller: Asking, mutation: str, fields: str, **given: Any) -> Any:
    """What a mutation gives: its object, or the code of its refusal."""
    name = mutation[0].upper() + mutation[1:]
    query = f"mutation($input: {name}Input!) {{ {mutation}(input: $input) {{ {fields} refusal {{ code }} }} }}"
    payload = (await caller.data(query, input=given))[mutation]
    refusal = payload.pop("refusal")
    return refusal["code"] if refusal else next(iter(payload.values()))


LISTING = "listing { id state latestVersion description tags trustLevel reason }"


async def test_a_publisher_manages_its_listing(hub: World):
    caller = nora(hub, VENDOR)
    one = {"listingId": SUITE}

    changed = await done(caller, "updateListing", LISTING, **one, description="Better", tags=["forms"])
    deprecated = await done(caller, "deprecateVersion", LISTING, **one, version="2.1.0-rc.1", reason="Not ready")
    yanked = await done(caller, "yankVersion", LISTING, **one, version="2.0.0", reason="It leaks")
    unlisted = await done(caller, "unlistListing", LISTING, **one, reason="Anew")
    asked = await done(caller, "relistListing", LISTING, **one, explanation="Mended")

    assert (changed["description"], changed["tags"]) == ("Better", ["forms"])
    assert [found["state"] for found in (deprecated, yanked, unlisted, asked)] == [
        *("LISTED", "DEPRECATED"),
        *("UNLISTED", "UNLISTED"),
    ]
    assert asked["reason"] == "Anew"


@pytest.mark.parametrize(
    ("mutation", "given"),
    [
        ("updateListing", {"description": "Mine"}),
        ("deprecateVersion", {"version": "2.0.0", "reason": "x"}),
        ("yankVersion", {"version": "2.0.0", "reason": "x"}),
        ("unlistListing", {"reason": "x"}),
        ("relistListing", {"explanation": "x"}),
    ],
)
async def test_another_publishers_listing_is_unknown(hub: World, mutation: str, given: dict[str, Any]):
    stranger = nora(hub, "other")

    assert await done(stranger, mutation, "listing { id }", listingId=SUITE, **given) == "NOT_FOUND"


async def test_another_publishers_figures_are_null(hub: World):
    query = f"""{{ listingAnalytics(id: "{SUITE}") {{ installCount byVersion {{ version count }} }}
      publisherDashboard(id: "pub-1") {{ publisherName listingCount installCount rating reviewCount
        listings {{ key installCount recentInstallCount }} }} }}"""

    own = await nora(hub, VENDOR).data(query)
    foreign = await nora(hub, "other").data(query)

    assert own["listingAnalytics"] == {"installCount": 1, "byVersion": [{"version": "1.0.0", "count": 1}]}
    assert {"key": SUITE, "installCount": 1, "recentInstallCount": 1} in own["publisherDashboard"]["listings"]
    sums = [own["publisherDashboard"][name] for name in ("listingCount", "installCount", "rating", "reviewCount")]
    assert sums == [3, 2, None, 0]
    assert foreign == {"listingAnalytics": None, "publisherDashboard": None}


async def test_a_person_reviews_what_waits_and_its_trust_is_shown(world: World):
    publisher = await a_verified_publisher(world)
    raw = a_package("Onboarding", readme=README.replace("1.1.0", "1.0.0").encode())
    order: dict[str, Any] = {"requests_certification": True, "coverage": COVERED}
    waiting = await checked(world, await submitted(world, raw, publisher, **order))
    operator = olga(world)

    queue = await operator.data("{ reviewQueue { nodes { id packageName } } }")
    wish = {"submissionId": waiting.submission_id, "decision": "APPROVE", "details": "Fine"}
    approved = await done(operator, "reviewSubmission", "submission { status reviewedBy { subject } }", **wish)
    again = await done(operator, "reviewSubmission", "submission { status }", **wish)
    trust = f'{{ listingTrust(id: "{waiting.listing_id}") {{ trustLevel certification {{ lineCoverage }} }} }}'
    shown = await nora(world).data(trust)
    revoked = await done(
        operator, "revokeCertification", LISTING, listingId=waiting.listing_id, reason="The tests were faked"
    )
    certified = await done(operator, "certifyVersion", LISTING, listingId=waiting.listing_id, version="1.0.0")

    assert queue["reviewQueue"]["nodes"] == [{"id": waiting.submission_id, "packageName": "Onboarding"}]
    assert (approved, again) == ({"status": "LISTED", "reviewedBy": {"subject": "olga"}}, "STATE_CONFLICT")
    assert shown["listingTrust"] == {"trustLevel": "CERTIFIED", "certification": {"lineCoverage": 0.9}}
    assert (revoked["trustLevel"], certified["trustLevel"]) == ("COMMUNITY", "CERTIFIED")


async def test_an_exception_is_asked_for_and_decided(world: World):
    publisher = await a_verified_publisher(world)
    rejected = await checked(world, await submitted(world, a_package(artifacts=[FORBIDDEN]), publisher))
    about = {"submissionId": rejected.submission_id}
    wish = about | {"findingIndex": 0, "explanation": "A field of ours", "idempotencyKey": "k"}

    asked = await done(nora(world), "requestScanException", "scanException { key status rule }", **wish)
    same = await done(nora(world), "requestScanException", "scanException { key status rule }", **wish)
    waiting = await olga(world).data("{ scanExceptions { nodes { key } } }")
    query = f'{{ scanException(submissionId: "{rejected.submission_id}", id: "{asked["key"]}") {{ status }} }}'
    foreign = await nora(world, "elsewhere").data(query)
    decision = about | {"exceptionId": asked["key"], "decision": "APPROVE"}
    decided = await done(olga(world), "decideScanException", "scanException { status }", **decision)

    assert (asked["status"], same) == ("UNDER_REVIEW", asked)
    assert waiting["scanExceptions"]["nodes"] == [{"key": asked["key"]}]
    assert (foreign["scanException"], decided) == (None, {"status": "APPROVED"})


async def test_a_second_look_is_asked_for_and_closed(world: World):
    made = await published(world, artifacts=[WARNED])
    about = {"submissionId": made.submission.submission_id}
    query = f'{{ manualReview(submissionId: "{made.submission.submission_id}") {{ status details }} }}'

    before = await nora(world).data(query)
    asked = await done(nora(world), "requestManualReview", "manualReview { key }", **about, explanation="Look")
    waiting = await olga(world).data("{ manualReviews { nodes { key } } }")
    wish = about | {"decision": "REJECT", "details": "It opens windows"}
    closed = await done(olga(world), "decideManualReview", "manualReview { status details }", **wish)

    assert before["manualReview"] is None
    assert waiting["manualReviews"]["nodes"] == [asked]
    assert closed == (await nora(world).data(query))["manualReview"]
    assert closed == {"status": "REJECTED", "details": "It opens windows"}


async def test_a_vulnerability_is_reported_and_confirmed(hub: World):
    bob, operator = Asking(hub, somebody(hub)), olga(hub)
    wish = {"listingId": SUITE, "severity": "HIGH", "description": "It sends mail", "version": "2.0.0"}

    made = await done(bob, "reportVulnerability", "vulnerabilityReport { key status severity }", **wish)
    query = "{ vulnerabilityReports(statuses: [RECEIVED]) { nodes { key listing { name } } } }"
    waiting = await operator.data(query)
    decision = {"reportId": made["key"], "isConfirmed": True, "advisory": "Remove it"}
    closed = await done(operator, "decideVulnerabilityReport", "vulnerabilityReport { status }", **decision)

    assert (made["status"], made["severity"]) == ("RECEIVED", "HIGH")
    assert waiting["vulnerabilityReports"]["nodes"] == [{"key": made["key"], "listing": {"name": "Onboarding Suite"}}]
    assert (closed, (await operator.data(query))["vulnerabilityReports"]["nodes"]) == ({"status": "CONFIRMED"}, [])


async def test_operators_suspend_and_reinstate_what_is_flagged(hub: World):
    operator, one = olga(hub), {"listingId": SUITE}

    suspended = await done(operator, "suspendListing", LISTING, **one, reason="Look into it")
    await done(nora(hub, VENDOR), "relistListing", LISTING, **one, explanation="All is well")
    flagged = await operator.data("{ flaggedListings { nodes { id state } } }")
    back = await done(operator, "reinstateListing", LISTING, **one, details="So it is")

    assert (suspended["state"], suspended["reason"]) == ("SUSPENDED", "Look into it")
    assert flagged["flaggedListings"]["nodes"] == [{"id": SUITE, "state": "SUSPENDED"}]
    assert back["state"] == "LISTED"


@pytest.mark.parametrize(
    "query",
    [
        "{ reviewQueue { nodes { id } } }",
        "{ scanExceptions { nodes { key } } }",
        "{ manualReviews { nodes { key } } }",
        "{ vulnerabilityReports { nodes { key } } }",
        "{ flaggedListings { nodes { id } } }",
    ],
)
async def test_lists_of_operators_need_their_permission(hub: World, query: str):
    assert await nora(hub, VENDOR).code(query) == "INSUFFICIENT_PERMISSION"
