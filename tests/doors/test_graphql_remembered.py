"""A query that is answered from memory is answered as if it were executed, whoever asks or writes (ADR 0019, 0022)."""

from __future__ import annotations

import itertools
import random
from dataclasses import replace
from datetime import timedelta

import httpx
import orjson
import pytest
import pytest_asyncio
from sqlalchemy import Select
from sqlalchemy.sql.visitors import iterate

from server.app import create_app
from storage.tables import artifact
from tests.doors.counting import counted_statements
from tests.doors.graphql_world import SAVE, A, B, an_order_form, asking, exported, submitted, with_artifacts
from tests.doors.rest import blob_files, upload
from tests.world import a_world

pytestmark = pytest.mark.asyncio(loop_scope="module")

LOOK = """query($tenant: ID!) {
  viewer { subject tokenExpiresAt scopes tenants { nodes { tenantId status queuedImportCount } } }
  importJobs(first: 5) { nodes { id state progress { stage percent } audit { action } events { seq message }
    conflicts { key } tenant { ... on Tenant { tenantId } } } }
  installedPackages { nodes { packageName version changedArtifactCount importJob { id } } }
  tenant(id: $tenant) { viewerCan runningImport { id } exportHistory { nodes { packageName exportedPackage { id } } }
    artifacts(first: 20) { nodes { name revision status content references { name } usedBy { nodes { name } }
      revisions { nodes { number name content } } } } } }"""
NAMES = "query($tenant: ID!) { tenant(id: $tenant) { artifacts { nodes { name } } } }"
FILE = "query($id: ID!) { exportedPackage(id: $id) { downloadUrl } }"
REMOVE = "mutation($input: ChangeArtifactsInput!) { changeArtifacts(input: $input) { refusal { message } } }"
GRAPHQL, JSON = "application/graphql-response+json", "application/json"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(tmp_path_factory, file_database_url):
    async with a_world(tmp_path_factory.mktemp("world"), database_url=file_database_url) as world:
        await with_artifacts(world)
        yield world


@pytest_asyncio.fixture(loop_scope="module")
async def forgetful(world):
    """The same rows behind an application that remembers nothing."""
    app = create_app(replace(world.runtime, moments=None))

    async def stated(scope, receive, send):
        await app({**scope, "state": dict(world.serving.listener.lifespan.state)}, receive, send)

    async with httpx.AsyncClient(transport=httpx.ASGITransport(stated), base_url=world.url) as http:
        yield http


def _saved(number, name):
    content = {"fields": [{"fieldId": f"f{number}"}]}
    one = {"artifactType": "ATLAS_FORM", "artifactId": f"form-{number}", "name": name, "content": content}
    return {"tenantId": A, "save": [one | {"version": "1.0.0"}]}


async def _names(caller, tenant=A):
    return {row["name"] for row in (await caller.data(NAMES, tenant=tenant))["tenant"]["artifacts"]["nodes"]}


async def _statements(world, caller):
    """What a look asks of the table of artifacts, where nothing is written meanwhile."""
    while True:
        before = await world.runtime.moments.now()
        with counted_statements() as sent:
            await caller.data(LOOK, tenant=A)
        if before is not None and before == await world.runtime.moments.now():
            return list(filter(_is_of_artifacts, sent))


async def test_what_was_asked_before_is_not_looked_up_until_something_is_written(world):
    caller = asking(world, A)
    # a worker writes now and then
    while await _statements(world, caller):
        pass

    await caller.data(SAVE, input=_saved(100, "Written between"))

    assert await _first_statements(world, caller)


async def _first_statements(world, caller):
    with counted_statements() as sent:
        await caller.data(LOOK, tenant=A)
    return list(filter(_is_of_artifacts, sent))


def _is_of_artifacts(statement):
    return isinstance(statement, Select) and any(part is artifact for part in iterate(statement))


async def test_answers_are_those_of_a_server_that_remembers_nothing(world, forgetful, file_database_url):
    """Whatever is done in between, by whom and through which door; every caller looks twice after each step."""
    chance, numbers = random.Random(7), itertools.count(200)
    anna, bob = asking(world, A, B), asking(world, B, subject="bob", scopes=("installhub:read", "installhub:import"))
    narrowed = replace(anna, headers={**anna.headers, "X-Tenant-Id": A})
    everywhere = replace(anna, headers=world.platform_headers())
    package_id = await exported(anna)

    async def save():
        await anna.data(SAVE, input=_saved(chance.randrange(200, 206), f"Form {next(numbers)}"))

    async def remove():
        await anna.data(REMOVE, input={"tenantId": A, "remove": [f"form-{chance.randrange(200, 206)}"]})

    async def bring():
        await anna.events(await submitted(anna, package_id))

    async def begin():
        await submitted(anna, package_id)

    async def send():
        (await upload(world, headers=bob.headers, targetTenantId=B)).raise_for_status()

    async def export():
        await exported(anna, version=f"1.0.{next(numbers)}")

    async def add_tenant():
        await world.tenant(f"other-{next(numbers)}")

    steps = (save, remove, bring, begin, send, export, add_tenant)
    for step in chance.sample(steps, k=3 if file_database_url else len(steps)):
        await step()
        for caller, tenant in ((anna, A), (bob, B), (narrowed, A), (narrowed, B), (everywhere, B)):
            first, again, executed = await _looked_at_one_moment(world, forgetful, caller, tenant)
            assert first == executed
            assert again == executed


