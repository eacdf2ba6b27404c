"""CPU seconds as a quiet machine would count them: the same work takes up to twice as long beside others.

Nor does it count what tests before it left to the collector of garbage: one look at a million objects takes a second.
"""

from __future__ import annotations

import gc
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from typing import TypeVar

T = TypeVar("T")

#: what :func:`_known_work` takes on 2 shared cores where nothing else runs
_KNOWN_SECONDS = 0.010
_KNOWN_TEXTS = [f"word{number} http://{number}.example" for number in range(2000)]
_KNOWN_PATTERN = re.compile(r"\w+://[^/]+")


def quiet_seconds(work: Callable[[], T]) -> tuple[T, float]:
    """What a work answers, and the CPU seconds it takes, or would where the machine gives a known work its usual time.

    Never more than were taken here: a quicker machine than ours may make it in less.
    """
    before = _known_seconds()
    with old_objects_aside():
        began = time.process_time()
        answer = work()
        spent = time.process_time() - began
    slowness = (before + _known_seconds()) / 2 / _KNOWN_SECONDS
    return answer, spent / max(1.0, slowness)


@contextmanager
def old_objects_aside() -> Iterator[None]:
    """As long as it is open, the collector looks only at what came into being within."""
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


def _known_seconds() -> float:
    """The least of a few: a hiccup of the machine is no slowness."""
    moments = [time.process_time()]
    for _ in range(3):
        _known_work()
        moments.append(time.process_time())
    return min(after - before for before, after in pairwise(moments))


def _known_work() -> int:
    total = 0
    for _ in range(4):
        for text in _KNOWN_TEXTS:
            if _KNOWN_PATTERN.search(text):
                total += len(text.partition(":")[2])
    return total
