"""What is asked of the catalogue, and what comes of it."""

from __future__ import annotations

import strawberry

from domain.market import model
from domain.market.model import Category, ListingSort, TrustLevel
from domain.market.reviews import Verdict
from domain.model import PackageType
from schema.inputs import IDEMPOTENCY_KEY
from schema.listings import Listing, Review
from schema.refusals import RefusalShown

_LISTING = "The listing."
_REVIEW = "The review's `key`."
_REFUSAL = "Why nothing was done."


@strawberry.input(description="Which listings a search shows. What is left out asks for nothing.")
class ListingFilter:
    search: str | None = strawberry.field(
        default=None,
        description="Words in the name, the description or a tag; the last one may be a word's beginning.",
    )
    category: Category | None = strawberry.field(default=None, description="Only this category.")
    trust_levels: list[TrustLevel] | None = strawberry.field(default=None, description="Only these trust levels.")
    package_type: PackageType | None = strawberry.field(default=None, description="Only this type.")
    min_rating: float | None = strawberry.field(default=None, description="Only with so many stars on average.")
    sort: ListingSort | None = strawberry.field(
        default=None, description="The order; left out: RELEVANCE where there is a search, else INSTALLS."
    )

    def wanted(self) -> model.ListingFilter:
        return model.ListingFilter(
            search=self.search or "",
            category=self.category,
            trust_levels=tuple(self.trust_levels or ()),
            package_type=self.package_type,
            min_rating=self.min_rating,
            sort=self.sort,
        )


@strawberry.input(description="What to say of a listing. Once a person and listing.")
class ReviewListingInput:
    tenant_id: strawberry.ID = strawberry.field(description="The tenant that installed it.")
    listing_id: strawberry.ID = strawberry.field(description=_LISTING)
    rating: int = strawberry.field(description="1 to 5 stars.")
    title: str = strawberry.field(description="In a line, at most 100 characters.")
    body: str = strawberry.field(description="In full, at most 5,000 characters.")
    idempotency_key: str | None = strawberry.field(default=None, description=IDEMPOTENCY_KEY)


@strawberry.input(description="A review that moderators should look at again.")
class FlagReviewInput:
    review_id: strawberry.ID = strawberry.field(description=_REVIEW)
    reason: str = strawberry.field(description="What is wrong with it, at most 500 characters.")


@strawberry.input(description="A review that helped.")
class MarkReviewHelpfulInput:
    review_id: strawberry.ID = strawberry.field(description=_REVIEW)


@strawberry.input(description="What a moderator decides about a review.")
class ModerateReviewInput:
    review_id: strawberry.ID = strawberry.field(description=_REVIEW)
    verdict: Verdict = strawberry.field(description="What to do with it.")


@strawberry.input(description="A tenant that wants to hear of new versions.")
class SubscribeToListingInput:
    tenant_id: strawberry.ID = strawberry.field(description="The tenant.")
    listing_id: strawberry.ID = strawberry.field(description=_LISTING)


@strawberry.input(description="A tenant that wants to hear of no more new versions.")
class UnsubscribeFromListingInput:
    tenant_id: strawberry.ID = strawberry.field(description="The tenant.")
    listing_id: strawberry.ID = strawberry.field(description=_LISTING)


@strawberry.type(description="The review, which waits for a moderator.")
class ReviewListingPayload:
    review: Review | None = strawberry.field(default=None, description="The review.")
    refusal: RefusalShown | None = strawberry.field(default=None, description=_REFUSAL)


@strawberry.type(description="The review as it is now: hidden until a moderator has looked.")
class FlagReviewPayload:
    review: Review | None = strawberry.field(default=None, description="The review.")
    refusal: RefusalShown | None = strawberry.field(default=None, description=_REFUSAL)


@strawberry.type(description="The review as it is now.")
class MarkReviewHelpfulPayload:
    review: Review | None = strawberry.field(default=None, description="The review.")
    refusal: RefusalShown | None = strawberry.field(default=None, description=_REFUSAL)


@strawberry.type(description="The review as it is now.")
class ModerateReviewPayload:
    review: Review | None = strawberry.field(default=None, description="The review.")
    refusal: RefusalShown | None = strawberry.field(default=None, description=_REFUSAL)


@strawberry.type(description="The listing whose new versions the tenant hears of.")
class SubscribeToListingPayload:
    listing: Listing | None = strawberry.field(default=None, description=_LISTING)
    refusal: RefusalShown | None = strawberry.field(default=None, description=_REFUSAL)


@strawberry.type(description="The listing of which the tenant hears no more; null when the caller does not see it.")
class UnsubscribeFromListingPayload:
    listing: Listing | None = strawberry.field(default=None, description=_LISTING)
    refusal: RefusalShown | None = strawberry.field(default=None, description=_REFUSAL)
