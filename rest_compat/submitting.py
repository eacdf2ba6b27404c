"""Imports and plans on their way into a tenant's line, and how their callers wait for them (A1; decisions R18, R25)."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace

from starlette.requests import Request
from starlette.responses import Response

from domain.errors import ErrorCode, Problem, Refusal, refuse, refuse_if
from domain.import_model import Importable, ImportJob, ImportState
from domain.line import ImportOrder
from domain.model import TenantId
from rest_compat import bodies
from rest_compat.asking import Asked, read_tree
from rest_compat.dialect import answer, json_object, media_type, object_of
from rest_compat.operations import JSON, MULTIPART
from rest_compat.receiving import received, refuse_large
from rest_compat.weighing import first_limit, weighed
from rest_compat.wishes import ImportWish, ReferenceBody, Taken

_ACCEPTED = 202


async def submitted(asked: Asked, *, is_plan: bool = False) -> Response:
    """The answer to A1's request, in any of its forms; ``is_plan`` makes it a dry run whatever the options say."""
    form = media_type(asked.request)
    if form == MULTIPART:
        wish, taken = await _with_package(asked, is_plan=is_plan)
    elif form == JSON:
        wish, taken = await _with_reference(asked, is_plan=is_plan)
    else:
        raise refuse(ErrorCode.UNSUPPORTED_MEDIA_TYPE, f"Send {MULTIPART} or {JSON}.")
    return await answered(asked, await _in_line(asked, wish, taken), wish.warnings)


async def answered(asked: Asked, job: ImportJob, warnings: Sequence[Problem] = ()) -> Response:
    """The documented answer at the end or at the pause; 202 for who does not wait, or waited long enough (R18)."""
    is_going_on = not job.state.is_final and job.state is not ImportState.WAITING_FOR_DECISIONS
    if is_going_on and _is_async(asked.request):
        return _accepted(job, warnings, {"preference-applied": "respond-async"})
    try:
        async with asyncio.timeout(asked.services.installation.limits.rest_wait):
            settled = await asked.services.records.settled(job)
    except TimeoutError:
        return _accepted(job, warnings, {})
    status, body = bodies.settled(settled, warnings)
    return answer(body, status=status)


async def _with_package(asked: Asked, *, is_plan: bool) -> tuple[ImportWish, Taken]:
    """A1's multipart form."""

    async def judge(options: bytes) -> ImportWish:
        return await weighed(asked, object_of(options, "options"), is_plan=is_plan)

    limit = await first_limit(asked)
    wish, package = await received(asked.request, asked.services.blobs, limit=limit, judge=judge)
    return wish, Taken(Importable(package), is_fresh=True)


async def _with_reference(asked: Asked, *, is_plan: bool) -> tuple[ImportWish, Taken]:
    """A1's reference to an earlier export, or to an upload (decisions section 9.3)."""
    tree = await json_object(asked.request)
    read = read_tree(tree, ReferenceBody)
    problems = [*read.problems, *(read.body.problems() if read.body else ())]
    named = tree.get("options")
    wish = await weighed(asked, named if isinstance(named, dict) else {}, problems, is_plan=is_plan)
    source = await _referenced(asked, tree, wish.tenant_id)
    if source is not None:
        refuse_large(source.package.size_bytes, wish.limit)
    refuse_if(wish.problems)
    if source is None:
        msg = "a reference without problems names a package"
        raise RuntimeError(msg)
    return replace(wish, warnings=[*read.warnings, *wish.warnings]), Taken(source)


async def _referenced(asked: Asked, tree: Mapping[str, object], target: TenantId) -> Importable | None:
    """What one of the two names, if one of them does: the header names the target, not where the export was made."""
    match tree.get("sourcePackageId"), tree.get("uploadId"):
        case str() as package_id, None:
            return await asked.services.records.importable(asked.caller, package_id, asked.caller.reach, target)
        case None, str() as upload_id:
            return await asked.services.uploads.importable(asked.caller, upload_id, target)
        case _:
            return None


async def _in_line(asked: Asked, wish: ImportWish, taken: Taken) -> ImportJob:
    """The import in its tenant's line, or the one that this request's twin put there.

    Fresh bytes that no import reads are forgotten; after other trouble than a refusal a row may name them.
    """
    package = taken.source.package
    order = ImportOrder(wish.tenant_id, package, wish.options, gone=taken.source.gone)
    try:
        job = await asked.services.line.submit(asked.caller, order, key=asked.idempotency_key)
    except Refusal:
        if taken.is_fresh:
            await asked.services.blobs.delete(package.blob_key)
        raise
    if taken.is_fresh and job.packages[0].blob_key != package.blob_key:
        await asked.services.blobs.delete(package.blob_key)
    return job


def _accepted(job: ImportJob, warnings: Sequence[Problem], headers: Mapping[str, str]) -> Response:
    headers = {"location": bodies.status_url(job), **headers}
    return answer(bodies.accepted(job, warnings), status=_ACCEPTED, headers=headers)


def _is_async(request: Request) -> bool:
    """``Prefer: respond-async`` (RFC 7240)."""
    stated = ",".join(request.headers.getlist("prefer"))
    return any(preference.partition(";")[0].strip().lower() == "respond-async" for preference in stated.split(","))
