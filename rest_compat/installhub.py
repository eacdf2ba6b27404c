"""InstallHub over REST: the routes of the source documents (A1, A2) and their neighbours (decisions section 9.3)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from domain.access import Right
from domain.errors import ErrorCode, Problem, Refusal, refuse, refuse_if
from domain.import_model import ImportJob, ImportPackage
from domain.importing import ImportOrder
from domain.model import Package
from rest_compat import bodies, downloading
from rest_compat.asking import Asked, admitted, read_body, read_tree
from rest_compat.dialect import Dialect, answer, json_object, media_type, object_of, render_refusal
from rest_compat.receiving import received, refuse_large
from rest_compat.weighing import first_limit, weighed
from rest_compat.wishes import ExportBody, ImportWish, PreviewBody, ReferenceBody, ResumeBody

_WHOLE, _ACCEPTED, _PART, _UNCHANGED = 200, 202, 206, 304


async def export(request: Request) -> Response:
    asked = await admitted(request, Right.EXPORT)
    read = await read_body(request, ExportBody)
    tenant_id = asked.tenant(read.tree, "tenantId", read.problems)
    exported = await asked.services.exporter.export(asked.caller, read.checked.order(tenant_id))
    return answer(bodies.export(exported.package, [*exported.warnings, *read.warnings]))


async def preview(request: Request) -> Response:
    asked = await admitted(request, Right.EXPORT)
    read = await read_body(request, PreviewBody)
    tenant_id = asked.tenant(read.tree, "tenantId", read.problems)
    gathered = await asked.services.exporter.preview(asked.caller, tenant_id, read.checked.artifact_ids)
    return answer(bodies.preview(gathered, read.warnings))


async def package_record(request: Request) -> Response:
    asked = await admitted(request, Right.EXPORT)
    return answer(bodies.package_record(await _package(asked)))


async def download(request: Request) -> Response:
    """The stored ZIP. Who takes bytes away renews their time (installhub.md section 6.8)."""
    asked = await admitted(request, Right.EXPORT)
    package = await asked.services.records.with_bytes(await _package(asked))
    if downloading.is_known(package, request.headers):
        return Response(status_code=_UNCHANGED, headers=downloading.validators(package))
    span = downloading.span_of(package, request.headers)
    status, headers = _PART if span.is_part else _WHOLE, downloading.download_headers(package, span)
    if request.method == "HEAD":
        return Response(status_code=status, headers=headers)
    await asked.services.records.keep_longer(package, days=asked.services.installation.limits.bundle_days)
    chunks = asked.services.blobs.read(package.blob_key, start=span.start, length=span.length)
    return StreamingResponse(chunks, status, headers)


async def import_package(request: Request) -> Response:
    """A1, in both forms; waits for the end, the pause, or as long as the installation lets it (R18)."""
    asked = await admitted(request, Right.IMPORT)
    take = _IMPORT_FORMS.get(media_type(request))
    if take is None:
        raise refuse(ErrorCode.UNSUPPORTED_MEDIA_TYPE, f"Send {' or '.join(_IMPORT_FORMS)}.")
    wish, package = await take(asked)
    return await _answered(asked, await _submitted(asked, wish, package), wish.warnings)


async def resume(request: Request) -> Response:
    asked = await admitted(request, Right.IMPORT)
    job = await asked.services.records.get_import(asked.caller, asked.id_in_path("importId"), asked.reach)
    read = await read_body(request, ResumeBody)
    refuse_if([*read.problems, *(read.body.problems() if read.body else ())])
    decisions = read.checked.decisions()
    resumed = await asked.services.records.resume(asked.caller, job.import_id, asked.reach, decisions)
    return await _answered(asked, resumed, read.warnings)


async def import_record(request: Request) -> Response:
    asked = await admitted(request, Right.READ_IMPORTS)
    job = await _import(asked)
    last = await asked.services.records.events(asked.caller, job, after=max(0, job.last_seq - 1), first=1)
    return answer(bodies.import_record(job, last[0] if last else None))


async def scan_report(request: Request) -> Response:
    asked = await admitted(request, Right.READ_IMPORTS)
    job = await _import(asked)
    reports = await asked.services.records.scan_reports(asked.caller, job)
    if not reports:
        raise refuse(ErrorCode.NOT_FOUND, "This import has no scan report yet.", what="scan report")
    return answer(bodies.scan_report(job, reports[0]))


async def _package(asked: Asked) -> Package:
    return await asked.services.records.get_package(asked.caller, asked.id_in_path("packageId"), asked.reach)


async def _import(asked: Asked) -> ImportJob:
    return await asked.services.records.get_import(asked.caller, asked.id_in_path("importId"), asked.reach)


async def _uploaded(asked: Asked) -> tuple[ImportWish, ImportPackage]:
    """A1's multipart form."""

    async def judge(options: bytes) -> ImportWish:
        return await weighed(asked, object_of(options, "options"))

    limit = await first_limit(asked)
    return await received(asked.request, asked.services.blobs, limit=limit, judge=judge)


