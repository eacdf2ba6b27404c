"""Exceptions from the scans of imports through GraphQL: asked for, listed, decided (installhub.md section 9.6)."""

from __future__ import annotations

from functools import partial
from operator import attrgetter
from typing import Annotated

import strawberry

from domain.market.curation_rows import Judgement
from resolvers.mutations import Input
from resolvers.paging import paged
from resolvers.queries import Info, named_tenant
from resolvers.refusals import refusable
from schema.connections import After, Connection, Cursors, First
from schema.fields import described
from schema.scan_exceptions import (
    DecideImportScanExceptionInput,
    DecideImportScanExceptionPayload,
    ImportScanException,
    RequestImportScanExceptionInput,
    RequestImportScanExceptionPayload,
)

Statuses = Annotated[list[Judgement] | None, strawberry.argument(description="Only those that stand so.")]


@strawberry.type
class ScanExceptionQuery:
    @described("Exceptions from the scans of a tenant's imports, oldest first; for who administers the tenant.")
    async def import_scan_exceptions(
        self,
        info: Info,
        tenant_id: Annotated[strawberry.ID, strawberry.argument(description="The tenant.")],
        statuses: Statuses = None,
        first: First = 20,
        after: After = None,
    ) -> Connection[ImportScanException]:
        asked = info.context
        tenant = named_tenant(asked, tenant_id)
        page = asked.services.import_exceptions.page

        find = partial(page, tenant_id=tenant, statuses=tuple(statuses or ()))
        return await paged(
            asked,
            Cursors("importScanExceptions", tenant),
            find,
            first=first,
            after=after,
            node=ImportScanException.of,
            key=attrgetter("exception_id"),
        )


@strawberry.type
class ScanExceptionMutation:
    @described("Asks that one finding of an import's scan be let pass.")
    @refusable(RequestImportScanExceptionPayload)
    async def request_import_scan_exception(
        self, info: Info, input: Input[RequestImportScanExceptionInput]
    ) -> RequestImportScanExceptionPayload:
        asked = info.context
        made = await asked.services.import_exceptions.ask(
            asked.caller,
            input.import_id,
            asked.reach,
            finding_index=input.finding_index,
            explanation=input.explanation,
            justification=input.justification or "",
            key=input.idempotency_key,
        )
        return RequestImportScanExceptionPayload(import_scan_exception=ImportScanException.of(made))

    @described("Decides about an exception. Nobody approves what they asked for.")
    @refusable(DecideImportScanExceptionPayload)
    async def decide_import_scan_exception(
        self, info: Info, input: Input[DecideImportScanExceptionInput]
    ) -> DecideImportScanExceptionPayload:
        asked = info.context
        decided = await asked.services.import_exceptions.decide(
            asked.caller,
            input.import_id,
            input.exception_id,
            asked.reach,
            is_approved=input.decision.is_yes,
            details=input.details,
            valid_until=input.valid_until,
        )
        return DecideImportScanExceptionPayload(import_scan_exception=ImportScanException.of(decided))
