"""Four eyes: how many others must agree to a plan before a tenant lets it be applied (decisions section 9.1)."""

from __future__ import annotations

from collections.abc import Sequence

from domain.errors import ErrorCode, refuse
from domain.import_model import ImportJob, ImportMode
from domain.model import Tenant
from domain.plan_model import Approval
from domain.ports import TenantUnit


def missing_approvals(tenant: Tenant, given: Sequence[Approval], job: ImportJob) -> int:
    """How many more people have to agree. What takes something back needs nobody (decisions section 9.6)."""
    return 0 if job.undo is not None else max(0, tenant.approvals_needed - len(given))


async def refuse_unapproved(unit: TenantUnit, tenant: Tenant, job: ImportJob) -> None:
    """Refuse with ``ApprovalRequired`` a job that would change a tenant before enough people agreed to its plan.

    An import that names no plan is one that nobody could have agreed to.
    """
    if job.mode is ImportMode.PLAN or not missing_approvals(tenant, (), job):
        return
    plan_id = job.applies_plan
    given = (await unit.plans.approvals([plan_id])).get(plan_id, ()) if plan_id else ()
    if missing := missing_approvals(tenant, given, job):
        need = f"{tenant.approvals_needed} approvals by others than its maker"
        text = f"A plan needs {need} in this tenant; {missing} are missing."
        if plan_id is None:
            text = f"In this tenant an import is planned first, and its plan needs {need}. Make a plan."
        told = {"planId": plan_id} if plan_id else {}
        raise refuse(
            ErrorCode.APPROVAL_REQUIRED, text, "planId", **told, approvals=len(given), needed=tenant.approvals_needed
        )
