"""The connection of a unit, taken in its turn and not before: with the first statements that are sent.

On SQLite there is one writer. What a unit writes without an answer to wait for is put together before its turn, while
somebody else writes: the rows of a thousand artifacts, and what their import tells, take Python a third of the time
that they take SQLite.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AsyncExitStack

from sqlalchemy import PoolProxiedConnection
from sqlalchemy.util import greenlet_spawn

from domain.ports import Turn
from storage.drivers import Driver, Found
from storage.engines import Engines
from storage.prepared import Step


class Taken:
    """:class:`storage.drivers.Driver` of one unit, or of a view, which takes no turn.

    ``aclose``: it is the next one's turn.
    """

    def __init__(self, engines: Engines, kind: Turn | None) -> None:
        self._engines = engines
        self._kind = kind
        self._turn = AsyncExitStack()
        self._connection: PoolProxiedConnection | None = None
        self._driver: Driver | None = None
        self._rows_before: int | None = 0

    async def take(self) -> Driver:
        """The connection; waits for it once. Raises as :meth:`Engines.turn` and :meth:`Engines.connection`."""
        if self._driver is not None:
            return self._driver
        if self._kind is not None:
            await self._turn.enter_async_context(self._engines.turn(self._kind))
        engine = self._engines.reader if self._kind is None else self._engines.writer
        try:
            self._connection, self._driver = await self._engines.connection(engine)
        except BaseException:
            # whoever goes on and tries it again would wait for himself
            await self._turn.aclose()
            raise
        self._rows_before = self._driver.changed_rows()
        return self._driver

    async def together(self, steps: Sequence[Step]) -> Found:
        driver = await self.take()
        return await driver.together(steps)

    async def roll_back(self) -> bool:
        return self._driver is None or await self._driver.roll_back()

    def changed_rows(self) -> int | None:
        """How many rows were changed since it was taken; ``None``: nobody knows."""
        rows = self._driver.changed_rows() if self._driver is not None else 0
        return None if rows is None or self._rows_before is None else rows - self._rows_before

    def give_back(self) -> None:
        """Let others have the connection; nothing is under way."""
        if self._connection is not None:
            self._connection.close()

    async def throw_away(self) -> None:
        """Nobody knows what the connection is in the middle of: nobody gets it again. To be given back all the same."""
        if self._connection is not None:
            await greenlet_spawn(self._connection.invalidate)

    async def aclose(self) -> None:
        await self._turn.aclose()
