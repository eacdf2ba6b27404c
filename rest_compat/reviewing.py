"""Reviews of packages over REST: reading, writing, flagging and moderating them (installhub.md section 10.4)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import StringConstraints
from starlette.requests import Request
from starlette.responses import Response

from domain.access import Right
from domain.errors import ErrorCode
from domain.market.review_rows import ReviewSort
from domain.market.reviews import ReviewDraft, Verdict
from domain.services import Services
from rest_compat import catalogue_bodies
from rest_compat.asking import Body, admitted, read_body, signed_in
from rest_compat.browsing import looked_at
from rest_compat.catalogue_shapes import ModerationQueue, ReviewKept, ReviewsPage, ReviewStanding
from rest_compat.dialect import answer
from rest_compat.installs import PREFIX
from rest_compat.operations import JSON, Admits, Answer, Operation, Parameter
from rest_compat.parameters import IDEMPOTENCY_KEY, PAGES
from rest_compat.querying import Query, numbered
from rest_compat.wishes import Name

_DONE, _CREATED = 200, 201
_SORTS: Mapping[str, ReviewSort] = {sort.value: sort for sort in ReviewSort}
#: longer ones are refused before they are looked at
_Text = Annotated[str, StringConstraints(max_length=20_000)]


class ReviewBody(Body):
    tenant_id: Name | None = None
    rating: int
    title: _Text
    body: _Text


class FlagBody(Body):
    reason: _Text


class VerdictBody(Body):
    verdict: Literal["approve", "reject", "restore"]


async def reviews(request: Request) -> Response:
    _, _, shown = await looked_at(request)
    services: Services = request.state.services
    query = Query(request)
    page, sort = query.page(), query.choice("sortBy", _SORTS) or ReviewSort.HELPFUL
    query.checked()
    found, stars = await services.reviews.published_page(shown, sort, page=page.number, page_size=page.size)
    body = catalogue_bodies.reviews(shown, found, stars)
    return answer({**body, "page": page.number, "pageSize": page.size})


async def write_review(request: Request) -> Response:
    asked = await signed_in(request)
    read = await read_body(request, ReviewBody)
    tenant_id = asked.tenant(read.tree, "tenantId", read.problems)
    body = read.checked
    draft = ReviewDraft(asked.id_in_path("packageId"), tenant_id, body.rating, body.title, body.body)
    review = await asked.services.reviews.write(asked.caller, draft, key=asked.idempotency_key)
    return answer(catalogue_bodies.review_kept(review), status=_CREATED)


async def mark_review_helpful(request: Request) -> Response:
    asked = await signed_in(request)
    review = await asked.services.reviews.mark_helpful(asked.caller, asked.id_in_path("reviewId"))
    return answer(catalogue_bodies.review_standing(review))


async def flag_review(request: Request) -> Response:
    asked = await signed_in(request)
    body = (await read_body(request, FlagBody)).checked
    review = await asked.services.reviews.flag(asked.caller, asked.id_in_path("reviewId"), body.reason)
    return answer(catalogue_bodies.review_standing(review))


async def moderation_queue(request: Request) -> Response:
    asked = await admitted(request, Right.RUN_MARKET)
    query = Query(request)
    page = query.page()
    query.checked()
    found = await asked.services.reviews.waiting_page(asked.caller, page=page.number, page_size=page.size)
    return answer(numbered([catalogue_bodies.moderated(one) for one in found.items], found.total_count, page))


async def moderate_review(request: Request) -> Response:
    asked = await admitted(request, Right.RUN_MARKET)
    body = (await read_body(request, VerdictBody)).checked
    verdict = Verdict(body.verdict)
    review = await asked.services.reviews.moderate(asked.caller, asked.id_in_path("reviewId"), verdict)
    return answer(catalogue_bodies.review_standing(review))


REVIEW_OPERATIONS = (
    Operation(
        method="GET",
        path=f"{PREFIX}/packages/{{packageId}}/reviews",
        endpoint=reviews,
        summary="Read what installers say of a package",
        right=Admits.ANYBODY,
        answers={_DONE: Answer("Published reviews.", {JSON: ReviewsPage})},
        parameters=(Parameter("sortBy", "The order.", schema={"enum": list(_SORTS), "default": "helpful"}), *PAGES),
        refuses=(ErrorCode.NOT_FOUND, ErrorCode.HUB_UNAVAILABLE),
        source="installhub.md section 10.4",
    ),
    Operation(
        method="POST",
        path=f"{PREFIX}/packages/{{packageId}}/reviews",
        endpoint=write_review,
        summary="Review a package that your tenant installed",
        right=Admits.SIGNED_IN,
        answers={_CREATED: Answer("The review waits for a moderator.", {JSON: ReviewKept})},
        takes={JSON: ReviewBody},
        parameters=(IDEMPOTENCY_KEY,),
        refuses=(ErrorCode.NOT_AN_INSTALLER, ErrorCode.ALREADY_REVIEWED, ErrorCode.IDEMPOTENCY_KEY_REUSED),
        description="Once a person and package. A publisher's own people do not review its packages.",
        source="installhub.md section 10.4",
    ),
    Operation(
        method="POST",
        path=f"{PREFIX}/reviews/{{reviewId}}/helpful",
        endpoint=mark_review_helpful,
        summary="Say that a review helped",
        right=Admits.SIGNED_IN,
        answers={_DONE: Answer("Counted, once a person.", {JSON: ReviewStanding})},
        refuses=(ErrorCode.STATE_CONFLICT,),
        source="decisions section 9.3",
    ),
    Operation(
        method="POST",
        path=f"{PREFIX}/reviews/{{reviewId}}/flag",
        endpoint=flag_review,
        summary="Ask moderators to look at a review again",
        right=Admits.SIGNED_IN,
        answers={_DONE: Answer("The review is hidden until a moderator has looked.", {JSON: ReviewStanding})},
        takes={JSON: FlagBody},
        source="installhub.md section 10.4",
    ),
    Operation(
        method="GET",
        path=f"{PREFIX}/reviews/moderation",
        endpoint=moderation_queue,
        summary="List reviews that wait for a moderator",
        right=Right.RUN_MARKET,
        answers={_DONE: Answer("New and flagged reviews, oldest first.", {JSON: ModerationQueue})},
        parameters=PAGES,
        source="decisions section 9.3",
    ),
    Operation(
        method="POST",
        path=f"{PREFIX}/reviews/{{reviewId}}/moderate",
        endpoint=moderate_review,
        summary="Decide whether others can read a review",
        right=Right.RUN_MARKET,
        answers={_DONE: Answer("How the review stands now.", {JSON: ReviewStanding})},
        takes={JSON: VerdictBody},
        refuses=(ErrorCode.STATE_CONFLICT,),
        source="decisions section 9.3",
    ),
)
