"""Watching imports come and go: each as it begins, changes its state or ends (design: graphql, section 11).

Only what happens while somebody watches is shown, and only how things stand: what changed twice since the last look is
shown once. A watcher pulls, so a slow one holds nothing but the states it has seen, and looks again when it is ready.
Watchers of the same reach who are woken by one bell look together, and the store is asked once.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Hashable
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any, TypeVar
from weakref import WeakValueDictionary

from domain.access import Caller, Reach, Right, require
from domain.batch_rows import BatchRows, Standing
from domain.import_model import ImportJob
from domain.model import ImportId
from domain.ports import IMPORTS, Ports, Store, UnavailableError

T = TypeVar("T")

#: bells may be lost between processes: look again after this time
POLL_SECONDS = 5.0
#: an import that ended is looked for so long: other processes' clocks and transactions may be late
OVERLAP = timedelta(seconds=60)
#: the newest imports in reach that go on or have just ended are watched, no more
WATCHED_MAX = 5000
_READ_AT_ONCE = 100
_FIRST_PAUSE_SECONDS = 0.1

_Seen = dict[ImportId, Standing]
_AGES_AGO = datetime.min.replace(tzinfo=UTC)


class Watching:
    """Streams of imports that change."""

    def __init__(self, ports: Ports) -> None:
        self._store = ports.store
        self._bell = ports.bell
        self._clock = ports.clock
        self._watchers = 0
        #: one for each reach that is watched now
        self._looks: WeakValueDictionary[Reach, _Look] = WeakValueDictionary()

    @property
    def watcher_count(self) -> int:
        """How many watch here now, and miss nothing that comes."""
        return self._watchers

    def changes(self, caller: Caller, reach: Reach) -> AsyncGenerator[ImportJob, None]:
        """Imports in reach, dry runs too, whenever one begins, changes its state or ends, from now on.

        Access is decided here, once (R37). Close the generator (``contextlib.aclosing``) to stop watching. While the
        store cannot answer, nothing is shown; it is asked again, quietly.

        Raises ``InsufficientPermission``.
        """
        require(caller, Right.READ_IMPORTS)
        return self._changes(reach)

    async def _changes(self, reach: Reach) -> AsyncGenerator[ImportJob, None]:
        look = self._looks.setdefault(reach, _Look(self._store, reach))
        async with self._bell.listen(IMPORTS) as rung:
            looked_at = self._clock.now()
            seen = await look.standing(looked_at)
            self._watchers += 1
            try:
                while True:
                    await rung.wait(POLL_SECONDS)
                    since, looked_at = looked_at, self._clock.now()
                    before, seen = seen, await look.standing(since)
                    changed = [key for key, standing in seen.items() if before.get(key) != standing]
                    for begin in range(0, len(changed), _READ_AT_ONCE):
                        for job in await look.jobs(changed[begin : begin + _READ_AT_ONCE]):
                            # read a moment later: it may stand elsewhere by now
                            seen[job.import_id] = Standing(job.import_id, job.shown_state, job.fence)
                            yield job
            finally:
                self._watchers -= 1


class _Look:
    """What the watchers of one reach ask the store: an answer is for all who asked the same before it was looked for.

    Whoever goes away while asking leaves the question to the next.
    """

    def __init__(self, store: Store, reach: Reach) -> None:
        self._store = store
        self._reach = reach
        self._turn = asyncio.Lock()
        self._moments = count()
        self._begun = -1
        self._question: Hashable = None
        self._answer: Any = None

    async def standing(self, since: datetime) -> _Seen:
        """Where imports stand, oldest first. Those that ended before ``since`` have been shown."""
        ended_since = since - OVERLAP
        # by whole steps, so that watchers whose last look was not quite at the same time ask the same
        ended_since -= (ended_since - _AGES_AGO) % OVERLAP

        async def read(rows: BatchRows) -> _Seen:
            found = await rows.standing(self._reach, ended_since=ended_since, limit=WATCHED_MAX)
            return {standing.import_id: standing for standing in reversed(found)}

        return (await self._asked(ended_since, read)).copy()

    async def jobs(self, import_ids: list[ImportId]) -> list[ImportJob]:
        """Those of these imports that are still in reach."""

        async def read(rows: BatchRows) -> list[ImportJob]:
            jobs = await rows.import_jobs(import_ids, self._reach)
            return [jobs[import_id] for import_id in import_ids if import_id in jobs]

        return await self._asked(tuple(import_ids), read)

    async def _asked(self, question: Hashable, read: Callable[[BatchRows], Awaitable[T]]) -> T:
        moment = next(self._moments)
        async with self._turn:
            if question != self._question or self._begun < moment:
                await asyncio.sleep(0)  # others were woken with this one, and are about to ask
                begun = next(self._moments)
                answer = await self._read(read)
                self._begun, self._question, self._answer = begun, question, answer
            found: T = self._answer
            return found

    async def _read(self, read: Callable[[BatchRows], Awaitable[T]]) -> T:
        """What the store says; waits as long as it cannot answer."""
        pause = _FIRST_PAUSE_SECONDS
        while True:
            try:
                async with self._store.platform_view() as unit:
                    return await read(unit.batches)
            except UnavailableError:
                await asyncio.sleep(pause)
                pause = min(pause * 2, POLL_SECONDS)
