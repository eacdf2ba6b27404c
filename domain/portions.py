"""Many contents, a few at a time: as many together as fit the memory that one piece of work may take."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from typing import TypeVar

from domain.model import TenantId
from domain.ports import Store

T = TypeVar("T")

#: bytes of contents in memory at once, or one larger content
CONTENT_BYTES = 4 << 20


def portions(items: Iterable[T], size_of: Callable[[T], int], *, most_bytes: int = CONTENT_BYTES) -> Iterator[list[T]]:
    """The items in their order, as many together as come to ``most_bytes``; a larger one is alone."""
    portion: list[T] = []
    left = most_bytes
    for item in items:
        size = size_of(item)
        if portion and size > left:
            yield portion
            portion, left = [], most_bytes
        portion.append(item)
        left -= size
    if portion:
        yield portion


async def with_bodies(
    store: Store, tenant_id: TenantId, items: Sequence[T], keys_of: Callable[[T], Iterable[str]]
) -> AsyncIterator[tuple[list[T], dict[str, bytes]]]:
    """The items in their order, some at a time beside the bodies that they need, by revision id.

    What is stored no more is absent. No unit is open while a portion is looked at.
    """
    needed = {key for item in items for key in keys_of(item)}
    async with store.view(tenant_id) as unit:
        sizes = await unit.artifacts.body_sizes(sorted(needed))
    for portion in portions(items, lambda item: sum(sizes.get(key, 0) for key in keys_of(item))):
        async with store.view(tenant_id) as unit:
            bodies = await unit.artifacts.bodies([key for item in portion for key in keys_of(item)])
        yield portion, bodies
