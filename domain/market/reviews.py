"""What installers say of a listing, and who decides what others read (installhub.md section 10.4; X25).

A review is read by a moderator before others see it. A flag hides it until a moderator has looked again. Only
published reviews count in a rating, from the moment on at which they are published.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import Enum

import uuid_utils

from domain.access import Caller, Right, require
from domain.errors import ErrorCode, Problem, Refusal, refuse, refuse_if
from domain.market.catalogue import Shown, seen
from domain.market.excepting import refuse_own
from domain.market.model import ListingId, Review, ReviewId, ReviewState
from domain.market.remote_rows import ELSEWHERE
from domain.market.review_rows import Mark, MarkKind, Moderated, ReviewSort
from domain.model import TenantId
from domain.ports import PlatformUnit, Ports
from domain.repeating import Once, made_before, once, remember, written_once
from domain.rows import Page, Slice
from domain.tenancy import active_tenant, entry_of

STARS_MAX, TITLE_MAX, BODY_MAX, REASON_MAX = 5, 100, 5000, 500


@dataclass(frozen=True, slots=True)
class ReviewDraft:
    """What somebody says of a listing, in the name of a tenant that installed it."""

    listing_id: str
    tenant_id: TenantId
    rating: int
    title: str
    body: str


class Verdict(Enum):
    """What a moderator decides; the values are REST's words."""

    APPROVE = "approve"
    REJECT = "reject"
    RESTORE = "restore"


#: from which states a verdict leads, and to which one
_MOVES: Mapping[Verdict, tuple[frozenset[ReviewState], ReviewState]] = {
    Verdict.APPROVE: (frozenset({ReviewState.PENDING_MODERATION}), ReviewState.PUBLISHED),
    Verdict.REJECT: (
        frozenset({ReviewState.PENDING_MODERATION, ReviewState.HIDDEN, ReviewState.PUBLISHED}),
        ReviewState.REJECTED,
    ),
    Verdict.RESTORE: (frozenset({ReviewState.HIDDEN, ReviewState.REJECTED}), ReviewState.PUBLISHED),
}


