"""When a server looks for garbage: behind an answer, and not in the middle of one."""

from __future__ import annotations

import gc

import pytest

from server import memory
from server.memory import TidiedAfterwards

ENOUGH = 3_000


@pytest.fixture(autouse=True)
def no_looks_of_its_own():
    before = gc.get_threshold()
    gc.collect()
    gc.set_threshold(1_000_000, 5, 200)
    yield
    gc.set_threshold(*before)


def looks():
    return [generation["collections"] for generation in gc.get_stats()]


async def answered(objects, *, kind="http"):
    """How often it was looked before an answer was there, and behind it."""
    kept: list[list[object]] = []
    within: list[list[int]] = []

    async def app(scope, receive, send):
        kept.extend([] for _ in range(objects))
        within.append(looks())

    async def nothing(_=None):
        return {}

    before = looks()
    await TidiedAfterwards(app)({"type": kind}, nothing, nothing)
    after = looks()
    return [[b - a for a, b in zip(x, y, strict=True)] for x, y in ((before, within[0]), (within[0], after))]


async def test_many_new_objects_are_looked_at_behind_the_answer_that_made_them():
    assert await answered(ENOUGH) == [[0, 0, 0], [1, 0, 0]]


async def test_few_new_objects_are_not_worth_a_look():
    assert await answered(10) == [[0, 0, 0], [0, 0, 0]]


async def test_what_several_looks_left_is_looked_at_again():
    told = [await answered(ENOUGH) for _ in range(6)]

    assert [behind for _, behind in told] == [[1, 0, 0]] * 5 + [[0, 1, 0]]


async def test_what_was_left_again_and_again_is_looked_at_in_the_end(monkeypatch):
    monkeypatch.setattr(memory, "_OLD", 3)

    told = [await answered(ENOUGH) for _ in range(25)]

    assert [behind for _, behind in told].count([0, 0, 1]) == 1


async def test_the_end_of_a_process_is_no_answer():
    assert await answered(ENOUGH, kind="lifespan") == [[0, 0, 0], [0, 0, 0]]
