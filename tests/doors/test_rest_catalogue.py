"""Looking for packages over REST: the documented bodies, who sees what, and what is wrong with a question."""

from __future__ import annotations

import pytest

from domain.model import rfc3339
from tests.clocks import NOON
from tests.doors.market_world import (
    BUYER,
    FORMS,
    HIDDEN,
    MARKET,
    NOW,
    OTHER,
    READ,
    RUN_MARKET,
    SUITE,
    UNLISTED,
    VENDOR,
    a_buyer,
    a_hub,
    somebody,
)
from tests.doors.rest import problems_of

SUITE_ITEM = {
    "packageId": "mkt-pkg-suite",
    "name": "Onboarding Suite",
    "publisher": "Publisher pub-1",
    "trustLevel": "Official",
    "packageType": "workflow-package",
    "version": "2.0.0",
    "description": "Everything for the first day",
    "category": "hr",
    "tags": ["hr", "people"],
    "rating": None,
    "reviewCount": 0,
    "installCount": 1,
    "updatedAt": rfc3339(NOW),
    "securityScanResult": "WARN",
    "deprecated": False,
}


@pytest.fixture
async def hub(tmp_path):
    async with a_hub(tmp_path) as world:
        yield world


async def ids(hub, query="", **headers):
    answer = await hub.http.get(f"{MARKET}/packages{query}", headers=headers)
    assert answer.status_code == 200, answer.text
    return [item["packageId"] for item in answer.json()["items"]]


async def test_a_search_answers_with_every_documented_field(hub):
    answer = await hub.http.get(f"{MARKET}/packages", params={"q": "onboard", "trustLevel": "Official,Certified"})

    assert answer.json() == {"totalCount": 1, "page": 1, "pageSize": 20, "items": [SUITE_ITEM]}


async def test_a_search_filters_sorts_and_counts(hub):
    page = await hub.http.get(f"{MARKET}/packages", params={"sortBy": "name", "pageSize": 1, "page": 2})

    assert await ids(hub) == ["mkt-pkg-suite", "mkt-pkg-forms"]
    assert await ids(hub, "?sortBy=name") == ["mkt-pkg-forms", "mkt-pkg-suite"]
    assert await ids(hub, "?category=finance&packageType=workflow-package") == ["mkt-pkg-forms"]
    assert await ids(hub, "?minRating=1") == []
    assert await ids(hub, "?q=%22%20OR%20name:") == []
    assert (page.json()["totalCount"], [one["packageId"] for one in page.json()["items"]]) == (2, ["mkt-pkg-suite"])


async def test_a_deprecated_package_is_found_with_its_badge(hub):
    (item,) = (await hub.http.get(f"{MARKET}/packages", params={"q": "invoice"})).json()["items"]

    assert (item["deprecated"], item["version"]) == (True, "1.0.0")


async def test_everything_wrong_with_a_question_is_told_at_once(hub):
    asked = {
        "category": "fun",
        "trustLevel": "Good",
        "packageType": "zip",
        "minRating": "6",
        "sortBy": "luck",
        "pageSize": "0",
        "q": "x" * 601,
    }

    answer = await hub.http.get(f"{MARKET}/packages", params=asked)
    odd = await hub.http.get(f"{MARKET}/packages", params={"minRating": "nan"})

    assert (answer.status_code, {field for _, field in problems_of(answer)}) == (400, set(asked))
    assert problems_of(odd) == [("BadUserInput", "minRating")]


async def test_the_front_page_has_its_four_lists(hub):
    answer = await hub.http.get(f"{MARKET}/packages/featured")

    assert answer.json() == {
        "official": [SUITE_ITEM],
        "trending": [SUITE_ITEM],
        "newReleases": [SUITE_ITEM],
        "topRated": [],
    }


