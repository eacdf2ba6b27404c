"""Reports that a package is dangerous, over REST (installhub.md section 4.3)."""

from __future__ import annotations

from typing import Literal

from starlette.requests import Request
from starlette.responses import Response

from domain.access import Right
from domain.errors import ErrorCode
from domain.market.curation_rows import ReportStatus
from rest_compat import curation_bodies
from rest_compat.asking import Body, admitted, read_body, signed_in
from rest_compat.curation_shapes import VulnerabilityAnswer, VulnerabilityReports
from rest_compat.dialect import answer
from rest_compat.installs import PREFIX
from rest_compat.managing import Text
from rest_compat.operations import JSON, Admits, Answer, Operation, Parameter
from rest_compat.parameters import IDEMPOTENCY_KEY, PAGES
from rest_compat.querying import Query, numbered
from rest_compat.wishes import Name

_DONE, _CREATED = 200, 201
_OURS = "decisions section 9.3"
_STATUSES = {status.wire: (status,) for status in ReportStatus}


class VulnerabilityBody(Body):
    severity: Name = ""
    description: Text = ""
    version: Name | None = None


class VulnerabilityDecisionBody(Body):
    decision: Literal["Confirm", "Dismiss"]
    advisory: Text | None = None
    whole_package: bool | None = None


async def report_vulnerability(request: Request) -> Response:
    asked = await signed_in(request)
    wish = (await read_body(request, VulnerabilityBody)).checked
    made = await asked.services.curation.safeguarding.report(
        asked.caller,
        asked.id_in_path("packageId"),
        severity=wish.severity,
        description=wish.description,
        version=wish.version or "",
        key=asked.idempotency_key,
    )
    return answer(curation_bodies.vulnerability(made), status=_CREATED)


async def vulnerability_reports(request: Request) -> Response:
    asked = await admitted(request, Right.RUN_MARKET)
    query = Query(request)
    page, statuses = query.page(), query.words("status", _STATUSES)
    query.checked()
    safeguarding = asked.services.curation.safeguarding
    found = await safeguarding.reports_page(asked.caller, statuses, page=page.number, page_size=page.size)
    return answer(numbered([curation_bodies.vulnerability(one) for one in found.items], found.total_count, page))


async def decide_vulnerability(request: Request) -> Response:
    asked = await admitted(request, Right.RUN_MARKET)
    wish = (await read_body(request, VulnerabilityDecisionBody)).checked
    closed = await asked.services.curation.safeguarding.close(
        asked.caller,
        asked.id_in_path("reportId"),
        is_confirmed=wish.decision == "Confirm",
        advisory=wish.advisory or "",
        is_whole=bool(wish.whole_package),
    )
    return answer(curation_bodies.vulnerability(closed))


VULNERABILITY_OPERATIONS = (
    Operation(
        method="POST",
        path=f"{PREFIX}/packages/{{packageId}}/report-vulnerability",
        endpoint=report_vulnerability,
        summary="Say that a package is dangerous",
        right=Admits.SIGNED_IN,
        answers={_CREATED: Answer("Those who run the market will look.", {JSON: VulnerabilityAnswer})},
        takes={JSON: VulnerabilityBody},
        parameters=(IDEMPOTENCY_KEY,),
        refuses=(
            ErrorCode.MISSING_REQUIRED_FIELD,
            ErrorCode.RATE_LIMIT_EXCEEDED,
            ErrorCode.IDEMPOTENCY_KEY_REUSED,
        ),
        source="installhub.md section 4.3",
    ),
    Operation(
        method="GET",
        path=f"{PREFIX}/vulnerability-reports",
        endpoint=vulnerability_reports,
        summary="List reports of dangerous packages",
        right=Right.RUN_MARKET,
        answers={_DONE: Answer("Reports, oldest first.", {JSON: VulnerabilityReports})},
        parameters=(
            Parameter(
                "status",
                "Only reports that stand so, repeated or with commas between.",
                schema={"type": "array", "items": {"enum": list(_STATUSES)}},
            ),
            *PAGES,
        ),
        source=_OURS,
    ),
    Operation(
        method="POST",
        path=f"{PREFIX}/vulnerability-reports/{{reportId}}/decide",
        endpoint=decide_vulnerability,
        summary="Confirm or dismiss a report",
        right=Right.RUN_MARKET,
        answers={_DONE: Answer("The report.", {JSON: VulnerabilityAnswer})},
        takes={JSON: VulnerabilityDecisionBody},
        refuses=(ErrorCode.MISSING_REQUIRED_FIELD, ErrorCode.STATE_CONFLICT),
        description="Confirmed, the version is suspended, and every tenant that has the package is told the advisory.",
        source=_OURS,
    ),
)
