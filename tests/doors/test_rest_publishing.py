"""Publishing over REST: the documented bodies, and what callers may send instead."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from domain.market.model import VerificationMethod
from domain.model import TenantPlan
from rest_compat.market_publishers import PUBLISHER_OPERATIONS
from rest_compat.market_submissions import SUBMISSION_OPERATIONS
from tests.doors.oracle import Oracle
from tests.doors.rest import blob_files, problems_of
from tests.journeys.test_publishers import Signing
from tests.makers import an_artifact
from tests.market import PUBLISH, RUN_MARKET, Shown, a_package, a_verified_publisher, published
from tests.world import a_world

MARKET = "/api/marketplace"
NEW = {
    "displayName": "Northwind",
    "slug": "northwind",
    "website": "https://www.northwind.example",
    "contactEmail": "packages@northwind.example",
}
FIELDS = {"description": "What it is for", "category": "hr", "tags": "people, onboarding", "changelog": "First."}
FAILING = an_artifact("rule-1", name="Bad", rules=[{"ruleId": "r", "condition": "{{env.DATABASE_PASSWORD}}"}])


@pytest.fixture
async def world(tmp_path):
    """A publisher's people ask; domains show what the test says; every answer is one of the document's."""
    async with a_world(tmp_path) as world:
        await world.tenant("northwind", TenantPlan.STANDARD)
        await world.tenant("stranger", TenantPlan.STANDARD)
        world.services.publishers._proof = Shown()
        world.http.headers.update(world.headers("northwind", scopes=[PUBLISH]))
        world.http.event_hooks["response"].append(Oracle().look)
        yield world


def stranger(world):
    return world.headers("stranger", scopes=[PUBLISH])


def operator(world):
    return world.headers(scopes=[RUN_MARKET])


async def a_publisher(world) -> Any:
    """The id of a verified publisher of the caller's tenant."""
    return (await a_verified_publisher(world)).publisher_id


async def submit(world, bundle=None, headers=None, **fields: Any):
    files: dict[str, Any] = {name: (None, text) for name, text in (FIELDS | fields).items() if text is not None}
    files["package"] = ("p.zip", bundle or a_package(), "application/zip")
    return await world.http.post(f"{MARKET}/submit", files=files, headers=headers)


async def ended(world, submission_id: str) -> Any:
    """How the submission stands once the worker has looked at it."""
    async with asyncio.timeout(20):
        while True:
            body = (await world.http.get(f"{MARKET}/submissions/{submission_id}/status")).json()
            if body["status"] in {"Listed", "Rejected", "AwaitingHumanReview"}:
                return body
            await asyncio.sleep(0.02)


async def test_a_new_publisher_is_answered_as_documented(world):
    answer = await world.http.post(f"{MARKET}/publishers", json=NEW)

    body = answer.json()
    token = body["verificationRecord"]["value"].removeprefix("bizfirstai-verify=")
    assert answer.status_code == 201
    assert body.pop("publisherId").startswith("pub-")
    assert body.pop("verificationExpiresAt").endswith("Z")
    assert body == {
        "status": "PendingVerification",
        "verificationMethod": "DNS",
        "verificationRecord": {"type": "TXT", "host": "@", "value": f"bizfirstai-verify={token}"},
    }
    assert len(token) == 32


async def test_a_publisher_is_verified_by_the_record_or_told_what_is_missing(world):
    made = (await world.http.post(f"{MARKET}/publishers", json=NEW)).json()
    address = f"{MARKET}/publishers/{made['publisherId']}/verify"
    token = made["verificationRecord"]["value"].partition("=")[2]

    waiting = (await world.http.post(address)).json()
    by_file = (await world.http.post(address, params={"method": "File"})).json()
    proof = world.services.publishers._proof
    proof.records.add(("www.northwind.example", VerificationMethod.FILE, token))
    verified = (await world.http.post(address)).json()

    assert (waiting["status"], waiting["verificationRecord"]) == ("PendingVerification", made["verificationRecord"])
    assert waiting["message"]
    assert by_file["verificationRecord"]["host"] == "/.well-known/bizfirstai-verify.txt"
    assert verified.pop("verifiedAt").endswith("Z")
    assert verified == {
        "publisherId": made["publisherId"],
        "status": "Verified",
        "domain": "www.northwind.example",
    }


