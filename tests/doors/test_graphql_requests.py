"""Requests that come again, uploads, retries, and what an import tells of all that."""

from __future__ import annotations

import secrets

import pytest

from domain.artifact_types import ArtifactType
from domain.edits import ArtifactChanges, ArtifactDraft
from domain.model import TenantId, TenantPlan
from tests.doors.graphql_world import (
    EXPORT,
    IMPORT,
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
from tests.makers import a_bundle, a_suite
from tests.ports.rows import ANNA
from tests.world import a_world

pytestmark = pytest.mark.rules

ORDER = {"tenantId": A, "packageName": "Orders", "packageType": "FORM_PACKAGE", "artifactIds": ["form-1"]}
PLAN = """mutation($input: PlanImportInput!) { planImport(input: $input) {
  importJob { id mode } refusal { code problems { inputPath } } } }"""
RETRY = """mutation($input: RetryImportInput!) { retryImport(input: $input) {
  importJob { id state retryOf { id } } refusal { code problems { inputPath } } } }"""
CANCEL = "mutation($id: ID!) { cancelImport(input: {importId: $id}) { importJob { state } } }"
WITH_EXISTING = "__typename code ... on TakenRefusal { existing { id __typename } }"


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


def wish(package_id, **request):
    return {"request": {"tenantId": B, "source": {"packageId": package_id}, **request}}


async def test_a_save_under_a_key_is_carried_out_once(caller):
    change = an_order_form(A) | {"idempotencyKey": "save-1"}

    first, again = [(await caller.data(SAVE, input=change))["changeArtifacts"] for _ in range(2)]

    assert first == again
    assert first["artifacts"][0]["revision"] == 2


async def test_an_export_under_a_key_gives_the_same_package_and_is_counted_once(caller):
    order = ORDER | {"version": "1.0.0", "idempotencyKey": "export-1"}
    left = '{ tenant(id: "tenant-a") { limits { exportsLeftThisHour } } }'

    first, again = [(await caller.data(EXPORT, input=order))["exportPackage"] for _ in range(2)]

    assert first == again
    assert first["exportedPackage"]["version"] == "1.0.0"
    assert (await caller.data(left))["tenant"]["limits"] == {"exportsLeftThisHour": 49}


async def test_an_import_under_a_key_is_the_same_import_before_and_after_its_end(caller):
    package_id = await exported(caller)
    request = wish(package_id, idempotencyKey="import-1")

    first = (await caller.data(IMPORT, input=request))["importPackage"]["importJob"]
    await caller.events(first["id"])
    again = (await caller.data(IMPORT, input=request))["importPackage"]["importJob"]
    found = await caller.data('{ importJobs(filter: {idempotencyKey: "import-1"}) { nodes { id state } } }')

    assert again == {"id": first["id"], "state": "SUCCEEDED"}
    assert found["importJobs"]["nodes"] == [again]


async def test_a_plan_under_a_key_is_the_same_plan(caller):
    package_id = await exported(caller)
    request = {"importPackage": wish(package_id, idempotencyKey="plan-1")["request"]}

    first, again = [(await caller.data(PLAN, input=request))["planImport"]["importJob"] for _ in range(2)]

    assert first == again
    assert first["mode"] == "PLAN"


async def test_a_key_that_was_used_for_something_else_is_refused_with_what_it_made(caller):
    package_id = await exported(caller)
    import_id = (await caller.data(IMPORT, input=wish(package_id, idempotencyKey="k")))["importPackage"]["importJob"]
    order = ORDER | {"version": "2.0.0", "idempotencyKey": "e"}
    made = (await caller.data(EXPORT, input=order))["exportPackage"]["exportedPackage"]

    other_import = wish(package_id, idempotencyKey="k", options={"defaultStrategy": "SKIP"})
    query = IMPORT.replace("__typename code", WITH_EXISTING)
    imports = (await caller.data(query, input=other_import))["importPackage"]["refusal"]
    other_export = EXPORT.replace("__typename code", WITH_EXISTING)
    exports = (await caller.data(other_export, input=order | {"version": "3.0.0"}))["exportPackage"]["refusal"]

    assert imports["existing"] == {"id": import_id["id"], "__typename": "ImportJob"}
    assert exports["existing"] == {"id": made["id"], "__typename": "Package"}
    assert {refusal["code"] for refusal in (imports, exports)} == {"IDEMPOTENCY_KEY_REUSED"}


async def test_a_key_is_its_callers_own(world, caller):
    package_id = await exported(caller)
    other = asking(world, A, B, subject="ben@acme.example")

    mine, theirs = [
        (await one.data(IMPORT, input=wish(package_id, idempotencyKey="k")))["importPackage"]["importJob"]["id"]
        for one in (caller, other)
    ]

    assert mine != theirs


@pytest.mark.parametrize("key", ["", "with space", "é", "x" * 256])
async def test_a_key_that_is_no_key_is_refused(caller, key):
    package_id = await exported(caller)

    answer = (await caller.data(IMPORT, input=wish(package_id, idempotencyKey=key)))["importPackage"]

    assert (answer["importJob"], answer["refusal"]["code"]) == (None, "BAD_USER_INPUT")


async def test_an_uploaded_file_is_imported_by_its_id(world, caller):
    headers = {**caller.headers, "Content-Type": "application/zip", "X-Tenant-Id": B}
    sent = await world.http.post("/api/installhub/uploads", content=a_bundle(*a_suite()), headers=headers)
    source = {"tenantId": B, "source": {"uploadId": sent.json()["uploadId"]}}

    begun = (await caller.data(IMPORT, input={"request": source}))["importPackage"]["importJob"]
    await caller.events(begun["id"])
    query = "query($id: ID!) { importJob(id: $id) { state sourcePackage { id } outcome { created } } }"
    ended = (await caller.data(query, id=begun["id"]))["importJob"]

    assert ended == {"state": "SUCCEEDED", "sourcePackage": None, "outcome": {"created": 4}}


async def test_an_upload_of_somebody_else_or_of_another_tenant_is_as_unknown_as_none(world, caller):
    headers = {**caller.headers, "Content-Type": "application/zip", "X-Tenant-Id": B}
    sent = await world.http.post("/api/installhub/uploads", content=a_bundle(*a_suite()), headers=headers)
    upload_id = sent.json()["uploadId"]
    other = asking(world, A, B, subject="ben@acme.example")

    answers = [
        await one.data(IMPORT, input={"request": {"tenantId": tenant_id, "source": {"uploadId": named}}})
        for one, tenant_id, named in ((other, B, upload_id), (caller, A, upload_id), (caller, B, "upl-unknown"))
    ]

    assert answers[0]["importPackage"]["refusal"]["code"] == "NOT_FOUND"
    assert answers[0] == answers[1] == answers[2]


async def test_a_package_beyond_the_targets_plan_is_refused_before_it_is_read(tmp_path, monkeypatch):
    monkeypatch.setenv("INSTALLHUB_LIMIT_ZIP_MB_STANDARD", "1")
    async with a_world(tmp_path, role="web") as world:
        caller = await with_artifacts(world)
        await world.tenant("small", TenantPlan.STANDARD)
        rich = asking(world, A, "small")
        noise = {"fields": [], "noise": secrets.token_hex(2 << 20)}
        bulky = ArtifactDraft(ArtifactType.ENTITY_SCHEMA, "Customer", "1.0.1", noise, "ent-1")
        await world.services.authoring.apply(ArtifactChanges(TenantId(A), save=(bulky,), publish=("ent-1",)), ANNA)
        package_id = await exported(caller)
        query = IMPORT.replace("__typename code", "__typename code ... on LimitRefusal { allowed actual }")

        request = {"tenantId": "small", "source": {"packageId": package_id}}
        refusal = (await rich.data(query, input={"request": request}))["importPackage"]["refusal"]

    assert (refusal["__typename"], refusal["code"], refusal["allowed"]) == (
        *("LimitRefusal", "PAYLOAD_TOO_LARGE"),
        1 << 20,
    )
    assert refusal["actual"] > refusal["allowed"]


async def test_merge_cannot_stand_in_for_itself(caller):
    package_id = await exported(caller)
    request = wish(package_id, options={"mergeFallback": "MERGE"})

    refusal = (await caller.data(IMPORT, input=request))["importPackage"]["refusal"]

    assert refusal["code"] == "INVALID_OPTIONS"


@pytest.mark.parametrize("source", [{}, {"uploadId": "upl-1", "packageId": "pkg-1"}, {"uploadId": None}])
async def test_a_source_is_exactly_one_thing(caller, source):
    assert await caller.code(IMPORT, input={"request": {"tenantId": B, "source": source}}) == "BAD_USER_INPUT"


async def test_an_import_that_came_to_nothing_is_tried_again(quiet):
    caller = await with_artifacts(quiet)
    first = await submitted(caller, await exported(caller), defaultStrategy="SKIP")
    await caller.data(CANCEL, id=first)

    made, again = [
        (await caller.data(RETRY, input={"importId": first, "idempotencyKey": "r"}))["retryImport"] for _ in range(2)
    ]
    other = (await caller.data(RETRY, input={"importId": first}))["retryImport"]["importJob"]
    query = "query($id: ID!) { importJob(id: $id) { retryOf { id } } }"

    assert made == again
    assert (made["importJob"]["state"], made["importJob"]["retryOf"]) == ("QUEUED", {"id": first})
    assert other["id"] not in {first, made["importJob"]["id"]}
    assert (await caller.data(query, id=first))["importJob"] == {"retryOf": None}


async def test_a_retry_needs_what_an_import_of_the_same_package_needs(quiet):
    owner = await with_artifacts(quiet)
    first = await submitted(owner, await exported(owner))
    await owner.data(CANCEL, id=first)
    stranger = asking(quiet, B, scopes=["installhub:import", "installhub:export"])
    unable = asking(quiet, A, B, scopes=["installhub:import"])

    told = [
        (await one.data(RETRY, input={"importId": first}))["retryImport"]["refusal"]["code"]
        for one in (stranger, unable)
    ]

    assert told == ["NOT_FOUND", "INSUFFICIENT_PERMISSION"]


async def test_an_import_that_goes_on_or_succeeded_is_not_tried_again(world, caller):
    import_id = await imported(caller)

    answer = (await caller.data(RETRY, input={"importId": import_id}))["retryImport"]

    assert answer["importJob"] is None
    assert answer["refusal"] == {"code": "BAD_USER_INPUT", "problems": [{"inputPath": ["input", "importId"]}]}


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"tenantId": "tenant-x"}, ["tenantId"]),
        ({"tenantId": C}, ["tenantId"]),
        ({"idempotencyKey": "no key"}, ["idempotencyKey"]),
        ({"source": {"uploadId": "upl-x"}}, ["source", "uploadId"]),
        ({"source": {"packageId": "pkg-x"}}, ["source", "packageId"]),
        ({"source": {"packageId": ""}}, []),
        ({"options": {"mergeFallback": "MERGE"}}, ["options", "mergeFallback"]),
        ({"options": {"importedBy": ""}}, ["options", "importedBy"]),
    ],
)
@pytest.mark.parametrize(
    ("query", "field", "name"),
    [(IMPORT, "importPackage", "request"), (PLAN, "planImport", "importPackage")],
    ids=["import", "plan"],
)
async def test_a_refused_import_says_where_in_the_input_the_mistake_is(quiet, query, field, name, change, path):
    caller = await with_artifacts(quiet)
    request = wish(await exported(caller))["request"] | change

    refusal = (await caller.data(query, input={name: request}))[field]["refusal"]

    assert [problem["inputPath"] for problem in refusal["problems"]] == [["input", name, *path]]


