"""What a tenant exported, has installed and could export, as lists over REST."""

from __future__ import annotations

from datetime import timedelta

import pytest

import rest_compat.neighbours
from domain.edits import ArtifactChanges
from domain.model import Actor, TenantId
from tests.doors.counting import counted_statements
from tests.doors.onboarding import SUITE, exported, imported, onboarding
from tests.doors.rest import HUB, bearer, problems_of
from tests.ports.rows import an_import, an_installed
from tests.world import ANNA, a_world

pytestmark = pytest.mark.rules

HISTORY = f"{HUB}/packages/history"
NEIGHBOURS = ["/api/processes", "/api/forms", "/api/apps"]
LISTS = [HISTORY, f"{HUB}/installed", *NEIGHBOURS]


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


async def asked(world, path, headers=None):
    answer = await world.http.get(path, headers=headers)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_the_history_tells_every_export_that_was_tried_newest_first(world):
    made = await exported(world)
    taken = await world.http.post(f"{HUB}/packages/export", json=SUITE)

    page = await asked(world, f"{HISTORY}?tenantId=acme-dev")

    [failure, success] = page["items"]
    assert (page["totalCount"], page["page"], page["pageSize"]) == (2, 1, 25)
    assert (success["packageId"], success["checksum"]) == (made["packageId"], made["checksum"])
    assert (success["status"], success["artifactCount"], success["errorMessage"]) == ("Success", 5, None)
    assert success["bundleSize"] > 1000
    assert failure | {"exportId": "", "exportedAt": ""} == {
        "exportId": "",
        "packageId": None,
        "packageName": "Employee Onboarding Suite",
        "version": "2.1.0",
        "tenantId": "acme-dev",
        "exportedBy": ANNA,
        "exportedAt": "",
        "artifactCount": 0,
        "rootArtifactIds": ["proc-1001"],
        "checksum": None,
        "status": "Failure",
        "errorMessage": f"VersionConflict: {taken.json()['message']}",
        "bundleSize": 0,
    }


async def test_the_history_is_narrowed_and_paged(world):
    for patch in range(3):
        await exported(world, version=f"1.0.{patch}")
    now = world.services.clock.now()
    today, yesterday = f"{now:%Y-%m-%d}", f"{now - timedelta(days=1):%Y-%m-%d}"

    found = {
        query: [item["version"] for item in (await asked(world, f"{HISTORY}?{query}"))["items"]]
        for query in (
            f"exportedBy={ANNA}",
            "exportedBy=ben",
            f"fromDate={today}&toDate={today}",
            f"toDate={yesterday}",
            "pageSize=2",
            "pageSize=2&page=2",
            "pageSize=2&page=3",
        )
    }

    everything = ["1.0.2", "1.0.1", "1.0.0"]
    assert list(found.values()) == [everything, [], everything, [], everything[:2], everything[2:], []]


@pytest.mark.parametrize("path", [HISTORY, *NEIGHBOURS])
async def test_the_tenant_of_a_list_is_the_named_one_the_headers_or_the_tokens(world, path):
    await exported(world)

    by_query = await asked(world, f"{path}?tenantId=acme-dev", bearer(world, "acme-prod", "acme-dev"))
    by_header = await asked(world, path, {"x-tenant-id": "acme-dev"})
    by_token = await asked(world, path, bearer(world, "acme-dev"))

    assert by_query == by_header == by_token
    assert by_query["items"]


@pytest.mark.parametrize("path", LISTS)
async def test_a_list_does_not_show_other_tenants(world, path):
    package_id = (await exported(world))["packageId"]
    await imported(world, package_id, defaultConflictStrategy="Replace")
    await world.tenant("other")
    strangers = bearer(world, "other")

    own = await asked(world, path, strangers)
    foreign = [
        await world.http.get(f"{path}?tenantId={tenant}", headers=strangers) for tenant in ("acme-prod", "nowhere")
    ]
    differing = await world.http.get(f"{path}?tenantId=acme-dev", headers={"x-tenant-id": "acme-prod"})

    assert own["items"] == []
    assert [(answer.status_code, answer.json()["error"]) for answer in (*foreign, differing)] == [
        (403, "TenantMismatch")
    ] * 3
    assert foreign[0].content == foreign[1].content


@pytest.mark.parametrize("path", LISTS)
async def test_every_wrong_wish_for_a_list_is_told_at_once(world, path):
    answer = await world.http.get(f"{path}?page=1.5&pageSize=101")

    assert (answer.status_code, answer.json()["error"]) == (400, "BadUserInput")
    assert {field for _, field in problems_of(answer)} == {"page", "pageSize"}


