"""Following: every event once and in order, read once for all watchers, and nothing left when they go."""

from __future__ import annotations

import asyncio
import gc
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace
from itertools import pairwise
from types import SimpleNamespace
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain import following
from domain.courtesy import Courtesy
from domain.errors import ErrorCode, Refusal
from domain.following import Follower, merged
from domain.import_model import EventKind, ImportState, Progress, ProgressEvent, Stage
from domain.model import ImportId, TenantId
from domain.ports import Store, UnavailableError
from storage.bells import LocalBell
from tests.clocks import NOON

TENANT = TenantId("t1")
IMPORT = ImportId("import-1")


def an_event(seq: int, kind: EventKind = EventKind.PROGRESS, stage: Stage = Stage.INSTALLATION) -> ProgressEvent:
    state = ImportState.SUCCEEDED if kind is EventKind.ENDED else ImportState.RUNNING
    return ProgressEvent(IMPORT, seq, seq, NOON, kind, state, Progress(stage, seq, 100, float(seq)), "")


class Journal:
    """The journal of one import in memory: as much of a store as following reads."""

    def __init__(self, *kinds: EventKind) -> None:
        self.bell = LocalBell()
        self.events: list[ProgressEvent] = []
        self.reads = 0
        self.open_units = 0
        self.trouble: Exception | None = None
        self.write(*kinds)

    def write(self, *kinds: EventKind, ringing: bool = True) -> None:
        for kind in kinds:
            self.events.append(an_event(len(self.events) + 1, kind))
        if ringing:
            self.bell.ring([IMPORT])

    @asynccontextmanager
    async def view(self, tenant_id):
        assert tenant_id == TENANT
        self.open_units += 1
        try:
            yield SimpleNamespace(imports=SimpleNamespace(events=self._page, job=self._job))
        finally:
            self.open_units -= 1

    async def _job(self, import_id):
        await asyncio.sleep(0)
        if import_id != IMPORT or not self.events:
            return None
        return SimpleNamespace(last_seq=len(self.events), state=self.events[-1].state)

    async def _page(self, import_id, *, after, limit):
        assert import_id == IMPORT
        self.reads += 1
        await asyncio.sleep(0)
        if self.trouble:
            raise self.trouble
        # rows are made anew at each read, as a database would
        return [replace(event) for event in self.events[after : after + limit]]


P, ENDED = EventKind.PROGRESS, EventKind.ENDED
STORY = (EventKind.QUEUED, EventKind.STAGE_STARTED, P, P, P, EventKind.PROBLEM_FOUND, P, P, EventKind.STAGE_ENDED)


def a_follower(journal: Journal) -> Follower:
    return Follower(cast("Store", journal), journal.bell, Courtesy())


def numbers(events):
    return [(event.first_seq, event.seq) for event in events]


async def heard(follower: Follower, after: int = 0) -> list[ProgressEvent]:
    return [event async for event in follower.follow(TENANT, IMPORT, after=after)]


@given(st.lists(st.tuples(st.sampled_from(EventKind), st.sampled_from(Stage))), st.data())
def test_merging_keeps_every_number_and_every_milestone(lines, data):
    events = [an_event(seq, kind, stage) for seq, (kind, stage) in enumerate(lines, start=1)]
    cut = data.draw(st.integers(0, len(events)))

    told = merged(events)

    covered = [number for event in told for number in range(event.first_seq, event.seq + 1)]
    assert covered == list(range(1, len(events) + 1))
    assert [event for event in told if event.kind is not P] == [event for event in events if event.kind is not P]
    assert all(replace(event, first_seq=event.seq) == events[event.seq - 1] for event in told)
    assert not any(
        (one.kind, two.kind) == (P, P) and one.progress.stage is two.progress.stage for one, two in pairwise(told)
    )
    assert merged([*merged(events[:cut]), *events[cut:]]) == told


