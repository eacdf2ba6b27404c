"""What became of things, over GraphQL: exports that were tried, conflicts that were met, what touched an artifact."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from domain.errors import ErrorCode, Problem
from domain.model import PlanId, TenantId
from domain.plan_model import ActionKind
from schema.opaque import sealed
from schema.values import Problem as ShownProblem
from tests.doors.graphql_world import (
    EXPORT,
    SAVE,
    A,
    B,
    C,
    an_order_form,
    asking,
    exported,
    imported,
    submitted,
    with_artifacts,
)
from tests.doors.rest import HUB, upload, with_other_rules
from tests.ports.rows import a_plan, an_action, an_import, queued
from tests.world import ANNA, a_world

pytestmark = pytest.mark.rules

EXPORTS = """query($id: ID!, $filter: ExportFilter, $first: Int, $after: String) { tenant(id: $id) {
  exportHistory(filter: $filter, first: $first, after: $after) {
    nodes { key packageName version rootArtifactIds exportedBy exportedAt isSuccess errorMessage artifactCount
      checksum sizeBytes exportedPackage { id } }
    pageInfo { hasNextPage endCursor } } } }"""
TOUCHES = """query($id: ID!, $name: String!, $types: [ArtifactType!], $first: Int, $after: String) { tenant(id: $id) {
  artifactAudit(artifactName: $name, artifactTypes: $types, first: $first, after: $after) {
    nodes { importedAt packageName packageVersion conflictKey strategy previousVersion newVersion importJob { id } }
    pageInfo { hasNextPage endCursor } } } }"""
AUDIT = """query($id: ID!, $first: Int, $after: String) { importJob(id: $id) {
  conflictAudit(first: $first, after: $after) {
    nodes { conflict { key decided artifact { name artifactType } existing { version } packageVersion } decidedBy
      resolvedBy { email } resolvedAt outcome mergeDetails { updated added removed isTruncated } }
    pageInfo { hasNextPage endCursor } } } }"""
ORDER = {"tenantId": A, "packageName": "Orders", "packageType": "FORM_PACKAGE", "artifactIds": ["form-1"]}


@pytest.fixture
async def world(tmp_path, database_url):
    async with a_world(tmp_path, database_url=database_url) as world:
        yield world


@pytest.fixture
async def quiet(tmp_path, database_url):
    """A world in which imports stay in line: nobody runs them."""
    async with a_world(tmp_path, database_url=database_url, role="web") as world:
        yield world


@pytest.fixture
async def caller(world):
    return await with_artifacts(world)


async def tenants(caller, query, field, **variables):
    """A tenant's list, page by page."""
    found, after = [], None
    while True:
        page = (await caller.data(query, first=1, after=after, **variables))["tenant"][field]
        found += page["nodes"]
        if not page["pageInfo"]["hasNextPage"]:
            return found
        after = page["pageInfo"]["endCursor"]


async def test_the_export_history_tells_failed_exports_too_and_is_rests(world, caller):
    package_id = await exported(caller)
    await caller.data(EXPORT, input=ORDER | {"version": "1.0.0"})
    await exported(caller, version="1.1.0")

    found = await tenants(caller, EXPORTS, "exportHistory", id=A)

    answer = await world.http.get(f"{HUB}/packages/history?tenantId={A}", headers=dict(caller.headers))
    rows = answer.json()["items"]
    assert [(one["version"], one["isSuccess"]) for one in found] == [("1.1.0", True), ("1.0.0", False), ("1.0.0", True)]
    assert found[2]["exportedPackage"] == {"id": package_id}
    assert (found[1]["exportedPackage"], found[1]["errorMessage"][:16]) == (None, "VersionConflict:")
    same = ("packageName", "version", "rootArtifactIds", "exportedBy", "errorMessage", "artifactCount", "checksum")
    assert [{name: one[name] for name in same} for one in found] == [{name: row[name] for name in same} for row in rows]
    assert [one["key"] for one in found] == [row["exportId"] for row in rows]
    assert [one["sizeBytes"] for one in found] == [row["bundleSize"] for row in rows]


@pytest.mark.parametrize(
    ("wanted", "count"),
    [
        ({"exportedBy": ANNA}, 1),
        ({"exportedBy": "ben"}, 0),
        ({"since": "2020-01-01T00:00:00Z", "until": "2999-01-01T00:00:00Z"}, 1),
        ({"until": "2020-01-01T00:00:00Z"}, 0),
    ],
)
async def test_the_export_history_is_narrowed(caller, wanted, count):
    await exported(caller)

    assert len(await tenants(caller, EXPORTS, "exportHistory", id=A, filter=wanted)) == count


@pytest.fixture
async def waiting(world):
    """The id of an import into the tenant ``target`` that waits for the decision about a rule set."""
    for tenant_id in ("target", "other"):
        await world.tenant(tenant_id)
    await with_other_rules(world)
    return (await upload(world, headers=world.headers("target"))).json()["importId"]


