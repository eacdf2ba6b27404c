"""W3: a five-artifact import over HTTP, from request to the documented answer; alone, and eight at once."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import httpx

from bench import corpus
from bench.measure import Result

GOAL_P50 = 6.0
GOAL_RATE = 2.5
ALONE = 60
AT_ONCE = 8
WAVES = 8
ARTIFACTS = 5


async def run() -> list[Result]:
    """The limit and the product as processes of their own, asked in turn by one client."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        async with _limit(folder) as limit, _ours(folder / "ours") as ours:
            for ask in (limit, ours):
                await _alone(ask, 5)
            times: dict[str, list[float]] = {"limit": [], "ours": []}
            rates: dict[str, list[float]] = {"limit": [], "ours": []}
            for _ in range(3):
                for side, ask in (("limit", limit), ("ours", ours)):
                    times[side] += await _alone(ask, ALONE // 3)
                    rates[side].append(await _together(ask))
    p50 = {side: statistics.median(taken) * 1000 for side, taken in times.items()}
    rate = {side: statistics.median(taken) for side, taken in rates.items()}
    return [
        Result(
            f"W3 import {ARTIFACTS} artifacts over HTTP, p50",
            f"{p50['ours']:.1f} ms",
            f"{p50['limit']:.1f} ms",
            p50["ours"] / p50["limit"],
            GOAL_P50,
        ),
        Result(
            f"W3 the same, {AT_ONCE} at once, imports a second",
            f"{rate['ours']:.0f}/s",
            f"{rate['limit']:.0f}/s",
            rate["limit"] / rate["ours"],
            GOAL_RATE,
        ),
    ]


Ask = Callable[[int], Awaitable[None]]
_NUMBERS = iter(range(1_000_000))


async def _alone(ask: Ask, times: int) -> list[float]:
    taken = []
    for _ in range(times):
        began = time.perf_counter()
        await ask(next(_NUMBERS))
        taken.append(time.perf_counter() - began)
    return taken


async def _together(ask: Ask) -> float:
    began = time.perf_counter()
    for _ in range(WAVES):
        await asyncio.gather(*(ask(next(_NUMBERS)) for _ in range(AT_ONCE)))
    return AT_ONCE * WAVES / (time.perf_counter() - began)


def _bundle(number: int) -> bytes:
    return corpus.bundle("elsewhere", f"Small {number}", corpus.artifacts(ARTIFACTS, seed=number))


_BUNDLES = [_bundle(number) for number in range(4)]


@asynccontextmanager
async def _limit(folder: Path) -> AsyncIterator[Ask]:
    port = _free_port()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bench.limit_server", str(port), str(folder / "limit.db"))
    )
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=30, trust_env=False) as client:
        await _ready(client, "/", (404, 405))

        async def ask(number: int) -> None:
            answer = await client.post(f"/t{number}", content=_BUNDLES[number % len(_BUNDLES)])
            answer.raise_for_status()

        yield ask
    process.terminate()
    await process.wait()


@asynccontextmanager
async def _ours(folder: Path) -> AsyncIterator[Ask]:
    """A development server as users start it; every import goes into a tenant of its own."""
    port = _free_port()
    environment = {
        **os.environ,
        "INSTALLHUB_DATA": str(folder),
        "INSTALLHUB_PORT": str(port),
    }
    command = (sys.executable, "-m", "server")
    process = await asyncio.create_subprocess_exec(
        *(*command, "serve", "--dev"),
        env=environment,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=60, trust_env=False) as client:
        await _ready(client, "/readyz", (200,))
        scope = "installhub:import installhub:platform"
        minting = await asyncio.create_subprocess_exec(
            *command,
            *("token", "--subject", "bench@example.com", "--tenant", "t0", "--scope", scope),
            env=environment,
            stdout=asyncio.subprocess.PIPE,
        )
        token = (await minting.communicate())[0].decode().strip()
        headers = {"Authorization": f"Bearer {token}"}

        async def make_tenant(number: int) -> None:
            query = "mutation($input: CreateTenantInput!) { createTenant(input: $input) { refusal { message } } }"
            variables = {"input": {"tenantId": f"t{number}", "tenantPlan": "STANDARD"}}
            answer = await client.post("/graphql", json={"query": query, "variables": variables}, headers=headers)
            answer.raise_for_status()

        for number in range(_TENANTS):
            await make_tenant(number)

        async def ask(number: int) -> None:
            options = json.dumps({"targetTenantId": f"t{number % _TENANTS}", "defaultConflictStrategy": "Replace"})
            files: dict[str, tuple[str, str | bytes, str]] = {
                "options": ("", options, "application/json"),
                "package": ("small.zip", _BUNDLES[number % len(_BUNDLES)], "application/zip"),
            }
            answer = await client.post("/api/installhub/packages/import", files=files, headers=headers)
            if answer.status_code != 200:
                raise RuntimeError(answer.text)

        yield ask
    process.terminate()
    await process.wait()


#: enough that imports of one wave never queue behind each other, and that every bundle is new to its tenant
_TENANTS = 400


async def _ready(client: httpx.AsyncClient, path: str, statuses: tuple[int, ...]) -> None:
    for _ in range(200):
        try:
            if (await client.get(path)).status_code in statuses:
                return
        except httpx.TransportError:
            pass
        await asyncio.sleep(0.1)
    msg = f"{client.base_url} did not come up"
    raise RuntimeError(msg)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
