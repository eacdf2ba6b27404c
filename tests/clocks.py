"""A clock that stands still until a test moves it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


class ManualClock:
    """Honours :class:`domain.ports.Clock`; begins at noon."""

    def __init__(self, start: datetime = NOON) -> None:
        self._now = start

    def now(self) -> datetime:
        return self._now

    def advance(self, step: timedelta | float) -> datetime:
        """Move on by a duration, or by seconds; returns the new time."""
        self._now += step if isinstance(step, timedelta) else timedelta(seconds=step)
        return self._now
