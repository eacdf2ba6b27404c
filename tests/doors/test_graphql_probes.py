"""Probes: what testers ask of a server to find what leaks, blocks or is never let go (docs/probes.md)."""

from __future__ import annotations

import asyncio
import json
import time
from contextlib import AsyncExitStack

import httpx
import pytest
import pytest_asyncio

from resolvers.api import API, with_probes
from server.settings import SettingsError, load
from tests.doors.graphql_world import A, Asking, a_socket
from tests.house.tree import ROOT
from tests.world import a_world

COUNTS = "{ probeCounts { subscriptions sockets } }"
IDLE = "subscription { probeIdle }"
FLOOD = "subscription($count: Int!) { probeFlood(count: $count, sizeBytes: 65536) }"

# one server for all: each test leaves it as it was
pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(tmp_path_factory):
    async with a_world(tmp_path_factory.mktemp("world"), role="web", test_probes=True) as world:
        yield world


@pytest.fixture
def caller(world):
    return Asking(world, world.headers(A))


@pytest.fixture
def token(world):
    return world.token(tenants=[A])


async def open_now(caller, *, subscriptions, sockets):
    """Ask until so many are open: those that end do so in their own time."""
    wanted = {"subscriptions": subscriptions, "sockets": sockets}
    async with asyncio.timeout(10):
        while (await caller.data(COUNTS))["probeCounts"] != wanted:
            await asyncio.sleep(0)


async def events(world, query, **variables):
    headers = world.headers(A) | {"Accept": "text/event-stream"}
    answer = await world.http.post("/graphql", json={"query": query, "variables": variables}, headers=headers)
    blocks = [block.split("\ndata: ") for block in answer.text.split("\n\n") if block.startswith("event")]
    assert blocks[-1][0] == "event: complete"
    return [json.loads(data) for _, data in blocks[:-1]]


async def test_ticks_come_at_their_rate_and_end(world):
    began = time.monotonic()
    told = await events(world, "subscription { probeTicks(perSecond: 100, count: 20) }")

    assert [one["data"]["probeTicks"] for one in told] == list(range(1, 21))
    assert time.monotonic() - began >= 0.2


async def test_a_failure_inside_a_subscription_is_masked_on_every_transport(world, token):
    failing = "subscription { probeFailing(after: 2) }"

    streamed = await events(world, failing)
    async with a_socket(world, token=token) as socket:
        await socket.ask("1", failing)
        told = [await socket.heard() for _ in range(4)]

    assert [one["type"] for one in told] == ["next", "next", "next", "complete"]
    for results in (streamed, [one["payload"] for one in told[:3]]):
        assert [one["data"] for one in results[:2]] == [{"probeFailing": 1}, {"probeFailing": 2}]
        (error,) = results[2]["errors"]
        assert error["extensions"]["code"] == "INTERNAL_ERROR"
        assert error["extensions"]["correlationId"] in error["message"]
        assert "probe fails" not in str(results)


@pytest.mark.parametrize("leave", ["complete", "close", "reset"])
async def test_what_is_left_runs_its_end(world, caller, token, leave):
    async with AsyncExitStack() as opened:
        sockets = [await opened.enter_async_context(a_socket(world, token=token)) for _ in range(5)]
        for socket in sockets:
            for key in ("1", "2"):
                await socket.ask(key, IDLE)
        await open_now(caller, subscriptions=10, sockets=5)

        for socket in sockets:
            if leave == "complete":
                await socket.say({"id": "1", "type": "complete"})
            elif leave == "close":
                await socket.connection.close()
            else:
                socket.connection.transport.abort()

        left = 5 if leave == "complete" else 0
        await open_now(caller, subscriptions=left, sockets=left)
    await open_now(caller, subscriptions=0, sockets=0)


