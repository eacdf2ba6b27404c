"""What a unit remembers of contents (see ``ports``): the bytes of revisions, and of merge bases that are none."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from domain.deflating import Deflated


class BodyRows(Protocol):
    """Bytes by revision id, or the body id of a merge base; what is stored no more is absent.

    Ask for as many as fit the memory that you may take. Raises ``ContentDamaged`` for what is not what was written, and
    so does each answer where what is absent is taken (``bodies[key]``).
    """

    async def body_sizes(self, revision_ids: Sequence[str]) -> dict[str, int]:
        """How long the bodies are."""

    async def bodies(self, revision_ids: Sequence[str]) -> dict[str, bytes]:
        """The bodies."""

    async def deflated_bodies(self, revision_ids: Sequence[str]) -> dict[str, Deflated]:
        """The same, as they are kept."""