@pytest.mark.parametrize(
    ("after", "expected"),
    [
        (0, [(1, 1), (2, 2), (3, 5), (6, 6), (7, 8), (9, 9), (10, 10)]),
        (4, [(5, 5), (6, 6), (7, 8), (9, 9), (10, 10)]),
        (9, [(10, 10)]),
        (10, []),
    ],
)
async def test_an_import_that_is_over_is_replayed_merged_to_its_end(after, expected):
    journal = Journal(*STORY, ENDED)
    follower = a_follower(journal)

    assert numbers(await heard(follower, after)) == expected
    assert (follower.tail_count, journal.bell.listener_count) == (0, 0)


async def test_a_long_journal_is_merged_across_its_pages():
    journal = Journal(EventKind.QUEUED, *[P] * 2500, ENDED)

    assert numbers(await heard(a_follower(journal))) == [(1, 1), (2, 2501), (2502, 2502)]


async def test_work_in_threads_stands_aside_for_watchers_who_are_told_what_comes():
    journal = Journal(*STORY[:3])
    breaths: list[float] = []
    courtesy = Courtesy(monotonic=lambda: float(len(breaths)) / 1_000, sleep=breaths.append)
    follower = Follower(cast("Store", journal), journal.bell, courtesy)

    async with aclosing(follower.follow(TENANT, IMPORT)) as events:
        for _ in STORY[:3]:
            await anext(events)
            courtesy.give_way()
        replayed = len(breaths)
        journal.write(ENDED)
        await anext(events)
        courtesy.give_way()

    assert (replayed, len(breaths)) == (0, 1)


async def test_coming_events_follow_past_ones():
    journal = Journal(*STORY[:3])
    follower = a_follower(journal)
    watching = asyncio.create_task(heard(follower))

    for kind in (*STORY[3:], ENDED):
        await asyncio.sleep(0.005)
        journal.write(kind)

    assert numbers(await watching) == [(1, 1), (2, 2), *((number, number) for number in range(3, 11))]


@pytest.mark.parametrize("after", [-1, -(10**30), 4, 2**31, 10**400])
async def test_a_number_the_journal_does_not_have_is_refused(after):
    journal = Journal(*STORY[:3])
    follower = a_follower(journal)

    with pytest.raises(Refusal) as refused:
        await heard(follower, after)

    assert (refused.value.code, refused.value.problems[0].where) == (ErrorCode.BAD_USER_INPUT, "after")
    assert follower.tail_count == 0


async def test_an_unknown_import_is_not_found():
    journal = Journal(*STORY)
    follower = a_follower(journal)

    with pytest.raises(Refusal) as refused:
        await anext(follower.follow(TENANT, ImportId("import-2")))

    assert refused.value.code is ErrorCode.NOT_FOUND


async def test_many_watchers_from_many_places_are_told_everything_by_one_reader():
    journal = Journal(*STORY)
    follower = a_follower(journal)
    watching = [asyncio.create_task(heard(follower, after)) for after in (0, 3, 9) for _ in range(30)]
    await asyncio.sleep(0.05)
    counts = (follower.tail_count, journal.bell.listener_count)
    reads_before = journal.reads

    for _ in range(20):
        journal.write(P)
        await asyncio.sleep(0.002)
    journal.write(ENDED)
    stories = await asyncio.gather(*watching)

    assert counts == (1, 1)
    assert journal.reads - reads_before <= 21
    for after, story in zip([0] * 30 + [3] * 30 + [9] * 30, stories, strict=True):
        edges = [after, *(event.seq for event in story)]
        assert [event.first_seq for event in story] == [edge + 1 for edge in edges[:-1]]
        assert (edges[-1], story[-1].is_final) == (30, True)
    assert (follower.tail_count, journal.bell.listener_count) == (0, 0)


