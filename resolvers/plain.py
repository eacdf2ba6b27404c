"""What is done to the fields of a schema once it is made.

Most fields are a part of what the field around them gave: they are read from it at once, since Strawberry's way to them
is as long as to those that have a resolver. Fields that wait for something begin when somebody waits for them.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator
from functools import partial
from inspect import iscoroutinefunction
from typing import Any

from graphql import GraphQLSchema, is_object_type


def read_plainly(schema: GraphQLSchema) -> None:
    """Give each plain field of a schema, once, a resolver that takes its attribute and does nothing else."""
    for kind in schema.type_map.values():
        for known in kind.fields.values() if is_object_type(kind) else ():
            made = known.extensions.get("strawberry-definition")
            if getattr(known.resolve, "_is_default", False) and made is not None and made.is_basic_field:
                known.resolve = _part(made.python_name)


class WhenAwaited:
    """A coroutine that is made when it is waited for: where a sibling was refused before, nobody does."""

    __slots__ = ("_begin",)

    def __init__(self, begin: Callable[[], Awaitable[Any]]) -> None:
        self._begin = begin

    def __await__(self) -> Generator[Any, None, Any]:
        return self._begin().__await__()


def begin_when_awaited(schema: GraphQLSchema) -> None:
    """Let each field of a schema that waits for something give what can be left alone."""
    for kind in schema.type_map.values():
        for known in kind.fields.values() if is_object_type(kind) else ():
            if iscoroutinefunction(known.resolve):
                known.resolve = _beginning(known.resolve)


def _beginning(resolve: Callable[..., Awaitable[Any]]) -> Callable[..., WhenAwaited]:
    def beginning(whole: Any, info: Any, **arguments: Any) -> WhenAwaited:
        return WhenAwaited(partial(resolve, whole, info, **arguments))

    return beginning


def _part(name: str) -> Callable[[Any, Any], Any]:
    def part(whole: Any, _: Any) -> Any:
        return getattr(whole, name)

    return part
