"""Bindings through GraphQL: templates, what a plan lists, and the file of a tenant pair (R22)."""

from __future__ import annotations

import javaproperties
import pytest

from domain.binding_slots import MASK
from tests.doors.graphql_world import SAVE, asking, submitted
from tests.world import a_world

A, B, C = "tenant-a", "tenant-b", "tenant-c"
KEY, OTHER = "agent-1/llmConfig/credentialId", "agent-1/tools/0/credentialId"
EXPORT = """mutation($input: ExportPackageInput!) { exportPackage(input: $input) {
  exportedPackage { id manifest bindingTemplate { bindings properties } } warnings { code details }
  refusal { code message } } }"""
PREVIEW = """query($name: String, $mode: DependencyMode) {
  exportPreview(tenantId: "tenant-a", artifactIds: ["agent-1"], packageName: $name, dependencyMode: $mode) {
    suggestedVersion externalReferences { artifact { artifactId name } packageName packageSource sourceId } } }"""
PLAN = """mutation($input: PlanImportInput!) { planImport(input: $input) { importJob { id } } }"""
BINDINGS = """query($id: ID!, $first: Int, $after: ID) { importJob(id: $id) { plan {
  bindings(first: $first, after: $after) {
    key kind label usedBy { artifactId name } isResolved source suggestions } } } }"""
FILE = """query($source: ID!, $target: ID!, $first: Int, $after: ID) {
  bindings(sourceTenantId: $source, targetTenantId: $target) {
    sourceTenantId targetTenant { tenantId }
    bindings(first: $first, after: $after) { key value keptBy { email } } } }"""
SAVE_FILE = """mutation($input: SaveBindingsInput!) { saveBindings(input: $input) {
  bindingFile { bindings { key value } } refusal { code problems { code inputPath } } } }"""


@pytest.fixture
async def world(tmp_path):
    async with a_world(tmp_path) as world:
        for tenant in (A, B, C):
            await world.tenant(tenant)
        yield world


@pytest.fixture
async def caller(world):
    caller = asking(world, A, B)
    tools = [{"name": "search", "credentialId": "cred-search"}]
    await caller.data(SAVE, input=an_agent(A, {"llmConfig": {"credentialId": "cred-a"}, "tools": tools}))
    return caller


def an_agent(tenant_id, content, artifact_id="agent-1", name="Billing"):
    agent = {"artifactType": "AGENT_DEFINITION", "artifactId": artifact_id, "name": name, "version": "1.0.0"}
    return {"tenantId": tenant_id, "save": [agent | {"content": content}], "publish": [artifact_id]}


async def exported(caller, version="1.0.0", **fields):
    order = {"tenantId": A, "packageName": "Agents", "packageType": "AGENT_PACKAGE", "version": version}
    made = await caller.data(EXPORT, input=order | {"artifactIds": ["agent-1"]} | fields)
    assert made["exportPackage"]["refusal"] is None
    return made["exportPackage"]


async def saved(caller, source=A, target=B, **values):
    rows = [{"key": key, "value": value} for key, value in values.items()]
    given = {"sourceTenantId": source, "targetTenantId": target, "bindings": rows}
    return (await caller.data(SAVE_FILE, input=given))["saveBindings"]


async def test_an_exported_package_gives_the_file_to_fill_in(caller):
    package = (await exported(caller))["exportedPackage"]

    template = package["bindingTemplate"]
    assert template["bindings"] == javaproperties.loads(template["properties"]) == {KEY: "", OTHER: ""}
    assert "cred-" not in repr(package)


async def test_a_plan_lists_its_bindings_page_by_page_with_suggestions(caller):
    await caller.data(SAVE, input=an_agent(B, {"llmConfig": {"credentialId": "cred-b"}}, "agent-9", "Billing, ours"))
    package_id = (await exported(caller))["exportedPackage"]["id"]
    options = {"bindings": [{"key": OTHER, "value": "cred-x"}]}
    request = {"tenantId": B, "source": {"packageId": package_id}, "options": options}
    import_id = (await caller.data(PLAN, input={"importPackage": request}))["planImport"]["importJob"]["id"]
    await caller.events(import_id)

    first = (await caller.data(BINDINGS, id=import_id, first=1))["importJob"]["plan"]["bindings"]
    rest = (await caller.data(BINDINGS, id=import_id, after=KEY))["importJob"]["plan"]["bindings"]

    agent = [{"artifactId": "agent-1", "name": "Billing"}]
    shown = {"kind": "credential", "label": "Billing: credentialId", "usedBy": agent}
    assert first == [{"key": KEY, **shown, "isResolved": False, "source": None, "suggestions": ["cred-b"]}]
    assert rest == [{"key": OTHER, **shown, "isResolved": True, "source": "SUPPLIED", "suggestions": []}]


