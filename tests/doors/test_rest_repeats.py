"""Requests that come twice under one key: carried out once, answered the same before, during and after (R25)."""

from __future__ import annotations

import asyncio

import pytest
from sqlalchemy import update

from server.jobs import Worker
from storage.tables import upload as table
from tests.doors.rest import (
    BUNDLE,
    HUB,
    bearer,
    blob_files,
    exported_rules,
    problems_of,
    refer,
    upload,
    with_other_rules,
)
from tests.world import a_world

pytestmark = pytest.mark.rules

KEY = {"idempotency-key": "k-1"}
ASYNC = KEY | {"prefer": "respond-async"}
WISH = {"tenantId": "source", "packageName": "Rules", "packageType": "config-package", "artifactIds": ["rule-305"]}


@pytest.fixture
async def world(tmp_path, database_url):
    async with a_world(tmp_path, database_url=database_url) as world:
        for tenant in ("source", "target"):
            await world.tenant(tenant)
        world.http.headers.update(bearer(world, "source", "target"))
        yield world


@pytest.fixture
async def idle_world(tmp_path, database_url):
    """Nobody runs imports here until a test does."""
    async with a_world(tmp_path, database_url=database_url, role="web") as world:
        await world.tenant("target")
        world.http.headers.update(bearer(world, "target"))
        yield world


async def import_count(world):
    return (await world.http.get(f"{HUB}/imports?includeDryRuns=true")).json()["totalCount"]


@pytest.mark.parametrize("query", ["", "?dryRun=true"])
async def test_an_import_sent_again_is_answered_with_the_same_bytes_and_keeps_no_second_bundle(world, query):
    first = await upload(world, headers=KEY, query=query)

    again = await upload(world, headers=KEY, query=query)

    assert (first.status_code, again.status_code, again.content) == (200, 200, first.content)
    assert await import_count(world) == 1
    assert len(blob_files(world)) == 1


async def test_an_import_by_reference_sent_again_is_answered_with_the_same_bytes(world):
    package_id = await exported_rules(world)
    first = await refer(world, package_id, KEY, targetTenantId="target")

    again = await refer(world, package_id, KEY, targetTenantId="target")

    assert (first.status_code, again.content) == (200, first.content)
    assert await import_count(world) == 1
    assert len(blob_files(world)) == 1, "the exported package's own"


async def test_an_import_sent_again_is_answered_when_its_package_is_no_longer_kept(world):
    package_id = await exported_rules(world)
    first = await refer(world, package_id, KEY, targetTenantId="target")
    for path in blob_files(world):
        path.unlink()

    again = await refer(world, package_id, KEY, targetTenantId="target")
    anew = await refer(world, package_id, {"idempotency-key": "k-2"}, targetTenantId="target")

    assert (first.status_code, again.status_code, again.content) == (200, 200, first.content)
    assert (anew.status_code, anew.json()["error"]) == (410, "BundleExpired")


@pytest.mark.parametrize("path", ["packages/import", "plans"])
async def test_an_import_sent_again_is_answered_when_its_upload_waited_too_long(world, path):
    headers = {"content-type": "application/zip", "x-tenant-id": "target"}
    upload_id = (await world.http.post(f"{HUB}/uploads", content=BUNDLE, headers=headers)).json()["uploadId"]
    body = {"uploadId": upload_id, "options": {"targetTenantId": "target"}}
    first = await world.http.post(f"{HUB}/{path}", json=body, headers=KEY)
    async with world.runtime.ports.store._engines.writer.begin() as connection:
        await connection.execute(update(table).values(expires_at=world.services.clock.now()))

    again = await world.http.post(f"{HUB}/{path}", json=body, headers=KEY)
    anew = await world.http.post(f"{HUB}/{path}", json=body)

    assert (first.status_code, again.status_code, again.content) == (200, 200, first.content)
    assert (anew.status_code, anew.json()["error"]) == (410, "UploadExpired")


async def test_a_repeated_import_that_still_runs_is_joined_and_answered_when_it_ends(idle_world):
    world = idle_world
    accepted = await upload(world, headers=ASYNC)
    during = await upload(world, headers=ASYNC)
    joined = asyncio.create_task(upload(world, headers=KEY))
    while not world.services.follower.tail_count:
        await asyncio.sleep(0.01)

    async with Worker(world.runtime, places=1).working():
        ended = await joined

    after = await upload(world, headers=ASYNC)
    assert (accepted.status_code, during.status_code, during.content) == (202, 202, accepted.content)
    assert (ended.status_code, after.status_code, after.content) == (200, 200, ended.content)
    assert ended.json()["importId"] == accepted.json()["importId"]
    assert await import_count(world) == 1
    assert len(blob_files(world)) == 1


