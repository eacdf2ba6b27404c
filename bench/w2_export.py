"""W2: export the same 1,000 artifacts, found through their references."""

from __future__ import annotations

import tempfile
from pathlib import Path

from bench import corpus, limits
from bench.instance import a_tenant, an_instance
from bench.measure import Result, Series, timed
from domain.export_order import ExportOrder
from domain.model import TenantId
from domain.plan_model import ActionKind

GOAL = 0.5
#: enough for medians that stand still on a machine whose speed does not
ROUNDS = 21
ARTIFACTS = 1000


async def run() -> list[Result]:
    """Each counted export takes revisions that were exported before; the first export is told apart."""
    made = corpus.artifacts(ARTIFACTS)
    third = ARTIFACTS // 3
    forms = {artifact["id"]: artifact["fields"][0]["dataSource"]["entityId"] for artifact in made[third : 2 * third]}
    processes = {artifact["id"]: artifact["nodes"][0]["config"]["formId"] for artifact in made[2 * third :]}
    roots = list(processes)
    ours, limit = Series(), Series()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        async with an_instance(folder) as instance:
            tenant = TenantId(await a_tenant(instance, "bench-source"))
            data = corpus.bundle("elsewhere", "Bench Suite", made)
            job = await instance.import_bundle(tenant, data)
            remap = (job.outcome or {})["idRemapTable"]
            assert (job.outcome or {})["counts"]["create"] == ARTIFACTS, ActionKind.CREATE
            limits.fill(folder / "limit.db", tenant, made, [*forms.items(), *processes.items()])
            for number in range(ROUNDS + 1):

                async def export_ours(number: int = number) -> None:
                    order = ExportOrder(
                        tenant,
                        "Bench Suite",
                        "workflow-package",
                        f"1.0.{number}",
                        tuple(remap[root] for root in roots),
                    )
                    exported = await instance.services.exporter.export(instance.caller, order)
                    count = exported.package.artifact_count
                    if count < len(roots):
                        msg = f"only {count} artifacts were exported"
                        raise RuntimeError(msg)

                async def export_limit() -> None:
                    (folder / "limit.zip").write_bytes(limits.export_bundle(folder / "limit.db", tenant, roots))

                await timed(ours, export_ours)
                await timed(limit, export_limit)
    first = ours.cpu.pop(0)
    del ours.wall[0], limit.cpu[0], limit.wall[0]
    print(f"  W2 wall: ours {ours.median_wall:.2f} s, limit {limit.median_wall:.2f} s; first export {first:.2f} CPU s")
    return [
        Result(
            f"W2 export {ARTIFACTS} artifacts, CPU",
            f"{ours.median_cpu:.2f} s",
            f"{limit.median_cpu:.2f} s",
            ours.median_cpu / limit.median_cpu,
            GOAL,
        )
    ]
