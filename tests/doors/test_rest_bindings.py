"""Bindings over REST: templates, binding files as a part and as a route, and what plans list (section 9.3, R22)."""

from __future__ import annotations

import json

import javaproperties
import pytest

from domain.binding_slots import MASK
from domain.strict_json import canonical
from tests.doors.rest import HUB, bearer, problems_of
from tests.makers import an_agent, an_entity
from tests.world import a_world

KEY = "agent-1/llmConfig/credentialId"
FILE = f"{HUB}/bindings?sourceTenantId=source&targetTenantId=target"
READ = ("installhub:read",)


@pytest.fixture
async def world(tmp_path):
    async with a_world(tmp_path) as world:
        for tenant in ("source", "target", "other"):
            await world.tenant(tenant)
        world.http.headers.update(bearer(world, "source", "target"))
        await loaded(world, "source", an_agent(name="Billing", llmConfig={"credentialId": "cred-source"}))
        yield world


async def loaded(world, tenant, *trees):
    folder = world.settings.data / f"of-{tenant}-{trees[0]['id']}"
    folder.mkdir()
    for tree in trees:
        (folder / f"{tree['id']}.json").write_bytes(canonical(tree))
    await world.load(tenant, folder)


async def exported(world, **fields):
    wish = {"tenantId": "source", "packageName": "Agents", "packageType": "agent-package", "version": "1.0.0"}
    answer = await world.http.post(f"{HUB}/packages/export", json=wish | {"artifactIds": ["agent-1"]} | fields)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def downloaded(world):
    return (await world.http.get((await exported(world))["bundleDownloadUrl"])).content


async def imported(world, bundle, file=None, path="packages/import", **options):
    document = json.dumps({"targetTenantId": "target"} | options)
    parts = [("package", ("a.zip", bundle, "application/zip")), ("options", (None, document, "application/json"))]
    parts += [("bindings", ("any", file, "text/plain"))] if file is not None else []
    return await world.http.post(f"{HUB}/{path}", files=parts)


async def kept(world):
    return (await world.http.get(FILE)).json()["bindings"]


async def test_an_export_gives_the_file_to_fill_in_and_so_does_its_record(world):
    made = await exported(world)

    record = (await world.http.get(f"{HUB}/packages/{made['packageId']}")).json()

    assert made["bindingTemplate"] == record["bindingTemplate"] == {KEY: ""}
    assert javaproperties.loads(made["bindingProperties"]) == {KEY: ""}
    assert made["bindingProperties"].startswith("# Billing: credentialId\n")
    assert "cred-source" not in json.dumps(made)


async def test_a_package_that_needs_nothing_has_no_file(world):
    await loaded(world, "source", an_entity("ent-1"))

    made = await exported(world, artifactIds=["ent-1"], packageName="Plain")

    assert not {"bindingTemplate", "bindingProperties"} & made.keys()


@pytest.mark.parametrize(
    "file", [json.dumps({KEY: "cred-target"}), f"# the file\n{KEY} = cred-target\n"], ids=["json", "properties"]
)
async def test_a_binding_file_comes_with_the_package_and_is_remembered(world, file):
    bundle = await downloaded(world)

    first = await imported(world, bundle, file)
    planned = await imported(world, bundle, path="plans", defaultConflictStrategy="Replace")

    assert first.status_code == planned.status_code == 200, first.text
    assert await kept(world) == {KEY: "cred-target"}


async def test_a_file_that_is_empty_of_values_supplies_none(world):
    bundle = await downloaded(world)

    answer = await imported(world, bundle, json.dumps({KEY: ""}))

    assert (answer.status_code, answer.json()["error"]) == (400, "BindingUnresolved")


@pytest.mark.parametrize(
    ("file", "code"),
    [
        ('{"agent-1/llmConfig/credentialId": 7}', "InvalidOptions"),
        ('{"agent-1": "v"}', "InvalidOptions"),
        ('{"agent-1/x": "a", "agent-1/x": "b"}', "BadUserInput"),
        ("{", "BadUserInput"),
        (r"agent-1/x = \uXYZ1", "BadUserInput"),
        ("agent-1 = no place", "InvalidOptions"),
        ("x" * 50_000, "PayloadTooLarge"),
    ],
)
async def test_a_file_that_cannot_be_read_is_refused_with_its_part(world, file, code):
    answer = await imported(world, await downloaded(world), file)

    assert [row for row in problems_of(answer) if row[0] == code], answer.text
    assert all(field.startswith("bindings") for _, field in problems_of(answer))


async def test_two_values_for_one_place_are_refused(world):
    answer = await imported(world, await downloaded(world), json.dumps({KEY: "one"}), bindings={KEY: "other"})

    assert (answer.status_code, problems_of(answer)) == (400, [("InvalidOptions", "bindings")])


