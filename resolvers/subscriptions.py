"""What can be watched (decisions R20, R37)."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Annotated

import strawberry

from domain import import_model
from resolvers.queries import Info, TenantIds, named_reach
from schema.fields import watched
from schema.imports import ImportJob, ProgressEvent


@strawberry.type(
    description="What can be watched, over `graphql-transport-ws`, as `text/event-stream` or `multipart/mixed`."
)
class Subscription:
    @watched(
        "Every event of an import after a number, past ones and then coming ones; one final event, then"
        " the end. An unknown or foreign import: the error NOT_FOUND.",
        ProgressEvent,
    )
    async def import_progress(
        self,
        info: Info,
        import_id: Annotated[strawberry.ID, strawberry.argument(description="The import.")],
        after: Annotated[int, strawberry.argument(description="The last number already seen.")] = 0,
    ) -> AsyncGenerator[import_model.ProgressEvent, None]:
        asked = info.context
        # decided before the stream begins, so that a refusal is an error and not an empty stream
        return await asked.services.records.follow(asked.caller, import_id, asked.reach, after=after)

    @watched(
        "Imports, dry runs too, each as it begins, changes its state or ends. Only what happens from now on:"
        " ask `importJobs` again after a new connection. Tenants that are not the caller's: the error TENANT_MISMATCH."
    )
    async def import_changes(self, info: Info, tenant_ids: TenantIds = None) -> AsyncGenerator[ImportJob, None]:
        asked = info.context
        return _jobs(asked.services.watching.changes(asked.caller, named_reach(asked, tenant_ids)))


async def _jobs(jobs: AsyncGenerator[import_model.ImportJob, None]) -> AsyncGenerator[ImportJob, None]:
    async with aclosing(jobs):
        async for job in jobs:
            yield ImportJob.of(job)