async def _referenced(asked: Asked) -> tuple[ImportWish, ImportPackage]:
    """A1's reference to an earlier export: the header names the target, any tenant of the token may be the source."""
    tree = await json_object(asked.request)
    read = read_tree(tree, ReferenceBody)
    named = tree.get("options")
    wish = await weighed(asked, named if isinstance(named, dict) else {}, read.problems)
    source = tree.get("sourcePackageId")
    if not isinstance(source, str):
        raise Refusal(wish.problems)
    package = await asked.services.records.importable(asked.caller, source, asked.caller.reach, wish.tenant_id)
    refuse_large(package.size_bytes, wish.limit)
    refuse_if(wish.problems)
    stored = ImportPackage(0, package.blob_key, package.bundle_sha256, package.size_bytes, package.package_id)
    return replace(wish, warnings=[*read.warnings, *wish.warnings]), stored


_IMPORT_FORMS: Mapping[str, Callable[[Asked], Awaitable[tuple[ImportWish, ImportPackage]]]] = {
    "multipart/form-data": _uploaded,
    "application/json": _referenced,
}


async def _submitted(asked: Asked, wish: ImportWish, package: ImportPackage) -> ImportJob:
    """The import in its tenant's line. A refused upload is forgotten; after other trouble a row may name it."""
    try:
        order = ImportOrder(wish.tenant_id, package, wish.options)
        return await asked.services.importer.submit(asked.caller, order)
    except Refusal:
        if package.source_package is None:
            await asked.services.blobs.delete(package.blob_key)
        raise


async def _answered(asked: Asked, job: ImportJob, warnings: Sequence[Problem]) -> Response:
    """The documented answer at the end or at the pause; 202 for who does not wait, or waited long enough (R18)."""
    if _is_async(asked.request):
        return _accepted(job, warnings, {"preference-applied": "respond-async"})
    try:
        async with asyncio.timeout(asked.services.installation.limits.rest_wait):
            settled = await asked.services.records.settled(job)
    except TimeoutError:
        return _accepted(job, warnings, {})
    status, body = bodies.settled(settled, warnings)
    return answer(body, status=status)


def _accepted(job: ImportJob, warnings: Sequence[Problem], headers: Mapping[str, str]) -> Response:
    headers = {"location": bodies.status_url(job), **headers}
    return answer(bodies.accepted(job, warnings), status=_ACCEPTED, headers=headers)


def _is_async(request: Request) -> bool:
    """``Prefer: respond-async`` (RFC 7240)."""
    stated = ",".join(request.headers.getlist("prefer"))
    return any(preference.partition(";")[0].strip().lower() == "respond-async" for preference in stated.split(","))


DIALECT = Dialect(
    name="installhub",
    prefix=bodies.PREFIX,
    routes=(
        Route(f"{bodies.PREFIX}/packages/export", export, methods=["POST"]),
        Route(f"{bodies.PREFIX}/packages/preview", preview, methods=["POST"]),
        Route(f"{bodies.PREFIX}/packages/import", import_package, methods=["POST"]),
        Route(f"{bodies.PREFIX}/packages/import/{{importId}}/resume", resume, methods=["POST"]),
        Route(f"{bodies.PREFIX}/packages/{{importId}}/resume", resume, methods=["POST"]),
        Route(f"{bodies.PREFIX}/packages/{{packageId}}/download", download),
        Route(f"{bodies.PREFIX}/packages/{{packageId}}", package_record),
        Route(f"{bodies.PREFIX}/imports/{{importId}}/scan-report", scan_report),
        Route(f"{bodies.PREFIX}/imports/{{importId}}", import_record),
    ),
    render_refusal=render_refusal,
)
