"""Following an import: every event once, in order, for all its watchers (decisions R20; design: stack, section 2).

* A process reads new events of an import once, however many watch it: one tail per import, alive while watched.
* The tail is a chain of links. Each watcher holds the link it has come to; what all have passed is gone by itself.
* A watcher too far behind loses its hold and reads what it missed from the journal, so a tail stays small.
* The tail listens to the bell before it reads, and watchers join it before they replay: nothing falls between.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterable
from dataclasses import dataclass, field, replace

from domain.courtesy import Courtesy
from domain.errors import ErrorCode, refuse
from domain.import_model import EventKind, ImportJob, ProgressEvent
from domain.model import ImportId, TenantId
from domain.observing import NOBODY, Observer
from domain.ports import Bell, Store, UnavailableError

#: bells may be lost between processes: look again after this time
POLL_SECONDS = 2.0
PAGE_SIZE = 1000
#: so many events are kept for the slowest watcher; the journal has the others
HELD_EVENTS = 1000
FIRST_PAUSE_SECONDS = 0.1


def merged(events: Iterable[ProgressEvent]) -> list[ProgressEvent]:
    """The same story with fewer lines: consecutive progress of one stage becomes its last event.

    That event covers the numbers ``first_seq..seq`` of its run. All other kinds stay as they are. Merging what is
    merged already, with more behind it, gives the same as merging everything at once.
    """
    told: list[ProgressEvent] = []
    for event in events:
        if told and _goes_on(told[-1], event):
            told[-1] = replace(event, first_seq=told[-1].first_seq)
        else:
            told.append(event)
    return told


def _goes_on(earlier: ProgressEvent, later: ProgressEvent) -> bool:
    is_progress = earlier.kind is EventKind.PROGRESS and later.kind is EventKind.PROGRESS
    return is_progress and earlier.progress.stage is later.progress.stage


def demand_number(job: ImportJob, after: int) -> None:
    """Refuse with ``BadUserInput`` what is no number of an import's journal, and not 0 either (R20)."""
    if not 0 <= after <= job.last_seq:
        raise refuse(ErrorCode.BAD_USER_INPUT, f"after must be between 0 and {job.last_seq}.", "after")


class Follower:
    """Streams of progress events for this process's watchers."""

    def __init__(self, store: Store, bell: Bell, courtesy: Courtesy, observer: Observer = NOBODY) -> None:
        self._store = store
        self._bell = bell
        self._courtesy = courtesy
        self._observer = observer
        self._tails: dict[tuple[TenantId, ImportId], _Tail] = {}

    @property
    def tail_count(self) -> int:
        """How many imports are watched here now."""
        return len(self._tails)

    async def follow(
        self, tenant_id: TenantId, import_id: ImportId, *, after: int = 0
    ) -> AsyncGenerator[ProgressEvent, None]:
        """Every event after the number ``after``, past and coming, until the final one.

        An event's ``first_seq`` is always one more than the ``seq`` before it. A watcher that takes its time gets
        progress merged, never a milestone. Close the generator (``contextlib.aclosing``) to stop watching.

        Raises:
            Refusal: ``NOT_FOUND`` when the tenant has no such import, ``BAD_USER_INPUT`` when ``after`` is no
                number of its journal.
            UnavailableError: the journal cannot be read at the beginning; later it is tried again, quietly.
        """
        journal = _Journal(self._store, tenant_id, import_id)
        last = await journal.last_number(after)
        if last is None:
            return
        tail = self._tail_of(journal, last)
        watcher = _Watcher(tail, after)
        tail.watchers.add(watcher)
        try:
            while events := await watcher.next_events():
                for event in events:
                    if event.seq > last:
                        self._observer.passed_on(event)
                        self._courtesy.told()
                    yield event
                    if event.is_final:
                        return
        finally:
            tail.watchers.discard(watcher)
            if not tail.watchers:
                await self._close_tail(tail)

    def _tail_of(self, journal: _Journal, last: int) -> _Tail:
        key = (journal.tenant_id, journal.import_id)
        tail = self._tails.get(key)
        if tail is None or tail.pump.done():
            tail = self._tails[key] = _Tail(journal, self._bell, last)
        return tail

    async def _close_tail(self, tail: _Tail) -> None:
        key = (tail.journal.tenant_id, tail.journal.import_id)
        if self._tails.get(key) is tail:
            del self._tails[key]
        tail.pump.cancel()
        await asyncio.wait([tail.pump])


