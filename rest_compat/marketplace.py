"""The marketplace over REST (installhub.md section 4.3): one part after another."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from domain.errors import ErrorCode, Refusal
from rest_compat.browsing import BROWSING_OPERATIONS
from rest_compat.dialect import Dialect, answer, render_refusal
from rest_compat.installs import INSTALL_OPERATIONS, PREFIX
from rest_compat.judging import JUDGING_OPERATIONS
from rest_compat.managing import MANAGING_OPERATIONS
from rest_compat.market_publishers import PUBLISHER_OPERATIONS
from rest_compat.market_submissions import SUBMISSION_OPERATIONS
from rest_compat.operations import routes_of
from rest_compat.reported import REPORTED_OPERATIONS
from rest_compat.reviewing import REVIEW_OPERATIONS
from rest_compat.subscribing import SUBSCRIPTION_OPERATIONS
from rest_compat.vulnerabilities import VULNERABILITY_OPERATIONS

#: everything that callers can ask, in the order in which paths are matched
OPERATIONS = (
    *BROWSING_OPERATIONS,
    *REVIEW_OPERATIONS,
    *REPORTED_OPERATIONS,
    *SUBSCRIPTION_OPERATIONS,
    *INSTALL_OPERATIONS,
    *PUBLISHER_OPERATIONS,
    *SUBMISSION_OPERATIONS,
    *MANAGING_OPERATIONS,
    *JUDGING_OPERATIONS,
    *VULNERABILITY_OPERATIONS,
)


def _refused(request: Request, refusal: Refusal) -> Response:
    """As everywhere; but the demand to acknowledge a Community package is exactly the documented body (R29)."""
    if refusal.code is not ErrorCode.ACKNOWLEDGMENT_REQUIRED:
        return render_refusal(request, refusal)
    body = {"error": refusal.code.wire, "message": refusal.message, **refusal.details}
    return answer(body, status=refusal.status)


DIALECT = Dialect(name="marketplace", prefixes=(PREFIX,), routes=routes_of(OPERATIONS), render_refusal=_refused)