async def test_a_submission_is_accepted_as_documented_and_then_listed(world):
    publisher_id = await a_publisher(world)

    answer = await submit(world, signature=None)
    body = answer.json()
    done = await ended(world, body["submissionId"])

    assert (answer.status_code, answer.headers["location"]) == (202, body["statusUrl"])
    assert body["packageId"].startswith("mkt-")
    assert {name: body[name] for name in ("version", "status", "trustLevelTarget", "estimatedMinutes")} == {
        "version": "1.0.0",
        "status": "Queued",
        "trustLevelTarget": "Community",
        "estimatedMinutes": 15,
    }
    assert body["statusUrl"] == f"{MARKET}/submissions/{body['submissionId']}/status"
    assert (done["status"], done["packageId"], done["publisherId"]) == ("Listed", body["packageId"], publisher_id)


async def test_a_rejected_submission_says_why_and_shows_its_report(world):
    await a_publisher(world)

    body = (await submit(world, a_package(artifacts=[FAILING]))).json()
    done = await ended(world, body["submissionId"])
    report = await world.http.get(done["scanReport"])

    assert {name: done[name] for name in ("status", "reason", "resubmitAfterFix")} == {
        "status": "Rejected",
        "reason": "SecurityScanFailed",
        "resubmitAfterFix": True,
    }
    assert "critical" in done["details"]
    assert (report.json()["overallResult"], report.json()["submissionId"]) == ("FAIL", body["submissionId"])


async def test_a_validation_is_answered_as_documented_and_leaves_nothing(world):
    before = len(blob_files(world))

    good = await world.http.post(f"{MARKET}/validate", files={"package": ("p.zip", a_package())})
    bad = await world.http.post(f"{MARKET}/validate", files={"package": ("p.zip", b"this is no ZIP archive at all")})

    assert (good.status_code, good.json()["valid"], good.json()["errors"]) == (200, True, [])
    codes = {row["code"] for row in good.json()["warnings"]}
    assert {"MissingLicense", "ReadmeTooShort", "NoScreenshots"} <= codes
    assert (bad.status_code, bad.json()["valid"], bad.json()["errors"][0]["code"]) == (200, False, "InvalidZip")
    assert len(blob_files(world)) == before


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"description": None}, ("MissingRequiredField", "description")),
        ({"category": None}, ("MissingRequiredField", "category")),
        ({"category": "gardening"}, ("BadUserInput", "category")),
        ({"tags": "Not A Tag"}, ("BadUserInput", "tags")),
        ({"description": "x" * 501}, ("BadUserInput", "description")),
        ({"description": b"\xff\xfe"}, ("BadUserInput", "description")),
        ({"changelog": "x" * 5001}, ("BadUserInput", "changelog")),
        ({"homepage": "http://plain.example"}, ("BadUserInput", "homepage")),
        ({"screenshots": "https://a.example/1.png,javascript:1"}, ("BadUserInput", "screenshots")),
        ({"requestCertification": "perhaps"}, ("BadUserInput", "requestCertification")),
        ({"signature": "[1"}, ("BadUserInput", "signature")),
        ({"signature": "{}"}, ("SignatureInvalid", "signature")),
        ({"coverageReport": "<!DOCTYPE x [<!ENTITY a 'b'>]><coverage/>"}, ("BadUserInput", "coverageReport")),
        ({"publisherId": "pub-unknown"}, ("NotFound", "publisherId")),
    ],
)
async def test_what_is_wrong_with_a_form_is_told_and_nothing_is_kept(world, fields, problem):
    await a_publisher(world)

    answer = await submit(world, **fields)

    assert problems_of(answer) == [problem]
    assert blob_files(world) == []


async def test_a_form_without_a_package_or_with_strange_parts_is_refused(world):
    await a_publisher(world)

    missing = await world.http.post(f"{MARKET}/submit", files={"description": (None, "x")})
    strange = await world.http.post(f"{MARKET}/submit", files={"colour": (None, "x")})
    large = await submit(world, license="x" * 5000)
    not_a_form = await world.http.post(f"{MARKET}/submit", json={})

    assert problems_of(missing) == [("MissingRequiredField", "package")]
    assert [one.status_code for one in (missing, strange, large, not_a_form)] == [400, 400, 413, 415]


