"""Submissions over REST: validating a package, submitting it, and how it stands (installhub.md section 10.4)."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from domain import strict_json
from domain.access import Right
from domain.errors import ErrorCode, Problem, Refusal, refuse, refuse_if
from domain.import_model import ImportPackage
from domain.market.coverage import REPORT_BYTES_MAX, read_coverage
from domain.market.model import Submission, SubmissionStatus
from domain.market.submitting import SubmissionOrder, Wishes
from rest_compat import publishing_bodies
from rest_compat.asking import Asked, admitted, signed_in
from rest_compat.dialect import answer, media_type
from rest_compat.installs import PREFIX
from rest_compat.market_publishers import publisher_in_path
from rest_compat.operations import JSON, MULTIPART, ZIP, Answer, Operation, Parameter
from rest_compat.parameters import IDEMPOTENCY_KEY, PAGES
from rest_compat.publishing_shapes import (
    SubmissionAccepted,
    SubmissionForm,
    SubmissionReportAnswer,
    SubmissionsPage,
    SubmissionStatusAnswer,
    ValidationAnswer,
)
from rest_compat.querying import SWITCHES, Query, numbered
from rest_compat.receiving import received_alone, received_form
from rest_compat.wishes import SizeLimit

_DONE, _ACCEPTED = 200, 202
STATUSES = {status.wire: (status,) for status in SubmissionStatus}
_LINE, _TEXT = 4 << 10, 32 << 10
_SIGNATURE_BYTES = 128 << 10
#: bytes of each part beside the package; what it may say is judged with everything else
_PARTS: Mapping[str, int] = {
    **dict.fromkeys(("publisherId", "category", "tags", "license", "homepage", "requestCertification"), _LINE),
    **dict.fromkeys(("description", "changelog", "falsePositiveExplanation", "screenshots"), _TEXT),
    "signature": _SIGNATURE_BYTES,
    "coverageReport": REPORT_BYTES_MAX,
}


async def validate(request: Request) -> Response:
    """Everything that a submission would meet; nothing is kept."""
    asked = await admitted(request, Right.PUBLISH)
    if media_type(request) not in {ZIP, MULTIPART}:
        raise refuse(ErrorCode.UNSUPPORTED_MEDIA_TYPE, f"Send {MULTIPART} with the part package, or {ZIP}.")
    package = await received_alone(request, asked.services.blobs, limit=_limit(asked))
    try:
        verdict = await asked.services.submissions.validate(asked.caller, package.blob_key, asked.reach)
    finally:
        await asyncio.shield(asked.services.blobs.delete(package.blob_key))
    return answer(publishing_bodies.validation(verdict))


async def submit(request: Request) -> Response:
    """202: the checks go on without the caller, who looks at ``statusUrl``."""
    asked = await admitted(request, Right.PUBLISH)
    if media_type(request) != MULTIPART:
        raise refuse(ErrorCode.UNSUPPORTED_MEDIA_TYPE, f"Send {MULTIPART} with the part package.")
    parts, package = await received_form(request, asked.services.blobs, limit=_limit(asked), texts=_PARTS)
    try:
        order = await asyncio.to_thread(_order, parts, package)
        made, hints = await asked.services.submissions.submit(
            asked.caller, order, asked.reach, key=asked.idempotency_key
        )
    except Refusal:
        await asked.services.blobs.delete(package.blob_key)
        raise
    if made.blob_key != package.blob_key:
        await asked.services.blobs.delete(package.blob_key)
    headers = {"location": publishing_bodies.status_url(made)}
    return answer(publishing_bodies.accepted(made, hints), status=_ACCEPTED, headers=headers)


async def publisher_submissions(request: Request) -> Response:
    asked = await signed_in(request)
    query = Query(request)
    page, statuses = query.page(), query.words("status", STATUSES)
    publisher = await publisher_in_path(asked)
    query.checked()
    found = await asked.services.submissions.page(publisher, statuses, page=page.number, page_size=page.size)
    return answer(numbered([publishing_bodies.status(one) for one in found.items], found.total_count, page))


async def submission_status(request: Request) -> Response:
    return answer(publishing_bodies.status(await submission_in_path(await signed_in(request))))


async def submission_scan_report(request: Request) -> Response:
    found = await submission_in_path(await signed_in(request))
    if found.scan_report is None:
        raise refuse(ErrorCode.NOT_FOUND, "This submission has no scan report yet.", what="scan report")
    return answer(publishing_bodies.scan_report(found, found.scan_report))


async def submission_in_path(asked: Asked) -> Submission:
    """The submission that the address names. Raises ``InsufficientPermission`` and ``NotFound``."""
    return await asked.services.submissions.get(asked.caller, asked.id_in_path("submissionId"), asked.reach)


def _limit(asked: Asked) -> SizeLimit:
    limits = asked.services.installation.limits.submission()
    return SizeLimit(limits.archive.bytes_max, limits.plan)


def _order(parts: Mapping[str, bytes], package: ImportPackage) -> SubmissionOrder:
    """The order that a form means. Raises with everything that cannot be read."""
    problems: list[Problem] = []
    texts = {name: _text(name, raw, problems) for name, raw in parts.items() if name != "coverageReport"}
    signature = _envelope(parts["signature"], problems) if parts.get("signature") else None
    certify = texts.get("requestCertification", "").strip().lower() or "false"
    if certify not in SWITCHES:
        text = "requestCertification is true or false."
        problems.append(Problem(ErrorCode.BAD_USER_INPUT, text, "requestCertification"))
    coverage = None
    try:
        coverage = read_coverage(parts["coverageReport"]).row() if parts.get("coverageReport") else None
    except Refusal as refusal:
        problems += refusal.problems
    refuse_if(problems)
    return SubmissionOrder(
        publisher_id=texts.get("publisherId", ""),
        package=package,
        wishes=_wishes(texts),
        requests_certification=SWITCHES[certify],
        explanation=texts.get("falsePositiveExplanation", ""),
        signature=signature,
        coverage=coverage,
    )


def _wishes(texts: Mapping[str, str]) -> Wishes:
    return Wishes(
        description=texts.get("description", ""),
        category=texts.get("category", "").strip(),
        tags=_listed(texts.get("tags", "")),
        changelog=texts.get("changelog", ""),
        license=texts.get("license", "").strip(),
        homepage=texts.get("homepage", "").strip(),
        screenshots=_listed(texts.get("screenshots", "")),
    )


def _listed(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


def _text(name: str, raw: bytes, problems: list[Problem]) -> str:
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        text = "\0"
    if "\0" in text:
        problems.append(Problem(ErrorCode.BAD_USER_INPUT, f"The part {name} is not UTF-8 text without NUL.", name))
        return ""
    return text


def _envelope(raw: bytes, problems: list[Problem]) -> dict[str, Any] | None:
    try:
        tree = strict_json.read(raw)
    except strict_json.NotStrict as flaw:
        text = f"The part signature is no JSON that can be read: {flaw.reason}."
        problems.append(Problem(ErrorCode.BAD_USER_INPUT, text, "signature"))
        return None
    if not isinstance(tree, dict):
        problems.append(Problem(ErrorCode.BAD_USER_INPUT, "The part signature is a JSON object.", "signature"))
        return None
    return tree


_ONE = f"{PREFIX}/submissions/{{submissionId}}"
#: what may be wrong with a package for the marketplace
_OF_A_PACKAGE = (
    ErrorCode.INVALID_PACKAGE_FORMAT,
    ErrorCode.TOO_MANY_ARTIFACTS,
    ErrorCode.MISSING_REQUIRED_FIELD,
    ErrorCode.MISSING_PACKAGE_DEPENDENCY,
    ErrorCode.INCOMPATIBLE_PACKAGE_DEPENDENCY,
    ErrorCode.VERSION_ALREADY_PUBLISHED,
    ErrorCode.PACKAGE_BELONGS_TO_OTHER_PUBLISHER,
    ErrorCode.SIGNATURE_INVALID,
    ErrorCode.STATE_CONFLICT,
)

SUBMISSION_OPERATIONS = (
    Operation(
        method="POST",
        path=f"{PREFIX}/validate",
        endpoint=validate,
        summary="See what a submission of a package would meet",
        right=Right.PUBLISH,
        answers={_DONE: Answer("Errors and warnings; nothing was kept.", {JSON: ValidationAnswer})},
        takes={MULTIPART: bytes, ZIP: bytes},
        source="installhub.md section 10.4",
    ),
    Operation(
        method="POST",
        path=f"{PREFIX}/submit",
        endpoint=submit,
        summary="Submit a package, to be offered once the checks have passed",
        right=Right.PUBLISH,
        answers={_ACCEPTED: Answer("The checks go on.", {JSON: SubmissionAccepted}, ("Location",))},
        takes={MULTIPART: SubmissionForm},
        parameters=(IDEMPOTENCY_KEY,),
        refuses=(
            *_OF_A_PACKAGE,
            ErrorCode.PUBLISHER_NOT_VERIFIED,
            ErrorCode.NOT_FOUND,
            ErrorCode.RATE_LIMIT_EXCEEDED,
            ErrorCode.IDEMPOTENCY_KEY_REUSED,
        ),
        source="installhub.md section 10.4",
    ),
    Operation(
        method="GET",
        path=f"{PREFIX}/publishers/{{publisherId}}/submissions",
        endpoint=publisher_submissions,
        summary="List what a publisher submitted",
        right=Right.PUBLISH,
        or_right=Right.RUN_MARKET,
        answers={_DONE: Answer("Submissions, newest first.", {JSON: SubmissionsPage})},
        parameters=(
            Parameter(
                "status",
                "Only submissions that stand so, repeated or with commas between.",
                schema={"type": "array", "items": {"enum": list(STATUSES)}},
            ),
            *PAGES,
        ),
        refuses=(ErrorCode.NOT_FOUND,),
        source="installhub.md section 4.3",
    ),
    Operation(
        method="GET",
        path=f"{_ONE}/status",
        endpoint=submission_status,
        summary="Look how a submission stands",
        right=Right.PUBLISH,
        or_right=Right.RUN_MARKET,
        answers={_DONE: Answer("The submission as it now stands.", {JSON: SubmissionStatusAnswer})},
        refuses=(ErrorCode.NOT_FOUND,),
        source="installhub.md section 10.4",
    ),
    Operation(
        method="GET",
        path=f"{_ONE}/scan-report",
        endpoint=submission_scan_report,
        summary="Read what the security scan of a submission found",
        right=Right.PUBLISH,
        or_right=Right.RUN_MARKET,
        answers={_DONE: Answer("The report.", {JSON: SubmissionReportAnswer})},
        refuses=(ErrorCode.NOT_FOUND,),
        source="installhub.md section 4.3",
    ),
)
