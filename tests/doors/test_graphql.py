"""What front ends ask and do over GraphQL, against a real server."""

from __future__ import annotations

import pytest

from tests.doors.graphql_world import (
    EXPORT,
    IMPORT,
    SAVE,
    A,
    B,
    an_order_form,
    asking,
    exported,
    imported,
    submitted,
    with_artifacts,
)
from tests.world import a_world

pytestmark = pytest.mark.rules

READ = "installhub:read"


@pytest.fixture
async def world(tmp_path, database_url):
    async with a_world(tmp_path, database_url=database_url) as world:
        yield world


@pytest.fixture
async def caller(world):
    return await with_artifacts(world)


async def test_the_viewer_sees_what_the_token_allows(world, caller):
    narrow = asking(world, A, scopes=[READ])

    answer = await narrow.data(
        "{ viewer { subject email scopes tenants { nodes { tenantId viewerCan limits { bundleBytes } } } } }"
    )

    assert answer["viewer"] == {
        "subject": "anna@acme.example",
        "email": "anna@acme.example",
        "scopes": [READ],
        "tenants": {
            "nodes": [
                {
                    "tenantId": A,
                    "viewerCan": ["READ_IMPORTS", "READ_ARTIFACTS"],
                    "limits": {"bundleBytes": 500 * 2**20},
                }
            ]
        },
    }


async def test_a_tenant_is_made_and_changed_by_those_who_may(world):
    create = """mutation($input: CreateTenantInput!) { createTenant(input: $input) {
      tenant { id tenantId tenantPlan status } refusal { __typename code } } }"""
    update = """mutation($input: UpdateTenantInput!) { updateTenant(input: $input) {
      tenant { tenantPlan status } refusal { code } } }"""
    platform = asking(world, scopes=["installhub:platform", "installhub:admin"])

    made = (await platform.data(create, input={"tenantId": "new"}))["createTenant"]
    again = (await platform.data(create, input={"tenantId": "new"}))["createTenant"]
    forbidden = (await asking(world, "new").data(create, input={"tenantId": "other"}))["createTenant"]
    change = {"id": made["tenant"]["id"], "tenantPlan": "ENTERPRISE", "status": "SUSPENDED"}
    changed = (await asking(world, "new").data(update, input=change))["updateTenant"]

    assert made["tenant"]["tenantId"] == "new"
    assert made["tenant"]["tenantPlan"] == "STANDARD"
    assert made["refusal"] is None
    assert again == {"tenant": None, "refusal": {"__typename": "TakenRefusal", "code": "TENANT_EXISTS"}}
    assert forbidden["refusal"]["code"] == "INSUFFICIENT_PERMISSION"
    assert changed == {"tenant": {"tenantPlan": "ENTERPRISE", "status": "SUSPENDED"}, "refusal": None}


async def test_artifacts_are_listed_in_pages_that_do_not_overlap(caller):
    query = """query($after: String) { tenant(id: "tenant-a") { artifacts(first: 1, after: $after) {
      edges { cursor node { artifactId } } pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } } }"""

    first = (await caller.data(query))["tenant"]["artifacts"]
    second = (await caller.data(query, after=first["pageInfo"]["endCursor"]))["tenant"]["artifacts"]

    assert [edge["node"]["artifactId"] for edge in first["edges"] + second["edges"]] == ["ent-1", "form-1"]
    assert (first["pageInfo"]["hasNextPage"], first["pageInfo"]["hasPreviousPage"]) == (True, False)
    assert (second["pageInfo"]["hasNextPage"], second["pageInfo"]["hasPreviousPage"]) == (False, True)


async def test_an_artifact_tells_its_content_its_references_and_its_history(caller):
    await caller.data(SAVE, input=an_order_form(A))

    answer = await caller.data(
        """{ tenant(id: "tenant-a") {
          form: artifact(artifactId: "form-1") { id revision content references { artifactId } isChangedSinceImport
            origin { packageName } revisions(first: 1) { nodes { number content } pageInfo { hasNextPage } } }
          entity: artifact(artifactId: "ent-1") { usedBy { nodes { artifactId } } }
          none: artifact(artifactId: "form-9") { id } } }"""
    )

    form = answer["tenant"]["form"]
    assert form["content"]["fields"] == [{"fieldId": "f1", "dataSource": {"entityId": "ent-1"}}]
    assert form["references"] == [{"artifactId": "ent-1"}]
    assert form["revisions"]["nodes"] == [{"number": form["revision"], "content": form["content"]}]
    assert form["revisions"]["pageInfo"] == {"hasNextPage": True}
    assert (form["origin"], form["isChangedSinceImport"]) == (None, False)
    assert answer["tenant"]["entity"]["usedBy"]["nodes"] == [{"artifactId": "form-1"}]
    assert answer["tenant"]["none"] is None


