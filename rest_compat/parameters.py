"""Headers and query parameters that several operations know, as the route table's rows name them."""

from __future__ import annotations

from rest_compat.operations import Parameter
from rest_compat.querying import PAGE_SIZE, PAGE_SIZE_MAX

_DAY_OR_TIME = {"type": "string", "examples": ["2026-05-25", "2026-05-25T09:00:00Z"]}

IDEMPOTENCY_KEY = Parameter(
    "Idempotency-Key",
    "A key of the caller's own: the same request under the same key is carried out once, and answered again.",
    place="header",
    schema={"type": "string", "minLength": 1, "maxLength": 255},
)
PREFER = Parameter(
    "Prefer",
    "`respond-async`: answer 202 at once, and let the import go on (RFC 7240).",
    place="header",
    schema={"type": "string", "examples": ["respond-async"]},
)
DRY_RUN = Parameter("dryRun", "True: plan, and write nothing.", schema={"type": "boolean", "default": False})
TENANT = Parameter("tenantId", "The tenant; else `X-Tenant-Id`, else the token's own.")
TENANT_OR_ALL = Parameter("tenantId", "Only this tenant; else all tenants of the token, or the one of `X-Tenant-Id`.")
PAGES = (
    Parameter("page", "Which page; the first is 1.", schema={"type": "integer", "minimum": 1, "default": 1}),
    Parameter(
        "pageSize",
        "How many items a page has.",
        schema={"type": "integer", "minimum": 1, "maximum": PAGE_SIZE_MAX, "default": PAGE_SIZE},
    ),
)
DATES = (
    Parameter("fromDate", "From this day or time on.", schema=_DAY_OR_TIME),
    Parameter("toDate", "Up to the end of this day, or before this time.", schema=_DAY_OR_TIME),
)
