"""The scalars beside GraphQL's own: times, whole numbers beyond 32 bits, and JSON."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, NewType

import strawberry
from graphql import GraphQLError
from strawberry.types.scalar import ScalarDefinition

#: bytes and counts that may pass 2^31
Long = NewType("Long", int)
#: any JSON value
Json = NewType("Json", object)

#: beyond it JavaScript cannot tell neighbours apart
_LONG_MAX = 2**53 - 1


def _time_written(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _time_read(value: Any) -> datetime:
    try:
        moment = datetime.fromisoformat(value)
        # near the ends of the calendar there are moments that have no date in UTC
        in_utc = moment.astimezone(UTC)
    except (TypeError, ValueError, OverflowError) as error:
        raise GraphQLError("A DateTime is written like 2026-01-31T12:00:00Z.") from error
    if moment.tzinfo is None:
        raise GraphQLError("A DateTime ends with its offset from UTC, or Z.")
    return in_utc


def _long(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or abs(value) > _LONG_MAX:
        raise GraphQLError("A Long is a whole number of at most 2^53 - 1.")
    return value


SCALARS: Mapping[object, ScalarDefinition] = {
    datetime: strawberry.scalar(
        name="DateTime",
        description="RFC 3339, in UTC, with `Z`: `2026-01-31T12:00:00.000Z`.",
        specified_by_url="https://www.rfc-editor.org/rfc/rfc3339",
        serialize=_time_written,
        parse_value=_time_read,
    ),
    Long: strawberry.scalar(
        name="Long",
        description="A whole number up to 2^53 - 1: bytes and counts.",
        serialize=_long,
        parse_value=_long,
    ),
    Json: strawberry.scalar(name="JSON", description="Any JSON value: the content of an artifact, details."),
}
