"""Many rows into one table, past SQLAlchemy's own handling of parameters.

A hot path of imports: for a thousand artifacts with their bodies and references, Core's per-parameter work costs
more than the database's. The statement and the converters are still SQLAlchemy's, compiled once for each set of
columns; only the loop over rows is ours.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from itertools import chain
from operator import itemgetter
from typing import Any

from sqlalchemy import Column, Table, insert
from sqlalchemy.engine import Dialect

from storage.prepared import DIALECTS, Convert, Step, writer_of
from storage.sql import SQLITE, Words

#: the values of many rows by column
Columns = Mapping[str, Sequence[Any]]
#: rows of one execution on SQLite. Its driver lets other threads have the interpreter at each of them, and waits for it
#: again behind each: beside one busy thread 500 rows take 54 ms one by one and 8 by fifties, and alone 4.2 and 2.6.
#: SQLite keeps the values of a statement until it is run again: a writer's connection holds one handful a table
_HANDFULS = (50, 10, 1)
#: places of a row, and what is done with the value there
Converts = tuple[tuple[int, Convert], ...]


def insert_steps(table: Table, rows: Iterable[Mapping[str, Any]], database: str) -> list[Step]:
    """Insert rows; those with the same columns go together, a column that a row leaves out is null.

    Texts are taken as they are: what comes here was read strictly, so it holds no NUL and no half characters.
    """
    alike: dict[tuple[str, ...], list[Mapping[str, Any]]] = {}
    for row in rows:
        alike.setdefault(tuple(row), []).append(row)
    columns = ({name: list(map(itemgetter(name), group)) for name in names} for names, group in alike.items())
    return [step for some in columns for step in column_steps(table, some, database)]


def column_steps(table: Table, columns: Columns, database: str) -> list[Step]:
    """The same for rows that were never made: each column's values, in the order of the rows."""
    # SQLite's driver asks of each null whether somebody adapts it, which takes as long as two texts: they are left out
    told = tuple(name for name, values in columns.items() if values[0] is not None or values.count(None) < len(values))
    sql, order, converts = _prepared(table, told, database)
    written = [columns[name] for name in order]
    for place, convert in converts:
        written[place] = _each_once(convert, written[place])
    rows = list(zip(*written, strict=True))
    return _by_handfuls(sql, rows) if database == SQLITE else [Step(sql, rows, is_many=True)]


def _by_handfuls(sql: str, rows: Sequence[tuple[Any, ...]]) -> list[Step]:
    """As few executions as will do, each of one of a few statements that SQLite knows already."""
    steps, begin = [], 0
    for size in _HANDFULS:
        end = begin + (len(rows) - begin) // size * size
        if end > begin:
            many = [tuple(chain.from_iterable(rows[at : at + size])) for at in range(begin, end, size)]
            steps.append(Step(_of_handful(sql, size), many, is_many=True))
        begin = end
    return steps


@lru_cache(maxsize=512)
def _of_handful(sql: str, size: int) -> str:
    head, values, row = sql.rpartition(" VALUES ")
    return head + values + ", ".join([row] * size)


def _each_once(convert: Convert, values: Sequence[Any]) -> list[Any]:
    """Convert a column. A thousand rows have one author, one moment and few kinds."""
    # by identity, because some have no hash and others a slow one; the rows keep them all alive
    places = list(map(id, values))
    made = {place: convert(value) for place, value in dict(zip(places, values, strict=True)).items()}
    return list(map(made.__getitem__, places))


@lru_cache(maxsize=512)
def _prepared(table: Table, columns: tuple[str, ...], database: str) -> tuple[str, tuple[str, ...], Converts]:
    dialect = DIALECTS[database]
    # as for many rows, so that PostgreSQL does not tell the numbers it has counted
    compiled = insert(table).compile(dialect=dialect, column_keys=list(columns), for_executemany=True)
    order = tuple(compiled.positiontup or columns)
    converts = [(place, _converter(table.c[name], dialect)) for place, name in enumerate(order)]
    return str(compiled), order, tuple((place, convert) for place, convert in converts if convert)


def _converter(column: Column[Any], dialect: Dialect) -> Convert | None:
    if isinstance(column.type, Words):
        return None
    return writer_of(column.type, dialect)
