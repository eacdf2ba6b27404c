"""Imports and plans on their way into a tenant's line, and how their callers wait for them (A1; decisions R18, R25)."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace

from starlette.requests import Request
from starlette.responses import Response

from domain.drifting import is_offered
from domain.errors import ErrorCode, Problem, Refusal, refuse, refuse_if
from domain.import_model import Importable, ImportJob
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
    taken: Taken | None
    if form == MULTIPART:
        wish, taken = await _with_package(asked, is_plan=is_plan)
    elif form == JSON:
        wish, taken = await _with_reference(asked, is_plan=is_plan)
    else:
        raise refuse(ErrorCode.UNSUPPORTED_MEDIA_TYPE, f"Send {MULTIPART} or {JSON}.")
    if wish.plan_id is not None:
        return await answered(asked, await _applied(asked, wish.plan_id, taken))
    if taken is None:
        msg = "a request without problems names a package"
        raise RuntimeError(msg)
    order = ImportOrder(wish.tenant_id, taken.source.package, wish.options, gone=taken.source.gone)
    return await answered(asked, await in_line(asked, order, is_fresh=taken.is_fresh), wish.warnings)


async def answered(asked: Asked, job: ImportJob, warnings: Sequence[Problem] = ()) -> Response:
    """The documented answer at the end or at the pause; 202 for who does not wait, or waited long enough (R18)."""
    is_going_on = not (job.state.is_final or job.state.is_waiting)
    if is_going_on and _is_async(asked.request):
        return _accepted(job, warnings, {"preference-applied": "respond-async"})
    try:
        async with asyncio.timeout(asked.services.installation.limits.rest_wait):
            settled = await asked.services.records.settled(job)
    except TimeoutError:
        return _accepted(job, warnings, {})
    status, body = bodies.settled(settled, warnings)
    headers = {"location": bodies.status_url(settled)} if status == _ACCEPTED else {}
    return answer(body, status=status, headers=headers)


async def _with_package(asked: Asked, *, is_plan: bool) -> tuple[ImportWish, Taken]:
    """A1's multipart form."""

    async def judge(options: bytes) -> ImportWish:
        return await weighed(asked, object_of(options, "options"), is_plan=is_plan)

    limit = await first_limit(asked)
    wish, package = await received(asked.request, asked.services.blobs, limit=limit, judge=judge)
    return wish, Taken(Importable(package), is_fresh=True)


async def _with_reference(asked: Asked, *, is_plan: bool) -> tuple[ImportWish, Taken | None]:
    """A1's reference to an earlier export; or to an upload, or a plan (decisions section 9.3)."""
    tree = await json_object(asked.request)
    read = read_tree(tree, ReferenceBody)
    problems = [*read.problems, *(read.body.problems() if read.body else ())]
    named = tree.get("options")
    options = named if isinstance(named, dict) else {}
    planned = {"planId": tree["planId"]} if isinstance(tree.get("planId"), str) else {}
    wish = await weighed(asked, {**options, **planned}, problems, is_plan=is_plan)
    source = await _referenced(asked, tree, wish.tenant_id)
    if source is not None:
        refuse_large(source.package.size_bytes, wish.limit)
    refuse_if(wish.problems)
    wish = replace(wish, warnings=[*read.warnings, *wish.warnings])
    return wish, Taken(source) if source is not None else None


async def _referenced(asked: Asked, tree: Mapping[str, object], target: TenantId) -> Importable | None:
    """What one of the two names, if one of them does: the header names the target, not where the export was made."""
    match tree.get("sourcePackageId"), tree.get("uploadId"):
        case str() as package_id, None:
            return await asked.services.records.importable(asked.caller, package_id, asked.caller.reach, target)
        case None, str() as upload_id:
            return await asked.services.uploads.importable(asked.caller, upload_id, target)
        case _:
            return None


async def _applied(asked: Asked, plan_id: str, taken: Taken | None) -> ImportJob:
    """The import that applies a plan. What was sent along is compared with what was planned, and forgotten."""
    package = taken.source.package if taken else None
    try:
        await refuse_frozen_plan(asked, plan_id)
        return await applied(asked, plan_id, sha256=package.sha256 if package else None)
    finally:
        if taken and taken.is_fresh:
            await asked.services.blobs.delete(taken.source.package.blob_key)


async def applied(asked: Asked, plan_id: str, *, sha256: str | None = None) -> ImportJob:
    """The import that applies a plan; where the plan does not hold any more, the new one is waited for (R11)."""
    key = asked.idempotency_key
    try:
        return await asked.services.plans.apply(asked.caller, plan_id, asked.reach, key=key, sha256=sha256)
    except Refusal as refusal:
        if import_id := refusal.details.get("newImportId"):
            records = asked.services.records
            with suppress(TimeoutError):
                async with asyncio.timeout(asked.services.installation.limits.rest_wait):
                    await records.settled(await records.get_import(asked.caller, import_id, asked.reach))
        raise


async def in_line(asked: Asked, order: ImportOrder, *, is_fresh: bool) -> ImportJob:
    """The import in its tenant's line, or the one that this request's twin put there.

    Fresh bytes, stored by this very request, are forgotten when no import reads them; after other trouble than a
    refusal a row may name them.
    """
    package = order.package
    try:
        if not order.options.dry_run:
            await refuse_frozen(asked, order.tenant_id)
        job = await asked.services.line.submit(asked.caller, order, key=asked.idempotency_key)
    except Refusal:
        if is_fresh:
            await asked.services.blobs.delete(package.blob_key)
        raise
    if is_fresh and job.packages[0].blob_key != package.blob_key:
        await asked.services.blobs.delete(package.blob_key)
    return job


async def refuse_frozen(asked: Asked, tenant_id: TenantId) -> None:
    """Nobody waits for an import that does not begin; who does not wait queues it (decisions section 9.6).

    A request that was answered before is answered again (R25).
    """
    if _is_async(asked.request):
        return
    if not await asked.services.line.is_repeated(asked.caller, tenant_id, asked.idempotency_key):
        await asked.services.freezing.refuse_frozen(tenant_id)


async def refuse_frozen_plan(asked: Asked, plan_id: str) -> None:
    """The same for a plan that nobody has applied yet. Undos go on; what is wrong with the plan is not told here."""
    records = asked.services.records
    made = await records.plan(asked.caller, plan_id, asked.reach)
    if made is None or made.applied_by is not None:
        return
    job = await records.get_import(asked.caller, made.import_id, asked.reach)
    if job.undo is None and is_offered(made, job):
        await refuse_frozen(asked, job.tenant_id)


def _accepted(job: ImportJob, warnings: Sequence[Problem], headers: Mapping[str, str]) -> Response:
    headers = {"location": bodies.status_url(job), **headers}
    return answer(bodies.accepted(job, warnings), status=_ACCEPTED, headers=headers)


def _is_async(request: Request) -> bool:
    """``Prefer: respond-async`` (RFC 7240)."""
    stated = ",".join(request.headers.getlist("prefer"))
    return any(preference.partition(";")[0].strip().lower() == "respond-async" for preference in stated.split(","))
