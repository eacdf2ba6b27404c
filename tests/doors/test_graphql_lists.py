"""Lists: filters, cursors that belong to one list, and members that are read together."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from domain.import_model import ImportJob, ImportKind, ImportMode, ImportPackage, ImportState
from domain.model import Actor, BlobKey, ImportId, PlanId, TenantId
from domain.options import ImportOptions
from domain.scanning import ScanReport, ScanResult
from tests.clocks import NOON
from tests.doors.counting import counted_statements
from tests.doors.graphql_world import (
    EXPORT,
    SAVE,
    A,
    Asking,
    B,
    an_order_form,
    exported,
    submitted,
    with_artifacts,
)
from tests.ports.rows import a_plan, an_action, queued
from tests.world import a_world

pytestmark = pytest.mark.rules

FILTERED = "query($filter: ImportFilter) { importJobs(filter: $filter) { nodes { id } } }"
INSTALLED = """query($name: String, $ids: [ID!], $first: Int, $after: String) {
  installedPackages(packageName: $name, tenantIds: $ids, first: $first, after: $after) {
    nodes { key packageName version changedArtifactCount tenant { tenantId } importJob { id } }
    pageInfo { hasNextPage endCursor } } }"""


@pytest.fixture
async def world(tmp_path, database_url):
    async with a_world(tmp_path, database_url=database_url) as world:
        yield world


@pytest.fixture
async def quiet(tmp_path, database_url):
    """A world in which imports stay in line: nobody runs them."""
    async with a_world(tmp_path, database_url=database_url, role="web", answers_mb=0) as world:
        yield world


async def many_imports(world, count: int) -> None:
    """Imports of tenant B in line, each with a plan and a scan report."""
    report = ScanReport("pkg-1", "1.0.0", ScanResult.PASS, NOON, 1, (), "1").to_stored()
    for number in range(count):
        job = a_job(f"imp-{number:03}")
        plan = a_plan(job, an_action(1), an_action(2, kind=None, conflict_key="conf-001"))
        async with world.runtime.ports.store.unit(job.tenant_id) as unit:
            await unit.imports.submit(job, queued())
            await unit.imports.save_plan(plan)
            await unit.imports.save_scan(job.import_id, 0, report)


def a_job(import_id: str, **fields) -> ImportJob:
    job = ImportJob(
        import_id=ImportId(import_id),
        tenant_id=TenantId(B),
        kind=ImportKind.IMPORT,
        mode=ImportMode.APPLY,
        state=ImportState.QUEUED,
        options=ImportOptions(),
        packages=(ImportPackage(0, BlobKey("blob-1"), "0" * 64, 1234),),
        submitted_by=Actor("anna", "anna@acme.example"),
        submitted_at=NOON,
        last_seq=1,
        plan_id=PlanId(f"plan-{import_id}"),
    )
    return replace(job, **fields)


async def test_a_list_of_imports_costs_the_same_number_of_statements_however_long_it_is(quiet):
    caller = await with_artifacts(quiet)
    await many_imports(quiet, 50)
    query = """query($first: Int) { importJobs(first: $first) { nodes { id
      progress { percent } plan { counts { create openConflicts } } scanReport { result }
      queue { position holder { id } } audit { action } events(first: 2) { seq } conflicts { key } retryOf { id }
      sourcePackage { id } tenant { tenantId runningImport { id } queuedImportCount } } } }"""
    await caller.data(query, first=50)

    counts, nodes = [], []
    for first in (5, 50):
        with counted_statements() as sent:
            nodes = (await caller.data(query, first=first))["importJobs"]["nodes"]
        counts.append(len(sent))

    assert counts[0] == counts[1]
    assert counts[1] < 15
    assert len(nodes) == 50
    assert {node["queue"]["position"] for node in nodes} == set(range(1, 51))
    assert all(node["plan"]["counts"] == {"create": 1, "openConflicts": 1} for node in nodes)
    assert all(node["scanReport"] == {"result": "PASS"} and node["events"] == [{"seq": 1}] for node in nodes)
    assert nodes[0]["tenant"] == {"tenantId": B, "runningImport": None, "queuedImportCount": 50}


async def test_a_list_of_artifacts_costs_the_same_number_of_statements_however_long_it_is(quiet):
    caller = await with_artifacts(quiet)
    (entity, form) = an_order_form(A)["save"]
    forms = [form | {"artifactId": f"form-{n:02}", "name": f"Form {n:02}"} for n in range(48)]
    await caller.data(SAVE, input={"tenantId": A, "save": [entity, *forms]})
    query = """query($first: Int) { tenant(id: "tenant-a") { artifacts(first: $first) { nodes { artifactId content
      references { artifactId } usedBy(first: 3) { nodes { artifactId } pageInfo { hasNextPage } }
      revisions(first: 1) { nodes { number } pageInfo { hasNextPage } } tenant { tenantId } } } } }"""
    await caller.data(query, first=50)

    counts, nodes = [], []
    for first in (5, 50):
        with counted_statements() as sent:
            nodes = (await caller.data(query, first=first))["tenant"]["artifacts"]["nodes"]
        counts.append(len(sent))

    found = {node["artifactId"]: node for node in nodes}
    assert counts[0] == counts[1]
    assert len(nodes) == 50
    assert found["form-07"]["references"] == [{"artifactId": "ent-1"}]
    assert [node["artifactId"] for node in found["ent-1"]["usedBy"]["nodes"]] == ["form-00", "form-01", "form-02"]
    assert found["ent-1"]["usedBy"]["pageInfo"] == {"hasNextPage": True}
    assert found["ent-1"]["revisions"] == {"nodes": [{"number": 2}], "pageInfo": {"hasNextPage": True}}
    assert found["form-07"]["usedBy"]["nodes"] == []


async def test_imports_are_filtered_by_everything_they_are_known_by(quiet):
    caller = await with_artifacts(quiet)
    store = quiet.runtime.ports.store
    jobs = [
        a_job("imp-1", package_name="Orders", package_id="pkg-7"),
        a_job("imp-2", submitted_at=NOON + timedelta(hours=1), submitted_by=Actor("ben", None)),
        a_job("imp-3", tenant_id=TenantId(A), idempotency_key="key-3"),
        a_job("imp-4", mode=ImportMode.PLAN),
        a_job("imp-5", state=ImportState.WAITING_FOR_DECISIONS, expires_at=NOON + timedelta(hours=24)),
    ]
    for job in jobs:
        async with store.unit(job.tenant_id) as unit:
            await unit.imports.submit(job, queued())

    async def listed(**wanted):
        return [node["id"][-1] for node in (await caller.data(FILTERED, filter=wanted))["importJobs"]["nodes"]]

    assert await listed() == ["5", "3", "2", "1"]
    assert await listed(includeDryRuns=True) == ["5", "4", "3", "2", "1"]
    assert await listed(tenantIds=[A]) == ["3"]
    assert await listed(kinds=["IMPORT"], states=["WAITING_FOR_DECISIONS"]) == ["5"]
    assert await listed(packageName="ORDERS") == await listed(packageId="pkg-7") == ["1"]
    assert await listed(submittedBy="ben") == ["2"]
    assert await listed(since="2026-03-02T13:00:00Z") == ["2"]
    assert await listed(until="2026-03-02T13:00:00+01:00") == []
    assert await listed(until="2026-03-02T14:00:00+01:00") == ["5", "3", "1"]
    assert await listed(idempotencyKey="key-3") == ["3"]
    assert await listed(expiresBefore="2026-03-03T12:00:01Z") == ["5"]
    assert await listed(expiresBefore="2026-03-03T12:00:00Z") == []
    assert await caller.code(FILTERED, filter={"since": "yesterday"}) == "BAD_USER_INPUT"
    assert await caller.code(FILTERED, filter={"tenantIds": [""]}) == "INVALID_TENANT_ID"


@pytest.mark.parametrize("moment", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"])
@pytest.mark.parametrize("name", ["since", "until", "expiresBefore"])
async def test_a_moment_beyond_the_calendar_is_the_callers_mistake(quiet, name, moment):
    caller = Asking(quiet, quiet.headers(A))
    written = FILTERED.replace("$filter: ImportFilter", "$first: Int").replace(
        "filter: $filter", f'first: $first, filter: {{{name}: "{moment}"}}'
    )

    assert await caller.code(FILTERED, filter={name: moment}) == "BAD_USER_INPUT"
    assert await caller.code(written) == "BAD_USER_INPUT"


async def test_installed_packages_are_listed_over_all_tenants_and_tell_what_was_changed(world):
    caller = await with_artifacts(world)
    package_id = await exported(caller)
    for tenant_id in (B, A):
        await caller.events(await submitted(caller, package_id, tenant_id, defaultStrategy="REPLACE"))
    here = (await caller.data('{ tenant(id: "tenant-b") { artifacts { nodes { artifactId artifactType } } } }'))[
        "tenant"
    ]
    form = next(one for one in here["artifacts"]["nodes"] if one["artifactType"] == "ATLAS_FORM")
    change = an_order_form(B)["save"][1] | form | {"version": "1.0.1"}
    await caller.data(SAVE, input={"tenantId": B, "save": [change]})

    first = (await caller.data(INSTALLED, first=1))["installedPackages"]
    rest = (await caller.data(INSTALLED, after=first["pageInfo"]["endCursor"]))["installedPackages"]
    named = [(await caller.data(INSTALLED, name=name))["installedPackages"]["nodes"] for name in ("ORDERS", "Other")]

    assert [node["tenant"]["tenantId"] for node in first["nodes"] + rest["nodes"]] == [A, B]
    assert (first["pageInfo"]["hasNextPage"], rest["pageInfo"]["hasNextPage"]) == (True, False)
    assert rest["nodes"][0]["changedArtifactCount"] == 1
    assert (len(named[0]), named[1]) == (2, [])


async def test_what_is_installed_in_a_tenant_is_listed_in_pages(world):
    caller = await with_artifacts(world)
    for name in ("Orders", "Alpha"):
        order = {"tenantId": A, "packageName": name, "packageType": "FORM_PACKAGE", "version": "1.0.0"}
        made = await caller.data(EXPORT, input=order | {"artifactIds": ["form-1"]})
        package_id = made["exportPackage"]["exportedPackage"]["id"]
        await caller.events(await submitted(caller, package_id, defaultStrategy="SKIP"))
    query = """query($first: Int, $after: String) { tenant(id: "tenant-b") {
      installedPackages(first: $first, after: $after) {
        nodes { packageName } pageInfo { endCursor hasNextPage } } } }"""

    first = (await caller.data(query, first=1))["tenant"]["installedPackages"]
    rest = (await caller.data(query, after=first["pageInfo"]["endCursor"]))["tenant"]["installedPackages"]

    assert [node["packageName"] for node in first["nodes"] + rest["nodes"]] == ["Alpha", "Orders"]
    assert (first["pageInfo"]["hasNextPage"], rest["pageInfo"]["hasNextPage"]) == (True, False)


#: every list, and how its cursors are come by; ``%s`` is an argument
LISTS = {
    "tenants": "{ viewer { at: tenants%s { pageInfo { endCursor } } } }",
    "imports": "{ at: importJobs%s { pageInfo { endCursor } } }",
    "installed": "{ at: installedPackages%s { pageInfo { endCursor } } }",
    "installed in A": '{ tenant(id: "tenant-a") { at: installedPackages%s { pageInfo { endCursor } } } }',
    "installed in B": '{ tenant(id: "tenant-b") { at: installedPackages%s { pageInfo { endCursor } } } }',
    "packages of A": '{ tenant(id: "tenant-a") { at: exportedPackages%s { pageInfo { endCursor } } } }',
    "packages of B": '{ tenant(id: "tenant-b") { at: exportedPackages%s { pageInfo { endCursor } } } }',
    "artifacts of A": '{ tenant(id: "tenant-a") { at: artifacts%s { pageInfo { endCursor } } } }',
    "artifacts of B": '{ tenant(id: "tenant-b") { at: artifacts%s { pageInfo { endCursor } } } }',
    "users": '{ tenant(id: "tenant-a") { artifact(artifactId: "ent-1") { at: usedBy%s { pageInfo { endCursor } } } } }',
    "history of an entity": '{ tenant(id: "tenant-a") { artifact(artifactId: "ent-1") {'
    " at: revisions%s { pageInfo { endCursor } } } } }",
    "history of a form": '{ tenant(id: "tenant-a") { artifact(artifactId: "form-1") {'
    " at: revisions%s { pageInfo { endCursor } } } } }",
    "actions of one plan": '{ importJob(id: "%%(one)s") { plan { at: actions%s { pageInfo { endCursor } } } } }',
    "actions of another": '{ importJob(id: "%%(two)s") { plan { at: actions%s { pageInfo { endCursor } } } } }',
}


async def test_a_cursor_of_another_list_is_refused(world):
    caller = await with_artifacts(world)
    package_id = await exported(caller)
    names = {"one": await submitted(caller, package_id), "two": await submitted(caller, package_id, A)}
    for import_id in names.values():
        await caller.events(import_id)
    await _exported_in(caller, B)

    def asking_for(name, argument):
        return LISTS[name] % argument % names if "%%" in LISTS[name] else LISTS[name] % argument

    async def end(name):
        found = await caller.data(asking_for(name, "(first: 1)"))
        while "pageInfo" not in found:
            found = next(iter(found.values()))
        return found["pageInfo"]["endCursor"]

    cursors = {name: await end(name) for name in LISTS}
    assert None not in cursors.values()
    answers = {
        (of, into): await caller.whole(asking_for(into, f'(after: "{cursor}")'))
        for of, cursor in cursors.items()
        for into in LISTS
    }

    wrong = {key for key, answer in answers.items() if ("errors" in answer) is (key[0] == key[1])}
    codes = {error["extensions"]["code"] for answer in answers.values() for error in answer.get("errors", ())}
    assert (wrong, codes) == (set(), {"BAD_USER_INPUT"})


async def _exported_in(caller, tenant_id):
    """A package of whatever form the tenant has."""
    query = """query($id: ID!) { tenant(id: $id) { artifacts(filter: {artifactTypes: [ATLAS_FORM]}) {
      nodes { artifactId } } } }"""
    roots = (await caller.data(query, id=tenant_id))["tenant"]["artifacts"]["nodes"]
    order = {"tenantId": tenant_id, "packageName": "Back", "packageType": "FORM_PACKAGE", "version": "1.0.0"}
    made = await caller.data(EXPORT, input=order | {"artifactIds": [roots[0]["artifactId"]]})
    assert made["exportPackage"]["refusal"] is None


async def test_one_operation_shows_only_so_many_differences(world):
    caller = await with_artifacts(world)
    await caller.data(SAVE, input=an_order_form(B))
    import_id = await submitted(caller, await exported(caller), defaultStrategy="SKIP")
    await caller.events(import_id)
    query = """query($id: ID!) { importJob(id: $id) { plan { actions { nodes { conflict {
      %s } } } } } }"""

    few = await caller.whole(query % "changes { kind }", {"id": import_id})
    many = await caller.whole(query % " ".join(f"c{n}: changes {{ kind }}" for n in range(30)), {"id": import_id})

    assert "errors" not in few
    assert {error["extensions"]["code"] for error in many["errors"]} == {"QUERY_TOO_COMPLEX"}
