"""Undo, uninstall, and switching on over REST: every shape, who may, and what a frozen tenant answers."""

from __future__ import annotations

import pytest

from domain.access import ADMIN
from domain.model import TenantId
from tests.doors.oracle import Oracle
from tests.doors.rest import HUB, bearer, exported_rules, refer, upload
from tests.journeys.inside import a_caller
from tests.journeys.undoing import a_package
from tests.world import a_world

FIRST = a_package()
KEEPER = ("installhub:rollback",)
ROOT = a_caller("root", tenants=frozenset({TenantId("target")}), scopes=frozenset({ADMIN}))


@pytest.fixture
async def world(tmp_path):
    async with a_world(tmp_path) as world:
        for tenant in ("source", "target", "other"):
            await world.tenant(tenant)
        world.http.headers.update(bearer(world, "source", "target"))
        world.http.event_hooks["response"].append(Oracle().look)
        yield world


async def brought(world, **options):
    return (await upload(world, FIRST, **options)).json()["importId"]


async def names(world, tenant="target"):
    answer = await world.http.get("/api/forms", params={"tenantId": tenant})
    return [item["name"] for item in answer.json()["items"]]


async def test_an_import_is_shown_taken_back_and_brought_back(world):
    import_id = await brought(world)
    route = f"{HUB}/imports/{import_id}/rollback"
    before = (await world.http.get(f"{HUB}/imports/{import_id}")).json()["undo"]

    shown = await world.http.post(f"{route}?dryRun=true")
    undone = await world.http.post(route, json={"reason": "the wrong tenant"})
    gone = await names(world)
    again = await world.http.post(f"{HUB}/imports/{undone.json()['importId']}/rollback", json={})

    undo_id = undone.json()["importId"]
    assert (shown.status_code, shown.json()["isDryRun"], shown.json()["counts"]["remove"]) == (200, True, 2)
    assert [row["action"] for row in shown.json()["actions"]] == ["REMOVE"] * 2
    assert (undone.status_code, undone.json()["status"], undone.json()["undoes"]) == (200, "Success", [import_id])
    assert [row["name"] for row in undone.json()["removed"]] == ["Hours", "Sheet"]
    assert (gone, await names(world), again.status_code) == ([], ["Sheet"], 200)
    assert (before["isPossible"], before["blockers"]) == (True, [])
    record = (await world.http.get(f"{HUB}/imports/{undo_id}")).json()
    assert (record["undo"]["undoneBy"], record["undo"]["undoes"]) == (again.json()["importId"], [import_id])
    listed = (await world.http.get(f"{HUB}/imports", params={"kind": "ROLLBACK"})).json()
    assert {row["kind"] for row in listed["items"]} == {"ROLLBACK"}


async def test_the_plan_of_an_undo_is_looked_at_and_applied_once(world):
    import_id = await brought(world)
    keeper = bearer(world, "target", scopes=KEEPER)
    shown = await world.http.post(f"{HUB}/imports/{import_id}/rollback?dryRun=true", headers=keeper)
    plan = f"{HUB}/plans/{shown.json()['planId']}"

    looked_at = await world.http.get(plan, headers=keeper)
    applied, again = [await world.http.post(f"{plan}/apply", headers=keeper) for _ in range(2)]

    assert (looked_at.status_code, looked_at.json()["state"], looked_at.json()["planHash"]) == (
        200,
        "READY",
        shown.json()["planHash"],
    )
    assert (applied.status_code, applied.json()["undoes"], await names(world)) == (200, [import_id], [])
    assert again.json() == applied.json()
    # an undo is never scanned, and says nothing of a scan
    assert not {"securityScanResult", "scanReportUrl"} & {*shown.json(), *looked_at.json(), *applied.json()}


