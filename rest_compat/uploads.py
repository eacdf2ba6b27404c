"""Packages sent ahead of their import (decisions R13, section 9.3)."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from domain.access import Right
from domain.errors import ErrorCode, Refusal, refuse
from domain.import_model import ImportPackage
from domain.model import TenantId, Upload
from rest_compat import bodies
from rest_compat.answers import UploadAnswer
from rest_compat.asking import Asked, admitted
from rest_compat.dialect import answer, media_type
from rest_compat.operations import JSON, MULTIPART, ZIP, Answer, Operation
from rest_compat.parameters import IDEMPOTENCY_KEY
from rest_compat.receiving import received_alone
from rest_compat.weighing import limit_of, plan_of

_CREATED = 201


async def upload(request: Request) -> Response:
    """Store a ZIP for an import to come; the header or the token says for which tenant (R1)."""
    asked = await admitted(request, Right.UPLOAD)
    if media_type(request) not in {ZIP, MULTIPART}:
        raise refuse(ErrorCode.UNSUPPORTED_MEDIA_TYPE, f"Send {ZIP}, or {MULTIPART} with the part package.")
    tenant_id = asked.tenant({}, "X-Tenant-Id", ())
    limit = limit_of(asked, await plan_of(asked, tenant_id))
    package = await received_alone(request, asked.services.blobs, limit=limit)
    return answer(bodies.upload(await _kept(asked, tenant_id, package)), status=_CREATED)


async def _kept(asked: Asked, tenant_id: TenantId, package: ImportPackage) -> Upload:
    """The upload, or the one that this request's twin made; then, as after a refusal, these bytes are nobody's."""
    try:
        kept = await asked.services.uploads.keep(asked.caller, tenant_id, package, key=asked.idempotency_key)
    except Refusal:
        await asked.services.blobs.delete(package.blob_key)
        raise
    if kept.blob_key != package.blob_key:
        await asked.services.blobs.delete(package.blob_key)
    return kept


UPLOAD_OPERATIONS = (
    Operation(
        method="POST",
        path=f"{bodies.PREFIX}/uploads",
        endpoint=upload,
        summary="Send a package ahead of its import",
        right=Right.UPLOAD,
        answers={_CREATED: Answer("The package is stored and waits for its import.", {JSON: UploadAnswer})},
        takes={ZIP: bytes, MULTIPART: bytes},
        parameters=(IDEMPOTENCY_KEY,),
        refuses=(ErrorCode.PAYLOAD_TOO_LARGE, ErrorCode.IDEMPOTENCY_KEY_REUSED, ErrorCode.UPLOAD_EXPIRED),
        description="The body is the ZIP itself, or a form whose only part is `package`. `X-Tenant-Id`, else the"
        " token, says for which tenant. Only the same caller can import it, within a day.",
        source="decisions section 9.3",
    ),
)
