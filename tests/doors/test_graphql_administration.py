"""What administrators tell tenants over GraphQL, and how they give them up (decisions sections 9.1, 9.6, R40)."""

from __future__ import annotations

import pytest

from tests.doors.graphql_world import SAVE, A, B, an_order_form, asking, imported, with_artifacts
from tests.world import a_world

UPDATE = """mutation($input: UpdateTenantInput!) { updateTenant(input: $input) {
  tenant { freezeReason approvalsNeeded protectInstalled acceptsWarnings }
  refusal { code problems { inputPath } } } }"""
PURGE = """mutation($input: PurgeTenantInput!) { purgeTenant(input: $input) {
  purgedTenantId isGone refusal { code problems { inputPath } } } }"""
EDIT = """mutation($input: ChangeArtifactsInput!) { changeArtifacts(input: $input) {
  artifacts { artifactId } warnings { code place severity } refusal { code } } }"""


@pytest.fixture
async def world(tmp_path):
    async with a_world(tmp_path) as world:
        yield world


@pytest.fixture
async def owner(world):
    return await with_artifacts(world)


async def test_a_tenant_shows_what_it_was_told(owner):
    told = {"freezeReason": "The year is being closed.", "approvalsNeeded": 2, "protectInstalled": "WARN"}

    frozen = (await owner.data(UPDATE, input={"id": B, **told, "acceptsWarnings": True}))["updateTenant"]
    let_go = (await owner.data(UPDATE, input={"id": B, "unfreeze": True}))["updateTenant"]

    assert frozen == {"tenant": {**told, "acceptsWarnings": True}, "refusal": None}
    assert let_go["tenant"] == {**frozen["tenant"], "freezeReason": None}


async def test_who_edits_what_a_package_brought_is_warned_or_refused(owner):
    await imported(owner)
    found = await owner.data("query($id: ID!) { tenant(id: $id) { artifacts { nodes { artifactId } } } }", id=B)
    named = [node["artifactId"] for node in found["tenant"]["artifacts"]["nodes"]]
    edit = {"tenantId": B, "archive": named[:1]}

    await owner.data(UPDATE, input={"id": B, "protectInstalled": "WARN"})
    warned = (await owner.data(EDIT, input=edit))["changeArtifacts"]
    await owner.data(UPDATE, input={"id": B, "protectInstalled": "BLOCK"})
    blocked = (await owner.data(EDIT, input=edit))["changeArtifacts"]

    assert [(one["code"], one["place"], one["severity"]) for one in warned["warnings"]] == [
        ("INSTALLED_ARTIFACT_CHANGED", "archive[0]", "WARNING")
    ]
    assert blocked == {
        "artifacts": None,
        "warnings": None,
        "refusal": {"code": "INSTALLED_ARTIFACT_PROTECTED"},
    }


async def test_a_tenant_is_purged_by_who_names_it_twice(owner):
    unsure = (await owner.data(PURGE, input={"id": B, "confirmation": A}))["purgeTenant"]
    purged = (await owner.data(PURGE, input={"id": B, "confirmation": B}))["purgeTenant"]
    gone = await owner.data("query($id: ID!) { tenant(id: $id) { id } }", id=B)
    saved = (await owner.data(SAVE, input=an_order_form(A)))["changeArtifacts"]

    assert unsure["refusal"] == {"code": "BAD_USER_INPUT", "problems": [{"inputPath": ["input", "confirmation"]}]}
    assert purged == {"purgedTenantId": B, "isGone": True, "refusal": None}
    assert gone == {"tenant": None}
    assert saved["refusal"] is None


async def test_nobody_changes_or_purges_a_foreign_tenant(world, owner):
    stranger = asking(world, "tenant-c")

    refused = [
        (await stranger.data(UPDATE, input={"id": B, "unfreeze": True}))["updateTenant"]["refusal"]["code"],
        (await stranger.data(PURGE, input={"id": B, "confirmation": B}))["purgeTenant"]["refusal"]["code"],
    ]

    assert refused == ["TENANT_MISMATCH", "TENANT_MISMATCH"]
