"""Whether a plan still holds, and what moved under it if not: artifacts, installed packages (decisions R11)."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from itertools import islice

from domain.differing import changes, shown_content
from domain.errors import ErrorCode, Problem, Refusal
from domain.import_model import AuditEntry, Failure, ImportJob, ImportMode, ImportState, Stage
from domain.import_outcome import on_behalf_of
from domain.import_run import Run
from domain.model import TenantId
from domain.plan_hash import Relied, relied_now
from domain.plan_model import Drift, Plan
from domain.policy import drift_problem
from domain.portions import with_bodies
from domain.ports import Store

#: artifacts that a refusal tells of, and places in each of them
_SHOWN, _POINTERS = 20, 50
_CURE = "The plan was made before that. Look at the new plan."
#: the same for an import that was held meanwhile
HELD_TOO_LONG = "The import was planned before that. Import the package again."


async def drift_of(store: Store, made: Plan, cure: str = _CURE) -> list[Problem]:
    """The preconditions of a plan that no longer hold, one ``PlanStale`` each; empty when all do.

    ``cure`` says what can be done about it.
    """
    async with store.view(made.tenant_id) as unit:
        moved = await unit.imports.drift(made.import_id)
        installed = await unit.imports.installed(list(made.relied)) if made.relied else []
    shown = await _with_pointers(store, made.tenant_id, moved[:_SHOWN])
    return [
        *(drift_problem(one, cure) for one in shown),
        *_package_problems(made.relied, relied_now(made.relied, installed), cure),
    ]


async def moved_since_shown(store: Store, job: ImportJob, made: Plan) -> list[Problem]:
    """Why the plan that a job is to apply is not the one it comes to now (``made``); empty when it is (R10).

    What changed outside the preconditions is no reason: then both are the same.
    """
    if job.applies_plan is None:
        return []
    async with store.view(job.tenant_id) as unit:
        applied = await unit.imports.plan(job.applies_plan)
    if applied is None:
        return [Problem(ErrorCode.PLAN_STALE, f"The plan is no longer kept. {_CURE}", "planId")]
    problems = await drift_of(store, applied)
    if problems or applied.plan_hash == made.plan_hash:
        return problems
    return [Problem(ErrorCode.PLAN_STALE, f"The import would do something else now. {_CURE}", "planId")]


def _package_problems(then: Relied, now: Relied, cure: str) -> list[Problem]:
    moved = [key for key in then if sorted(then[key]) != sorted(now[key])]
    return [
        Problem(
            ErrorCode.PLAN_STALE,
            f"Installed versions of {key!r} changed: {_named(then[key])} before, {_named(now[key])} now. {cure}",
            details={"packageKey": key, "planned": list(then[key]), "installed": list(now[key])},
        )
        for key in moved
    ]


def _named(versions: Sequence[str]) -> str:
    return ", ".join(version.partition(" ")[0] for version in versions) or "none"


async def _with_pointers(store: Store, tenant_id: TenantId, drift: Sequence[Drift]) -> list[Drift]:
    """The same with the places at which their contents differ; what is stored no more has none."""
    told: list[Drift] = []
    async for part, bodies in with_bodies(store, tenant_id, drift, _sides):
        told += await asyncio.to_thread(_compared, part, bodies)
    return told


def _sides(moved: Drift) -> list[str]:
    return [moved.before, moved.after] if moved.before and moved.after else []


def _compared(part: Sequence[Drift], bodies: Mapping[str, bytes]) -> list[Drift]:
    return [replace(one, pointers=_pointers(one, bodies)) for one in part]


def _pointers(moved: Drift, bodies: Mapping[str, bytes]) -> tuple[str, ...]:
    found = [bodies[key] for key in _sides(moved) if key in bodies]
    if len(found) != 2 or moved.artifact_type is None:  # noqa: PLR2004 - both sides
        return ()
    before, after = (shown_content(body, moved.artifact_type) for body in found)
    told = changes(before, after, moved.artifact_type, most=_POINTERS)
    return tuple(islice((change.pointer for change in told.items), _POINTERS))


async def end_as_stale(run: Run, made: Plan, moved: Sequence[Problem], now: datetime) -> None:
    """End the run of an import whose plan does not hold any more: nothing is written, and ``made`` is offered (R11)."""
    job = run.job
    refusal = Refusal(moved, details={"planId": job.applies_plan, "newPlanId": made.plan_id})
    run.finish(ImportState.FAILED, refusal.message, problem=moved[0])
    failure = Failure(
        Stage.PLANNING, refusal.code.wire, refusal.message, refusal.status, refusal.problems, refusal.details
    )
    told = {"code": failure.code, "stage": Stage.PLANNING.wire, **on_behalf_of(job)}
    async with run.writing({"state": ImportState.FAILED, "ended_at": now, "failure": failure}) as unit:
        await unit.imports.audit(AuditEntry(now, job.submitted_by, "import.failed", job.import_id, told))
        await unit.imports.post("import.ended", {"importId": job.import_id, "state": ImportState.FAILED.value})


def is_offered(made: Plan, job: ImportJob) -> bool:
    """Whether a plan waits to be applied: that of a dry run, or the one that was offered in place of a stale one.

    Every other plan is that of an import that carries it out by itself.
    """
    if job.mode is ImportMode.PLAN:
        return True
    return job.failure is not None and job.failure.details.get("newPlanId") == made.plan_id