async def test_what_is_in_the_way_is_409_with_everything_that_is(world):
    import_id = await brought(world)
    await upload(world, a_package("Starter", "1.1.0", "hours", "pay", title="new"), defaultConflictStrategy="Replace")
    route = f"{HUB}/imports/{import_id}/rollback"

    blocked = await world.http.post(route)
    detached = await world.http.post(route, json={"blockers": "Detach"})

    body = blocked.json()
    assert (blocked.status_code, body["error"], body["rolledBack"]) == (409, "UndoBlocked", True)
    assert {row["code"] for row in body["errors"]} == {"UndoBlocked"}
    assert len(body["errors"]) == 2
    assert (detached.status_code, detached.json()["artifactsWritten"]) == (200, 0)


async def test_a_package_is_uninstalled_by_its_name(world):
    await brought(world)

    shown = await world.http.post(f"{HUB}/installed/starter/uninstall?dryRun=true", json={"tenantId": "target"})
    undone = await world.http.post(f"{HUB}/installed/starter/uninstall", headers={"x-tenant-id": "target"})
    again = await world.http.post(f"{HUB}/installed/starter/uninstall", json={"tenantId": "target"})

    installed = (await world.http.get(f"{HUB}/installed")).json()
    assert (shown.status_code, shown.json()["counts"]["remove"]) == (200, 2)
    assert (undone.status_code, await names(world), installed["items"]) == (200, [], [])
    assert (again.status_code, again.json()["error"]) == (404, "NotFound")


async def test_a_held_import_says_where_it_is_switched_on(world):
    held = await upload(world, FIRST, activation="Manual")
    unseen = await names(world)
    waiting = (await world.http.get(f"{HUB}/imports/{held.json()['importId']}")).json()
    listed = (await world.http.get(f"{HUB}/imports", params={"status": "PendingActivation"})).json()["items"]

    active = await world.http.post(held.json()["activateUrl"])
    once_more = await world.http.post(held.json()["activateUrl"])

    assert (held.status_code, held.json()["status"], unseen) == (202, "PendingActivation", [])
    assert waiting == held.json()
    assert [row["activateUrl"] for row in listed] == [waiting["activateUrl"]]
    assert (active.status_code, active.json()["status"], await names(world)) == (200, "Success", ["Sheet"])
    assert once_more.json() == active.json()


async def test_who_may_only_take_back_may_do_that_and_nothing_else(world):
    import_id = await brought(world)
    keeper = bearer(world, "target", scopes=KEEPER)
    reader = bearer(world, "target", scopes=("installhub:read",))
    stranger = bearer(world, "other", scopes=KEEPER)
    route = f"{HUB}/imports/{import_id}/rollback"

    answers = [
        await upload(world, FIRST, headers=keeper),
        await world.http.post(route, headers=reader),
        await world.http.post(route, headers=stranger),
        await world.http.post(f"{HUB}/imports/{import_id}/activate", headers=stranger),
        await world.http.post(f"{HUB}/installed/starter/uninstall", headers=stranger),
        await world.http.post(f"{HUB}/installed/starter/uninstall", headers=keeper),
    ]

    told = [(answer.status_code, answer.json().get("error")) for answer in answers]
    assert told == [
        (403, "InsufficientPermission"),
        (403, "InsufficientPermission"),
        (404, "NotFound"),
        (403, "InsufficientPermission"),
        (404, "NotFound"),
        (200, None),
    ]


@pytest.mark.parametrize(
    ("body", "field"),
    [({"blockers": "Ignore"}, "blockers"), ({"reason": 7}, "reason"), ({"reason": "x" * 501}, "reason")],
)
async def test_a_wish_that_is_no_wish_is_400_and_takes_nothing_back(world, body, field):
    import_id = await brought(world)

    answer = await world.http.post(f"{HUB}/imports/{import_id}/rollback", json=body)
    other = await world.http.post(f"{HUB}/imports/{import_id}/rollback?dryRun=perhaps")

    assert (answer.status_code, [row["field"] for row in answer.json()["errors"]]) == (400, [field])
    assert (other.status_code, await names(world)) == (400, ["Sheet"])