async def test_a_batch_of_changes_is_refused_whole_with_the_inputs_that_are_wrong(caller):
    wrong = an_order_form(A)
    wrong["save"][0] |= {"ifRevision": 7}
    wrong["save"][1] |= {"version": "one"}

    answer = (await caller.data(SAVE, input=wrong))["changeArtifacts"]
    after = await caller.data('{ tenant(id: "tenant-a") { artifact(artifactId: "ent-1") { revision } } }')

    assert answer["artifacts"] is None
    problem = {"code": "INVALID_VERSION", "place": "save[1].version", "inputPath": ["input", "save", "1", "version"]}
    assert problem in answer["refusal"]["problems"]
    assert after["tenant"]["artifact"]["revision"] == 1


async def test_a_save_over_somebody_elses_is_refused(caller):
    late = an_order_form(A)
    late["save"][0] |= {"ifRevision": 7}

    answer = (await caller.data(SAVE, input=late))["changeArtifacts"]

    assert answer["refusal"]["__typename"] == "TakenRefusal"
    assert answer["refusal"]["code"] == "REVISION_CONFLICT"


async def test_content_that_is_no_object_is_refused(caller):
    odd = an_order_form(A)
    odd["save"][0] |= {"content": [1]}

    answer = (await caller.data(SAVE, input=odd))["changeArtifacts"]

    assert answer["refusal"]["code"] == "ARTIFACT_INVALID"


async def test_a_preview_shows_what_comes_along_and_a_bad_one_is_a_coded_error(caller):
    query = """query($ids: [String!]!) { exportPreview(tenantId: "tenant-a", artifactIds: $ids) {
      roots { name } installOrder cycle dependencies { artifact { artifactId } resolvedFrom depth } } }"""

    preview = (await caller.data(query, ids=["form-1"]))["exportPreview"]
    answer = await caller.whole(query, {"ids": ["form-9"]})

    assert preview == {
        "roots": [{"name": "Order form"}],
        "installOrder": ["ent-1", "form-1"],
        "cycle": None,
        "dependencies": [{"artifact": {"artifactId": "ent-1"}, "resolvedFrom": "form-1", "depth": 1}],
    }
    extensions = answer["errors"][0]["extensions"]
    assert answer["data"] is None
    assert extensions["code"] == "ARTIFACT_NOT_FOUND"
    assert extensions["problems"][0]["place"] == "artifactIds[0]"


async def test_a_version_is_exported_once_and_the_refusal_points_to_what_is_there(caller):
    package_id = await exported(caller)
    query = EXPORT.replace("__typename code", "__typename code ... on TakenRefusal { existing { id } }")
    order = {"tenantId": A, "packageName": "orders", "packageType": "FORM_PACKAGE", "version": "1.0.0"}

    answer = (await caller.data(query, input=order | {"artifactIds": ["form-1"]}))["exportPackage"]

    assert answer["exportedPackage"] is None
    assert answer["refusal"]["code"] == "VERSION_CONFLICT"
    assert answer["refusal"]["existing"] == {"id": package_id}


async def test_too_many_exports_are_refused_with_the_time_to_wait(world, caller):
    query = EXPORT.replace("__typename code", "__typename code ... on LimitRefusal { limit retryAfterSeconds }")
    order = {"tenantId": A, "packageName": "x", "packageType": "FORM_PACKAGE", "version": "bad", "artifactIds": []}
    allowed = world.settings.limits.exports_per_user_minute

    codes = [(await caller.data(query, input=order))["exportPackage"]["refusal"] for _ in range(allowed + 1)]

    assert [refusal["code"] for refusal in codes[:-1]] == ["VALIDATION_FAILED"] * allowed
    assert codes[-1]["__typename"] == "LimitRefusal"
    assert codes[-1]["retryAfterSeconds"] > 0


