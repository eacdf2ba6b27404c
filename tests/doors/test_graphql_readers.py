"""Readers who take nothing, ask for everything or come in hundreds: they cost little, and hold nobody up."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import pytest_asyncio
from graphql import get_introspection_query

from resolvers.live import LIVE
from server.graphql_streams import WIRES
from tests.doors.graphql_streaming import MIB, SECONDS, STREAMED, nobody_watches, request_of, resident
from tests.doors.graphql_world import PROGRESS, A, B, Socket, a_socket, asking, exported, submitted, with_artifacts
from tests.pace import old_objects_aside
from tests.world import World, a_world

pytestmark = pytest.mark.asyncio(loop_scope="module")

FLOOD = "subscription($count: Int!, $sizeBytes: Int!) { probeFlood(count: $count, sizeBytes: $sizeBytes) }"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def probed(tmp_path_factory):
    """A world in which a subscription gives as much as is taken."""
    async with a_world(tmp_path_factory.mktemp("probed"), role="web", test_probes=True) as world:
        await with_artifacts(world)
        yield world


async def longest_hold(over: float) -> float:
    """The most seconds of work between two turns of the loop that everybody shares, in a time so long.

    Work and not waiting is measured: what else this machine does is no fault of the server.
    """
    loop, worst = asyncio.get_running_loop(), 0.0
    end = loop.time() + over
    with old_objects_aside():
        while loop.time() < end:
            began = time.thread_time()
            await asyncio.sleep(0.01)
            worst = max(worst, time.thread_time() - began)
    return worst


@asynccontextmanager
async def a_deaf_socket(world: World, token: str) -> AsyncIterator[None]:
    async with a_socket(world, token=token, max_queue=1) as deaf:
        deaf.connection.transport.pause_reading()
        for number in range(10):
            await deaf.ask(str(number), FLOOD, count=1000, sizeBytes=MIB)
        yield
        deaf.connection.transport.abort()


@asynccontextmanager
async def a_deaf_reader(world: World, token: str, accept: str) -> AsyncIterator[None]:
    asked = json.dumps({"query": FLOOD, "variables": {"count": 1000, "sizeBytes": MIB}})
    _, writer = await request_of(world, token, accept, asked)
    transport = writer.transport
    assert isinstance(transport, asyncio.Transport)
    transport.pause_reading()
    yield
    writer.transport.abort()


@pytest.mark.parametrize("media", ["socket", *WIRES])
async def test_a_reader_who_takes_nothing_costs_little_and_holds_nobody_up(probed, media):
    token, before = probed.token(tenants=[A]), resident()
    deaf = a_deaf_socket(probed, token) if media == "socket" else a_deaf_reader(probed, token, STREAMED[media])

    async with deaf:
        worst = await longest_hold(0.5)
        watched, grown = LIVE.subscriptions, resident() - before

    assert watched >= 1
    assert grown < 40 * MIB, "of the gigabytes that were offered"
    assert worst < 0.2
    assert await nobody_watches(probed)


async def test_who_asks_for_everything_at_once_holds_nobody_up(probed):
    introspection = get_introspection_query(descriptions=True)

    async def answered(greedy: Socket) -> list[str]:
        """The types of what is told until all is complete. It takes a while on a machine that does much else."""
        async with asyncio.timeout(6 * SECONDS):
            return [json.loads(await greedy.connection.recv())["type"] for _ in range(6)]

    async with a_socket(probed, token=probed.token(tenants=[A]), max_size=None) as greedy:
        for number in range(3):
            await greedy.ask(str(number), introspection)
        hearing, worst = asyncio.ensure_future(answered(greedy)), 0.0
        while not hearing.done():
            worst = max(worst, await longest_hold(0.05))

    assert sorted(hearing.result()) == ["complete"] * 3 + ["next"] * 3
    assert worst < 0.2


async def test_one_who_sends_pings_and_reads_nothing_is_read_no_further(probed):
    async with a_socket(probed, token=probed.token(tenants=[A])) as deaf:
        transport, before = deaf.connection.transport, resident()
        transport.pause_reading()
        transport.set_write_buffer_limits(high=8 * MIB)
        pings = b"".join(bytes([0x89, 0x80 | 125, 0, 0, 0, 0]) + bytes(125) for _ in range(1000))
        sent = 0
        while transport.get_write_buffer_size() < 4 * MIB and sent < 64 * MIB:
            transport.write(pings)
            sent += len(pings)
            await asyncio.sleep(0)
        grown = resident() - before
        transport.abort()

    assert sent < 64 * MIB, "the server takes no more"
    assert grown < 24 * MIB


async def test_four_rounds_of_a_hundred_sockets_leave_no_generator_and_no_memory(probed):
    caller, token = asking(probed, A, B), probed.token(tenants=[A, B])
    import_id = await submitted(caller, await exported(caller))

    async def one(number: int) -> None:
        async with a_socket(probed, token=token) as watcher:
            await watcher.ask("1", PROGRESS, id=import_id)
            await watcher.heard()
            if number % 3 == 0:
                await watcher.say({"id": "1", "type": "complete"})
            elif number % 3 == 1:
                watcher.connection.transport.abort()

    # the first few only make room for what any round needs
    sizes = []
    for count in (20, 100, 100, 100, 100):
        await asyncio.gather(*(one(number) for number in range(count)))
        assert await nobody_watches(probed)
        sizes.append(resident())

    assert sizes[-1] - sizes[0] < 12 * MIB
