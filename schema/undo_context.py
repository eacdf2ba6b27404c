"""What the types of undos need of the operation in which they are answered (see ``context``)."""

from __future__ import annotations

from typing import Protocol

from domain.import_model import ImportJob
from domain.undos import UndoStanding


class UndoContext(Protocol):
    """Lookups of undos, each asked once an operation, and those of a list's members together."""

    async def standing(self, job: ImportJob) -> UndoStanding:
        """Whether an import at hand can be taken back, and what it took back."""
