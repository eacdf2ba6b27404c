"""Switching imports on, taking them back, uninstalling packages over REST (decisions sections 9.3, 9.6)."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field, StringConstraints
from starlette.requests import Request
from starlette.responses import Response

from domain.access import Right
from domain.errors import ErrorCode
from domain.options import BlockerChoice
from domain.undo_order import UndoAsked
from rest_compat import bodies
from rest_compat.answers import AcceptedAnswer, ImportOutcome
from rest_compat.asking import Asked, Body, Read, admitted, read_tree
from rest_compat.dialect import json_object_if_any
from rest_compat.operations import JSON, OF_A_RUN, Answer, Operation
from rest_compat.parameters import DRY_RUN, IDEMPOTENCY_KEY, PREFER
from rest_compat.querying import Query
from rest_compat.submitting import answered, refuse_frozen
from rest_compat.wishes import Name

_DONE, _ACCEPTED = 200, 202
_REASON_LENGTH_MAX = 500
Choice = Annotated[BlockerChoice, Field(strict=False)]
Reason = Annotated[str, StringConstraints(max_length=_REASON_LENGTH_MAX)]
_OUTCOMES = {
    _DONE: Answer("It was taken back; for a dry run, the plan.", {JSON: ImportOutcome}),
    _ACCEPTED: Answer("The undo goes on.", {JSON: AcceptedAnswer}, ("Location", "Preference-Applied")),
}
_REFUSES = (*OF_A_RUN, ErrorCode.NOT_FOUND, ErrorCode.UNDO_BLOCKED, ErrorCode.IDEMPOTENCY_KEY_REUSED)


class RollbackBody(Body):
    """What is done about what was built on it, and why it is taken back. Nothing needs to be said."""

    blockers: Choice | None = None
    reason: Reason | None = None


class UninstallBody(RollbackBody):
    """The same, and where: the tenant, and the package's origin where several have the name."""

    tenant_id: Name | None = None
    source: Name | None = None


async def roll_back(request: Request) -> Response:
    """A new import that takes an earlier one back, answered as an import is."""
    asked = await admitted(request, Right.UNDO)
    read = read_tree(await json_object_if_any(request), RollbackBody)
    wished = _wished(request, read)
    job = await asked.services.undos.roll_back(
        asked.caller, asked.id_in_path("importId"), asked.reach, wished, key=asked.idempotency_key
    )
    return await answered(asked, job, read.warnings)


async def uninstall(request: Request) -> Response:
    """The same for all that a package brought to a tenant."""
    asked = await admitted(request, Right.UNDO)
    tree = await json_object_if_any(request)
    read = read_tree(tree, UninstallBody)
    tenant_id = asked.tenant(tree, "tenantId", read.problems)
    wished = _wished(request, read)
    job = await asked.services.undos.uninstall(
        asked.caller,
        tenant_id,
        str(request.path_params["packageName"]),
        wished,
        source=read.checked.source,
        key=asked.idempotency_key,
    )
    return await answered(asked, job, read.warnings)


async def activate(request: Request) -> Response:
    """The import, once it is switched on."""
    asked: Asked = await admitted(request, Right.IMPORT)
    job = await asked.services.records.get_import(asked.caller, asked.id_in_path("importId"), asked.reach)
    if job.state.is_waiting:
        await refuse_frozen(asked, job.tenant_id)
    return await answered(asked, await asked.services.line.activate(asked.caller, job.import_id, asked.reach))


def _wished(request: Request, read: Read[Any]) -> UndoAsked:
    query = Query(request, list(read.problems))
    is_dry_run = query.switch("dryRun")
    query.checked()
    body: RollbackBody = read.checked
    return UndoAsked(body.blockers or BlockerChoice.REFUSE, (body.reason or "").strip(), is_dry_run)


OPERATIONS = (
    Operation(
        method="POST",
        path=f"{bodies.PREFIX}/imports/{{importId}}/activate",
        endpoint=activate,
        summary="Switch on an import that was held for it",
        right=Right.IMPORT,
        answers={
            _DONE: Answer("The import is active.", {JSON: ImportOutcome}),
            _ACCEPTED: Answer("The activation goes on.", {JSON: AcceptedAnswer}, ("Location", "Preference-Applied")),
        },
        parameters=(PREFER,),
        refuses=(*OF_A_RUN, ErrorCode.NOT_FOUND, ErrorCode.TENANT_FROZEN),
        description="For imports with `activation: Manual`, within seven days. What it relied on is looked at again.",
        source="decisions section 9.3",
    ),
    Operation(
        method="POST",
        path=f"{bodies.PREFIX}/imports/{{importId}}/rollback",
        endpoint=roll_back,
        summary="Take an import back: what was active before it is active again",
        right=Right.UNDO,
        answers=_OUTCOMES,
        takes={JSON: RollbackBody},
        parameters=(DRY_RUN, IDEMPOTENCY_KEY, PREFER),
        refuses=_REFUSES,
        description="A new import that goes before all others of its tenant. The undo of an undo brings the import"
        " back. What was built on it since blocks it, unless `blockers` says what is to be done: `Detach`,"
        " `KeepAsLocal` or `UndoThoseToo`.",
        source="decisions sections 5.7, 9.3",
    ),
    Operation(
        method="POST",
        path=f"{bodies.PREFIX}/installed/{{packageName}}/uninstall",
        endpoint=uninstall,
        summary="Uninstall a package: take back all that it brought",
        right=Right.UNDO,
        answers=_OUTCOMES,
        takes={JSON: UninstallBody},
        parameters=(DRY_RUN, IDEMPOTENCY_KEY, PREFER),
        refuses=_REFUSES,
        description="As a rollback of every import of the package that is in effect.",
        source="decisions sections 5.7, 9.3",
    ),
)