async def test_the_audit_of_conflicts_is_rests_before_and_after_the_decision(world, waiting):
    caller = asking(world, "target")

    async def told():
        (here,) = (await caller.data(AUDIT, id=waiting))["importJob"]["conflictAudit"]["nodes"]
        answer = await world.http.get(f"{HUB}/packages/{waiting}/conflicts", headers=dict(caller.headers))
        (there,) = answer.json()["conflicts"]
        return here, there

    before = await told()
    body = {"resolutions": [{"conflictId": "conf-001", "strategy": "Merge"}]}
    await world.http.post(f"{HUB}/packages/{waiting}/resume", json=body, headers=dict(caller.headers))
    after = await told()

    decided = ("decidedBy", "resolvedBy", "resolvedAt", "outcome", "mergeDetails")
    assert [before[0][name] for name in decided] == [None] * 5
    assert [after[0][name] for name in decided if name != "resolvedAt"] == [
        *("BY_ARTIFACT", {"email": ANNA}, "APPLIED"),
        {"updated": ["rules[0].condition"], "added": [], "removed": [], "isTruncated": False},
    ]
    for here, there in (before, after):
        conflict = here["conflict"]
        assert (conflict["key"], conflict["artifact"]["name"]) == (there["conflictId"], there["artifactName"])
        assert conflict["existing"]["version"] == there["existingVersion"]
        assert conflict["packageVersion"] == there["packageVersion"]
        assert (conflict["decided"] or "").title() == (there["strategyApplied"] or "")
        assert (here["resolvedAt"] or "")[:19] == (there["resolvedAt"] or "")[:19]


async def test_the_audit_of_conflicts_is_paged(world, caller):
    mine = an_order_form(B)
    mine["save"][0]["content"] = {"fields": [{"name": "mine"}]}
    mine["save"][1]["content"]["fields"][0]["label"] = "Mine"
    await caller.data(SAVE, input=mine)
    import_id = await submitted(caller, await exported(caller), defaultStrategy="SKIP")
    await caller.events(import_id)

    first = (await caller.data(AUDIT, id=import_id, first=1))["importJob"]["conflictAudit"]
    after = first["pageInfo"]["endCursor"]
    rest = (await caller.data(AUDIT, id=import_id, after=after))["importJob"]["conflictAudit"]

    nodes = [*first["nodes"], *rest["nodes"]]
    assert [one["conflict"]["artifact"]["name"] for one in nodes] == ["Customer", "Order form"]
    assert (first["pageInfo"]["hasNextPage"], rest["pageInfo"]["hasNextPage"]) == (True, False)
    assert {(one["decidedBy"], one["outcome"], one["resolvedBy"]) for one in nodes} == {("DEFAULT", "SKIPPED", None)}


async def test_one_operation_asks_for_some_audits_only(caller):
    import_id = await imported(caller)
    many = " ".join(
        f'a{n}: importJob(id: "{import_id}") {{ conflictAudit {{ nodes {{ outcome }} }} }}' for n in range(11)
    )

    assert await caller.code(f"{{ {many} }}") == "QUERY_TOO_COMPLEX"


async def test_what_touched_an_artifact_is_told_newest_first_import_by_import(caller):
    ids = []
    for version in ("1.0.0", "1.1.0", "1.2.0"):
        change = an_order_form(A)
        change["save"][1] |= {"version": version, "name": "Order form"}
        change["save"][1]["content"]["fields"][0]["label"] = version
        await caller.data(SAVE, input=change)
        ids.append(await submitted(caller, await exported(caller, version=version), defaultStrategy="REPLACE"))
        await caller.events(ids[-1])

    found = await tenants(caller, TOUCHES, "artifactAudit", id=B, name="ORDER FORM", types=["ATLAS_FORM"])
    others = await tenants(caller, TOUCHES, "artifactAudit", id=B, name="Order form", types=["RULE_SET"])

    assert [one["importJob"]["id"] for one in found] == ids[::-1]
    assert [(one["packageVersion"], one["previousVersion"], one["strategy"]) for one in found] == [
        ("1.2.0", "1.1.0", "REPLACE"),
        ("1.1.0", "1.0.0", "REPLACE"),
        ("1.0.0", None, None),
    ]
    assert [one["newVersion"] for one in found] == ["1.2.0", "1.1.0", "1.0.0"]
    assert others == []


async def test_a_cursor_of_another_list_or_made_up_shows_nothing(caller):
    await imported(caller)
    named = {"id": B, "name": "Order form"}
    made_up = sealed("artifactAudit", B, "imp-nobody", 2**52)

    assert await caller.code(TOUCHES, **named, after="x") == "BAD_USER_INPUT"
    assert await caller.code(TOUCHES, **named, after=sealed("artifactAudit", A, "imp-1", 1)) == "BAD_USER_INPUT"
    assert (await caller.data(TOUCHES, **named, after=made_up))["tenant"]["artifactAudit"]["nodes"] == []
    assert (await caller.data(EXPORTS, id=A, after=sealed("exports", A, 0)))["tenant"]["exportHistory"]["nodes"] == []


