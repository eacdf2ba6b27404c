"""Plans carried out, agreed to and put right over REST (decisions sections 9.1, 9.3)."""

from __future__ import annotations

import pytest
from sqlalchemy import update

from domain.strict_json import canonical, trusted
from storage.tables import tenant as tenants
from tests.doors.onboarding import exported, imported, onboarding
from tests.doors.rest import BUNDLE, EXAMPLES, HUB, bearer, blob_files, problems_of, upload
from tests.doors.test_rest_plans import actions, planned
from tests.world import a_world

pytestmark = pytest.mark.rules

APPROVER = ("installhub:approve",)


@pytest.fixture
async def world(tmp_path):
    async with a_world(tmp_path) as world:
        await onboarding(world)
        yield world


@pytest.fixture
async def both(tmp_path, database_url):
    async with a_world(tmp_path, database_url=database_url) as world:
        await onboarding(world)
        yield world


async def post(world, path, body=None, headers=None):
    return await world.http.post(f"{HUB}/plans/{path}", json=body, headers=headers)


async def edit_the_form(world):
    """Somebody saves the form that the suite meets."""
    tree = trusted((EXAMPLES / "acme-target" / "artifacts" / "forms" / "form-118.json").read_bytes())
    folder = world.settings.data / "edited"
    folder.mkdir()
    (folder / "form-118.json").write_bytes(canonical(tree | {"title": "Edited meanwhile"}))
    await world.load("acme-prod", folder)


async def demand_approvals(world, count, tenant="acme-prod"):
    async with world.runtime.ports.store._engines.writer.begin() as connection:
        statement = update(tenants).where(tenants.c.tenant_id == tenant)
        await connection.execute(statement.values(approvals_needed=count))


async def test_a_plan_is_carried_out_and_answered_as_every_import_is(both):
    plan = (await planned(both, defaultConflictStrategy="Replace")).json()

    done = await post(both, f"{plan['planId']}/apply")
    again = await post(both, f"{plan['planId']}/apply")
    shown = (await both.http.get(f"{HUB}/plans/{plan['planId']}")).json()

    body = done.json()
    assert (done.status_code, body["status"], body["planHash"]) == (200, "Success", plan["planHash"])
    assert body["idRemapTable"] == {row["sourceId"]: row["targetId"] for row in plan["actions"]}
    assert again.json() == body
    assert (shown["state"], shown["appliedBy"]) == ("APPLIED", body["importId"])


@pytest.mark.parametrize("place", ["body", "options"])
async def test_an_import_may_name_a_plan_instead_of_a_package(world, place):
    plan = (await planned(world, defaultConflictStrategy="Replace")).json()
    named = {"planId": plan["planId"]}

    done = await world.http.post(f"{HUB}/packages/import", json=named if place == "body" else {"options": named})

    assert (done.status_code, done.json()["planHash"]) == (200, plan["planHash"])


async def test_a_package_sent_along_with_a_plan_is_compared_and_forgotten(world):
    plan = (await upload(world, path="plans", targetTenantId="acme-prod")).json()
    kept = blob_files(world)

    other = await upload(world, BUNDLE + b" ", planId=plan["planId"], targetTenantId="acme-prod")
    same = await upload(world, planId=plan["planId"], targetTenantId="acme-prod")

    assert (other.status_code, problems_of(other)) == (400, [("BadUserInput", "planId")])
    assert (same.status_code, same.json()["planHash"]) == (200, plan["planHash"])
    assert blob_files(world) == kept


async def test_a_plan_brings_its_options_and_none_stands_beside_it(world):
    plan = (await planned(world)).json()
    plan_id, package_id = plan["planId"], plan["packageId"]
    body = {"planId": plan_id, "sourcePackageId": package_id, "options": {"defaultConflictStrategy": "Replace"}}

    answers = [
        await world.http.post(f"{HUB}/packages/import", json=body),
        await world.http.post(f"{HUB}/plans", json={"planId": plan_id}),
        await world.http.post(f"{HUB}/packages/import?dryRun=true", json={"planId": plan_id}),
        await world.http.post(f"{HUB}/packages/import", json={"planId": 7}),
    ]

    assert [answer.status_code for answer in answers] == [400] * 4
    assert {field for _, field in problems_of(answers[0])} == {"sourcePackageId", "options.defaultConflictStrategy"}
    assert [problems_of(answer) for answer in answers[1:3]] == [[("InvalidOptions", "options.planId")]] * 2


async def test_a_stale_plan_tells_what_moved_and_where_the_new_one_is(world):
    plan = (await planned(world, defaultConflictStrategy="Replace")).json()
    await edit_the_form(world)

    stale = await post(world, f"{plan['planId']}/apply")

    body = stale.json()
    (moved,) = body["errors"]
    assert (stale.status_code, body["error"], moved["artifactId"]) == (409, "PlanStale", "form-118")
    assert (moved["pointers"], moved["revision"]) == (["/title"], 2)
    assert moved["changedBy"]
    assert moved["changedAt"]
    anew = (await world.http.get(f"{HUB}/plans/{body['newPlanId']}")).json()
    assert (anew["state"], anew["isDryRun"], body["planId"]) == ("READY", True, plan["planId"])
    assert (await world.http.get(f"{HUB}/plans/{plan['planId']}")).json()["state"] == "STALE"
    assert (await post(world, f"{body['newPlanId']}/apply")).status_code == 200