@pytest.mark.parametrize("path", LISTS)
@pytest.mark.parametrize("query", ["tenantId=a&tenantId=b", "tenantId=%00"])
async def test_a_tenant_that_is_none_is_refused(world, path, query):
    answer = await world.http.get(f"{path}?{query}", headers=world.platform_headers())

    assert (answer.status_code, ("BadUserInput", "tenantId") in problems_of(answer)) == (400, True)


@pytest.mark.parametrize(
    ("path", "scope"), [(HISTORY, "installhub:read"), *((path, "marketplace:install") for path in LISTS[1:])]
)
async def test_a_list_needs_its_right(world, path, scope):
    answer = await world.http.get(path, headers=bearer(world, "acme-dev", scopes=[scope]))

    assert (answer.status_code, answer.json()["error"]) == (403, "InsufficientPermission")


async def test_installed_packages_are_listed_over_all_tenants_of_the_token(world):
    package_id = (await exported(world))["packageId"]
    done = (await imported(world, package_id, defaultConflictStrategy="Replace")).json()

    page = await asked(world, f"{HUB}/installed")

    [row] = page["items"]
    checksum = row.pop("checksum")
    assert (page["totalCount"], checksum[:7]) == (1, "sha256:")
    assert row == {
        "tenantId": "acme-prod",
        "packageName": "Employee Onboarding Suite",
        "version": "2.1.0",
        "source": "acme-dev",
        "packageId": package_id,
        "importId": done["importId"],
        "installedAt": done["installedAt"],
        "packageDependencies": [],
    }


async def test_installed_packages_are_narrowed_counted_and_paged(world):
    for name in ("One", "Two", "Three"):
        package_id = (await exported(world, packageName=name))["packageId"]
        await imported(world, package_id, defaultConflictStrategy="Replace")

    queries = ("packageName=tWo", "packageName=none", "tenantId=acme-dev", "pageSize=2", "pageSize=2&page=2")

    pages = [await asked(world, f"{HUB}/installed?{query}") for query in queries]

    names = [[item["packageName"] for item in page["items"]] for page in pages]
    assert names == [["Two"], [], [], ["One", "Three"], ["Two"]]
    assert [page["totalCount"] for page in pages] == [1, 0, 0, 3, 3]


async def test_a_page_of_installed_packages_costs_the_same_however_many_there_are(quiet):
    tenant_id, sent = TenantId("acme-prod"), []
    for count in (1, 1200):
        job = an_import(f"imp-{count}", tenant_id)
        installed = [an_installed(job, name=f"Package {number}") for number in range(count)]
        async with quiet.runtime.ports.store.unit(tenant_id) as unit:
            await unit.imports.activate(job.import_id, installed, written=0)
        with counted_statements() as statements:
            page = await asked(quiet, f"{HUB}/installed?pageSize=1")
        sent.append(len(statements))
        assert (page["totalCount"], len(page["items"])) == (count, 1)

    assert sent[0] == sent[1]


async def test_neighbouring_lists_show_what_can_be_exported_by_name(world):
    lists = [(await asked(world, f"{path}?tenantId=acme-dev&pageSize=100"))["items"] for path in NEIGHBOURS]

    for items, prefix in zip(lists, ("proc-", "form-", "app-"), strict=True):
        assert items
        assert all(item.keys() == {"id", "name", "version"} and item["id"].startswith(prefix) for item in items)
        assert [item["name"].casefold() for item in items] == sorted(item["name"].casefold() for item in items)
    assert ("proc-1001", "EmployeeOnboarding") in [(item["id"], item["name"]) for item in lists[0]]


@pytest.mark.parametrize("read_at_once", [2, 500])
async def test_neighbouring_lists_are_paged(world, monkeypatch, read_at_once):
    path = "/api/forms?tenantId=acme-dev"
    everything = (await asked(world, f"{path}&pageSize=100"))["items"]
    monkeypatch.setattr(rest_compat.neighbours, "_READ_AT_ONCE", read_at_once)

    pages = [(await asked(world, f"{path}&pageSize=3&page={page}"))["items"] for page in range(1, 20)]

    assert [item for page in pages for item in page] == everything
    assert all(len(page) <= 3 for page in pages)


async def test_neighbouring_lists_leave_out_what_cannot_be_exported(world):
    path = "/api/processes?tenantId=acme-dev&pageSize=100"
    before = (await asked(world, path))["items"]
    gone = before[0]["id"]
    await world.services.authoring.apply(
        ArtifactChanges(TenantId("acme-dev"), archive=(gone,)), Actor("ben", "ben@acme.example")
    )

    after = (await asked(world, path))["items"]

    assert after == [item for item in before if item["id"] != gone]


async def test_neighbouring_lists_do_not_go_back_for_ever(world):
    answer = await world.http.get("/api/forms?tenantId=acme-dev&pageSize=100&page=101")

    assert (answer.status_code, problems_of(answer)) == (400, [("BadUserInput", "page")])
