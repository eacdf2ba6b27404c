"""Judging an import's options for the tenant they name: access first, then everything wrong at once (R15, R24)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic.alias_generators import to_camel

from domain.access import tenant_of
from domain.errors import ErrorCode, Problem, refuse
from domain.line import admit
from domain.model import TenantId, TenantPlan
from domain.options import ImportOptions
from domain.plan_model import Plan
from rest_compat.asking import Asked, read_tree
from rest_compat.querying import SWITCHES
from rest_compat.wishes import ImportWish, OptionsBody, SizeLimit

_TENANTS_LOOKED_AT = 1000
#: what nothing but a plan's own request may state
_OPTIONS = frozenset(map(to_camel, OptionsBody.model_fields)) - {"planId", "targetTenantId"}


async def weighed(
    asked: Asked, tree: Mapping[str, Any], others: Sequence[Problem] = (), *, is_plan: bool = False
) -> ImportWish:
    """Options as a wish. What is wrong with them stands in its ``problems``, after ``others`` of the same request.

    ``is_plan`` makes it a dry run whatever they say.

    Raises ``TenantMismatch`` and, for an ``allow…`` option without its scope, ``InsufficientPermission``; a request
    that names no tenant is refused with all its problems.
    """
    if isinstance(tree.get("planId"), str):
        return await _weighed_plan(asked, tree, others, is_plan=is_plan)
    _demand_allowances(asked, tree)
    read = read_tree(tree, OptionsBody, code=ErrorCode.INVALID_OPTIONS, where="options")
    is_dry_run, switch_problems = _dry_run_switch(asked)
    problems = [*others, *read.problems, *switch_problems, *(read.body.problems() if read.body else ())]
    tenant_id = asked.tenant(tree, "targetTenantId", problems)
    options = read.body.options(is_dry_run=is_plan or is_dry_run) if read.body else ImportOptions()
    limit = limit_of(asked, await plan_of(asked, tenant_id))
    return ImportWish(tenant_id, options, limit, problems, read.warnings)


async def _weighed_plan(
    asked: Asked, tree: Mapping[str, Any], others: Sequence[Problem], *, is_plan: bool
) -> ImportWish:
    """A plan that is to be applied: its tenant is the plan's. Raises ``NotFound``."""
    is_dry_run, problems = _dry_run_switch(asked)
    if is_plan or is_dry_run:
        text = "A plan is applied, or a new one is made: planId does not stand beside a dry run."
        problems.append(Problem(ErrorCode.INVALID_OPTIONS, text, "options.planId"))
    for name in sorted(tree.keys() & _OPTIONS):
        text = "The plan has its options: planId stands alone."
        problems.append(Problem(ErrorCode.INVALID_OPTIONS, text, f"options.{name}"))
    made = await planned_here(asked, tree["planId"], tree.get("targetTenantId"))
    limit = limit_of(asked, await plan_of(asked, made.tenant_id))
    return ImportWish(made.tenant_id, ImportOptions(), limit, [*others, *problems], (), made.plan_id)


async def planned_here(asked: Asked, plan_id: str, tenant_id: object = None) -> Plan:
    """A plan in reach, in the tenant that was named if one was. Raises ``NotFound`` and ``TenantMismatch``."""
    named = tenant_id if isinstance(tenant_id, str) and tenant_id else None
    reach = frozenset({tenant_of(asked.caller, body=named, header=asked.tenant_header)}) if named else asked.reach
    made = await asked.services.records.plan(asked.caller, plan_id, reach)
    if made is None:
        raise refuse(ErrorCode.NOT_FOUND, "There is no such plan.", "planId", what="plan")
    return made


async def first_limit(asked: Asked) -> SizeLimit:
    """The limit until the options are read: the header's tenant's, else the largest of the token's tenants (R24)."""
    if asked.tenant_header is not None:
        return limit_of(asked, await plan_of(asked, TenantId(asked.tenant_header)))
    if asked.caller.is_platform:
        return limit_of(asked, TenantPlan.ENTERPRISE)
    if not asked.caller.tenants:
        raise refuse(ErrorCode.TENANT_MISMATCH, "This token gives access to no tenant.")
    tenants = await asked.services.tenancy.page(asked.caller, first=_TENANTS_LOOKED_AT)
    has_large = any(tenant.plan is TenantPlan.ENTERPRISE for tenant in tenants.items)
    return limit_of(asked, TenantPlan.ENTERPRISE if has_large else TenantPlan.STANDARD)


def limit_of(asked: Asked, plan: TenantPlan) -> SizeLimit:
    """The largest ZIP of a plan."""
    return SizeLimit(asked.services.installation.limits.zip_bytes(plan), plan.wire)


async def plan_of(asked: Asked, tenant_id: TenantId) -> TenantPlan:
    """An unknown tenant gets the smaller limit; the submission says that it is unknown."""
    tenant = await asked.services.tenancy.find(asked.caller, tenant_id)
    return tenant.plan if tenant else TenantPlan.STANDARD


def _demand_allowances(asked: Asked, tree: Mapping[str, Any]) -> None:
    """403 at once, needed or not, and before anything else is said about the options (R15)."""
    wanted = ImportOptions(
        allow_security_warnings=tree.get("allowSecurityWarnings") is True,
        allow_major_version_upgrade=tree.get("allowMajorVersionUpgrade") is True,
    )
    admit(asked.caller, wanted)


def _dry_run_switch(asked: Asked) -> tuple[bool, list[Problem]]:
    """``?dryRun=true``; query or option true means a dry run (R17)."""
    stated = [word.lower() for word in asked.request.query_params.getlist("dryRun")]
    if all(word in SWITCHES for word in stated):
        return any(SWITCHES[word] for word in stated), []
    return False, [Problem(ErrorCode.INVALID_OPTIONS, "dryRun is true or false.", "dryRun")]
