"""CPU work belongs to threads: while a big import runs, everybody else is answered at once."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest

from bench import corpus
from bench.instance import a_tenant, an_instance

STALL_SECONDS = 0.1
BEAT_SECONDS = 0.002
#: the machine of a test run is shared: a stall of ours shows in every round, one of a neighbour's does not
ROUNDS = 3


@pytest.mark.slow
async def test_an_import_of_a_thousand_artifacts_never_stalls_the_event_loop(tmp_path: Path):
    bundle = corpus.bundle("elsewhere", "Big Suite", corpus.artifacts(1000))
    stalls = []
    async with an_instance(tmp_path) as instance:
        for number in range(ROUNDS):
            tenant = await a_tenant(instance, f"tenant-{number}")

            work = asyncio.create_task(instance.import_bundle(tenant, bundle))
            stalls.append(await _longest_stall(work))
            await work

    assert min(stalls) < STALL_SECONDS, stalls


async def _longest_stall(work: asyncio.Task[object]) -> float:
    """How late the loop came back at worst, in seconds, while the work went on."""
    worst = 0.0
    while not work.done():
        began = time.perf_counter()
        await asyncio.sleep(BEAT_SECONDS)
        worst = max(worst, time.perf_counter() - began - BEAT_SECONDS)
    return worst