async def test_a_package_answers_with_every_documented_field(hub):
    answer = await hub.http.get(f"{MARKET}/packages/mkt-pkg-suite")

    assert answer.json() == SUITE_ITEM | {
        "publisherUrl": "https://pub-1.example",
        "latestVersion": "2.0.0",
        "longDescription": "# Read me",
        "license": "MIT",
        "homepage": "https://pub-1.example/package",
        "securityScannedAt": rfc3339(NOW),
        "artifacts": [{"type": "RuleSet", "name": "Rules", "version": "1.0.0"}],
        "versions": [
            {"version": "2.1.0-rc.1", "publishedAt": rfc3339(NOW), "isLatest": False, "breakingChange": False},
            {"version": "2.0.0", "publishedAt": rfc3339(NOW), "isLatest": True, "breakingChange": True},
            {"version": "1.0.0", "publishedAt": rfc3339(NOON), "isLatest": False, "breakingChange": False},
        ],
        "publisherId": "pub-1",
        "state": "Listed",
        "screenshots": ["https://pub-1.example/1.png"],
        "createdAt": rfc3339(SUITE.created_at),
    }


async def test_texts_that_nobody_gave_are_left_out_of_a_package(hub):
    body = (await hub.http.get(f"{MARKET}/packages/{FORMS.listing_id}")).json()

    assert body.keys() & {"license", "homepage", "reason"} == set()
    assert (body["latestVersion"], body["state"]) == ("1.0.0", "Deprecated")


async def test_versions_say_which_are_deprecated_and_insiders_see_those_taken_back(hub):
    address = f"{MARKET}/packages/mkt-pkg-suite/versions"

    anybody = (await hub.http.get(address)).json()
    second = (await hub.http.get(address, params={"page": 2, "pageSize": 2})).json()
    insider = (await hub.http.get(address, headers=somebody(hub, VENDOR))).json()

    shown = [(one["version"], one["deprecated"], one["state"]) for one in anybody["versions"]]
    assert (anybody["packageId"], anybody["totalCount"]) == ("mkt-pkg-suite", 3)
    assert shown == [("2.1.0-rc.1", False, "Listed"), ("2.0.0", False, "Listed"), ("1.0.0", True, "Deprecated")]
    assert anybody["versions"][2]["reason"] == "old"
    assert anybody["versions"][2]["replacedByVersion"] == "2.0.0"
    assert [one["version"] for one in second["versions"]] == ["1.0.0"]
    assert [one["version"] for one in insider["versions"]] == ["2.1.0-rc.1", "2.0.0", "1.9.0", "1.0.0"]


async def test_what_is_not_offered_is_seen_by_its_publisher_the_market_and_who_installed_it(hub):
    people = {
        "anybody": {},
        "stranger": somebody(hub, OTHER, READ),
        "publisher": somebody(hub, VENDOR),
        "market": somebody(hub, OTHER, RUN_MARKET),
        "installer": a_buyer(hub),
    }

    told = {}
    for listing in (HIDDEN, UNLISTED):
        for name, headers in people.items():
            paths = ("", "/versions", "/reviews")
            answers = [
                await hub.http.get(f"{MARKET}/packages/{listing.listing_id}{path}", headers=headers) for path in paths
            ]
            told[listing.listing_id, name] = {answer.status_code for answer in answers}

    # the stranger is of the tenant that publishes the unlisted one
    assert {place for place, statuses in told.items() if statuses == {200}} == {
        *((HIDDEN.listing_id, name) for name in ("publisher", "market", "installer")),
        *((UNLISTED.listing_id, name) for name in ("stranger", "market")),
    }
    assert {status for statuses in told.values() for status in statuses} == {200, 404}


async def test_a_search_shows_nothing_that_is_not_offered_even_to_insiders(hub):
    found = {tenant: await ids(hub, "?q=hidden", **somebody(hub, tenant, RUN_MARKET)) for tenant in (VENDOR, BUYER)}

    assert found == {VENDOR: [], BUYER: []}


