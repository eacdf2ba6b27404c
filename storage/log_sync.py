"""SQLite's log, made safe on the disk behind commits, by one call for all that were made meanwhile (ADR 0026).

A unit that keeps others waiting commits with ``synchronous=NORMAL``: its pages are put into the log, the disk is not
waited for, and the next unit may write. It waits here before anybody is told. In the log one commit stands behind the
other, so what is safe never rests on what is not.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from domain.ports import UnavailableError

# not every system has the first, which leaves out the times of the file
_DATA_SYNCED: Callable[[int], None] = getattr(os, "fdatasync", os.fsync)
_log = logging.getLogger(__name__)


class LogSync:
    """Of one process's database. ``aclose`` when nothing is written any more."""

    def __init__(self, database: Path, sync: Callable[[int], None] = _DATA_SYNCED) -> None:
        self._path = database.with_name(f"{database.name}-wal")
        self._sync_file = sync
        self._thread = ThreadPoolExecutor(1, "log-sync")
        self._one_call = asyncio.Lock()
        #: the call that has not begun yet
        self._next: asyncio.Task[None] | None = None
        self._committed = self._synced = 0
        self._descriptor: int | None = None
        self._failure = ""

    def committed(self, *, is_safe: bool) -> None:
        """Something was committed. Once that is safe, so is all that stands before it in the log."""
        self._committed += 1
        if is_safe:
            self._synced = self._committed

    async def synced(self) -> None:
        """Wait until all that was committed is on the disk.

        Raises:
            UnavailableError: nobody knows whether it is (:meth:`refuse_if_failed`).
        """
        if self._synced < self._committed:
            if self._next is None:
                self._next = asyncio.create_task(self._call())
            # others may wait for the same call
            await asyncio.shield(self._next)

    def refuse_if_failed(self) -> None:
        """Raise :class:`UnavailableError` for good once the disk has failed to keep the log.

        A second call would succeed and keep nothing, because the system forgets what it could not write (design:
        security, F02). What is committed behind that would be told as safe, and be lost with it.
        """
        if self._failure:
            raise UnavailableError(f"the disk failed to keep the log of the database: {self._failure}")

    async def aclose(self) -> None:
        async with self._one_call:
            self._thread.shutdown()
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    async def _call(self) -> None:
        async with self._one_call:
            # from here on it is too late for a commit to be part of this call
            self._next, reached = None, self._committed
            self.refuse_if_failed()
            try:
                await asyncio.get_running_loop().run_in_executor(self._thread, self._sync)
            except OSError as error:
                raise UnavailableError(f"the log of the database is not on the disk: {error}") from error
            self._synced = max(self._synced, reached)

    def _sync(self) -> None:
        if (descriptor := self._opened()) is None:
            return
        try:
            self._sync_file(descriptor)
        except OSError as error:
            self._failure = str(error)
            _log.critical("The disk failed to keep the log of the database: %s. Look after it, then restart", error)
            raise

    def _opened(self) -> int | None:
        """The log; ``None`` where there is none, because all of it was moved into the database when that was closed.

        It stays open: only who had a file open is told of what the disk failed to keep of it.
        """
        try:
            place = self._path.stat()
        except FileNotFoundError:
            return None
        if self._descriptor is None or not os.path.samestat(place, os.fstat(self._descriptor)):
            opened = os.open(self._path, os.O_RDWR | os.O_CLOEXEC)
            if self._descriptor is not None:
                os.close(self._descriptor)
            self._descriptor = opened
        return self._descriptor
