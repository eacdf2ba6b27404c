"""Exported packages over REST: preview, export, records, download, and the history of exports (A2)."""

from __future__ import annotations

from collections.abc import Mapping

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from domain.access import Right
from domain.errors import ErrorCode, refuse_if
from domain.model import Package
from domain.records import deleted_problems
from domain.referring import DependencyMode
from domain.rows import HistoryFilter
from domain.services import Services
from rest_compat import bodies, downloading
from rest_compat.answers import DeletedPackage, ExportAnswer, HistoryPage, PackageRecord, PreviewAnswer
from rest_compat.asking import Asked, admitted, read_body
from rest_compat.dialect import answer
from rest_compat.operations import JSON, OF_AN_EXPORT, OF_ROOTS, ZIP, Answer, Operation, Parameter
from rest_compat.parameters import DATES, IDEMPOTENCY_KEY, PAGES, TENANT
from rest_compat.querying import Query, numbered, tenant_in
from rest_compat.wishes import ExportBody, PreviewBody

_WHOLE, _PART, _UNCHANGED = 200, 206, 304


async def export(request: Request) -> Response:
    asked = await admitted(request, Right.EXPORT)
    read = await read_body(request, ExportBody)
    tenant_id = asked.tenant(read.tree, "tenantId", read.problems)
    order = read.checked.order(tenant_id)
    exported = await asked.services.exporter.export(asked.caller, order, key=asked.idempotency_key)
    return answer(bodies.export(exported.package, [*exported.warnings, *read.warnings]))


async def preview(request: Request) -> Response:
    asked = await admitted(request, Right.EXPORT)
    read = await read_body(request, PreviewBody)
    tenant_id = asked.tenant(read.tree, "tenantId", read.problems)
    wish = read.checked
    gathered = await asked.services.exporter.preview(
        asked.caller,
        tenant_id,
        wish.artifact_ids,
        package_name=wish.package_name or "",
        mode=wish.dependency_mode or DependencyMode.INCLUDE,
    )
    return answer(bodies.preview(gathered, read.warnings))


async def export_history(request: Request) -> Response:
    """Every export of a tenant that was tried, newest first (installhub.md section 6.8)."""
    asked = await admitted(request, Right.EXPORT)
    query = Query(request)
    page = query.page()
    wanted = HistoryFilter(
        exported_by=query.text("exportedBy"),
        since=query.moment("fromDate"),
        until=query.moment("toDate", is_end=True),
    )
    tenant_id = tenant_in(asked, query)
    query.checked()
    found = await asked.services.records.export_history(
        asked.caller, tenant_id, wanted, page=page.number, page_size=page.size
    )
    return answer(numbered(found.items, found.total_count, page))


async def package_record(request: Request) -> Response:
    asked = await admitted(request, Right.EXPORT)
    package = await _package(asked)
    refuse_if(deleted_problems(package))
    return answer(bodies.package_record(package, await asked.services.links.download_url(package)))


async def delete_package(request: Request) -> Response:
    """The record of a package that is no longer to be had; sent again, it is the same (decisions R40)."""
    asked = await admitted(request, Right.EXPORT)
    package_id = asked.id_in_path("packageId")
    return answer(bodies.deleted_package(await asked.services.deleting.package(asked.caller, package_id, asked.reach)))


async def download(request: Request) -> Response:
    """The stored ZIP."""
    return await sent(request, await _downloadable(request))


async def sent(request: Request, package: Package, *, named: Mapping[str, str] | None = None) -> Response:
    """A package's ZIP, or what of it is asked for; ``named`` are headers that a dialect words in its own way.

    Who takes bytes away renews their time (installhub.md section 6.8). Raises ``BundleExpired`` and
    ``RangeNotSatisfiable``.
    """
    services: Services = request.state.services
    package = await services.records.with_bytes(package)
    if downloading.is_known(package, request.headers):
        return Response(status_code=_UNCHANGED, headers=downloading.validators(package))
    span = downloading.span_of(package, request.headers)
    headers = {**downloading.download_headers(package, span), **(named or {})}
    status = _PART if span.is_part else _WHOLE
    if request.method == "HEAD":
        return Response(status_code=status, headers=headers)
    await services.records.demand_whole(package)
    await services.records.keep_longer(package, days=services.installation.limits.bundle_days)
    chunks = services.blobs.read(package.blob_key, start=span.start, length=span.length)
    return StreamingResponse(await downloading.begun(chunks), status, headers)


