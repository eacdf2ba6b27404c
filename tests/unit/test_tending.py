"""Doing what is due: what fails keeps nothing else waiting, and is told of."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from domain.ports import UnavailableError
from domain.tending import Tending


class Work:
    """Numbers that are due; ``fails`` says what becomes of one, if it fails."""

    def __init__(self, count: int, fails: Callable[[int], Exception | None]) -> None:
        self.waiting = [*range(count)]
        self.tried: list[int] = []
        self.told: list[tuple[int, Exception]] = []
        self._fails = fails
        self._tending = Tending(self._due, self._deed, lambda *failed: self.told.append(failed))

    async def tend(self) -> int:
        return await self._tending.tend()

    async def _due(self, most: int) -> list[int]:
        return self.waiting[:most]

    async def _deed(self, number: int) -> bool:
        self.tried.append(number)
        if (trouble := self._fails(number)) is not None:
            raise trouble
        self.waiting.remove(number)
        return True


async def test_all_that_is_due_is_done_however_much_there_is():
    work = Work(120, lambda _number: None)

    assert (await work.tend(), work.waiting, work.told) == (120, [], [])


async def test_what_fails_keeps_nothing_else_waiting_is_tried_once_and_a_bug_is_told_before_an_outage():
    outage, bug = UnavailableError(), ZeroDivisionError()
    work = Work(120, {0: outage, 51: bug}.get)

    with pytest.raises(ZeroDivisionError) as raised:
        await work.tend()

    assert (raised.value, work.told) == (bug, [(0, outage), (51, bug)])
    assert (work.waiting, sorted(work.tried)) == ([0, 51], [*range(120)])


async def test_where_so_many_fail_no_more_are_tried_and_the_next_time_others_are():
    work = Work(120, lambda _number: UnavailableError())

    for _ in range(2):
        with pytest.raises(UnavailableError):
            await work.tend()

    assert work.tried == [*range(40)]


async def test_however_many_fail_always_the_others_have_their_turn():
    work = Work(120, lambda number: UnavailableError() if number < 70 else None)

    for _ in range(4):
        with pytest.raises(UnavailableError):
            await work.tend()

    assert work.waiting == [*range(70)]


async def test_what_failed_is_tried_again_when_nothing_else_is_left():
    broken = {3}
    work = Work(5, lambda number: UnavailableError() if number in broken else None)
    with pytest.raises(UnavailableError):
        await work.tend()

    broken.clear()

    assert (await work.tend(), work.waiting) == (1, [])


async def test_what_somebody_else_does_meanwhile_is_not_waited_for():
    async def due(most: int) -> list[int]:
        return [1, 2, 3][:most]

    async def deed(_number: int) -> bool:
        return False

    assert await Tending(due, deed, lambda *_failed: None).tend() == 0