class Reviews:
    """Reviews of listings."""

    def __init__(self, ports: Ports) -> None:
        self._store = ports.store
        self._clock = ports.clock

    async def write(self, caller: Caller, draft: ReviewDraft, *, key: str | None = None) -> Review:
        """Keep a review for the moderators. With a known idempotency key the first one is the answer.

        Raises ``InvalidTenantId``, ``NotFound``, ``NotAnInstaller`` when the tenant did not install the listing or
        the caller is one of its publisher's people, ``AlreadyReviewed``, ``BadUserInput`` with all problems, and
        ``IdempotencyKeyReused``.
        """
        request = once(caller, key, "reviewListing", draft)
        return await kept_once(lambda: self._write(caller, draft, request))

    async def _write(self, caller: Caller, draft: ReviewDraft, request: Once | None) -> Review:
        async with self._store.platform_unit() as unit:
            await active_tenant(unit.tenants, draft.tenant_id)
            tenant = unit.of(draft.tenant_id)
            if made := await made_before(tenant, request, self._clock.now()):
                return await known_review(unit, made["reviewId"])
            refuse_if(draft_problems(draft))
            listing = await seen(unit.catalogue, caller, draft.listing_id)
            version = await reviewed_version(unit, caller, listing, draft)
            review = review_of(caller, draft, version, self._clock.now())
            if not await unit.reviews.add(review):
                raise refuse(ErrorCode.ALREADY_REVIEWED, "You have reviewed this package.", "packageId")
            await remember(tenant, request, {"reviewId": review.review_id}, review.created_at)
            details = {"reviewId": review.review_id, "listingId": review.listing_id}
            await tenant.imports.audit(
                entry_of(caller, draft.tenant_id, "market.reviewed", details, at=review.created_at)
            )
        return review

    async def published_page(
        self, listing: Shown, sort: ReviewSort, *, page: int, page_size: int
    ) -> tuple[Page[Review], Mapping[int, int]]:
        """Published reviews of a listing at hand by page number, counted; and how many give how many stars."""
        listing_id = listing.head.listing_id
        async with self._store.platform_view() as unit:
            found = await unit.reviews.published_page(listing_id, sort, page=page, page_size=page_size)
            stars = await unit.reviews.distributions([listing_id])
        return found, stars.get(listing_id, {})

    async def published(
        self, listing_ids: Collection[str], sort: ReviewSort, *, first: int, after: tuple[str, int] | None
    ) -> dict[ListingId, Slice[Review]]:
        """A page of the published reviews of each of several listings at hand."""
        async with self._store.platform_view() as unit:
            return await unit.reviews.first_published(listing_ids, sort, first=first, after=after)

    async def distributions(self, listing_ids: Collection[str]) -> dict[ListingId, Mapping[int, int]]:
        """How many published reviews of listings at hand give how many stars."""
        async with self._store.platform_view() as unit:
            return await unit.reviews.distributions(listing_ids)

    async def mark_helpful(self, caller: Caller, review_id: str) -> Review:
        """Say that a published review helped; again changes nothing. Raises ``NotFound``, ``StateConflict``."""
        async with self._store.platform_unit() as unit:
            review = await readable_review(unit, caller, review_id)
            refuse_self(review, caller)
            await unit.reviews.mark(self._mark(caller, review, MarkKind.HELPFUL))
            return await known_review(unit, review_id)

    async def flag(self, caller: Caller, review_id: str, reason: str) -> Review:
        """Ask the moderators to look again; the review is hidden until they did. Once a person.

        Raises ``BadUserInput`` and ``NotFound``: also for a review that others have hidden.
        """
        refuse_if(_text_problems("reason", reason, REASON_MAX))
        now = self._clock.now()
        async with self._store.platform_unit() as unit:
            review = await unit.reviews.review(review_id)
            if review and await unit.reviews.marked(review_id, caller.identity, MarkKind.FLAG):
                return review
            review = await readable_review(unit, caller, review_id)
            await unit.reviews.mark(self._mark(caller, review, MarkKind.FLAG, reason.strip()))
            # somebody else's flag may have been quicker
            await unit.reviews.move(review, ReviewState.HIDDEN, now)
            return await known_review(unit, review_id)

    def _mark(self, caller: Caller, review: Review, kind: MarkKind, reason: str = "") -> Mark:
        tenant_id = caller.default_tenant or min(caller.tenants, default=TenantId(""))
        return Mark(review.review_id, caller.identity, kind, tenant_id, reason, self._clock.now())

    async def waiting(self, caller: Caller, *, first: int, after: str | None = None) -> Slice[Moderated]:
        """What moderators have to decide, oldest first."""
        require(caller, Right.RUN_MARKET)
        async with self._store.platform_view() as unit:
            return await unit.reviews.waiting(first=first, after=after)

    async def waiting_page(self, caller: Caller, *, page: int, page_size: int) -> Page[Moderated]:
        """The same by page number, counted."""
        require(caller, Right.RUN_MARKET)
        async with self._store.platform_view() as unit:
            return await unit.reviews.waiting_page(page=page, page_size=page_size)

    async def moderate(self, caller: Caller, review_id: str, verdict: Verdict) -> Review:
        """Publish a new review, take one away, or show a hidden one again; the rating follows at once.

        What stands so already stays so. Raises ``InsufficientPermission``, ``NotFound`` and ``StateConflict``: also
        for a review of one's own.
        """
        require(caller, Right.RUN_MARKET)
        before, state = _MOVES[verdict]
        now = self._clock.now()
        async with self._store.platform_unit() as unit:
            review = await known_review(unit, review_id)
            refuse_own(review.author, caller)
            if review.state is state:
                return review
            if review.state not in before or not await unit.reviews.move(review, state, now):
                text = f"A review that is {review.state.wire} cannot be told to {verdict.value}."
                raise refuse(ErrorCode.STATE_CONFLICT, text, "reviewId", state=review.state.wire)
            details = {"reviewId": review_id, "verdict": verdict.value}
            home = await _home(unit, review)
            entry = entry_of(caller, home, "market.reviewModerated", details, at=now)
            await unit.of(home).imports.audit(entry)
            return await known_review(unit, review_id)


