"""Looking for packages, reviewing them, and hearing of new versions."""

from __future__ import annotations

from operator import attrgetter
from typing import Annotated

import strawberry

from domain.market.catalogue import Shown
from domain.market.model import ListingSort
from domain.market.reviews import ReviewDraft
from resolvers.mutations import Input
from resolvers.paging import paged
from resolvers.queries import Id, Info, named_tenant
from resolvers.refusals import refusable
from schema.connections import After, Connection, Cursors, First, connection, page_size
from schema.fields import described
from schema.listing_inputs import (
    FlagReviewInput,
    FlagReviewPayload,
    ListingFilter,
    MarkReviewHelpfulInput,
    MarkReviewHelpfulPayload,
    ModerateReviewInput,
    ModerateReviewPayload,
    ReviewListingInput,
    ReviewListingPayload,
    SubscribeToListingInput,
    SubscribeToListingPayload,
    UnsubscribeFromListingInput,
    UnsubscribeFromListingPayload,
)
from schema.listings import FeaturedListings, Listing, ModeratedReview, Review

#: orders whose ranks are texts; the others have numbers
_BY_TEXT = frozenset({ListingSort.NEWEST, ListingSort.NAME})


@strawberry.type
class ListingQuery:
    @described("Listings that fit, in the order of the filter. What is unlisted or suspended is not found.")
    async def listings(
        self,
        info: Info,
        filter: Annotated[ListingFilter | None, strawberry.argument(description="Which ones.")] = None,
        first: First = 20,
        after: After = None,
    ) -> Connection[Listing]:
        asked, wanted = info.context, (filter or ListingFilter()).wanted()
        by_text, cursors = wanted.order in _BY_TEXT, Cursors(f"listings:{wanted.order.name}")
        seen = cursors.pair(after) if by_text else cursors.place(after)
        place = (seen[1], seen[0]) if seen else None
        page = await asked.services.catalogue.search(asked.caller, wanted, first=page_size(first), after=place)
        asked.spend(len(page.items))
        return connection(page, cursors, after, node=Listing.of, key=_place)

    @described(
        "A listing; null for what is unknown or not for the caller. What waits to be scanned by new rules: the error"
        " RESCAN_PENDING."
    )
    async def listing(self, info: Info, id: Id) -> Listing | None:
        found = await info.context.listing(id)
        if found is None:
            await info.context.services.catalogue.demand_scanned(id)
        return found

    @described("The front page of the marketplace.")
    async def featured_listings(self, info: Info) -> FeaturedListings:
        asked = info.context
        front = await asked.services.catalogue.featured(asked.caller)
        asked.spend(sum(map(len, (front.official, front.trending, front.new_releases, front.top_rated))))
        return FeaturedListings.of(front)

    @described("Reviews that wait for a moderator, oldest first: new ones, and those that somebody flagged.")
    async def reviews_to_moderate(
        self, info: Info, first: First = 20, after: After = None
    ) -> Connection[ModeratedReview]:
        find, cursors = info.context.services.reviews.waiting, Cursors("reviewsToModerate")
        key = attrgetter("review.review_id")
        return await paged(info.context, cursors, find, first=first, after=after, node=ModeratedReview.of, key=key)


@strawberry.type
class ListingMutation:
    @described("Says what an installer thinks of a listing. A moderator reads it before others do.")
    @refusable(ReviewListingPayload)
    async def review_listing(self, info: Info, input: Input[ReviewListingInput]) -> ReviewListingPayload:
        asked, tenant_id = info.context, named_tenant(info.context, input.tenant_id)
        draft = ReviewDraft(input.listing_id, tenant_id, input.rating, input.title, input.body)
        review = await asked.services.reviews.write(asked.caller, draft, key=input.idempotency_key)
        return ReviewListingPayload(review=Review.of(review))

    @described("Asks moderators to look at a review again; it is hidden meanwhile. Once a person.")
    @refusable(FlagReviewPayload)
    async def flag_review(self, info: Info, input: Input[FlagReviewInput]) -> FlagReviewPayload:
        asked = info.context
        review = await asked.services.reviews.flag(asked.caller, input.review_id, input.reason)
        return FlagReviewPayload(review=Review.of(review))

    @described("Says that a review helped. Counted once a person.")
    @refusable(MarkReviewHelpfulPayload)
    async def mark_review_helpful(self, info: Info, input: Input[MarkReviewHelpfulInput]) -> MarkReviewHelpfulPayload:
        asked = info.context
        review = await asked.services.reviews.mark_helpful(asked.caller, input.review_id)
        return MarkReviewHelpfulPayload(review=Review.of(review))

    @described("Decides whether others can read a review. For those who run the market.")
    @refusable(ModerateReviewPayload)
    async def moderate_review(self, info: Info, input: Input[ModerateReviewInput]) -> ModerateReviewPayload:
        asked = info.context
        review = await asked.services.reviews.moderate(asked.caller, input.review_id, input.verdict)
        return ModerateReviewPayload(review=Review.of(review))

    @described("Lets a tenant hear of a listing's new versions.")
    @refusable(SubscribeToListingPayload)
    async def subscribe_to_listing(
        self, info: Info, input: Input[SubscribeToListingInput]
    ) -> SubscribeToListingPayload:
        asked, tenant_id = info.context, named_tenant(info.context, input.tenant_id)
        await asked.services.updates.subscribe(asked.caller, tenant_id, input.listing_id)
        return SubscribeToListingPayload(listing=await asked.listing(input.listing_id))

    @described("Lets a tenant hear of no more new versions of a listing.")
    @refusable(UnsubscribeFromListingPayload)
    async def unsubscribe_from_listing(
        self, info: Info, input: Input[UnsubscribeFromListingInput]
    ) -> UnsubscribeFromListingPayload:
        asked, tenant_id = info.context, named_tenant(info.context, input.tenant_id)
        await asked.services.updates.unsubscribe(asked.caller, tenant_id, input.listing_id)
        return UnsubscribeFromListingPayload(listing=await asked.listing(input.listing_id))


def _place(shown: Shown) -> tuple[str | int, ...]:
    return shown.head.listing_id, shown.rank
