"""Views of SQLite that are answered at once, without a trip to a thread (ADR 0021).

Most of our questions take SQLite a few microseconds. A trip takes it a hundred, and while the event loop is busy the
thread and the loop hand the interpreter to each other for each row. What turns out to be long is given up after about
a millisecond, and asked again in the thread.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from storage.drivers import CHUNK, Found, SqliteDriver, run_together
from storage.prepared import Step

#: instructions of SQLite's machine after which a statement is looked at: each may read a page from a slow disk
_INSTRUCTIONS = 100
#: it is given up when it was looked at so often, after about a millisecond, or has taken so long, whatever it waits for
_LOOKS, _SECONDS = 100, 0.005
#: bytes of a value or a row that is read at once
_LENGTH = 64 << 10
#: milliseconds for which a lock is waited for: at once, and in the thread
_NO_PATIENCE, _PATIENCE = 0, 10_000
#: what took longer, because the disk or the interpreter was busy, keeps all from asking at once for so many times that
_SLOW_SECONDS, _PAUSES = 0.001, 20


class Quickness:
    """Whether reading at once is quick now. Shared by all readers of a file, so that they keep nobody waiting.

    However slow reading becomes, the loop spends a twentieth of its time on it at most.
    """

    def __init__(self, monotonic: Callable[[], float] = time.perf_counter) -> None:
        self.now = monotonic
        self._again_at = float("-inf")

    @property
    def is_there(self) -> bool:
        return self.now() >= self._again_at

    def took(self, seconds: float) -> None:
        if seconds > _SLOW_SECONDS:
            self._again_at = self.now() + _PAUSES * seconds


class QuickReader(SqliteDriver):
    """:class:`storage.drivers.Driver` of a connection that only reads, so that nothing is done twice."""

    quickness: Quickness
    _is_at_once = False
    _looks = 0
    _gives_up_at = 0.0
    _waits_for = -1

    async def together(self, steps: Sequence[Step]) -> Found:
        if self._connection is not None and self.quickness.is_there:
            found = self._at_once(self._connection, steps)
            if found is not None:
                return found
        return await super().together([*self._waiting(_PATIENCE), *steps])

    def give_up_long_ones(self) -> None:
        """To be called once the connection is there."""
        if self._connection is not None:
            self._connection.set_progress_handler(self._is_too_long, _INSTRUCTIONS)

    def _at_once(self, connection: sqlite3.Connection, steps: Sequence[Step]) -> Found | None:
        """``None`` for whatever went wrong: it is found out again, and told, where it may take its time."""
        began, self._is_at_once, self._looks = self.quickness.now(), True, 0
        self._gives_up_at = began + _SECONDS
        usual = connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _LENGTH)
        try:
            return run_together(connection, [*self._waiting(_NO_PATIENCE), *steps])
        except sqlite3.Error:
            return None
        finally:
            connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, usual)
            self._is_at_once = False
            self.quickness.took(self.quickness.now() - began)

    def _waiting(self, milliseconds: int) -> Sequence[Step]:
        """What is to be run before, so that a lock is waited for as long as that and no longer."""
        is_known, self._waits_for = milliseconds == self._waits_for, milliseconds
        return () if is_known else (Step(f"PRAGMA busy_timeout={milliseconds}"),)

    def _is_too_long(self) -> bool:
        # a statement's instructions are counted on from when it ran before, so the first look may come at any time
        self._looks += self._is_at_once
        return self._is_at_once and (self._looks > _LOOKS or self.quickness.now() > self._gives_up_at)


async def quick_reader(path: Path | str, cached_statements: int, quickness: Quickness) -> QuickReader:
    """A reading connection to a file."""

    def connect() -> sqlite3.Connection:
        # used by the loop and by its own thread, and never by both: a session waits for what it asked
        return sqlite3.connect(path, isolation_level=None, cached_statements=cached_statements, check_same_thread=False)

    reader = QuickReader(connect, CHUNK)
    reader.quickness = quickness
    # as with other connections
    reader._thread.daemon = True  # noqa: SLF001
    await reader
    reader.give_up_long_ones()
    return reader
