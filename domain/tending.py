"""Doing what is due, one after the other: one that fails keeps no other waiting."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Hashable, Sequence
from typing import Generic, TypeVar

from domain.ports import UnavailableError

Due = TypeVar("Due", bound=Hashable)

_AT_ONCE = 50
#: one may lie on a bad sector, or meet a bug of ours; where so many fail, all would
_FAILED_MAX = 20
#: of so many it is remembered that they failed
_ASIDE_MAX = 1_000


class Tending(Generic[Due]):
    """Does the deed for all that is due, time and again; what failed lately comes last.

    ``due`` gives so many at most, and no more what was done; the deed says whether it was done, and ``failed`` is told
    of each that failed.
    """

    def __init__(
        self,
        due: Callable[[int], Awaitable[Sequence[Due]]],
        deed: Callable[[Due], Awaitable[bool]],
        failed: Callable[[Due, Exception], None],
    ) -> None:
        self._due = due
        self._deed = deed
        self._failed = failed
        self._aside = frozenset[Due]()

    async def tend(self) -> int:
        """How many were done.

        Raises at the end what one of them failed with, a bug of ours first; and at once where many fail, which are set
        aside then: the next time begins behind them.
        """
        done, undone, troubles = 0, set[Due](), dict[Due, Exception]()
        # what failed lately has its turn when nothing else is left
        for aside in (self._aside, frozenset[Due]()):
            while part := await self._next(undone | aside):
                for one in part:
                    is_done = await self._tried(one, troubles)
                    done += is_done
                    if not is_done:
                        undone.add(one)
        self._aside = frozenset(troubles)
        if troubles:
            raise min(troubles.values(), key=lambda trouble: isinstance(trouble, UnavailableError))
        return done

    async def _next(self, passed: set[Due]) -> list[Due]:
        return [one for one in await self._due(_AT_ONCE + len(passed)) if one not in passed]

    async def _tried(self, one: Due, troubles: dict[Due, Exception]) -> bool:
        try:
            return await self._deed(one)
        except Exception as trouble:
            self._failed(one, trouble)
            troubles[one] = trouble
            if len(troubles) < _FAILED_MAX:
                return False
            aside = self._aside | troubles.keys()
            self._aside = aside if len(aside) <= _ASIDE_MAX else frozenset(troubles)
            raise
