"""Reviews of another installation's packages: they are kept and moderated there (installhub.md section 10.4; ADR 0014).

What somebody of here writes is sent under the token that the hub gave to this installation, with the name that readers
see, and with keys instead of ids. That their tenant installed the package is seen here, and told to the hub before.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from hashlib import sha256
from typing import Any

from domain.access import Caller
from domain.errors import ErrorCode, refuse, refuse_if
from domain.market.catalogue import Shown, no_listing
from domain.market.model import ListingId, Offer, Review, ReviewId, ReviewState
from domain.market.offering import instant, text
from domain.market.own_hub import hub_of
from domain.market.ports import HubDesk, HubPages
from domain.market.remote_catalogue import count, reading
from domain.market.reported import AUTHOR_MAX
from domain.market.reporting import INSTALLS, known_as
from domain.market.review_rows import ReviewSort
from domain.market.reviews import STARS_MAX, ReviewDraft, Reviews, draft_problems, no_installer
from domain.model import Actor, TenantId, name_key
from domain.ports import PlatformUnit, Ports
from domain.repeating import once
from domain.rows import Page, Slice
from domain.tenancy import active_tenant, entry_of

#: what is listed of one package's reviews at the most, a page after the other
_LISTED_MAX = 100
_SOMEBODY_THERE = TenantId("")


def reviews_of(ports: Ports) -> Reviews:
    """The reviews of the hub that packages come from: another installation's, else our own."""
    return Reviews(ports) if ports.hub_pages is None else RemoteReviews(ports, ports.hub_pages)


class RemoteReviews(Reviews):
    """:class:`domain.market.reviews.Reviews` of a hub elsewhere. Reading may refuse with ``HubUnavailable``."""

    def __init__(self, ports: Ports, pages: HubPages) -> None:
        super().__init__(ports)
        self._pages = pages
        self._hub = hub_of(ports)
        self._desk = ports.hub_desk

    async def write(self, caller: Caller, draft: ReviewDraft, *, key: str | None = None) -> Review:
        """Send a review to the hub, whose moderators decide about it.

        Raises as for our own hub, ``HubUnavailable``, and ``ServiceUnavailable`` where the hub gave us no token.
        """
        request = once(caller, key, "reviewListing", draft)
        refuse_if(draft_problems(draft))
        desk = self._demanded_desk()
        offers = await self._hub.offers_of(draft.listing_id)
        if not offers:
            raise no_listing()
        async with self._store.platform_unit() as unit:
            await active_tenant(unit.tenants, draft.tenant_id)
            version = await _installed_version(unit, draft, offers[0])
            somebody = await _somebody(unit, caller, draft.tenant_id)
        about = {"tenant": somebody["tenant"], "packageId": draft.listing_id}
        await desk.tell(INSTALLS, {**about, "version": version})
        said = {"rating": draft.rating, "title": draft.title, "body": draft.body}
        # the key is this person's: two of them may have chosen the same
        sent_key = f"{somebody['person']}-{sha256(request.key.encode()).hexdigest()}" if request else ""
        with reading():
            told = await desk.tell(("reviews",), {**about, **somebody, **said}, key=sent_key)
            review = replace(_told_review(told), tenant_id=draft.tenant_id, author=caller.actor)
        details = {"reviewId": review.review_id, "listingId": review.listing_id}
        entry = entry_of(caller, draft.tenant_id, "market.reviewed", details, at=self._clock.now())
        async with self._store.unit(draft.tenant_id) as home:
            await home.imports.audit(entry)
        return review

    async def mark_helpful(self, caller: Caller, review_id: str) -> Review:
        """Tell the hub that a review helped. Raises ``NotFound``, ``StateConflict``, and as :meth:`write`."""
        return await self._marked(caller, review_id, "helpful", {})

    async def flag(self, caller: Caller, review_id: str, reason: str) -> Review:
        """Ask the hub's moderators to look again. Raises ``BadUserInput``, ``NotFound``, and as :meth:`write`."""
        return await self._marked(caller, review_id, "flag", {"reason": reason})

    async def _marked(self, caller: Caller, review_id: str, mark: str, said: Mapping[str, Any]) -> Review:
        desk = self._demanded_desk()
        async with self._store.platform_unit() as unit:
            somebody = await _somebody(unit, caller, caller.default_tenant or min(caller.tenants, default=TenantId("")))
        with reading():
            return _told_review(await desk.tell(("reviews", review_id, mark), {**somebody, **said}))

    def _demanded_desk(self) -> HubDesk:
        if self._desk is None:
            text = "The hub gave no token to this installation, so nobody of here can speak there."
            raise refuse(ErrorCode.SERVICE_UNAVAILABLE, text)
        return self._desk

    async def published_page(
        self, listing: Shown, sort: ReviewSort, *, page: int, page_size: int
    ) -> tuple[Page[Review], Mapping[int, int]]:
        """Published reviews of a listing at hand by page number, counted; and how many give how many stars."""
        listing_id = listing.head.listing_id
        tree = await self._told(listing_id, sort, page=page, page_size=page_size)
        with reading():
            found = tuple(_review(listing_id, row) for row in tree.get("reviews", ()))
            return Page(found, count(tree.get("totalReviews", 0))), _stars(tree)

    async def published(
        self, listing_ids: Collection[str], sort: ReviewSort, *, first: int, after: tuple[str, int] | None
    ) -> dict[ListingId, Slice[Review]]:
        """A page of the published reviews of each of several listings at hand."""
        wanted = list(listing_ids)
        trees = await asyncio.gather(*(self._told(one, sort, page=1, page_size=_LISTED_MAX) for one in wanted))
        with reading():
            found = {
                key: [_review(key, row) for row in tree.get("reviews", ())]
                for key, tree in zip(wanted, trees, strict=True)
            }
        return {ListingId(key): _slice(reviews, first, after) for key, reviews in found.items()}

    async def distributions(self, listing_ids: Collection[str]) -> dict[ListingId, Mapping[int, int]]:
        """How many published reviews of listings at hand give how many stars."""
        wanted = list(listing_ids)
        trees = await asyncio.gather(*(self._told(one, ReviewSort.HELPFUL, page=1, page_size=1) for one in wanted))
        with reading():
            return {ListingId(key): _stars(tree) for key, tree in zip(wanted, trees, strict=True)}

    async def _told(self, listing_id: str, sort: ReviewSort, *, page: int, page_size: int) -> Mapping[str, Any]:
        wanted = {"sortBy": sort.value, "page": page, "pageSize": page_size}
        return await self._pages.page((listing_id, "reviews"), wanted) or {}


