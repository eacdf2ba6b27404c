"""Lists in pages: the Relay form over keysets, so that a page never shifts when rows come and go."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Generic, TypeAlias, TypeVar

import strawberry

from domain.errors import ErrorCode, refuse
from domain.rows import Slice
from schema.opaque import opened, sealed

PAGE_SIZE = 20
PAGE_MAX = 100

N = TypeVar("N")
V = TypeVar("V")

First: TypeAlias = Annotated[int | None, strawberry.argument(description="How many, at most 100.")]
After: TypeAlias = Annotated[str | None, strawberry.argument(description="The cursor of the last one already seen.")]
Search: TypeAlias = Annotated[str | None, strawberry.argument(description="A part of the name, in any case.")]


@strawberry.type(description="Where a page lies in its list.")
class PageInfo:
    has_next_page: bool = strawberry.field(description="More follow after `endCursor`.")
    has_previous_page: bool = strawberry.field(description="Some came before this page.")
    start_cursor: str | None = strawberry.field(description="The first cursor of this page.")
    end_cursor: str | None = strawberry.field(description="The last cursor of this page: the next page's `after`.")


@strawberry.type(description="One member of a list and its place.")
class Edge(Generic[N]):
    cursor: str = strawberry.field(description="Opaque: give it back as `after`.")
    node: N = strawberry.field(description="The member.")


@strawberry.type(description="One page of a list.")
class Connection(Generic[N]):
    edges: list[Edge[N]] = strawberry.field(description="The members with their cursors.")
    nodes: list[N] = strawberry.field(description="The members alone.")
    page_info: PageInfo = strawberry.field(description="Where this page lies.")


def page_size(first: int | None) -> int:
    """How many are asked for. Raises ``BAD_USER_INPUT`` beyond 0 to 100."""
    size = PAGE_SIZE if first is None else first
    if not 0 <= size <= PAGE_MAX:
        raise refuse(ErrorCode.BAD_USER_INPUT, f"first must be between 0 and {PAGE_MAX}.", "first", limit=PAGE_MAX)
    return size


@dataclass(frozen=True, slots=True)
class Cursors:
    """The cursors of one list. Its name, and whose list it is, stand in them: another list's cursor is refused."""

    list_name: str
    owner: str = ""

    def text(self, after: str | None) -> str | None:
        """The id in a cursor of a list that is ordered by one id."""
        return None if after is None else str(self._key(after, str)[0])

    def number(self, after: str | None) -> int | None:
        """The number in a cursor of a list that is ordered by one number."""
        return None if after is None else int(self._key(after, int)[0])

    def pair(self, after: str | None) -> tuple[str, str] | None:
        """The two words in a cursor of a list that is ordered by name, then id."""
        if after is None:
            return None
        name, key = self._key(after, str, str)
        return str(name), str(key)

    def place(self, after: str | None) -> tuple[str, int] | None:
        """The import and the number in a cursor of a list that is ordered by imports, then by places in each."""
        if after is None:
            return None
        import_id, place = self._key(after, str, int)
        return str(import_id), int(place)

    def triple(self, after: str | None) -> tuple[str, str, str] | None:
        """The three words in a cursor of a list that is ordered by tenant, name and source."""
        if after is None:
            return None
        tenant, name, source = self._key(after, str, str, str)
        return str(tenant), str(name), str(source)

    def cursor(self, key: tuple[str | int, ...]) -> str:
        """The cursor of the member with this key."""
        return sealed(self.list_name, self.owner, *key)

    def _key(self, cursor: str, *kinds: type[str | int]) -> tuple[str | int, ...]:
        list_name, owner, *key = opened(cursor, str, str, *kinds) or ("", "")
        is_ours = (list_name, owner) == (self.list_name, self.owner)
        if not is_ours or any(isinstance(part, int) and not 0 <= part < 2**53 for part in key):
            raise refuse(ErrorCode.BAD_USER_INPUT, "This is no cursor of this list.", "after")
        return tuple(key)


def connection(
    page: Slice[V],
    cursors: Cursors,
    after: str | None,
    *,
    node: Callable[[V], N],
    key: Callable[[V], tuple[str | int, ...]],
) -> Connection[N]:
    """A page as callers see it. ``key`` is what the list is ordered by."""
    edges = [Edge(cursor=cursors.cursor(key(item)), node=node(item)) for item in page.items]
    info = PageInfo(
        has_next_page=page.has_next,
        has_previous_page=after is not None,
        start_cursor=edges[0].cursor if edges else None,
        end_cursor=edges[-1].cursor if edges else None,
    )
    return Connection(edges=edges, nodes=[edge.node for edge in edges], page_info=info)
