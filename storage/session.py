"""One transaction: its connection, its errors, and the bells to ring after it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import Any

from sqlalchemy import CursorResult, Executable, Table
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.ports import Clock
from storage.bulk import insert_rows
from storage.engines import translated
from storage.sql import Both

#: a row, read by position
AnyRow = Sequence[Any]
Values = Mapping[str, Any] | Sequence[Mapping[str, Any]]


class Session:
    """What the rows of one unit share. ``bells`` are rung, each once, after the commit."""

    def __init__(self, connection: AsyncConnection, clock: Clock) -> None:
        self.connection = connection
        self.clock = clock
        self.bells: dict[str, None] = {}
        self.database = connection.dialect.name
        self._refused: str | None = None

    def ring(self, topic: str) -> None:
        self.bells[topic] = None

    async def run(self, statement: Executable | Both, values: Values | None = None) -> CursorResult[Any]:
        """Execute once, or once a mapping when there are several."""
        chosen = statement[self.database] if isinstance(statement, Mapping) else statement
        with self._refusing(), translated():
            return await self.connection.execute(chosen, values)

    async def add(self, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
        """Insert many rows with the same columns."""
        with self._refusing(), translated():
            await insert_rows(self.connection, table, rows)

    async def rows(self, statement: Executable | Both, values: Values | None = None) -> Sequence[AnyRow]:
        found: Sequence[AnyRow] = (await self.run(statement, values)).all()
        return found

    async def row(self, statement: Executable | Both, values: Values | None = None) -> AnyRow | None:
        found: AnyRow | None = (await self.run(statement, values)).first()
        return found

    def refuse(self, error: Exception) -> Exception:
        """Part of a write may have happened: this transaction can only be rolled back now."""
        self._refused = repr(error)
        return error

    def demand_whole(self) -> None:
        """Called before the commit.

        Raises:
            RuntimeError: somebody caught the error of a write inside the unit and went on.
        """
        if self._refused is not None:
            raise RuntimeError(f"a unit cannot be committed after {self._refused}")

    @asynccontextmanager
    async def savepoint(self) -> AsyncIterator[None]:
        """What fails inside leaves the rest of the unit as it was."""
        before = self._refused
        try:
            async with self.connection.begin_nested():
                yield
        except Exception:
            self._refused = before
            raise

    @contextmanager
    def _refusing(self) -> Iterator[None]:
        try:
            yield
        except Exception as error:
            self.refuse(error)
            raise
