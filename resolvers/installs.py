"""Installing from the marketplace through GraphQL (decisions R16, R30, R34)."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Annotated

import strawberry

from domain import import_model
from domain.access import Right, require
from domain.errors import ErrorCode, refuse
from domain.import_model import ImportKind
from domain.line import admit
from domain.market.installs import InstallOrder
from domain.market.model import InstallWish, ListingId
from resolvers.context import Operation
from resolvers.plans import applied_plan
from resolvers.queries import Id, Info, named_tenant
from resolvers.refusals import refusable
from schema.fields import described, watched
from schema.imports import ProgressEvent
from schema.inputs import ImportOptionsInput, InstallPackageInput, InstallRequestInput
from schema.installs import Install, InstallPackagePayload


@strawberry.type
class InstallQuery:
    @described("An install.")
    async def install(self, info: Info, id: Id) -> Install | None:
        return await info.context.install(id)


@strawberry.type
class InstallMutation:
    @described(
        "Installs a package of the marketplace with all that it needs, all or nothing: plans, and applies the plan at"
        " once. `planImport` shows what it would do."
    )
    @refusable(InstallPackagePayload)
    async def install_package(
        self,
        info: Info,
        input: Annotated[InstallPackageInput, strawberry.argument(description="What is to be done.")],
    ) -> InstallPackagePayload:
        if isinstance(input.plan_id, str):
            job = await applied_plan(info.context, input.plan_id, kind=ImportKind.INSTALL)
        else:
            job = await submitted_install(info.context, input.request, is_dry_run=False)
        return InstallPackagePayload(install=Install.of(job))


@strawberry.type
class InstallSubscription:
    @watched(
        "Every event of an install after a number, as `importProgress` gives those of its import."
        " An unknown or foreign install: the error NOT_FOUND.",
        ProgressEvent,
    )
    async def install_progress(
        self,
        info: Info,
        install_id: Annotated[strawberry.ID, strawberry.argument(description="The install.")],
        after: Annotated[int, strawberry.argument(description="The last number already seen.")] = 0,
    ) -> AsyncGenerator[import_model.ProgressEvent, None]:
        asked = info.context
        job = await asked.services.installs.get(asked.caller, install_id, asked.reach)
        return await asked.services.records.follow(asked.caller, job.import_id, asked.reach, after=after)


async def submitted_install(
    asked: Operation, request: InstallRequestInput | None, *, is_dry_run: bool
) -> import_model.ImportJob:
    """Put the install in line (decisions R15: rights before lookups)."""
    if request is None:
        raise refuse(ErrorCode.BAD_USER_INPUT, "Name the package to install.", "request")
    options = (request.options or ImportOptionsInput()).options(is_dry_run=is_dry_run)
    admit(asked.caller, options)
    require(asked.caller, Right.INSTALL)
    wish = InstallWish(ListingId(request.listing_id), request.version, bool(request.acknowledge_community_package))
    order = InstallOrder(named_tenant(asked, request.tenant_id), wish, options)
    return await asked.services.installs.submit(asked.caller, order, key=request.idempotency_key)