def _review(listing_id: str, row: Mapping[str, Any]) -> Review:
    """A review as everybody may read it; its author is a name and nothing more."""
    published = instant(row["publishedAt"])
    return Review(
        review_id=ReviewId(text(row["reviewId"])),
        listing_id=ListingId(listing_id),
        tenant_id=_SOMEBODY_THERE,
        identity="",
        author=Actor(text(row["author"])),
        version=text(row["version"]),
        rating=_rating(row["rating"]),
        title=text(row["title"]),
        body=text(row["body"]),
        state=ReviewState.PUBLISHED,
        created_at=published,
        published_at=published,
        helpful_count=count(row["helpfulCount"]),
    )


def _told_review(told: Mapping[str, Any]) -> Review:
    """A review as the hub tells it to the installation of whoever wrote it, or said something of it."""
    return replace(
        _review(text(told["packageId"]), {"publishedAt": told["createdAt"], **told}),
        state=ReviewState(told["status"]),
        published_at=instant(told["publishedAt"]) if "publishedAt" in told else None,
    )


async def _installed_version(unit: PlatformUnit, draft: ReviewDraft, offer: Offer) -> str:
    """What the tenant has of a listing elsewhere, whose publisher and name an offer says. Raises ``NotAnInstaller``."""
    for package in await unit.of(draft.tenant_id).imports.installed([name_key(offer.name)]):
        if package.source == offer.publisher_id:
            return package.version
    raise no_installer("Only tenants that installed a package review it.")


async def _somebody(unit: PlatformUnit, caller: Caller, tenant_id: TenantId) -> dict[str, str]:
    """A person as the hub may know them."""
    return {
        "tenant": await known_as(unit, "tenant", tenant_id),
        "person": await known_as(unit, "person", caller.identity),
        "author": caller.actor.public_label[:AUTHOR_MAX],
    }


def _rating(value: Any) -> int:
    if not 1 <= count(value) <= STARS_MAX:
        raise ValueError(value)
    return int(value)


def _stars(tree: Mapping[str, Any]) -> Mapping[int, int]:
    return {int(stars): count(given) for stars, given in tree.get("distribution", {}).items() if given}


def _slice(reviews: Sequence[Review], first: int, after: tuple[str, int] | None) -> Slice[Review]:
    """Those behind the last one seen; none where that one is not among them any more."""
    start = 0
    if after is not None:
        start = next((place + 1 for place, one in enumerate(reviews) if one.review_id in after), len(reviews))
    return Slice(tuple(reviews[start : start + first]), has_next=len(reviews) > start + first)
