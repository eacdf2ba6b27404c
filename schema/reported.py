"""What other installations tell this hub of their tenants and people (installhub.md sections 10.2 and 10.4)."""

from __future__ import annotations

import strawberry

from domain.market import reported
from schema.inputs import IDEMPOTENCY_KEY
from schema.listings import Review
from schema.refusals import RefusalShown

_LISTING = "The listing."
_REVIEW = "The review's `key`."
_REFUSAL = "Why nothing was done."
_KEY = "64 hexadecimal digits, always the same for the same."


@strawberry.input(description="A person of another installation.")
class SomebodyInput:
    tenant: str = strawberry.field(description=f"What the installation calls their tenant: {_KEY}")
    person: str = strawberry.field(description=f"What the installation calls the person: {_KEY}")
    author: str = strawberry.field(description="The name that readers see, at most 100 characters.")

    def somebody(self) -> reported.Somebody:
        return reported.Somebody(self.tenant, self.person, self.author)


@strawberry.input(description="An install in another installation. Counted once a tenant and listing.")
class ReportInstallInput:
    tenant: str = strawberry.field(description=f"What the installation calls the tenant: {_KEY}")
    listing_id: strawberry.ID = strawberry.field(description=_LISTING)
    version: str = strawberry.field(description="The version that was installed.")


@strawberry.input(description="What somebody of another installation says of a listing. Once a person and listing.")
class ReportReviewInput:
    somebody: SomebodyInput = strawberry.field(description="Who says so.")
    listing_id: strawberry.ID = strawberry.field(description=_LISTING)
    rating: int = strawberry.field(description="1 to 5 stars.")
    title: str = strawberry.field(description="In a line, at most 100 characters.")
    body: str = strawberry.field(description="In full, at most 5,000 characters.")
    idempotency_key: str | None = strawberry.field(default=None, description=IDEMPOTENCY_KEY)


@strawberry.input(description="A review that helped somebody of another installation.")
class ReportHelpfulInput:
    somebody: SomebodyInput = strawberry.field(description="Whom it helped.")
    review_id: strawberry.ID = strawberry.field(description=_REVIEW)


@strawberry.input(description="A review that somebody of another installation wants moderators to look at again.")
class ReportFlagInput:
    somebody: SomebodyInput = strawberry.field(description="Who wants that.")
    review_id: strawberry.ID = strawberry.field(description=_REVIEW)
    reason: str = strawberry.field(description="What is wrong with it, at most 500 characters.")


@strawberry.type(description="The install is counted.")
class ReportInstallPayload:
    listing_id: strawberry.ID | None = strawberry.field(default=None, description="The listing that counts it.")
    refusal: RefusalShown | None = strawberry.field(default=None, description=_REFUSAL)


@strawberry.type(description="The review, which waits for a moderator.")
class ReportReviewPayload:
    review: Review | None = strawberry.field(default=None, description="The review.")
    refusal: RefusalShown | None = strawberry.field(default=None, description=_REFUSAL)


@strawberry.type(description="The review as it is now.")
class ReportHelpfulPayload:
    review: Review | None = strawberry.field(default=None, description="The review.")
    refusal: RefusalShown | None = strawberry.field(default=None, description=_REFUSAL)


@strawberry.type(description="The review as it is now: hidden until a moderator has looked.")
class ReportFlagPayload:
    review: Review | None = strawberry.field(default=None, description="The review.")
    refusal: RefusalShown | None = strawberry.field(default=None, description=_REFUSAL)
