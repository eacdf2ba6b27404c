"""``imports list | show | follow | cancel``: what the host's own command line asks about imports (decisions R40)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

from domain.access import Reach
from domain.errors import ErrorCode, Problem, refuse
from domain.import_model import ImportFilter, ImportJob, ImportState, ProgressEvent
from domain.import_outcome import reported_conflicts
from domain.model import rfc3339
from domain.rows import Slice
from rest_compat import bodies
from server.errands import Errand, Said, known_tenant

_PAGE = 100
#: seconds without an event, after which it is looked whether anybody can be at work
_SILENCE = 5.0
_SILENT = "Nothing happens. Unless a server or a worker runs on this database, nothing will."
_NOBODY_WORKS = "No server runs on this database, so the import does not go on. Start one, and follow it again."


async def list_imports(errand: Errand) -> AsyncGenerator[Said, None]:
    """Newest first, dry runs left out."""
    reach = frozenset({await known_tenant(errand)}) if "tenant" in errand.given else None
    states = (ImportState(errand.given["state"]),) if "state" in errand.given else ()
    left, after, has_next = int(errand.given["limit"]), None, True
    while has_next and left > 0:
        page = await _page(errand, reach, ImportFilter(states=states), first=min(left, _PAGE), after=after)
        for job in page.items:
            yield row_of(job)
            after = job.import_id
        left -= len(page.items)
        has_next = page.has_next


async def _page(
    errand: Errand, reach: Reach, wanted: ImportFilter, *, first: int, after: str | None
) -> Slice[ImportJob]:
    return await errand.runtime.services.records.import_jobs(errand.caller, reach, wanted, first=first, after=after)


async def show_import(errand: Errand) -> AsyncGenerator[Said, None]:
    """Everything about one import, its audit entries too."""
    records = errand.runtime.services.records
    job = await records.get_import(errand.caller, errand.given["import_id"], None)
    last = await records.events(errand.caller, job, after=job.last_seq - 1, first=1)
    shown = row_of(job) | {
        "mode": job.mode.value,
        "percent": last[0].progress.percent if last else 0.0,
        "message": last[0].message if last else "",
        "lastEvent": job.last_seq,
        "attempt": job.attempt,
    }
    if job.state is ImportState.QUEUED:
        spots = await errand.runtime.services.batches.queue_places(errand.caller, [job.import_id])
        if spot := spots.get(job.import_id):
            shown |= {"queuePlace": spot.position, "heldBy": spot.holder}
    if job.expires_at and job.state.is_waiting:
        shown["expiresAt"] = rfc3339(job.expires_at)
    if job.retry_of:
        shown["retryOf"] = job.retry_of
    entries = await records.audit(errand.caller, job)
    audit = [{"at": rfc3339(entry.at), "actor": entry.actor.label, "action": entry.action} for entry in entries]
    yield shown | _how_it_went(job) | {"audit": audit}


def _how_it_went(job: ImportJob) -> dict[str, Any]:
    found: dict[str, Any] = {name: (job.outcome or {})[name] for name in ("counts",) if name in (job.outcome or {})}
    if job.state is ImportState.WAITING_FOR_DECISIONS:
        waiting = reported_conflicts(job, open_only=True)
        found["conflicts"] = [{"conflictId": key, "artifactName": name} for key, name in waiting.items()]
    if job.failure:
        problems = [_problem(problem) for problem in job.failure.problems]
        found["failure"] = {"code": job.failure.code, "message": job.failure.message, "problems": problems}
    return found


async def follow_import(errand: Errand) -> AsyncGenerator[Said, None]:
    """Every event after a number, past and coming, as REST tells them, and at last ``{"ended": state}``.

    A sentence comes in between, once, where it may be that nobody runs the import. Where certainly nobody does: what
    is written already, and a refusal unless that was all.
    """
    records, import_id, after = errand.runtime.services.records, errand.given["import_id"], int(errand.given["after"])
    job = await records.get_import(errand.caller, import_id, None)
    if not errand.is_served and not job.state.is_final:
        for event in await records.events(errand.caller, job, after=after, first=job.last_seq):
            yield bodies.event(event)
        raise refuse(ErrorCode.SERVICE_UNAVAILABLE, _NOBODY_WORKS)
    events = await records.follow(errand.caller, import_id, None, after=after)
    async with aclosing(events), aclosing(_with_silence(errand, import_id, events)) as told:
        async for said in told:
            yield said
    job = await records.get_import(errand.caller, import_id, None)
    yield {"ended": job.state.value}


async def _with_silence(
    errand: Errand, import_id: str, events: AsyncGenerator[ProgressEvent, None]
) -> AsyncGenerator[Said, None]:
    is_said = False
    while True:
        coming = asyncio.ensure_future(anext(events, None))
        try:
            if not is_said and not (await asyncio.wait([coming], timeout=_SILENCE))[0]:
                is_said = await _may_be_forgotten(errand, import_id)
                if is_said:
                    yield _SILENT
            event = await coming
        finally:
            coming.cancel()
            await asyncio.wait([coming])
        if event is None:
            return
        yield bodies.event(event)


async def _may_be_forgotten(errand: Errand, import_id: str) -> bool:
    """Whether an import goes on only if somebody works whom nobody has seen."""
    job = await errand.runtime.services.records.get_import(errand.caller, import_id, None)
    if job.state is not ImportState.QUEUED:
        return job.state is ImportState.RUNNING
    spots = await errand.runtime.services.batches.queue_places(errand.caller, [job.import_id])
    lease = spots[job.import_id].holder_lease_until if job.import_id in spots else None
    return lease is None or lease <= errand.runtime.services.clock.now()


async def cancel_import(errand: Errand) -> AsyncGenerator[Said, None]:
    """Ask it to stop before its activation; the audit says who did."""
    yield row_of(await errand.runtime.services.line.cancel(errand.caller, errand.given["import_id"], None))


def row_of(job: ImportJob) -> dict[str, Any]:
    """An import in a line."""
    return {
        "importId": job.import_id,
        "tenantId": job.tenant_id,
        "state": job.shown_state.value,
        "stage": job.stage.wire if job.stage else None,
        "packageName": job.package_name,
        "version": job.package_version,
        "submittedAt": rfc3339(job.submitted_at),
        "submittedBy": job.submitted_by.label,
        "endedAt": rfc3339(job.ended_at) if job.ended_at else None,
    }


def _problem(problem: Problem) -> dict[str, str]:
    return {"code": problem.code.wire, "message": problem.message, "where": problem.where}
