"""Plans carried out, agreed to and put right over REST (decisions sections 9.1, 9.3)."""

from __future__ import annotations

from typing import Annotated

from pydantic import StringConstraints
from starlette.requests import Request
from starlette.responses import Response

from domain.access import Right
from domain.errors import ErrorCode
from rest_compat import bodies
from rest_compat.answers import AcceptedAnswer, DryRunAnswer, ImportOutcome, PlanAnswer
from rest_compat.asking import Body, admitted, read_body
from rest_compat.dialect import answer
from rest_compat.operations import JSON, OF_A_RUN, Answer, Operation
from rest_compat.parameters import IDEMPOTENCY_KEY, PREFER
from rest_compat.plans import plan_body
from rest_compat.submitting import answered, applied, refuse_frozen_plan

_DONE, _ACCEPTED = 200, 202
_HASH_LENGTH_MAX = 200
_GOES_ON = Answer("It goes on.", {JSON: AcceptedAnswer}, ("Location", "Preference-Applied"))


class ApproveBody(Body):
    """What is agreed to: the hash of the plan that was looked at."""

    hash: Annotated[str, StringConstraints(max_length=_HASH_LENGTH_MAX)]


async def apply_plan(request: Request) -> Response:
    """The import that does what the plan shows, answered as every import is."""
    asked = await admitted(request, Right.UNDO)
    plan_id = asked.id_in_path("planId")
    await refuse_frozen_plan(asked, plan_id)
    return await answered(asked, await applied(asked, plan_id))


async def fix_plan(request: Request) -> Response:
    """The re-made plan, answered as every dry run is."""
    asked = await admitted(request, Right.UNDO)
    plan_id, fix_id, key = asked.id_in_path("planId"), asked.id_in_path("fixId"), asked.idempotency_key
    return await answered(asked, await asked.services.plans.fix(asked.caller, plan_id, fix_id, asked.reach, key=key))


async def approve_plan(request: Request) -> Response:
    asked = await admitted(request, Right.APPROVE)
    read = await read_body(request, ApproveBody)
    plan_id = asked.id_in_path("planId")
    made = await asked.services.plans.approve(asked.caller, plan_id, read.checked.hash, asked.reach)
    return answer(await plan_body(asked, made))


APPLY_OPERATIONS = (
    Operation(
        method="POST",
        path=f"{bodies.PREFIX}/plans/{{planId}}/apply",
        endpoint=apply_plan,
        summary="Carry out a plan exactly as it was shown",
        right=Right.UNDO,
        answers={_DONE: Answer("The import ended well.", {JSON: ImportOutcome}), _ACCEPTED: _GOES_ON},
        parameters=(IDEMPOTENCY_KEY, PREFER),
        refuses=(
            *OF_A_RUN,
            ErrorCode.NOT_FOUND,
            ErrorCode.PLAN_EXPIRED,
            ErrorCode.BUNDLE_EXPIRED,
            ErrorCode.CONFLICT_REQUIRES_RESOLUTION,
            ErrorCode.APPROVAL_REQUIRED,
            ErrorCode.IDEMPOTENCY_KEY_REUSED,
            ErrorCode.TENANT_FROZEN,
            ErrorCode.RATE_LIMIT_EXCEEDED,
        ),
        description=(
            "A plan is applied once: again answers the same import. Needs what the plan's options need:"
            " `installhub:import`, or, for an undo, `installhub:rollback`. A plan that does not hold any more is"
            " refused with what moved, and with `newPlanId`, the plan as it is now."
        ),
        source="decisions section 9.3",
    ),
    Operation(
        method="POST",
        path=f"{bodies.PREFIX}/plans/{{planId}}/fixes/{{fixId}}",
        endpoint=fix_plan,
        summary="Plan again with one of the plan's fixes",
        right=Right.UNDO,
        answers={_DONE: Answer("The new plan.", {JSON: DryRunAnswer}), _ACCEPTED: _GOES_ON},
        parameters=(IDEMPOTENCY_KEY, PREFER),
        refuses=(
            *OF_A_RUN,
            ErrorCode.NOT_FOUND,
            ErrorCode.PLAN_EXPIRED,
            ErrorCode.BUNDLE_EXPIRED,
            ErrorCode.IDEMPOTENCY_KEY_REUSED,
            ErrorCode.RATE_LIMIT_EXCEEDED,
        ),
        source="decisions section 9.3",
    ),
    Operation(
        method="POST",
        path=f"{bodies.PREFIX}/plans/{{planId}}/approve",
        endpoint=approve_plan,
        summary="Agree to a plan that somebody else made",
        right=Right.APPROVE,
        answers={_DONE: Answer("The plan.", {JSON: PlanAnswer})},
        takes={JSON: ApproveBody},
        refuses=(ErrorCode.NOT_FOUND, ErrorCode.PLAN_EXPIRED, ErrorCode.STATE_CONFLICT),
        description="By the hash of the plan that was looked at. Once more is no more.",
        source="decisions section 9.3",
    ),
)
