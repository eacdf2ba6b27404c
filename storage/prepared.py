"""Statements as their driver takes them: SQLAlchemy writes the SQL and owns the types, and is not there when it runs.

Core's own way to a driver costs several times what SQLite needs for most of our statements. Here a statement is
compiled once. Most of ours are constants of their modules and recognised by being the same object; what was put
together for a single question is recognised by its cache key, as in SQLAlchemy's own cache.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache, partial
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

from sqlalchemy import BindParameter, ClauseElement
from sqlalchemy.dialects.postgresql.asyncpg import dialect as asyncpg_dialect
from sqlalchemy.dialects.sqlite.aiosqlite import dialect as aiosqlite_dialect
from sqlalchemy.engine import Dialect
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.types import TypeEngine

from storage.sql import LIST_LENGTH, POSTGRESQL, SQLITE, Kept

#: a row, read by position
AnyRow = Sequence[Any]
Values = Mapping[str, Any]
Convert = Callable[[Any], Any]

DIALECTS: Mapping[str, Dialect] = {SQLITE: aiosqlite_dialect(), POSTGRESQL: asyncpg_dialect()}  # type: ignore[no-untyped-call]
_LAYOUTS_KEPT = 512
#: a statement put together for a single question that brings more values is not remembered: few are like it
_REMEMBERED_VALUES = 64
#: what a list of so many is filled up to; longer ones, which statements bring themselves, are not remembered
_REMEMBERED_LENGTH = 1 << (LIST_LENGTH - 1).bit_length()


class Demand(NamedTuple):
    """How many rows a step must give or change, and what is done where it is another number, which it is told.

    It raises what is wrong, or puts it right: then it goes on behind the step.
    """

    rows: int
    otherwise: Callable[[int], Awaitable[None]]


class Step(NamedTuple):
    """One execution, as a driver takes it. ``parameters`` are a list of rows' where ``is_many``.

    What gives parameters is called when it is the step's turn, in whatever thread that is.
    """

    sql: str
    parameters: Sequence[Any] | Callable[[], Sequence[Any]] = ()
    is_many: bool = False
    gives_rows: bool = False
    demand: Demand | None = None

    @property
    def parameters_now(self) -> Sequence[Any]:
        """The parameters, if it is its turn."""
        return self.parameters() if callable(self.parameters) else self.parameters


class UnmetError(Exception):
    """The step at this place gave or changed another number of rows than it must; those behind it were not run."""

    def __init__(self, place: int, count: int, demand: Demand) -> None:
        super().__init__(f"step {place}: {count} rows, not {demand.rows}")
        self.place = place
        self.otherwise = partial(demand.otherwise, count)


@dataclass(frozen=True, slots=True)
class _Shape:
    """A statement's SQL, for lists of certain lengths."""

    sql: str
    #: which values stand one after the other; of a list, all members or this one
    places: tuple[tuple[str, slice | None], ...]
    writers: tuple[tuple[str, Convert], ...]

    def parameters(self, values: Values) -> list[Any]:
        written = {**values, **{name: write(values[name]) for name, write in self.writers}}
        parameters: list[Any] = []
        for name, members in self.places:
            if members is None:
                parameters.append(written[name])
            else:
                parameters += written[name][members]
        return parameters


@dataclass(frozen=True, slots=True)
class _Layout:
    """What all statements with one cache key have in common."""

    #: the values which statements bring themselves: their names, in the order of the cache key
    own: tuple[str | None, ...]
    #: values which the compiler adds
    added: Values
    lists: frozenset[str]
    #: places of a row, and what reads a column there
    readers: tuple[tuple[int, Convert], ...]
    gives_rows: bool
    shapes: dict[tuple[int, ...], _Shape] = field(default_factory=dict)


class Prepared(NamedTuple):
    """A statement that takes values of certain names."""

    statement: ClauseElement
    database: str
    columns: tuple[str, ...]
    layout: _Layout
    own: Values

    def step(self, values: Values) -> Step:
        values = self._filled(values)
        shape = self._shape(values)
        return Step(shape.sql, shape.parameters(values), gives_rows=self.layout.gives_rows)

    def step_of_many(self, rows: Sequence[Values]) -> Step:
        shape = self._shape(self._filled(rows[0]))
        return Step(shape.sql, [shape.parameters(self._filled(row)) for row in rows], is_many=True)

    def read(self, rows: Sequence[AnyRow]) -> Sequence[AnyRow]:
        if not rows or not self.layout.readers:
            return rows
        columns: list[Sequence[Any]] = list(zip(*rows, strict=True))
        for place, read in self.layout.readers:
            columns[place] = read(columns[place])
        return list(zip(*columns, strict=True))

    def _filled(self, given: Values) -> Values:
        values = {**self.own, **given}
        for name in self.layout.lists:
            if name in given and len(given[name]) > LIST_LENGTH:
                raise ValueError(f"{name}: a list of {len(given[name])}, which is to be asked for in chunks")
            values[name] = _filled_up(values[name])
        return values

    def _shape(self, values: Values) -> _Shape:
        shapes = self.layout.shapes
        lengths = tuple([len(values[name]) for name in self.layout.lists])
        found = shapes.get(lengths)
        if found is None:
            found = _shape(_compiled(self.statement, self.database, self.columns), values)
            if max(lengths, default=0) <= _REMEMBERED_LENGTH:
                shapes[lengths] = found
        return found