async def test_a_plan_lists_its_bindings_and_suggests_what_the_tenant_uses(world):
    await loaded(world, "target", an_agent("agent-7", name="Billing too", llmConfig={"credentialId": "cred-billing"}))
    bundle = await downloaded(world)

    plan = (await imported(world, bundle, path="plans", unresolvedBindings="ImportSwitchedOff")).json()
    listed = await world.http.get(f"{HUB}/plans/{plan['planId']}/bindings")
    hidden = await world.http.get(
        f"{HUB}/plans/{plan['planId']}/bindings", headers=bearer(world, "target", scopes=READ)
    )

    row = {
        "key": KEY,
        "kind": "credential",
        "label": "Billing: credentialId",
        "usedBy": [{"type": "AgentDefinition", "artifactId": "agent-1", "name": "Billing"}],
        "isResolved": False,
        "source": None,
    }
    assert plan["bindings"] == [row]
    assert listed.json()["items"] == [row | {"suggestions": ["cred-billing"]}]
    assert hidden.json()["items"] == [row | {"suggestions": []}]


async def test_another_tenants_plan_has_no_bindings_to_see(world):
    plan = (await imported(world, await downloaded(world), json.dumps({KEY: "c"}), path="plans")).json()

    answer = await world.http.get(f"{HUB}/plans/{plan['planId']}/bindings", headers=bearer(world, "other"))

    assert (answer.status_code, answer.json()["what"]) == (404, "plan")


async def test_the_file_of_a_pair_is_put_shown_masked_and_put_back(world):
    put = await world.http.put(FILE, json={KEY: "hunter 2!", "agent-2/x": "cred-name"})

    again = await world.http.put(FILE, json=put.json()["bindings"])

    assert put.json()["bindings"] == {KEY: MASK, "agent-2/x": "cred-name"}
    assert again.json()["bindings"] == await kept(world) == put.json()["bindings"]
    assert (await imported(world, await downloaded(world))).status_code == 200
    assert {row["key"] for row in put.json()["remembered"]} == {KEY, "agent-2/x"}


async def test_the_file_of_a_pair_may_be_properties(world):
    form = {"Content-Type": "text/x-java-properties"}

    put = await world.http.put(FILE, content=f"{KEY} = cred-name".encode(), headers=form)
    other = await world.http.put(FILE, content=b"x", headers={"Content-Type": "application/xml"})

    assert put.json()["bindings"] == {KEY: "cred-name"}
    assert (other.status_code, other.json()["error"]) == (415, "UnsupportedMediaType")


@pytest.mark.parametrize(
    ("query", "headers", "code"),
    [
        ("?targetTenantId=target", None, "BadUserInput"),
        ("?sourceTenantId=source&targetTenantId=other", None, "TenantMismatch"),
        (f"?sourceTenantId={'s' * 200}&targetTenantId=target", None, "BadUserInput"),
        ("?sourceTenantId=source&targetTenantId=target", READ, "InsufficientPermission"),
    ],
)
async def test_a_pair_that_is_not_the_callers_is_refused(world, query, headers, code):
    sent = bearer(world, "source", "target", scopes=headers) if headers else None

    shown = await world.http.get(f"{HUB}/bindings{query}", headers=sent)
    put = await world.http.put(f"{HUB}/bindings{query}", json={KEY: "v"}, headers=sent)

    assert [shown.json()["error"], put.json()["error"]] == [code, code]
    assert await kept(world) == {}


async def test_an_export_may_refer_and_a_preview_says_what_that_leaves_out(world):
    await loaded(world, "other", an_entity("ent-5", name="Person"))
    core = {"tenantId": "other", "packageName": "Core", "packageType": "config-package", "version": "1.0.0"}
    both = bearer(world, "source", "other")
    made = await world.http.post(f"{HUB}/packages/export", json=core | {"artifactIds": ["ent-5"]}, headers=both)
    brought = {"sourcePackageId": made.json()["packageId"], "options": {"targetTenantId": "source"}}
    ids = (await world.http.post(f"{HUB}/packages/import", json=brought, headers=both)).json()["idRemapTable"]
    await loaded(world, "source", an_agent("agent-2", name="Asker", tools=[{"name": "t", "entityId": ids["ent-5"]}]))
    wish = {"tenantId": "source", "artifactIds": ["agent-2"], "packageName": "Askers", "dependencyMode": "Refer"}

    preview = (await world.http.post(f"{HUB}/packages/preview", json=wish)).json()
    package = await exported(world, **wish)
    installed = (await world.http.get(f"{HUB}/installed?tenantId=source")).json()["items"]

    assert preview["externalReferences"] == package["manifest"]["externalReferences"]
    assert (
        preview["externalReferences"][0] | {"artifactId": ids["ent-5"], "sourceId": "ent-5"}
        == (preview["externalReferences"][0])
    )
    assert preview["totalArtifacts"] == package["artifactCount"] == 1
    assert [row["packageDependencies"] for row in installed] == [[]]


async def test_a_preview_of_a_known_package_suggests_its_next_version(world):
    await exported(world)
    wish = {"tenantId": "source", "artifactIds": ["agent-1"]}

    named = await world.http.post(f"{HUB}/packages/preview", json=wish | {"packageName": "Agents"})
    unnamed = await world.http.post(f"{HUB}/packages/preview", json=wish)

    assert named.json()["suggestedVersion"] == "1.0.1"
    assert "suggestedVersion" not in unnamed.json()