@dataclass(frozen=True, slots=True)
class _Journal:
    """The stored events of one import. No unit is open when a method has returned."""

    store: Store
    tenant_id: TenantId
    import_id: ImportId

    async def last_number(self, after: int) -> int | None:
        """The last number written, or ``None`` when all is over and nothing follows ``after``."""
        async with self.store.view(self.tenant_id) as unit:
            job = await unit.imports.job(self.import_id)
        if job is None:
            raise refuse(ErrorCode.NOT_FOUND, "There is no such import.", "importId")
        demand_number(job, after)
        return None if job.state.is_final and after == job.last_seq else job.last_seq

    async def page(self, after: int) -> list[ProgressEvent]:
        """The next events; waits as long as the store cannot answer."""
        pause = FIRST_PAUSE_SECONDS
        while True:
            try:
                async with self.store.view(self.tenant_id) as unit:
                    return await unit.imports.events(self.import_id, after=after, limit=PAGE_SIZE)
            except UnavailableError:
                await asyncio.sleep(pause)
                pause = min(pause * 2, POLL_SECONDS)

    async def replay(self, after: int, until: int) -> list[ProgressEvent]:
        """What lies between two numbers, merged; only one page is in memory unmerged."""
        told: list[ProgressEvent] = []
        while after < until:
            page = [event for event in await self.page(after) if event.seq <= until]
            if not page:
                raise RuntimeError(f"the journal of {self.import_id} lacks events after {after}")
            told[-1:] = merged([*told[-1:], *page])
            after = page[-1].seq
        return told


@dataclass(slots=True, eq=False)
class _Link:
    """New events after the number ``after``, once there are some, and then where it goes on."""

    after: int
    events: tuple[ProgressEvent, ...] = ()
    onward: _Link | None = None
    settled: asyncio.Event = field(default_factory=asyncio.Event)


class _Tail:
    """What this process reads of one import: the end of a chain, and the task that makes it longer."""

    def __init__(self, journal: _Journal, bell: Bell, last: int) -> None:
        self.journal = journal
        self.watchers: set[_Watcher] = set()
        self.end = _Link(last)
        self._bell = bell
        self.pump = asyncio.create_task(self._read_on())
        self.pump.add_done_callback(self._release)

    async def _read_on(self) -> None:
        async with self._bell.listen(self.journal.import_id) as rung:
            while True:
                page = await self.journal.page(self.end.after)
                if page:
                    self._extend(page)
                    if page[-1].is_final:
                        return
                if len(page) < PAGE_SIZE:
                    await rung.wait(POLL_SECONDS)

    def _extend(self, page: list[ProgressEvent]) -> None:
        filled, self.end = self.end, _Link(page[-1].seq)
        filled.events, filled.onward = tuple(page), self.end
        filled.settled.set()
        for watcher in self.watchers:
            watcher.let_go_before(self.end.after - HELD_EVENTS)

    def _release(self, pump: asyncio.Task[None]) -> None:
        """Nothing more will come: those who wait learn it from the task itself."""
        self.end.settled.set()
        if not pump.cancelled():
            pump.exception()  # asked for, so that nobody reports it as never looked at


class _Watcher:
    """One stream's place: the last number it was given, and the link to go on from, unless it lost its hold."""

    def __init__(self, tail: _Tail, after: int) -> None:
        self._tail = tail
        self._seen = after
        self._link: _Link | None = tail.end

    async def next_events(self) -> list[ProgressEvent]:
        """What there is by now, merged; nothing at all only when there will never be anything."""
        events: list[ProgressEvent] = []
        while not events:
            link = self._link = self._link or self._tail.end
            if self._seen < link.after:
                events = await self._tail.journal.replay(self._seen, link.after)
            else:
                await link.settled.wait()
                if link.onward is None:
                    self._tail.pump.result()  # raises what ended it early
                    return []
                events = self._pulled(link)
        self._seen = events[-1].seq
        return events

    def let_go_before(self, number: int) -> None:
        """Do not hold the chain any longer if the place on it is before ``number``."""
        if self._link is not None and self._link.after < number:
            self._link = None

    def _pulled(self, link: _Link) -> list[ProgressEvent]:
        """Go along the chain to its end. A tail may lag behind the number a watcher came with: skip up to that."""
        passed: list[ProgressEvent] = []
        while link.onward is not None:
            passed += [event for event in link.events if event.seq > self._seen]
            link = link.onward
        self._link = link
        return merged(passed)
