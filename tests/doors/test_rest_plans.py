"""Plans over REST: made like a dry run, looked at again, and listed action by action (decisions section 9.3)."""

from __future__ import annotations

import pytest

from domain.model import PlanId, TenantId
from tests.doors.counting import counted_statements
from tests.doors.onboarding import exported, imported, onboarding
from tests.doors.rest import HUB, bearer, problems_of, refer, upload
from tests.ports.rows import a_plan, an_action, an_import, queued
from tests.world import a_world

pytestmark = pytest.mark.rules

ORDER = ["ent-44", "rule-305", "form-2005", "thread-2002", "proc-1001"]


@pytest.fixture
async def world(tmp_path, database_url):
    async with a_world(tmp_path, database_url=database_url) as world:
        await onboarding(world)
        yield world


@pytest.fixture
async def quiet(tmp_path, database_url):
    """Nobody runs imports here."""
    async with a_world(tmp_path, database_url=database_url, role="web") as world:
        await world.tenant("acme-prod")
        world.http.headers.update(bearer(world, "acme-prod"))
        yield world


async def planned(world, headers=None, query="", **options):
    package_id = (await exported(world))["packageId"]
    body = {"sourcePackageId": package_id, "options": {"targetTenantId": "acme-prod", **options}}
    return await world.http.post(f"{HUB}/plans{query}", json=body, headers=headers)


async def actions(world, plan_id, query=""):
    answer = await world.http.get(f"{HUB}/plans/{plan_id}/actions{query}")
    assert answer.status_code == 200, answer.text
    return answer.json()


@pytest.mark.parametrize("query", ["", "?dryRun=false"])
async def test_a_plan_is_the_dry_run_shown_and_writes_nothing(world, query):
    answer = await planned(world, query=query)

    body = answer.json()
    again = await world.http.get(f"{HUB}/plans/{body['planId']}")
    record = await world.http.get(f"{HUB}/imports/{body['importId']}")
    assert (answer.status_code, body["isDryRun"]) == (200, True)
    assert {"planId", "planHash", "expiresAt", "counts"} <= body.keys()
    assert answer.content == record.content
    assert {name: again.json()[name] for name in body} == body
    assert again.json()["state"] == "NEEDS_DECISIONS"


async def test_a_plan_can_be_made_of_an_uploaded_form(world):
    answer = await upload(world, path="plans", targetTenantId="acme-prod")

    assert (answer.status_code, answer.json()["isDryRun"]) == (200, True)


async def test_a_plan_can_be_left_to_go_on(world):
    answer = await planned(world, {"prefer": "respond-async"})

    assert (answer.status_code, answer.headers["location"]) == (202, answer.json()["statusUrl"])


async def test_the_plan_of_an_import_can_be_looked_at_too(world):
    package_id = (await exported(world))["packageId"]
    done = (await imported(world, package_id, defaultConflictStrategy="Replace")).json()

    plan = (await world.http.get(f"{HUB}/plans/{done['planId']}")).json()
    listed = await actions(world, done["planId"])

    same = ("importId", "packageId", "packageName", "version", "planId", "planHash", "counts", "securityScanResult")
    assert plan["isDryRun"] is False
    assert {name: plan[name] for name in same} == {name: done[name] for name in same}
    assert plan["estimatedInstallOrder"] == done["installOrder"] == ORDER
    assert {row["sourceId"]: row["targetId"] for row in listed["items"]} == done["idRemapTable"]


