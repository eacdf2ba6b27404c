"""Searching a long text a window after the other: one search holds the interpreter until it ends, and others wait."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import AnyStr

#: so many characters are searched at once; two windows overlap by more than any pattern reaches before it can match
WINDOW, OVERLAP = 1 << 16, 1 << 12
#: what stands so far behind a match is what its pattern may look at
_AHEAD = 64


def first_in(
    search: Callable[[AnyStr, int, int], re.Match[AnyStr] | None], text: AnyStr, start: int = 0
) -> re.Match[AnyStr] | None:
    """The first match from a place on. What a window's end may have cut is sought again from its own beginning."""
    while True:
        end = min(start + WINDOW, len(text))
        match = search(text, start, end)
        if end == len(text) or (match is not None and (match.end() + _AHEAD <= end or match.start() == start)):
            return match
        start = end - OVERLAP if match is None else match.start()


def all_in(
    finditer: Callable[[AnyStr, int, int], Iterator[re.Match[AnyStr]]], text: AnyStr
) -> Iterator[re.Match[AnyStr]]:
    """All matches that are shorter than the overlap; those where two windows overlap come twice."""
    return finditer(text, 0, len(text)) if len(text) <= WINDOW else _in_windows(finditer, text)


def _in_windows(
    finditer: Callable[[AnyStr, int, int], Iterator[re.Match[AnyStr]]], text: AnyStr
) -> Iterator[re.Match[AnyStr]]:
    start = 0
    while True:
        end = min(start + WINDOW, len(text))
        yield from (match for match in finditer(text, start, end) if match.end() < end or end == len(text))
        if end == len(text):
            return
        start = end - OVERLAP
