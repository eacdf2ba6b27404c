"""Imports that are under way or over: cancelled, tried again, audited, listed."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from domain.model import TenantId
from tests.doors.counting import counted_statements
from tests.doors.rest import HUB, bearer, problems_of, upload, with_other_rules
from tests.ports.rows import an_import, queued
from tests.world import ANNA, a_world

pytestmark = pytest.mark.rules

ASYNC = {"prefer": "respond-async"}


@pytest.fixture
async def world(tmp_path, database_url):
    async with a_world(tmp_path, database_url=database_url) as world:
        for tenant in ("source", "target", "other"):
            await world.tenant(tenant)
        world.http.headers.update(bearer(world, "source", "target"))
        yield world


@pytest.fixture
async def idle_world(tmp_path, database_url):
    """Nobody runs imports here."""
    async with a_world(tmp_path, database_url=database_url, role="web") as world:
        await world.tenant("target")
        world.http.headers.update(bearer(world, "target"))
        yield world


async def listed(world, query="", headers=None):
    answer = await world.http.get(f"{HUB}/imports{query}", headers=headers)
    assert answer.status_code == 200, answer.text
    return answer.json()


def ids(page):
    return [item["importId"] for item in page["items"]]


async def test_a_queued_import_is_cancelled_at_once(idle_world):
    import_id = (await upload(idle_world, headers=ASYNC)).json()["importId"]

    answer = await idle_world.http.post(f"{HUB}/imports/{import_id}/cancel")
    again = await idle_world.http.post(f"{HUB}/imports/{import_id}/cancel")

    record = await idle_world.http.get(f"{HUB}/imports/{import_id}")
    assert (answer.status_code, answer.json()["status"]) == (200, "Cancelled")
    assert answer.content == again.content == record.content


async def test_an_import_that_has_ended_cannot_be_cancelled(world):
    import_id = (await upload(world)).json()["importId"]

    answer = await world.http.post(f"{HUB}/imports/{import_id}/cancel")

    assert (answer.status_code, answer.json()["error"]) == (409, "CancelTooLate")


async def test_a_cancelled_import_is_tried_again_as_a_new_one(world):
    await with_other_rules(world)
    waiting = (await upload(world)).json()["importId"]
    await world.http.post(f"{HUB}/imports/{waiting}/cancel")

    answer = await world.http.post(f"{HUB}/imports/{waiting}/retry")

    [new, old] = (await listed(world))["items"]
    alone = (await world.http.get(f"{HUB}/imports/{new['importId']}")).json()
    assert (answer.status_code, answer.json()["importId"]) == (409, new["importId"])
    assert (new["retryOf"], old["importId"], old["status"]) == (waiting, waiting, "Cancelled")
    assert (answer.json()["retryOf"], alone["retryOf"]) == (waiting, waiting)
    assert "retryOf" not in old


async def test_a_retry_can_be_left_to_go_on(idle_world):
    import_id = (await upload(idle_world, headers=ASYNC)).json()["importId"]
    await idle_world.http.post(f"{HUB}/imports/{import_id}/cancel")

    answer = await idle_world.http.post(f"{HUB}/imports/{import_id}/retry", headers=ASYNC)

    body = answer.json()
    url = f"{HUB}/imports/{body['importId']}"
    assert (answer.status_code, answer.headers["location"], body["statusUrl"]) == (202, url, url)
    assert body["importId"] != import_id
    assert body["retryOf"] == import_id


async def test_a_resume_can_be_left_to_go_on(world):
    await with_other_rules(world)
    waiting = (await upload(world)).json()
    body = {"resolutions": [{"conflictId": "conf-001", "strategy": "Skip"}]}

    answer = await world.http.post(waiting["resumeUrl"], json=body, headers=ASYNC)

    assert (answer.status_code, answer.json()["importId"]) in [(202, waiting["importId"]), (200, waiting["importId"])]


async def test_an_import_that_went_well_or_goes_on_is_not_tried_again(world):
    await with_other_rules(world)
    well = (await upload(world, defaultConflictStrategy="Skip")).json()["importId"]
    waiting = (await upload(world)).json()["importId"]

    answers = [await world.http.post(f"{HUB}/imports/{import_id}/retry") for import_id in (well, waiting)]

    assert [(answer.status_code, answer.json()["error"]) for answer in answers] == [(400, "BadUserInput")] * 2


@pytest.mark.parametrize(
    ("method", "path"), [("POST", "cancel"), ("POST", "retry"), ("GET", "audit"), ("GET", "events"), ("GET", "")]
)
async def test_an_import_of_another_tenant_is_as_unknown_as_one_of_nobody(world, method, path):
    import_id = (await upload(world)).json()["importId"]
    strangers = bearer(world, "other")

    foreign = await world.http.request(method, f"{HUB}/imports/{import_id}/{path}".rstrip("/"), headers=strangers)
    unknown = await world.http.request(method, f"{HUB}/imports/imp-nobody/{path}".rstrip("/"), headers=strangers)

    assert (foreign.status_code, foreign.content) == (404, unknown.content)


@pytest.mark.parametrize("verb", ["cancel", "retry"])
async def test_acting_on_an_import_needs_the_right_to_import(world, verb):
    import_id = (await upload(world)).json()["importId"]
    readers = bearer(world, "target", scopes=["installhub:read"])

    answer = await world.http.post(f"{HUB}/imports/{import_id}/{verb}", headers=readers)

    assert (answer.status_code, answer.json()["required"]) == (403, "installhub:import")


async def test_the_audit_tells_who_did_what(world):
    await with_other_rules(world)
    waiting = (await upload(world)).json()
    body = {"resolutions": [{"conflictId": "conf-001", "strategy": "Replace"}]}
    await world.http.post(waiting["resumeUrl"], json=body)

    answer = (await world.http.get(f"{HUB}/imports/{waiting['importId']}/audit")).json()

    assert answer["importId"] == waiting["importId"]
    told = {entry["action"]: entry for entry in answer["entries"]}
    assert list(told)[-2:] == ["import.resumed", "import.activated"]
    assert {entry["actor"] for entry in told.values()} == {ANNA}
    assert told["import.resumed"]["details"]["decisions"] == {"conf-001": "Replace"}


async def test_a_running_import_says_where_its_events_are(idle_world):
    url = (await upload(idle_world, headers=ASYNC)).json()["statusUrl"]

    record = (await idle_world.http.get(url)).json()

    assert record["eventsUrl"] == f"{url}/events"


async def test_imports_are_listed_newest_first_each_as_it_stands(world):
    first = (await upload(world)).json()["importId"]
    second = (await upload(world, b"no archive")).json()["importId"]
    third = (await upload(world, targetTenantId="source")).json()["importId"]

    page = await listed(world)

    assert (page["totalCount"], page["page"], page["pageSize"]) == (3, 1, 25)
    assert ids(page) == [third, second, first]
    for item in page["items"]:
        alone = (await world.http.get(f"{HUB}/imports/{item['importId']}")).json()
        shared = item.keys() & alone.keys()
        assert {"importId", "status"} <= shared
        assert {name: item[name] for name in shared} == {name: alone[name] for name in shared}
        assert (item["kind"], item["mode"], item["submittedBy"]) == ("IMPORT", "APPLY", ANNA)
    assert [item["tenantId"] for item in page["items"]] == ["source", "target", "target"]
    assert page["items"][1].get("packageName") is None


async def test_a_list_leaves_out_what_grows_with_the_package(world):
    await with_other_rules(world)
    for query, options in (("", {}), ("?dryRun=true", {}), ("", {"defaultConflictStrategy": "Replace"})):
        await upload(world, query=query, **options)

    done, planned, waiting = (await listed(world, "?includeDryRuns=true"))["items"]

    whose = {"tenantId", "kind", "mode", "submittedAt", "submittedBy", "importedBy"}
    ended = {"importId", "status", "packageId", "packageName", "version", "endedAt"} | whose
    assert (set(done), set(planned)) == (ended, ended)
    assert set(waiting) == (ended - {"endedAt"}) | {"resumeUrl", "expiresAt"}
    assert [row["status"] for row in (done, planned, waiting)] == ["Success", "Success", "PendingConflictResolution"]


async def test_a_list_of_imports_does_not_show_other_tenants(world):
    mine = (await upload(world)).json()["importId"]
    others = (await upload(world, targetTenantId="other", headers=bearer(world, "other"))).json()["importId"]
    narrowed = await listed(world, headers={"x-tenant-id": "source"})

    seen = [
        ids(await listed(world)),
        ids(await listed(world, "?tenantId=target")),
        ids(await listed(world, "?tenantId=source")),
        ids(await listed(world, headers=bearer(world, "other"))),
        ids(await listed(world, headers=world.platform_headers())),
        ids(narrowed),
    ]
    foreign = await world.http.get(f"{HUB}/imports?tenantId=other")
    differing = await world.http.get(f"{HUB}/imports?tenantId=target", headers={"x-tenant-id": "source"})

    assert seen == [[mine], [mine], [], [others], [others, mine], []]
    assert [(answer.status_code, answer.json()["error"]) for answer in (foreign, differing)] == [
        (403, "TenantMismatch")
    ] * 2


async def test_a_list_of_imports_is_narrowed_by_what_is_asked(world):
    await with_other_rules(world)
    well = (await upload(world, defaultConflictStrategy="Skip")).json()
    failed = (await upload(world, b"no archive")).json()
    planned = (await upload(world, query="?dryRun=true")).json()
    waiting = (await upload(world, headers={"idempotency-key": "k"})).json()
    now = world.services.clock.now()
    soon, late = ((now + timedelta(hours=hours)).strftime("%Y-%m-%dT%H:%M:%SZ") for hours in (1, 25))
    today, tomorrow = (f"{now + timedelta(days=days):%Y-%m-%d}" for days in (0, 1))

    async def found(query):
        by_id = {well["importId"]: "w", failed["importId"]: "f", waiting["importId"]: "p", planned["importId"]: "d"}
        return "".join(by_id[import_id] for import_id in ids(await listed(world, f"?{query}")))

    told = {
        query: await found(query)
        for query in (
            "status=Success",
            "status=Success,Failed",
            "status=Failed&status=PendingConflictResolution",
            "status=InProgress",
            "kind=IMPORT",
            f"packageName={well['packageName'].upper()}",
            "packageName=nothing",
            f"packageId={well['packageId']}",
            f"importedBy={ANNA}",
            "importedBy=ben",
            f"fromDate={today}",
            f"toDate={today}",
            f"fromDate={tomorrow}",
            f"toDate={now - timedelta(days=1):%Y-%m-%dT00:00:00Z}",
            "idempotencyKey=k",
            f"expiresBefore={late}",
            f"expiresBefore={soon}",
            "includeDryRuns=true",
            "includeDryRuns=false",
            "page=2&pageSize=2",
            "page=3&pageSize=2",
        )
    }

    everything = "pfw"
    assert list(told.values()) == [
        *("w", "fw", "pf", "", everything, "pw", "", "pw", everything, "", everything, everything, "", ""),
        *("p", "p", "", "pdfw", everything, "w", ""),
    ], json.dumps(told)


async def test_a_list_of_imports_costs_the_same_number_of_statements_however_many_go_on(idle_world):
    for number in range(20):
        job = an_import(f"imp-{number:03}", TenantId("target"))
        async with idle_world.runtime.ports.store.unit(job.tenant_id) as unit:
            await unit.imports.submit(job, queued())

    # how long imports took is known for a minute
    await listed(idle_world)

    counts = []
    for size in (1, 20):
        with counted_statements() as sent:
            page = await listed(idle_world, f"?pageSize={size}")
        counts.append(len(sent))
        assert {item["progress"] for item in page["items"]} == {"0 of 0 artifacts installed"}

    assert counts[0] == counts[1]


async def test_every_wrong_wish_for_a_list_is_told_at_once(world):
    query = (
        "?status=Done&kind=X&fromDate=yesterday&toDate=2026-13-01&expiresBefore=2026-01-01T00:00:00"
        "&includeDryRuns=yes&page=0&pageSize=101&packageName=a&packageName=b&importedBy=%00"
    )

    answer = await world.http.get(f"{HUB}/imports{query}")

    assert (answer.status_code, answer.json()["error"]) == (400, "BadUserInput")
    assert {field for _, field in problems_of(answer)} == {
        *("status", "kind", "fromDate", "toDate", "expiresBefore", "includeDryRuns", "page", "pageSize"),
        *("packageName", "importedBy"),
    }


async def test_listing_imports_needs_the_right_to_read_them(world):
    answer = await world.http.get(f"{HUB}/imports", headers=bearer(world, "target", scopes=["installhub:export"]))

    assert (answer.status_code, answer.json()["error"]) == (403, "InsufficientPermission")