async def test_a_package_moves_from_one_tenant_to_another(caller):
    import_id = await imported(caller)

    job = (
        await caller.data(
            """query($id: ID!) { importJob(id: $id) { id kind mode isDryRun state packageName packageVersion
              progress { percent } sourcePackage { name tenant { tenantId } } tenant { tenantId } failure { code }
              outcome { created idRemap { sourceId targetId } } scanReport { result findings { rule } }
              plan { id counts { create openConflicts } importJob { id }
                actions(first: 1) { nodes { kind artifact { name } conflict { key } } pageInfo { hasNextPage } } }
              events(after: 1, first: 2) { seq } queue { position } conflicts { key } } }""",
            id=import_id,
        )
    )["importJob"]

    assert (job["state"], job["mode"], job["isDryRun"], job["failure"]) == ("SUCCEEDED", "APPLY", False, None)
    assert (job["packageName"], job["packageVersion"]) == ("Orders", "1.0.0")
    assert job["progress"] == {"percent": 100.0}
    assert job["sourcePackage"] == {"name": "Orders", "tenant": {"tenantId": A}}
    assert job["tenant"] == {"tenantId": B}
    assert job["outcome"]["created"] == 2
    assert [pair["sourceId"] for pair in job["outcome"]["idRemap"]] == ["ent-1", "form-1"]
    assert job["scanReport"] == {"result": "PASS", "findings": []}
    assert job["plan"]["counts"] == {"create": 2, "openConflicts": 0}
    assert job["plan"]["importJob"] == {"id": import_id}
    assert job["plan"]["actions"]["nodes"] == [{"kind": "CREATE", "artifact": {"name": "Customer"}, "conflict": None}]
    assert job["plan"]["actions"]["pageInfo"] == {"hasNextPage": True}
    assert [event["seq"] for event in job["events"]] == [2, 3]
    assert (job["queue"], job["conflicts"]) == (None, [])


async def test_what_was_imported_knows_its_origin(caller):
    import_id = await imported(caller)

    there = (
        await caller.data(
            """{ tenant(id: "tenant-b") { runningImport { id } queuedImportCount
              installedPackages { nodes { packageName version source importJob { id } tenant { tenantId } } }
              artifacts(filter: {artifactTypes: [ATLAS_FORM]}) { nodes { isChangedSinceImport
                origin { packageName packageVersion sourceArtifactId importJob { id } } } } } }"""
        )
    )["tenant"]

    job = {"id": import_id}
    assert there == {
        "runningImport": None,
        "queuedImportCount": 0,
        "installedPackages": {
            "nodes": [
                {
                    "packageName": "Orders",
                    "version": "1.0.0",
                    "source": A,
                    "importJob": job,
                    "tenant": {"tenantId": B},
                }
            ]
        },
        "artifacts": {
            "nodes": [
                {
                    "isChangedSinceImport": False,
                    "origin": {
                        "packageName": "Orders",
                        "packageVersion": "1.0.0",
                        "sourceArtifactId": "form-1",
                        "importJob": job,
                    },
                }
            ]
        },
    }


async def test_a_dry_run_is_a_job_that_ends_with_its_plan(caller):
    plan = """mutation($input: PlanImportInput!) { planImport(input: $input) {
      importJob { id isDryRun } plan { id } refusal { code } } }"""
    request = {"tenantId": B, "source": {"packageId": await exported(caller)}}

    made = (await caller.data(plan, input={"importPackage": request}))["planImport"]
    await caller.events(made["importJob"]["id"])
    job = await caller.data(
        """query($id: ID!) { importJob(id: $id) { state outcome { created } plan { counts { create } } }
              tenant(id: "tenant-b") { artifacts { nodes { name } } } }""",
        id=made["importJob"]["id"],
    )

    assert made["importJob"]["isDryRun"] is True
    assert job["importJob"] == {"state": "SUCCEEDED", "outcome": None, "plan": {"counts": {"create": 2}}}
    assert job["tenant"]["artifacts"]["nodes"] == []


async def test_an_import_that_meets_a_conflict_waits_and_goes_on_when_it_is_decided(world, caller):
    theirs = an_order_form(B)
    for artifact in theirs["save"]:
        artifact["content"] = {"fields": [{"fieldId": "theirs", "fieldName": "theirs"}]}
    await caller.data(SAVE, input=theirs)
    import_id = await submitted(caller, await exported(caller))
    job = await world.services.records.settled(
        await world.services.records.get_import(await _caller(world), import_id, None)
    )
    resolve = """mutation($input: ResolveConflictsInput!) { resolveConflicts(input: $input) {
      importJob { id } refusal { code } } }"""
    ask = """query($id: ID!) { importJob(id: $id) { state expiresAt outcome { updated skipped }
      conflicts { key artifact { name } existing { artifactId tenant { tenantId } } allowed decided } } }"""

    waiting = (await caller.data(ask, id=import_id))["importJob"]
    twice = [{"artifact": {"conflictKey": "conf-001", "strategy": "SKIP"}}] * 2
    refused = (await caller.data(resolve, input={"importId": import_id, "decisions": twice}))["resolveConflicts"]
    decisions = [{"artifact": {"conflictKey": waiting["conflicts"][0]["key"], "strategy": "SKIP"}}]
    await caller.data(resolve, input={"importId": import_id, "decisions": decisions, "restStrategy": "REPLACE"})
    await caller.events(import_id)
    ended = (await caller.data(ask, id=import_id))["importJob"]

    assert job.state.name == waiting["state"] == "WAITING_FOR_DECISIONS"
    assert waiting["expiresAt"] is not None
    assert [conflict["artifact"]["name"] for conflict in waiting["conflicts"]] == ["Customer", "Order form"]
    assert waiting["conflicts"][0]["existing"] == {"artifactId": "ent-1", "tenant": {"tenantId": B}}
    assert waiting["conflicts"][1]["allowed"] == ["REPLACE", "SKIP", "COPY"]
    assert refused["refusal"]["code"] == "BAD_USER_INPUT"
    assert (ended["state"], ended["conflicts"]) == ("SUCCEEDED", [])
    assert ended["outcome"]["skipped"] == 1


