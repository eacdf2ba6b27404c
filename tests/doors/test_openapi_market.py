"""The marketplace answers as its OpenAPI document tells: each answer once, and what is refused."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import pytest_asyncio

from domain.access import PLATFORM, Right
from domain.market.model import TrustLevel
from rest_compat import marketplace
from rest_compat.openapi import DESCRIBED_FORMS, codes_of
from rest_compat.operations import JSON, Operation
from tests.doors.market_world import MARKET, RUN_MARKET, somebody
from tests.doors.oracle import Oracle
from tests.doors.test_rest_installs import SCOPES
from tests.doors.test_rest_publishing import FAILING, FIELDS, NEW
from tests.journeys.test_curation import WARNED
from tests.journeys.test_publishers import Signing
from tests.makers import a_rule_set
from tests.market import PUBLISH, Shown, a_package, published
from tests.unit.test_certifying import README
from tests.world import World, a_world

pytestmark = pytest.mark.asyncio(loop_scope="module")

#: the tenant of the examples
BUYER = "acme-prod"
COVERAGE = b"SF:a\nLF:10\nLH:9\nBRF:4\nBRH:2\nend_of_record\n"
SETTLED = {"Listed", "Rejected", "AwaitingHumanReview"}
#: refusals that a request can bring about whenever it likes
AT_WILL = {400, 401, 403, 404, 409, 415, 422}
#: to leave what nobody knows is no error
NEVER = {("unsubscribe", 404)}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def oracle() -> Oracle:
    return Oracle()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(tmp_path_factory: pytest.TempPathFactory, oracle: Oracle) -> AsyncIterator[World]:
    """A marketplace of its own; every domain shows what its owner was asked to show."""
    async with a_world(tmp_path_factory.mktemp("market")) as made:
        for tenant in ("northwind", BUYER):
            await made.tenant(tenant)
        made.services.publishers._proof = Shown(everything=True)
        made.http.event_hooks["response"].append(oracle.look)
        yield made


@pytest.fixture
def idle_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INSTALLHUB_LIMIT_REST_WAIT", "1")


def paula(world: World) -> dict[str, str]:
    """Somebody of the publisher."""
    return somebody(world, "northwind", PUBLISH, subject="paula")


def olga(world: World) -> dict[str, str]:
    """Somebody who runs the market."""
    return somebody(world, "market", RUN_MARKET, subject="olga")


def ina(world: World) -> dict[str, str]:
    """Somebody who installs."""
    return somebody(world, BUYER, *SCOPES, subject="ina")


def everybody(world: World) -> dict[str, str]:
    """A caller with every permission in two tenants."""
    scopes = {scope for right in Right for scope in right.scopes} - {PLATFORM}
    return world.headers("northwind", BUYER, scopes=sorted(scopes))


async def post(world: World, path: str, who: dict[str, str], key: str = "", **body: Any) -> httpx.Response:
    keyed = who | ({"Idempotency-Key": key} if key else {})
    return await world.http.post(f"{MARKET}/{path}", json=body, headers=keyed)


async def get(world: World, path: str, who: dict[str, str] | None = None) -> Any:
    return (await world.http.get(f"{MARKET}/{path}", headers=who)).json()


async def act(world: World, path: str, who: dict[str, str]) -> httpx.Response:
    """A request without a body."""
    return await world.http.post(f"{MARKET}/{path}", headers=who)


async def test_what_a_working_marketplace_answers_is_what_the_document_says(
    world: World, oracle: Oracle, idle_settings: None, tmp_path: Any
):
    publisher = await _publishers(world)
    await _submissions(world, publisher)
    await _certification(world, publisher)
    await _offered(world)
    await _installs(world)
    await _reviews(world)
    await _elsewhere(world)
    await _previews_that_take_long(oracle, tmp_path)
    await _unheard(world)

    told = {
        (one.endpoint.__name__, status)
        for one in marketplace.OPERATIONS
        for status in {*one.answers, *AT_WILL.intersection(codes_of(one))}
    }
    assert told - oracle.seen == NEVER


async def _publishers(world: World) -> str:
    """The id of a publisher that went through everything a publisher can."""
    who, boss = paula(world), olga(world)
    made = (await post(world, "publishers", who, "made", **NEW)).json()
    await post(world, "publishers", who, "made", **NEW | {"displayName": "Other"})
    await post(world, "publishers", who, **NEW)
    one = f"publishers/{made['publisherId']}"
    await act(world, f"{one}/verify", who)
    key = (await post(world, f"{one}/keys", who, publicKey=Signing().public)).json()
    await act(world, f"{one}/keys/{key['keyId']}/revoke", who)
    await post(world, f"{one}/keys", who, publicKey=key["publicKey"])
    for is_official in (True, False):
        await post(world, f"{one}/official", boss, isOfficial=is_official)
    await post(world, f"{one}/suspend", boss, reason="It was taken over.")
    await act(world, f"{one}/verify", who)
    await act(world, f"{one}/reinstate", boss)
    for path in ("publishers", one, f"{one}/keys", f"{one}/dashboard"):
        await get(world, path, who)
    return str(made["publisherId"])


async def _submissions(world: World, publisher: str) -> None:
    """Packages that are taken, that are not, and what people are asked to look at."""
    who, boss = paula(world), olga(world)
    for part in ("package", "colour"):
        await world.http.post(f"{MARKET}/validate", files={part: ("p.zip", a_package())}, headers=who)
    for fields in ({"category": "gardening"}, {"publisherId": "pub-unknown"}):
        await _submit(world, a_package(), **fields)
    listed = await _submitted(world, a_package("Loud", artifacts=[WARNED]), key="sent")
    await _submit(world, a_package("Loud", artifacts=[WARNED]), key="sent", description="Anew")
    rejected = await _submitted(world, a_package("Bad", artifacts=[FAILING]))
    for query in ("", "?page=x"):
        await get(world, f"publishers/{publisher}/submissions{query}", who)
    await get(world, f"submissions/{rejected}/scan-report", who)

    asked = f"submissions/{rejected}/scan-exception"
    wish: dict[str, Any] = {"findingIndex": 0, "explanation": "A label"}
    exception = (await post(world, asked, who, "asked", **wish)).json()["exceptionId"]
    await post(world, asked, who, "asked", **wish | {"explanation": "Another"})
    await post(world, asked, who, **wish)
    await get(world, "scan-exceptions", boss)
    for _ in range(2):
        await post(world, f"{asked}/{exception}/decide", boss, decision="Approve")
    await get(world, f"{asked}/{exception}", who)

    look = f"submissions/{listed}"
    await post(world, f"{look}/request-manual-review", who, "looked", explanation="A word")
    await post(world, f"{look}/request-manual-review", who, "looked", explanation="Another")
    await post(world, f"{look}/request-manual-review", who, explanation="Again")
    await get(world, "manual-reviews", boss)
    for _ in range(2):
        await post(world, f"{look}/manual-review", boss, decision="Approve", details="So it is")
    await get(world, f"{look}/manual-review", who)


async def _certification(world: World, publisher: str) -> None:
    """A version that people certify, and what becomes of that."""
    who, boss = paula(world), olga(world)
    raw = a_package("Onboarding", readme=README.replace("1.1.0", "1.0.0").encode())
    wish: dict[str, Any] = {"requestCertification": "true", "coverageReport": COVERAGE}
    submission = await _submitted(world, raw, **wish)
    await _submit(world, raw, **wish)
    await get(world, "review-queue", boss)
    keys, verdict = f"publishers/{publisher}/keys", {"decision": "Approve", "details": "Fine"}
    key = (await post(world, keys, who, publicKey=Signing().public)).json()
    # it was submitted without a signature
    await post(world, f"submissions/{submission}/review", boss, **verdict)
    await act(world, f"{keys}/{key['keyId']}/revoke", who)
    for _ in range(2):
        await post(world, f"submissions/{submission}/review", boss, **verdict)
    package = f"packages/{(await get(world, f'submissions/{submission}/status', boss))['packageId']}"
    await get(world, f"{package}/certification")
    for _ in range(2):
        await post(world, f"{package}/revoke-certification", boss, reason="It is looked into.")
    for _ in range(2):
        await act(world, f"{package}/versions/1.0.0/certify", boss)


async def _offered(world: World) -> None:
    """What publishers do with a package, what those do who run the market, and what everybody reports."""
    who, boss = paula(world), olga(world)
    made = await published(world, name="Tool")
    await published(world, name="Tool", version="1.1.0")
    one = f"packages/{made.listing_id}"
    await world.http.patch(f"{MARKET}/{one}", json={"tags": ["forms"]}, headers=who)
    for path in (one, f"{one}/versions", f"{one}/versions?page=x", "packages", "packages/featured"):
        await get(world, path)
    await get(world, f"{one}/analytics", who)

    report = {"severity": "High", "description": "It shows too much"}
    reported = (await post(world, f"{one}/report-vulnerability", ina(world), "told", **report)).json()["reportId"]
    await post(world, f"{one}/report-vulnerability", ina(world), "told", **report | {"severity": "Low"})
    await get(world, "vulnerability-reports", boss)
    for _ in range(2):
        await post(world, f"vulnerability-reports/{reported}/decide", boss, decision="Dismiss")

    await act(world, f"{one}/versions/1.1.0/certify", boss)
    for path in ("1.0.0/deprecate", "1.1.0/yank", "1.1.0/yank", "1.1.0/deprecate"):
        await post(world, f"{one}/versions/{path}", who, reason="It is old")
    await act(world, f"{one}/versions/1.1.0/certify", boss)
    await _not_installed_anew(world, made.listing_id)
    await post(world, f"{one}/relist", who, explanation="Mended")
    for _ in range(2):
        await post(world, f"{one}/unlist", who, reason="Anew")
    await post(world, f"{one}/relist", who, explanation="Mended")
    await get(world, "flagged-packages", boss)
    for _ in range(2):
        await post(world, f"{one}/reinstate", boss, details="Fine")
    for _ in range(2):
        await post(world, f"{one}/suspend", boss, reason="Look into it")


async def _not_installed_anew(world: World, listing: str) -> None:
    for path in ("install", "preview"):
        asked = {"targetTenantId": BUYER, "version": "1.0.0"}
        answer = await post(world, f"packages/{listing}/{path}", ina(world), **asked)
        assert answer.status_code == 409, answer.text


async def _installs(world: World) -> None:
    """Installs that go well, that wait, that fail, and what an install would do."""
    who = ina(world)
    asked: dict[str, Any] = {"targetTenantId": BUYER}
    rules, others = (a_rule_set("rule-1", name="Kit rules", note=note) for note in ("one", "two"))
    kit = await published(world, name="Kit", artifacts=[rules])
    one = f"packages/{kit.listing_id}"
    plan = (await post(world, f"{one}/preview", who, "seen", **asked)).json()["planId"]
    for path in (plan, f"{plan}/actions"):
        await world.http.get(f"/api/installhub/plans/{path}", headers=who)
    await post(world, f"{one}/preview", who, "seen", **asked, version="1.0.0")
    assert (await post(world, f"{one}/install", who, **asked)).status_code == 400
    asked["acknowledgeCommunityPackage"] = True
    assert await _installed(world, one, key="put", **asked) == "Success"
    await post(world, f"{one}/install", who, "put", **asked, version="1.0.0")
    assert await _installed(world, one, **asked, dryRun=True) == "Success"
    await published(world, name="Kit", version="1.1.0", artifacts=[others])
    assert await _installed(world, one, **asked) == "ConflictResolution"
    lost = await published(world, name="Lost", trust=TrustLevel.CERTIFIED)
    await world.services.blobs.delete(lost.version.blob_key)
    await get(world, "installed", world.headers(BUYER))
    for path in ("subscribe", "unsubscribe"):
        await post(world, f"{one}/{path}", who, tenantId=BUYER)


async def _reviews(world: World) -> None:
    """What those say who have a package, and what moderators let others read."""
    who, boss = ina(world), olga(world)
    one = f"packages/{(await get(world, 'packages?q=kit'))['items'][0]['packageId']}"
    review: dict[str, Any] = {"rating": 5, "title": "Good", "body": "It works."}
    kept = (await post(world, f"{one}/reviews", who, "said", **review)).json()["reviewId"]
    await post(world, f"{one}/reviews", who, "said", **review | {"rating": 1})
    await post(world, f"{one}/reviews", who, **review)
    await get(world, "reviews/moderation", boss)
    await post(world, f"reviews/{kept}/moderate", boss, verdict="approve")
    for query in ("", "?page=x"):
        await get(world, f"{one}/reviews{query}")
    await act(world, f"reviews/{kept}/helpful", who)
    await act(world, f"reviews/{kept}/helpful", paula(world))
    await post(world, f"reviews/{kept}/flag", paula(world), reason="An advertisement")
    for verdict in ("reject", "approve"):
        await post(world, f"reviews/{kept}/moderate", boss, verdict=verdict)


async def _elsewhere(world: World) -> None:
    """What another installation tells of its tenants and people."""
    robot = somebody(world, "elsewhere", "marketplace:report", subject="robot")
    kit = (await get(world, "packages?q=kit"))["items"][0]["packageId"]
    tenant, ina, ben = "1" * 64, "a" * 64, "b" * 64
    of_ina: dict[str, Any] = {"tenant": tenant, "person": ina, "author": "Ina"}
    said: dict[str, Any] = of_ina | {"packageId": kit, "rating": 4, "title": "Good", "body": "It works."}
    await post(world, "reported/reviews", robot, **said)
    for listing in (kit, "mkt-pkg-unknown"):
        await post(world, "reported/installs", robot, tenant=tenant, packageId=listing, version="1.0.0")
    await _beyond_the_limit(world, robot, kit)
    written = (await post(world, "reported/reviews", robot, "said", **said)).json()["reviewId"]
    await post(world, "reported/reviews", robot, "said", **said | {"rating": 1})
    for about in (said, said | {"packageId": "mkt-pkg-unknown"}):
        await post(world, "reported/reviews", robot, **about)
    await post(world, f"reviews/{written}/moderate", olga(world), verdict="approve")
    for person in (ina, ben):
        await post(world, f"reported/reviews/{written}/helpful", robot, **of_ina | {"person": person})
    await post(world, f"reported/reviews/{written}/flag", robot, **of_ina | {"person": ben}, reason="An advertisement")


async def _beyond_the_limit(world: World, robot: dict[str, str], listing: str) -> None:
    """One tenant more than the hub counts of an installation."""
    reported = world.services.reported
    most, reported._tenants_max = reported._tenants_max, 1
    refused = await post(world, "reported/installs", robot, tenant="2" * 64, packageId=listing, version="1.0.0")
    reported._tenants_max = most
    assert refused.status_code == 409, refused.text


async def _previews_that_take_long(oracle: Oracle, folder: Any) -> None:
    """Where nobody plans, a preview goes on without its caller."""
    async with a_world(folder, role="web") as idle:
        idle.http.event_hooks["response"].append(oracle.look)
        await idle.tenant(BUYER)
        listing = await published(idle)
        await post(idle, f"packages/{listing.listing_id}/preview", ina(idle), targetTenantId=BUYER)


async def _unheard(world: World) -> None:
    """Requests that come to nothing, at every address."""
    for one in marketplace.OPERATIONS:
        path = re.sub(r"\{\w+\}", "nobody", one.path)
        await world.http.request(one.method, path, headers={"authorization": "none"})
        await world.http.request(one.method, path, headers=somebody(world), json=example(one))
        known = everybody(world) | {"x-tenant-id": BUYER}
        await world.http.request(one.method, path, headers=known, json=example(one))
        await world.http.request(one.method, path, headers=known, content=b"x")
        odd = dict.fromkeys(("page", "period", "status", "method"), "?")
        await world.http.request(one.method, path, headers=known, json=[], params=odd)
        await world.http.request(one.method, path, headers=known | {"x-tenant-id": "of-somebody-else"})


def example(operation: Operation) -> Any:
    """What the document shows of an operation's JSON body."""
    form = operation.takes.get(JSON)
    return DESCRIBED_FORMS[form].model_json_schema()["examples"][0] if form else None  # type: ignore[index]


