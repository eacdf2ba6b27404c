"""Exceptions from the scans of imports, over REST (installhub.md section 9.6)."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, Field
from starlette.requests import Request
from starlette.responses import Response

from domain.access import Right
from domain.errors import ErrorCode
from domain.excepting import SLA
from domain.exception_rows import ImportException
from domain.model import rfc3339
from rest_compat.asking import Body, admitted, read_body
from rest_compat.bodies import PREFIX
from rest_compat.dialect import answer
from rest_compat.managing import AFTER, Text
from rest_compat.operations import JSON, Answer, Operation
from rest_compat.parameters import IDEMPOTENCY_KEY, TENANT
from rest_compat.querying import Query, tenant_in
from rest_compat.scan_exception_shapes import ImportExceptionAnswer, ImportExceptions

_DONE, _CREATED = 200, 201
_OURS = "decisions section 9.3"


class AskBody(Body):
    finding_index: int
    explanation: Text = ""
    justification: Text | None = None


class DecideBody(Body):
    decision: Literal["Approve", "Reject"]
    details: Text = ""
    valid_until: Annotated[AwareDatetime, Field(strict=False)] | None = None


async def request_import_exception(request: Request) -> Response:
    asked = await admitted(request, Right.ADMINISTER)
    wish = (await read_body(request, AskBody)).checked
    made = await asked.services.import_exceptions.ask(
        asked.caller,
        asked.id_in_path("importId"),
        asked.reach,
        finding_index=wish.finding_index,
        explanation=wish.explanation,
        justification=wish.justification or "",
        key=asked.idempotency_key,
    )
    return answer(_shown(made), status=_CREATED)


async def decide_import_exception(request: Request) -> Response:
    asked = await admitted(request, Right.ADMINISTER)
    wish = (await read_body(request, DecideBody)).checked
    decided = await asked.services.import_exceptions.decide(
        asked.caller,
        asked.id_in_path("importId"),
        asked.id_in_path("exceptionId"),
        asked.reach,
        is_approved=wish.decision == "Approve",
        details=wish.details,
        valid_until=wish.valid_until,
    )
    return answer(_shown(decided))


async def import_exceptions(request: Request) -> Response:
    asked = await admitted(request, Right.ADMINISTER)
    query = Query(request)
    size, after = query.page().size, query.stated("after")
    tenant_id = tenant_in(asked, query)
    query.checked()
    found = await asked.services.import_exceptions.page(asked.caller, tenant_id, first=size, after=after)
    return answer({"items": [_shown(one) for one in found.items], "hasNext": found.has_next})


def _shown(found: ImportException) -> dict[str, Any]:
    return {
        "exceptionId": found.exception_id,
        "status": found.status.wire,
        "reviewSLA": SLA,
        "importId": found.import_id,
        "findingIndex": found.finding_index,
        "rule": found.rule,
        "pointer": found.pointer,
        "artifactHash": found.artifact_hash,
        "explanation": found.explanation,
        **({"justification": found.justification} if found.justification else {}),
        "requestedAt": rfc3339(found.asked_at),
        "requestedBy": found.asked_by.label,
        **_decided(found),
    }


def _decided(found: ImportException) -> dict[str, Any]:
    if found.decided_at is None or found.decided_by is None:
        return {}
    return {
        "details": found.details,
        "decidedAt": rfc3339(found.decided_at),
        "decidedBy": found.decided_by.label,
        **({"validUntil": rfc3339(found.valid_until)} if found.valid_until else {}),
    }


_ONE = f"{PREFIX}/imports/{{importId}}/scan-exception"

SCAN_EXCEPTION_OPERATIONS = (
    Operation(
        method="POST",
        path=_ONE,
        endpoint=request_import_exception,
        summary="Ask that one finding of an import's scan be let pass",
        right=Right.ADMINISTER,
        answers={_CREATED: Answer("Somebody will decide.", {JSON: ImportExceptionAnswer})},
        takes={JSON: AskBody},
        parameters=(IDEMPOTENCY_KEY,),
        refuses=(
            ErrorCode.NOT_FOUND,
            ErrorCode.MISSING_REQUIRED_FIELD,
            ErrorCode.STATE_CONFLICT,
            ErrorCode.BUNDLE_EXPIRED,
            ErrorCode.IDEMPOTENCY_KEY_REUSED,
        ),
        description="Only of what the scan forbids: a warning needs `allowSecurityWarnings` and no exception.",
        source="installhub.md section 9.6",
    ),
    Operation(
        method="POST",
        path=f"{_ONE}/{{exceptionId}}/decide",
        endpoint=decide_import_exception,
        summary="Approve, reject or take back an exception from an import's scan",
        right=Right.ADMINISTER,
        answers={_DONE: Answer("The exception.", {JSON: ImportExceptionAnswer})},
        takes={JSON: DecideBody},
        refuses=(ErrorCode.NOT_FOUND, ErrorCode.MISSING_REQUIRED_FIELD, ErrorCode.STATE_CONFLICT),
        description="Approved, the finding is a warning for every import of these bytes into the tenant, and an import"
        " that allowed warnings is tried again when nothing else is against it. Nobody approves what they asked for.",
        source=_OURS,
    ),
    Operation(
        method="GET",
        path=f"{PREFIX}/scan-exceptions",
        endpoint=import_exceptions,
        summary="List the exceptions from scans of a tenant's imports",
        right=Right.ADMINISTER,
        answers={_DONE: Answer("Exceptions, oldest first.", {JSON: ImportExceptions})},
        parameters=(TENANT, *AFTER),
        source=_OURS,
    ),
)
