"""Doing what is due: what fails keeps nothing else waiting, and is told of."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from domain.ports import UnavailableError
from domain.tending import tend


class Work:
    """Numbers that are due; ``fails`` says what becomes of one, if it fails."""

    def __init__(self, count: int, fails: Callable[[int], Exception | None]) -> None:
        self.waiting = [*range(count)]
        self.tried: list[int] = []
        self._fails = fails

    async def due(self, most: int) -> list[int]:
        return self.waiting[:most]

    async def deed(self, number: int) -> bool:
        self.tried.append(number)
        if (trouble := self._fails(number)) is not None:
            raise trouble
        self.waiting.remove(number)
        return True


async def test_all_that_is_due_is_done_however_much_there_is():
    work = Work(120, lambda _number: None)

    assert (await tend(work.due, work.deed), work.waiting) == (120, [])


async def test_what_fails_keeps_nothing_else_waiting_is_tried_once_and_a_bug_is_told_before_an_outage():
    bug = ZeroDivisionError()
    work = Work(120, {0: UnavailableError(), 51: bug}.get)

    with pytest.raises(ZeroDivisionError) as told:
        await tend(work.due, work.deed)

    assert told.value is bug
    assert (work.waiting, sorted(work.tried)) == ([0, 51], [*range(120)])


async def test_where_so_many_fail_no_more_are_tried():
    work = Work(120, lambda _number: UnavailableError())

    with pytest.raises(UnavailableError):
        await tend(work.due, work.deed)

    assert len(work.tried) == 20


async def test_what_somebody_else_does_meanwhile_is_not_waited_for():
    async def due(most: int) -> list[int]:
        return [1, 2, 3][:most]

    async def deed(_number: int) -> bool:
        return False

    assert await tend(due, deed) == 0
