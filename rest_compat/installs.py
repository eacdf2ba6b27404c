"""Installing from the marketplace over REST (marketplace-install; installhub.md section 10.1; decisions R30)."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import StringConstraints
from starlette.requests import Request
from starlette.responses import Response

from domain.access import Right
from domain.errors import ErrorCode, refuse, refuse_if
from domain.import_model import ImportJob, ImportState
from domain.market.installs import InstallOrder
from domain.market.model import InstallWish, ListingId
from domain.model import TenantId
from rest_compat import bodies, install_bodies
from rest_compat.asking import Asked, Body, Read, admitted, read_tree
from rest_compat.dialect import answer, json_object
from rest_compat.events import FOLLOWED, FOLLOWED_AFTER, followed
from rest_compat.install_shapes import AcknowledgmentDemand, InstallPreview, InstallStarted, InstallStatus
from rest_compat.operations import JSON, OF_A_RUN, Answer, Operation
from rest_compat.parameters import DRY_RUN, IDEMPOTENCY_KEY
from rest_compat.submitting import applied
from rest_compat.weighing import planned_here, weighed
from rest_compat.wishes import ImportWish, Name, OptionsBody

PREFIX = "/api/marketplace"
_DONE, _ACCEPTED, _UNACKNOWLEDGED = 200, 202, 400
Version = Annotated[str, StringConstraints(min_length=1, max_length=128)]


class InstallBody(OptionsBody):
    """A3's body, and every option of A1 (R30)."""

    version: Version | None = None
    acknowledge_community_package: bool | None = None


class PreviewInstallBody(Body):
    version: Version | None = None
    target_tenant_id: Name | None = None


@dataclass(frozen=True, slots=True)
class _Wished:
    order: InstallOrder
    options: ImportWish


async def install(request: Request) -> Response:
    """202: the install goes on without its caller, who looks at ``statusUrl``."""
    asked = await admitted(request, Right.INSTALL)
    wished = await _wished(asked, await json_object(request), InstallBody)
    if wished.options.plan_id is not None:
        job = await _applied(asked, wished.options.plan_id, wished.order.wish.listing_id)
    else:
        job = await asked.services.installs.submit(asked.caller, wished.order, key=asked.idempotency_key)
    return await _accepted(asked, job, wished.options)


async def install_status(request: Request) -> Response:
    asked = await admitted(request, Right.READ_IMPORTS)
    job = await asked.services.installs.get(asked.caller, asked.id_in_path("installId"), asked.reach)
    last = await asked.services.batches.last_events(asked.caller, [job.import_id])
    # the three bodies are printed, member by member (R29): where to go from here stands beside them
    return answer(install_bodies.status(job, last.get(job.import_id)), headers={"link": install_bodies.links(job)})


async def install_events(request: Request) -> Response:
    """As the events of its import are told (R20, R30)."""
    asked = await admitted(request, Right.READ_IMPORTS)
    return await followed(
        asked, await asked.services.installs.get(asked.caller, asked.id_in_path("installId"), asked.reach)
    )


async def preview_install(request: Request) -> Response:
    """The same line as an install, up to its plan (R10)."""
    asked = await admitted(request, Right.INSTALL)
    wished = await _wished(asked, await json_object(request), PreviewInstallBody, is_plan=True)
    job = await asked.services.installs.submit(asked.caller, wished.order, key=asked.idempotency_key)
    try:
        async with asyncio.timeout(asked.services.installation.limits.rest_wait):
            settled = await asked.services.records.settled(job)
    except TimeoutError:
        return await _accepted(asked, job, wished.options)
    if settled.state is not ImportState.SUCCEEDED:
        status, body = bodies.settled(settled)
        return answer(body, status=status)
    tenant = await asked.services.tenancy.find(asked.caller, settled.tenant_id)
    seconds = await asked.services.installs.estimated_seconds(settled)
    platform = tenant.platform_version if tenant else asked.services.installation.platform_version
    return answer(install_bodies.preview(settled, platform, seconds, wished.options.warnings))


async def _applied(asked: Asked, plan_id: str, listing_id: ListingId) -> ImportJob:
    """The install that does what its plan shows. Raises ``NotFound`` for a plan of something else."""
    made = await planned_here(asked, plan_id)
    planned = await asked.services.records.get_import(asked.caller, made.import_id, asked.reach)
    if planned.install is None or planned.install.listing_id != listing_id:
        raise refuse(ErrorCode.NOT_FOUND, "There is no such plan of this package.", "planId", what="plan")
    return await applied(asked, plan_id)


async def _accepted(asked: Asked, job: ImportJob, wish: ImportWish) -> Response:
    body = install_bodies.started(job, await asked.services.installs.estimated_seconds(job), wish.warnings)
    return answer(body, status=_ACCEPTED, headers={"location": install_bodies.status_url(job)})


