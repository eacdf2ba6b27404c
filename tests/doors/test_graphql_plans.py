"""Plans as contracts through GraphQL: applied, agreed to, put right, looked at (decisions section 9.3, R10, R11)."""

from __future__ import annotations

import pytest

from tests.doors.counting import counted_statements
from tests.doors.graphql_world import SAVE, B, C, asking, exported, with_artifacts
from tests.doors.test_rest_applying import demand_approvals
from tests.world import a_world

PLAN = """mutation($input: PlanImportInput!) { planImport(input: $input) {
  importJob { id plan { id } } refusal { code message } } }"""
APPLY = """mutation($input: ImportPackageInput!) { importPackage(input: $input) {
  importJob { id state }
  refusal { __typename code message problems { code artifactId fixes { key label patch } }
    ... on StaleRefusal {
      drift { name artifactId revision changedBy changedAt pointers artifact { artifactId } }
      newPlan { id state } newPlanJob { id } } } } }"""
FIX = """mutation($input: ApplyFixInput!) { applyFix(input: $input) {
  importJob { id } plan { id } refusal { code message } } }"""
APPROVE = """mutation($input: ApprovePlanInput!) { approvePlan(input: $input) {
  plan { id state approvals { by { subject } hash at } approvalsMissing }
  refusal { code message problems { code } } } }"""
LOOK = """query($id: ID!) { plan(id: $id) {
  id hash state createdBy { subject } appliedBy { id } approvals { by { subject } } approvalsMissing
  counts { create update openConflicts blockers }
  problems { code fixes { key patch } }
  impact { activates { artifactId name } deactivates { name } alsoUsedBy { artifactId } otherPackages { name }
    newPowers { hosts } }
  actions(first: 10) { nodes { key kind decidedBy decidedByActor { subject } changeCount
    changes { pointer kind before after } conflict { key fixes { key label patch } } } } } }"""


@pytest.fixture
async def world(tmp_path):
    async with a_world(tmp_path) as world:
        yield world


@pytest.fixture
async def caller(world):
    return await with_artifacts(world)


async def save(caller, tenant, name="Order form", artifact_id="form-9", **content):
    saved = {"artifactType": "ATLAS_FORM", "artifactId": artifact_id, "name": name, "version": "1.0.0"}
    content = {"fields": [], **content}
    await caller.data(
        SAVE, input={"tenantId": tenant, "save": [saved | {"content": content}], "publish": [artifact_id]}
    )


async def planned(caller, tenant=B, **options):
    """The id of a plan that is made."""
    package_id = await exported(caller)
    request = {"tenantId": tenant, "source": {"packageId": package_id}, "options": options}
    made = await caller.data(PLAN, input={"importPackage": request})
    import_id = made["planImport"]["importJob"]["id"]
    await caller.events(import_id)
    return f"plan-{import_id.removeprefix('imp-')}"


async def look(caller, plan_id):
    return (await caller.data(LOOK, id=plan_id))["plan"]


async def applied(caller, plan_id):
    return (await caller.data(APPLY, input={"planId": plan_id}))["importPackage"]


async def test_a_plan_is_looked_at_and_applied_and_applied_again_is_the_same_import(caller):
    plan_id = await planned(caller)
    before = await look(caller, plan_id)

    first = await applied(caller, plan_id)
    await caller.events(first["importJob"]["id"])
    again = await applied(caller, plan_id)
    after = await look(caller, plan_id)

    assert (before["state"], before["appliedBy"], after["state"]) == ("READY", None, "APPLIED")
    assert first["importJob"]["id"] == again["importJob"]["id"] == after["appliedBy"]["id"]
    assert [one["name"] for one in before["impact"]["activates"]] == ["Customer", "Order form"]
    assert [node["changes"] for node in before["actions"]["nodes"]] == [[], []]
    assert before["createdBy"] == {"subject": "anna@acme.example"}


async def test_what_a_plan_changes_is_shown_with_who_decided_it(caller):
    await save(caller, B, title="theirs")
    decided = [{"artifact": {"artifactId": "form-1", "strategy": "REPLACE"}}]
    plan_id = await planned(caller, decisions=decided)

    node = next(node for node in (await look(caller, plan_id))["actions"]["nodes"] if node["kind"] == "UPDATE")

    assert {"pointer": "/title", "kind": "REMOVED", "before": "theirs", "after": None} in node["changes"]
    assert (node["changeCount"], node["decidedBy"]) == (len(node["changes"]), "BY_ARTIFACT")
    assert node["decidedByActor"] == {"subject": "anna@acme.example"}


