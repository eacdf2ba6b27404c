"""Many rows into one table: however many they are, each is there once, in its order, and null where it has nothing."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import Any

import pytest
from sqlalchemy import Column, Integer, MetaData, Table, Text
from sqlalchemy.dialects.sqlite import dialect
from sqlalchemy.schema import CreateTable

from storage.bulk import column_steps, insert_steps
from storage.sql import POSTGRESQL, SQLITE

THINGS = Table(
    "thing", MetaData(), Column("number", Integer()), Column("word VALUES (", Text()), Column("note", Text())
)
COUNTS = [1, 9, 10, 11, 49, 50, 51, 60, 173, 1000]


def stored(steps):
    """The rows that these steps leave in a table, in the order in which they were inserted."""
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.execute(str(CreateTable(THINGS).compile(dialect=dialect())))
        for step in steps:
            connection.executemany(step.sql, step.parameters_now)
        return connection.execute("SELECT * FROM thing ORDER BY rowid").fetchall()


@pytest.mark.parametrize("count", COUNTS)
def test_all_rows_are_there_once_and_in_order(count):
    columns: dict[str, list[Any]] = {
        "number": list(range(count)),
        "word VALUES (": [f"({n}) VALUES (?, ?)" for n in range(count)],
    }

    rows = stored(column_steps(THINGS, columns, SQLITE))

    assert rows == [(n, f"({n}) VALUES (?, ?)", None) for n in range(count)]


@pytest.mark.parametrize("count", COUNTS)
def test_rows_with_other_columns_are_there_with_nulls_for_what_they_leave_out(count):
    given = [{"number": n, "note": f"n{n}"} if n % 3 else {"number": n} for n in range(count)]

    rows = stored(insert_steps(THINGS, given, SQLITE))

    assert sorted(rows) == [(n, None, f"n{n}" if n % 3 else None) for n in range(count)]


def test_a_thousand_rows_are_a_few_executions_of_few_statements():
    steps = column_steps(THINGS, {"number": list(range(999))}, SQLITE)

    assert sum(len(step.parameters_now) for step in steps) < 40
    assert {step.sql.count("?") for step in steps} == {1, 10, 50}


def test_postgresql_is_given_row_by_row():
    [step] = column_steps(THINGS, {"number": list(range(120))}, POSTGRESQL)

    assert len(step.parameters_now) == 120
