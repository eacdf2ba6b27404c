"""Looking after the marketplace over REST: what is sent, what is answered, and who may not even know."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.doors.market_world import MARKET, SUITE_ADDRESS, VENDOR, a_hub, somebody
from tests.doors.oracle import Oracle
from tests.journeys.test_curation import COVERED, FORBIDDEN, WARNED
from tests.market import (
    PUBLISH,
    RUN_MARKET,
    Published,
    a_package,
    a_verified_publisher,
    checked,
    published,
    submitted,
)
from tests.unit.test_certifying import README
from tests.world import World, a_world


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    """A server whose answers the OpenAPI document must tell of."""
    async with a_world(tmp_path) as made:
        made.http.event_hooks["response"].append(Oracle().look)
        yield made


@pytest.fixture
async def hub(tmp_path: Path) -> AsyncIterator[World]:
    """The same with listings as rows."""
    async with a_hub(tmp_path) as made:
        yield made


def vendor(world: World, tenant: str = "northwind") -> dict[str, str]:
    return somebody(world, tenant, PUBLISH, subject="nora")


def operator(world: World, subject: str = "olga") -> dict[str, str]:
    return somebody(world, "market", RUN_MARKET, subject=subject)


async def post(world: World, address: str, headers: dict[str, str], key: str = "", **body: Any) -> httpx.Response:
    keyed = headers | ({"Idempotency-Key": key} if key else {})
    return await world.http.post(f"{MARKET}/{address}", json=body, headers=keyed)


async def get(world: World, address: str, headers: dict[str, str] | None = None) -> httpx.Response:
    return await world.http.get(f"{MARKET}/{address}", headers=headers)


async def waiting(world: World, **fields: Any) -> str:
    """The id of a submission that waits for a person."""
    publisher = await a_verified_publisher(world)
    raw = a_package("Onboarding", readme=README.replace("1.1.0", "1.0.0").encode())
    order: dict[str, Any] = {"requests_certification": True, "coverage": COVERED} | fields
    return (await checked(world, await submitted(world, raw, publisher, **order))).submission_id


async def test_a_publisher_manages_its_package(world: World):
    made = await published(world)
    await published(world, version="1.1.0")
    one, nora = f"packages/{made.listing_id}", vendor(world)

    change = {"description": "Better", "tags": ["forms"], "screenshots": ["https://northwind.example/1.png"]}
    changed = await world.http.patch(f"{MARKET}/{one}", json=change, headers=nora)
    wish = {"reason": "It is old", "replacedByVersion": "1.1.0"}
    deprecated = await post(world, f"{one}/versions/1.0.0/deprecate", nora, **wish)
    yanked = await post(world, f"{one}/versions/1.1.0/yank", nora, reason="It leaks")
    unlisted = await post(world, f"{one}/unlist", nora, reason="Anew")
    asked = await post(world, f"{one}/relist", nora, explanation="Mended")

    answers = [changed, deprecated, yanked, unlisted, asked]
    assert [found.status_code for found in answers] == [200] * 5
    assert {name: changed.json()[name] for name in change} == change
    assert [(found.json()["state"], found.json()["latestVersion"]) for found in answers] == [
        ("Listed", "1.1.0"),
        ("Listed", "1.1.0"),
        ("Deprecated", None),
        ("Unlisted", None),
        ("Unlisted", None),
    ]
    assert (asked.json()["needsReview"], asked.json()["stateReason"]) == (True, "Anew")


@pytest.mark.parametrize(
    ("method", "address", "body"),
    [
        ("PATCH", "", {"description": "Mine"}),
        ("POST", "/versions/2.0.0/deprecate", {"reason": "x"}),
        ("POST", "/versions/2.0.0/yank", {"reason": "x"}),
        ("POST", "/unlist", {"reason": "x"}),
        ("POST", "/relist", {"explanation": "x"}),
        ("GET", "/analytics", None),
    ],
)
async def test_another_publishers_package_is_as_unknown_as_none(hub: World, method: str, address: str, body: Any):
    sent = {} if body is None else {"json": body}
    stranger = somebody(hub, "other", PUBLISH)

    foreign = await hub.http.request(method, f"{SUITE_ADDRESS}{address}", headers=stranger, **sent)
    unknown = await hub.http.request(method, f"{MARKET}/packages/mkt-pkg-none{address}", headers=stranger, **sent)

    assert (foreign.status_code, foreign.json()) == (404, unknown.json())


@pytest.mark.parametrize("version", ["9.9.9", "not-a-version", "1.0.0%2Fx", "%00"])
async def test_a_version_that_is_not_there_is_unknown(hub: World, version: str):
    answer = await post(
        hub, f"packages/mkt-pkg-suite/versions/{version}/yank", somebody(hub, VENDOR, PUBLISH), reason="x"
    )

    assert answer.status_code == 404


async def test_analytics_and_the_dashboard_tell_real_counts(hub: World):
    nora = somebody(hub, VENDOR, PUBLISH)

    analytics = (await get(hub, "packages/mkt-pkg-suite/analytics?period=7d", nora)).json()
    dashboard = (await get(hub, "publishers/pub-1/dashboard", nora)).json()

    assert (analytics["period"], analytics["installs"]["total"], analytics["installs"]["inPeriod"]) == ("7d", 1, 1)
    assert analytics["installs"]["byVersion"] == [{"version": "1.0.0", "count": 1}]
    assert analytics["distribution"] == {"5": 0, "4": 0, "3": 0, "2": 0, "1": 0}
    assert (dashboard["totals"]["packages"], dashboard["totals"]["installs"]) == (3, 2)
    assert (dashboard["packages"][0]["installsLast30Days"], dashboard["openSubmissions"]) == (1, 0)


@pytest.mark.parametrize("period", ["0d", "366d", "30", "a month", "-1d", "30d30d"])
async def test_a_period_is_a_number_of_days(hub: World, period: str):
    answer = await get(hub, f"packages/mkt-pkg-suite/analytics?period={period}", somebody(hub, VENDOR, PUBLISH))

    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (400, "period")


async def test_a_person_certifies_what_waits_and_everybody_sees_what_that_stands_on(world: World):
    submission_id = await waiting(world)
    olga = operator(world, "olga@hub.example")

    queue = (await get(world, "review-queue", olga)).json()
    done = (await post(world, f"submissions/{submission_id}/review", olga, decision="Approve", details="Fine")).json()
    shown = (await get(world, f"packages/{done['packageId']}/certification")).json()

    assert (queue["totalCount"], queue["items"][0]["submissionId"]) == (1, submission_id)
    assert (done["status"], done["reviewedBy"]) == ("Listed", "olga@hub.example")
    assert (shown["trustLevel"], shown["certifiedBy"]) == ("Certified", "olga")
    assert (shown["coverageReport"]["lineCoverage"], shown["coverageReport"]["branchCoverage"]) == (0.9, 0.5)
    assert set(shown) == {"packageId", "trustLevel", "certifiedAt", "certifiedBy", "nextReview", "coverageReport"}


async def test_what_a_certification_lacks_is_told_and_a_rejection_has_the_documented_members(world: World):
    submission_id = await waiting(world, coverage=None)
    address, olga = f"submissions/{submission_id}/review", operator(world)

    lacking = await post(world, address, olga, decision="Approve")
    wish = {"decision": "Reject", "reason": "InsufficientDocumentation", "details": "Say more"}
    rejected = await post(world, address, olga, **wish, fastTrackReview=True)
    again = await post(world, address, olga, **wish)

    assert (lacking.status_code, lacking.json()["error"]) == (400, "CertificationRefused")
    expected = {
        "status": "Rejected",
        "reason": "InsufficientDocumentation",
        "details": "Say more",
        "resubmitAfterFix": True,
        "reviewedBy": "olga",
        "fastTrackReview": True,
    }
    assert expected.items() <= rejected.json().items()
    assert again.status_code == 409


async def test_an_exception_is_asked_for_decided_and_lets_the_submission_pass(world: World):
    publisher = await a_verified_publisher(world)
    rejected = await checked(world, await submitted(world, a_package(artifacts=[FORBIDDEN]), publisher))
    address, nora, olga = f"submissions/{rejected.submission_id}/scan-exception", vendor(world), operator(world)
    wish = {"findingIndex": 0, "explanation": "A field of ours", "evidence": "https://northwind.example/why"}

    asked = await post(world, address, nora, "key-1", **wish)
    same = await post(world, address, nora, "key-1", **wish)
    other = await post(world, address, nora, "key-1", **wish | {"explanation": "Another"})
    exception = f"{address}/{asked.json()['exceptionId']}"
    listed = (await get(world, "scan-exceptions", olga)).json()
    foreign = await get(world, exception, somebody(world, "elsewhere", PUBLISH))
    decided = await post(world, f"{exception}/decide", olga, decision="Approve")
    seen = (await get(world, exception, nora)).json()

    assert (asked.status_code, asked.json(), other.status_code) == (201, same.json(), 422)
    documented = {"status": "UnderReview", "reviewSLA": "3 business days", "reviewerAssigned": None}
    assert documented.items() <= asked.json().items()
    assert ([row["exceptionId"] for row in listed["items"]], listed["hasNext"]) == (
        [asked.json()["exceptionId"]],
        False,
    )
    assert (foreign.status_code, decided.json()["status"], seen) == (404, "Approved", decided.json())
    assert seen["reviewerAssigned"] == "olga"
    assert (await checked(world, rejected)).status.wire == "Listed"


async def test_a_second_look_is_asked_for_and_closed(world: World):
    made: Published = await published(world, artifacts=[WARNED])
    about, nora, olga = f"submissions/{made.submission.submission_id}", vendor(world), operator(world)

    nothing = await get(world, f"{about}/manual-review", nora)
    asked = await post(world, f"{about}/request-manual-review", nora, explanation="It is a word")
    listed = (await get(world, "manual-reviews", olga)).json()
    closed = await post(world, f"{about}/manual-review", olga, decision="Approve", details="So it is")
    seen = await get(world, f"{about}/manual-review", nora)

    assert (nothing.status_code, asked.status_code) == (404, 201)
    assert [row["reviewRequestId"] for row in listed["items"]] == [asked.json()["reviewRequestId"]]
    assert (closed.json()["status"], closed.json()["details"], seen.json()) == ("Approved", "So it is", closed.json())


async def test_everybody_signed_in_reports_a_vulnerability_and_operators_decide(hub: World):
    bob, olga = somebody(hub), operator(hub)
    wish = {"severity": "Critical", "description": "It sends mail", "version": "2.0.0"}

    nobody = await hub.http.post(f"{SUITE_ADDRESS}/report-vulnerability", json=wish)
    made = await post(hub, "packages/mkt-pkg-suite/report-vulnerability", bob, "key-1", **wish)
    same = await post(hub, "packages/mkt-pkg-suite/report-vulnerability", bob, "key-1", **wish)
    listed = (await get(hub, "vulnerability-reports?status=Received", olga)).json()
    decide = f"vulnerability-reports/{made.json()['reportId']}/decide"
    silent = await post(hub, decide, olga, decision="Confirm")
    confirmed = await post(hub, decide, olga, decision="Confirm", advisory="Remove it", wholePackage=True)

    assert (nobody.status_code, made.status_code, same.json()) == (401, 201, made.json())
    assert made.json()["reportId"].startswith("vr-")
    assert (listed["totalCount"], listed["items"][0]["description"]) == (1, "It sends mail")
    assert (silent.status_code, silent.json()["error"]) == (400, "MissingRequiredField")
    assert confirmed.json()["status"] == "Confirmed"
    assert (await get(hub, "packages?q=onboarding", bob)).json()["items"] == []


async def test_operators_suspend_reinstate_and_see_what_is_flagged(hub: World):
    olga, one = operator(hub), "packages/mkt-pkg-suite"

    suspended = await post(hub, f"{one}/suspend", olga, reason="Look into it")
    nora = somebody(hub, VENDOR, PUBLISH)
    await post(hub, f"{one}/relist", nora, explanation="All is well")
    flagged = (await get(hub, "flagged-packages?pageSize=1", olga)).json()
    back = await post(hub, f"{one}/reinstate", olga, details="All is well")
    part = await post(hub, f"{one}/suspend", olga, reason="Only this", version="2.0.0")

    assert (suspended.json()["state"], suspended.json()["stateReason"]) == ("Suspended", "Look into it")
    assert [row["packageId"] for row in flagged["items"]] == ["mkt-pkg-suite"]
    assert (back.json()["state"], back.json()["latestVersion"]) == ("Listed", "2.0.0")
    assert (part.json()["state"], part.json()["latestVersion"]) == ("Listed", None)


@pytest.mark.parametrize(
    ("method", "address"),
    [
        ("GET", "review-queue"),
        ("GET", "flagged-packages"),
        ("GET", "vulnerability-reports"),
        ("GET", "scan-exceptions"),
        ("GET", "manual-reviews"),
        ("POST", "packages/mkt-pkg-suite/suspend"),
        ("POST", "packages/mkt-pkg-suite/reinstate"),
        ("POST", "packages/mkt-pkg-suite/revoke-certification"),
        ("POST", "packages/mkt-pkg-suite/versions/2.0.0/certify"),
        ("POST", "submissions/sub-1/review"),
        ("POST", "submissions/sub-1/manual-review"),
        ("POST", "submissions/sub-1/scan-exception/exc-1/decide"),
        ("POST", "vulnerability-reports/vr-1/decide"),
    ],
)
async def test_what_operators_do_needs_their_permission_before_the_body_is_read(hub: World, method: str, address: str):
    headers = somebody(hub, VENDOR, PUBLISH) | {"content-type": "application/json"}

    answer = await hub.http.request(
        method, f"{MARKET}/{address}", headers=headers, content=None if method == "GET" else b"{broken"
    )

    assert (answer.status_code, answer.json()["required"]) == (403, "marketplace:admin")


async def test_the_certification_of_what_is_not_listed_is_unknown(hub: World):
    answers = [await get(hub, f"packages/{one}/certification") for one in ("mkt-pkg-hidden", "mkt-pkg-none")]
    plain = (await get(hub, "packages/mkt-pkg-suite/certification")).json()

    assert [answer.status_code for answer in answers] == [404, 404]
    assert plain == {"packageId": "mkt-pkg-suite", "trustLevel": "Official"}
