"""SQLite's log, moved into the database's file while nobody writes instead of inside somebody's commit.

A commit that does this itself takes 20 to 60 ms longer after an import of a thousand artifacts, and everybody waits for
it. Only where writers never pause do commits do it, in small parts (``storage.engines``). What is in the log is as safe
as what is in the file, whenever the process dies.

It is done on the writing connection: SQLite before 3.51.3 can lose what was committed when one connection moves the log
at the very moment at which another begins it anew (sqlite.org/wal.html, the WAL-reset bug).
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from typing import Any

from sqlalchemy.ext.asyncio import AsyncEngine

from domain.ports import UnavailableError
from storage.engines import translated

#: nobody wrote for so long
PAUSE_SECONDS = 0.5
_log = logging.getLogger(__name__)


class Checkpoints:
    """Checkpoints of one process's database, each time that its writers have paused."""

    def __init__(self, writer: AsyncEngine) -> None:
        self._writer = writer
        self._task: asyncio.Task[None] | None = None
        self._closing = asyncio.Event()
        self._count = 0

    def soon(self) -> None:
        """Something was committed."""
        self._count += 1
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._at_the_next_pause())

    async def aclose(self) -> None:
        """Make none any more. What is left, the last connection moves when it is closed."""
        self._closing.set()
        if self._task is not None:
            await asyncio.wait([self._task])

    async def _at_the_next_pause(self) -> None:
        seen = -1
        while seen != self._count:
            seen = self._count
            with suppress(TimeoutError):
                async with asyncio.timeout(PAUSE_SECONDS):
                    await self._closing.wait()
                return
        try:
            await self._move()
        except UnavailableError as trouble:
            _log.warning("The log of the database could not be moved into its file: %s", trouble)

    async def _move(self) -> None:
        with translated():
            connection = await self._writer.raw_connection()
            try:
                driver: Any = connection.driver_connection
                # without waiting for readers: what they still need stays in the log
                async with driver.execute("PRAGMA wal_checkpoint(PASSIVE)"):
                    pass
            finally:
                connection.close()
