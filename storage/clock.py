"""The wall clock."""

from __future__ import annotations

from datetime import UTC, datetime


class SystemClock:
    """The machine's time, as :class:`domain.ports.Clock` wants it."""

    def now(self) -> datetime:
        return datetime.now(UTC)
