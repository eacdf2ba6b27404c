"""Decisions at both doors: too late they are refused, and what is decided already is told (R18); keys of tenants."""

from __future__ import annotations

import pytest
from sqlalchemy import update

from server.loading import local_caller
from storage.tables import import_job
from tests.doors.graphql_world import (
    SAVE,
    Asking,
    B,
    an_order_form,
    asking,
    exported,
    submitted,
    with_artifacts,
)
from tests.doors.rest import HUB, bearer, upload, with_other_rules
from tests.world import a_world

pytestmark = pytest.mark.rules

RESOLVE = """mutation($input: ResolveConflictsInput!) { resolveConflicts(input: $input) {
  importJob { state } refusal { code } } }"""


@pytest.fixture
async def world(tmp_path, database_url):
    async with a_world(tmp_path, database_url=database_url) as world:
        await world.tenant("target")
        await with_other_rules(world)
        world.http.headers.update(bearer(world, "target"))
        yield world


async def overdue(world):
    """The id of an import that waits for decisions, though its time is over."""
    waiting = (await upload(world)).json()
    async with world.runtime.ports.store._engines.writer.begin() as connection:
        await connection.execute(update(import_job).values(expires_at=import_job.c.submitted_at))
    return waiting["importId"]


@pytest.mark.parametrize("address", ["packages/import/{}/resume", "packages/{}/resume"])
async def test_rest_says_that_the_time_is_over(world, address):
    import_id = await overdue(world)
    body = {"resolutions": [{"conflictId": "conf-001", "strategy": "Skip"}]}

    answer = await world.http.post(f"{HUB}/{address.format(import_id)}", json=body)

    record = (await world.http.get(f"{HUB}/imports/{import_id}")).json()
    assert (answer.status_code, answer.json()["error"]) == (410, "ImportExpired")
    assert record["error"] == "ConflictRequiresResolution"


@pytest.mark.parametrize(
    "how", [{"decisions": [{"artifact": {"conflictKey": "conf-001", "strategy": "SKIP"}}]}, {"restStrategy": "SKIP"}]
)
async def test_graphql_says_that_the_time_is_over(world, how):
    import_id = await overdue(world)
    caller = asking(world, "target")

    answer = await caller.data(RESOLVE, input={"importId": import_id, "decisions": [], **how})

    record = (await world.http.get(f"{HUB}/imports/{import_id}")).json()
    assert answer["resolveConflicts"] == {"importJob": None, "refusal": {"code": "IMPORT_EXPIRED"}}
    assert record["error"] == "ConflictRequiresResolution"


@pytest.fixture
async def undecided(tmp_path, database_url):
    """An import that waits for one decision; of its two conflicts, the other is decided by its type."""
    async with a_world(tmp_path, database_url=database_url) as world:
        caller = await with_artifacts(world)
        theirs = an_order_form(B)
        for artifact in theirs["save"]:
            artifact["content"] = {"fields": [{"fieldId": "theirs", "fieldName": "theirs"}]}
        await caller.data(SAVE, input=theirs)
        by_type = [{"artifactType": "ENTITY_SCHEMA", "strategy": "SKIP"}]
        import_id = await submitted(caller, await exported(caller), strategyByType=by_type)
        await world.services.records.settled(await world.services.records.get_import(local_caller(), import_id, None))
        yield caller, import_id


async def test_the_strategy_for_the_rest_leaves_alone_what_is_decided_already(undecided):
    caller, import_id = undecided

    await caller.data(RESOLVE, input={"importId": import_id, "decisions": [], "restStrategy": "REPLACE"})
    await caller.events(import_id)

    ask = "query($id: ID!) { importJob(id: $id) { state outcome { updated skipped } } }"
    ended = (await caller.data(ask, id=import_id))["importJob"]
    assert ended == {"state": "SUCCEEDED", "outcome": {"updated": 1, "skipped": 1}}


async def test_the_report_of_a_pause_tells_what_is_decided_already(undecided):
    caller, import_id = undecided
    headers = {**caller.headers, "X-Tenant-Id": B}

    waiting = (await caller.world.http.get(f"{HUB}/imports/{import_id}", headers=headers)).json()

    report = waiting["conflictReport"]
    assert report["conflictsFound"] == 2
    assert {row["type"]: row["proposedStrategy"] for row in report["conflicts"]} == {
        "EntitySchema": "Skip",
        "AtlasForm": None,
    }


CREATE = """mutation($input: CreateTenantInput!) { createTenant(input: $input) {
  tenant { tenantId } refusal { code } } }"""


async def test_a_tenant_is_made_once_under_one_key(tmp_path, database_url):
    async with a_world(tmp_path, database_url=database_url) as world:
        platform = Asking(world, world.platform_headers())
        made = [
            (await platform.data(CREATE, input={"tenantId": "new", "idempotencyKey": key}))["createTenant"]
            for key in ("once", "once", "twice")
        ]

    assert made[0] == made[1] == {"tenant": {"tenantId": "new"}, "refusal": None}
    assert made[2] == {"tenant": None, "refusal": {"code": "TENANT_EXISTS"}}