async def _looked_at_one_moment(world, forgetful, caller, tenant):
    """A look, another one, and a look of the other application, between which nothing was written."""
    body = orjson.dumps({"query": LOOK, "variables": {"tenant": tenant}})
    headers = {**caller.headers, "Content-Type": "application/json"}
    while True:
        before = await world.runtime.moments.now()
        doors = (world.http, world.http, forgetful)
        looks = [(await http.post("/graphql", content=body, headers=headers)).content for http in doors]
        if before is not None and before == await world.runtime.moments.now():
            return looks


async def test_a_write_through_any_door_is_seen_by_the_next_query(world):
    anna, other, everywhere = asking(world, A, B), asking(world, A, subject="other"), world.platform_headers()
    for caller in (anna, other, anna, other):
        await _names(caller)

    await other.data(SAVE, input=_saved(300, "By another caller"))
    seen_of_graphql = await _names(anna)
    answer = await upload(world, headers=anna.headers, targetTenantId=A)
    seen_of_rest = await _names(anna)
    tenants = await _tenants(world, everywhere)
    await world.tenant("by-command")
    seen_of_the_host = await _tenants(world, everywhere)

    assert "By another caller" in seen_of_graphql
    assert answer.json()["status"] == "Success"
    assert seen_of_rest > seen_of_graphql
    assert seen_of_the_host - tenants == {"by-command"}


async def _tenants(world, headers):
    caller = replace(asking(world, A), headers=headers)
    found = await caller.data("{ viewer { tenants(first: 100) { nodes { tenantId } } } }")
    return {row["tenantId"] for row in found["viewer"]["tenants"]["nodes"]}


async def test_what_no_commit_tells_of_is_looked_at_each_time(world):
    """The bytes of a package may go without a row being written."""
    anna = asking(world, A, B)
    package_id = await exported(anna, version="7.0.0")
    before = await anna.data(FILE, id=package_id)

    for file in blob_files(world):
        file.rename(file.with_name(f"{file.name}.away"))
    gone = await anna.data(FILE, id=package_id)
    for file in blob_files(world):
        file.rename(file.with_name(file.name.removesuffix(".away")))

    assert before["exportedPackage"]["downloadUrl"]
    assert gone["exportedPackage"]["downloadUrl"] is None


async def test_a_remembered_answer_needs_as_good_a_request_as_any(world):
    body = orjson.dumps({"query": "{ viewer { subject tokenExpiresAt } }"})
    headers = {**asking(world, A).headers, "Content-Type": "application/json"}
    other = {**asking(world, A, ttl=timedelta(hours=3)).headers, "Content-Type": "application/json"}
    first, second, anothers = [
        await world.http.post("/graphql", content=body, headers=one) for one in (headers, headers, other)
    ]

    refused = [
        await world.http.post("/graphql", content=body, headers=headers | wrong)
        for wrong in (
            {"Authorization": "Bearer a.b.c"},
            {"X-Tenant-Id": B},
            {"Accept": "image/png"},
            {"Content-Type": "text/plain"},
        )
    ]

    assert first.content == second.content
    assert anothers.content != first.content
    assert [answer.status_code for answer in refused] == [401, 403, 406, 415]
    assert second.headers["Content-Type"] == first.headers["Content-Type"]
    assert second.headers["Cache-Control"] == "no-store"
    assert second.headers["X-Request-Id"] != first.headers["X-Request-Id"]


async def test_a_query_in_the_address_and_each_media_type_are_answered_alike(world):
    headers = asking(world, A).headers
    asked = {"query": NAMES, "variables": orjson.dumps({"tenant": A}).decode()}
    answers = [
        await world.http.get("/graphql", params=asked, headers={**headers, "Accept": accept})
        for accept in (JSON, JSON, GRAPHQL)
    ]
    elsewhere = await world.http.get(
        "/graphql", params=asked | {"variables": orjson.dumps({"tenant": B}).decode()}, headers=headers
    )

    assert len({answer.content for answer in answers}) == 1
    assert [answer.headers["Content-Type"].partition(";")[0] for answer in answers] == [JSON, JSON, GRAPHQL]
    assert elsewhere.json() == {"data": {"tenant": None}}


async def test_errors_and_mutations_are_never_given_twice(world):
    anna = asking(world, A)
    wrong = "query($tenant: ID!) { tenant(id: $tenant) { artifacts(first: 101) { nodes { name } } } }"
    unlike = [(await anna.whole(wrong, {"tenant": A}))["errors"][0] for _ in range(2)]
    changes = [await anna.data(SAVE, input=an_order_form(A)) for _ in range(2)]
    revisions = [change["changeArtifacts"]["artifacts"][0]["revision"] for change in changes]

    assert [error["extensions"]["code"] for error in unlike] == ["BAD_USER_INPUT"] * 2
    assert revisions[1] == revisions[0] + 1