async def test_actions_are_listed_in_install_order_with_who_decided(world):
    plan = (await planned(world)).json()

    listed = await actions(world, plan["planId"])

    assert (listed["totalCount"], listed["page"], listed["pageSize"]) == (5, 1, 25)
    assert [row["sourceId"] for row in listed["items"]] == ORDER
    (form,) = [row for row in listed["items"] if row["sourceId"] == "form-2005"]
    rows = [{name: row[name] for name in told} for row, told in zip(listed["items"], plan["actions"], strict=True)]
    assert rows == plan["actions"]
    assert [(row["matchedBy"], row["conflictId"]) for row in listed["items"]] == [
        ("NAME", "conf-001") if row is form else (None, None) for row in listed["items"]
    ]
    assert [row["changes"] for row in listed["items"] if row is not form] == [[]] * 4
    assert form["changeCount"] == len(form["changes"]) > 0
    assert [fix["patch"]["decisions"][0]["strategy"] for fix in form["fixes"]] == ["Replace", "Skip", "Copy"]


async def test_actions_are_narrowed_counted_and_paged(world):
    plan_id = (await planned(world)).json()["planId"]
    queries = ("?action=CREATE", "?action=OPEN", "?action=SKIP,OPEN", "?action=MERGE", "?page=2&pageSize=2")

    pages = [await actions(world, plan_id, query) for query in queries]

    created = [name for name in ORDER if name != "form-2005"]
    found = [[row["sourceId"] for row in page["items"]] for page in pages]
    assert found == [created, ["form-2005"], ["form-2005"], [], ORDER[2:4]]
    assert [page["totalCount"] for page in pages] == [4, 1, 1, 0, 5]


async def test_a_page_of_actions_costs_the_same_however_long_the_plan_is(quiet):
    tenant_id, sent = TenantId("acme-prod"), []
    for count in (1, 1200):
        job = an_import(f"imp-{count}", tenant_id, plan_id=PlanId(f"plan-imp-{count}"))
        async with quiet.runtime.ports.store.unit(tenant_id) as unit:
            await unit.imports.submit(job, queued())
            await unit.imports.save_plan(a_plan(job, *(an_action(position) for position in range(count))))
        with counted_statements() as statements:
            page = await actions(quiet, job.plan_id, "?pageSize=1&action=CREATE")
        sent.append(len(statements))
        assert (page["totalCount"], len(page["items"])) == (count, 1)

    assert sent[0] == sent[1]


async def test_a_wrong_wish_for_actions_is_told_at_once(world):
    plan_id = (await planned(world)).json()["planId"]

    answer = await world.http.get(f"{HUB}/plans/{plan_id}/actions?action=Burn&page=x&pageSize=0")

    assert (answer.status_code, answer.json()["error"]) == (400, "BadUserInput")
    assert {field for _, field in problems_of(answer)} == {"action", "page", "pageSize"}


@pytest.mark.parametrize("path", ["", "/actions"])
async def test_a_plan_of_another_tenant_is_as_unknown_as_one_of_nobody(world, path):
    plan_id = (await planned(world)).json()["planId"]
    strangers = bearer(world, "acme-dev")

    foreign = await world.http.get(f"{HUB}/plans/{plan_id}{path}", headers=strangers)
    narrowed = await world.http.get(f"{HUB}/plans/{plan_id}{path}", headers={"x-tenant-id": "acme-dev"})
    unknown = await world.http.get(f"{HUB}/plans/plan-nobody{path}", headers=strangers)

    assert (foreign.status_code, foreign.content) == (404, unknown.content)
    assert narrowed.content == unknown.content


async def test_a_plan_that_cannot_be_made_is_refused_as_its_import_would_be(world):
    answers = [
        await refer(world, "pkg-nobody", path="plans", targetTenantId="acme-prod"),
        await refer(world, "pkg-nobody", path="plans", targetTenantId="other"),
        await upload(world, b"no archive", path="plans", targetTenantId="acme-prod"),
        await world.http.post(f"{HUB}/plans", content=b"x", headers={"content-type": "text/plain"}),
        await planned(world, bearer(world, "acme-prod", scopes=["installhub:read"])),
    ]

    assert [(answer.status_code, answer.json()["error"]) for answer in answers] == [
        (404, "NotFound"),
        (403, "TenantMismatch"),
        (400, "InvalidZip"),
        (415, "UnsupportedMediaType"),
        (403, "InsufficientPermission"),
    ]
