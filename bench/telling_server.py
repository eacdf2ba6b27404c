"""The product, with an import that nobody runs and whose journal is written to on command.

``python -m bench.telling_server``, set up by the variables of the product. It prints a line when it is ready. Each line
that it reads is a list of moments, in seconds from then: it begins an import, prints its id, and on the next line, an
empty one, it writes an event at each moment, several of one moment in one step.
"""

from __future__ import annotations

import asyncio
import sys
import time
from datetime import UTC, datetime, timedelta
from itertools import groupby

import orjson
import uvloop

from domain.access import ADMIN, PLATFORM, Caller
from domain.import_model import EventKind, ImportJob, ImportPackage, ImportState, Progress, Stage
from domain.line import ImportOrder
from domain.model import BlobKey, TenantId, TenantPlan
from domain.options import ImportOptions
from domain.rows import NewEvent, Step
from server import settings
from server.memory import settle_memory
from server.runtime import Runtime
from server.serving import bind, serving
from server.threads import take_short_turns

_TENANT = TenantId("bench")
_LEASE_SECONDS = 3600


async def main() -> None:
    """Serve until there is nothing more to read."""
    loaded = settings.load(dev=True)
    async with serving(loaded, bind(loaded)) as server:
        await server.runtime.services.tenancy.add(_TENANT, TenantPlan.ENTERPRISE)
        print("ready", flush=True)
        while moments := orjson.loads(await _line() or "[]"):
            job = await _begun(server.runtime)
            print(job.import_id, flush=True)
            await _line()
            await _tell(server.runtime, job, moments)
            print("told", flush=True)


async def _line() -> str:
    return await asyncio.to_thread(sys.stdin.readline)


async def _begun(runtime: Runtime) -> ImportJob:
    caller = Caller(
        subject="bench",
        issuer="bench",
        tenants=frozenset(),
        scopes=frozenset({ADMIN, PLATFORM}),
        expires_at=datetime.now(UTC) + timedelta(days=1),
    )
    order = ImportOrder(_TENANT, ImportPackage(0, BlobKey("none"), "0" * 64, 1), ImportOptions())
    await runtime.services.line.submit(caller, order)
    async with runtime.ports.store.platform_unit() as unit:
        job = await unit.jobs.claim("bench", lease_seconds=_LEASE_SECONDS)
    if job is None:
        raise RuntimeError("there is nothing to claim")
    return job


async def _tell(runtime: Runtime, job: ImportJob, moments: list[float]) -> None:
    began, number = time.perf_counter(), 0
    for moment, told_at_once in groupby(moments):
        await asyncio.sleep(began + moment - time.perf_counter())
        events = []
        for _ in told_at_once:
            number += 1
            progress = Progress(Stage.VALIDATION, number, len(moments), number / len(moments), f"Artifact {number}")
            # of a kind that is never merged: each of them is sent to everybody
            events.append(NewEvent(EventKind.STAGE_STARTED, progress, f"Looking at artifact {number}"))
        await _step(runtime, Step(job.import_id, job.fence, tuple(events)))
    ended = NewEvent(EventKind.ENDED, Progress(None, number, number, 100.0), "Ended", ImportState.CANCELLED)
    changes = {"state": ImportState.CANCELLED, "stage": None, "ended_at": runtime.ports.clock.now()}
    await _step(runtime, Step(job.import_id, job.fence, (ended,), changes))


async def _step(runtime: Runtime, step: Step) -> None:
    async with runtime.ports.store.unit(_TENANT) as unit:
        await unit.imports.advance(step)


if __name__ == "__main__":
    settle_memory()
    take_short_turns()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main())
