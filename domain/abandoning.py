"""Reading a bundle in a thread for somebody who may go away meanwhile."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import TypeVar

from domain.bundle import Told

T = TypeVar("T")


class _StoppedError(Exception):
    """Nobody waits for this reading any more."""


async def read_in_thread(read: Callable[[Told], T]) -> T:
    """What ``read`` gives or raises. It calls what it is given for each artifact, and ends there once nobody waits.

    Whoever is cancelled goes on only then: nothing goes on in files that are about to go.
    """
    is_stopped = threading.Event()

    def told(_done: int, _total: int) -> None:
        if is_stopped.is_set():
            raise _StoppedError

    work = asyncio.ensure_future(asyncio.to_thread(read, told))
    try:
        return await asyncio.shield(work)
    finally:
        is_stopped.set()
        await asyncio.gather(work, return_exceptions=True)