async def test_an_ended_import_cannot_be_cancelled(caller):
    cancel = "mutation($id: ID!) { cancelImport(input: {importId: $id}) { importJob { id } refusal { code } } }"
    import_id = await imported(caller)

    answer = (await caller.data(cancel, id=import_id))["cancelImport"]

    assert answer == {"importJob": None, "refusal": {"code": "CANCEL_TOO_LATE"}}


async def test_an_option_without_its_permission_is_refused_before_the_package_is_looked_up(world, caller):
    weak = asking(world, A, B, scopes=["installhub:import", "installhub:export"])
    request = {"tenantId": B, "source": {"packageId": "pkg-unknown"}, "options": {"allowSecurityWarnings": True}}

    answer = (await weak.data(IMPORT, input={"request": request}))["importPackage"]

    assert answer["refusal"]["code"] == "INSUFFICIENT_PERMISSION"


async def test_imports_are_listed_newest_first_and_filtered(caller):
    package_id = await exported(caller)
    older, newer = [await submitted(caller, package_id) for _ in range(2)]
    for import_id in (older, newer):
        await caller.events(import_id)
    query = "query($filter: ImportFilter) { importJobs(filter: $filter) { nodes { id } } }"

    async def listed(**wanted):
        return [node["id"] for node in (await caller.data(query, filter=wanted))["importJobs"]["nodes"]]

    assert await listed() == [newer, older]
    assert await listed(packageName="Orders", states=["SUCCEEDED"], tenantIds=[B]) == [newer, older]
    assert await listed(states=["FAILED"]) == []
    assert await listed(tenantIds=[A]) == []


async def test_every_node_is_found_again_by_its_id(caller):
    import_id = await imported(caller)
    found = await caller.data(
        """query($id: ID!) { tenant(id: "tenant-a") { id artifacts { nodes { id } } exportedPackages { nodes { id } } }
          importJob(id: $id) { id plan { id } } }""",
        id=import_id,
    )
    ids = [
        found["tenant"]["id"],
        found["tenant"]["artifacts"]["nodes"][0]["id"],
        found["tenant"]["exportedPackages"]["nodes"][0]["id"],
        import_id,
        found["importJob"]["plan"]["id"],
    ]

    answer = await caller.data("query($ids: [ID!]!) { nodes(ids: $ids) { __typename id } }", ids=ids)

    kinds = ["Tenant", "Artifact", "Package", "ImportJob", "Plan"]
    assert answer["nodes"] == [{"__typename": kind, "id": key} for kind, key in zip(kinds, ids, strict=True)]


@pytest.mark.parametrize("first", [-1, 101])
async def test_a_page_of_a_wrong_size_is_refused(caller, first):
    code = await caller.code(f"{{ viewer {{ tenants(first: {first}) {{ nodes {{ id }} }} }} }}")

    assert code == "BAD_USER_INPUT"


@pytest.mark.parametrize("after", ["", "x", "!!!", "WzFd", "WyJhIiwiYiJd", "W1tbW1tbW1s", "é", "A" * 5000])
async def test_a_cursor_that_is_not_ours_is_refused(caller, after):
    code = await caller.code(
        "query($after: String) { viewer { tenants(after: $after) { nodes { id } } } }", after=after
    )

    assert code == "BAD_USER_INPUT"


async def test_one_operation_cannot_list_without_end(caller):
    (_, form) = an_order_form(A)["save"]
    many = [form | {"artifactId": f"form-{n}", "name": f"Form {n}"} for n in range(100, 160)]
    await caller.data(SAVE, input={"tenantId": A, "save": many})
    one = "artifacts(first: 100) { nodes { usedBy(first: 100) { nodes { usedBy { nodes { id } } } } } }"
    query = '{ tenant(id: "tenant-a") { %s } }'

    allowed = await caller.whole(query % one)
    refused = await caller.whole(query % " ".join(f"p{n}: {one}" for n in range(8)))

    assert "errors" not in allowed
    assert {error["extensions"]["code"] for error in refused["errors"]} == {"QUERY_TOO_COMPLEX"}


async def _caller(world):
    return await world.runtime.authenticate(world.headers(A, B)["Authorization"])
