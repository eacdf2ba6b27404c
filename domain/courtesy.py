"""Long work in a thread lets whoever is being answered go first: all threads share one interpreter (R28).

An answer is handed between the event loop and the database's threads several times, and each time waits until a thread
that reads a bundle lets go of the interpreter. Beside such a thread it took twice as long as without. A thread that
hashes or reads files lets go every few microseconds and is back before anybody who waits has woken, and then these do
not even count as waiting: they stood still for up to 100 ms.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from domain.aside import FEW

#: how long work stands aside at once, whoever else is there: that it goes on is promised too. Half of it is enough for
#: who writes, and not for a hundred watchers who are told something at the same moment
PATIENCE_SECONDS = 0.005
#: after somebody has asked the store: the next question may follow; after one watcher, the next one is told
_AFTER_SECONDS = 0.0005
#: so long an answer counts as one that will be there at once; some wait for an import, or are files
_SOON_SECONDS = 0.02
#: between two looks whether anybody is still there
_LOOK_SECONDS = 0.0003
#: somebody who came so lately may come again
_ABOUT_SECONDS = 0.1
#: how many small pieces of work are done between two looks; and as long as requests may come again
_AT_ONCE, _AT_ONCE_THEN = 16, 4
#: every so many ways that are given are a pause then
_WAYS_AT_ONCE = 8
#: long enough for whoever waits for the interpreter to wake
_BREATH_SECONDS = 0.0001
_NEVER = float("-inf")
T = TypeVar("T")


class Courtesy:
    """Who is being answered in this process, and who stands aside for them."""

    def __init__(
        self, monotonic: Callable[[], float] = time.monotonic, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self._monotonic, self._sleep = monotonic, sleep
        self._asking = 0
        #: when the requests came that are not answered yet, the youngest last
        self._open: dict[object, float] = {}
        #: the youngest of these, for threads, which may not look through them; of all; and when the store was left
        self._youngest_at = self._came_at = self._left_at = _NEVER
        self._ways_given = 0

    @contextmanager
    def answering(self) -> Iterator[None]:
        """Around the whole answer to a request, on the event loop's thread, however long that may take.

        Only the youngest counts, and not for long: a stream may stay open for ever.
        """
        request = object()
        self._open[request] = self._youngest_at = self._came_at = self._monotonic()
        try:
            yield
        finally:
            del self._open[request]
            self._youngest_at = next(reversed(self._open.values()), _NEVER)

    @contextmanager
    def asking(self) -> Iterator[None]:
        """Around what the store is asked, on the event loop's thread."""
        self._asking += 1
        try:
            yield
        finally:
            self._asking -= 1
            self._left_at = self._monotonic()

    def told(self) -> None:
        """Somebody who watches is told something just now, and so may others be who wait for the same."""
        self._left_at = self._monotonic()

    def give_way(self) -> None:
        """Called in a thread, between two pieces of work: stand aside while somebody is answered, but not for long.

        As long as others come again and again it also pauses now and then, so that the event loop can hear of the next.
        """
        began = now = self._monotonic()
        self._ways_given += 1
        if self._ways_given % _WAYS_AT_ONCE == 0 and now < max(self._came_at, self._left_at) + _ABOUT_SECONDS:
            self._sleep(_BREATH_SECONDS)
        while self._is_anybody_there(now) and now < began + PATIENCE_SECONDS:
            self._sleep(_LOOK_SECONDS)
            now = self._monotonic()

    def among(self, items: Iterable[T]) -> Iterator[T]:
        """The items, for work that takes some ten microseconds with each: behind the first few it gives way at times.

        It sleeps for a moment even where nobody is known to be there: the event loop may be what waits. A few items
        are dealt with on the event loop itself, perhaps inside a transaction: nobody may sleep there.
        """
        for number, item in enumerate(items):
            if number > FEW and self._is_time_to_look(number):
                self._sleep(_BREATH_SECONDS)
                self.give_way()
            yield item

    def _is_time_to_look(self, number: int) -> bool:
        if number % _AT_ONCE == 0:
            return True
        # that the store was asked says nothing here: an import asks it too
        return number % _AT_ONCE_THEN == 0 and self._monotonic() < self._came_at + _ABOUT_SECONDS

    def _is_anybody_there(self, now: float) -> bool:
        if self._asking > 0 or now < self._left_at + _AFTER_SECONDS:
            return True
        return now < self._youngest_at + _SOON_SECONDS
