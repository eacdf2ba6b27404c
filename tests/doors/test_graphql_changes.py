"""Watching all imports of some tenants: each as it begins, changes its state and ends, and nothing left behind."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta

import pytest

from tests.doors.graphql_world import A, B, C, a_socket, asking, exported, submitted, with_artifacts
from tests.world import a_world

pytestmark = pytest.mark.rules

CHANGES = """subscription($ids: [ID!]) { importChanges(tenantIds: $ids) {
  id state isDryRun tenant { tenantId } progress { percent } } }"""
CANCEL = "mutation($id: ID!) { cancelImport(input: {importId: $id}) { importJob { state } } }"
SECONDS = 10


@pytest.fixture
async def world(tmp_path, database_url):
    async with a_world(tmp_path, database_url=database_url) as world:
        yield world


@pytest.fixture
async def quiet(tmp_path, database_url):
    """A world in which imports stay in line: nobody runs them."""
    async with a_world(tmp_path, database_url=database_url, role="web") as world:
        yield world


async def watchers(world, count):
    """True as soon as so many watch."""
    async with asyncio.timeout(SECONDS):
        while world.services.watching.watcher_count != count:
            await asyncio.sleep(0.01)
    return True


async def shown(socket):
    message = await socket.heard()
    assert message["type"] == "next", message
    return message["payload"]["data"]["importChanges"]


async def test_an_import_is_shown_until_it_has_ended(world):
    caller = await with_artifacts(world)
    package_id = await exported(caller)

    async with a_socket(world, token=world.token(tenants=[A, B])) as socket:
        await socket.ask("1", CHANGES)
        assert await watchers(world, 1)
        import_id = await submitted(caller, package_id)
        told = [await shown(socket)]
        while told[-1]["state"] != "SUCCEEDED":
            told.append(await shown(socket))

    assert {(job["id"], job["tenant"]["tenantId"]) for job in told} == {(import_id, B)}
    assert told[-1]["progress"] == {"percent": 100.0}
    order = ["QUEUED", "RUNNING", "SUCCEEDED"]
    states = [job["state"] for job in told]
    assert states == sorted(set(states), key=order.index)
    assert await watchers(world, 0)


async def test_only_the_named_tenants_imports_are_shown(quiet):
    caller = await with_artifacts(quiet)
    package_id = await exported(caller)

    async with a_socket(quiet, token=quiet.token(tenants=[A, B])) as socket:
        await socket.ask("1", CHANGES, ids=[A])
        assert await watchers(quiet, 1)
        await submitted(caller, package_id, B)
        import_id = await submitted(caller, package_id, A)
        job = await shown(socket)

    assert (job["id"], job["state"], job["tenant"]) == (import_id, "QUEUED", {"tenantId": A})


async def test_a_tenant_header_narrows_what_is_shown(quiet):
    caller = await with_artifacts(quiet)
    package_id = await exported(caller)

    async with a_socket(quiet, token=quiet.token(tenants=[A, B]), additional_headers={"X-Tenant-Id": A}) as socket:
        await socket.ask("1", CHANGES)
        assert await watchers(quiet, 1)
        await submitted(caller, package_id, B)
        import_id = await submitted(caller, package_id, A)

        assert (await shown(socket))["id"] == import_id


async def test_the_same_is_told_as_server_sent_events(quiet):
    caller = await with_artifacts(quiet)
    import_id = await submitted(caller, await exported(caller))
    headers = {**caller.headers, "Accept": "text/event-stream"}

    async with quiet.http.stream("POST", "/graphql", json={"query": CHANGES}, headers=headers) as response:
        assert await watchers(quiet, 1)
        await caller.data(CANCEL, id=import_id)
        lines = response.aiter_lines()
        event, data = await anext(lines), await anext(lines)

    job = json.loads(data.removeprefix("data: "))["data"]["importChanges"]
    assert (event, job["id"], job["state"]) == ("event: next", import_id, "CANCELLED")
    assert await watchers(quiet, 0)


async def test_a_missing_permission_is_an_error_and_no_stream(world):
    await world.tenant(A)
    weak = world.token(tenants=[A], scopes=["installhub:export"])

    async with a_socket(world, token=weak) as socket:
        await socket.ask("1", CHANGES)
        refused = await socket.heard()

    assert refused["type"] == "error"
    assert refused["payload"][0]["extensions"]["code"] == "INSUFFICIENT_PERMISSION"


@pytest.mark.parametrize("leave", ["complete", "close", "vanish"])
async def test_a_socket_that_stops_watching_leaves_nothing_behind(quiet, leave):
    await with_artifacts(quiet)

    async with a_socket(quiet, token=quiet.token(tenants=[A, B])) as socket:
        for number in range(5):
            await socket.ask(str(number), CHANGES)
        assert await watchers(quiet, 5)
        if leave == "complete":
            for number in range(5):
                await socket.say({"id": str(number), "type": "complete"})
            assert await watchers(quiet, 0)
        if leave == "vanish":
            socket.connection.transport.abort()

    assert await watchers(quiet, 0)


async def test_the_end_of_the_token_is_the_end_of_watching(quiet):
    await with_artifacts(quiet)
    short = quiet.token(tenants=[B], ttl=timedelta(seconds=2))

    async with a_socket(quiet, token=short) as socket:
        await socket.ask("1", CHANGES)
        assert await watchers(quiet, 1)

        assert await socket.closed() == (4403, "Forbidden")
    assert await watchers(quiet, 0)


async def test_watchers_in_another_process_see_what_happens_here(tmp_path, postgres_url):
    async with (
        a_world(tmp_path / "one", database_url=postgres_url, role="web") as one,
        a_world(tmp_path / "two", database_url=postgres_url, role="web") as two,
    ):
        caller = await with_artifacts(one)
        package_id = await exported(caller)

        async with a_socket(two, token=two.token(tenants=[A, B])) as socket:
            await socket.ask("1", CHANGES)
            assert await watchers(two, 1)
            begun = asyncio.get_running_loop().time()
            import_id = await submitted(caller, package_id)
            job = await shown(socket)
            took = asyncio.get_running_loop().time() - begun

    assert (job["id"], job["state"]) == (import_id, "QUEUED")
    # by the bell, long before anybody looks again without it
    assert took < 4


async def test_nobody_is_shown_an_import_of_a_tenant_outside_the_token(quiet):
    caller = await with_artifacts(quiet)
    package_id = await exported(caller)
    everywhere = asking(quiet, A, B, C)

    async with a_socket(quiet, token=quiet.token(tenants=[C])) as socket:
        await socket.ask("1", CHANGES)
        assert await watchers(quiet, 1)
        await submitted(caller, package_id, B)
        mine = await submitted(everywhere, package_id, C)

        assert (await shown(socket))["id"] == mine
