"""What keeps others waiting for long begins right behind one of them."""

from __future__ import annotations

import asyncio
import time

import pytest

from domain.ports import Turn
from storage import one_writer
from storage.one_writer import OneWriter

#: no machine stands still for so long
PATIENT, IMPATIENT = 30.0, 0.02


class Clock:
    """Moves on when it is told to."""

    def __init__(self):
        self.now = 100.0

    def monotonic(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture(autouse=True)
def _patience(monkeypatch):
    monkeypatch.setattr(one_writer, "PATIENCE_SECONDS", PATIENT)


@pytest.fixture
def impatient(monkeypatch):
    monkeypatch.setattr(one_writer, "PATIENCE_SECONDS", IMPATIENT)


@pytest.fixture
def writer(clock):
    return OneWriter(clock.monotonic)


async def writes(writer, kind, *, done=None, name=""):
    async with writer.turn(kind):
        if done is not None:
            done.append(name)


async def often(writer, clock, kind=Turn.ASKED):
    """Somebody has written three times in a row, and not in this very moment."""
    for _ in range(3):
        await writes(writer, kind)
    clock.now += 0.01


async def has_begun(writing):
    """Whether it comes to its end without anybody's help, and before its patience ends."""
    return bool((await asyncio.wait([writing], timeout=PATIENT / 3))[0])


async def waits(writing):
    """Whether it does not, as far as can be seen in a moment."""
    for _ in range(20):
        await asyncio.sleep(0)
    return not writing.done()


async def test_a_long_turn_begins_at_once_where_nobody_writes(writer):
    assert await has_begun(asyncio.create_task(writes(writer, Turn.LONG)))


async def test_a_long_turn_begins_at_once_where_somebody_has_written_only_now_and_then(writer, clock):
    for _ in range(9):
        await writes(writer, Turn.ASKED)
        clock.now += 0.06

    assert await has_begun(asyncio.create_task(writes(writer, Turn.LONG)))


async def test_a_long_turn_goes_right_behind_the_next_who_writes(writer, clock):
    done: list[str] = []
    await often(writer, clock)

    long = asyncio.create_task(writes(writer, Turn.LONG, done=done, name="long"))
    waited = await waits(long)
    await writes(writer, Turn.ASKED, done=done, name="short")

    assert waited
    assert await has_begun(long)
    assert done == ["short", "long"]


async def test_a_long_turn_begins_at_once_right_behind_somebody(writer, clock):
    await often(writer, clock)
    await writes(writer, Turn.ASKED)

    assert await has_begun(asyncio.create_task(writes(writer, Turn.LONG)))


async def test_a_long_turn_goes_behind_whoever_has_the_writer(writer, clock):
    await often(writer, clock)

    async with writer.turn(Turn.ASKED):
        long = asyncio.create_task(writes(writer, Turn.LONG))
        assert await waits(long)

    assert await has_begun(long)


async def test_a_long_turn_does_not_wait_for_long(writer, clock, impatient):
    await often(writer, clock)
    began = time.monotonic()

    await writes(writer, Turn.LONG)

    assert IMPATIENT * 0.9 < time.monotonic() - began < PATIENT


async def test_of_several_long_turns_one_goes_behind_each_of_the_others(writer, clock):
    done: list[str] = []
    await often(writer, clock)
    first, second = (asyncio.create_task(writes(writer, Turn.LONG, done=done, name=name)) for name in "ab")
    await asyncio.sleep(0)

    await writes(writer, Turn.ASKED, done=done, name="1")
    await first
    await writes(writer, Turn.ASKED, done=done, name="2")
    await second

    assert done == ["1", "a", "2", "b"]


@pytest.mark.parametrize("kind", [Turn.BRIEF, Turn.LONG])
async def test_long_work_does_not_wait_for_its_own_parts(writer, clock, kind):
    await often(writer, clock, kind)

    assert await has_begun(asyncio.create_task(writes(writer, Turn.LONG)))


@pytest.mark.parametrize("kind", [Turn.ASKED, Turn.BRIEF])
async def test_nothing_else_waits_for_whoever_may_come(writer, clock, kind):
    await often(writer, clock)

    assert await has_begun(asyncio.create_task(writes(writer, kind)))


async def test_who_is_cancelled_before_his_long_turn_is_not_waited_for(writer, clock):
    done: list[str] = []
    await often(writer, clock)
    gone, stays = (asyncio.create_task(writes(writer, Turn.LONG, done=done, name=name)) for name in "ab")
    await asyncio.sleep(0)
    gone.cancel()

    await writes(writer, Turn.ASKED, done=done, name="1")
    await asyncio.wait([gone])

    assert await has_begun(stays)
    assert done == ["1", "b"]


async def test_who_is_cancelled_right_behind_somebody_leaves_that_place_to_the_next(writer, clock):
    await often(writer, clock)
    gone, stays = (asyncio.create_task(writes(writer, Turn.LONG)) for _ in "ab")
    await asyncio.sleep(0)

    await writes(writer, Turn.ASKED)
    gone.cancel()
    await asyncio.wait([gone])

    assert gone.cancelled()
    assert await has_begun(stays)


async def test_whoever_did_not_come_is_not_waited_for_again(writer, clock, impatient, monkeypatch):
    await often(writer, clock)
    await writes(writer, Turn.LONG)
    monkeypatch.setattr(one_writer, "PATIENCE_SECONDS", PATIENT)

    assert await has_begun(asyncio.create_task(writes(writer, Turn.LONG)))


async def test_long_turns_that_come_together_do_not_keep_out_whoever_writes_again_and_again(writer, clock):
    done: list[str] = []
    await often(writer, clock)
    await writes(writer, Turn.ASKED)
    async with writer.turn(Turn.LONG):
        longs = [asyncio.create_task(writes(writer, Turn.LONG, done=done, name=name)) for name in "ab"]
        await asyncio.sleep(0)
        asked = [asyncio.create_task(writes(writer, Turn.ASKED, done=done, name=name)) for name in "12"]
        await asyncio.sleep(0)

    await asyncio.wait([*asked, longs[0]])
    await writes(writer, Turn.ASKED, done=done, name="3")
    await asyncio.wait(longs)

    assert done == ["1", "2", "a", "3", "b"]
