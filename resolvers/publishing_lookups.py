"""What one operation has looked up about publishers: each thing once, and many together (see ``lookups``)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from domain.access import Caller, Reach
from domain.market import model
from domain.market.model import SubmissionStatus
from domain.rows import Slice
from domain.services import Services
from resolvers.lookups import Loader, alike, loader
from schema.publishers import Publisher, Submission

#: a page of what a publisher submitted
SubmissionPage = tuple[str, tuple[SubmissionStatus, ...], int, str | None]


class PublishingLookups:
    """:class:`schema.publishing_context.PublishingContext`."""

    def __init__(self, services: Services, caller: Caller, reach: Callable[[], Reach]) -> None:
        self._services = services
        self._publishers: Loader[str, model.Publisher | None] = loader(
            lambda ids: services.publishers.shown(caller, ids)
        )
        self._keys: Loader[str, list[model.PublisherKey] | None] = loader(services.publishers.keys)
        self._submissions: Loader[str, model.Submission | None] = loader(
            lambda ids: services.submissions.seen(caller, ids, reach())
        )
        self._pages: Loader[SubmissionPage, Slice[model.Submission] | None] = loader(self._pages_of)

    async def publisher(self, publisher_id: str) -> Publisher | None:
        found = await self._publishers.load(publisher_id)
        return Publisher.of(found) if found else None

    async def submission(self, submission_id: str) -> Submission | None:
        found = await self._submissions.load(submission_id)
        return Submission.of(found) if found else None

    async def keys(self, publisher: model.Publisher) -> Sequence[model.PublisherKey]:
        return await self._keys.load(publisher.publisher_id) or ()

    async def submissions(
        self, publisher: model.Publisher, statuses: tuple[SubmissionStatus, ...], *, first: int, after: str | None
    ) -> Slice[model.Submission]:
        page = await self._pages.load((publisher.publisher_id, statuses, first, after))
        return page or Slice((), has_next=False)

    async def scan_report(self, submission: model.Submission) -> Mapping[str, Any] | None:
        found = await self._submissions.load(submission.submission_id)
        return found.scan_report if found else None

    async def _pages_of(self, pages: list[SubmissionPage]) -> dict[Any, Slice[model.Submission]]:
        found: dict[Any, Slice[model.Submission]] = {}
        for (statuses, first, after), keys in alike(pages, 1, 2, 3):
            of_each = await self._services.submissions.pages(
                [key[0] for key in keys], statuses, first=first, after=after
            )
            found |= {(publisher_id, statuses, first, after): page for publisher_id, page in of_each.items()}
        return found