async def test_an_event_stream_that_is_left_runs_its_end(world, caller):
    headers = dict(caller.headers) | {"Accept": "text/event-stream"}
    async with (
        httpx.AsyncClient(base_url=world.url, trust_env=False, verify=False) as reader,
        reader.stream("POST", "/graphql", json={"query": IDLE}, headers=headers),
    ):
        await open_now(caller, subscriptions=1, sockets=0)

    await open_now(caller, subscriptions=0, sockets=0)


async def test_floods_to_slow_and_quick_readers_hold_up_nobody(world, caller, token):
    async def read(socket):
        await socket.ask("1", FLOOD, count=100)
        while (await socket.heard())["type"] == "next":
            pass

    waits = []
    async with AsyncExitStack() as opened:
        sockets = [
            await opened.enter_async_context(a_socket(world, token=token, max_size=None, max_queue=1)) for _ in range(6)
        ]
        for socket in sockets[:3]:
            # nobody reads what these are sent
            await socket.ask("1", FLOOD, count=1_000_000)
        quick = [asyncio.create_task(read(socket)) for socket in sockets[3:]]
        while not all(task.done() for task in quick):
            began = time.perf_counter()
            await caller.data("{ __typename }")
            waits.append(time.perf_counter() - began)
        await asyncio.gather(*quick)
        await open_now(caller, subscriptions=3, sockets=6)
        for socket in sockets[:3]:
            # a farewell would wait behind all that was not read
            socket.connection.transport.abort()

    await open_now(caller, subscriptions=0, sockets=0)
    # the better ones: the readers are in this process too, and other processes have a share of the machine
    assert sorted(waits)[len(waits) // 4] < 0.2


@pytest.mark.parametrize(
    ("query", "place"),
    [
        ("subscription { probeTicks(perSecond: 1001, count: 1) }", "perSecond"),
        ("subscription { probeTicks(perSecond: 1, count: -1) }", "count"),
        ("subscription { probeFailing(after: -1) }", "after"),
        ("subscription { probeFlood(count: 1, sizeBytes: 1048577) }", "sizeBytes"),
    ],
)
async def test_a_probe_has_its_bounds_too(world, query, place):
    (told,) = await events(world, query)

    (error,) = told["errors"]
    assert (error["extensions"]["code"], error["extensions"]["problems"][0]["place"]) == ("BAD_USER_INPUT", place)


async def test_an_operation_that_takes_too_long_is_given_up_here_too(tmp_path, monkeypatch):
    monkeypatch.setenv("INSTALLHUB_LIMIT_OPERATION_SECONDS", "1")

    async with a_world(tmp_path, role="web", test_probes=True) as world:
        answer = await world.http.post(
            "/graphql", json={"query": "{ probeSlow(seconds: 60) }"}, headers=world.headers(A)
        )
        (told,) = await events(world, "{ probeSlow(seconds: 60) }")

    for errors in (answer.json()["errors"], told["errors"]):
        assert [error["extensions"]["code"] for error in errors] == ["SERVICE_UNAVAILABLE"]
        assert "1 s" in errors[0]["message"]


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.1", "::", "hub.example.com"])
async def test_probes_are_for_this_machine_alone(host):
    with pytest.raises(SettingsError, match="INSTALLHUB_TEST_PROBES: "):
        load(test_probes=True, host=host)


async def test_the_environment_sets_probes_as_well(monkeypatch):
    monkeypatch.setenv("INSTALLHUB_TEST_PROBES", "1")

    assert load(host="127.0.0.1").test_probes
    with pytest.raises(SettingsError, match="INSTALLHUB_TEST_PROBES: "):
        load(host="0.0.0.0")


async def test_without_the_setting_there_are_no_probes():
    with_them = with_probes().as_str()

    assert "probeFlood" in with_them
    assert "probe" not in API.as_str().lower()


async def test_the_page_names_every_probe():
    page = (ROOT / "docs" / "probes.md").read_text(encoding="utf-8")
    schema = with_probes()._schema
    fields = [name for root in (schema.query_type, schema.subscription_type) if root for name in root.fields]

    assert [name for name in fields if name.startswith("probe") and f"{{ {name}" not in page] == []