async def test_documented_refusals_have_their_codes(world):
    unverified = (await world.http.post(f"{MARKET}/publishers", json=NEW)).json()["publisherId"]
    early = await submit(world, publisherId=unverified)
    await published(world, name="Taken", publisher="southwind")
    proof = world.services.publishers._proof
    proof.everything = True
    await world.http.post(f"{MARKET}/publishers/{unverified}/verify")

    taken = await submit(world, a_package("taken"))
    done = await ended(world, (await submit(world)).json()["submissionId"])
    again = await submit(world)

    refusals = [(one.status_code, one.json()["error"]) for one in (early, taken, again)]
    assert done["status"] == "Listed"
    assert refusals == [
        (403, "PublisherNotVerified"),
        (403, "PackageBelongsToOtherPublisher"),
        (400, "VersionAlreadyPublished"),
    ]


async def test_the_limit_of_a_day_is_told_with_the_time_to_wait(tmp_path, monkeypatch):
    monkeypatch.setenv("INSTALLHUB_LIMIT_SUBMISSIONS_PER_PUBLISHER_DAY", "1")
    async with a_world(tmp_path) as world:
        await world.tenant("northwind", TenantPlan.STANDARD)
        world.http.headers.update(world.headers("northwind", scopes=[PUBLISH]))
        await a_publisher(world)
        await submit(world)

        answer = await submit(world, a_package(version="1.1.0"))

    assert (answer.status_code, answer.json()["error"]) == (429, "RateLimitExceeded")
    assert 0 < int(answer.headers["retry-after"]) <= 24 * 3600


async def test_a_package_larger_than_a_submission_may_be_is_refused_before_it_has_come(tmp_path, monkeypatch):
    monkeypatch.setenv("INSTALLHUB_LIMIT_SUBMISSION_MB", "1")
    async with a_world(tmp_path) as world:
        await world.tenant("northwind", TenantPlan.STANDARD)
        world.http.headers.update(world.headers("northwind", scopes=[PUBLISH]))
        await a_publisher(world)

        answers = [
            await submit(world, bytes((1 << 20) + 1)),
            await world.http.post(f"{MARKET}/validate", files={"package": ("p.zip", bytes((1 << 20) + 1))}),
        ]

        assert [(one.status_code, one.json()["plan"]) for one in answers] == [(413, "marketplace")] * 2
        assert blob_files(world) == []


async def test_a_repeated_submission_is_answered_again_and_made_once(world):
    publisher_id = await a_publisher(world)
    key = {"Idempotency-Key": "once"}
    first = (await submit(world, headers=key)).json()
    await ended(world, first["submissionId"])

    again = (await submit(world, headers=key)).json()
    other = await submit(world, headers=key, description="Something else")
    listed = (await world.http.get(f"{MARKET}/publishers/{publisher_id}/submissions")).json()

    assert (again["submissionId"], again["status"]) == (first["submissionId"], "Listed")
    assert (other.status_code, other.json()["error"]) == (422, "IdempotencyKeyReused")
    assert listed["totalCount"] == 1


async def test_submissions_are_listed_by_status(world):
    publisher_id = await a_publisher(world)
    for bundle in (a_package(), a_package("Bad", artifacts=[FAILING])):
        await ended(world, (await submit(world, bundle)).json()["submissionId"])
    address = f"{MARKET}/publishers/{publisher_id}/submissions"

    everything = (await world.http.get(address)).json()
    rejected = (await world.http.get(address, params={"status": "Rejected"})).json()
    unknown = await world.http.get(address, params={"status": "Gone"})

    assert [(row["packageName"], row["status"]) for row in everything["items"]] == [
        ("Bad", "Rejected"),
        ("Starter", "Listed"),
    ]
    assert [row["packageName"] for row in rejected["items"]] == ["Bad"]
    assert unknown.status_code == 400


async def test_publishers_and_submissions_do_not_show_to_other_tenants(world):
    publisher_id = await a_publisher(world)
    submission_id = (await submit(world)).json()["submissionId"]
    publisher, submission = f"{MARKET}/publishers/{publisher_id}", f"{MARKET}/submissions/{submission_id}"
    theirs, key = stranger(world), {"publicKey": Signing().public}

    answers = [
        await world.http.get(publisher, headers=theirs),
        await world.http.post(f"{publisher}/verify", headers=theirs),
        await world.http.get(f"{publisher}/keys", headers=theirs),
        await world.http.post(f"{publisher}/keys", json=key, headers=theirs),
        await world.http.get(f"{publisher}/submissions", headers=theirs),
        await world.http.get(f"{submission}/status", headers=theirs),
        await world.http.get(f"{submission}/scan-report", headers=theirs),
        await submit(world, a_package("Other"), headers=theirs, publisherId=publisher_id),
    ]
    listed = (await world.http.get(f"{MARKET}/publishers", headers=theirs)).json()

    assert [one.status_code for one in answers] == [404] * len(answers)
    assert listed["items"] == []