async def test_what_a_plan_changes_is_shown_place_by_place(world):
    plan = (await planned(world, defaultConflictStrategy="Replace")).json()
    done = (await post(world, f"{plan['planId']}/apply")).json()

    before = await actions(world, plan["planId"], "?action=UPDATE")
    after = await actions(world, done["planId"], "?action=UPDATE")

    (row,) = before["items"]
    assert row["changes"] == after["items"][0]["changes"]
    assert {"pointer", "kind", "before", "after"} == row["changes"][0].keys()
    assert "fixes" not in row


async def test_an_open_conflict_is_refused_with_fixes_and_one_of_them_makes_a_plan_that_can_be_applied(world):
    plan = (await planned(world)).json()

    refused = await post(world, f"{plan['planId']}/apply")
    (problem,) = refused.json()["errors"]
    skip = next(fix for fix in problem["fixes"] if fix["patch"]["decisions"][0]["strategy"] == "Skip")
    anew = (await post(world, f"{plan['planId']}/fixes/{skip['fixId']}")).json()
    done = await post(world, f"{anew['planId']}/apply")

    assert (refused.status_code, refused.json()["error"]) == (409, "ConflictRequiresResolution")
    assert (refused.json()["planId"], problem["conflictId"]) == (plan["planId"], "conf-001")
    assert (anew["isDryRun"], anew["counts"]["openConflicts"]) == (True, 0)
    assert (done.status_code, done.json()["artifactsSkipped"]) == (200, 1)


async def test_a_blocker_of_a_dry_run_carries_its_fixes(world):
    first = (await exported(world))["packageId"]
    await imported(world, first, defaultConflictStrategy="Replace")
    later = await exported(world, version="3.0.0")
    body = {"sourcePackageId": later["packageId"], "options": {"targetTenantId": "acme-prod"}}

    plan = (await world.http.post(f"{HUB}/plans", json=body)).json()

    (blocker,) = plan["blockers"]
    assert [fix["patch"] for fix in blocker["fixes"]] == [{"allowMajorVersionUpgrade": True}]
    refused = await post(world, f"{plan['planId']}/apply")
    assert (refused.status_code, refused.json()["error"]) == (400, "MajorVersionUpgradeNotAllowed")


async def test_a_plan_is_approved_by_somebody_else_before_it_is_applied(world):
    await demand_approvals(world, 1)
    package_id = (await exported(world))["packageId"]
    direct = await imported(world, package_id, defaultConflictStrategy="Replace")
    body = {
        "sourcePackageId": package_id,
        "options": {"targetTenantId": "acme-prod", "defaultConflictStrategy": "Replace"},
    }
    plan = (await world.http.post(f"{HUB}/plans", json=body)).json()
    agreed, ben = {"hash": plan["planHash"]}, world.headers("acme-prod", scopes=APPROVER, subject="ben")

    early = await post(world, f"{plan['planId']}/apply")
    wrong = await post(world, f"{plan['planId']}/approve", {"hash": "sha256:0"}, ben)
    own = await post(world, f"{plan['planId']}/approve", agreed, world.headers("acme-prod", scopes=APPROVER))
    approved = await post(world, f"{plan['planId']}/approve", agreed, ben)
    done = await post(world, f"{plan['planId']}/apply")

    assert (direct.status_code, direct.json()["error"]) == (409, "ApprovalRequired")
    assert (early.status_code, early.json()["needed"], early.json()["approvals"]) == (409, 1, 0)
    assert [answer.status_code for answer in (wrong, own, approved, done)] == [400, 403, 200, 200]
    shown = approved.json()
    assert (shown["state"], shown["approvalsMissing"], shown["approvals"][0]["by"]) == ("READY", 0, "ben")


async def test_plans_and_fixes_that_nobody_knows_are_unknown_and_so_are_those_of_others(world):
    plan_id = (await planned(world)).json()["planId"]
    strangers = world.headers("acme-dev")
    paths = ["{}/apply", "{}/fixes/fix-000000000000", "{}/approve"]
    hashed = {"hash": "sha256:0"}

    foreign = [await post(world, path.format(plan_id), hashed, strangers) for path in paths]
    unknown = [await post(world, path.format("plan-nobody"), hashed, strangers) for path in paths]
    fix = await post(world, f"{plan_id}/fixes/fix-000000000000")

    assert [answer.status_code for answer in foreign] == [404] * 3
    assert [answer.content for answer in foreign] == [answer.content for answer in unknown]
    assert (fix.status_code, fix.json()["what"]) == (404, "fix")


async def test_who_may_not_import_may_not_apply_nor_fix_and_who_may_not_approve_may_not_approve(world):
    plan_id = (await planned(world)).json()["planId"]
    reader, importer = bearer(world, "acme-prod", scopes=["installhub:read"]), bearer(world, "acme-prod")

    answers = [
        await post(world, f"{plan_id}/apply", headers=reader),
        await post(world, f"{plan_id}/fixes/fix-1", headers=reader),
        await post(world, f"{plan_id}/apply", headers=bearer(world, "acme-prod", scopes=["installhub:rollback"])),
        await post(world, f"{plan_id}/approve", {"hash": "x"}, importer),
    ]

    assert [(answer.status_code, answer.json()["error"]) for answer in answers] == [(403, "InsufficientPermission")] * 4


async def test_the_same_key_applies_the_same_plan_and_no_other(world):
    plan = (await planned(world, defaultConflictStrategy="Replace")).json()
    key = {"idempotency-key": "once"}

    first = await post(world, f"{plan['planId']}/apply", headers=key)
    again = await post(world, f"{plan['planId']}/apply", headers=key)
    reused = await post(world, f"{plan['planId']}/fixes/fix-1", headers=key)

    assert first.json() == again.json()
    assert (reused.status_code, reused.json()["error"]) == (422, "IdempotencyKeyReused")