async def test_a_slow_watcher_gets_what_came_meanwhile_merged():
    journal = Journal(EventKind.QUEUED)
    follower = a_follower(journal)

    async with aclosing(follower.follow(TENANT, IMPORT)) as stream:
        first = await anext(stream)
        for kind in (P, P, P, EventKind.WAITING, P, P, ENDED):
            journal.write(kind)
            await asyncio.sleep(0.002)
        rest = [event async for event in stream]

    assert numbers([first, *rest]) == [(1, 1), (2, 4), (5, 5), (6, 7), (8, 8)]


async def test_a_watcher_far_behind_holds_no_memory_and_misses_nothing():
    journal = Journal(EventKind.QUEUED)
    follower = a_follower(journal)

    async with aclosing(follower.follow(TENANT, IMPORT)) as stream:
        await anext(stream)
        for _ in range(30):
            journal.write(*[P] * 200)
            await asyncio.sleep(0.002)
        journal.events, kept = journal.events[:0], journal.events
        gc.collect()
        held = sum(isinstance(thing, ProgressEvent) for thing in gc.get_objects()) - len(kept)
        journal.events = kept
        journal.write(ENDED)
        rest = [event async for event in stream]

    assert held < following.HELD_EVENTS + 500
    assert (rest[0].first_seq, rest[-1].seq, rest[-1].is_final) == (2, 6002, True)
    assert all(later.first_seq == earlier.seq + 1 for earlier, later in pairwise(rest))


async def test_a_lost_ring_costs_no_more_than_the_poll():
    journal = Journal(*STORY)
    watching = asyncio.create_task(heard(a_follower(journal), 9))
    await asyncio.sleep(0.03)

    journal.write(ENDED, ringing=False)

    assert numbers(await asyncio.wait_for(watching, 2 * following.POLL_SECONDS)) == [(10, 10)]


@pytest.mark.parametrize("moments", range(8))
async def test_a_watcher_that_goes_away_leaves_nothing_behind(moments):
    journal = Journal(*STORY)
    follower = a_follower(journal)
    staying = asyncio.create_task(heard(follower))
    leaving = asyncio.create_task(heard(follower))

    for _ in range(moments):
        await asyncio.sleep(0)
    leaving.cancel()
    await asyncio.wait([leaving])
    await asyncio.sleep(0.01)
    with_one = (follower.tail_count, journal.bell.listener_count)
    staying.cancel()
    await asyncio.wait([staying])

    assert with_one == (1, 1)
    assert (follower.tail_count, journal.bell.listener_count, journal.open_units) == (0, 0, 0)


async def test_no_unit_is_open_while_a_watcher_thinks():
    journal = Journal(*STORY)

    async with aclosing(a_follower(journal).follow(TENANT, IMPORT)) as stream:
        async for event in stream:
            await asyncio.sleep(0.005)
            assert journal.open_units == 0
            if event.seq == 9:
                break


async def test_a_store_that_cannot_answer_for_a_while_is_asked_again():
    journal = Journal(*STORY)
    watching = asyncio.create_task(heard(a_follower(journal), 9))
    await asyncio.sleep(0.01)

    journal.trouble = UnavailableError()
    journal.write(ENDED)
    await asyncio.sleep(0.15)
    journal.trouble = None

    assert numbers(await asyncio.wait_for(watching, 2)) == [(10, 10)]


async def test_any_other_trouble_reaches_every_watcher_and_is_over_for_the_next_one():
    journal = Journal(*STORY)
    follower = a_follower(journal)
    watching = [asyncio.create_task(heard(follower, 9)) for _ in range(3)]
    await asyncio.sleep(0.01)

    journal.trouble = ZeroDivisionError("a bug")
    journal.write(P)
    told = await asyncio.gather(*watching, return_exceptions=True)
    journal.trouble = None
    journal.write(ENDED)

    assert [type(trouble) for trouble in told] == [ZeroDivisionError] * 3
    assert numbers(await heard(follower, 9)) == [(10, 10), (11, 11)]
    assert (follower.tail_count, journal.bell.listener_count) == (0, 0)
