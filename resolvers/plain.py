"""Fields that are a part of what the field around them gave, read from it at once.

Most fields are such, and Strawberry's way to them is as long as to those that have a resolver.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from graphql import GraphQLSchema, is_object_type


def read_plainly(schema: GraphQLSchema) -> None:
    """Give each plain field of a schema, once, a resolver that takes its attribute and does nothing else."""
    for kind in schema.type_map.values():
        for known in kind.fields.values() if is_object_type(kind) else ():
            made = known.extensions.get("strawberry-definition")
            if getattr(known.resolve, "_is_default", False) and made is not None and made.is_basic_field:
                known.resolve = _part(made.python_name)


def _part(name: str) -> Callable[[Any, Any], Any]:
    def part(whole: Any, _: Any) -> Any:
        return getattr(whole, name)

    return part
