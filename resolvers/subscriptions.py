"""What can be watched (decisions R20, R37)."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Annotated

import strawberry

from domain import import_model
from resolvers.queries import Info
from schema.fields import watched
from schema.imports import ProgressEvent


@strawberry.type(description="What can be watched, over `graphql-transport-ws` or as `text/event-stream`.")
class Subscription:
    @watched(
        "Every event of an import after a number, past ones and then coming ones; one final event, then"
        " the end. An unknown or foreign import: the error NOT_FOUND."
    )
    async def import_progress(
        self,
        info: Info,
        import_id: Annotated[strawberry.ID, strawberry.argument(description="The import.")],
        after: Annotated[int, strawberry.argument(description="The last number already seen.")] = 0,
    ) -> AsyncGenerator[ProgressEvent, None]:
        asked = info.context
        # decided before the stream begins, so that a refusal is an error and not an empty stream
        events = await asked.services.records.follow(asked.caller, import_id, asked.reach, after=after)
        return _shown(events)


async def _shown(events: AsyncGenerator[import_model.ProgressEvent, None]) -> AsyncGenerator[ProgressEvent, None]:
    async with aclosing(events):
        async for event in events:
            yield ProgressEvent.of(event)
