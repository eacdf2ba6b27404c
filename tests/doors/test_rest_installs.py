"""Installing over REST: A3's bodies as they are printed, and what may go wrong (source: marketplace-install; R30)."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from domain.errors import ErrorCode, Problem
from domain.import_model import (
    EventKind,
    Failure,
    ImportJob,
    ImportKind,
    ImportMode,
    ImportState,
    Progress,
    ProgressEvent,
    Stage,
)
from domain.market.model import InstallWish, ListingId, TrustLevel
from domain.model import Actor, ImportId, TenantId
from domain.options import ImportOptions
from rest_compat import install_bodies
from tests.clocks import NOON
from tests.makers import a_rule_set
from tests.market import Published, published, store_of
from tests.world import World, a_world

MARKET = "/api/marketplace"
SCOPES = ("installhub:import", "marketplace:install", "marketplace:install:community")
CERTIFIED = TrustLevel.CERTIFIED

# the bodies of the source document
STARTED = {
    "installId": "mkt-install-b7c8d9",
    "status": "InProgress",
    "statusUrl": "/api/marketplace/installs/mkt-install-b7c8d9/status",
    "estimatedSeconds": 15,
}
IN_PROGRESS = {"status": "InProgress", "stage": "Installing", "progress": "3 of 5 artifacts installed"}
COMPLETE = {
    "status": "Success",
    "importId": "imp-b7c8d9",
    "artifactsInstalled": 5,
    "conflictsResolved": 1,
    "completedAt": "2026-05-25T10:31:00Z",
}
FAILED = {
    "status": "Failed",
    "stage": "SecurityScan",
    "error": "SecurityScanFailed",
    "message": "Package scan returned FAIL — installation blocked",
    "rolledBack": True,
}
ACKNOWLEDGMENT = {
    "error": "AcknowledgmentRequired",
    "message": "This is a Community package. Set 'acknowledgeCommunityPackage': true to confirm.",
}


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with a_world(tmp_path) as made:
        yield made


def a_job(**fields: Any) -> ImportJob:
    job = ImportJob(
        import_id=ImportId("imp-b7c8d9"),
        tenant_id=TenantId("tenant-abc123"),
        kind=ImportKind.INSTALL,
        mode=ImportMode.APPLY,
        state=ImportState.RUNNING,
        options=ImportOptions(),
        packages=(),
        submitted_by=Actor("ina"),
        submitted_at=NOON,
        stage=Stage.INSTALLATION,
        install=InstallWish(ListingId("mkt-pkg-1"), None, acknowledged=True),
    )
    return replace(job, **fields)


def as_printed(body: dict[str, Any]) -> list[tuple[str, Any]]:
    """Members in their order."""
    return list(body.items())


def test_the_answer_to_an_install_is_as_printed():
    assert as_printed(install_bodies.started(a_job(), 15, [])) == as_printed(STARTED)


def test_the_three_statuses_are_as_printed():
    told = Progress(Stage.INSTALLATION, 3, 5, 60.0)
    event = ProgressEvent(
        ImportId("imp-b7c8d9"), 9, 9, NOON, EventKind.PROGRESS, ImportState.RUNNING, told, "3 of 5 artifacts installed"
    )
    ended = datetime(2026, 5, 25, 10, 31, tzinfo=UTC)
    outcome = {"artifactsInstalled": 5, "conflictsResolved": 1}
    done = a_job(state=ImportState.SUCCEEDED, ended_at=ended, outcome=outcome)
    scan = Problem(ErrorCode.SECURITY_SCAN_FAILED, FAILED["message"])  # type: ignore[arg-type]
    failure = Failure(Stage.SECURITY_SCAN, "SecurityScanFailed", scan.message, 403, (scan,), {})
    failed = a_job(state=ImportState.FAILED, ended_at=ended, failure=failure)

    assert as_printed(install_bodies.status(a_job(), event)) == as_printed(IN_PROGRESS)
    assert as_printed(install_bodies.status(done, None)) == as_printed(COMPLETE)
    assert as_printed(install_bodies.status(failed, None)) == as_printed(FAILED)


@pytest.mark.parametrize(
    ("state", "stage", "told"),
    [
        (ImportState.QUEUED, None, "Queued"),
        (ImportState.RUNNING, Stage.DOWNLOAD, "Downloading"),
        (ImportState.RUNNING, Stage.VERIFICATION, "PostInstallVerification"),
    ],
)
def test_a_stage_is_told_in_the_words_of_the_documents(state, stage, told):
    body = install_bodies.status(a_job(state=state, stage=stage), None)

    assert (body["status"], body["stage"]) == ("InProgress", told)


@pytest.mark.parametrize(
    ("state", "error"),
    [(ImportState.EXPIRED, "ConflictRequiresResolution"), (ImportState.CANCELLED, "ImportCancelled")],
)
def test_an_install_that_nobody_decided_or_somebody_cancelled_has_failed(state, error):
    body = install_bodies.status(a_job(state=state, ended_at=NOON, stage=Stage.PLANNING), None)

    assert list(body) == list(FAILED)
    assert (body["status"], body["error"], body["rolledBack"]) == ("Failed", error, True)


async def _install(world: World, listing: str | Published, *, headers: Any = None, **body: Any) -> Any:
    named = listing if isinstance(listing, str) else listing.listing_id
    body = {"targetTenantId": "target", **body}
    asked = headers or world.headers("target", scopes=SCOPES)
    return await world.http.post(f"{MARKET}/packages/{named}/install", json=body, headers=asked)


async def _settled(world: World, started: Any) -> dict[str, Any]:
    """The status once it goes on no more by itself."""
    headers = world.headers("target", scopes=SCOPES)
    async with asyncio.timeout(30):
        while True:
            body: dict[str, Any] = (await world.http.get(started.json()["statusUrl"], headers=headers)).json()
            if body["status"] != "InProgress" or "waitingFor" in body:
                return body
            await asyncio.sleep(0.02)


async def test_a_package_is_installed_and_its_status_tells_how(world):
    await world.tenant("target")
    await published(world, name="Core", trust=CERTIFIED)
    suite = await published(world, name="Suite", trust=CERTIFIED, dependencies=[("Core", "1.0.0", None)])

    started = await _install(world, suite)
    done = await _settled(world, started)

    assert started.status_code == 202
    assert list(started.json()) == list(STARTED)
    assert started.headers["location"] == started.json()["statusUrl"]
    assert list(done) == list(COMPLETE)
    assert (done["artifactsInstalled"], done["conflictsResolved"]) == (2, 0)
    record = await world.http.get(f"/api/installhub/imports/{done['importId']}", headers=world.headers("target"))
    assert [row["packageName"] for row in record.json()["packages"]] == ["Core", "Suite"]


async def test_the_status_leads_to_the_events_and_to_the_import(world):
    await world.tenant("target")
    await world.tenant("other")
    started = await _install(world, await published(world, name="Rules", trust=CERTIFIED))
    done = await _settled(world, started)
    install_id, headers = started.json()["installId"], world.headers("target")
    events, record = f"{MARKET}/installs/{install_id}/events", f"/api/installhub/imports/{done['importId']}"

    status = await world.http.get(started.json()["statusUrl"], headers=headers)
    told, import_told = [await world.http.get(url, headers=headers) for url in (events, f"{record}/events")]
    frames = await world.http.get(events, headers={**headers, "accept": "text/event-stream", "last-event-id": "1"})
    foreign = await world.http.get(events, headers=world.headers("other"))

    assert status.headers["link"] == f'<{events}>; rel="monitor", <{record}>; rel="related"'
    assert (told.status_code, told.content) == (200, import_told.content)
    assert json.loads(told.content.splitlines()[-1])["isFinal"] is True
    assert (frames.headers["content-type"].split(";")[0], frames.text[:6]) == ("text/event-stream", "id: 2\n")
    assert (foreign.status_code, foreign.json()["what"]) == (404, "install")


async def test_the_version_of_the_index_that_an_install_was_resolved_against_is_told(world):
    await world.tenant("target")
    assert world.runtime.hub is not None
    listing = await published(world, name="Rules", trust=CERTIFIED)
    await world.runtime.hub.publish()
    version = (await world.http.get("/hub/metadata/timestamp.json")).json()["signed"]["version"]
    headers = world.headers("target", scopes=SCOPES)

    preview = await world.http.post(f"{MARKET}/packages/{listing.listing_id}/preview", json={}, headers=headers)
    done = await _settled(world, await _install(world, listing))
    record = await world.http.get(f"/api/installhub/imports/{done['importId']}", headers=headers)
    listed = await world.http.get("/api/installhub/imports?kind=INSTALL", headers=headers)

    told = [preview.json()["indexVersion"], record.json()["indexVersion"], listed.json()["items"][0]["indexVersion"]]
    assert (version > 0, told) == (True, [version] * 3)


async def test_a_community_package_wants_exactly_the_printed_acknowledgement(world):
    await world.tenant("target")
    listing = await published(world, name="Rules")

    bare = await _install(world, listing)
    given = await _install(world, listing, acknowledgeCommunityPackage=True)

    assert (bare.status_code, bare.json()) == (400, ACKNOWLEDGMENT)
    assert (await _settled(world, given))["status"] == "Success"


async def test_what_is_community_in_a_set_is_named(world):
    await world.tenant("target")
    core = await published(world, name="Core")
    suite = await published(world, name="Suite", trust=CERTIFIED, dependencies=[("Core", "1.0.0", None)])

    bare = await _install(world, suite)

    named = [{"packageName": "Core", "version": "1.0.0", "packageId": core.listing_id}]
    assert (bare.status_code, bare.json()) == (400, {**ACKNOWLEDGMENT, "packages": named})


async def test_an_install_waits_for_decisions_and_goes_on_with_them(world):
    await world.tenant("target")
    rules, others = (a_rule_set("rule-1", name="Rules rules", note=note) for note in ("one", "two"))
    listing = await published(world, name="Rules", trust=CERTIFIED, artifacts=[rules])
    await _settled(world, await _install(world, listing))
    await published(world, name="Rules", version="1.1.0", trust=CERTIFIED, artifacts=[others])

    started = await _install(world, listing)
    waiting = await _settled(world, started)
    rows = waiting["conflictReport"]["conflicts"]
    decided = {"resolutions": [{"conflictId": row["conflictId"], "strategy": "Replace"} for row in rows]}
    resumed = await world.http.post(waiting["resumeUrl"], json=decided, headers=world.headers("target"))

    assert list(waiting) == [
        *("status", "stage", "progress", "waitingFor", "importId", "resumeUrl", "expiresAt", "conflictReport")
    ]
    assert (waiting["stage"], waiting["progress"]) == ("Planning", "0 of 1 artifacts installed")
    assert resumed.status_code == 200
    assert (await _settled(world, started))["conflictsResolved"] == 1


async def test_a_dry_run_ends_well_and_tells_what_it_would_do(world):
    await world.tenant("target")
    listing = await published(world, name="Rules", trust=CERTIFIED)

    done = await _settled(world, await _install(world, listing, dryRun=True))

    assert list(done) == [*COMPLETE, "dryRun"]
    assert (done["status"], done["artifactsInstalled"]) == ("Success", 0)
    assert done["dryRun"]["wouldInstall"] == ["Rules rules"]


async def test_an_install_may_name_its_plan(world):
    await world.tenant("target")
    listing = await published(world, name="Rules", trust=CERTIFIED)
    other = await published(world, name="Others", trust=CERTIFIED)
    plan = (await _settled(world, await _install(world, listing, dryRun=True)))["dryRun"]

    beside = await _install(world, other, planId=plan["planId"])
    done = await _settled(world, await _install(world, listing, planId=plan["planId"]))

    assert (beside.status_code, beside.json()["what"]) == (404, "plan")
    assert (done["status"], done["artifactsInstalled"]) == ("Success", 1)


async def test_a_preview_tells_what_would_come_and_what_it_could_do(world):
    await world.tenant("target")
    await published(world, name="Core")
    suite = await published(world, name="Suite", dependencies=[("Core", "1.0.0", None)])

    seen = await world.http.post(
        f"{MARKET}/packages/{suite.listing_id}/preview",
        json={"targetTenantId": "target"},
        headers=world.headers("target", scopes=SCOPES),
    )

    body = seen.json()
    assert seen.status_code == 200
    assert list(body)[:9] == [
        *("packageId", "version", "targetTenantId", "wouldInstall", "conflicts", "packageDependenciesCheck"),
        *("securityScanResult", "platformCompatibility", "estimatedInstallTime"),
    ]
    assert body["wouldInstall"] == [
        {"type": "RuleSet", "name": "Core rules", "action": "CREATE"},
        {"type": "RuleSet", "name": "Suite rules", "action": "CREATE"},
    ]
    assert body["packageDependenciesCheck"] == {"satisfied": False, "missing": ["Core@1.0.0"]}
    assert body["platformCompatibility"]["compatible"] is True
    assert [row["trustLevel"] for row in body["packages"]] == ["Community", "Community"]
    assert body["powers"].keys() == {"hosts", "reads", "writes", "agentTools", "entities"}


async def test_hub_content_that_is_gone_fails_the_install_and_nothing_is_installed(world):
    await world.tenant("target")
    listing = await published(world, name="Rules", trust=CERTIFIED)
    await world.services.blobs.delete(listing.version.blob_key)

    failed = await _settled(world, await _install(world, listing))

    assert list(failed) == list(FAILED)
    assert (failed["stage"], failed["error"], failed["rolledBack"]) == ("Download", "HubContentRefused", True)
    async with store_of(world).view(TenantId("target")) as unit:
        assert await unit.imports.installed() == []


@pytest.mark.parametrize(
    ("body", "status", "told"),
    [
        ({"version": "9.9.9"}, 404, "NotFound"),
        ({"version": 3}, 400, "InvalidOptions"),
        ({"version": ""}, 400, "InvalidOptions"),
        ({"acknowledgeCommunityPackage": "yes"}, 400, "InvalidOptions"),
        ({"defaultConflictStrategy": "Destroy"}, 400, "InvalidOptions"),
        ({"targetTenantId": "elsewhere"}, 403, "TenantMismatch"),
        ({"allowSecurityWarnings": True}, 403, "InsufficientPermission"),
    ],
)
async def test_a_bad_order_is_refused_and_nothing_is_begun(world, body, status, told):
    await world.tenant("target")
    listing = await published(world, name="Rules", trust=CERTIFIED)

    answer = await _install(world, listing, **body)

    assert (answer.status_code, answer.json()["error"]) == (status, told)
    jobs = await world.http.get("/api/installhub/imports?tenantId=target", headers=world.headers("target"))
    assert jobs.json()["totalCount"] == 0


async def test_an_unknown_package_and_a_foreign_install_are_not_found(world):
    await world.tenant("target")
    await world.tenant("other")
    listing = await published(world, name="Rules", trust=CERTIFIED)
    started = await _install(world, listing)
    await _settled(world, started)

    unknown = await _install(world, "mkt-pkg-nothing")
    foreign = await world.http.get(started.json()["statusUrl"], headers=world.headers("other"))
    nothing = await world.http.get(f"{MARKET}/installs/mkt-install-nothing/status", headers=world.headers("other"))

    assert (unknown.status_code, unknown.json()["what"]) == (404, "package")
    assert (foreign.status_code, foreign.json()) == (404, nothing.json())


async def test_the_same_key_gives_the_same_install(world):
    await world.tenant("target")
    listing = await published(world, name="Rules", trust=CERTIFIED)
    headers = {**world.headers("target", scopes=SCOPES), "Idempotency-Key": "once"}

    first, again = await asyncio.gather(*(_install(world, listing, headers=headers) for _ in range(2)))
    other = await _install(world, listing, headers=headers, defaultConflictStrategy="Skip")

    assert first.json()["installId"] == again.json()["installId"]
    assert (other.status_code, other.json()["error"]) == (422, "IdempotencyKeyReused")