async def _package(asked: Asked) -> Package:
    return await asked.services.records.get_package(asked.caller, asked.id_in_path("packageId"), asked.reach)


async def _downloadable(request: Request) -> Package:
    """The package that a token may fetch or, without one, a signed address gives (decisions section 9.5)."""
    signature = request.query_params.get("signature")
    if signature is None or "authorization" in request.headers:
        return await _package(await admitted(request, Right.EXPORT))
    services: Services = request.state.services
    expires = request.query_params.get("expires", "")
    return await services.links.package(request.path_params["packageId"], expires=expires, signature=signature)


PACKAGE_OPERATIONS = (
    Operation(
        method="POST",
        path=f"{bodies.PREFIX}/packages/export",
        endpoint=export,
        summary="Export artifacts, and all they need, as a package",
        right=Right.EXPORT,
        answers={_WHOLE: Answer("The package is made.", {JSON: ExportAnswer})},
        takes={JSON: ExportBody},
        parameters=(IDEMPOTENCY_KEY,),
        refuses=(*OF_AN_EXPORT, ErrorCode.IDEMPOTENCY_KEY_REUSED),
        source="export-api",
    ),
    Operation(
        method="POST",
        path=f"{bodies.PREFIX}/packages/preview",
        endpoint=preview,
        summary="Look at what an export would hold, and in which order",
        right=Right.EXPORT,
        answers={_WHOLE: Answer("What would be exported; nothing was made.", {JSON: PreviewAnswer})},
        takes={JSON: PreviewBody},
        refuses=OF_ROOTS,
        source="export-api",
    ),
    Operation(
        method="GET",
        path=f"{bodies.PREFIX}/packages/history",
        endpoint=export_history,
        summary="List every export of a tenant that was tried",
        right=Right.EXPORT,
        answers={_WHOLE: Answer("Exports, newest first, failed ones too.", {JSON: HistoryPage})},
        parameters=(
            TENANT,
            Parameter("exportedBy", "Only this person's: the e-mail address or the token's subject."),
            *DATES,
            *PAGES,
        ),
        source="installhub.md section 6.8",
    ),
    Operation(
        method="GET",
        path=f"{bodies.PREFIX}/packages/{{packageId}}/download",
        endpoint=download,
        summary="Fetch a package's ZIP",
        right=Right.EXPORT,
        answers={
            _WHOLE: Answer("The ZIP.", {ZIP: bytes}, ("ETag", "Content-Disposition", "Accept-Ranges")),
            _PART: Answer("The range that was asked for.", {ZIP: bytes}, ("ETag", "Content-Range")),
            _UNCHANGED: Answer("The caller has these bytes already.", headers=("ETag",)),
        },
        parameters=(
            Parameter("Range", "One range of bytes.", place="header"),
            Parameter("If-None-Match", "The entity tag of the bytes that the caller has.", place="header"),
            Parameter("If-Range", "Send the range only if the entity tag is still this one.", place="header"),
            Parameter("expires", "Part of a signed address."),
            Parameter("signature", "Part of a signed address."),
        ),
        refuses=(ErrorCode.NOT_FOUND, ErrorCode.BUNDLE_EXPIRED, ErrorCode.RANGE_NOT_SATISFIABLE),
        description="A signed address, `downloadUrl` of the package's record, needs no token for five minutes.",
        source="export-api",
    ),
    Operation(
        method="GET",
        path=f"{bodies.PREFIX}/packages/{{packageId}}",
        endpoint=package_record,
        summary="Look at a package and its manifest",
        right=Right.EXPORT,
        answers={_WHOLE: Answer("The package.", {JSON: PackageRecord})},
        refuses=(ErrorCode.NOT_FOUND, ErrorCode.BUNDLE_EXPIRED),
        source="export-api",
    ),
    Operation(
        method="DELETE",
        path=f"{bodies.PREFIX}/packages/{{packageId}}",
        endpoint=delete_package,
        summary="Delete a package",
        right=Right.EXPORT,
        answers={_WHOLE: Answer("Nobody fetches or imports it any more.", {JSON: DeletedPackage})},
        refuses=(ErrorCode.NOT_FOUND,),
        description="Its version stays taken, and the history of exports tells of it. Imports and plans that have it"
        " already go on.",
        source="decisions R40",
    ),
)