async def test_an_import_tells_who_did_what_with_it(quiet):
    caller = await with_artifacts(quiet)
    import_id = await submitted(caller, await exported(caller))
    await caller.data(CANCEL, id=import_id)
    query = """query($id: ID!) { importJob(id: $id) { importedBy submittedBy { subject }
      audit { at action actor { email } details } } }"""

    job = (await caller.data(query, id=import_id))["importJob"]

    assert (job["importedBy"], job["submittedBy"]) == ("anna@acme.example", {"subject": "anna@acme.example"})
    assert [(entry["action"], entry["actor"], entry["details"]) for entry in job["audit"]] == [
        ("import.cancelled", {"email": "anna@acme.example"}, {})
    ]


async def test_who_an_import_is_for_is_said_by_service_accounts_only(world, caller):
    package_id = await exported(caller)
    service = asking(world, A, B, managed_identity_id="svc-1")
    query = "query($id: ID!) { importJob(id: $id) { importedBy outcome { warnings { code } } } }"

    told = []
    for one in (caller, service):
        import_id = await submitted(one, package_id, importedBy="boss@acme.example", defaultStrategy="SKIP")
        await one.events(import_id)
        told.append((await one.data(query, id=import_id))["importJob"])

    assert [job["importedBy"] for job in told] == ["anna@acme.example", "boss@acme.example"]
    assert {"code": "IMPORTED_BY_IGNORED"} in told[0]["outcome"]["warnings"]


