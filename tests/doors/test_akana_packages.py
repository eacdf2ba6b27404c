"""Packages in and out of the Akana-compatible door, as plain HTTP clients move them (akana.md sections 3, 5 and 6)."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import pytest

from domain.artifact_types import ArtifactType
from domain.model import ArtifactStatus
from rest_compat.akana_switches import CORE, SWITCHES
from tests.doors.akana_client import a_client, a_user, code_of, names_in, report_of, save
from tests.doors.rest import BUNDLE, EXAMPLES, HUB, bearer
from tests.makers import a_bundle, a_rule_set, a_suite, an_agent, an_artifact, an_entity
from tests.world import a_world

pytestmark = pytest.mark.rules

MIB = 1 << 20
IMPORT = "/api/tenants/acme/packages"
EXPORT = "/api/businesses/tenantbusiness.acme/package"
APIS, APPS = "migration.export.include.apis", "migration.export.include.apps"
WORKFLOWS = "migration.export.include.workflow.definitions"
SUITE = a_bundle(*a_suite())
PUBLISHED = ArtifactStatus.PUBLISHED


@pytest.fixture
async def world(tmp_path, monkeypatch):
    monkeypatch.setenv("INSTALLHUB_LIMIT_ZIP_MB_STANDARD", "1")
    async with a_world(tmp_path) as world:
        await world.tenant("acme")
        await a_user(world, "acme")
        yield world


@pytest.fixture
async def client(world):
    """Anna, signed in."""
    async with a_client(world) as client:
        await client.sign_in()
        yield client


def files_of(answer):
    """The artifacts of a ZIP, by id."""
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        return {Path(name).stem for name in archive.namelist() if name.startswith("artifacts/")}


async def test_who_signs_in_exports_here_and_imports_there_and_back_again(tmp_path, database_url):
    async with (
        a_world(tmp_path, database_url=database_url) as world,
        a_client(world, is_browser=True) as browser,
        a_client(world) as script,
    ):
        for tenant, client in (("acme", browser), ("globex", script)):
            await world.tenant(tenant)
            await a_user(world, tenant, f"anna@{tenant}.example")
            await client.sign_in(f"anna@{tenant}.example")
        await world.load("acme", EXAMPLES / "acme-source")

        exported = await browser.take("acme", APIS, APPS)
        imported = await script.bring("globex", exported.content)
        again = await script.bring("globex", exported.content)
        back = await browser.bring("acme", (await script.take("globex", APIS, APPS)).content)

        assert (exported.status_code, exported.headers["content-type"]) == (200, "application/octet-stream")
        assert exported.headers["content-disposition"] == 'attachment; filename="business-export.zip"'
        assert int(exported.headers["content-length"]) == len(exported.content)
        assert (imported.status_code, imported.content) == (200, b"")
        assert imported.headers["content-type"].startswith("application/json")
        assert (await names_in(world, "globex")).keys() == (await names_in(world, "acme")).keys()
        report = await report_of(world, imported, "globex")
        assert (report["packageName"], report["installedBy"]) == ("Business acme", "anna@globex.example")
        assert (await report_of(world, again, "globex"))["artifactsWritten"] == 0
        assert (back.status_code, back.headers["content-type"]) == (200, "application/xml; charset=utf-8")
        assert (await report_of(world, back))["packageName"] == "Business globex"


async def test_what_is_exported_here_comes_in_through_the_other_doors(world, client):
    await save(world, *a_suite())
    await world.tenant("globex")
    bundle = (await client.take("acme", APIS)).content

    files = {
        "package": ("any.zip", bundle, "application/zip"),
        "options": (None, '{"targetTenantId": "globex"}', "application/json"),
    }
    answer = await world.http.post(f"{HUB}/packages/import", files=files, headers=bearer(world, "globex"))

    assert answer.json()["artifactsInstalled"] == 4
    assert (await names_in(world, "globex")).keys() == (await names_in(world)).keys()


async def test_what_other_doors_export_comes_in_here(world, client):
    answer = await client.bring("acme", BUNDLE)

    assert (answer.status_code, await names_in(world)) == (
        200,
        dict.fromkeys(("Leave limits", "Leave request"), (1, PUBLISHED)),
    )


async def test_an_import_replaces_what_is_there(world, client):
    await save(world, a_rule_set("rule-7", name="Leave limits", note="mine"))

    answer = await client.bring("acme", BUNDLE)

    assert answer.status_code == 200
    assert (await names_in(world))["Leave limits"] == (2, PUBLISHED)
    assert (await report_of(world, answer))["conflictReport"]["conflicts"][0]["resolution"] == "Replace"


async def test_without_switches_the_core_is_exported_and_each_switch_takes_more_along(world, client):
    app = an_artifact("app-1", widgets=[{"widgetId": "w", "config": {"formId": "form-2005"}}])
    await save(world, *a_suite(), an_artifact("thread-1"), an_agent(), app)
    core = {"ent-44", "rule-305", "form-2005"}

    found = {
        switches: files_of(await client.take("acme", *switches))
        for switches in ((), (APPS,), (APIS,), (WORKFLOWS,), (APIS, APPS), tuple(SWITCHES))
    }

    assert found == {
        (): core,
        (APPS,): core | {"app-1"},
        (APIS,): core | {"proc-1001", "thread-1", "agent-1"},
        (WORKFLOWS,): core | {"proc-1001", "thread-1"},
        (APIS, APPS): core | {"proc-1001", "thread-1", "agent-1", "app-1"},
        tuple(SWITCHES): core | {"proc-1001", "thread-1", "agent-1", "app-1"},
    }


def test_the_core_needs_nothing_that_a_switch_is_about():
    governed = [member for member in ArtifactType if member not in CORE]

    assert max(member.rank for member in CORE) < min(member.rank for member in governed)


async def test_every_switch_is_a_parameter_or_a_header_and_says_yes_or_no(world, client):
    await save(world, *a_suite(), an_artifact("app-1"))
    bare = files_of(await client.take("acme"))
    for name in SWITCHES:
        in_query = files_of(await client.take("acme", name))

        in_header = await client.ask("GET", EXPORT, headers={name: "True"})
        off = await client.ask("GET", EXPORT, params={name: "false", "download": "true", "wrapInHTML": "true"})

        assert (files_of(in_header), files_of(off)) == (in_query, bare)


async def test_switches_that_say_neither_yes_nor_no_are_refused_together(client):
    bad = await client.ask("GET", EXPORT, params={APIS: "1", WORKFLOWS: "true"}, headers={APPS: "yes", WORKFLOWS: ""})

    assert code_of(bad) == (400, "BadUserInput")
    assert [row["field"] for row in bad.json()["errors"]] == [APIS, APPS, WORKFLOWS]


async def test_a_resource_is_exported_with_all_it_needs(world, client):
    await save(world, *a_suite(), an_artifact("app-1"))
    rules = {"ent-44", "rule-305"}
    for path, file, ids in (
        ("tenants/form-2005.acme", "resource-export.zip", rules | {"form-2005"}),
        ("businesses/resources/ent-44.acme", "resource-export.zip", {"ent-44"}),
        ("apis/proc-1001.acme", "api-export.zip", rules | {"form-2005", "proc-1001"}),
        ("apps/app-1.acme", "application-export.zip", {"app-1"}),
    ):
        answer = await client.ask("GET", f"/api/{path}/package", params={"exportVersion": "current"})

        assert answer.headers["content-disposition"] == f'attachment; filename="{file}"'
        assert files_of(answer) == ids


async def test_the_same_export_is_known_again_by_its_tag_and_can_be_fetched_in_parts(world, client):
    await save(world, *a_suite())
    path = "/api/tenants/form-2005.acme/package"
    first = await client.ask("GET", path)

    known = await client.ask("GET", path, headers={"If-None-Match": first.headers["etag"]})
    part = await client.ask("GET", path, headers={"Range": "bytes=2-5"})
    head = await client.ask("HEAD", path)

    assert (known.status_code, known.content) == (304, b"")
    assert (part.status_code, part.content) == (206, first.content[2:6])
    assert (head.content, head.headers["content-length"]) == (b"", str(len(first.content)))


async def test_what_is_not_there_cannot_be_exported(world, client):
    await world.tenant("globex")
    await save(world, an_entity("ent-44"))
    await save(world, an_entity("ent-9"), tenant="globex")
    paths = (
        *("tenants/%00.acme", "tenants/.acme", "tenants/%C3%A9%20.acme", f"tenants/{'4' * 2_000}.acme"),
        *("tenants/ent-44", "tenants/ent-45.acme", "apis/ent-44.acme", "apps/ent-44.acme"),
        *("apis/versions/ent-44.acme", "apps/versions/ent-44.acme", "licenses/ent-44.acme"),
        *("businesses/acme", "businesses/otherbusiness.acme", "businesses/tenantbusiness."),
    )

    statuses = {path: (await client.ask("GET", f"/api/{path}/package")).status_code for path in paths}
    foreign = await client.ask("GET", "/api/tenants/ent-9.acme/package")
    unknown = await client.ask("GET", "/api/tenants/ent-8.acme/package")

    assert statuses == dict.fromkeys(paths, 404)
    assert (foreign.status_code, foreign.content) == (404, unknown.content)


async def test_nothing_to_export_is_told(client):
    assert code_of(await client.take("acme")) == (400, "EmptyArtifactList")
