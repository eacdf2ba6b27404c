"""Nothing of one tenant is shown to a caller of another, and nobody can tell the foreign from the unknown."""

from __future__ import annotations

import pytest

from tests.doors.graphql_world import (
    EXPORT,
    IMPORT,
    PROGRESS,
    SAVE,
    A,
    Asking,
    B,
    C,
    a_socket,
    an_order_form,
    asking,
    exported,
    imported,
    with_artifacts,
)
from tests.world import a_world

pytestmark = pytest.mark.rules

BY_ID = {
    "node": "query($id: ID!) { found: node(id: $id) { id } }",
    "tenant": "query($id: ID!) { found: tenant(id: $id) { id } }",
    "importJob": "query($id: ID!) { found: importJob(id: $id) { id } }",
    "plan": "query($id: ID!) { found: plan(id: $id) { id } }",
    "exportedPackage": "query($id: ID!) { found: exportedPackage(id: $id) { id } }",
}


@pytest.fixture
async def world(tmp_path, database_url):
    async with a_world(tmp_path, database_url=database_url) as world:
        yield world


@pytest.fixture
async def owner(world):
    return await with_artifacts(world)


@pytest.fixture
def stranger(world):
    return asking(world, C)


async def the_ids(owner: Asking) -> dict[str, str]:
    """One id of each kind, all of tenants A and B."""
    import_id = await imported(owner)
    found = await owner.data(
        """query($id: ID!) { importJob(id: $id) { id plan { id } sourcePackage { id } }
          tenant(id: "tenant-a") { id artifacts { nodes { id } } } }""",
        id=import_id,
    )
    return {
        "tenant": found["tenant"]["id"],
        "tenant by its own id": A,
        "artifact": found["tenant"]["artifacts"]["nodes"][0]["id"],
        "import": import_id,
        "plan": found["importJob"]["plan"]["id"],
        "package": found["importJob"]["sourcePackage"]["id"],
    }


async def test_every_lookup_of_a_foreign_id_answers_what_an_unknown_one_gets(owner, stranger):
    ids = await the_ids(owner)
    strange = [
        "",
        "imp-unknown",
        "pkg-unknown",
        "plan-unknown",
        "no-such-tenant",
        "WyJ0ZW5hbnQiLDFd",
        "\u00e9",
        "{",
        "A" * 5000,
    ]

    answers = {
        (field, kind): await stranger.whole(query, {"id": node_id})
        for field, query in BY_ID.items()
        for kind, node_id in [*ids.items(), *((f"strange {n}", text) for n, text in enumerate(strange))]
    }

    assert {key: answer for key, answer in answers.items() if answer != {"data": {"found": None}}} == {}


async def test_a_tenant_header_narrows_what_an_id_may_find(world, owner):
    ids = await the_ids(owner)
    narrowed = Asking(world, {**owner.headers, "X-Tenant-Id": A})

    assert (await narrowed.data(BY_ID["importJob"], id=ids["import"]))["found"] is None
    assert (await narrowed.data(BY_ID["exportedPackage"], id=ids["package"]))["found"] is not None


@pytest.mark.parametrize(
    ("named", "status", "code"),
    [([C], 403, "TENANT_MISMATCH"), (["nobody"], 403, "TENANT_MISMATCH"), ([A, A], 400, "BAD_USER_INPUT")],
)
async def test_a_tenant_header_that_is_foreign_or_stands_twice_is_refused_before_anything_is_asked(
    world, owner, named, status, code
):
    headers = [*owner.headers.items(), *(("X-Tenant-Id", one) for one in named)]

    answer = await world.http.post("/graphql", json={"query": "{ viewer { subject } }"}, headers=headers)

    (error,) = answer.json()["errors"]
    assert (answer.status_code, error["extensions"]["code"]) == (status, code)
    assert error["extensions"]["problems"][0]["place"] == "X-Tenant-Id"


@pytest.mark.parametrize("named", [[C], [A, A]])
async def test_a_socket_with_such_a_tenant_header_is_closed(world, owner, named):
    token = world.token(tenants=[A, B])

    async with a_socket(world, additional_headers=[("X-Tenant-Id", one) for one in named]) as socket:
        await socket.say({"type": "connection_init", "payload": {"Authorization": f"Bearer {token}"}})

        assert await socket.closed() == (4403, "Forbidden")


async def test_the_tenant_header_of_a_socket_narrows_what_is_asked_on_it(world, owner):
    ids = await the_ids(owner)

    async with a_socket(world, token=world.token(tenants=[A, B]), additional_headers={"X-Tenant-Id": A}) as socket:
        await socket.ask("1", BY_ID["importJob"], id=ids["import"])
        answer = await socket.heard()

    assert answer["payload"] == {"data": {"found": None}}


async def test_the_list_of_tenants_does_not_show_other_tenants(owner, stranger):
    answer = await stranger.data("{ viewer { tenants { nodes { tenantId } } } }")

    assert answer["viewer"]["tenants"]["nodes"] == [{"tenantId": C}]


async def test_the_list_of_imports_does_not_show_other_tenants(owner, stranger):
    await imported(owner)

    answer = await stranger.data("{ importJobs { nodes { id } } }")

    assert answer["importJobs"]["nodes"] == []
    named = "query($ids: [ID!]) { importJobs(filter: {tenantIds: $ids}) { nodes { id } } }"
    assert await stranger.code(named, ids=[B]) == "TENANT_MISMATCH"


async def test_the_lists_of_a_tenant_do_not_show_other_tenants(owner, stranger):
    await imported(owner)

    answer = await stranger.data(
        """{ tenant(id: "tenant-c") { artifacts { nodes { id } } exportedPackages { nodes { id } }
          installedPackages { nodes { key } } artifact(artifactId: "form-1") { id } runningImport { id } } }"""
    )

    assert answer["tenant"] == {
        "artifacts": {"nodes": []},
        "exportedPackages": {"nodes": []},
        "installedPackages": {"nodes": []},
        "artifact": None,
        "runningImport": None,
    }


