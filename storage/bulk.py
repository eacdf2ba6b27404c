"""Many rows into one table, past SQLAlchemy's own handling of parameters.

A hot path of imports: for a thousand artifacts with their bodies and references, Core's per-parameter work costs
more than the database's. The statement and the converters are still SQLAlchemy's, compiled once for each set of
columns; only the loop over rows is ours.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from operator import itemgetter
from typing import Any

from sqlalchemy import Column, Table, insert
from sqlalchemy.engine import Dialect
from sqlalchemy.ext.asyncio import AsyncConnection

from storage.sql import Words

Convert = Callable[[Any], Any]
Converts = tuple[tuple[int, Convert], ...]
_Prepared = tuple[str, "itemgetter[Any]", Converts]


async def insert_rows(connection: AsyncConnection, table: Table, rows: Iterable[Mapping[str, Any]]) -> None:
    """Insert rows; those with the same columns go together, a column that a row leaves out is null.

    Texts are taken as they are: what comes here was read strictly, so it holds no NUL and no half characters.
    """
    alike: dict[tuple[str, ...], list[Mapping[str, Any]]] = {}
    for row in rows:
        alike.setdefault(tuple(row), []).append(row)
    for columns, group in alike.items():
        statement, chosen, converts = _prepared(table, columns, connection.dialect)
        await connection.exec_driver_sql(statement, [_converted(chosen(row), converts) for row in group])


def _converted(values: Sequence[Any], converts: Converts) -> tuple[Any, ...]:
    taken = list(values)
    for place, convert in converts:
        taken[place] = convert(taken[place])
    return tuple(taken)


@lru_cache(maxsize=64)
def _prepared(table: Table, columns: tuple[str, ...], dialect: Dialect) -> _Prepared:
    compiled = insert(table).compile(dialect=dialect, column_keys=list(columns))
    order = compiled.positiontup or list(columns)
    converts = [(place, _converter(table.c[name], dialect)) for place, name in enumerate(order)]
    return str(compiled), itemgetter(*order), tuple((place, convert) for place, convert in converts if convert)


def _converter(column: Column[Any], dialect: Dialect) -> Convert | None:
    if isinstance(column.type, Words):
        return None
    return column.type.dialect_impl(dialect).bind_processor(dialect)
