"""W6: plan 1,000 artifacts in a tenant of 100,000, merge them with what it made of them, import the same again."""

from __future__ import annotations

import copy
import io
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from bench import corpus
from bench.instance import ROOMY, Instance, a_tenant, an_instance
from bench.measure import Result, Series, timed
from domain.artifact_types import ArtifactType
from domain.bundle import CheckedBundle, read_bundle
from domain.courtesy import Courtesy
from domain.edits import ArtifactChanges, draft_of_file
from domain.import_model import ImportJob
from domain.line import ImportOrder
from domain.model import Actor, ArtifactId, ArtifactStatus, NewRevision, RevisionId, TenantId, TenantPlan
from domain.options import ConflictStrategy, ImportOptions
from domain.plan_model import ActionKind
from domain.planning import Planner
from domain.spool import Spool
from domain.strict_json import canonical
from server.memory import settle_memory
from storage.clock import SystemClock

ARTIFACTS, OTHERS, ROUNDS = 1_000, 99_000, 5
#: seconds that planning and merging take at most, and how much longer the large tenant may take than the small one
PLAN_SECONDS, MERGE_SECONDS, AGAIN_SECONDS, GROWTH = 0.3, 1.0, 0.2, 1.5
_NAME = "Bench Suite"
_AT_ONCE = 500


async def run() -> list[Result]:
    """Planning is everything between the checked bundle and the finished plan, the tenant's rows included."""
    large, small, merges, again = Series(), Series(), Series(), Series()
    made = [_keyed(artifact) for artifact in corpus.artifacts(3 * ARTIFACTS)[:ARTIFACTS]]
    later = [_edited(artifact, 0) for artifact in copy.deepcopy(made)]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        async with an_instance(folder) as instance:
            with Spool(folder / "contents") as spool:
                bundle = _read(corpus.bundle("elsewhere", _NAME, later, version="1.1.0"), spool)
                jobs = [await _job(instance, tenant, made) for tenant in ("bench-large", "bench-small")]
                await _fill(instance, jobs[0].tenant_id)
                for _ in range(ROUNDS):
                    await timed(large, partial(_plan, instance, bundle, jobs[0], ActionKind.UPDATE))
                    await timed(small, partial(_plan, instance, bundle, jobs[1], ActionKind.UPDATE))
                    await timed(merges, partial(_plan, instance, bundle, jobs[0], ActionKind.MERGE))
                same = corpus.bundle("elsewhere", _NAME, made)
                await instance.import_bundle(await a_tenant(instance, "bench-same"), same)
                # the corpus is the bench's own: no server has its trees to search for garbage
                settle_memory()
                for _ in range(ROUNDS):
                    order = ImportOrder(TenantId("bench-same"), await instance.stored(same), ImportOptions())
                    await timed(again, partial(_bring_again, instance, order))
    return [
        _result(f"W6 plan {ARTIFACTS} in a tenant of {ARTIFACTS + OTHERS}, CPU", large.median_cpu, PLAN_SECONDS),
        _result("W6 the same beside a small tenant, CPU", large.median_cpu, small.median_cpu, GROWTH),
        _result(f"W6 merge {ARTIFACTS} with three sides, CPU", merges.median_cpu, MERGE_SECONDS),
        _result(f"W6 import the same {ARTIFACTS} again, CPU", again.median_cpu, AGAIN_SECONDS),
    ]


def _result(name: str, ours: float, limit: float, goal: float = 1.0) -> Result:
    return Result(name, f"{ours * 1000:.0f} ms", f"{limit * 1000:.0f} ms", ours / limit, goal)


def _keyed(artifact: dict[str, Any]) -> dict[str, Any]:
    """The same entity schema, its fields with names of their own: a merge tells them apart."""
    for place, row in enumerate(artifact["fields"]):
        row["fieldName"] = f"field{place}"
    return artifact


def _edited(artifact: dict[str, Any], place: int) -> dict[str, Any]:
    artifact["fields"][place]["description"] = f"changed at {place}"
    return artifact


def _read(data: bytes, spool: Spool) -> CheckedBundle:
    limits = ROOMY.bundle(TenantPlan.ENTERPRISE)
    return read_bundle(io.BytesIO(data), spool, limits=limits, target=TenantId("bench-large"))


async def _plan(instance: Instance, bundle: CheckedBundle, job: ImportJob, kind: ActionKind) -> None:
    strategy = ConflictStrategy.MERGE if kind is ActionKind.MERGE else ConflictStrategy.REPLACE
    tenant = await instance.services.tenancy.find(instance.caller, job.tenant_id)
    if tenant is None:
        raise RuntimeError(job.tenant_id)
    planner = Planner(instance.store, SystemClock(), ROOMY, Courtesy())
    asked = replace(job, options=ImportOptions(default_strategy=strategy))
    inventory = await planner.inventory(bundle, tenant, asked)
    _, made = await planner.plan([(bundle, inventory)], asked, [])
    if made.count(kind) != ARTIFACTS:
        msg = f"only {made.count(kind)} artifacts are planned as {kind.value}"
        raise RuntimeError(msg)


async def _bring_again(instance: Instance, order: ImportOrder) -> None:
    job = await instance.run(order)
    if (job.outcome or {})["artifactsUnchanged"] != ARTIFACTS:
        msg = "the same package is not the same"
        raise RuntimeError(msg)


async def _job(instance: Instance, tenant: str, made: list[dict[str, Any]]) -> ImportJob:
    """An import into a tenant that has the first version, each artifact edited since in another place."""
    tenant_id = TenantId(await a_tenant(instance, tenant))
    job = await instance.import_bundle(tenant, corpus.bundle("elsewhere", _NAME, made))
    remap = (job.outcome or {})["idRemapTable"]
    trees = [_edited(artifact | {"id": remap[artifact["id"]]}, 5) for artifact in copy.deepcopy(made)]
    for begin in range(0, len(trees), _AT_ONCE):
        drafts = tuple(draft_of_file(canonical(tree)) for tree in trees[begin : begin + _AT_ONCE])
        await instance.services.authoring.change(instance.caller, ArtifactChanges(tenant_id, save=drafts))
    return job


async def _fill(instance: Instance, tenant: TenantId) -> None:
    """Small artifacts of the tenant's own."""
    others = _others()
    while some := [one for one, _ in zip(others, range(_AT_ONCE), strict=False)]:
        async with instance.store.unit(tenant) as unit:
            await unit.artifacts.write(some)


def _others() -> Iterator[NewRevision]:
    for number in range(OTHERS):
        yield NewRevision(
            revision_id=RevisionId(f"rev-other-{number}"),
            artifact_id=ArtifactId(f"rule-other-{number}"),
            artifact_type=ArtifactType.RULE_SET,
            number=1,
            name=f"Other {number}",
            version="1.0.0",
            status=ArtifactStatus.PUBLISHED,
            content_hash=f"sha256:{number:064}",
            body=b'{"rules":[]}',
            written_at=SystemClock().now(),
            written_by=Actor("bench"),
        )