def prepared(statement: ClauseElement, database: str, columns: tuple[str, ...]) -> Prepared:
    """Ready to be run with values of these names."""
    known = _KNOWN.setdefault(statement, {})
    found = known.get((database, columns))
    if found is None:
        found = known[database, columns] = _known(statement, database, columns)
    return Prepared(statement, database, columns, *found)


_Uses = dict[tuple[str, tuple[str, ...]], tuple[_Layout, Values]]
#: by the statement, database and names: what its like have in common, and the values it brings
_KNOWN: WeakKeyDictionary[ClauseElement, _Uses] = WeakKeyDictionary()


class _Alike:
    """A statement that is equal to all that have its cache key."""

    def __init__(self, statement: ClauseElement) -> None:
        found = statement._generate_cache_key()  # noqa: SLF001 - the only way to it
        self.statement = statement
        self.key = found.key if found else object()
        self.binds: Sequence[BindParameter[Any]] = found.bindparams if found else ()

    def __hash__(self) -> int:
        return hash(self.key)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Alike) and self.key == other.key


def _known(statement: ClauseElement, database: str, columns: tuple[str, ...]) -> tuple[_Layout, Values]:
    alike = _Alike(statement)
    layout = (_remembered if len(alike.binds) <= _REMEMBERED_VALUES else _layout)(alike, database, columns)
    brought = zip(layout.own, alike.binds, strict=True)
    return layout, {**layout.added, **{name: bind.effective_value for name, bind in brought if name is not None}}


def _layout(alike: _Alike, database: str, columns: tuple[str, ...]) -> _Layout:
    compiled = _compiled(alike.statement, database, columns)
    names = {bind.key: name for bind, name in compiled.bind_names.items() if not bind.required}
    own = tuple(names.get(bind.key) for bind in alike.binds)
    results = [column.type for column in getattr(alike.statement, "exported_columns", ())]
    readers = [(place, _reader(kind, DIALECTS[database])) for place, kind in enumerate(results)]
    return _Layout(
        own=own,
        added={name: bind.effective_value for bind, name in compiled.bind_names.items() if not bind.required},
        lists=frozenset(name for bind, name in compiled.bind_names.items() if bind.expanding),
        readers=tuple((place, read) for place, read in readers if read),
        gives_rows=bool(results),
    )


_remembered = lru_cache(maxsize=_LAYOUTS_KEPT)(_layout)


def _shape(compiled: SQLCompiler, values: Values) -> _Shape:
    state = compiled.construct_expanded_state(values)
    members = {
        part: (name, place) for name, parts in state.parameter_expansion.items() for place, part in enumerate(parts)
    }
    places = _runs([members.get(name) or (name, None) for name in state.positiontup or ()])
    names = dict.fromkeys(name for name, _ in places)
    writers = [(name, _writer(compiled.binds[name], compiled.dialect)) for name in names]
    return _Shape(state.statement, places, tuple((name, write) for name, write in writers if write))


def _runs(places: Sequence[tuple[str, int | None]]) -> tuple[tuple[str, slice | None], ...]:
    """Members of a list that stand one after the other in its order, as one slice of it."""
    runs: list[tuple[str, slice | None]] = []
    for name, member in places:
        if member is None:
            runs.append((name, None))
        elif runs and runs[-1][0] == name and (last := runs[-1][1]) is not None and last.stop == member:
            runs[-1] = (name, slice(last.start, member + 1))
        else:
            runs.append((name, slice(member, member + 1)))
    return tuple(runs)


def _writer(bind: BindParameter[Any], dialect: Dialect) -> Convert | None:
    """Makes what the driver takes of a value, or of each member of a list."""
    if bind.expanding and isinstance(bind.type, Kept):
        return bind.type.written_all
    convert = writer_of(bind.type, dialect)
    if convert is None or not bind.expanding:
        return convert
    return lambda members: [convert(member) for member in members]


def writer_of(kind: TypeEngine[Any], dialect: Dialect) -> Convert | None:
    """Makes what the driver takes of a value of this kind; ``None`` where that is the value itself."""
    if not isinstance(kind, Kept):
        return kind.dialect_impl(dialect).bind_processor(dialect)
    written = kind.written
    return lambda value: None if value is None else written(value)


def _reader(kind: TypeEngine[Any], dialect: Dialect) -> Convert | None:
    """Makes values of a column of what the driver gave."""
    if isinstance(kind, Kept):
        return None if kind.is_text else kind.read_column
    convert = kind.dialect_impl(dialect).result_processor(dialect, None)
    return (lambda column: [convert(value) for value in column]) if convert else None


def _compiled(statement: ClauseElement, database: str, columns: tuple[str, ...]) -> SQLCompiler:
    made: Any = statement.compile(dialect=DIALECTS[database], column_keys=list(columns))
    compiled: SQLCompiler = made
    return compiled


def _filled_up(values: Iterable[Any]) -> list[Any]:
    """A list of few possible lengths with the same members, so that few statements serve all lists."""
    members = list(values)
    wanted = 1 << max(0, len(members) - 1).bit_length()
    return members + members[-1:] * (wanted - len(members))
