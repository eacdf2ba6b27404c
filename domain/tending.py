"""Doing what is due, one after the other: one that fails keeps no other waiting."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Hashable, Sequence
from typing import TypeVar

from domain.ports import UnavailableError

Due = TypeVar("Due", bound=Hashable)

_AT_ONCE = 50
#: one may lie on a bad sector, or meet a bug of ours; where so many fail, all would
_FAILED_MAX = 20


async def tend(due: Callable[[int], Awaitable[Sequence[Due]]], deed: Callable[[Due], Awaitable[bool]]) -> int:
    """Do the deed for all that is due; how many were done. ``due`` gives so many at most, and no more what was done.

    Raises at the end what one of them failed with, a bug of ours first; and at once where many fail.
    """
    done, before = 0, -1
    failed: dict[Due, Exception] = {}
    while done > before:
        before = done
        for one in await due(_AT_ONCE + len(failed)):
            try:
                done += one not in failed and await deed(one)
            except Exception as trouble:
                failed[one] = trouble
                if len(failed) < _FAILED_MAX:
                    continue
                raise
    if failed:
        raise min(failed.values(), key=lambda trouble: isinstance(trouble, UnavailableError))
    return done
