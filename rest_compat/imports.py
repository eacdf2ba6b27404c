"""Imports over REST: begun, decided, looked at, listed, stopped and tried again (A1; decisions section 9.3)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from domain import scanning
from domain.access import Right
from domain.errors import ErrorCode, refuse, refuse_if
from domain.import_model import ImportFilter, ImportJob, ImportKind, ImportMode, ImportState
from rest_compat import bodies, undo_bodies
from rest_compat.asking import Asked, admitted, read_body
from rest_compat.deciding import ResumeBody
from rest_compat.dialect import answer
from rest_compat.going import Going, goings
from rest_compat.querying import Query, numbered, reach_in
from rest_compat.submitting import answered, refuse_frozen, submitted

#: REST's words, and the states that each stands for (R12)
STATES: Mapping[str, tuple[ImportState, ...]] = {
    word: tuple(state for state in ImportState if state.wire == word)
    for word in dict.fromkeys(state.wire for state in ImportState)
}
KINDS: Mapping[str, tuple[ImportKind]] = {kind.wire: (kind,) for kind in ImportKind}


async def import_package(request: Request) -> Response:
    """A1, in every form; waits for the end, the pause, or as long as the installation lets it (R18)."""
    return await submitted(await admitted(request, Right.IMPORT))


async def resume(request: Request) -> Response:
    asked = await admitted(request, Right.IMPORT)
    job = await _import(asked)
    read = await read_body(request, ResumeBody)
    refuse_if([*read.problems, *(read.body.problems() if read.body else ())])
    decisions = read.checked.decisions()
    if job.state.is_waiting:
        await refuse_frozen(asked, job.tenant_id)
    resumed = await asked.services.line.resume(asked.caller, job.import_id, asked.reach, decisions)
    return await answered(asked, resumed, read.warnings)


async def retry(request: Request) -> Response:
    """A new import of the same bundle, answered as an import is (R12)."""
    asked = await admitted(request, Right.UNDO)
    job = await _import(asked)
    if job.undo is None and not job.options.dry_run:
        await refuse_frozen(asked, job.tenant_id)
    key = asked.idempotency_key
    return await answered(asked, await asked.services.line.retry(asked.caller, job.import_id, asked.reach, key=key))


async def cancel(request: Request) -> Response:
    """The import as it is after it was asked to stop: one that runs does so at its next step."""
    asked = await admitted(request, Right.UNDO)
    job = await _import(asked)
    stopping = await asked.services.line.cancel(asked.caller, job.import_id, asked.reach)
    return answer(bodies.import_record(stopping, await _going(asked, stopping)))


async def import_record(request: Request) -> Response:
    asked = await admitted(request, Right.READ_IMPORTS)
    job = await _import(asked)
    return answer({**bodies.import_record(job, await _going(asked, job)), **await _undo(asked, job)})


async def _undo(asked: Asked, job: ImportJob) -> dict[str, Any]:
    """Of an import that changed its tenant: whether it can be taken back, and what would be in the way."""
    if job.state is not ImportState.SUCCEEDED or job.mode is ImportMode.PLAN:
        return {}
    undos = asked.services.undos
    standing = (await undos.standing([job]))[job.import_id]
    return {"undo": undo_bodies.undo(standing, await undos.blockers(asked.caller, job))}


async def imports(request: Request) -> Response:
    """Imports of all tenants of the token, newest first."""
    asked = await admitted(request, Right.READ_IMPORTS)
    query = Query(request)
    page, wanted, reach = query.page(), _wanted(query), reach_in(asked, query)
    query.checked()
    found = await asked.services.records.import_page(asked.caller, reach, wanted, page=page.number, page_size=page.size)
    known = await goings(asked, found.items)
    rows = [bodies.listed_import(job, known.get(job.import_id, Going())) for job in found.items]
    return answer(numbered(rows, found.total_count, page))


async def import_audit(request: Request) -> Response:
    asked = await admitted(request, Right.READ_IMPORTS)
    job = await _import(asked)
    return answer(bodies.audit(job, await asked.services.records.audit(asked.caller, job)))


async def scan_report(request: Request) -> Response:
    asked = await admitted(request, Right.READ_IMPORTS)
    job = await _import(asked)
    reports = await asked.services.records.scan_reports(asked.caller, job)
    if not reports:
        raise refuse(ErrorCode.NOT_FOUND, "This import has no scan report yet.", what="scan report")
    return answer(bodies.scan_report(job, scanning.together(reports)))


async def _import(asked: Asked) -> ImportJob:
    return await asked.services.records.get_import(asked.caller, asked.id_in_path("importId"), asked.reach)


async def _going(asked: Asked, job: ImportJob) -> Going:
    return (await goings(asked, [job])).get(job.import_id, Going())


def _wanted(query: Query) -> ImportFilter:
    return ImportFilter(
        states=query.words("status", STATES),
        kinds=query.words("kind", KINDS),
        package_name=query.text("packageName"),
        package_id=query.text("packageId"),
        submitted_by=query.text("submittedBy"),
        imported_by=query.text("importedBy"),
        since=query.moment("fromDate"),
        until=query.moment("toDate", is_end=True),
        idempotency_key=query.text("idempotencyKey"),
        expires_before=query.moment("expiresBefore"),
        include_dry_runs=query.switch("includeDryRuns"),
    )
