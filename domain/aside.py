"""Work beside the event loop, where it is long enough for that: a thread costs more than what is short."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

#: about so many artifacts are dealt with in the time that a thread takes to be asked and to answer
FEW = 50


async def aside(size: int, work: Callable[[], T]) -> T:
    """What the work gives: ``size`` artifacts long."""
    return work() if size <= FEW else await asyncio.to_thread(work)