async def test_a_token_that_is_shown_must_be_good(hub):
    paths = ("", "/featured", "/mkt-pkg-suite", "/mkt-pkg-suite/versions", "/mkt-pkg-suite/reviews")

    refused = [
        await hub.http.get(f"{MARKET}/packages{path}", headers={"Authorization": "Bearer nothing"}) for path in paths
    ]

    assert {answer.status_code for answer in refused} == {401}


async def test_a_hub_that_is_not_public_is_only_for_those_who_signed_in(tmp_path):
    async with a_hub(tmp_path, market_public=False) as hub:
        paths = ("", "/featured", "/mkt-pkg-suite", "/mkt-pkg-suite/versions", "/mkt-pkg-suite/reviews")
        without = [await hub.http.get(f"{MARKET}/packages{path}") for path in paths]
        signed_in = [await hub.http.get(f"{MARKET}/packages{path}", headers=somebody(hub)) for path in paths]

    assert {answer.status_code for answer in without} == {401}
    assert {answer.status_code for answer in signed_in} == {200}


async def test_what_a_tenant_has_is_shown_beside_what_is_newer(hub):
    answer = await hub.http.get(f"{MARKET}/installed", params={"tenantId": BUYER}, headers=a_buyer(hub))

    assert answer.json() == {
        "totalCount": 1,
        "page": 1,
        "pageSize": 25,
        "items": [
            {
                "packageId": "mkt-pkg-suite",
                "installedVersion": "1.0.0",
                "latestVersion": "2.0.0",
                "updateAvailable": True,
                "isBreakingChange": True,
                "installedAt": rfc3339(NOON),
                "packageName": "Onboarding Suite",
                "deprecated": True,
                "state": "Deprecated",
                "reason": "old",
                "replacedByVersion": "2.0.0",
            }
        ],
    }


async def test_installed_from_the_market_does_not_show_other_tenants(hub):
    foreign = await hub.http.get(f"{MARKET}/installed", params={"tenantId": BUYER}, headers=somebody(hub, OTHER, READ))
    own = await hub.http.get(f"{MARKET}/installed", headers=somebody(hub, OTHER, READ))
    no_right = await hub.http.get(f"{MARKET}/installed", headers=somebody(hub, BUYER))

    assert (foreign.status_code, foreign.json()["error"]) == (403, "TenantMismatch")
    assert (own.status_code, own.json()["items"]) == (200, [])
    assert (no_right.status_code, no_right.json()["error"]) == (403, "InsufficientPermission")


async def test_a_tenant_subscribes_and_leaves(hub):
    address, body = f"{MARKET}/packages/mkt-pkg-suite", {"tenantId": BUYER}

    first = await hub.http.post(f"{address}/subscribe", json=body, headers=a_buyer(hub))
    again = await hub.http.post(f"{address}/subscribe", json={}, headers=a_buyer(hub, "carl@buyer.example"))
    left = await hub.http.post(f"{address}/unsubscribe", json=body, headers=a_buyer(hub))

    kept = {"packageId": "mkt-pkg-suite", "tenantId": BUYER, "subscribed": True}
    assert first.json() == kept | {"subscribedAt": first.json()["subscribedAt"]}
    assert again.json() == first.json()
    assert left.json() == kept | {"subscribed": False}


async def test_nobody_subscribes_for_other_tenants_or_to_what_is_not_seen(hub):
    me = somebody(hub, OTHER)

    foreign = await hub.http.post(f"{MARKET}/packages/mkt-pkg-suite/subscribe", json={"tenantId": BUYER}, headers=me)
    hidden = await hub.http.post(f"{MARKET}/packages/{HIDDEN.listing_id}/subscribe", json={}, headers=me)
    wrong = await hub.http.post(f"{MARKET}/packages/mkt-pkg-suite/subscribe", json={"tenantId": 1}, headers=me)
    anybody = await hub.http.post(f"{MARKET}/packages/mkt-pkg-suite/subscribe", json={"tenantId": BUYER})

    assert [answer.status_code for answer in (foreign, hidden, wrong, anybody)] == [403, 404, 400, 401]
