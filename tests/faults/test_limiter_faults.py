"""A Valkey behind a line that fails: doors go on, at once, and count for themselves."""

from __future__ import annotations

import asyncio
import time
from contextlib import aclosing

import pytest

from storage.valkey import SharedLimiter
from storage.valkey_place import valkey_place
from tests.faults.proxy import a_proxy, at_port
from tests.house.tree import ROOT
from tests.world import World, a_world

pytestmark = pytest.mark.valkey
WINDOW = ("user:anna", 3, 60)


@pytest.mark.parametrize(("fault", "remedy"), [("break_down", "repair"), ("fall_silent", "speak")])
async def test_without_its_valkey_a_process_counts_for_itself_and_later_together_again(valkey, fault, remedy, caplog):
    async with a_proxy(at_port(valkey)) as proxy:
        place = valkey_place(f"valkey://127.0.0.1:{proxy.port}/{4 + (fault == 'break_down')}")
        async with aclosing(SharedLimiter(place)) as limiter:
            together = await _taken_by_valkey(limiter)
            getattr(proxy, fault)()

            began = time.perf_counter()
            alone = [await limiter.take([WINDOW]) for _ in range(200)]
            seconds = time.perf_counter() - began
            getattr(proxy, remedy)()
            async with asyncio.timeout(30):
                while not await limiter.is_shared():
                    await asyncio.sleep(0.05)
            left = await limiter.left(WINDOW)

    assert together == 0
    # each waits at most once a second for a quarter of one, and this machine may be busy
    assert (alone, seconds < 5) == ([0, 0, 0] + [60] * 197, True)
    # what it was asked in vain it may have heard late
    assert left in (1, 2)
    told = [record.levelname for record in caplog.records if "Valkey" in record.message]
    assert told == ["ERROR", "WARNING"]


async def _taken_by_valkey(limiter: SharedLimiter) -> int:
    """One, and not by a process that was too busy to wait for it."""
    async with asyncio.timeout(30):
        while not await limiter.is_shared():
            await asyncio.sleep(0.05)
    return await limiter.take([WINDOW])


async def test_a_server_tells_that_it_counts_for_itself_and_refuses_nobody_for_it(tmp_path, valkey):
    async with a_proxy(at_port(valkey)) as proxy:
        limits = {"limiter_url": f"valkey://127.0.0.1:{proxy.port}/6", "role": "web"}
        async with a_world(tmp_path, **limits) as world:
            await world.tenant("target")
            await world.load("target", ROOT / "examples" / "acme-source")
            before = await _told(world, "")
            proxy.break_down()
            during = await _told(world, "limits")
            exported = await _exported(world)
            proxy.repair()
            after = await _told(world, "")

    assert (before, during, after) == ("1.0", "0.0", "1.0")
    assert exported == [200, 200]


async def _told(world: World, degraded: str) -> str:
    """What the measures say once ``/readyz`` says this."""
    async with asyncio.timeout(30):
        while ",".join((ready := await world.http.get("/readyz")).json().get("degraded", [])) != degraded:
            await asyncio.sleep(0.05)
    assert ready.status_code == 200
    lines = (await world.http.get("/metrics")).text.splitlines()
    return next(line.split()[1] for line in lines if line.startswith("installhub_limits_shared "))


async def _exported(world: World) -> list[int]:
    order = {"packageName": "Mine", "packageType": "workflow-package", "artifactIds": ["proc-1001"]}
    return [
        (
            await world.http.post(
                "/api/installhub/packages/export",
                json=order | {"version": version},
                headers=world.headers("target"),
            )
        ).status_code
        for version in ("1.0.0", "2.0.0")
    ]
