"""What other installations tell this hub: their installs, and what their people say (sections 10.2, 10.4; ADR 0014)."""

from __future__ import annotations

from typing import Annotated

from pydantic import StringConstraints
from starlette.requests import Request
from starlette.responses import Response

from domain.access import Right
from domain.errors import ErrorCode
from domain.market.reported import ReportedInstall, ReportedReview, Somebody
from rest_compat import catalogue_bodies
from rest_compat.asking import Body, admitted, read_body
from rest_compat.dialect import answer
from rest_compat.installs import PREFIX
from rest_compat.operations import JSON, Answer, Operation
from rest_compat.parameters import IDEMPOTENCY_KEY
from rest_compat.reported_shapes import CountedInstall, ReviewElsewhere

_DONE, _CREATED = 200, 201
_WHOSE = "Of an installation whose token it is. It speaks of its tenants and people by keys that only it can make."
#: longer ones are refused before they are looked at
_Text = Annotated[str, StringConstraints(max_length=20_000)]


class InstallReportBody(Body):
    tenant: _Text
    package_id: _Text
    version: _Text


class SomebodyBody(Body):
    tenant: _Text
    person: _Text
    author: _Text

    @property
    def somebody(self) -> Somebody:
        return Somebody(self.tenant, self.person, self.author)


class ReviewReportBody(SomebodyBody):
    package_id: _Text
    rating: int
    title: _Text
    body: _Text


class FlagReportBody(SomebodyBody):
    reason: _Text


async def report_install(request: Request) -> Response:
    asked = await admitted(request, Right.REPORT)
    body = (await read_body(request, InstallReportBody)).checked
    told = ReportedInstall(body.tenant, body.package_id, body.version)
    await asked.services.reported.install(asked.caller, told)
    return answer({"packageId": told.listing_id, "version": told.version, "counted": True})


async def report_review(request: Request) -> Response:
    asked = await admitted(request, Right.REPORT)
    body = (await read_body(request, ReviewReportBody)).checked
    told = ReportedReview(body.somebody, body.package_id, body.rating, body.title, body.body)
    review = await asked.services.reported.review(asked.caller, told, key=asked.idempotency_key)
    return answer(catalogue_bodies.review_elsewhere(review), status=_CREATED)


async def report_helpful(request: Request) -> Response:
    asked = await admitted(request, Right.REPORT)
    body = (await read_body(request, SomebodyBody)).checked
    review_id = asked.id_in_path("reviewId")
    review = await asked.services.reported.mark_helpful(asked.caller, body.somebody, review_id)
    return answer(catalogue_bodies.review_elsewhere(review))


async def report_flag(request: Request) -> Response:
    asked = await admitted(request, Right.REPORT)
    body = (await read_body(request, FlagReportBody)).checked
    review_id = asked.id_in_path("reviewId")
    review = await asked.services.reported.flag(asked.caller, body.somebody, review_id, body.reason)
    return answer(catalogue_bodies.review_elsewhere(review))


REPORTED_OPERATIONS = (
    Operation(
        method="POST",
        path=f"{PREFIX}/reported/installs",
        endpoint=report_install,
        summary="Tell the hub of an install in another installation",
        right=Right.REPORT,
        answers={_DONE: Answer("It is counted.", {JSON: CountedInstall})},
        takes={JSON: InstallReportBody},
        refuses=(ErrorCode.NOT_FOUND, ErrorCode.STATE_CONFLICT),
        description=f"{_WHOSE} Counted once a tenant and package; of one installation so many tenants are counted as"
        " the hub's setting says.",
        source="installhub.md section 10.2",
    ),
    Operation(
        method="POST",
        path=f"{PREFIX}/reported/reviews",
        endpoint=report_review,
        summary="Review a package for somebody of another installation",
        right=Right.REPORT,
        answers={_CREATED: Answer("The review waits for a moderator.", {JSON: ReviewElsewhere})},
        takes={JSON: ReviewReportBody},
        parameters=(IDEMPOTENCY_KEY,),
        refuses=(
            ErrorCode.NOT_FOUND,
            ErrorCode.NOT_AN_INSTALLER,
            ErrorCode.ALREADY_REVIEWED,
            ErrorCode.IDEMPOTENCY_KEY_REUSED,
        ),
        description=f"{_WHOSE} The install of their tenant has to be reported before. Once a person and package.",
        source="installhub.md section 10.4",
    ),
    Operation(
        method="POST",
        path=f"{PREFIX}/reported/reviews/{{reviewId}}/helpful",
        endpoint=report_helpful,
        summary="Say for somebody of another installation that a review helped",
        right=Right.REPORT,
        answers={_DONE: Answer("Counted, once a tenant.", {JSON: ReviewElsewhere})},
        takes={JSON: SomebodyBody},
        refuses=(ErrorCode.NOT_FOUND, ErrorCode.STATE_CONFLICT),
        description=_WHOSE,
        source="decisions section 9.3",
    ),
    Operation(
        method="POST",
        path=f"{PREFIX}/reported/reviews/{{reviewId}}/flag",
        endpoint=report_flag,
        summary="Ask moderators for somebody of another installation to look at a review again",
        right=Right.REPORT,
        answers={_DONE: Answer("The review is hidden until a moderator has looked.", {JSON: ReviewElsewhere})},
        takes={JSON: FlagReportBody},
        refuses=(ErrorCode.NOT_FOUND,),
        description=_WHOSE,
        source="installhub.md section 10.4",
    ),
)
