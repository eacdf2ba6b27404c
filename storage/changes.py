"""How often what is stored has changed, as far as the process knows that is the only one to change it."""

from __future__ import annotations


class Changes:
    """Counted around every commit of one process that changed a row.

    A commit is under way from before the database is told of it until whoever made it may go on: meanwhile nobody knows
    whether others see it. Whatever was read between two looks at :attr:`count` that gave the same number was read from
    the same rows, and they are so still.
    """

    is_far = False

    def __init__(self) -> None:
        self._ended = 0
        self._under_way = 0

    @property
    def count(self) -> int | None:
        """How many commits there were; ``None`` while one is under way."""
        return None if self._under_way else self._ended

    async def now(self) -> int | None:
        """The same, as :class:`server.answers.Moments` has it."""
        return self.count

    def begin(self) -> None:
        """A commit is about to be sent."""
        self._under_way += 1

    def end(self, *, is_changed: bool = True) -> None:
        """It was answered, or given up and rolled back if it was not made. Before anybody is told of it."""
        self._under_way -= 1
        self._ended += is_changed