async def test_a_repeated_import_that_waits_is_answered_with_its_409_until_it_is_decided(world):
    await with_other_rules(world)
    first = await upload(world, headers=KEY)
    waiting = await upload(world, headers=KEY)
    body = {"resolutions": [{"conflictId": "conf-001", "strategy": "Skip"}]}
    decided = await world.http.post(first.json()["resumeUrl"], json=body)

    ended = await upload(world, headers=KEY)

    assert (first.status_code, waiting.status_code, waiting.content) == (409, 409, first.content)
    assert (decided.status_code, ended.status_code, ended.content) == (200, 200, decided.content)


async def test_a_waiting_import_does_not_hold_up_the_same_request_with_a_strategy(world):
    await with_other_rules(world)
    waiting = await upload(world)

    replaced = await upload(world, defaultConflictStrategy="Replace")

    record = await world.http.get(f"{HUB}/imports/{waiting.json()['importId']}")
    assert (waiting.status_code, replaced.status_code, replaced.json()["status"]) == (409, 200, "Success")
    assert record.json()["status"] == "PendingConflictResolution"


async def test_a_failed_import_sent_again_is_the_same_failure(world):
    first = await upload(world, b"no archive", headers=KEY)

    again = await upload(world, b"no archive", headers=KEY)

    assert (first.status_code, again.status_code, again.content) == (400, 400, first.content)


@pytest.mark.parametrize("change", ["options", "package", "manner"])
async def test_another_request_under_a_known_key_is_refused_and_leaves_nothing(world, change):
    await upload(world, headers=KEY)

    answer = await upload(
        world,
        BUNDLE + b" " if change == "package" else BUNDLE,
        headers=KEY,
        query="?dryRun=true" if change == "manner" else "",
        **({"defaultConflictStrategy": "Skip"} if change == "options" else {}),
    )

    assert (answer.status_code, answer.json()["error"]) == (422, "IdempotencyKeyReused")
    assert await import_count(world) == 1
    assert len(blob_files(world)) == 1


async def test_a_refusal_before_anything_was_made_is_not_remembered(world):
    refused = await upload(world, headers=KEY, defaultConflictStrategy="Burn")

    answer = await upload(world, headers=KEY)

    assert (refused.status_code, answer.status_code) == (400, 200)


async def test_an_export_sent_again_is_answered_with_the_same_package(world):
    await exported_rules(world)
    wish = WISH | {"version": "2.0.0", "colour": "green"}
    first = await world.http.post(f"{HUB}/packages/export", json=wish, headers=KEY)

    again = await world.http.post(f"{HUB}/packages/export", json=wish, headers=KEY)
    without = await world.http.post(f"{HUB}/packages/export", json=wish)
    other = await world.http.post(f"{HUB}/packages/export", json=wish | {"version": "3.0.0"}, headers=KEY)

    assert (first.status_code, again.status_code, again.content) == (200, 200, first.content)
    assert (without.status_code, other.status_code) == (409, 422)
    assert len(blob_files(world)) == 2


async def test_a_plan_sent_again_is_the_same_plan(world):
    body = {"sourcePackageId": await exported_rules(world), "options": {"targetTenantId": "target"}}
    first = await world.http.post(f"{HUB}/plans", json=body, headers=KEY)

    again = await world.http.post(f"{HUB}/plans", json=body, headers=KEY)

    assert (first.status_code, again.content) == (200, first.content)


async def test_an_upload_sent_again_is_the_same_upload_and_is_stored_once(idle_world):
    headers = KEY | {"content-type": "application/zip"}
    first = await idle_world.http.post(f"{HUB}/uploads", content=BUNDLE, headers=headers)

    again = await idle_world.http.post(f"{HUB}/uploads", content=BUNDLE, headers=headers)
    other = await idle_world.http.post(f"{HUB}/uploads", content=BUNDLE + b" ", headers=headers)

    assert (first.status_code, again.status_code, again.content) == (201, 201, first.content)
    assert (other.status_code, other.json()["error"]) == (422, "IdempotencyKeyReused")
    assert len(blob_files(idle_world)) == 1


