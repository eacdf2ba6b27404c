"""SQLite's log, moved into the database's file beside the writers instead of inside somebody's commit.

A commit that does this itself takes 20 to 60 ms longer beside an import of a thousand artifacts, and everybody waits
for it. What is in the log is as safe as what is in the file, whenever the process dies.

While writers go on it is done over a connection of its own, and they do not wait. SQLite before 3.51.3 can lose what
was committed when a checkpoint begins with everything moved already, at the very moment at which a writer therefore
begins the log anew (sqlite.org/wal.html, the WAL-reset bug). So this one begins only after the log's header has changed
since the last one ended: then something is left to move, and no writer begins the log anew before it is moved. SQLite
says so itself (``data_version``), since not all who write or commit change it: who takes back what was long, or writes
what was there. Nobody else makes any (``storage.engines``). A long log is moved so again and again, until a commit
finds all of it moved and begins it anew. When the writers pause, or the log has become very long, what is left is moved
over the writing connection, where nobody writes meanwhile: on a disk they would wait 25 to 40 ms, once an import. Views
read each statement by itself; where somebody else always has a snapshot of the file open, the log grows.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from typing import Any

import aiosqlite

from domain.ports import Turn, UnavailableError
from storage.drivers import sqlite_driver
from storage.engines import Engines, translated

#: between two looks whether writers go on; a pause is as long
PAUSE_SECONDS = 0.5
#: of the looks that find them writing, the first of so many moves the log: a page that they change twice is moved once,
#: and the disk, which is busy with what is moved for up to 40 ms, keeps fewer commits waiting
_LOOKS_A_MOVE = 10
#: pages (of 4 KiB): a longer log should begin anew; a very long one is moved to its end even if writers wait for that
LONG_LOG, VERY_LONG_LOG = 4096, 16384
#: how often a long log is moved at once, and how long is waited for a commit between
_TIMES, _COMMIT_SECONDS = 20, 0.005
# without waiting for readers: what they still need stays in the log
_CHECKPOINT = "PRAGMA wal_checkpoint(PASSIVE)"
# of a connection that writes nothing: another number once the header of the log is not as it saw it last
_SHOWN = "PRAGMA data_version"
_log = logging.getLogger(__name__)


class Checkpoints:
    """Checkpoints of one process's database, now and then while its writers write, and when they have paused."""

    def __init__(self, engines: Engines) -> None:
        self._engines = engines
        self._path = engines.writer.url.database or ""
        self._beside: aiosqlite.Connection | None = None
        self._task: asyncio.Task[None] | None = None
        self._closing = asyncio.Event()
        self._count = 0
        #: what the log showed after the last checkpoint, to the connection beside; without it none begins there
        self._moved_to: int | None = None

    def soon(self) -> None:
        """Something was committed."""
        self._count += 1
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._until_the_next_pause())

    async def aclose(self) -> None:
        """Make none any more. What is left, the last connection moves when it is closed."""
        self._closing.set()
        if self._task is not None:
            await asyncio.wait([self._task])
        if self._beside is not None:
            await self._beside.close()

    async def _until_the_next_pause(self) -> None:
        is_pause, looks = False, 0
        while not is_pause:
            seen, looks = self._count, looks + 1
            with suppress(TimeoutError):
                async with asyncio.timeout(PAUSE_SECONDS):
                    await self._closing.wait()
                return
            is_pause = seen == self._count
            try:
                if is_pause:
                    await self._move_all()
                    # what was committed just now may still be in the log
                    is_pause = seen == self._count
                elif looks % _LOOKS_A_MOVE == 1:
                    await self._move_on()
            except UnavailableError as trouble:
                _log.warning("The log of the database could not be moved into its file: %s", trouble)

    async def _move_on(self) -> None:
        """Move what is there; of a long log also what was committed meanwhile, until it begins anew."""
        length = longest = await self._move_beside()
        for _ in range(_TIMES):
            if 0 < length <= LONG_LOG or longest <= LONG_LOG or self._closing.is_set():
                return
            await asyncio.sleep(_COMMIT_SECONDS)
            length = await self._move_beside()
            longest = max(longest, length)
        if longest > VERY_LONG_LOG:
            await self._move_all()

    async def _move_beside(self) -> int:
        """Move what is there while others write; the length of the log."""
        moved_to, self._moved_to, length = self._moved_to, None, 0
        with translated():
            if self._beside is None:
                self._beside = await sqlite_driver(self._path, 1)
            shown = await _shown(self._beside)
            if moved_to not in {None, shown}:
                length = await _moved(self._beside)
                # what was committed meanwhile may count as moved: it is moved with what comes next
                shown = await _shown(self._beside)
        self._moved_to = shown
        return length

    async def _move_all(self) -> None:
        """Move what is left while nobody writes."""
        self._moved_to = None
        with translated():
            # without a turn, writers who never pause would never let go of the connection
            async with self._engines.turn(Turn.LONG):
                connection, driver = await self._engines.connection(self._engines.writer)
                try:
                    await _moved(driver)
                finally:
                    connection.close()
            if self._beside is not None:
                self._moved_to = await _shown(self._beside)


async def _moved(driver: Any) -> int:
    """Move what can be moved; how long the log is, in pages (-1 where there is none)."""
    async with driver.execute(_CHECKPOINT) as cursor:
        _, length, _ = await cursor.fetchone()
    return int(length)


async def _shown(driver: Any) -> int:
    """The same until somebody else has changed what the log shows."""
    async with driver.execute(_SHOWN) as cursor:
        (shown,) = await cursor.fetchone()
    return int(shown)
