"""Bells: within one process, and between processes over PostgreSQL (design: stack, section 2; decisions R32)."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager, suppress

import asyncpg

from domain.ports import Rung
from storage.drivers import POSTGRES_TROUBLE

CHANNEL = "installhub_bell"

#: at most one NOTIFY in this time: every one of them takes a lock of the whole database
COALESCE_SECONDS = 0.03
#: a connection that died without a word is noticed within this time
HEARTBEAT_SECONDS = 15.0
#: no question to the database takes longer
ANSWER_SECONDS = 10.0
FIRST_PAUSE_SECONDS = 0.1
LONGEST_PAUSE_SECONDS = 10.0

#: how the connections show in pg_stat_activity
_SHOWN_AS = {"application_name": "installhub bell"}
_log = logging.getLogger(__name__)


class LocalBell:
    """Wakes listeners of this process: :class:`domain.ports.Bell`. To be rung on the event loop's thread."""

    def __init__(self) -> None:
        self._listeners: dict[str, set[_Listener]] = {}

    @property
    def listener_count(self) -> int:
        """How many listen now, to all topics together."""
        return sum(map(len, self._listeners.values()))

    def ring(self, topics: Iterable[str]) -> None:
        for topic in topics:
            for listener in self._listeners.get(topic, ()):
                listener.rung.set()

    @asynccontextmanager
    async def listen(self, topic: str) -> AsyncIterator[Rung]:
        listener = _Listener()
        self._listeners.setdefault(topic, set()).add(listener)
        try:
            yield listener
        finally:
            others = self._listeners[topic]
            others.discard(listener)
            if not others:
                del self._listeners[topic]


class _Listener:
    def __init__(self) -> None:
        self.rung = asyncio.Event()

    async def wait(self, timeout: float) -> None:  # noqa: ASYNC109 - the port's parameter: running out is no error
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                await self.rung.wait()
        self.rung.clear()


class PostgresBell(LocalBell):
    """Also wakes listeners of other processes on the same database, by NOTIFY.

    Has two connections of its own, which must be direct ones: a transaction pooler loses LISTEN. Both are made
    again when they drop; what was rung meanwhile is told afterwards, and everybody here looks again. ``dsn`` is
    asyncpg's (``postgresql://...``).
    """

    def __init__(self, dsn: str) -> None:
        super().__init__()
        self._dsn = dsn
        self._untold: set[str] = set()
        self._something_to_tell = asyncio.Event()
        self._is_hearing = asyncio.Event()
        self._own_pid = 0
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Begin to hear and tell. Waits a while for the database, but does without it if it must."""
        self._tasks = [asyncio.create_task(self._connected(use)) for use in (self._hear, self._tell)]
        with suppress(TimeoutError):
            async with asyncio.timeout(ANSWER_SECONDS):
                await self._is_hearing.wait()

    async def aclose(self) -> None:
        """Stop both; what is not yet told stays untold."""
        tasks, self._tasks = self._tasks, []
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def ring(self, topics: Iterable[str]) -> None:
        rung = set(topics)
        if rung:
            super().ring(rung)
            self._untold |= rung
            self._something_to_tell.set()

    async def _connected(self, use: Callable[[asyncpg.Connection], Awaitable[None]]) -> None:
        """Use a connection for ever; make a new one, after longer and longer pauses, whenever it is lost."""
        pause = FIRST_PAUSE_SECONDS
        while True:
            try:
                connection = await asyncpg.connect(self._dsn, timeout=ANSWER_SECONDS, server_settings=_SHOWN_AS)
                pause = FIRST_PAUSE_SECONDS
                try:
                    await use(connection)
                finally:
                    with suppress(*POSTGRES_TROUBLE):
                        await connection.close(timeout=1)
            except POSTGRES_TROUBLE as lost:
                _log.warning("The bell lost its connection: %s: %s", type(lost).__name__, lost)
            await asyncio.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311 - keeps processes from coming back at once
            pause = min(pause * 2, LONGEST_PAUSE_SECONDS)

    async def _hear(self, connection: asyncpg.Connection) -> None:
        dropped = asyncio.Event()
        connection.add_termination_listener(lambda _: dropped.set())
        await connection.add_listener(CHANNEL, self._heard)
        super().ring(tuple(self._listeners))  # what rang while nobody heard it
        self._is_hearing.set()
        while not dropped.is_set():
            with suppress(TimeoutError):
                async with asyncio.timeout(HEARTBEAT_SECONDS):
                    await dropped.wait()
                    break
            await connection.execute("SELECT 1", timeout=ANSWER_SECONDS)
        _log.warning("The bell's listening connection was closed.")

    def _heard(self, _connection: object, pid: int, _channel: str, topic: str) -> None:
        if pid != self._own_pid:
            super().ring((topic,))

    async def _tell(self, connection: asyncpg.Connection) -> None:
        self._own_pid = connection.get_server_pid()
        # when it drops in a quiet hour, telling nothing finds it out, and the next ring need not wait for a new one
        connection.add_termination_listener(lambda _: self._something_to_tell.set())
        while True:
            await self._something_to_tell.wait()
            self._something_to_tell.clear()
            telling, self._untold = self._untold, set()
            try:
                await connection.execute(
                    "SELECT pg_notify($1, topic) FROM unnest($2::text[]) AS topic",
                    CHANNEL,
                    list(telling),
                    timeout=ANSWER_SECONDS,
                )
            except BaseException:
                self._untold |= telling
                self._something_to_tell.set()
                raise
            await asyncio.sleep(COALESCE_SECONDS)
