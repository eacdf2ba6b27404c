"""Plans applied, agreed to and put right through GraphQL (decisions sections 9.1, 9.3; R10, R34)."""

from __future__ import annotations

from typing import Annotated, TypeAlias, TypeVar

import strawberry

from domain import import_model
from domain.errors import ErrorCode, refuse
from domain.import_model import ImportKind
from resolvers.context import Operation
from resolvers.queries import Info
from resolvers.refusals import refusable
from schema.fields import described
from schema.imports import ImportJob
from schema.plan_inputs import ApplyFixInput, ApplyFixPayload, ApprovePlanInput, ApprovePlanPayload
from schema.plans import Plan

I = TypeVar("I")  # noqa: E741 - the input
Input: TypeAlias = Annotated[I, strawberry.argument(description="What is to be done.")]


@strawberry.type
class PlanMutation:
    @described("Sends one of a plan's fixes back: a new plan of the same packages is made with it.")
    @refusable(ApplyFixPayload)
    async def apply_fix(self, info: Info, input: Input[ApplyFixInput]) -> ApplyFixPayload:
        asked = info.context
        job = await asked.services.plans.fix(
            asked.caller, input.plan_id, input.fix_key, asked.reach, key=input.idempotency_key
        )
        made = await asked.services.records.plan(asked.caller, job.plan_id or "", asked.reach)
        return ApplyFixPayload(import_job=ImportJob.of(job), plan=Plan.of(made) if made else None)

    @described("Agrees to a plan that somebody else made, by its hash. Once more is no more.")
    @refusable(ApprovePlanPayload)
    async def approve_plan(self, info: Info, input: Input[ApprovePlanInput]) -> ApprovePlanPayload:
        asked = info.context
        made = await asked.services.plans.approve(asked.caller, input.plan_id, input.hash, asked.reach)
        return ApprovePlanPayload(plan=Plan.of(made))


async def applied_plan(asked: Operation, plan_id: str, *, kind: ImportKind | None = None) -> import_model.ImportJob:
    """The import that applies a plan; of one kind, where that is meant."""
    if kind is not None:
        made = await asked.services.records.plan(asked.caller, plan_id, asked.reach)
        job = await asked.services.records.get_import(asked.caller, made.import_id, asked.reach) if made else None
        if job is not None and job.kind is not kind:
            raise refuse(ErrorCode.BAD_USER_INPUT, f"This is the plan of an {job.kind.wire}.", "planId")
    return await asked.services.plans.apply(asked.caller, plan_id, asked.reach)
