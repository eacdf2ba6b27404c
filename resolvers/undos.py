"""Switching imports on and taking them back through GraphQL (decisions sections 5.7, 9.3, 9.6)."""

from __future__ import annotations

from typing import Annotated, TypeAlias, TypeVar

import strawberry

from domain import import_model
from domain.access import Right, require
from domain.errors import ErrorCode, refuse
from domain.import_model import ImportKind
from domain.options import BlockerChoice
from domain.undo_order import UndoAsked
from resolvers.context import Operation
from resolvers.plans import applied_plan
from resolvers.queries import Info, named_tenant
from resolvers.refusals import refusable
from schema.fields import described
from schema.imports import ImportJob
from schema.inputs import RollbackRequestInput, UninstallRequestInput
from schema.undo_inputs import (
    ActivateImportInput,
    ActivateImportPayload,
    RollbackImportInput,
    RollbackImportPayload,
    UninstallPackageInput,
    UninstallPackagePayload,
)

I = TypeVar("I")  # noqa: E741 - the input
Input: TypeAlias = Annotated[I, strawberry.argument(description="What is to be done.")]
_REASON_MAX = 500


@strawberry.type
class UndoMutation:
    @described("Switches on an import that is WAITING_FOR_ACTIVATION. What it relied on is looked at again.")
    @refusable(ActivateImportPayload)
    async def activate_import(self, info: Info, input: Input[ActivateImportInput]) -> ActivateImportPayload:
        asked = info.context
        job = await asked.services.line.activate(asked.caller, input.import_id, asked.reach)
        return ActivateImportPayload(import_job=ImportJob.of(job))

    @described(
        "Takes an import back: what was active before it is active again. The undo of an undo brings the import back."
    )
    @refusable(RollbackImportPayload)
    async def rollback_import(self, info: Info, input: Input[RollbackImportInput]) -> RollbackImportPayload:
        if isinstance(input.plan_id, str):
            job = await applied_plan(info.context, input.plan_id, kind=ImportKind.ROLLBACK)
        else:
            job = await submitted_rollback(info.context, input.request, is_dry_run=False)
        return RollbackImportPayload(import_job=ImportJob.of(job))

    @described("Takes back all that a package brought to a tenant.")
    @refusable(UninstallPackagePayload)
    async def uninstall_package(self, info: Info, input: Input[UninstallPackageInput]) -> UninstallPackagePayload:
        if isinstance(input.plan_id, str):
            job = await applied_plan(info.context, input.plan_id, kind=ImportKind.UNINSTALL)
        else:
            job = await submitted_uninstall(info.context, input.request, is_dry_run=False)
        return UninstallPackagePayload(import_job=ImportJob.of(job))


async def submitted_rollback(
    asked: Operation, request: RollbackRequestInput | None, *, is_dry_run: bool
) -> import_model.ImportJob:
    """Put the undo of an import in line."""
    if request is None:
        raise refuse(ErrorCode.BAD_USER_INPUT, "Name the import to take back.", "request")
    wished = _wished(request, is_dry_run=is_dry_run)
    return await asked.services.undos.roll_back(
        asked.caller, request.import_id, asked.reach, wished, key=request.idempotency_key
    )


async def submitted_uninstall(
    asked: Operation, request: UninstallRequestInput | None, *, is_dry_run: bool
) -> import_model.ImportJob:
    """Put the undo of a package in line (decisions R15: rights before lookups)."""
    if request is None:
        raise refuse(ErrorCode.BAD_USER_INPUT, "Name the package to uninstall.", "request")
    require(asked.caller, Right.UNDO)
    return await asked.services.undos.uninstall(
        asked.caller,
        named_tenant(asked, request.tenant_id),
        request.package_name,
        _wished(request, is_dry_run=is_dry_run),
        source=request.source,
        key=request.idempotency_key,
    )


def _wished(request: RollbackRequestInput | UninstallRequestInput, *, is_dry_run: bool) -> UndoAsked:
    reason = (request.reason or "").strip()
    if len(reason) > _REASON_MAX:
        raise refuse(ErrorCode.BAD_USER_INPUT, f"A reason has at most {_REASON_MAX} characters.", "reason")
    return UndoAsked(request.blockers or BlockerChoice.REFUSE, reason, is_dry_run)
