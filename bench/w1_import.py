"""W1: import 1,000 artifacts of about 10 KB, three levels of references, one ZIP, empty tenant, SQLite."""

from __future__ import annotations

import tempfile
from pathlib import Path

from bench import corpus, limits
from bench.instance import a_tenant, an_instance
from bench.measure import Result, Series, forget_peak, memory_mib, timed
from domain.line import ImportOrder
from domain.model import TenantId
from domain.options import ImportOptions

GOAL = 2.0
#: enough for medians that stand still on a machine whose speed does not
ROUNDS = 41
ARTIFACTS = 1000


async def run() -> list[Result]:
    """Interleaved rounds; the first round of each side warms it up and is not counted."""
    data = corpus.bundle("bench-source", "Bench Suite", corpus.artifacts(ARTIFACTS))
    ours, limit = Series(), Series()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        async with an_instance(folder) as instance:
            rise = 0.0
            for number in range(ROUNDS + 1):
                tenant = await a_tenant(instance, f"bench-{number}")
                # receiving the bytes is what W5 measures; the limit has them in memory
                order = ImportOrder(TenantId(tenant), await instance.stored(data), ImportOptions())

                async def import_ours(order: ImportOrder = order) -> None:
                    await instance.run(order)

                async def import_limit(tenant: str = tenant) -> None:
                    limits.import_bundle(folder / "limit.db", tenant, data)

                forget_peak()
                before = memory_mib("VmRSS")
                await timed(ours, import_ours)
                rise = max(rise, memory_mib("VmHWM") - before)
                await timed(limit, import_limit)
    del ours.cpu[0], ours.wall[0], limit.cpu[0], limit.wall[0]
    print(f"  W1 wall: ours {ours.median_wall:.2f} s, limit {limit.median_wall:.2f} s; peak memory rise {rise:.0f} MiB")
    return [
        Result(
            f"W1 import {ARTIFACTS} artifacts, CPU",
            f"{ours.median_cpu:.2f} s",
            f"{limit.median_cpu:.2f} s",
            ours.median_cpu / limit.median_cpu,
            GOAL,
        )
    ]