async def test_a_retry_sent_again_is_the_same_import(idle_world):
    import_id = (await upload(idle_world, headers={"prefer": "respond-async"})).json()["importId"]
    await idle_world.http.post(f"{HUB}/imports/{import_id}/cancel")
    first = await idle_world.http.post(f"{HUB}/imports/{import_id}/retry", headers=ASYNC)

    again = await idle_world.http.post(f"{HUB}/imports/{import_id}/retry", headers=ASYNC)

    for path in blob_files(idle_world):
        path.unlink()
    without = await idle_world.http.post(f"{HUB}/imports/{import_id}/retry", headers=ASYNC)
    anew = await idle_world.http.post(f"{HUB}/imports/{import_id}/retry")

    assert (first.status_code, again.content, without.content) == (202, first.content, first.content)
    assert (anew.status_code, anew.json()["error"]) == (410, "BundleExpired")
    assert await import_count(idle_world) == 2


async def test_a_retry_needs_what_an_import_of_the_same_package_needs(idle_world):
    await idle_world.tenant("source")
    members = bearer(idle_world, "source", "target")
    package_id = await exported_rules(idle_world)
    sent = await refer(idle_world, package_id, members | {"prefer": "respond-async"}, targetTenantId="target")
    url = f"{HUB}/imports/{sent.json()['importId']}"
    await idle_world.http.post(f"{url}/cancel")

    stranger = await idle_world.http.post(f"{url}/retry")
    importer = bearer(idle_world, "source", "target", scopes=["installhub:import"])
    unable = await idle_world.http.post(f"{url}/retry", headers=importer)
    able = await idle_world.http.post(f"{url}/retry", headers=members | {"prefer": "respond-async"})

    assert (stranger.status_code, stranger.json()["error"]) == (404, "NotFound")
    assert (unable.status_code, unable.json()["error"]) == (403, "InsufficientPermission")
    assert able.status_code == 202


async def test_keys_belong_to_a_caller_in_a_tenant(world):
    ben = bearer(world, "target")
    ben["Authorization"] = f"Bearer {world.token('ben@acme.example', tenants=['target'], scopes=['installhub:import'])}"
    mine = (await upload(world, headers=KEY)).json()["importId"]

    bens = (await upload(world, headers=KEY | ben)).json()["importId"]
    elsewhere = (await upload(world, headers=KEY, targetTenantId="source")).json()["importId"]

    assert len({mine, bens, elsewhere}) == 3


async def test_a_lost_answer_is_found_by_its_key(world):
    sent = (await upload(world, headers=KEY)).json()
    await upload(world)

    found = (await world.http.get(f"{HUB}/imports?idempotencyKey=k-1")).json()

    assert [item["importId"] for item in found["items"]] == [sent["importId"]]


@pytest.mark.parametrize("key", ["", "a b", "x" * 256])
async def test_a_key_that_cannot_be_one_is_refused_and_keeps_no_bundle(world, key):
    answer = await upload(world, headers={"idempotency-key": key})

    assert (answer.status_code, problems_of(answer)) == (400, [("BadUserInput", "idempotencyKey")])
    assert blob_files(world) == []


async def test_two_keys_are_refused_everywhere_and_nothing_is_kept(world):
    twice = [*bearer(world, "source", "target").items(), ("Idempotency-Key", "a"), ("Idempotency-Key", "b")]
    package_id = await exported_rules(world)
    reference = {"sourcePackageId": package_id, "options": {"targetTenantId": "target"}}
    kept = len(blob_files(world))

    answers = [
        await upload(world, headers=twice),
        await world.http.post(f"{HUB}/packages/import", json=reference, headers=twice),
        await world.http.post(f"{HUB}/plans", json=reference, headers=twice),
        await world.http.post(f"{HUB}/packages/export", json=WISH | {"version": "9.0.0"}, headers=twice),
        await world.http.post(
            f"{HUB}/uploads",
            content=BUNDLE,
            headers=[*twice, ("Content-Type", "application/zip"), ("X-Tenant-Id", "target")],
        ),
    ]

    assert [(answer.status_code, problems_of(answer)) for answer in answers] == [
        (400, [("BadUserInput", "Idempotency-Key")])
    ] * 5
    assert (await import_count(world), len(blob_files(world))) == (0, kept)
