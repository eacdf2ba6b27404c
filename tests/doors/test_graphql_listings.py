"""The catalogue through GraphQL: the same listings, reviews and subscriptions as over REST, read in batches."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.doors.counting import counted_statements
from tests.doors.graphql_world import Asking, asking
from tests.doors.market_world import BUYER, FORMS, HIDDEN, NOW, OTHER, READ, RUN_MARKET, SUITE, VENDOR, a_hub
from tests.ports.listings import a_listing, listed

pytestmark = pytest.mark.rules

FOUND = """query($filter: ListingFilter, $first: Int, $after: String) {
  listings(filter: $filter, first: $first, after: $after) { nodes { id } pageInfo { hasNextPage endCursor } } }"""
WHOLE = """query($id: ID!, $tenant: ID!) { listing(id: $id) {
  name publisherName publisher { name website } trustLevel latestVersion description category tags rating reviewCount
  installCount securityScanResult isDeprecated longDescription license homepage screenshots
  versions { version state isBreaking changelog replacedByVersion artifacts { name } }
  artifacts { artifactType name version } stars { stars count }
  installedVersion(tenantId: $tenant) isSubscribed(tenantId: $tenant) } }"""
REVIEW = """mutation($input: ReviewListingInput!) { reviewListing(input: $input) {
  review { key state author rating } refusal { code problems { inputPath } } } }"""
FLAG = """mutation($input: FlagReviewInput!) { flagReview(input: $input) {
  review { state } refusal { code } } }"""
HELPFUL = """mutation($input: MarkReviewHelpfulInput!) { markReviewHelpful(input: $input) {
  review { helpfulCount } refusal { code } } }"""
MODERATE = """mutation($input: ModerateReviewInput!) { moderateReview(input: $input) {
  review { state } refusal { code } } }"""
READ_REVIEWS = """query($sort: ReviewSort, $first: Int, $after: String) { listing(id: "mkt-pkg-suite") { rating
  reviews(sort: $sort, first: $first, after: $after) { nodes { key title } pageInfo { hasNextPage endCursor } } } }"""
QUEUE = """{ reviewsToModerate { nodes { review { key state } listingId listingName tenantId flags
  writtenBy { subject } } } }"""


@pytest.fixture
async def hub(tmp_path, database_url):
    async with a_hub(tmp_path, database_url=database_url) as world:
        yield world


def a_buyer(hub, subject="anna@buyer.example") -> Asking:
    return Asking(hub, {"Authorization": f"Bearer {hub.token(subject, tenants=(BUYER,), scopes=(READ,))}"})


def a_stranger(hub, subject="bob@other.example", *scopes) -> Asking:
    return Asking(hub, {"Authorization": f"Bearer {hub.token(subject, tenants=(OTHER,), scopes=scopes or ('no',))}"})


async def ids(caller, **variables):
    return [node["id"] for node in (await caller.data(FOUND, **variables))["listings"]["nodes"]]


async def test_listings_are_found_filtered_and_paged_in_every_order(hub):
    caller = a_stranger(hub)

    for sort in ("INSTALLS", "RATING", "NEWEST", "NAME", "RELEVANCE", None):
        whole = await ids(caller, filter={"sort": sort})
        first = (await caller.data(FOUND, filter={"sort": sort}, first=1))["listings"]
        rest = await ids(caller, filter={"sort": sort}, after=first["pageInfo"]["endCursor"])
        assert [first["nodes"][0]["id"], *rest] == whole
        assert sorted(whole) == ["mkt-pkg-forms", "mkt-pkg-suite"]
    assert await ids(caller, filter={"search": "first onboard"}) == ["mkt-pkg-suite"]
    assert await ids(caller, filter={"category": "FINANCE", "trustLevels": ["COMMUNITY"]}) == ["mkt-pkg-forms"]
    assert await ids(caller, filter={"minRating": 1.5, "packageType": "WORKFLOW_PACKAGE"}) == []


async def test_what_is_wrong_with_a_search_is_told(hub):
    caller = a_stranger(hub)
    page = (await caller.data(FOUND, filter={"sort": "NAME"}, first=1))["listings"]["pageInfo"]

    assert await caller.code(FOUND, filter={"minRating": 7}) == "BAD_USER_INPUT"
    assert await caller.code(FOUND, filter={"sort": "NEWEST"}, after=page["endCursor"]) == "BAD_USER_INPUT"
    assert await caller.code(FOUND, first=101) == "BAD_USER_INPUT"


async def test_a_listing_tells_everything_about_itself_and_its_viewer(hub):
    listing = (await a_buyer(hub).data(WHOLE, id="mkt-pkg-suite", tenant=BUYER))["listing"]

    versions = listing.pop("versions")
    assert listing == {
        "name": "Onboarding Suite",
        "publisherName": "Publisher pub-1",
        "trustLevel": "OFFICIAL",
        "publisher": {"name": "Publisher pub-1", "website": "https://pub-1.example"},
        "latestVersion": "2.0.0",
        "description": "Everything for the first day",
        "category": "HR",
        "tags": ["hr", "people"],
        "rating": None,
        "reviewCount": 0,
        "installCount": 1,
        "securityScanResult": "WARN",
        "isDeprecated": False,
        "longDescription": "# Read me",
        "license": "MIT",
        "homepage": "https://pub-1.example/package",
        "screenshots": ["https://pub-1.example/1.png"],
        "artifacts": [{"artifactType": "RuleSet", "name": "Rules", "version": "1.0.0"}],
        "stars": [{"stars": stars, "count": 0} for stars in (5, 4, 3, 2, 1)],
        "installedVersion": "1.0.0",
        "isSubscribed": False,
    }
    assert [(one["version"], one["state"]) for one in versions] == [
        *(("2.1.0-rc.1", "LISTED"), ("2.0.0", "LISTED"), ("1.9.0", "YANKED"), ("1.0.0", "DEPRECATED")),
    ]
    assert versions[1] | {"artifacts": [{"name": "Rules"}], "changelog": "Anew", "isBreaking": True} == versions[1]


async def test_a_viewers_facts_do_not_show_other_tenants(hub):
    facts = """query { listing(id: "mkt-pkg-suite") {
      installedVersion(tenantId: "buyer") isSubscribed(tenantId: "buyer") versions { version } } }"""
    subscribe = "mutation($input: SubscribeToListingInput!) { subscribeToListing(input: $input) { listing { id } } }"
    await a_buyer(hub).data(subscribe, input={"tenantId": BUYER, "listingId": "mkt-pkg-suite"})

    seen = (await a_stranger(hub, "bob", READ).data(facts))["listing"]

    assert (seen["installedVersion"], seen["isSubscribed"]) == (None, False)
    assert [one["version"] for one in seen["versions"]] == ["2.1.0-rc.1", "2.0.0", "1.0.0"]


async def test_what_is_not_offered_is_null_to_strangers(hub):
    query = "query($id: ID!) { listing(id: $id) { state reason } node(id: $id) { id } }"

    stranger = await a_stranger(hub).data(query, id=HIDDEN.listing_id)
    nothing = await a_stranger(hub).data(query, id="mkt-pkg-nothing")
    installer = await a_buyer(hub).data(query, id=HIDDEN.listing_id)
    publisher = await asking(hub, VENDOR).data(query, id=HIDDEN.listing_id)

    assert stranger == nothing == {"listing": None, "node": None}
    assert (
        installer == publisher == {"listing": {"state": "SUSPENDED", "reason": None}, "node": {"id": "mkt-pkg-hidden"}}
    )


async def test_the_front_page_has_its_four_lists(hub):
    query = "{ featuredListings { official { id } trending { id } newReleases { id } topRated { id } } }"

    front = (await a_stranger(hub).data(query))["featuredListings"]

    suite = [{"id": SUITE.listing_id}]
    assert front == {"official": suite, "trending": suite, "newReleases": suite, "topRated": []}


async def test_a_review_goes_its_way(hub):
    buyer, stranger, moderator = a_buyer(hub), a_stranger(hub), a_stranger(hub, "mo", RUN_MARKET)
    wish = {"tenantId": BUYER, "listingId": "mkt-pkg-suite", "rating": 4, "title": "Good", "body": "It works."}

    written = (await buyer.data(REVIEW, input=wish | {"idempotencyKey": "mine"}))["reviewListing"]["review"]
    again = (await buyer.data(REVIEW, input=wish | {"idempotencyKey": "mine"}))["reviewListing"]["review"]
    named = {"reviewId": written["key"]}
    (waiting,) = (await moderator.data(QUEUE))["reviewsToModerate"]["nodes"]
    verdict = (await moderator.data(MODERATE, input=named | {"verdict": "APPROVE"}))["moderateReview"]
    helped = (await stranger.data(HELPFUL, input=named))["markReviewHelpful"]
    shown = (await stranger.data(READ_REVIEWS))["listing"]
    flagged = (await stranger.data(FLAG, input=named | {"reason": "spam"}))["flagReview"]
    hidden = (await stranger.data(READ_REVIEWS))["listing"]
    restored = (await moderator.data(MODERATE, input=named | {"verdict": "RESTORE"}))["moderateReview"]

    assert written == again == written | {"state": "PENDING_MODERATION", "author": "anna", "rating": 4}
    assert waiting == {
        "review": {"key": written["key"], "state": "PENDING_MODERATION"},
        "listingId": "mkt-pkg-suite",
        "listingName": "Onboarding Suite",
        "tenantId": BUYER,
        "flags": [],
        "writtenBy": {"subject": "anna@buyer.example"},
    }
    assert (verdict["review"], helped["review"]) == ({"state": "PUBLISHED"}, {"helpfulCount": 1})
    assert (shown["rating"], [one["title"] for one in shown["reviews"]["nodes"]]) == (4.0, ["Good"])
    assert (flagged["review"], hidden["rating"], hidden["reviews"]["nodes"]) == ({"state": "HIDDEN"}, None, [])
    assert restored["review"] == {"state": "PUBLISHED"}


async def test_what_is_wrong_with_a_review_stands_beside_its_inputs(hub):
    buyer, stranger = a_buyer(hub), a_stranger(hub)
    wish = {"tenantId": BUYER, "listingId": "mkt-pkg-suite", "rating": 0, "title": "", "body": "It works."}

    wrong = (await buyer.data(REVIEW, input=wish))["reviewListing"]["refusal"]
    foreign = (await stranger.data(REVIEW, input=wish))["reviewListing"]["refusal"]
    nobody = (await stranger.data(FLAG, input={"reviewId": "rev-1", "reason": "x"}))["flagReview"]["refusal"]
    forbidden = (await stranger.data(MODERATE, input={"reviewId": "rev-1", "verdict": "REJECT"}))["moderateReview"]

    assert wrong["code"] == "BAD_USER_INPUT"
    assert [problem["inputPath"] for problem in wrong["problems"]] == [["input", "rating"], ["input", "title"]]
    assert (foreign["code"], nobody["code"]) == ("TENANT_MISMATCH", "NOT_FOUND")
    assert forbidden["refusal"] == {"code": "INSUFFICIENT_PERMISSION"}
    assert await stranger.code(QUEUE) == "INSUFFICIENT_PERMISSION"


async def test_a_tenant_subscribes_and_leaves(hub):
    fields = '{ listing { isSubscribed(tenantId: "buyer") } refusal { code } }'
    subscribe = f"mutation($input: SubscribeToListingInput!) {{ subscribeToListing(input: $input) {fields} }}"
    leave = f"mutation($input: UnsubscribeFromListingInput!) {{ unsubscribeFromListing(input: $input) {fields} }}"
    wish = {"tenantId": BUYER, "listingId": "mkt-pkg-suite"}

    there = (await a_buyer(hub).data(subscribe, input=wish))["subscribeToListing"]
    gone = (await a_buyer(hub).data(leave, input=wish))["unsubscribeFromListing"]
    foreign = (await a_stranger(hub).data(subscribe, input=wish))["subscribeToListing"]
    unseen = await a_stranger(hub).data(subscribe, input={"tenantId": OTHER, "listingId": HIDDEN.listing_id})

    assert (there["listing"], gone["listing"]) == ({"isSubscribed": True}, {"isSubscribed": False})
    assert foreign == {"listing": None, "refusal": {"code": "TENANT_MISMATCH"}}
    assert unseen["subscribeToListing"] == {"listing": None, "refusal": {"code": "NOT_FOUND"}}


async def test_an_installed_package_knows_a_higher_version(hub):
    query = "{ installedPackages { nodes { packageName version availableVersion } } }"

    packages = (await a_buyer(hub).data(query))["installedPackages"]["nodes"]

    assert packages == [
        {"packageName": "Onboarding Suite", "version": "1.0.0", "availableVersion": "2.0.0"},
        {"packageName": "Onboarding Suite", "version": "0.1.0", "availableVersion": None},
    ]


async def test_a_list_of_listings_costs_the_same_number_of_statements_however_long_it_is(hub):
    store = hub.runtime.ports.store
    more = [a_listing(f"mkt-pkg-{n:02}", tenant_id=VENDOR, updated_at=NOW - timedelta(days=n)) for n in range(48)]
    await listed(store, *more)
    query = """query($first: Int) { listings(first: $first) { nodes { name publisher { name } securityScanResult
      longDescription license versions { version artifacts { name } } artifacts { name } stars { count }
      reviews(first: 2) { nodes { title } } installedVersion(tenantId: "buyer") isSubscribed(tenantId: "buyer") } } }"""
    await a_buyer(hub).data(query, first=50)

    counts, nodes = [], []
    for first in (5, 50):
        with counted_statements() as sent:
            nodes = (await a_buyer(hub).data(query, first=first))["listings"]["nodes"]
        counts.append(len(sent))

    assert (len(nodes), counts[0]) == (50, counts[1])
    assert counts[1] < 15
    assert {node["name"] for node in nodes} >= {FORMS.name, SUITE.name, "Package mkt-pkg-07"}
