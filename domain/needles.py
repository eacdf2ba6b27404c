"""Seeking many expressions in bytes with one look, whatever their number (Hyperscan, as Vectorscan keeps it)."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from typing import Any

import hyperscan

#: a needle is told once, however often it stands there; any byte is a character
_FLAGS = hyperscan.HS_FLAG_SINGLEMATCH | hyperscan.HS_FLAG_DOTALL


class Needles:
    """Named sets of regular expressions, sought all together.

    An expression is ASCII, read as by :mod:`re` on bytes with ``re.DOTALL``; ``(?i)`` before it takes either case.
    It may look neither ahead nor behind, and refer to nothing. Threads may seek at the same time.
    """

    def __init__(self, named: Mapping[str, Iterable[str]]) -> None:
        rows = [(number, expression) for number, needles in enumerate(named.values()) for expression in needles]
        self._names = [*named]
        self._database = hyperscan.Database(mode=hyperscan.HS_MODE_BLOCK)
        self._database.compile(
            expressions=[expression.encode("ascii") for _, expression in rows],
            ids=[number for number, _ in rows],
            flags=[_FLAGS] * len(rows),
            elements=len(rows),
        )
        self._desk = _Desk(self._database)

    def names_in(self, raw: bytes) -> set[str]:
        """The names of the sets one of whose expressions stands somewhere in these bytes."""
        found: set[int] = set()
        self._database.scan(raw, match_event_handler=_note, context=found, scratch=self._desk.scratch)
        return {self._names[number] for number in found}


class _Desk(threading.local):
    """What a thread writes on while it seeks: no two may share it."""

    def __init__(self, database: hyperscan.Database) -> None:
        self.scratch = hyperscan.Scratch(database)


def _note(number: int, _begin: int, _end: int, _flags: int, found: Any) -> None:
    found.add(number)
