"""What the types of publishers need of the operation in which they are answered (see ``context``)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from domain.market.model import Publisher, PublisherKey, Submission, SubmissionStatus
from domain.rows import Slice
from schema.nodes import Node


class PublishingContext(Protocol):
    """Lookups of publishers and submissions, each asked once an operation, and those of a list's members together."""

    async def publisher(self, publisher_id: str) -> Node | None:
        """A publisher that the caller may see."""

    async def submission(self, submission_id: str) -> Node | None:
        """A submission of the caller's."""

    async def keys(self, publisher: Publisher) -> Sequence[PublisherKey]:
        """The keys of a publisher at hand."""

    async def submissions(
        self, publisher: Publisher, statuses: tuple[SubmissionStatus, ...], *, first: int, after: str | None
    ) -> Slice[Submission]:
        """A page of what a publisher at hand submitted."""

    async def scan_report(self, submission: Submission) -> Mapping[str, Any] | None:
        """What the scan of a submission at hand found."""