async def test_the_list_of_installed_packages_does_not_show_other_tenants(owner, stranger):
    await imported(owner)
    query = "query($ids: [ID!]) { installedPackages(tenantIds: $ids) { nodes { packageName } } }"

    assert (await stranger.data(query))["installedPackages"]["nodes"] == []
    assert await stranger.code(query, ids=[C, B]) == "TENANT_MISMATCH"
    assert await stranger.code(query, ids=["nobody"]) == "TENANT_MISMATCH"
    assert (await owner.data(query, ids=[B]))["installedPackages"]["nodes"] == [{"packageName": "Orders"}]


async def test_a_filter_finds_nothing_of_other_tenants(world, owner, stranger):
    ids = await the_ids(owner)
    query = "query($filter: ImportFilter) { importJobs(filter: $filter) { nodes { id } } }"
    filters = [{"packageId": ids["package"]}, {"packageName": "Orders"}, {"submittedBy": "anna@acme.example"}]

    mine = [(await owner.data(query, filter=wanted))["importJobs"]["nodes"] for wanted in filters]
    foreign = [(await stranger.data(query, filter=wanted))["importJobs"]["nodes"] for wanted in filters]

    assert mine == [[{"id": ids["import"]}]] * 3
    assert foreign == [[]] * 3


async def test_nobody_is_shown_the_changes_of_foreign_imports(world, owner, stranger):
    query = "subscription($ids: [ID!]) { importChanges(tenantIds: $ids) { id } }"

    async with a_socket(world, token=world.token(tenants=[C])) as socket:
        refused = []
        for tenant_id in (B, "nobody"):
            await socket.ask("1", query, ids=[C, tenant_id])
            refused.append(await socket.heard())

    assert refused[0] == refused[1]
    assert refused[0]["type"] == "error"
    assert refused[0]["payload"][0]["extensions"]["code"] == "TENANT_MISMATCH"


async def test_no_mutation_reaches_into_a_foreign_tenant(owner, stranger):
    import_id, package_id = await imported(owner), await exported(owner, version="2.0.0")
    order = {"packageName": "x", "packageType": "FORM_PACKAGE", "version": "1.0.0", "artifactIds": ["form-1"]}
    cancel = "mutation($id: ID!) { cancelImport(input: {importId: $id}) { refusal { code } } }"
    resolve = "mutation($id: ID!) { resolveConflicts(input: {importId: $id, decisions: []}) { refusal { code } } }"
    retry = "mutation($id: ID!) { retryImport(input: {importId: $id}) { refusal { code } } }"
    update = 'mutation { updateTenant(input: {id: "tenant-a", status: SUSPENDED}) { refusal { code } } }'

    async def refused(query, **variables):
        (payload,) = (await stranger.data(query, **variables)).values()
        return payload["refusal"]["code"]

    assert await refused(SAVE, input=an_order_form(A)) == "TENANT_MISMATCH"
    assert await refused(EXPORT, input=order | {"tenantId": A}) == "TENANT_MISMATCH"
    assert await refused(update) == "TENANT_MISMATCH"
    assert await refused(cancel, id=import_id) == "NOT_FOUND"
    assert await refused(resolve, id=import_id) == "NOT_FOUND"
    assert await refused(retry, id=import_id) == "NOT_FOUND"
    here, there = ({"request": {"tenantId": t, "source": {"packageId": package_id}}} for t in (C, A))
    assert await refused(IMPORT, input=here) == "NOT_FOUND"
    assert await refused(IMPORT, input=there) == "TENANT_MISMATCH"


async def test_a_foreign_package_is_refused_in_the_words_for_an_unknown_one(owner, stranger):
    package_id = await exported(owner)

    def wish(named):
        return {"request": {"tenantId": C, "source": {"packageId": named}}}

    foreign = await stranger.whole(IMPORT, {"input": wish(package_id)})
    unknown = await stranger.whole(IMPORT, {"input": wish("pkg-00000000-0000-7000-8000-000000000000")})

    assert foreign == unknown


async def test_nobody_can_watch_a_foreign_import(world, owner, stranger):
    import_id = await imported(owner)

    async with a_socket(world, token=world.token(tenants=[C])) as socket:
        await socket.ask("1", PROGRESS, id=import_id)
        foreign = await socket.heard()
        await socket.ask("1", PROGRESS, id="imp-unknown")
        unknown = await socket.heard()
    streamed = await stranger.events(import_id)

    assert foreign == unknown
    assert foreign["type"] == "error"
    assert foreign["payload"][0]["extensions"]["code"] == "NOT_FOUND"
    assert [answer["errors"][0]["extensions"]["code"] for answer in streamed] == ["NOT_FOUND"]


async def test_a_missing_permission_is_a_coded_error_and_says_which(world, owner):
    weak = asking(world, A, scopes=["installhub:export"])

    answer = await weak.whole("{ importJobs { nodes { id } } }")

    (error,) = answer["errors"]
    assert error["extensions"]["code"] == "INSUFFICIENT_PERMISSION"
    assert error["extensions"]["problems"][0]["details"] == {"required": "installhub:import"}


async def test_a_platform_caller_sees_every_tenant(world, owner):
    platform = asking(world, scopes=["installhub:platform"])

    answer = await platform.data('{ tenant(id: "tenant-b") { tenantId } viewer { tenants { nodes { tenantId } } } }')

    assert answer["tenant"] == {"tenantId": B}
    assert [node["tenantId"] for node in answer["viewer"]["tenants"]["nodes"]] == [A, B, C]
