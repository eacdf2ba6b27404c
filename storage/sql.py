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

from domain.model import Actor, PackageDependency

T = TypeVar("T")

SQLITE = "sqlite"
POSTGRESQL = "postgresql"
#: what an Integer column holds at most
INTEGER_MAX = 2**31 - 1
#: how many values one statement looks for: far below both databases' limits on parameters
LIST_LENGTH = 500

#: a statement that reads differently on the two databases, by the database's name
Both = Mapping[str, Executable]


class Kept(TypeDecorator[T]):
    """Kept as text, compared by its bytes."""

    impl = Text
    cache_ok = True
    #: what is read is the text itself
    is_text = False
    #: what is read can be changed, so no two rows may share it
    is_mutable = False

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        # not the dialect's own descriptor: asyncpg's would make it a VARCHAR
        return Text(collation="C") if dialect.name == POSTGRESQL else Text()

    def process_bind_param(self, value: T | None, dialect: Dialect) -> str | None:  # noqa: ARG002
        return None if value is None else self.written(value)

    def process_result_value(self, value: Any, dialect: Dialect) -> T | None:  # noqa: ARG002
        return None if value is None else self.read(value)

    def written(self, value: T) -> str:
        """A value as its text."""
        raise NotImplementedError

    def read(self, text: str) -> T:
        """The way back."""
        raise NotImplementedError

    def written_all(self, values: Sequence[T]) -> Sequence[str]:
        """The members of a list."""
        return [self.written(value) for value in values]

    def read_column(self, texts: Sequence[str | None]) -> list[T | None]:
        """Many at once: a thousand rows have few moments, kinds and people."""
        if self.is_mutable:
            return [None if text is None else self.read(text) for text in texts]
        known = {text: None if text is None else self.read(text) for text in set(texts)}
        return [known[text] for text in texts]


class Words(Kept[str]):
    """Any text. What cannot be stored (NUL, half a surrogate pair) becomes U+FFFD: looking for it finds nothing."""

    cache_ok = True
    is_text = True

    def written(self, value: str) -> str:
        return storable(value)

    def written_all(self, values: Sequence[str]) -> Sequence[str]:
        together = "".join(values)
        return values if together == storable(together) else [storable(value) for value in values]

    def read(self, text: str) -> str:
        return text


class Moment(Kept[datetime]):
    """A time as fixed-width RFC 3339 in UTC with microseconds: it sorts as text."""

    cache_ok = True

    def written(self, value: datetime) -> str:
        return moment_text(value)

    def read(self, text: str) -> datetime:
        return datetime.fromisoformat(text)


class Json(Kept[Any]):
    """A JSON document."""

    cache_ok = True
    is_mutable = True

    def written(self, value: Any) -> str:
        return orjson.dumps(value, default=_plain).decode()

    def read(self, text: str) -> Any:
        return orjson.loads(text)


class Who(Kept[Actor]):
    """An actor, as a JSON document."""

    cache_ok = True

    def written(self, value: Actor) -> str:
        return orjson.dumps([value.subject, value.email, value.is_service]).decode()

    def read(self, text: str) -> Actor:
        return Actor(*orjson.loads(text))


class Needs(Kept[tuple[PackageDependency, ...]]):
    """The packages that another one needs, as a JSON document."""

    cache_ok = True

    def written(self, value: tuple[PackageDependency, ...]) -> str:
        return orjson.dumps([[one.package_name, one.min_version, one.max_version] for one in value]).decode()

    def read(self, text: str) -> tuple[PackageDependency, ...]:
        return tuple(PackageDependency(*row) for row in orjson.loads(text))


class Choice(Kept[Any]):
    """A member of an enum, by its value; by its attribute ``spelling`` where that is the stored word."""

    cache_ok = True

    def __init__(self, kind: type[Enum], spelling: str = "value") -> None:
        super().__init__()
        self.kind = kind
        self.spelling = spelling
        #: by the member's name: an enum's own hash is slow
        self._words = {member.name: str(getattr(member, spelling)) for member in kind}
        self._members = {word: kind[name] for name, word in self._words.items()}

    def written(self, value: Any) -> str:
        return self._words[value.name]

    def read(self, text: str) -> Any:
        return self._members[text]


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


class WhenCompiled(ColumnElement[str]):
    """A word written into the statement when it is compiled: known when the process has started, not before."""

    type = Words()
    inherit_cache = False

    def __init__(self, ask: Callable[[], str]) -> None:
        self.ask = ask


@compiles(WhenCompiled)
def _word_when_compiled(element: WhenCompiled, compiler: SQLCompiler, **options: Any) -> str:
    return str(compiler.process(word(element.ask()), **options))


def when_compiled(ask: Callable[[], str]) -> ColumnElement[str]:
    """:func:`word` of what ``ask`` says once the process has started and as long as it lives."""
    return WhenCompiled(ask)


def listed(condition: ColumnElement[bool]) -> ColumnElement[bool]:
    """A condition ``x IN (SELECT …)`` that is worked out once.

    PostgreSQL would make it a join, and for rows that were written a moment ago, which it takes for one row, that join
    reads the list again for every row: a second where this takes milliseconds.
    """
    return func.coalesce(condition, false())


def checked(condition: ColumnElement[bool]) -> ColumnElement[bool]:
    """A condition that rows found by something else must meet as well: no index is read for it.

    SQLite, which knows no counts, would rather read all that a tenant has than look up many ids.
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
