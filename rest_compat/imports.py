"""Imports over REST: begun, decided, looked at, listed, stopped and tried again (A1; decisions section 9.3)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from starlette.requests import Request
from starlette.responses import Response

from domain import scanning
from domain.access import Right
from domain.errors import ErrorCode, refuse, refuse_if
from domain.import_model import ImportFilter, ImportJob, ImportKind, ImportState, ProgressEvent
from domain.model import ImportId
from rest_compat import bodies
from rest_compat.asking import Asked, admitted, read_body
from rest_compat.dialect import answer
from rest_compat.querying import Query, numbered, reach_in
from rest_compat.submitting import answered, submitted
from rest_compat.wishes import ResumeBody

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
    resumed = await asked.services.line.resume(asked.caller, job.import_id, asked.reach, decisions)
    return await answered(asked, resumed, read.warnings)


async def retry(request: Request) -> Response:
    """A new import of the same bundle, answered as an import is (R12)."""
    asked = await admitted(request, Right.IMPORT)
    job = await _import(asked)
    key = asked.idempotency_key
    return await answered(asked, await asked.services.line.retry(asked.caller, job.import_id, asked.reach, key=key))


async def cancel(request: Request) -> Response:
    """The import as it is after it was asked to stop: one that runs does so at its next step."""
    asked = await admitted(request, Right.IMPORT)
    job = await _import(asked)
    stopping = await asked.services.line.cancel(asked.caller, job.import_id, asked.reach)
    return answer(bodies.import_record(stopping, await _last_event(asked, stopping)))


async def import_record(request: Request) -> Response:
    asked = await admitted(request, Right.READ_IMPORTS)
    job = await _import(asked)
    return answer(bodies.import_record(job, await _last_event(asked, job)))


async def imports(request: Request) -> Response:
    """Imports of all tenants of the token, newest first."""
    asked = await admitted(request, Right.READ_IMPORTS)
    query = Query(request)
    page, wanted, reach = query.page(), _wanted(query), reach_in(asked, query)
    query.checked()
    found = await asked.services.records.import_page(asked.caller, reach, wanted, page=page.number, page_size=page.size)
    last_events = await _last_events(asked, found.items)
    rows = [bodies.listed_import(job, last_events.get(job.import_id)) for job in found.items]
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


async def _last_event(asked: Asked, job: ImportJob) -> ProgressEvent | None:
    return (await _last_events(asked, [job])).get(job.import_id)


async def _last_events(asked: Asked, jobs: Sequence[ImportJob]) -> Mapping[ImportId, ProgressEvent]:
    """What tells how far going imports are; nothing is read for those that are over or wait."""
    resting = ImportState.WAITING_FOR_DECISIONS
    going = [job.import_id for job in jobs if not job.state.is_final and job.state is not resting]
    return await asked.services.batches.last_events(asked.caller, going) if going else {}


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
