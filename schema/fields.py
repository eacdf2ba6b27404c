"""Fields that are answered by a method. Strawberry's decorators have no types of their own; these keep the method's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import strawberry

F = TypeVar("F", bound=Callable[..., Any])


def described(description: str, graphql_type: Any = None) -> Callable[[F], F]:
    """A field, or a mutation. ``graphql_type`` stands in where Python cannot name the type."""
    field: Callable[[F], F] = strawberry.field(description=description, graphql_type=graphql_type)
    return field


def watched(description: str, graphql_type: Any = None) -> Callable[[F], F]:
    """A subscription. ``graphql_type`` is that of an event, where it is made of what the method yields."""
    field: Callable[[F], F] = strawberry.subscription(description=description, graphql_type=graphql_type)
    return field
