"""W9: GraphQL over HTTP at 20 connections, beside a bare Starlette route that reads a body and answers ready bytes.

The small query asks for one field; the typical one for two lists of five through a fragment, out of the database. The
server remembers what it answered until something is written, and the small one for good; beside it stand the same over
PostgreSQL, and one that remembers nothing, as if something were written between any two requests.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

import orjson

from bench import corpus
from bench.measure import Result
from bench.raw_client import a_post, asked
from bench.servers import Bare, Product, a_bare_server, a_postgres, a_product, cpu_seconds

#: the limit's rate divided by ours: a quarter of its requests a second, and 0.15
GOAL_SMALL, GOAL_TYPICAL = 4.0, 6.67
_CONNECTIONS = 20
_TIMES = 50
_ROUNDS = 5
_ROWS = 5
_TENANT = "bench"
_SMALL = "{ viewer { subject } }"
_TYPICAL = """query Recent($tenant: ID!) {
  importJobs(first: 5) { nodes { ...Row } }
  tenant(id: $tenant) { artifacts(first: 5) { nodes { id artifactId name version revision } } }
}
fragment Row on ImportJob { id state packageName submittedAt endedAt }"""


@dataclass(slots=True)
class _Side:
    """One server's rounds."""

    port: int
    pid: int
    request: bytes
    rates: list[float] = field(default_factory=list)
    costs: list[float] = field(default_factory=list)

    async def ask(self, times: int = _TIMES) -> None:
        """One round."""
        cpu, wall, count = cpu_seconds(self.pid), time.perf_counter(), _CONNECTIONS * times
        await asked(self.port, self.request, connections=_CONNECTIONS, times=times)
        self.rates.append(count / (time.perf_counter() - wall))
        self.costs.append((cpu_seconds(self.pid) - cpu) / count)

    @property
    def rate(self) -> float:
        """Requests a second."""
        return statistics.median(self.rates)

    @property
    def cost(self) -> float:
        """CPU seconds a request."""
        return statistics.median(self.costs)


async def run() -> list[Result]:
    """The limit and the product as processes of their own, asked in turn by the same client."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        async with (
            a_bare_server(folder) as bare,
            a_product(folder / "ours") as product,
            a_product(folder / "forgetful", {"INSTALLHUB_ANSWERS_MB": "0"}) as forgetful,
            a_postgres() as database,
            a_product(folder / "far", {"INSTALLHUB_DATABASE_URL": database}) as far,
        ):
            products = (product, far, forgetful)
            for one in products:
                await one.add_tenant(_TENANT)
                await _fill(one)
            typical: dict[str, object] = {"query": _TYPICAL, "variables": {"tenant": _TENANT}}
            return [
                *await _compared("small query", bare, products, {"query": _SMALL}, GOAL_SMALL),
                *await _compared("typical query", bare, products, typical, GOAL_TYPICAL),
            ]


async def _compared(
    name: str, bare: Bare, products: tuple[Product, ...], question: dict[str, object], goal: float
) -> list[Result]:
    body = orjson.dumps(question)
    limit = _Side(bare.port, bare.pid, a_post("/answer", body, {}))
    sides = [
        _Side(one.port, one.pid, a_post("/graphql", body, {"Authorization": f"Bearer {one.token}"})) for one in products
    ]
    await _warm(limit, *sides)
    for _ in range(_ROUNDS):
        await limit.ask()
        for ours in sides:
            await ours.ask()
    return [
        result
        for ours, how in zip(sides, ("", " on PostgreSQL", ", executed each time"), strict=True)
        for result in _told(f"W9 {name}{how}", ours, limit, goal)
    ]


def _told(name: str, ours: _Side, limit: _Side, goal: float) -> tuple[Result, Result]:
    rates = (f"{ours.rate:.0f}/s", f"{limit.rate:.0f}/s", limit.rate / ours.rate)
    costs = (f"{ours.cost * 1e6:.0f} us", f"{limit.cost * 1e6:.0f} us", ours.cost / limit.cost)
    return Result(f"{name}, requests a second", *rates, goal), Result(f"{name}, CPU a request", *costs, goal)


async def _warm(*sides: _Side) -> None:
    for side in sides:
        answered = orjson.loads(await asked(side.port, side.request, connections=_CONNECTIONS, times=2))
        if "errors" in answered:
            raise RuntimeError(str(answered))


async def _fill(product: Product) -> None:
    """Five imports of five artifacts."""
    headers = {"X-Tenant-Id": _TENANT}
    options = orjson.dumps({"targetTenantId": _TENANT, "defaultConflictStrategy": "Replace"}).decode()
    for number in range(_ROWS):
        bundle = corpus.bundle("elsewhere", f"Small {number}", corpus.artifacts(_ROWS, seed=number))
        files: dict[str, tuple[str, str | bytes, str]] = {
            "options": ("", options, "application/json"),
            "package": ("small.zip", bundle, "application/zip"),
        }
        answer = await product.client.post("/api/installhub/packages/import", files=files, headers=headers)
        answer.raise_for_status()