async def test_with_a_key_an_undo_is_made_once_and_answered_again(world):
    import_id = await brought(world)
    key = {"idempotency-key": "k"}

    first, second = [await world.http.post(f"{HUB}/imports/{import_id}/rollback", headers=key) for _ in range(2)]
    other = await world.http.post(f"{HUB}/imports/{import_id}/rollback", headers=key, json={"reason": "why"})

    assert first.json() == second.json()
    assert (other.status_code, other.json()["error"]) == (422, "IdempotencyKeyReused")


async def test_nobody_waits_for_an_import_into_a_frozen_tenant_but_undos_and_dry_runs_go_on(world):
    import_id = await brought(world)
    package_id = await exported_rules(world)
    await world.services.freezing.freeze(ROOT, TenantId("target"), "The quarter is being closed.")

    refused = await refer(world, package_id, targetTenantId="target")
    sent = await upload(world, FIRST)
    queued = await upload(world, FIRST, headers={"prefer": "respond-async"})
    shown = await upload(world, FIRST, query="?dryRun=true")
    undone = await world.http.post(f"{HUB}/imports/{import_id}/rollback")
    await world.services.freezing.unfreeze(ROOT, TenantId("target"))

    for answer in (refused, sent):
        assert (answer.status_code, answer.json()["error"]) == (503, "TenantFrozen")
        assert answer.headers["retry-after"] == "60"
    assert (queued.status_code, shown.status_code, undone.status_code) == (202, 200, 200)
    events = await world.http.get(f"{queued.json()['statusUrl']}/events")
    assert '"isFinal":true' in events.text.replace(" ", "")


async def test_nobody_waits_for_what_a_frozen_tenant_does_not_go_on_with_and_nothing_is_changed(world):
    await brought(world)
    held = await upload(world, a_package("Other"), activation="Manual", defaultConflictStrategy="Replace")
    shown = await upload(world, a_package("Other"), query="?dryRun=true", defaultConflictStrategy="Replace")
    paused = await upload(world, a_package("Third", "1.0.0", title="new"))
    conflicts = paused.json()["conflictReport"]["conflicts"]
    decided = {"resolutions": [{"conflictId": one["conflictId"], "strategy": "Skip"} for one in conflicts]}
    paths = {
        f"imports/{held.json()['importId']}/activate": None,
        f"plans/{shown.json()['planId']}/apply": None,
        f"packages/{paused.json()['importId']}/resume": decided,
    }
    await world.services.freezing.freeze(ROOT, TenantId("target"), "The quarter is being closed.")

    refused = [await world.http.post(f"{HUB}/{path}", json=body) for path, body in paths.items()]
    left = [await world.http.get(f"{HUB}/imports/{one.json()['importId']}") for one in (held, paused)]
    queued = [
        await world.http.post(f"{HUB}/{path}", json=body, headers={"prefer": "respond-async"})
        for path, body in paths.items()
    ]
    await world.services.freezing.unfreeze(ROOT, TenantId("target"))

    assert [(answer.status_code, answer.json()["error"]) for answer in refused] == [(503, "TenantFrozen")] * 3
    assert [answer.json()["status"] for answer in left] == ["PendingActivation", "PendingConflictResolution"]
    assert [answer.status_code for answer in queued] == [202] * 3


async def test_what_was_made_before_the_freeze_is_answered_again(world):
    key = {"idempotency-key": "k"}
    first = await upload(world, FIRST, headers=key)
    planned = await upload(world, FIRST, query="?dryRun=true")
    apply = f"{HUB}/plans/{planned.json()['planId']}/apply"
    applied = await world.http.post(apply)
    await world.services.freezing.freeze(ROOT, TenantId("target"), "The quarter is being closed.")

    again = await upload(world, FIRST, headers=key)
    applied_again = await world.http.post(apply)

    assert (again.status_code, again.json()) == (200, first.json())
    assert (applied_again.status_code, applied_again.json()) == (200, applied.json())