async def test_a_stale_plan_is_refused_with_what_moved_and_the_new_plan(world, caller):
    await save(caller, B)
    plan_id = await planned(caller, defaultStrategy="REPLACE")
    await save(asking(world, B, subject="ben"), B, title="new")

    refused = (await applied(caller, plan_id))["refusal"]

    (moved,) = refused["drift"]
    assert (refused["__typename"], refused["code"]) == ("StaleRefusal", "PLAN_STALE")
    assert (moved["artifactId"], moved["changedBy"], moved["pointers"]) == ("form-9", "ben", ["/title"])
    assert moved["artifact"] == {"artifactId": "form-9"}
    job_id = refused["newPlanJob"]["id"]
    await caller.events(job_id)
    anew = f"plan-{job_id.removeprefix('imp-')}"
    assert (await look(caller, plan_id))["state"] == "STALE"
    assert (await look(caller, anew))["state"] == "READY"
    done = await applied(caller, anew)
    (*_, last) = await caller.events(done["importJob"]["id"])
    assert last["data"]["importProgress"]["state"] == "SUCCEEDED"


async def test_an_open_conflict_carries_fixes_and_one_makes_a_plan_that_can_be_applied(caller):
    await save(caller, B)
    plan_id = await planned(caller)
    open_plan = await look(caller, plan_id)
    refused = (await applied(caller, plan_id))["refusal"]
    (conflict,) = (node["conflict"] for node in open_plan["actions"]["nodes"] if node["conflict"])
    skip = next(fix for fix in conflict["fixes"] if fix["patch"]["decisions"][0]["strategy"] == "Skip")

    made = (await caller.data(FIX, input={"planId": plan_id, "fixKey": skip["key"]}))["applyFix"]
    await caller.events(made["importJob"]["id"])
    anew = f"plan-{made['importJob']['id'].removeprefix('imp-')}"

    assert (open_plan["state"], refused["code"]) == ("NEEDS_DECISIONS", "CONFLICT_REQUIRES_RESOLUTION")
    assert refused["problems"][0]["fixes"] == conflict["fixes"]
    assert (await look(caller, anew))["state"] == "READY"


async def test_a_plan_is_agreed_to_by_somebody_else(world, caller):
    await demand_approvals(world, 1, B)
    plan_id = await planned(caller)
    made = await look(caller, plan_id)
    ben = asking(world, B, subject="ben", scopes=("installhub:approve",))
    agreed = {"planId": plan_id, "hash": made["hash"]}

    early = await applied(caller, plan_id)
    own = (await caller.data(APPROVE, input=agreed))["approvePlan"]["refusal"]
    wrong = (await ben.data(APPROVE, input=agreed | {"hash": "x"}))["approvePlan"]["refusal"]
    approved = (await ben.data(APPROVE, input=agreed))["approvePlan"]["plan"]
    done = await applied(caller, plan_id)

    assert (made["state"], made["approvalsMissing"]) == ("NEEDS_APPROVAL", 1)
    codes = [early["refusal"]["code"], own["code"], wrong["code"]]
    assert codes == ["APPROVAL_REQUIRED", "INSUFFICIENT_PERMISSION", "BAD_USER_INPUT"]
    assert (approved["state"], approved["approvals"][0]["by"]) == ("READY", {"subject": "ben"})
    assert done["importJob"]


async def test_another_tenants_plan_is_as_unknown_as_nobodys(world, caller):
    plan_id = await planned(caller)
    stranger = asking(world, C)

    found = [
        [
            (await stranger.data(LOOK, id=named))["plan"],
            (await applied(stranger, named))["refusal"]["code"],
            (await stranger.data(FIX, input={"planId": named, "fixKey": "fix-1"}))["applyFix"]["refusal"]["code"],
            (await stranger.data(APPROVE, input={"planId": named, "hash": "x"}))["approvePlan"]["refusal"]["code"],
        ]
        for named in (plan_id, "plan-nobody")
    ]

    assert found == [[None, "NOT_FOUND", "NOT_FOUND", "NOT_FOUND"]] * 2


async def test_the_plan_of_an_import_is_not_that_of_an_install(caller):
    plan_id = await planned(caller)
    install = """mutation($input: InstallPackageInput!) { installPackage(input: $input) { refusal { code } } }"""

    answer = await caller.data(install, input={"planId": plan_id})

    assert answer["installPackage"]["refusal"]["code"] == "BAD_USER_INPUT"


async def test_the_states_and_changes_of_many_plans_cost_the_same_as_those_of_one(world, caller):
    await save(caller, B)
    many = """query($first: Int!) { importJobs(filter: { includeDryRuns: true }, first: $first) {
      nodes { plan { state approvalsMissing } } } }"""
    package_id = await exported(caller)
    for _ in range(3):
        request = {"tenantId": B, "source": {"packageId": package_id}}
        made = await caller.data(PLAN, input={"importPackage": request})
        await caller.events(made["planImport"]["importJob"]["id"])
    sent = []

    for first in (1, 3):
        with counted_statements() as statements:
            await caller.data(many, first=first)
        sent.append(len(statements))

    assert sent[0] == sent[1]
