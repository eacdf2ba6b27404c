"""One of everything that a tenant can have and an id can name, made through the doors: what no stranger may find."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from tests.doors.graphql_world import Asking
from tests.doors.market_world import MARKET
from tests.doors.rest import BUNDLE, EXAMPLES, HUB, upload, with_other_rules
from tests.journeys.test_curation import COVERED, FORBIDDEN
from tests.journeys.test_publishers import Signing
from tests.market import PUBLISH, a_package, a_verified_publisher, checked, published, submitted
from tests.unit.test_certifying import README
from tests.world import EVERYTHING, World

#: who owns it all; ``with_other_rules`` saves into a tenant of this name
OWNER, STRANGER = "target", "globex"
WEBHOOK = "mutation($input: CreateWebhookInput!) { createWebhook(input: $input) { webhook { webhookId } } }"
SCOPES = (*EVERYTHING, PUBLISH, "marketplace:install", "marketplace:install:community")


def somebody(world: World, tenant: str, subject: str = "") -> dict[str, str]:
    """The headers of somebody who may do everything that there is to do in one tenant."""
    return world.headers(tenant, scopes=SCOPES, sub=subject or f"anna@{tenant}.example")


async def belongings(world: World) -> dict[str, str]:
    """An id of the owner's for each kind of thing. Imports wait and plans are open, so everything could be done."""
    for tenant in (OWNER, STRANGER):
        await world.tenant(tenant)
    owner = somebody(world, OWNER)
    return {"tenant": OWNER} | await _moved(world, owner) | await _offered(world, owner) | await _told(world, owner)


async def _made(world: World, address: str, headers: Mapping[str, str], **body: Any) -> Any:
    answer = await world.http.post(address, headers=dict(headers), **body)
    assert answer.status_code < 300, (address, answer.text)
    return answer.json()


async def _moved(world: World, owner: dict[str, str]) -> dict[str, str]:
    await world.load(OWNER, EXAMPLES / "acme-source" / "artifacts" / "forms")
    await world.load(OWNER, EXAMPLES / "acme-source" / "artifacts" / "rules")
    wish = {"tenantId": OWNER, "packageName": "Rules", "packageType": "config-package", "artifactIds": ["rule-305"]}
    package = (await _made(world, f"{HUB}/packages/export", owner, json=wish | {"version": "1.0.0"}))["packageId"]
    await world.services.rescans.scan_due()
    scans = (await world.http.get(f"{HUB}/rescans", headers=owner)).json()["items"]
    stored = await _made(world, f"{HUB}/uploads", owner | {"content-type": "application/zip"}, content=BUNDLE)
    forbidden = (await upload(world, a_package("Bad", artifacts=[FORBIDDEN]), headers=owner)).json()["importId"]
    asked = {"findingIndex": 0, "explanation": "It is meant"}
    exception = await _made(world, f"{HUB}/imports/{forbidden}/scan-exception", owner, json=asked)
    await with_other_rules(world)
    waiting = (await upload(world, headers=owner)).json()
    planned = await upload(world, headers=owner, path="plans")
    artifact = "{ viewer { tenants { nodes { id artifacts { nodes { id } } } } } }"
    (tenant,) = (await Asking(world, owner).data(artifact))["viewer"]["tenants"]["nodes"]
    return {
        "package": package,
        "rescan": scans[0]["rescanId"],
        "upload": stored["uploadId"],
        "import": waiting["importId"],
        "forbidden import": forbidden,
        "import exception": exception["exceptionId"],
        "conflict": "conf-001",
        "plan": planned.json()["planId"],
        "tenant node": tenant["id"],
        "artifact node": tenant["artifacts"]["nodes"][0]["id"],
    }


async def _offered(world: World, owner: dict[str, str]) -> dict[str, str]:
    publisher = await a_verified_publisher(world, OWNER)
    shown = await published(world, publisher=OWNER, name="Shown")
    hidden = await published(world, publisher=OWNER, name="Hidden")
    await _made(world, f"{MARKET}/packages/{hidden.listing_id}/unlist", owner, json={"reason": "Not yet"})
    rejected = await checked(world, await submitted(world, a_package("Bad", artifacts=[FORBIDDEN]), publisher))
    asked = f"{MARKET}/submissions/{rejected.submission_id}/scan-exception"
    exception = await _made(world, asked, owner, json={"findingIndex": 0, "explanation": "It is meant"})
    order: dict[str, Any] = {"requests_certification": True, "coverage": COVERED}
    raw = a_package("Waiting", readme=README.replace("1.1.0", "1.0.0").encode())
    waiting = await checked(world, await submitted(world, raw, publisher, **order))
    # from now on every package has to be signed
    keys = f"{MARKET}/publishers/{publisher.publisher_id}/keys"
    key = await _made(world, keys, owner, json={"publicKey": Signing().public})
    return {
        "publisher": publisher.publisher_id,
        "publisher key": key["keyId"],
        "listing": shown.listing_id,
        "hidden listing": hidden.listing_id,
        "submission": waiting.submission_id,
        "rejected submission": rejected.submission_id,
        "exception": exception["exceptionId"],
    }


async def _told(world: World, owner: dict[str, str]) -> dict[str, str]:
    """What a tenant does with the packages of another."""
    theirs = await published(world, publisher="northwind", name="Theirs")
    package = f"{MARKET}/packages/{theirs.listing_id}"
    started = await _made(
        world, f"{package}/install", owner, json={"targetTenantId": OWNER, "acknowledgeCommunityPackage": True}
    )
    ended = await world.http.get(f"{started['statusUrl'].removesuffix('status')}events", headers=owner)
    assert ended.status_code == 200
    review = await _made(world, f"{package}/reviews", owner, json={"rating": 4, "title": "Good", "body": "It works."})
    said = {"severity": "High", "description": "It shows too much"}
    report = await _made(world, f"{package}/report-vulnerability", owner, json=said)
    caller = Asking(world, owner)
    hook = await caller.data(WEBHOOK, input={"tenantId": OWNER, "url": "http://127.0.0.1:9/hook"})
    return {
        "install": started["installId"],
        "review": review["reviewId"],
        "report": report["reportId"],
        "webhook": hook["createWebhook"]["webhook"]["webhookId"],
        "notification": await _notice(caller),
    }


async def _notice(caller: Asking) -> str:
    """The id of what the caller was told; a worker writes it."""
    async with asyncio.timeout(20):
        while True:
            told = await caller.data("{ viewer { notifications { nodes { id } } } }")
            if nodes := told["viewer"]["notifications"]["nodes"]:
                return str(nodes[0]["id"])
            await asyncio.sleep(0.1)