async def _wished(asked: Asked, tree: Mapping[str, Any], form: type[Body], *, is_plan: bool = False) -> _Wished:
    """The order that a body means. Raises with everything that is wrong with it."""
    read: Read[Any] = read_tree(tree, form, code=ErrorCode.INVALID_OPTIONS)
    options = {name: value for name, value in tree.items() if name not in _OF_AN_INSTALL}
    wish = await weighed(asked, options, is_plan=is_plan)
    refuse_if([*wish.problems, *(problem for problem in read.problems if problem.where in _OF_AN_INSTALL)])
    listing = ListingId(asked.id_in_path("packageId"))
    is_acknowledged = tree.get("acknowledgeCommunityPackage") is True
    order = InstallOrder(
        TenantId(wish.tenant_id), InstallWish(listing, tree.get("version"), is_acknowledged), wish.options
    )
    return _Wished(order, wish)


_OF_AN_INSTALL = ("version", "acknowledgeCommunityPackage")

_OF_A_CHOICE = (
    ErrorCode.NOT_FOUND,
    ErrorCode.PACKAGE_SUSPENDED,
    ErrorCode.VERSION_DEPRECATED,
    ErrorCode.VERSION_YANKED,
    ErrorCode.MISSING_PACKAGE_DEPENDENCY,
    ErrorCode.INCOMPATIBLE_PACKAGE_DEPENDENCY,
    ErrorCode.VERSION_DOWNGRADE_NOT_ALLOWED,
    ErrorCode.HUB_UNAVAILABLE,
    ErrorCode.HUB_INDEX_REFUSED,
    ErrorCode.INVALID_OPTIONS,
    ErrorCode.IDEMPOTENCY_KEY_REUSED,
    ErrorCode.RATE_LIMIT_EXCEEDED,
)
#: what may be wrong with the plan that is named instead
_OF_A_PLAN = (
    *OF_A_RUN,
    ErrorCode.PLAN_EXPIRED,
    ErrorCode.BUNDLE_EXPIRED,
    ErrorCode.CONFLICT_REQUIRES_RESOLUTION,
    ErrorCode.APPROVAL_REQUIRED,
)

INSTALL_OPERATIONS = (
    Operation(
        method="POST",
        path=f"{PREFIX}/packages/{{packageId}}/install",
        endpoint=install,
        summary="Install a package of the marketplace, with all that it needs",
        right=Right.INSTALL,
        answers={
            _ACCEPTED: Answer("The install is on its way.", {JSON: InstallStarted}, ("Location",)),
            _UNACKNOWLEDGED: Answer("A Community package is not acknowledged.", {JSON: AcknowledgmentDemand}),
        },
        takes={JSON: InstallBody},
        parameters=(DRY_RUN, IDEMPOTENCY_KEY),
        refuses=(*_OF_A_CHOICE, *_OF_A_PLAN, ErrorCode.ACKNOWLEDGMENT_REQUIRED),
        description=(
            "Needs `installhub:import` too, and `marketplace:install:community` where a Community package is among"
            " what would be installed."
        ),
        source="marketplace-install",
    ),
    Operation(
        method="GET",
        path=f"{PREFIX}/installs/{{installId}}/status",
        endpoint=install_status,
        summary="Look how an install stands",
        right=Right.READ_IMPORTS,
        answers={_DONE: Answer("The install as it now stands.", {JSON: InstallStatus}, ("Link",))},
        refuses=(ErrorCode.NOT_FOUND,),
        description="`Link` leads to the install's events (`rel=monitor`) and to its import (`rel=related`).",
        source="marketplace-install",
    ),
    Operation(
        method="GET",
        path=f"{PREFIX}/installs/{{installId}}/events",
        endpoint=install_events,
        summary="Follow an install: past events, coming ones, the final one, the end",
        right=Right.READ_IMPORTS,
        answers=FOLLOWED,
        parameters=FOLLOWED_AFTER,
        refuses=(ErrorCode.NOT_FOUND, ErrorCode.NOT_ACCEPTABLE),
        description="The events of its import, which each of them names, told in the same way.",
        source="decisions section 9.3",
    ),
    Operation(
        method="POST",
        path=f"{PREFIX}/packages/{{packageId}}/preview",
        endpoint=preview_install,
        summary="See what an install would do",
        right=Right.INSTALL,
        answers={
            _DONE: Answer("What would be done.", {JSON: InstallPreview}),
            _ACCEPTED: Answer("The planning goes on.", {JSON: InstallStarted}, ("Location",)),
        },
        takes={JSON: PreviewInstallBody},
        parameters=(IDEMPOTENCY_KEY,),
        refuses=(*_OF_A_CHOICE, *OF_A_RUN, ErrorCode.HUB_CONTENT_REFUSED),
        source="installhub.md section 10.1",
    ),
)