async def test_what_became_of_things_does_not_show_other_tenants(world, caller):
    import_id = await imported(caller)
    stranger = asking(world, C)

    assert await stranger.data(AUDIT, id=import_id) == {"importJob": None}
    assert await stranger.data(EXPORTS, id=A) == {"tenant": None}
    assert await stranger.data(TOUCHES, id=B, name="Order form") == {"tenant": None}
    assert await tenants(stranger, EXPORTS, "exportHistory", id=C) == []
    assert await tenants(stranger, TOUCHES, "artifactAudit", id=C, name="Order form") == []


@pytest.mark.parametrize(
    ("query", "variables", "scope"),
    [
        (EXPORTS, {"id": A}, "installhub:import"),
        (TOUCHES, {"id": B, "name": "Order form"}, "installhub:export"),
    ],
)
async def test_what_became_of_things_needs_its_right(world, caller, query, variables, scope):
    other = asking(world, A, B, scopes=[scope])

    assert await other.code(query, **variables) == "INSUFFICIENT_PERMISSION"


async def test_a_conflict_says_what_suits_it_best(world, waiting):
    caller = asking(world, "target")
    conflicts = "query($id: ID!) { importJob(id: $id) { conflicts { key suggested allowed } } }"

    (conflict,) = (await caller.data(conflicts, id=waiting))["importJob"]["conflicts"]

    diff = await world.http.get(f"{HUB}/packages/{waiting}/conflicts/conf-001/diff", headers=dict(caller.headers))
    assert conflict == {"key": "conf-001", "suggested": "MERGE", "allowed": ["REPLACE", "MERGE", "SKIP", "COPY"]}
    assert diff.json()["suggestedStrategies"][0].upper() == conflict["suggested"]


@pytest.mark.parametrize(
    ("narrowed", "expected"),
    [
        ("", [0, 1, 2, 3]),
        ("(openOnly: true)", [1, 3]),
        ("(openOnly: true, kinds: [CREATE])", []),
        ("(kinds: [CREATE, SKIP])", [0, 2]),
        ("(kinds: [])", [0, 1, 2, 3]),
        ("(kinds: [SKIP], first: 0)", [2]),
    ],
)
async def test_a_plan_says_who_made_it_and_how_many_actions_there_are(quiet, narrowed, expected):
    caller = await with_artifacts(quiet)
    job = an_import("imp-1", TenantId(B), plan_id=PlanId("plan-imp-1"))
    kinds = (ActionKind.CREATE, None, ActionKind.SKIP, None)
    plan = a_plan(job, *(an_action(at, kind=kind) for at, kind in enumerate(kinds)))
    async with quiet.runtime.ports.store.unit(job.tenant_id) as unit:
        await unit.imports.submit(job, queued())
        await unit.imports.save_plan(plan)

    query = (
        f'{{ plan(id: "plan-imp-1") {{ createdBy {{ email }} actions{narrowed} {{ totalCount nodes {{ key }} }} }} }}'
    )
    found = (await caller.data(query))["plan"]

    assert found["createdBy"] == {"email": ANNA}
    assert found["actions"]["totalCount"] == len(expected)
    keys = [str(at) for at in expected]
    assert [one["key"] for one in found["actions"]["nodes"]] == ([] if "first: 0" in narrowed else keys)


async def test_a_queued_import_says_until_when_the_one_before_it_is_taken_to_be_alive(quiet):
    caller = await with_artifacts(quiet)
    package_id = await exported(caller)
    await submitted(caller, package_id)
    async with quiet.runtime.ports.store.platform_unit() as unit:
        holder = await unit.jobs.claim("worker", lease_seconds=3600)
    waits = await submitted(caller, package_id)
    query = """query($id: ID!) { importJob(id: $id) {
      queue { position reason holder { id } holderLeaseUntil } } }"""

    place = (await caller.data(query, id=waits))["importJob"]["queue"]

    until = datetime.fromisoformat(place.pop("holderLeaseUntil"))
    assert place == {"position": 1, "reason": "TENANT_BUSY", "holder": {"id": holder.import_id}}
    assert timedelta(minutes=30) < until - datetime.now(UTC) < timedelta(minutes=90)


@pytest.mark.parametrize(
    ("where", "artifact_id", "pointer"),
    [
        ("form-1/fields/0/dataSource/entityId", "form-1", "/fields/0/dataSource/entityId"),
        ("artifacts[12]/rules/0", "rule-1", "/rules/0"),
        ("/llmConfig/credentialId", "agent-1", "/llmConfig/credentialId"),
        ("artifacts[2].hash", "form-1", None),
        ("artifacts/forms/form-1.json", "form-1", None),
        ("form-10/fields/0", "form-1", None),
        ("/etc/passwd", "", None),
        ("form-1", "form-1", None),
        ("", "form-1", None),
    ],
)
def test_a_problem_says_where_in_its_artifact_it_is(where, artifact_id, pointer):
    problem = Problem(ErrorCode.BROKEN_REFERENCE, "A sentence.", where, artifact_id)

    assert ShownProblem.of(problem).pointer == pointer
