"""Limits: all windows or none, and how long to wait."""

from __future__ import annotations

import asyncio
from contextlib import aclosing

import pytest

from storage.limiter import MemoryLimiter
from storage.valkey import SharedLimiter
from storage.valkey_place import valkey_place


@pytest.fixture(params=["memory", pytest.param("valkey", marks=pytest.mark.valkey)])
async def limiter(request):
    """What counts, once in this process and once in a Valkey."""
    if request.param == "memory":
        yield MemoryLimiter()
        return
    place = valkey_place(f"valkey://127.0.0.1:{request.getfixturevalue('valkey')}")
    async with aclosing(SharedLimiter(place, patience=10)) as made:
        await made._valkey.flushdb()
        yield made
        assert not made.is_away


async def test_a_window_lets_through_its_limit_and_no_more(limiter):
    answers = [await limiter.take([("user:anna", 3, 60)]) for _ in range(5)]

    assert answers == [0, 0, 0, 60, 60]


async def test_at_the_same_moment_no_more_than_the_limit_get_through(limiter):
    answers = await asyncio.gather(*[limiter.take([("user:anna", 5, 60), ("tenant:t1", 8, 60)]) for _ in range(20)])

    assert answers.count(0) == 5


async def test_a_full_window_charges_none_of_the_others(limiter):
    await limiter.take([("tenant:t1", 1, 60)])

    refused = [await limiter.take([("user:anna", 2, 60), ("tenant:t1", 1, 60)]) for _ in range(4)]

    assert all(refused)
    assert [await limiter.take([("user:anna", 2, 60)]) for _ in range(3)] == [0, 0, 60]


@pytest.mark.parametrize("order", [1, -1])
async def test_the_wait_is_that_of_the_later_window(limiter, order):
    windows = [("user:anna", 1, 30), ("tenant:t1", 1, 90)][::order]
    await limiter.take(windows)

    assert await limiter.take(windows) == 90


async def test_what_is_left_of_a_window_is_told_and_not_charged(limiter):
    before = [await limiter.left(("tenant:t1", 2, 60)) for _ in range(3)]
    await limiter.take([("tenant:t1", 2, 60)])
    after = await limiter.left(("tenant:t1", 2, 60))
    await limiter.take([("tenant:t1", 2, 60)])

    assert (before, after, await limiter.left(("tenant:t1", 2, 60))) == ([2, 2, 2], 1, 0)


async def test_keys_do_not_touch_each_other(limiter):
    await limiter.take([("user:anna", 1, 60)])

    assert await limiter.take([("user:ben", 1, 60)]) == 0


async def test_after_the_wait_there_is_room_again(limiter):
    await limiter.take([("user:anna", 1, 1)])
    wait = await limiter.take([("user:anna", 1, 1)])

    await asyncio.sleep(wait + 0.01)

    assert wait == 1
    assert await limiter.take([("user:anna", 1, 1)]) == 0


async def test_windows_nobody_charges_any_more_are_forgotten():
    seconds = 0.0
    limiter = MemoryLimiter(lambda: seconds)
    for number in range(3000):
        seconds += 1
        await limiter.take([(f"user:{number}", 1, 60)])

    assert len(limiter._charged) < 1200
    assert await limiter.take([("user:2999", 1, 60)]) == 60
    assert await limiter.take([("user:2000", 1, 60)]) == 0


async def test_without_windows_nothing_is_limited(limiter):
    assert await limiter.take([]) == 0


async def test_a_limit_of_nothing_lets_nothing_through(limiter):
    assert await limiter.take([("user:anna", 0, 60)]) == 60


async def test_a_caller_that_goes_away_charges_all_windows_or_none(limiter):
    windows = [("user:anna", 1, 60), ("tenant:t1", 1, 60)]

    gone = asyncio.create_task(limiter.take(windows))
    await asyncio.sleep(0)
    gone.cancel()
    await asyncio.wait([gone])
    await asyncio.sleep(0.05)

    assert [await limiter.take([window]) for window in windows] in ([0, 0], [60, 60])
