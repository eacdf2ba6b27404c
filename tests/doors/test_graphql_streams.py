"""Watching an import: past events and coming ones, one end, and nothing left behind whoever goes away."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta

import httpx
import pytest
from gql import Client, gql
from gql.transport.websockets import WebsocketsTransport

from tests.doors.graphql_world import PROGRESS, A, B, a_socket, asking, exported, imported, submitted, with_artifacts
from tests.world import a_world

CANCEL = "mutation($id: ID!) { cancelImport(input: {importId: $id}) { importJob { state } refusal { code } } }"
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


async def nobody_watches(world) -> bool:
    """True as soon as nothing is watched any more."""
    async with asyncio.timeout(SECONDS):
        while world.services.follower.tail_count:
            await asyncio.sleep(0.01)
    return True


async def in_line(world) -> tuple[str, str]:
    """A token, and an import that is queued."""
    caller = await with_artifacts(world)
    import_id = await submitted(caller, await exported(caller))
    return world.token(tenants=[A, B]), import_id


async def heard_until_complete(socket) -> list[dict]:
    events = []
    while (message := await socket.heard())["type"] == "next":
        events.append(message["payload"]["data"]["importProgress"])
    assert message["type"] == "complete"
    return events


async def test_both_streams_tell_the_whole_story_once_and_end(world):
    caller = await with_artifacts(world)
    import_id = await submitted(caller, await exported(caller))

    async with a_socket(world, token=world.token(tenants=[B])) as socket:
        await socket.ask("1", PROGRESS, id=import_id)
        by_socket = await heard_until_complete(socket)
    by_events = [answer["data"]["importProgress"] for answer in await caller.events(import_id)]

    for told in (by_socket, by_events):
        assert told[0]["firstSeq"] == 1
        assert [event["firstSeq"] for event in told[1:]] == [event["seq"] + 1 for event in told[:-1]]
        assert [event["isFinal"] for event in told] == [False] * (len(told) - 1) + [True]
        assert told[-1]["state"] == "SUCCEEDED"
    assert await nobody_watches(world)


async def test_a_watcher_goes_on_after_the_last_number_it_saw(world):
    caller = await with_artifacts(world)
    import_id = await imported(caller)
    whole = [answer["data"]["importProgress"] for answer in await caller.events(import_id)]

    rest = [answer["data"]["importProgress"] for answer in await caller.events(import_id, after=whole[-2]["seq"])]
    nothing = await caller.events(import_id, after=whole[-1]["seq"])

    assert rest == whole[-1:]
    assert nothing == []


@pytest.mark.parametrize("after", [-1, 1000])
async def test_a_number_that_the_journal_does_not_have_is_refused(world, after):
    caller = await with_artifacts(world)
    import_id = await imported(caller)

    (answer,) = await caller.events(import_id, after=after)
    async with a_socket(world, token=world.token(tenants=[B])) as socket:
        await socket.ask("1", PROGRESS, id=import_id, after=after)
        refused = await socket.heard()

    # before the stream begins, as for an import that nobody knows
    assert refused["type"] == "error"
    for (error,) in (answer["errors"], refused["payload"]):
        assert error["extensions"]["code"] == "BAD_USER_INPUT"
        assert error["extensions"]["problems"][0]["place"] == "after"


async def test_each_event_shows_the_import_as_it_is_then(quiet):
    token, import_id = await in_line(quiet)
    query = "subscription($id: ID!) { importProgress(importId: $id) { seq importJob { state } } }"

    async with a_socket(quiet, token=token) as socket:
        await socket.ask("1", query, id=import_id)
        first = await socket.heard()
        await socket.ask("2", CANCEL, id=import_id)
        told = [await socket.heard() for _ in range(4)]

    assert first["payload"]["data"]["importProgress"]["importJob"] == {"state": "QUEUED"}
    events = [message["payload"]["data"] for message in told if message["id"] == "1" and message["type"] == "next"]
    assert events == [{"importProgress": {"seq": 2, "importJob": {"state": "CANCELLED"}}}]


async def test_operations_on_one_socket_do_not_share_what_they_looked_up(quiet):
    token, import_id = await in_line(quiet)
    query = "query($id: ID!) { importJob(id: $id) { state } }"

    async with a_socket(quiet, token=token) as socket:
        states = []
        for text in (query, CANCEL, query):
            await socket.ask("1", text, id=import_id)
            states.append((await socket.heard())["payload"]["data"])
            await socket.heard()

    assert (states[0], states[2]) == ({"importJob": {"state": "QUEUED"}}, {"importJob": {"state": "CANCELLED"}})


@pytest.mark.parametrize("leave", ["complete", "close", "vanish"])
async def test_a_socket_that_stops_watching_leaves_nothing_behind(quiet, leave):
    token, import_id = await in_line(quiet)

    async with a_socket(quiet, token=token) as socket:
        for number in range(5):
            await socket.ask(str(number), PROGRESS, id=import_id)
            await socket.heard()
        assert quiet.services.follower.tail_count == 1
        if leave == "complete":
            for number in range(5):
                await socket.say({"id": str(number), "type": "complete"})
            assert await nobody_watches(quiet)
        if leave == "vanish":
            socket.connection.transport.abort()

    assert await nobody_watches(quiet)


async def test_watching_and_completing_at_once_leaves_nothing_behind(quiet):
    token, import_id = await in_line(quiet)

    async with a_socket(quiet, token=token) as socket:
        for number in range(20):
            await socket.ask(str(number), PROGRESS, id=import_id)
            await socket.say({"id": str(number), "type": "complete"})
        await socket.say({"type": "ping"})
        while (await socket.heard())["type"] != "pong":
            pass

        assert await nobody_watches(quiet)


async def test_a_reader_of_events_who_goes_away_leaves_nothing_behind(quiet):
    token, import_id = await in_line(quiet)
    body = {"query": PROGRESS, "variables": {"id": import_id}}
    headers = {"Authorization": f"Bearer {token}", "Accept": "text/event-stream"}

    async with quiet.http.stream("POST", "/graphql", json=body, headers=headers) as response:
        lines = response.aiter_lines()
        first = [await anext(lines) for _ in range(3)]
        watched = quiet.services.follower.tail_count

    assert first[0] == "event: next"
    assert first[2] == ""
    assert watched == 1
    assert await nobody_watches(quiet)


@pytest.mark.rules
async def test_the_end_of_the_token_is_the_end_of_what_it_watches(quiet):
    _, import_id = await in_line(quiet)
    short = quiet.token(tenants=[B], ttl=timedelta(seconds=2))

    async with a_socket(quiet, token=short) as socket:
        await socket.ask("1", PROGRESS, id=import_id)
        closed = await socket.closed()

    assert closed == (4403, "Forbidden")
    assert await nobody_watches(quiet)


@pytest.mark.rules
async def test_the_end_of_the_token_is_told_on_an_event_stream(quiet):
    _, import_id = await in_line(quiet)
    caller = asking(quiet, B, ttl=timedelta(seconds=2))

    answers = await caller.events(import_id)

    assert answers[0]["data"]["importProgress"]["seq"] == 1
    assert answers[-1]["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"
    assert await nobody_watches(quiet)


async def test_an_event_stream_answers_queries_too_and_tells_what_is_wrong(world):
    await world.tenant(A)
    headers = world.headers(A) | {"Accept": "text/event-stream"}

    async def streamed(query):
        response = await world.http.post("/graphql", json={"query": query}, headers=headers)
        assert response.headers["content-type"].startswith("text/event-stream")
        assert "\r" not in response.text
        return response.text

    query = await streamed("{ viewer { subject } }")
    wrong = await streamed("{")

    assert (
        query == 'event: next\ndata: {"data":{"viewer":{"subject":"anna@acme.example"}}}\n\nevent: complete\ndata: \n\n'
    )
    assert (
        json.loads(wrong.split("\n")[1].removeprefix("data: "))["errors"][0]["extensions"]["code"] == "BAD_USER_INPUT"
    )


async def test_an_event_stream_can_be_read_by_get_but_changes_nothing(world):
    caller = await with_artifacts(world)
    import_id = await imported(caller)
    headers = {**caller.headers, "Accept": "text/event-stream"}

    watched = await world.http.get(
        "/graphql", params={"query": PROGRESS, "variables": json.dumps({"id": import_id})}, headers=headers
    )
    changed = await world.http.get(
        "/graphql", params={"query": CANCEL, "variables": json.dumps({"id": import_id})}, headers=headers
    )

    assert '"isFinal":true' in watched.text
    assert "are not allowed" in changed.text


async def test_a_customary_client_watches_an_import(world):
    caller = await with_artifacts(world)
    import_id = await submitted(caller, await exported(caller))
    transport = WebsocketsTransport(
        url=world.url.replace("http", "ws", 1) + "/graphql",
        init_payload={"Authorization": f"Bearer {world.token(tenants=[B])}"},
        subprotocols=[WebsocketsTransport.GRAPHQLWS_SUBPROTOCOL],
        connect_args={"proxy": None},
    )

    async with Client(transport=transport, fetch_schema_from_transport=True) as session:
        watched = gql(PROGRESS)
        watched.variable_values = {"id": import_id}
        states = [event["importProgress"]["state"] async for event in session.subscribe(watched)]
        viewer = await session.execute(gql("{ viewer { subject } }"))

    assert states[-1] == "SUCCEEDED"
    assert viewer == {"viewer": {"subject": "anna@acme.example"}}


async def test_a_hundred_watchers_cost_one_reader_and_all_see_the_end(quiet):
    token, import_id = await in_line(quiet)
    headers = {"Authorization": f"Bearer {token}", "Accept": "text/event-stream"}
    body = {"query": PROGRESS, "variables": {"id": import_id}}

    async with httpx.AsyncClient(
        base_url=quiet.url, timeout=SECONDS, limits=httpx.Limits(max_connections=None), trust_env=False
    ) as http:
        watching = [asyncio.create_task(http.post("/graphql", json=body, headers=headers)) for _ in range(100)]
        while quiet.services.follower.tail_count == 0:
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.5)
        tails = quiet.services.follower.tail_count
        await asking(quiet, B).data(CANCEL, id=import_id)
        texts = [response.text for response in await asyncio.gather(*watching)]

    assert tails == 1
    assert all('"isFinal":true' in text for text in texts)
    assert await nobody_watches(quiet)
