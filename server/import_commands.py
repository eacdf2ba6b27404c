"""``imports list | show | follow | cancel``: what the host's own command line asks about imports (decisions R40)."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

from domain.errors import ErrorCode, Problem, refuse
from domain.import_model import ImportFilter, ImportJob, ImportState
from domain.model import TenantId, rfc3339
from domain.rows import Slice
from rest_compat import bodies
from server.errands import Errand, Said, known_tenant

_PAGE = 100
_NOBODY_WORKS = "No server runs on this database, so the import does not go on. Start one, and follow it again."


async def list_imports(errand: Errand) -> AsyncGenerator[Said, None]:
    """Newest first, dry runs left out."""
    reach = frozenset({await known_tenant(errand)}) if "tenant" in errand.given else None
    states = (ImportState(errand.given["state"]),) if "state" in errand.given else ()
    left, after, has_next = int(errand.given["limit"]), None, True
    while has_next and left > 0:
        page = await _page(errand, reach, ImportFilter(states=states), first=min(left, _PAGE), after=after)
        for job in page.items:
            yield _row(job)
            after = job.import_id
        left -= len(page.items)
        has_next = page.has_next


async def _page(
    errand: Errand, reach: frozenset[TenantId] | None, wanted: ImportFilter, *, first: int, after: str | None
) -> Slice[ImportJob]:
    return await errand.runtime.services.records.import_jobs(errand.caller, reach, wanted, first=first, after=after)


async def show_import(errand: Errand) -> AsyncGenerator[Said, None]:
    """Everything about one import, its audit entries too."""
    records = errand.runtime.services.records
    job = await records.get_import(errand.caller, errand.given["import_id"], None)
    last = await records.events(errand.caller, job, after=job.last_seq - 1, first=1)
    shown = _row(job) | {
        "mode": job.mode.value,
        "percent": last[0].progress.percent if last else 0.0,
        "message": last[0].message if last else "",
        "lastEvent": job.last_seq,
        "attempt": job.attempt,
    }
    if job.state is ImportState.QUEUED:
        place, holder = await records.queue_place(job)
        shown |= {"queuePlace": place, "heldBy": holder.import_id if holder else None}
    if job.expires_at and job.state is ImportState.WAITING_FOR_DECISIONS:
        shown["expiresAt"] = rfc3339(job.expires_at)
    if job.retry_of:
        shown["retryOf"] = job.retry_of
    entries = await records.audit(errand.caller, job)
    audit = [{"at": rfc3339(entry.at), "actor": entry.actor.label, "action": entry.action} for entry in entries]
    yield shown | _how_it_went(job) | {"audit": audit}


def _how_it_went(job: ImportJob) -> dict[str, Any]:
    found: dict[str, Any] = {name: (job.outcome or {})[name] for name in ("counts",) if name in (job.outcome or {})}
    waiting = (job.outcome or {}).get("conflictReport", {}).get("conflicts", [])
    if job.state is ImportState.WAITING_FOR_DECISIONS:
        found["conflicts"] = [{key: one.get(key) for key in ("conflictId", "artifactName")} for one in waiting]
    if job.failure:
        problems = [_problem(problem) for problem in job.failure.problems]
        found["failure"] = {"code": job.failure.code, "message": job.failure.message, "problems": problems}
    return found


async def follow_import(errand: Errand) -> AsyncGenerator[Said, None]:
    """Every event after a number, past and coming, as REST tells them, and at last ``{"ended": state}``.

    Where nobody runs imports: what is written already, and a refusal unless that was all.
    """
    records, import_id, after = errand.runtime.services.records, errand.given["import_id"], int(errand.given["after"])
    job = await records.get_import(errand.caller, import_id, None)
    if not errand.is_served and not job.state.is_final:
        for event in await records.events(errand.caller, job, after=after, first=job.last_seq):
            yield bodies.event(event)
        raise refuse(ErrorCode.SERVICE_UNAVAILABLE, _NOBODY_WORKS)
    events = await records.follow(errand.caller, import_id, None, after=after)
    async with aclosing(events):
        async for event in events:
            yield bodies.event(event)
    job = await records.get_import(errand.caller, import_id, None)
    yield {"ended": job.state.value}


async def cancel_import(errand: Errand) -> AsyncGenerator[Said, None]:
    """Ask it to stop before its activation; the audit says who did."""
    yield _row(await errand.runtime.services.line.cancel(errand.caller, errand.given["import_id"], None))


def _row(job: ImportJob) -> dict[str, Any]:
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
