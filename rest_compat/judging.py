"""What people decide about submissions, over REST: queue, second looks, scan exceptions (installhub.md section 4.3)."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from domain.access import Right
from domain.errors import ErrorCode
from domain.market.model import TrustLevel
from rest_compat import curation_bodies, publishing_bodies
from rest_compat.asking import Body, admitted, read_body, signed_in
from rest_compat.curation_shapes import (
    ManualReviewAnswer,
    ManualReviews,
    ReviewQueue,
    ScanExceptionAnswer,
    ScanExceptions,
)
from rest_compat.dialect import answer
from rest_compat.installs import PREFIX
from rest_compat.managing import AFTER, ExplanationBody, Text
from rest_compat.operations import JSON, Answer, Operation
from rest_compat.parameters import IDEMPOTENCY_KEY, PAGES
from rest_compat.publishing_shapes import SubmissionStatusAnswer
from rest_compat.querying import Query, numbered

_DONE, _CREATED = 200, 201
_OURS = "decisions section 9.3"
_APPROVE = "Approve"


class DecisionBody(Body):
    decision: Literal["Approve", "Reject"]
    details: Text | None = None


class SubmissionDecisionBody(DecisionBody):
    reason: Text | None = None
    trust_level: Annotated[TrustLevel, Field(strict=False)] | None = None
    fast_track_review: bool | None = None


class ScanExceptionBody(Body):
    finding_index: int
    explanation: Text = ""
    evidence: Text | None = None


async def review_queue(request: Request) -> Response:
    asked = await admitted(request, Right.RUN_MARKET)
    query = Query(request)
    page = query.page()
    query.checked()
    reviewing = asked.services.curation.reviewing
    found = await reviewing.queue_page(asked.caller, page=page.number, page_size=page.size)
    return answer(numbered([publishing_bodies.status(one) for one in found.items], found.total_count, page))


async def review_submission(request: Request) -> Response:
    asked = await admitted(request, Right.RUN_MARKET)
    wish = (await read_body(request, SubmissionDecisionBody)).checked
    reviewing, named, details = asked.services.curation.reviewing, asked.id_in_path("submissionId"), wish.details or ""
    if wish.decision == _APPROVE:
        decided = await reviewing.approve(asked.caller, named, details=details, trust_level=wish.trust_level)
    else:
        is_fast_track = bool(wish.fast_track_review)
        decided = await reviewing.reject(
            asked.caller, named, reason=wish.reason or "", details=details, is_fast_track=is_fast_track
        )
    return answer(publishing_bodies.status(decided))


async def request_manual_review(request: Request) -> Response:
    asked = await admitted(request, Right.PUBLISH)
    wish = (await read_body(request, ExplanationBody)).checked
    made = await asked.services.curation.reviewing.ask(
        asked.caller,
        asked.id_in_path("submissionId"),
        asked.reach,
        explanation=wish.explanation,
        key=asked.idempotency_key,
    )
    return answer(curation_bodies.manual_review(made), status=_CREATED)


async def manual_review(request: Request) -> Response:
    asked = await signed_in(request)
    reviewing, named = asked.services.curation.reviewing, asked.id_in_path("submissionId")
    return answer(curation_bodies.manual_review(await reviewing.asked(asked.caller, named, asked.reach)))


async def decide_manual_review(request: Request) -> Response:
    asked = await admitted(request, Right.RUN_MARKET)
    wish = (await read_body(request, DecisionBody)).checked
    decided = await asked.services.curation.reviewing.decide(
        asked.caller,
        asked.id_in_path("submissionId"),
        is_approved=wish.decision == _APPROVE,
        details=wish.details or "",
    )
    return answer(curation_bodies.manual_review(decided))


async def manual_reviews(request: Request) -> Response:
    asked = await admitted(request, Right.RUN_MARKET)
    query = Query(request)
    size, after = query.page().size, query.stated("after")
    query.checked()
    found = await asked.services.curation.reviewing.waiting(asked.caller, first=size, after=after)
    return answer({"items": [curation_bodies.manual_review(one) for one in found.items], "hasNext": found.has_next})


async def request_scan_exception(request: Request) -> Response:
    asked = await admitted(request, Right.PUBLISH)
    wish = (await read_body(request, ScanExceptionBody)).checked
    made = await asked.services.curation.excepting.ask(
        asked.caller,
        asked.id_in_path("submissionId"),
        asked.reach,
        finding_index=wish.finding_index,
        explanation=wish.explanation,
        evidence=wish.evidence or "",
        key=asked.idempotency_key,
    )
    return answer(curation_bodies.scan_exception(made), status=_CREATED)


async def scan_exception(request: Request) -> Response:
    asked = await signed_in(request)
    submission_id, exception_id = asked.id_in_path("submissionId"), asked.id_in_path("exceptionId")
    excepting = asked.services.curation.excepting
    found = await excepting.find(asked.caller, submission_id, exception_id, asked.reach)
    return answer(curation_bodies.scan_exception(found))


async def decide_scan_exception(request: Request) -> Response:
    asked = await admitted(request, Right.RUN_MARKET)
    wish = (await read_body(request, DecisionBody)).checked
    decided = await asked.services.curation.excepting.decide(
        asked.caller,
        asked.id_in_path("submissionId"),
        asked.id_in_path("exceptionId"),
        is_approved=wish.decision == _APPROVE,
        details=wish.details or "",
    )
    return answer(curation_bodies.scan_exception(decided))


async def scan_exceptions(request: Request) -> Response:
    asked = await admitted(request, Right.RUN_MARKET)
    query = Query(request)
    size, after = query.page().size, query.stated("after")
    query.checked()
    found = await asked.services.curation.excepting.waiting(asked.caller, first=size, after=after)
    return answer({"items": [curation_bodies.scan_exception(one) for one in found.items], "hasNext": found.has_next})


_ONE = f"{PREFIX}/submissions/{{submissionId}}"
_EXCEPTION = f"{_ONE}/scan-exception/{{exceptionId}}"
#: what publishing may refuse when a person says yes
_OF_PUBLISHING = (
    ErrorCode.CERTIFICATION_REFUSED,
    ErrorCode.PUBLISHER_NOT_VERIFIED,
    ErrorCode.PACKAGE_BELONGS_TO_OTHER_PUBLISHER,
    ErrorCode.VERSION_ALREADY_PUBLISHED,
    ErrorCode.MISSING_PACKAGE_DEPENDENCY,
    ErrorCode.INCOMPATIBLE_PACKAGE_DEPENDENCY,
    ErrorCode.SIGNATURE_INVALID,
    ErrorCode.INVALID_PACKAGE_FORMAT,
    ErrorCode.SECURITY_SCAN_FAILED,
    ErrorCode.BUNDLE_EXPIRED,
)
_OF_A_WISH = (ErrorCode.MISSING_REQUIRED_FIELD, ErrorCode.STATE_CONFLICT, ErrorCode.IDEMPOTENCY_KEY_REUSED)
_OF_A_DECISION = (ErrorCode.MISSING_REQUIRED_FIELD, ErrorCode.STATE_CONFLICT)

JUDGING_OPERATIONS = (
    Operation(
        method="GET",
        path=f"{PREFIX}/review-queue",
        endpoint=review_queue,
        summary="List submissions that wait for a person",
        right=Right.RUN_MARKET,
        answers={_DONE: Answer("Submissions, oldest first.", {JSON: ReviewQueue})},
        parameters=PAGES,
        source=_OURS,
    ),
    Operation(
        method="POST",
        path=f"{_ONE}/review",
        endpoint=review_submission,
        summary="Approve or reject a submission",
        right=Right.RUN_MARKET,
        answers={_DONE: Answer("The submission as it now stands.", {JSON: SubmissionStatusAnswer})},
        takes={JSON: SubmissionDecisionBody},
        refuses=(*_OF_A_DECISION, *_OF_PUBLISHING),
        description="Approved, its package is offered at the trust level that it aimed at. Nobody decides about a"
        " submission of their own.",
        source=_OURS,
    ),
    Operation(
        method="POST",
        path=f"{_ONE}/request-manual-review",
        endpoint=request_manual_review,
        summary="Ask that a person looks at what the scan warned of",
        right=Right.PUBLISH,
        answers={_CREATED: Answer("Somebody will look.", {JSON: ManualReviewAnswer})},
        takes={JSON: ExplanationBody},
        parameters=(IDEMPOTENCY_KEY,),
        refuses=_OF_A_WISH,
        source="installhub.md section 4.3",
    ),
    Operation(
        method="GET",
        path=f"{_ONE}/manual-review",
        endpoint=manual_review,
        summary="See how a second look stands",
        right=Right.PUBLISH,
        or_right=Right.RUN_MARKET,
        answers={_DONE: Answer("The last one that was asked for.", {JSON: ManualReviewAnswer})},
        source="installhub.md section 4.3",
    ),
    Operation(
        method="POST",
        path=f"{_ONE}/manual-review",
        endpoint=decide_manual_review,
        summary="Close a second look",
        right=Right.RUN_MARKET,
        answers={_DONE: Answer("How it was decided.", {JSON: ManualReviewAnswer})},
        takes={JSON: DecisionBody},
        refuses=_OF_A_DECISION,
        description="Rejected, the version that came of the submission is suspended.",
        source=_OURS,
    ),
    Operation(
        method="GET",
        path=f"{PREFIX}/manual-reviews",
        endpoint=manual_reviews,
        summary="List second looks that nobody took",
        right=Right.RUN_MARKET,
        answers={_DONE: Answer("Requests, oldest first.", {JSON: ManualReviews})},
        parameters=AFTER,
        source=_OURS,
    ),
    Operation(
        method="POST",
        path=f"{_ONE}/scan-exception",
        endpoint=request_scan_exception,
        summary="Ask that one finding of a scan be let pass",
        right=Right.PUBLISH,
        answers={_CREATED: Answer("Somebody will decide.", {JSON: ScanExceptionAnswer})},
        takes={JSON: ScanExceptionBody},
        parameters=(IDEMPOTENCY_KEY,),
        refuses=(*_OF_A_WISH, ErrorCode.BUNDLE_EXPIRED, ErrorCode.INVALID_PACKAGE_FORMAT),
        source="installhub.md section 9.6",
    ),
    Operation(
        method="GET",
        path=_EXCEPTION,
        endpoint=scan_exception,
        summary="See how an exception stands",
        right=Right.PUBLISH,
        or_right=Right.RUN_MARKET,
        answers={_DONE: Answer("The exception.", {JSON: ScanExceptionAnswer})},
        source="installhub.md section 4.3",
    ),
    Operation(
        method="POST",
        path=f"{_EXCEPTION}/decide",
        endpoint=decide_scan_exception,
        summary="Approve or reject an exception",
        right=Right.RUN_MARKET,
        answers={_DONE: Answer("The exception.", {JSON: ScanExceptionAnswer})},
        takes={JSON: DecisionBody},
        refuses=(ErrorCode.STATE_CONFLICT,),
        description="Approved, a submission that the scan rejected is checked anew. What passes is bound to the rule,"
        " the place and the bytes of the artifact.",
        source=_OURS,
    ),
    Operation(
        method="GET",
        path=f"{PREFIX}/scan-exceptions",
        endpoint=scan_exceptions,
        summary="List exceptions that wait to be decided",
        right=Right.RUN_MARKET,
        answers={_DONE: Answer("Exceptions, oldest first.", {JSON: ScanExceptions})},
        parameters=AFTER,
        source=_OURS,
    ),
)
