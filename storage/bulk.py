"""Many rows into one table, past SQLAlchemy's own handling of parameters.

A hot path of imports: for a thousand artifacts with their bodies and references, Core's per-parameter work costs
more than the database's. The statement and the converters are still SQLAlchemy's, compiled once for each set of
columns; only the loop over rows is ours.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from operator import itemgetter
from typing import Any

from sqlalchemy import Column, Table, insert
from sqlalchemy.engine import Dialect
from sqlalchemy.ext.asyncio import AsyncConnection

from storage.sql import Words, storable

Convert = Callable[[Any], Any]
_Prepared = tuple[str, "itemgetter[Any]", tuple[tuple[int, Convert], ...]]


async def insert_rows(connection: AsyncConnection, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert rows that all have the same columns."""
    if not rows:
        return
    statement, chosen, converts = _prepared(table, tuple(rows[0]), connection.dialect)
    values = []
    for row in rows:
        taken = list(chosen(row))
        for place, convert in converts:
            taken[place] = convert(taken[place])
        values.append(tuple(taken))
    await connection.exec_driver_sql(statement, values)


@lru_cache(maxsize=64)
def _prepared(table: Table, columns: tuple[str, ...], dialect: Dialect) -> _Prepared:
    compiled = insert(table).compile(dialect=dialect, column_keys=list(columns))
    order = compiled.positiontup or list(columns)
    converts = [(place, _converter(table.c[name], dialect)) for place, name in enumerate(order)]
    return str(compiled), itemgetter(*order), tuple((place, convert) for place, convert in converts if convert)


def _converter(column: Column[Any], dialect: Dialect) -> Convert | None:
    if isinstance(column.type, Words):
        return _text
    return column.type.dialect_impl(dialect).bind_processor(dialect)


def _text(value: str | None) -> str | None:
    return None if value is None else storable(value)
