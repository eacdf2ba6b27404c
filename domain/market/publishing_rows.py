"""What is remembered about publishers, what they submit, and what is published of it (see ``domain.ports``)."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from domain.access import Reach
from domain.market.model import (
    Listing,
    ListingState,
    ListingVersion,
    Publisher,
    PublisherId,
    PublisherKey,
    Submission,
    SubmissionId,
    SubmissionStatus,
)
from domain.rows import Page, Slice

#: the bell that is rung when a submission waits for the automatic checks
SUBMISSIONS = "submissions"
#: the bell that is rung when what the hub offers has changed
LISTINGS = "listings"


@dataclass(frozen=True, slots=True)
class Claim:
    """A submission that this worker alone may move until its lease ends.

    ``attempt`` counts from 1; it is the fence too: whoever claims it later has a higher one.
    """

    submission: Submission
    attempt: int


class PublisherRows(Protocol):
    """Publishers and their keys."""

    async def add(self, publisher: Publisher) -> bool:
        """False when the slug is taken."""

    async def publisher(self, publisher_id: str) -> Publisher | None:
        """The publisher."""

    async def locked(self, publisher_id: str) -> Publisher | None:
        """The publisher; nobody else can lock or change it until the end of this transaction."""

    async def publishers(self, publisher_ids: Collection[str]) -> dict[PublisherId, Publisher]:
        """Those that are there."""

    async def publishers_of(self, reach: Reach, *, first: int, after: str | None = None) -> Slice[Publisher]:
        """The publishers of these tenants, oldest first; ``after`` is the last id seen (ids sort by time)."""

    async def publisher_page(self, reach: Reach, *, page: int, page_size: int) -> Page[Publisher]:
        """The same list by page number, counted."""

    async def change(self, publisher: Publisher) -> None:
        """Write its status, its mark and its verification."""

    async def proven_before(self, proof_ends: datetime, *, most: int) -> list[Publisher]:
        """Verified publishers whose proof ends before this time, the first to end first."""

    async def keys(self, publisher_ids: Collection[str]) -> dict[PublisherId, list[PublisherKey]]:
        """All keys of each publisher, revoked ones too, oldest first."""

    async def add_key(self, owner: Publisher, key: PublisherKey) -> bool:
        """False when the publisher has or had this key."""

    async def revoke_key(self, publisher_id: str, key_id: str, at: datetime) -> bool:
        """False when there is no such key in force."""


class SubmissionRows(Protocol):
    """Submissions, and the leases of those that are looked at."""

    async def submit(self, submission: Submission) -> None:
        """Put it into the line."""

    async def submission(self, submission_id: str) -> Submission | None:
        """The submission."""

    async def submissions_named(self, submission_ids: Collection[str]) -> dict[SubmissionId, Submission]:
        """Those that are there."""

    async def submissions(
        self,
        publisher_ids: Collection[str],
        statuses: Collection[SubmissionStatus],
        *,
        first: int,
        after: str | None = None,
    ) -> dict[PublisherId, Slice[Submission]]:
        """A page of each publisher's, newest first; no status asks for all. A scan report that is there is empty."""

    async def submission_page(
        self, publisher_id: str, statuses: Collection[SubmissionStatus], *, page: int, page_size: int
    ) -> Page[Submission]:
        """The same list by page number, counted."""

    async def submitted_since(self, publisher_id: str, since: datetime) -> list[datetime]:
        """When this publisher submitted after that time, newest first."""

    async def last_of(self, publisher_id: str, name_key: str) -> Submission | None:
        """The publisher's last submission of a package of this name. A scan report that is there is empty."""

    async def under_way(self, publisher_id: str, name_key: str, version: str) -> SubmissionId | None:
        """A submission of this version that has not come to its end."""

    async def claim(self, *, lease_seconds: float) -> Claim | None:
        """Take a submission that waits for the automatic checks, or whose worker's lease ended.

        Those on the fast track come first, then the oldest one.
        """

    async def advance(self, claim: Claim, status: SubmissionStatus, changes: Mapping[str, Any] | None = None) -> None:
        """Move a claimed submission on. What is no automatic check's to move any more, is nobody's.

        ``changes`` may hold: reason, details, scan_report, reviewed_at, trust_target. Raises
        :class:`domain.ports.LeaseLostError` when another worker has it.
        """

    async def let_go(self, claim: Claim) -> None:
        """Give a claimed submission back as if it had not been claimed; nothing when another worker has it."""

    async def let_all_go(self) -> int:
        """Give back whatever is claimed, when no other process can be alive; how many."""

    async def decide(
        self, submission_id: str, expected: SubmissionStatus, status: SubmissionStatus, changes: Mapping[str, Any]
    ) -> bool:
        """Change a submission that nobody has claimed, as :meth:`advance`; False when it does not stand so.

        ``changes`` may hold ``reviewed_by``, ``explanation`` and ``is_fast_track`` besides.
        """


class OfferingRows(Protocol):
    """Listings and their versions, as publishing needs them."""

    async def listing_named(self, name_key: str) -> Listing | None:
        """The listing that has this name."""

    async def listing(self, listing_id: str) -> Listing | None:
        """The listing."""

    async def versions_named(self, name_keys: Collection[str]) -> dict[str, list[tuple[str, ListingState]]]:
        """The versions of the listings with these names, and how each of them stands.

        Of a listing that is suspended or unlisted, or whose publisher is suspended, none stands better than that.
        """

    async def version(self, listing_id: str, version: str) -> ListingVersion | None:
        """One version of a listing."""

    async def add_listing(self, listing: Listing) -> bool:
        """False when the name is taken."""

    async def change_listing(self, listing: Listing) -> None:
        """Write all that a publication may change of a listing: not its counts and not whose it is."""

    async def add_version(self, version: ListingVersion) -> bool:
        """False when the listing has this version."""

    async def flag_listings(self, publisher_id: PublisherId) -> None:
        """Ask for another look at all of a publisher's listings."""

    async def make_official(self, publisher_id: PublisherId, *, is_official: bool) -> None:
        """Give all listings of a publisher the trust level Official, or the one they have without it."""


class PublishingRows(PublisherRows, SubmissionRows, OfferingRows, Protocol):
    """All of it."""