async def kept_once(write: Callable[[], Awaitable[Review]]) -> Review:
    """Write a review. Where a twin of the request was quicker, it is found by its key the second time."""
    try:
        return await written_once(write)
    except Refusal as refusal:
        if refusal.code is not ErrorCode.ALREADY_REVIEWED:
            raise
        return await write()


def review_of(caller: Caller, draft: ReviewDraft, version: str, at: datetime) -> Review:
    """A new review, which waits for a moderator."""
    return Review(
        review_id=ReviewId(f"rev-{uuid_utils.uuid7()}"),
        listing_id=ListingId(draft.listing_id),
        tenant_id=draft.tenant_id,
        identity=caller.identity,
        author=caller.actor,
        version=version,
        rating=draft.rating,
        title=draft.title.strip(),
        body=draft.body.strip(),
        state=ReviewState.PENDING_MODERATION,
        created_at=at,
    )


async def reviewed_version(unit: PlatformUnit, caller: Caller, listing: Shown, draft: ReviewDraft) -> str:
    """The version that the tenant installed; ``NotAnInstaller`` when it is not one whose word counts."""
    version = await unit.catalogue.installed_version(draft.listing_id, draft.tenant_id)
    if version is None:
        raise no_installer("Only tenants that installed a package review it.")
    if listing.head.tenant_id in {draft.tenant_id, *caller.tenants}:
        raise no_installer("A publisher's own people do not review its packages.")
    return version


async def _home(unit: PlatformUnit, review: Review) -> TenantId:
    """Where is written down what becomes of a review: its author's tenant, or its listing's where that is elsewhere."""
    if not review.tenant_id.startswith(ELSEWHERE):
        return review.tenant_id
    listing = await unit.publishing.listing(review.listing_id)
    return listing.tenant_id if listing else review.tenant_id


async def readable_review(unit: PlatformUnit, caller: Caller, review_id: str) -> Review:
    """A published review of a listing that the caller sees. Raises ``NotFound``."""
    review = await unit.reviews.review(review_id)
    if review is None or review.state is not ReviewState.PUBLISHED:
        raise _no_review()
    await seen(unit.catalogue, caller, review.listing_id)
    return review


async def known_review(unit: PlatformUnit, review_id: str) -> Review:
    """A review in any state. Raises ``NotFound``."""
    review = await unit.reviews.review(review_id)
    if review is None:
        raise _no_review()
    return review


def refuse_self(review: Review, caller: Caller) -> None:
    """Nobody is helped by a review of their own: raises ``StateConflict``."""
    if review.identity == caller.identity:
        raise refuse(ErrorCode.STATE_CONFLICT, "This is your own review.", "reviewId")


def draft_problems(draft: ReviewDraft) -> list[Problem]:
    """Everything that is wrong with what somebody wrote."""
    stars = f"A rating is a whole number from 1 to {STARS_MAX}."
    rating = [] if 1 <= draft.rating <= STARS_MAX else [Problem(ErrorCode.BAD_USER_INPUT, stars, "rating")]
    return rating + _text_problems("title", draft.title, TITLE_MAX) + _text_problems("body", draft.body, BODY_MAX)


def _text_problems(name: str, text: str, most: int) -> list[Problem]:
    if 0 < len(text.strip()) <= most and "\0" not in text:
        return []
    return [Problem(ErrorCode.BAD_USER_INPUT, f"{name} has 1 to {most} characters.", name)]


def no_installer(text: str) -> Refusal:
    """The refusal of somebody whose word about a package does not count."""
    return refuse(ErrorCode.NOT_AN_INSTALLER, text, "packageId")


def _no_review() -> Refusal:
    return refuse(ErrorCode.NOT_FOUND, "There is no such review.", "reviewId", what="review")
