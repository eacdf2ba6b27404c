"""Undo, uninstall, and switching on through GraphQL."""

from __future__ import annotations

import pytest

from tests.doors.graphql_world import SAVE, B, C, asking, exported, imported, submitted, with_artifacts
from tests.world import a_world

ROLLBACK = """mutation($input: RollbackImportInput!) { rollbackImport(input: $input) {
  importJob { id kind state } refusal { __typename code problems { code inputPath } } } }"""
UNINSTALL = """mutation($input: UninstallPackageInput!) { uninstallPackage(input: $input) {
  importJob { id kind state } refusal { code } } }"""
ACTIVATE = """mutation($input: ActivateImportInput!) { activateImport(input: $input) {
  importJob { id state expiresAt } refusal { code } } }"""
PLAN = """mutation($input: PlanImportInput!) { planImport(input: $input) {
  importJob { id kind mode } refusal { code } } }"""
UNDO = """query($id: ID!) { importJob(id: $id) { state expiresAt outcome { removed }
  failure { code problems { code message } }
  undo { isPossible possibleUntil blockers { code message } undoneBy { id } undoes { id } } } }"""
PLANNED = "query($id: ID!) { importJob(id: $id) { plan { actions(first: 9) { nodes { kind } } } } }"
NAMES = "query($id: ID!) { tenant(id: $id) { artifacts { nodes { artifactId name } } } }"


@pytest.fixture
async def caller(tmp_path):
    async with a_world(tmp_path) as world:
        yield await with_artifacts(world)


async def names(caller, tenant_id=B):
    found = await caller.data(NAMES, id=tenant_id)
    return {node["name"]: node["artifactId"] for node in found["tenant"]["artifacts"]["nodes"]}


async def undone(caller, import_id, **request):
    """The import that takes it back, when it has ended."""
    made = await caller.data(ROLLBACK, input={"request": {"importId": import_id, **request}})
    undo_id = made["rollbackImport"]["importJob"]["id"]
    await caller.events(undo_id)
    return undo_id


async def test_an_import_is_taken_back_and_both_say_so(caller):
    import_id = await imported(caller)
    before = (await caller.data(UNDO, id=import_id))["importJob"]["undo"]

    undo_id = await undone(caller, import_id, reason="the wrong tenant")

    first, undo = [(await caller.data(UNDO, id=one))["importJob"] for one in (import_id, undo_id)]
    assert (before["isPossible"], before["blockers"], before["undoneBy"]) == (True, [], None)
    assert (await names(caller), undo["outcome"]) == ({}, {"removed": 2})
    assert (first["undo"]["isPossible"], first["undo"]["undoneBy"]) == (False, {"id": undo_id})
    assert (undo["undo"]["isPossible"], undo["undo"]["undoes"]) == (True, [{"id": import_id}])


async def test_what_is_in_the_way_is_told_and_decided(caller):
    import_id = await imported(caller)
    form = (await names(caller))["Order form"]
    content = {"fields": [], "title": "mine"}
    edit = {"artifactType": "ATLAS_FORM", "artifactId": form, "name": "Order form", "version": "1.0.0"}
    await caller.data(SAVE, input={"tenantId": B, "save": [edit | {"content": content}]})

    told = (await caller.data(UNDO, id=import_id))["importJob"]["undo"]
    blocked = await undone(caller, import_id)
    kept = await undone(caller, import_id, blockers="KEEP_AS_LOCAL")

    failed, done = [(await caller.data(UNDO, id=one))["importJob"] for one in (blocked, kept)]
    assert [row["code"] for row in told["blockers"]] == ["UNDO_BLOCKED"]
    assert (told["isPossible"], failed["failure"]["code"], done["state"]) == (True, "UNDO_BLOCKED", "SUCCEEDED")
    assert set(await names(caller)) == {"Order form"}


