"""How much waits in the whole installation, for whoever watches over it (decisions R40)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from domain.import_model import ImportState, Stage


@dataclass(frozen=True, slots=True)
class Measures:
    """One look at all tenants together; no tenant can be told from it."""

    #: imports that have not ended, by what they do; no stage: the first one has not begun
    open_imports: Mapping[tuple[ImportState, Stage | None], int]
    #: when the first of those in line last got there, or ``None`` when nothing waits
    queued_since: datetime | None
    #: messages that wait to be sent, counted up to 10,000
    outbox: int
    uploads: int
    upload_bytes: int
    #: when the first of the messages was written, or ``None`` when none waits
    outbox_since: datetime | None = None


class MeasureRows(Protocol):
    """Counting what waits."""

    async def now(self) -> Measures:
        """A few statements on small indexes, whatever the history holds."""