async def _submit(world: World, raw: bytes, key: str = "", **fields: Any) -> httpx.Response:
    parts: dict[str, Any] = {name: (None, value) for name, value in (FIELDS | fields).items()}
    parts["package"] = ("p.zip", raw, "application/zip")
    keyed = paula(world) | ({"Idempotency-Key": key} if key else {})
    return await world.http.post(f"{MARKET}/submit", files=parts, headers=keyed)


async def _submitted(world: World, raw: bytes, key: str = "", **fields: Any) -> str:
    """The id of a submission that the automatic checks have let go."""
    answer = await _submit(world, raw, key, **fields)
    body, who = answer.json(), paula(world)
    async with asyncio.timeout(20):
        while (await get(world, f"submissions/{body['submissionId']}/status", who))["status"] not in SETTLED:
            await asyncio.sleep(0.02)
    return str(body["submissionId"])


async def _installed(world: World, listing: str, key: str = "", **asked: Any) -> str:
    """How an install stands once it goes on no more by itself; it is looked at as the import that it is, too."""
    who = ina(world)
    started = (await post(world, f"{listing}/install", who, key, **asked)).json()
    async with asyncio.timeout(20):
        while True:
            body = await get(world, f"installs/{started['installId']}/status", who)
            if body["status"] != "InProgress" or "waitingFor" in body:
                break
            await asyncio.sleep(0.02)
    imported = f"/api/installhub/imports/{started['installId'].replace('mkt-install', 'imp')}"
    # of one that waits, more events will come
    ended = [] if "waitingFor" in body else ["/events"]
    for path in ("", "/audit", "/scan-report", *ended):
        await world.http.get(f"{imported}{path}", headers=who)
    if ended:
        await _followed(world, f"{MARKET}/installs/{started['installId']}/events")
    return str(body.get("waitingFor", body["status"]))


async def _followed(world: World, events: str) -> None:
    """An install that is over, told whole, and to somebody who has seen its end."""
    whole = await world.http.get(events, headers=ina(world))
    last = json.loads(whole.text.splitlines()[-1])["seq"]
    seen = {"accept": "text/event-stream", "last-event-id": str(last)}
    await world.http.get(events, headers=ina(world) | seen)
    await world.http.get(f"{events}?after=x", headers=ina(world))