async def test_a_name_that_is_too_long_is_refused_with_its_place(caller):
    package_id = await exported(caller)
    request = wish(package_id, options={"importedBy": "x" * 321})

    refusal = (await caller.data(IMPORT, input=request))["importPackage"]["refusal"]

    assert refusal["code"] == "INVALID_OPTIONS"


async def test_the_address_of_a_package_needs_no_token(world, caller):
    package_id = await exported(caller)
    query = "query($id: ID!) { exportedPackage(id: $id) { downloadUrl sizeBytes } }"

    package = (await caller.data(query, id=package_id))["exportedPackage"]
    fetched = await world.http.get(package["downloadUrl"])

    assert (fetched.status_code, len(fetched.content)) == (200, package["sizeBytes"])


async def test_a_package_whose_bytes_are_gone_has_no_address(world, caller):
    package_id = await exported(caller)
    package = await world.services.records.get_package(await _known(world), package_id, None)
    await world.services.blobs.delete(package.blob_key)

    found = await caller.data("query($id: ID!) { exportedPackage(id: $id) { downloadUrl } }", id=package_id)

    assert found["exportedPackage"] == {"downloadUrl": None}


async def test_a_waiting_conflict_shows_what_the_package_would_change(caller):
    package_id = await exported(caller)
    theirs = an_order_form(B)
    theirs["save"][1]["content"] = {"fields": [{"fieldId": "f1", "dataSource": {"entityId": "ent-1"}, "label": "Who"}]}
    await caller.data(SAVE, input=theirs)
    import_id = await submitted(caller, package_id)
    query = """query($id: ID!) { importJob(id: $id) { state
      conflicts { artifact { name } changes { pointer kind before after } few: changes(first: 0) { kind } }
      plan { actions { nodes { conflict { changes { kind } } } } } } }"""

    job = await _paused(caller, query, import_id)

    conflicts = {conflict["artifact"]["name"]: conflict for conflict in job["conflicts"]}
    (change,) = conflicts["Order form"]["changes"]
    assert (change["kind"], change["pointer"], change["before"], change["after"]) == (
        *("REMOVED", "/fields/0/label"),
        *("Who", None),
    )
    assert conflicts["Order form"]["few"] == []
    assert [{"kind": "REMOVED"}] in [node["conflict"]["changes"] for node in job["plan"]["actions"]["nodes"]]


async def test_what_an_import_replaces_is_kept_as_a_package_when_asked_for(caller):
    package_id = await exported(caller)
    theirs = an_order_form(B)
    theirs["save"][0]["content"] = {"fields": [{"fieldName": "mine"}]}
    await caller.data(SAVE, input=theirs)
    import_id = await submitted(caller, package_id, defaultStrategy="REPLACE", backupBeforeReplace=True)
    await caller.events(import_id)
    query = "query($id: ID!) { importJob(id: $id) { state backupPackage { name tenant { tenantId } } } }"

    job = (await caller.data(query, id=import_id))["importJob"]

    assert job["state"] == "SUCCEEDED"
    assert job["backupPackage"] == {"name": f"Backup {import_id}", "tenant": {"tenantId": B}}


async def _paused(caller, query, import_id):
    """The import once it waits for decisions."""
    events = await caller.world.services.records.follow(await _known(caller.world), import_id, None)
    async for event in events:
        if event.state.name == "WAITING_FOR_DECISIONS":
            break
    await events.aclose()
    return (await caller.data(query, id=import_id))["importJob"]


async def _known(world):
    return await world.runtime.authenticate(world.headers(A, B)["Authorization"])