async def test_an_undo_and_an_uninstall_are_planned_like_imports(caller):
    import_id = await imported(caller)
    wishes = (
        {"rollbackImport": {"importId": import_id}},
        {"uninstallPackage": {"tenantId": B, "packageName": "orders"}},
    )

    told = []
    for wish in wishes:
        job = (await caller.data(PLAN, input=wish))["planImport"]["importJob"]
        await caller.events(job["id"])
        nodes = (await caller.data(PLANNED, id=job["id"]))["importJob"]["plan"]["actions"]["nodes"]
        told.append((job["kind"], job["mode"], [node["kind"] for node in nodes]))

    assert told == [("ROLLBACK", "PLAN", ["REMOVE"] * 2), ("UNINSTALL", "PLAN", ["REMOVE"] * 2)]
    assert len(await names(caller)) == 2


async def test_a_package_is_uninstalled_by_its_name(caller):
    await imported(caller)

    wish = {"request": {"tenantId": B, "packageName": "Orders"}}
    job = (await caller.data(UNINSTALL, input=wish))["uninstallPackage"]["importJob"]
    await caller.events(job["id"])
    again = (await caller.data(UNINSTALL, input=wish))["uninstallPackage"]

    assert (job["kind"], await names(caller)) == ("UNINSTALL", {})
    assert again == {"importJob": None, "refusal": {"code": "NOT_FOUND"}}


async def test_a_held_import_is_switched_on(caller):
    import_id = await submitted(caller, await exported(caller), activation="MANUAL")
    stream = await caller.world.services.records.settled(await _job(caller, import_id))
    waiting = (await caller.data(UNDO, id=import_id))["importJob"]
    unseen = await names(caller)

    switched = (await caller.data(ACTIVATE, input={"importId": import_id}))["activateImport"]
    await caller.events(import_id)

    assert (stream.state.value, waiting["state"]) == ("WAITING_FOR_ACTIVATION",) * 2
    assert waiting["expiresAt"]
    assert (unseen, switched["refusal"]) == ({}, None)
    assert len(await names(caller)) == 2


async def test_what_is_foreign_is_as_unknown_as_what_is_not(caller):
    import_id = await imported(caller)
    stranger = asking(caller.world, C)
    wishes = [
        (ROLLBACK, "rollbackImport", {"request": {"importId": import_id}}),
        (ROLLBACK, "rollbackImport", {"request": {"importId": "imp-nobody"}}),
        (ACTIVATE, "activateImport", {"importId": import_id}),
        (UNINSTALL, "uninstallPackage", {"request": {"tenantId": C, "packageName": "Orders"}}),
        (UNINSTALL, "uninstallPackage", {"request": {"tenantId": B, "packageName": "Orders"}}),
    ]

    codes = [(await stranger.data(query, input=wish))[name]["refusal"]["code"] for query, name, wish in wishes]

    assert codes == ["NOT_FOUND"] * 4 + ["TENANT_MISMATCH"]
    assert (await stranger.data(UNDO, id=import_id))["importJob"] is None
    assert len(await names(caller)) == 2


async def test_every_import_of_a_list_says_how_its_undo_stands(caller):
    first = await imported(caller)
    undo_id = await undone(caller, first)
    query = "{ importJobs(first: 20) { nodes { id undo { isPossible undoneBy { id } undoes { id } } } } }"

    found = (await caller.data(query))["importJobs"]["nodes"]

    assert found == [
        {"id": undo_id, "undo": {"isPossible": True, "undoneBy": None, "undoes": [{"id": first}]}},
        {"id": first, "undo": {"isPossible": False, "undoneBy": {"id": undo_id}, "undoes": []}},
    ]


async def test_a_plan_of_an_undo_is_applied_as_it_was_shown(caller):
    import_id = await imported(caller)
    wish = {"rollbackImport": {"importId": import_id}}
    planned = (await caller.data(PLAN, input=wish))["planImport"]["importJob"]["id"]
    await caller.events(planned)
    plan_id = (await caller.data("query($id: ID!) { importJob(id: $id) { plan { id } } }", id=planned))["importJob"]

    made = (await caller.data(ROLLBACK, input={"planId": plan_id["plan"]["id"]}))["rollbackImport"]
    await caller.events(made["importJob"]["id"])

    assert (made["importJob"]["kind"], made["refusal"], await names(caller)) == ("ROLLBACK", None, {})


async def _job(caller, import_id):
    async with caller.world.runtime.ports.store.platform_view() as view:
        return await view.lookup.import_job(import_id, None)
