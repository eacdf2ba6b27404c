"""Sending what is due in several places at once: one looks for all of them, and none waits for a slow one."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

#: how much is due, counted up to a limit
Due = Callable[[int], Awaitable[int]]
#: sends until nothing is due any more; it raises nothing
Send = Callable[[], Coroutine[Any, Any, None]]


class Sending:
    """At most ``places`` that send, in a group of tasks that ends with its owner."""

    def __init__(self, group: asyncio.TaskGroup, due: Due, send: Send, *, places: int) -> None:
        self._group = group
        self._due = due
        self._send = send
        self._places = places
        self._taken: set[asyncio.Task[None]] = set()

    async def begin(self) -> int:
        """Look what is due, once a place is free, and send in as many as that is worth; in how many more."""
        if len(self._taken) >= self._places:
            await asyncio.wait(self._taken, return_when=asyncio.FIRST_COMPLETED)
        count = await self._due(self._places - len(self._taken))
        for _ in range(count):
            task = self._group.create_task(self._send())
            self._taken.add(task)
            task.add_done_callback(self._taken.discard)
        return count