async def test_publishing_needs_its_permission(world):
    headers = world.headers("northwind", scopes=["installhub:import", "installhub:export"])

    answers = [
        await world.http.post(f"{MARKET}/publishers", json=NEW, headers=headers),
        await world.http.get(f"{MARKET}/publishers/any", headers=headers),
        await world.http.get(f"{MARKET}/submissions/any/status", headers=headers),
        await submit(world, headers=headers),
        await world.http.post(f"{MARKET}/validate", content=b"x", headers=headers),
        await world.http.post(f"{MARKET}/publishers/any/official", json={"isOfficial": True}),
    ]

    assert [one.status_code for one in answers] == [403] * len(answers)


async def test_keys_are_added_listed_and_revoked(world):
    publisher_id, signing = await a_publisher(world), Signing()
    address, bundle = f"{MARKET}/publishers/{publisher_id}/keys", a_package()

    added = (await world.http.post(address, json={"publicKey": signing.public})).json()
    unsigned = await submit(world, bundle)
    signed = await submit(world, bundle, signature=json.dumps(signing.envelope(bundle)))
    revoked = (await world.http.post(f"{address}/{added['keyId']}/revoke")).json()
    listed = (await world.http.get(address)).json()

    assert (unsigned.status_code, unsigned.json()["error"]) == (422, "SignatureInvalid")
    assert signed.status_code == 202
    assert revoked.pop("revokedAt")
    assert revoked == added
    assert [row["keyId"] for row in listed["items"]] == [added["keyId"]]


async def test_an_operator_makes_a_publisher_official(world):
    publisher_id = await a_publisher(world)
    address = f"{MARKET}/publishers/{publisher_id}/official"

    marked = await world.http.post(address, json={"isOfficial": True}, headers=operator(world))
    body = (await submit(world)).json()
    seen = (await world.http.get(f"{MARKET}/publishers/{publisher_id}", headers=operator(world))).json()

    assert marked.json()["isOfficial"] is True
    assert body["trustLevelTarget"] == "Official"
    assert seen["displayName"] == "Northwind"


async def test_an_operator_suspends_and_reinstates_a_publisher(world):
    address = f"{MARKET}/publishers/{await a_publisher(world)}"

    own = await world.http.post(f"{address}/suspend", json={"reason": "x"})
    stopped = await world.http.post(f"{address}/suspend", json={"reason": "Malware"}, headers=operator(world))
    refused = await submit(world)
    back = await world.http.post(f"{address}/reinstate", headers=operator(world))

    assert (own.status_code, stopped.json()["status"]) == (403, "Suspended")
    assert (refused.status_code, refused.json()["error"]) == (403, "PublisherNotVerified")
    assert back.json()["status"] == "Verified"


async def test_what_publishing_answers_is_what_the_document_says(world):
    oracle = Oracle()
    world.http.event_hooks["response"].append(oracle.look)
    made = (await world.http.post(f"{MARKET}/publishers", json=NEW)).json()
    address = f"{MARKET}/publishers/{made['publisherId']}"
    world.services.publishers._proof.everything = True

    await world.http.post(f"{address}/verify")
    await world.http.post(f"{MARKET}/validate", files={"package": ("p.zip", a_package())})
    done = await ended(world, (await submit(world)).json()["submissionId"])
    key = (await world.http.post(f"{address}/keys", json={"publicKey": Signing().public})).json()
    await world.http.post(f"{address}/keys/{key['keyId']}/revoke")
    for path in (f"{MARKET}/publishers", address, f"{address}/keys", f"{address}/submissions", done["scanReport"]):
        await world.http.get(path)
    for path, body in (("official", {"isOfficial": True}), ("suspend", {"reason": "Malware"}), ("reinstate", None)):
        await world.http.post(f"{address}/{path}", json=body, headers=operator(world))

    rows = (*PUBLISHER_OPERATIONS, *SUBMISSION_OPERATIONS)
    told = {(one.endpoint.__name__, status) for one in rows for status in one.answers}
    assert told - oracle.seen == set()
