"""Long work in a thread lets whoever is being answered go first: all threads share one interpreter (R28).

An answer is handed between the event loop and the database's threads several times, and each time waits until a thread
that reads a bundle lets go of the interpreter. Beside such a thread it took twice as long as without.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

#: how long work stands aside at once, whoever else is there: that it goes on is promised too
PATIENCE_SECONDS = 0.005
#: after somebody has asked the store: the answer is still to be put together, or the next question
_AFTER_SECONDS = 0.002
#: between two looks whether anybody is still there
_LOOK_SECONDS = 0.0003


class Courtesy:
    """Who is being answered in this process, and who stands aside for them."""

    def __init__(
        self, monotonic: Callable[[], float] = time.monotonic, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self._monotonic, self._sleep = monotonic, sleep
        self._asking = 0
        self._left_at = float("-inf")

    @contextmanager
    def asking(self) -> Iterator[None]:
        """Around what should not wait, on the event loop's thread."""
        self._asking += 1
        try:
            yield
        finally:
            self._asking -= 1
            self._left_at = self._monotonic()

    def give_way(self) -> None:
        """Called in a thread, between two artifacts: stand aside while somebody is being answered, but not for long."""
        began = now = self._monotonic()
        while self._is_anybody_there(now) and now < began + PATIENCE_SECONDS:
            self._sleep(_LOOK_SECONDS)
            now = self._monotonic()

    def _is_anybody_there(self, now: float) -> bool:
        return self._asking > 0 or now < self._left_at + _AFTER_SECONDS
