"""Publishing over GraphQL: the same services, told in types."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from domain.model import TenantPlan
from tests.doors.counting import counted_statements
from tests.doors.graphql_world import asking
from tests.journeys.test_publishers import Signing
from tests.makers import an_artifact
from tests.market import (
    PUBLISH,
    RUN_MARKET,
    Shown,
    a_package,
    a_publishing_caller,
    a_verified_publisher,
    an_order,
    published,
)
from tests.world import a_world

CREATE = """mutation($input: CreatePublisherInput!) { createPublisher(input: $input) {
  publisher { id status verification { method record } } refusal { code problems { code inputPath } } } }"""
VERIFY = """mutation($input: VerifyPublisherInput!) { verifyPublisher(input: $input) {
  publisher { status domain verifiedAt } refusal { code } } }"""
SUBMIT = """mutation($input: SubmitPackageInput!) { submitPackage(input: $input) {
  submission { id status packageName version trustTarget publisher { id } listing { id } }
  warnings { code } refusal { code problems { code inputPath } } } }"""
VALIDATE = """mutation($input: ValidatePackageInput!) { validatePackage(input: $input) {
  validation { isValid errors { code } warnings { code } } refusal { code } } }"""
ADD_KEY = """mutation($input: AddPublisherKeyInput!) { addPublisherKey(input: $input) {
  publisherKey { key publicKey revokedAt } refusal { code } } }"""
REVOKE_KEY = """mutation($input: RevokePublisherKeyInput!) { revokePublisherKey(input: $input) {
  publisherKey { key revokedAt } refusal { code } } }"""
SUBMISSION = """query($id: ID!) { submission(id: $id) {
  status reason details scanReport { result findings { rule } } listing { name latestVersion } } }"""
OWN = """{ viewer { publishers { nodes { id displayName keys { key } tenant { tenantId }
  submissions { nodes { packageName scanReport { result } publisher { slug } } } } } } }"""
ANY = """query($id: ID!) { publisher(id: $id) {
  displayName website tenant { id } verification { record } submissions { nodes { id } } } }"""
FAILING = an_artifact("rule-1", name="Bad", rules=[{"ruleId": "r", "condition": "{{env.DATABASE_PASSWORD}}"}])


@pytest.fixture
async def world(tmp_path):
    async with a_world(tmp_path) as world:
        await world.tenant("northwind", TenantPlan.STANDARD)
        await world.tenant("stranger", TenantPlan.STANDARD)
        world.services.publishers._proof = Shown()
        yield world


@pytest.fixture
async def quiet(tmp_path):
    """A server without a worker of its own: what a request costs is all that it does."""
    async with a_world(tmp_path, role="web") as world:
        yield world


@pytest.fixture
def paula(world):
    return asking(world, "northwind", scopes=[PUBLISH])


@pytest.fixture
def stranger(world):
    return asking(world, "stranger", scopes=[PUBLISH])


async def uploaded(world, caller, bundle: bytes) -> Any:
    headers = {**caller.headers, "content-type": "application/zip"}
    answer = await world.http.post("/api/installhub/uploads", content=bundle, headers=headers)
    assert answer.status_code == 201, answer.text
    return answer.json()["uploadId"]


async def submitted(world, caller, publisher, bundle: bytes, **fields: Any) -> Any:
    wishes = {"description": "What it is for", "category": "HR", "tags": ["people"]}
    named = {"publisherId": publisher.publisher_id, "uploadId": await uploaded(world, caller, bundle)}
    return (await caller.data(SUBMIT, input=wishes | named | fields))["submitPackage"]


async def ended(caller, submission_id: str) -> Any:
    async with asyncio.timeout(20):
        while True:
            found = (await caller.data(SUBMISSION, id=submission_id))["submission"]
            if found["status"] in {"LISTED", "REJECTED", "AWAITING_HUMAN_REVIEW"}:
                return found
            await asyncio.sleep(0.02)


async def test_a_publisher_is_made_and_verified(world, paula):
    order = an_order()
    wish = {"displayName": order.display_name, "slug": order.slug, "website": order.website}
    wish |= {"tenantId": "northwind", "contactEmail": order.contact_email}

    made = (await paula.data(CREATE, input=wish))["createPublisher"]["publisher"]
    waiting = (await paula.data(VERIFY, input={"publisherId": made["id"]}))["verifyPublisher"]["publisher"]
    world.services.publishers._proof.everything = True
    verified = (await paula.data(VERIFY, input={"publisherId": made["id"]}))["verifyPublisher"]["publisher"]

    assert (made["status"], made["verification"]["method"]) == ("PENDING_VERIFICATION", "DNS")
    assert made["verification"]["record"].startswith("bizfirstai-verify=")
    assert waiting["status"] == "PENDING_VERIFICATION"
    assert (verified["status"], verified["domain"]) == ("VERIFIED", "www.northwind.example")


async def test_what_is_wrong_with_a_publisher_is_told_beside_its_inputs(paula):
    wish = {"tenantId": "northwind", "displayName": "", "slug": "No", "website": "x", "contactEmail": "y"}

    refusal = (await paula.data(CREATE, input=wish))["createPublisher"]["refusal"]

    paths = {problem["inputPath"][-1]: problem["code"] for problem in refusal["problems"]}
    assert paths == {
        "displayName": "MISSING_REQUIRED_FIELD",
        **dict.fromkeys(("slug", "website", "contactEmail"), "BAD_USER_INPUT"),
    }


async def test_an_upload_is_submitted_and_listed(world, paula):
    publisher = await a_verified_publisher(world)

    made = await submitted(world, paula, publisher, a_package())
    done = await ended(paula, made["submission"]["id"])

    assert made["submission"] | {"id": ""} == {
        "id": "",
        "status": "QUEUED",
        "packageName": "Starter",
        "version": "1.0.0",
        "trustTarget": "COMMUNITY",
        "publisher": {"id": publisher.publisher_id},
        "listing": None,
    }
    assert "SIGNATURE_MISSING" in {warning["code"] for warning in made["warnings"]}
    assert (done["status"], done["listing"]) == ("LISTED", {"name": "Starter", "latestVersion": "1.0.0"})


async def test_a_rejected_submission_tells_why(world, paula):
    publisher = await a_verified_publisher(world)

    made = await submitted(world, paula, publisher, a_package(artifacts=[FAILING]))
    done = await ended(paula, made["submission"]["id"])

    assert (done["status"], done["reason"], done["listing"]) == ("REJECTED", "SecurityScanFailed", None)
    assert done["scanReport"]["findings"] == [{"rule": "EnvironmentVariableAccess"}]


async def test_one_key_makes_one_submission(world, paula):
    publisher = await a_verified_publisher(world)

    first, again = [
        await submitted(world, paula, publisher, a_package(), idempotencyKey="k", signature=None) for _ in range(2)
    ]

    assert first["submission"]["id"] == again["submission"]["id"]


async def test_what_is_wrong_with_a_submission_is_told_beside_its_inputs(world, paula):
    publisher = await a_verified_publisher(world)

    wrong = await submitted(world, paula, publisher, a_package(), tags=["No Tag"], homepage="ftp://x", description="")
    report = await submitted(world, paula, publisher, a_package(), coverageReport="nothing of the kind")

    assert {problem["inputPath"][-1] for problem in wrong["refusal"]["problems"]} >= {"homepage", "description"}
    assert report["refusal"]["code"] == "BAD_USER_INPUT"


async def test_an_upload_is_validated(world, paula):
    await a_verified_publisher(world)
    upload_id = await uploaded(world, paula, a_package(artifacts=[FAILING]))

    found = (await paula.data(VALIDATE, input={"uploadId": upload_id}))["validatePackage"]["validation"]

    assert (found["isValid"], [one["code"] for one in found["errors"]]) == (False, ["SECURITY_SCAN_FAILED"])
    assert {"MISSING_LICENSE", "NO_SCREENSHOTS"} <= {one["code"] for one in found["warnings"]}


async def test_another_persons_upload_is_as_unknown_as_none(world, paula, stranger):
    await a_verified_publisher(world)
    await a_verified_publisher(world, "stranger")
    upload_id = await uploaded(world, paula, a_package())

    refusals = [
        (await caller.data(VALIDATE, input={"uploadId": name}))["validatePackage"]["refusal"]["code"]
        for caller, name in ((stranger, upload_id), (paula, "upl-unknown"))
    ]

    assert refusals == ["NOT_FOUND", "NOT_FOUND"]


async def test_keys_are_added_and_revoked(world, paula):
    publisher, signing, bundle = await a_verified_publisher(world), Signing(), a_package()
    named = {"publisherId": publisher.publisher_id}

    added = (await paula.data(ADD_KEY, input=named | {"publicKey": signing.public}))["addPublisherKey"]["publisherKey"]
    unsigned = await submitted(world, paula, publisher, bundle)
    signed = await submitted(world, paula, publisher, bundle, signature=signing.envelope(bundle))
    revoked = (await paula.data(REVOKE_KEY, input=named | {"key": added["key"]}))["revokePublisherKey"]["publisherKey"]

    assert (added["revokedAt"], unsigned["refusal"]["code"]) == (None, "SIGNATURE_INVALID")
    assert signed["submission"]["status"] == "QUEUED"
    assert (revoked["key"], revoked["revokedAt"] is None) == (added["key"], False)


async def test_publishers_and_submissions_do_not_show_other_tenants(world, paula, stranger):
    publisher = await a_verified_publisher(world)
    made = await submitted(world, paula, publisher, a_package())
    named = {"publisherId": publisher.publisher_id}

    seen = (await stranger.data(ANY, id=publisher.publisher_id))["publisher"]
    own = (await paula.data(ANY, id=publisher.publisher_id))["publisher"]

    assert seen == {
        "displayName": "Northwind",
        "website": publisher.website,
        "tenant": None,
        "verification": None,
        "submissions": None,
    }
    assert [one["id"] for one in own["submissions"]["nodes"]] == [made["submission"]["id"]]
    assert (await stranger.data(SUBMISSION, id=made["submission"]["id"])) == {"submission": None}
    assert (await stranger.data(OWN))["viewer"]["publishers"]["nodes"] == []
    refusals = [
        (await stranger.data(VERIFY, input=named))["verifyPublisher"]["refusal"],
        (await stranger.data(ADD_KEY, input=named | {"publicKey": Signing().public}))["addPublisherKey"]["refusal"],
        (await stranger.data(REVOKE_KEY, input=named | {"key": "k"}))["revokePublisherKey"]["refusal"],
    ]
    assert [refusal["code"] for refusal in refusals] == ["NOT_FOUND"] * 3


async def test_a_publisher_that_was_never_verified_is_seen_by_its_own_people_alone(world, paula, stranger):
    order = an_order()
    wish = {"displayName": "N", "slug": "n", "website": order.website, "contactEmail": order.contact_email}
    made = (await paula.data(CREATE, input=wish | {"tenantId": "northwind"}))["createPublisher"]["publisher"]

    found = [(await caller.data(ANY, id=made["id"]))["publisher"] for caller in (paula, stranger)]

    assert (found[0]["displayName"], found[1]) == ("N", None)


async def test_who_runs_the_market_makes_a_publisher_official(world, paula):
    publisher = await a_verified_publisher(world)
    mark = """mutation($input: MarkPublisherOfficialInput!) { markPublisherOfficial(input: $input) {
      publisher { isOfficial } refusal { code } } }"""
    wish = {"publisherId": publisher.publisher_id, "isOfficial": True}

    refused = (await paula.data(mark, input=wish))["markPublisherOfficial"]
    marked = (await asking(world, scopes=[RUN_MARKET]).data(mark, input=wish))["markPublisherOfficial"]

    assert refused["refusal"]["code"] == "INSUFFICIENT_PERMISSION"
    assert marked["publisher"] == {"isOfficial": True}


async def test_a_list_of_publishers_costs_the_same_number_of_statements_however_long_it_is(quiet):
    everywhere = asking(quiet, "northwind", "southwind", "eastwind", scopes=[PUBLISH])
    counts, nodes = [], []
    for slug in ("northwind", "southwind", "eastwind"):
        await published(quiet, name=f"Of {slug}", publisher=slug)
        await quiet.services.publishers.add_key(
            a_publishing_caller(slug), (await a_verified_publisher(quiet, slug)).publisher_id, None, Signing().public
        )
        with counted_statements() as sent:
            nodes = (await everywhere.data(OWN))["viewer"]["publishers"]["nodes"]
        counts.append(len(sent))

    assert [len(node["keys"]) for node in nodes] == [1, 1, 1]
    assert [one["scanReport"]["result"] for node in nodes for one in node["submissions"]["nodes"]] == ["PASS"] * 3
    assert counts[0] == counts[1] == counts[2]
