"""Other installations tell this hub of their installs, and of what their people say (decisions R34; ADR 0014)."""

from __future__ import annotations

import strawberry

from domain.market.reported import ReportedInstall, ReportedReview
from resolvers.mutations import Input
from resolvers.queries import Info
from resolvers.refusals import refusable
from schema.fields import described
from schema.listings import Review
from schema.reported import (
    ReportFlagInput,
    ReportFlagPayload,
    ReportHelpfulInput,
    ReportHelpfulPayload,
    ReportInstallInput,
    ReportInstallPayload,
    ReportReviewInput,
    ReportReviewPayload,
)

_WHOSE = " For installations that install from this hub: needs `marketplace:report`."


@strawberry.type
class ReportedMutation:
    @described("Tells the hub of an install in another installation." + _WHOSE)
    @refusable(ReportInstallPayload)
    async def report_install(self, info: Info, input: Input[ReportInstallInput]) -> ReportInstallPayload:
        asked = info.context
        told = ReportedInstall(input.tenant, input.listing_id, input.version)
        await asked.services.reported.install(asked.caller, told)
        return ReportInstallPayload(listing_id=input.listing_id)

    @described(
        "Reviews a listing for somebody of another installation. A moderator reads it before others do." + _WHOSE
    )
    @refusable(ReportReviewPayload)
    async def report_review(self, info: Info, input: Input[ReportReviewInput]) -> ReportReviewPayload:
        asked = info.context
        told = ReportedReview(input.somebody.somebody(), input.listing_id, input.rating, input.title, input.body)
        review = await asked.services.reported.review(asked.caller, told, key=input.idempotency_key)
        return ReportReviewPayload(review=Review.of(review))

    @described("Says for somebody of another installation that a review helped. Counted once a person." + _WHOSE)
    @refusable(ReportHelpfulPayload)
    async def report_helpful(self, info: Info, input: Input[ReportHelpfulInput]) -> ReportHelpfulPayload:
        asked = info.context
        review = await asked.services.reported.mark_helpful(asked.caller, input.somebody.somebody(), input.review_id)
        return ReportHelpfulPayload(review=Review.of(review))

    @described("Asks moderators for somebody of another installation to look at a review again." + _WHOSE)
    @refusable(ReportFlagPayload)
    async def report_flag(self, info: Info, input: Input[ReportFlagInput]) -> ReportFlagPayload:
        asked, somebody = info.context, input.somebody.somebody()
        review = await asked.services.reported.flag(asked.caller, somebody, input.review_id, input.reason)
        return ReportFlagPayload(review=Review.of(review))
