"""Lists that are shown a page after the other, by the id of the last one seen."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

from domain.rows import Slice
from resolvers.context import Operation
from schema.connections import Connection, Cursors, connection, page_size

T = TypeVar("T")
N = TypeVar("N")


async def paged(
    asked: Operation,
    cursors: Cursors,
    find: Callable[..., Awaitable[Slice[T]]],
    *,
    first: int | None,
    after: str | None,
    node: Callable[[T], N],
    key: Callable[[T], str],
) -> Connection[N]:
    """A page of what ``find`` finds for the caller; ``key`` gives an item's id."""
    page = await find(asked.caller, first=page_size(first), after=cursors.text(after))
    asked.spend(len(page.items))
    return connection(page, cursors, after, node=node, key=lambda one: (key(one),))
