"""One transaction, or one view: its driver, its errors, and the bells to ring after it.

What needs no answer is written *later*: together with the next statement that gives one, or with the commit.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from datetime import datetime
from typing import Any

from sqlalchemy import Executable, Table

from domain.aside import aside
from domain.ports import Clock
from storage.bulk import Columns, column_steps, insert_steps
from storage.drivers import Driver, Found
from storage.engines import translated
from storage.prepared import AnyRow, Demand, Prepared, Step, UnmetError, Values, prepared
from storage.sql import POSTGRESQL, SQLITE, Both

_BEGIN = {SQLITE: Step("BEGIN IMMEDIATE"), POSTGRESQL: Step("BEGIN")}
_COMMIT = Step("COMMIT")
_SAVEPOINT, _RELEASE, _BACK = Step("SAVEPOINT attempt"), Step("RELEASE SAVEPOINT attempt"), Step("ROLLBACK TO attempt")

#: called with a session and items of one kind
RunAll = Callable[["Session", Sequence[Any]], None]


class Session:
    """What the rows of one unit share, or of one view. ``bells`` are rung, each once, after the commit."""

    def __init__(self, driver: Driver, database: str, clock: Clock, *, is_unit: bool) -> None:
        self.clock = clock
        self.bells: dict[str, None] = {}
        self.database = database
        self._driver = driver
        self._is_unit = is_unit
        self._waiting: list[Step] = []
        self._at_end: list[tuple[RunAll, Any]] = []
        self._has_begun = False
        self._refused: str | None = None

    def ring(self, topic: str) -> None:
        self.bells[topic] = None

    async def run(self, statement: Executable | Both, values: Values | Sequence[Values] | None = None) -> Found:
        """Execute once, or once a mapping when there are several."""
        with self._refusing():
            ready, step = self._step(statement, values)
        found = await self._send(step)
        return Found(ready.read(found.rows), found.rowcount)

    def later(self, statement: Executable | Both, values: Values | Sequence[Values] | None = None) -> None:
        """Execute what needs no answer; its errors are raised with the next statement that gives one."""
        with self._refusing():
            self._waiting.append(self._step(statement, values)[1])

    def later_as_of(self, statement: Executable, rows: Callable[[datetime], Sequence[Values]]) -> None:
        """Execute once a mapping, later; the mappings are those of the time at which it is the statement's turn."""
        with self._refusing():
            ready, step = self._step(statement, rows(self.clock.now()))
        self._waiting.append(
            step._replace(parameters=lambda: ready.step_of_many(rows(self.clock.now())).parameters_now)
        )

    def demand(
        self, statement: Executable | Both, values: Values, count: int, otherwise: Callable[[int], Awaitable[None]]
    ) -> None:
        """Execute later what must give or change so many rows.

        Where it is another number, ``otherwise`` is called with that before anything behind it is executed. It raises
        what is wrong, with the next statement that gives an answer, or puts it right in this session.
        """
        with self._refusing():
            self._waiting.append(self._step(statement, values)[1]._replace(demand=Demand(count, otherwise)))

    async def add(self, table: Table, rows: Sequence[Values]) -> None:
        """Insert many rows, later."""
        with self._refusing():
            self._waiting += insert_steps(table, rows, self.database)

    def add_columns(self, tables: Mapping[Table, Columns]) -> None:
        """The same for rows that are given by their columns; there may be none."""
        with self._refusing():
            self._waiting += self._column_steps(tables)

    async def add_columns_aside(self, count: int, made: Callable[[], Mapping[Table, Columns]]) -> None:
        """The same for rows of about ``count`` artifacts, before it is the unit's turn.

        Many are put together beside the event loop: whoever is being answered does not wait for it.
        """
        with self._refusing():
            steps = await aside(count, lambda: self._column_steps(made()))
            self._waiting += steps

    def at_end(self, run: RunAll, item: Any) -> None:
        """Have ``run`` called with all such items of the unit right before its commit."""
        self._at_end.append((run, item))

    async def rows(self, statement: Executable | Both, values: Values | None = None) -> Sequence[AnyRow]:
        return (await self.run(statement, values)).rows

    async def row(self, statement: Executable | Both, values: Values | None = None) -> AnyRow | None:
        return next(iter(await self.rows(statement, values)), None)

    def refuse(self, error: BaseException) -> BaseException:
        """Part of a write may have happened: this transaction can only be rolled back now."""
        self._refused = repr(error)
        return error

    def conclude(self) -> bool:
        """Put what comes last behind what waits; whether there is anything to :meth:`finish`.

        Raises:
            RuntimeError: somebody caught the error of a write inside the unit and went on.
        """
        if self._refused is not None:
            raise RuntimeError(f"a unit cannot be committed after {self._refused}")
        for run in dict.fromkeys(run for run, _ in self._at_end):
            run(self, [item for one, item in self._at_end if one is run])
        return bool(self._waiting) or (self._is_unit and self._has_begun)

    async def finish(self) -> None:
        """Send what waits, and commit if it is a unit."""
        if self._is_unit:
            await self._send(_COMMIT)
        else:
            await self._send()

    async def undo(self) -> bool:
        """Roll back. False: the connection is of no use any more."""
        self._waiting.clear()
        return await self._driver.roll_back()

    @asynccontextmanager
    async def savepoint(self) -> AsyncIterator[None]:
        """What fails inside leaves the rest of the unit as it was."""
        await self._send(_SAVEPOINT)
        before, at_end = self._refused, len(self._at_end)
        try:
            yield
            await self._send(_RELEASE)
        except Exception:
            self._waiting.clear()
            del self._at_end[at_end:]
            await self._send(_BACK, _RELEASE)
            self._refused = before
            raise

    def _column_steps(self, tables: Mapping[Table, Columns]) -> list[Step]:
        filled = ((table, some) for table, some in tables.items() if all(some.values()))
        return [step for table, some in filled for step in column_steps(table, some, self.database)]

    def _step(self, statement: Executable | Both, values: Values | Sequence[Values] | None) -> tuple[Prepared, Step]:
        chosen: Any = statement[self.database] if isinstance(statement, Mapping) else statement
        if values is None or isinstance(values, Mapping):
            ready = prepared(chosen, self.database, tuple(values or ()))
            return ready, ready.step(values or {})
        ready = prepared(chosen, self.database, tuple(values[0]))
        return ready, ready.step_of_many(values)

    async def _send(self, *last: Step) -> Found:
        steps, self._waiting = [*self._waiting, *last], []
        if self._is_unit and not self._has_begun:
            steps.insert(0, _BEGIN[self.database])
        self._has_begun = True
        with self._refusing(), translated():
            return await self._together(steps)

    async def _together(self, steps: Sequence[Step]) -> Found:
        try:
            return await self._driver.together(steps)
        except UnmetError as error:
            unmet = error
        await unmet.otherwise()
        added, self._waiting = self._waiting, []
        return await self._together([*added, *steps[unmet.place + 1 :]])

    @contextmanager
    def _refusing(self) -> Iterator[None]:
        try:
            yield
        except (Exception, asyncio.CancelledError) as error:
            # who was cancelled may never have begun, and what he goes on with would be written outside a transaction
            self.refuse(error)
            raise
