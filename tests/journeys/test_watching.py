"""Watching imports: each is shown as it begins, changes its state and ends, to those who may see it."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, aclosing, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass

import pytest

from domain import watching
from domain.access import PLATFORM, Right
from domain.errors import ErrorCode, Refusal
from domain.import_model import ImportState
from domain.options import Decision
from domain.ports import IMPORTS, Store, UnavailableError
from storage.batches import SqlBatches
from tests.journeys.inside import ACME, GLOBEX, SKIP, a_caller
from tests.makers import a_bundle, a_suite, an_entity

SMALL = a_bundle(*a_suite())
QUEUED, RUNNING, CANCELLING = ImportState.QUEUED, ImportState.RUNNING, ImportState.CANCELLING
WAITING, SUCCEEDED = ImportState.WAITING_FOR_DECISIONS, ImportState.SUCCEEDED
SECONDS = 10


class Watcher:
    """Somebody who watches, and looks only when asked to."""

    def __init__(self, changes):
        self._changes = changes
        self._next = asyncio.ensure_future(anext(changes))

    async def next(self):
        async with asyncio.timeout(SECONDS):
            job = await self._next
        self._next = asyncio.ensure_future(anext(self._changes))
        return job

    async def state(self):
        return (await self.next()).shown_state

    async def leave(self):
        self._next.cancel()
        with suppress(asyncio.CancelledError):
            await self._next
        await self._changes.aclose()


@asynccontextmanager
async def a_watcher(inside, reach=None, caller=None):
    """A watcher who misses nothing from here on."""
    count = inside.services.watching.watcher_count
    watcher = Watcher(inside.services.watching.changes(caller or inside.caller, reach))
    async with asyncio.timeout(SECONDS):
        while inside.services.watching.watcher_count == count:
            await asyncio.sleep(0.01)
    yield watcher
    await watcher.leave()


async def test_an_import_is_shown_as_it_begins_runs_and_ends(inside):
    async with a_watcher(inside) as watcher:
        job = await inside.submit(GLOBEX, SMALL)
        first = await watcher.next()
        claimed = await inside.claim()
        states = [await watcher.state()]
        await inside.services.importer.run(claimed)
        states.append(await watcher.state())

    assert first == job
    assert states == [RUNNING, SUCCEEDED]


async def test_a_request_to_stop_is_shown(inside):
    submitted = await inside.submit(GLOBEX, SMALL)
    await inside.claim()

    async with a_watcher(inside) as watcher:
        await inside.services.line.cancel(inside.caller, submitted.import_id, None)
        state = await watcher.state()

    assert state is CANCELLING


async def test_dry_runs_are_shown_too(inside):
    async with a_watcher(inside) as watcher:
        await inside.submit(GLOBEX, SMALL, dry_run=True)

        assert (await watcher.next()).options.dry_run


async def test_what_happened_before_is_not_shown(inside):
    await inside.bring(GLOBEX, SMALL)
    await inside.submit(ACME, SMALL)

    async with a_watcher(inside) as watcher:
        later = await inside.submit(GLOBEX, SMALL)

        assert (await watcher.next()).import_id == later.import_id


async def test_an_import_that_pauses_a_second_time_is_shown_again(inside):
    await inside.save(GLOBEX, an_entity("ent-1", "hours", name="EntitySchema 44"))
    paused = await inside.bring(GLOBEX, SMALL)

    async with a_watcher(inside) as watcher:
        waits = paused.outcome["conflictReport"]["conflicts"][0]["conflictId"]
        await inside.services.line.resume(inside.caller, paused.import_id, None, {})
        await inside.run_next()
        states = [await watcher.state()]
        while states[-1] is not WAITING:
            states.append(await watcher.state())
        await inside.services.line.resume(inside.caller, paused.import_id, None, {waits: Decision(SKIP)})
        states.append(await watcher.state())

    assert states[-2:] == [WAITING, QUEUED]


async def test_watching_does_not_show_other_tenants(inside):
    stranger = a_caller("otto", tenants=frozenset({ACME}), scopes=frozenset({"installhub:read"}))

    async with a_watcher(inside, stranger.reach, stranger) as watcher:
        await inside.bring(GLOBEX, SMALL)
        mine = await inside.submit(ACME, SMALL)

        assert (await watcher.next()).import_id == mine.import_id


async def test_who_may_not_read_imports_may_not_watch_them(inside):
    stranger = a_caller("otto", scopes=frozenset({"installhub:artifacts", PLATFORM}))

    with pytest.raises(Refusal) as refused:
        inside.services.watching.changes(stranger, None)

    assert refused.value.code is ErrorCode.INSUFFICIENT_PERMISSION
    assert refused.value.details == {"required": Right.READ_IMPORTS.scopes[0]}


async def test_a_watcher_who_takes_its_time_is_shown_how_things_stand(inside):
    async with a_watcher(inside) as watcher:
        for _ in range(3):
            await inside.bring(GLOBEX, SMALL, default_strategy=SKIP)
        shown = [await watcher.next() for _ in range(3)]
        last = await inside.submit(GLOBEX, SMALL)
        while shown[-1].import_id != last.import_id:
            shown.append(await watcher.next())

    ended = {job.import_id for job in shown if job.state is SUCCEEDED}
    assert len(ended) == 3
    assert [job.import_id for job in shown].count(last.import_id) == 1


@pytest.mark.parametrize("moments", range(0, 40, 3))
async def test_a_watcher_who_goes_away_at_any_moment_leaves_nothing_behind(inside, moments):
    changes = inside.services.watching.changes(inside.caller, None)
    # reading it opens the connection: one that is still being made would outlive this test's loop
    await inside.job((await inside.submit(GLOBEX, SMALL)).import_id)

    async with aclosing(changes):
        first = asyncio.ensure_future(anext(changes))
        for _ in range(moments):
            await asyncio.sleep(0)
        first.cancel()
        await asyncio.wait([first])

    assert inside.services.watching.watcher_count == 0
    assert inside.bell.listener_count == 0


async def test_many_watchers_come_and_go_and_nothing_is_left(inside):
    for _ in range(20):
        async with a_watcher(inside), a_watcher(inside, frozenset({ACME})):
            assert inside.bell.listener_count == 2

    assert (inside.services.watching.watcher_count, inside.bell.listener_count) == (0, 0)


async def test_a_lost_ring_costs_no_more_than_the_poll(inside, monkeypatch):
    monkeypatch.setattr(watching, "POLL_SECONDS", 0.05)

    async with a_watcher(inside) as watcher:
        monkeypatch.setattr(inside.bell, "ring", lambda _: None)
        job = await inside.submit(GLOBEX, SMALL)

        assert (await watcher.next()).import_id == job.import_id


@dataclass(slots=True)
class Failing:
    """A store that cannot answer for a while."""

    store: Store
    troubles: int = 0

    def platform_view(self):
        if self.troubles:
            self.troubles -= 1
            raise UnavailableError("gone for a moment")
        return self.store.platform_view()


async def test_a_store_that_cannot_answer_for_a_while_is_asked_again(inside):
    store = Failing(inside.sql)
    inside.services.watching._store = store

    async with a_watcher(inside) as watcher:
        store.troubles = 2
        job = await inside.submit(GLOBEX, SMALL)
        shown = await watcher.next()

    assert (shown.import_id, store.troubles) == (job.import_id, 0)


@contextmanager
def looks():
    """The reaches that the store is asked for meanwhile, each time that it is."""
    asked, whole = [], SqlBatches.standing

    async def standing(self, reach, **wanted):
        asked.append(reach)
        return await whole(self, reach, **wanted)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(SqlBatches, "standing", standing)
        yield asked


async def test_many_watchers_of_one_reach_who_are_woken_together_ask_the_store_once(inside):
    mine = frozenset({GLOBEX})
    async with AsyncExitStack() as entered:
        watchers = [await entered.enter_async_context(a_watcher(inside, mine)) for _ in range(20)]
        others = await entered.enter_async_context(a_watcher(inside))
        with looks() as asked:
            job = await inside.submit(GLOBEX, SMALL)
            shown = [await watcher.next() for watcher in [*watchers, others]]

    assert [one.import_id for one in shown] == [job.import_id] * 21
    assert (asked.count(mine), asked.count(None)) == (1, 1)


async def test_a_watcher_who_goes_away_while_it_asks_for_others_leaves_them_nothing_to_miss(inside):
    async with a_watcher(inside) as stays:
        async with a_watcher(inside):
            inside.bell.ring([IMPORTS])
            await asyncio.sleep(0)
        job = await inside.submit(GLOBEX, SMALL)

        assert (await stays.next()).import_id == job.import_id


async def test_an_import_that_ended_long_ago_is_not_shown_again(inside):
    await inside.bring(GLOBEX, SMALL)
    async with a_watcher(inside) as watcher:
        for _ in range(8):
            inside.clock.advance(watching.OVERLAP / 3)
            job = await inside.submit(GLOBEX, SMALL, dry_run=True)

            assert (await watcher.next()).import_id == job.import_id


async def test_a_bell_without_news_shows_nothing(inside):
    async with a_watcher(inside) as watcher:
        inside.bell.ring([IMPORTS])
        job = await inside.submit(GLOBEX, SMALL)

        assert (await watcher.next()).import_id == job.import_id