async def test_the_file_of_a_pair_is_saved_shown_masked_and_used(caller):
    payload = await saved(caller, **{KEY: "cred-b", OTHER: "hunter 2!"})
    again = await saved(caller, **{KEY: "cred-b", OTHER: MASK})
    shown = (await caller.data(FILE, source=A, target=B, first=1, after=KEY))["bindings"]
    import_id = await submitted(caller, (await exported(caller))["exportedPackage"]["id"])
    events = await caller.events(import_id)

    rows = [{"key": KEY, "value": "cred-b"}, {"key": OTHER, "value": MASK}]
    assert payload == again == {"bindingFile": {"bindings": rows}, "refusal": None}
    assert (shown["sourceTenantId"], shown["targetTenant"]["tenantId"]) == (A, B)
    assert shown["bindings"] == [{"key": OTHER, "value": MASK, "keptBy": {"email": "anna@acme.example"}}]
    assert events[-1]["data"]["importProgress"]["state"] == "SUCCEEDED"


async def test_a_file_that_cannot_be_kept_is_refused_in_the_payload(caller):
    refused = await saved(caller, **{"agent-1": "no place", KEY: MASK})
    twice = await caller.data(
        SAVE_FILE,
        input={"sourceTenantId": A, "targetTenantId": B, "bindings": [{"key": KEY, "value": v} for v in ("a", "b")]},
    )

    assert refused["refusal"]["code"] == twice["saveBindings"]["refusal"]["code"] == "INVALID_OPTIONS"
    assert (await caller.data(FILE, source=A, target=B))["bindings"]["bindings"] == []


async def test_another_tenants_file_is_not_the_callers_to_see_or_change(world, caller):
    await saved(caller, **{KEY: "cred-b"})
    stranger, reader = asking(world, C), asking(world, B, scopes=("installhub:read",))

    assert await stranger.code(FILE, source=A, target=B) == "TENANT_MISMATCH"
    assert (await saved(stranger, **{KEY: "x"}))["refusal"]["code"] == "TENANT_MISMATCH"
    assert (await stranger.data(FILE, source=A, target=C))["bindings"]["bindings"] == []
    assert await reader.code(FILE, source=A, target=B) == "INSUFFICIENT_PERMISSION"
    assert (await saved(reader, **{KEY: "x"}))["refusal"]["code"] == "INSUFFICIENT_PERMISSION"


async def test_a_preview_suggests_the_next_version_and_an_export_warns_of_a_smaller_one(caller):
    await exported(caller, "1.3.0")
    await caller.data(SAVE, input=an_agent(A, {"llmConfig": {"credentialId": "cred-a"}, "prompt": "new"}))

    advised = (await caller.data(PREVIEW, name="Agents"))["exportPreview"]
    small = await exported(caller, "1.3.1")

    assert advised == {"suggestedVersion": "2.0.0", "externalReferences": []}
    assert [warning["code"] for warning in small["warnings"]] == ["VERSION_BUMP_TOO_SMALL"]
    assert (await caller.data(PREVIEW))["exportPreview"]["suggestedVersion"] is None


async def test_an_export_refers_to_what_another_package_brought(caller):
    schema = {"artifactType": "ENTITY_SCHEMA", "artifactId": "ent-5", "name": "Person", "version": "1.0.0"}
    saving = {"tenantId": B, "save": [schema | {"content": {"fields": []}}], "publish": ["ent-5"]}
    await caller.data(SAVE, input=saving)
    core = await exported(
        caller, tenantId=B, packageName="Core", packageType="CONFIG_PACKAGE", artifactIds=["ent-5"], version="1.2.0"
    )
    await caller.events(await submitted(caller, core["exportedPackage"]["id"], A))
    (entity,) = [
        node["artifactId"]
        for node in (await caller.data('{ tenant(id: "tenant-a") { artifacts { nodes { artifactId name } } } }'))[
            "tenant"
        ]["artifacts"]["nodes"]
        if node["name"] == "Person"
    ]
    await caller.data(SAVE, input=an_agent(A, {"tools": [{"name": "t", "entityId": entity}]}))

    told = (await caller.data(PREVIEW, name="Agents", mode="REFER"))["exportPreview"]["externalReferences"]
    package = (await exported(caller, dependencyMode="REFER"))["exportedPackage"]
    await caller.events(await submitted(caller, package["id"]))

    assert told == [
        {
            "artifact": {"artifactId": entity, "name": "Person"},
            "packageName": "Core",
            "packageSource": B,
            "sourceId": "ent-5",
        }
    ]
    assert [row["id"] for row in package["manifest"]["artifacts"]] == ["agent-1"]
    needed = {"packageName": "Core", "minVersion": "1.2.0", "maxVersion": "2.0.0"}
    assert package["manifest"]["packageDependencies"] == [needed]
