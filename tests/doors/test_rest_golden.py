"""One file for each documented body: what the door says, word for word, and in which order (decisions 9.3, 9.4)."""

from __future__ import annotations

import json

import pytest

from tests.doors.golden import FOLDER, golden
from tests.doors.onboarding import SUITE, exported, imported, onboarding
from tests.doors.rest import BUNDLE, HUB, upload
from tests.world import a_world

ASYNC = {"prefer": "respond-async"}


@pytest.fixture
async def world(tmp_path):
    async with a_world(tmp_path) as world:
        await onboarding(world)
        yield world


@pytest.fixture
async def idle_world(tmp_path):
    """Nobody runs imports here."""
    async with a_world(tmp_path, role="web") as world:
        await onboarding(world)
        yield world


async def got(world, path):
    return (await world.http.get(path)).json()


async def export_and_its_neighbours(world):
    export = await exported(world)
    await world.http.post(f"{HUB}/packages/export", json=SUITE)
    await world.http.post(f"{HUB}/packages/export", json=SUITE | {"version": "two"})
    asked = {"tenantId": "acme-dev", "artifactIds": ["proc-1001"]}
    return {
        "preview": (await world.http.post(f"{HUB}/packages/preview", json=asked)).json(),
        "export": export,
        "package": await got(world, f"{HUB}/packages/{export['packageId']}"),
        "export-history": await got(world, f"{HUB}/packages/history?tenantId=acme-dev"),
        "processes": await got(world, "/api/processes?tenantId=acme-prod"),
        "forms": await got(world, "/api/forms?tenantId=acme-prod"),
        "apps": await got(world, "/api/apps?tenantId=acme-prod"),
    }


async def import_that_waits_and_is_decided(world):
    waiting = (await imported(world, (await exported(world))["packageId"])).json()
    record = f"{HUB}/imports/{waiting['importId']}"
    looked_at = await got(world, record)
    decisions = {"resolutions": [{"conflictId": "conf-001", "strategy": "Replace"}]}
    ended = (await world.http.post(waiting["resumeUrl"], json=decisions)).json()
    first, *_, last = [json.loads(line) for line in (await world.http.get(f"{record}/events")).text.splitlines()]
    return {
        "import-409": waiting,
        "import-waiting": looked_at,
        "import-success": ended,
        "import-audit": await got(world, f"{record}/audit"),
        "scan-report": await got(world, f"{record}/scan-report"),
        "imports": await got(world, f"{HUB}/imports"),
        "installed": await got(world, f"{HUB}/installed"),
        "plan-of-an-import": await got(world, f"{HUB}/plans/{ended['planId']}"),
        "events-first-and-last": [first, last | {"firstSeq": "<number>", "seq": "<number>"}],
    }


async def plan_and_its_actions(world):
    package_id = (await exported(world))["packageId"]
    plan = (await imported(world, package_id, dryRun=True)).json()
    return {
        "dry-run": plan,
        "plan-actions": await got(world, f"{HUB}/plans/{plan['planId']}/actions"),
    }


async def failures(world):
    failed = (await upload(world, b"no archive", targetTenantId="acme-prod")).json()
    wrong = {"targetTenantId": "acme-prod", "defaultConflictStrategy": "Burn"}
    return {
        "import-failed": failed,
        "refusal": (await upload(world, **wrong)).json(),
    }


async def imports_in_line(world):
    accepted = (await upload(world, headers=ASYNC, targetTenantId="acme-prod")).json()
    running = await got(world, accepted["statusUrl"])
    cancelled = (await world.http.post(f"{accepted['statusUrl']}/cancel")).json()
    retried = await world.http.post(f"{accepted['statusUrl']}/retry", headers=ASYNC)
    headers = {"content-type": "application/zip", "x-tenant-id": "acme-prod"}
    return {
        "import-202": accepted,
        "import-running": running,
        "import-cancelled": cancelled,
        "import-retried": await got(world, retried.json()["statusUrl"]),
        "imports-in-line": await got(world, f"{HUB}/imports"),
        "upload": (await world.http.post(f"{HUB}/uploads", content=BUNDLE, headers=headers)).json(),
    }


STORIES = [export_and_its_neighbours, import_that_waits_and_is_decided, plan_and_its_actions, failures]


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.__name__)
async def test_each_body_is_the_documented_one(world, story):
    bodies = await story(world)

    for name, body in bodies.items():
        told, expected = golden(name, body)
        assert told == expected, name
        assert json.dumps(told) == json.dumps(expected), f"{name}: documented members come first, ours after them"


async def test_each_body_of_an_import_in_line_is_the_documented_one(idle_world):
    bodies = await imports_in_line(idle_world)

    for name, body in bodies.items():
        told, expected = golden(name, body)
        assert json.dumps(told) == json.dumps(expected), name


def test_every_file_is_compared():
    told = {
        *("preview", "export", "package", "export-history", "processes", "forms", "apps"),
        *("import-409", "import-waiting", "import-success", "import-audit", "scan-report", "imports", "installed"),
        *("plan-of-an-import", "events-first-and-last", "dry-run", "plan-actions", "import-failed", "refusal"),
        *("import-202", "import-running", "import-cancelled", "import-retried", "imports-in-line", "upload"),
    }

    assert {file.stem for file in FOLDER.glob("*.json")} == told
