"""Plans over REST: what an import would do, made and shown (decisions section 9.3, R9, R10)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from domain import scanning
from domain.access import Right
from domain.errors import ErrorCode, refuse
from domain.plan_model import ActionKind, Plan
from rest_compat import bodies, plan_bodies
from rest_compat.answers import AcceptedAnswer, DryRunAnswer, PlanActionsAnswer, PlanAnswer
from rest_compat.asking import Asked, admitted
from rest_compat.dialect import answer
from rest_compat.operations import JSON, MULTIPART, OF_A_SUBMISSION, Answer, Operation, Parameter
from rest_compat.parameters import IDEMPOTENCY_KEY, PAGES, PREFER
from rest_compat.querying import Query, numbered
from rest_compat.submitting import submitted
from rest_compat.wishes import OptionsBody, ReferenceBody

_DONE, _ACCEPTED = 200, 202
#: conflicts that nobody has decided have no action yet
_OPEN = "OPEN"
_KINDS: Mapping[str, tuple[ActionKind | None]] = {kind.wire: (kind,) for kind in ActionKind} | {_OPEN: (None,)}


async def make_plan(request: Request) -> Response:
    """The same as an import with ``dryRun``."""
    return await submitted(await admitted(request, Right.IMPORT), is_plan=True)


async def plan(request: Request) -> Response:
    asked = await admitted(request, Right.READ_IMPORTS)
    return answer(await plan_body(asked, await _plan(asked)))


async def plan_body(asked: Asked, made: Plan) -> dict[str, Any]:
    """A plan with everything that is known of it now."""
    records, views, caller = asked.services.records, asked.services.plan_views, asked.caller
    job = await records.get_import(caller, made.import_id, asked.reach)
    reports = await records.scan_reports(caller, job)
    most = asked.services.installation.limits.artifacts_enterprise * max(1, len(job.packages))
    actions = await records.actions(caller, made, first=most)
    result = scanning.together(reports)["overallResult"] if reports else ""
    told = plan_bodies.contract(job, made, await views.standing(caller, made), await views.impact(caller, made))
    return bodies.plan(job, replace(made, actions=actions.items), result) | told


async def plan_actions(request: Request) -> Response:
    asked = await admitted(request, Right.READ_IMPORTS)
    made = await _plan(asked)
    query = Query(request)
    page = query.page()
    kinds = query.words("action", _KINDS)
    query.checked()
    found = await asked.services.records.action_page(
        asked.caller, made, page=page.number, page_size=page.size, kinds=kinds or None
    )
    job = await asked.services.records.get_import(asked.caller, made.import_id, asked.reach)
    changes = await asked.services.action_changes.among(asked.caller, job, found.items)
    rows = [plan_bodies.action(one, changes.get(one.place)) for one in found.items]
    return answer(numbered(rows, found.total_count, page))


async def _plan(asked: Asked) -> Plan:
    made = await asked.services.records.plan(asked.caller, asked.id_in_path("planId"), asked.reach)
    if made is None:
        raise refuse(ErrorCode.NOT_FOUND, "There is no such plan.", "planId", what="plan")
    return made


PLAN_OPERATIONS = (
    Operation(
        method="POST",
        path=f"{bodies.PREFIX}/plans",
        endpoint=make_plan,
        summary="Plan an import: everything it would do, nothing done",
        right=Right.IMPORT,
        answers={
            _DONE: Answer("The plan; what would stop the import is in `blockers`.", {JSON: DryRunAnswer}),
            _ACCEPTED: Answer("The planning goes on.", {JSON: AcceptedAnswer}, ("Location", "Preference-Applied")),
        },
        takes={MULTIPART: OptionsBody, JSON: ReferenceBody},
        parameters=(IDEMPOTENCY_KEY, PREFER),
        refuses=OF_A_SUBMISSION,
        description="The same as an import with `dryRun`.",
        source="decisions section 9.3",
    ),
    Operation(
        method="GET",
        path=f"{bodies.PREFIX}/plans/{{planId}}",
        endpoint=plan,
        summary="Look at a plan",
        right=Right.READ_IMPORTS,
        answers={_DONE: Answer("The plan.", {JSON: PlanAnswer})},
        refuses=(ErrorCode.NOT_FOUND,),
        source="decisions section 9.3",
    ),
    Operation(
        method="GET",
        path=f"{bodies.PREFIX}/plans/{{planId}}/actions",
        endpoint=plan_actions,
        summary="List a plan's actions",
        right=Right.READ_IMPORTS,
        answers={_DONE: Answer("Actions, in install order.", {JSON: PlanActionsAnswer})},
        parameters=(
            Parameter(
                "action",
                f"Only these actions, repeated or with commas between; `{_OPEN}` are conflicts that wait.",
                schema={"type": "array", "items": {"enum": list(_KINDS)}},
            ),
            *PAGES,
        ),
        refuses=(ErrorCode.NOT_FOUND,),
        source="decisions section 9.3",
    ),
)
