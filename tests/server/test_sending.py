"""Several places send what is due: only as many as it is worth, and a slow one keeps nobody waiting but itself."""

from __future__ import annotations

import asyncio

from server.sending import Sending

PLACES = 3


class Letters:
    """Letters that wait, and a receiver that reads each until it is told to let go."""

    def __init__(self, waiting: int) -> None:
        self.waiting = waiting
        self.looks: list[int] = []
        self.being_read = self.most_at_once = self.read = 0
        self.let_go = asyncio.Event()

    async def due(self, limit: int) -> int:
        self.looks.append(limit)
        return min(self.waiting, limit)

    async def send(self) -> None:
        while self.waiting:
            self.waiting -= 1
            self.being_read += 1
            self.most_at_once = max(self.most_at_once, self.being_read)
            await self.let_go.wait()
            self.being_read -= 1
            self.read += 1


async def settled() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


async def test_where_nothing_is_due_one_look_is_all():
    letters = Letters(0)

    async with asyncio.TaskGroup() as group:
        begun = await Sending(group, letters.due, letters.send, places=PLACES).begin()

    assert (begun, letters.looks, letters.read) == (0, [PLACES], 0)


async def test_no_more_places_send_than_there_is_something_for():
    letters = Letters(2)

    async with asyncio.TaskGroup() as group:
        begun = await Sending(group, letters.due, letters.send, places=PLACES).begin()
        await settled()
        letters.let_go.set()

    assert (begun, letters.most_at_once, letters.read) == (2, 2, 2)


async def test_more_than_there_are_places_is_sent_by_all_of_them_and_to_its_end():
    letters = Letters(10)

    async with asyncio.TaskGroup() as group:
        await Sending(group, letters.due, letters.send, places=PLACES).begin()
        await settled()
        letters.let_go.set()

    assert (letters.most_at_once, letters.read, letters.looks) == (PLACES, 10, [PLACES])


async def test_a_slow_receiver_keeps_nobody_waiting_but_itself():
    slow, quick = Letters(1), Letters(0)

    async def due(limit):
        return await slow.due(limit) or await quick.due(limit)

    async def send():
        await (slow if slow.waiting else quick).send()

    quick.let_go.set()
    async with asyncio.TaskGroup() as group:
        sending = Sending(group, due, send, places=PLACES)
        await sending.begin()
        await settled()
        quick.waiting = 5
        await sending.begin()
        await settled()
        sent_meanwhile = (slow.read, quick.read)
        slow.let_go.set()

    assert sent_meanwhile == (0, 5)
    assert slow.looks == [PLACES, PLACES - 1]


async def test_where_all_places_are_taken_a_look_waits_for_one_of_them():
    letters = Letters(PLACES)

    async with asyncio.TaskGroup() as group:
        sending = Sending(group, letters.due, letters.send, places=PLACES)
        await sending.begin()
        await settled()
        letters.waiting = 1
        later = asyncio.create_task(sending.begin())
        await settled()
        was_looking = later.done()
        letters.let_go.set()
        await later

    assert not was_looking
    assert letters.read == PLACES + 1
