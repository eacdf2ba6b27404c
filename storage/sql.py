"""What SQLAlchemy is told once, for both databases: kinds of columns, the database's clock, upserts, long lists.

SQLite ignores lengths and PostgreSQL does not, so every text is ``TEXT``; on PostgreSQL it is compared byte by byte,
as SQLite does it, or pages would have another order there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from enum import Enum
from typing import Any, TypeVar

import orjson
from sqlalchemy import ColumnElement, Double, Executable, Text, false, func, literal_column
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Dialect
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import TypeDecorator, TypeEngine

from domain.model import Actor

T = TypeVar("T")

SQLITE = "sqlite"
POSTGRESQL = "postgresql"
#: how many values one statement looks for: far below both databases' limits on parameters
LIST_LENGTH = 500

#: a statement that reads differently on the two databases, by the database's name
Both = Mapping[str, Executable]


class _Text(TypeDecorator[T]):
    """Kept as text, compared by its bytes."""

    impl = Text
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        # not the dialect's own descriptor: asyncpg's would make it a VARCHAR
        return Text(collation="C") if dialect.name == POSTGRESQL else Text()


class Words(_Text[str]):
    """Any text. What cannot be stored (NUL, half a surrogate pair) becomes U+FFFD: looking for it finds nothing."""

    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:  # noqa: ARG002
        return None if value is None else storable(value)


class Moment(_Text[datetime]):
    """A time as fixed-width RFC 3339 in UTC with microseconds: it sorts as text."""

    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> str | None:  # noqa: ARG002
        return None if value is None else moment_text(value)

    def process_result_value(self, value: str | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        return None if value is None else datetime.fromisoformat(value)


class Json(_Text[Any]):
    """A JSON document."""

    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> str | None:  # noqa: ARG002
        return None if value is None else orjson.dumps(value, default=_plain).decode()

    def process_result_value(self, value: str | None, dialect: Dialect) -> Any:  # noqa: ARG002
        return None if value is None else orjson.loads(value)


class Who(_Text[Actor]):
    """An actor, as a JSON document."""

    cache_ok = True

    def process_bind_param(self, value: Actor | None, dialect: Dialect) -> str | None:  # noqa: ARG002
        if value is None:
            return None
        return orjson.dumps([value.subject, value.email, value.is_service]).decode()

    def process_result_value(self, value: str | None, dialect: Dialect) -> Actor | None:  # noqa: ARG002
        return None if value is None else Actor(*orjson.loads(value))


class Choice(_Text[Any]):
    """A member of an enum, by its value; by its attribute ``spelling`` where that is the stored word."""

    cache_ok = True

    def __init__(self, kind: type[Enum], spelling: str = "value") -> None:
        super().__init__()
        self.kind = kind
        self.spelling = spelling
        #: by the member's name: an enum's own hash is slow
        self._words = {member.name: str(getattr(member, spelling)) for member in kind}
        self._members = {word: kind[name] for name, word in self._words.items()}

    def process_bind_param(self, value: Any, dialect: Dialect) -> str | None:  # noqa: ARG002
        return None if value is None else self._words[value.name]

    def process_result_value(self, value: str | None, dialect: Dialect) -> Any:  # noqa: ARG002
        return None if value is None else self._members[value]


class DatabaseSeconds(FunctionElement[float]):
    """The database's own clock, in seconds since 1970: leases are compared by one clock only."""

    type = Double()
    inherit_cache = True
    name = "database_seconds"


@compiles(DatabaseSeconds, SQLITE)
def _sqlite_seconds(element: DatabaseSeconds, compiler: SQLCompiler, **options: Any) -> str:  # noqa: ARG001
    return "((julianday('now') - 2440587.5) * 86400.0)"


@compiles(DatabaseSeconds, POSTGRESQL)
def _postgresql_seconds(element: DatabaseSeconds, compiler: SQLCompiler, **options: Any) -> str:  # noqa: ARG001
    # now() would be the start of the transaction
    return "CAST(extract(epoch FROM clock_timestamp()) AS DOUBLE PRECISION)"


def on_both(build: Callable[[Callable[..., Any]], Executable]) -> Both:
    """An upsert for either database, made from that database's own ``insert``."""
    return {SQLITE: build(sqlite.insert), POSTGRESQL: build(postgresql.insert)}


def word(value: Enum | str) -> Any:
    """A value written into the statement itself: a partial index serves only a condition without parameters."""
    text = value if isinstance(value, str) else str(value.value)
    return literal_column(f"'{text}'", Words())


def listed(condition: ColumnElement[bool]) -> ColumnElement[bool]:
    """A condition ``x IN (SELECT …)`` that is worked out once.

    PostgreSQL would make it a join, and for rows that were written a moment ago, which it takes for one row, that join
    reads the list again for every row: a second where this takes milliseconds.
    """
    return func.coalesce(condition, false())


def chunks(values: Sequence[T], length: int = LIST_LENGTH) -> Iterator[Sequence[T]]:
    for start in range(0, len(values), length):
        yield values[start : start + length]


def moment_text(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def storable(text: str) -> str:
    if text.isascii() and "\0" not in text:
        return text
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace").replace("\0", "\ufffd")


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, set | frozenset):
        return sorted(value)
    raise TypeError(type(value).__name__)
