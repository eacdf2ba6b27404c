"""The end of an import: its plan shown, its activation, or the wait for it (decisions sections 5.3, 9.6, R10)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from domain.binding_slots import BindingSlot
from domain.holding import Author, Batch
from domain.import_model import AuditEntry, ImportJob, ImportState, Stage
from domain.import_outcome import on_behalf_of
from domain.import_run import Run
from domain.limits import Installation
from domain.market.reporting import INSTALLED_ELSEWHERE
from domain.model import Package, rfc3339
from domain.options import Activation
from domain.plan_model import Plan
from domain.ports import PlanMovedError, Ports, TenantUnit, Turn
from domain.remembering import remember_bindings
from domain.verified import Verified, kept


@dataclass(frozen=True, slots=True)
class Draft:
    """A plan and what it takes to carry it out, whether it brings a package or takes one back."""

    made: Plan
    batches: Callable[[Author], AsyncIterator[Batch]]
    #: the outcome of a run that stops here
    shown: Callable[[], Mapping[str, Any]]
    #: what is left to write once all is verified; the package is the backup, if one was wished
    verified: Callable[[Package | None], Verified]


class Activator:
    """What a run does when nothing is left but to tell, or to switch on."""

    def __init__(self, ports: Ports, installation: Installation) -> None:
        self._clock = ports.clock
        self._is_hub_elsewhere = ports.hub is not None
        self._waiting_days = timedelta(days=installation.limits.activation_days)

    async def show(self, run: Run, draft: Draft) -> None:
        """A dry run: the plan is the answer (R10, R17)."""
        made = draft.made
        outcome = {**draft.shown(), **run.members, "planId": made.plan_id, "planHash": made.plan_hash}
        outcome |= {"expiresAt": rfc3339(made.expires_at)}
        run.finish(ImportState.SUCCEEDED, "The plan is ready; nothing was written.")
        now = self._clock.now()
        async with run.writing({"state": ImportState.SUCCEEDED, "ended_at": now, "outcome": outcome}):
            pass

    async def wait(self, run: Run, verified: Verified) -> None:
        """Leave everything held until somebody switches it on; the tenant's place is free meanwhile."""
        expires = self._clock.now() + self._waiting_days
        run.finish(ImportState.WAITING_FOR_ACTIVATION, "Everything is held and verified; it waits to be switched on.")
        changes = {"state": ImportState.WAITING_FOR_ACTIVATION, "expires_at": expires, "outcome": kept(verified)}
        async with run.writing(changes) as unit:
            told = entry(run.job, "import.held", {"expiresAt": rfc3339(expires)}, at=self._clock.now())
            await unit.imports.audit(told)

    async def switch_on(self, run: Run, verified: Verified, slots: Sequence[BindingSlot]) -> None:
        """The one transaction that the tenant sees. Raises :class:`PlanMovedError` when a precondition fell."""
        job, now = run.job, self._clock.now()
        final = verified.at(now)
        run.begin(Stage.ACTIVATION)
        run.finish(ImportState.SUCCEEDED, final.told)
        changes = {"state": ImportState.SUCCEEDED, "ended_at": now, "outcome": final.outcome}
        async with run.writing(changes, turn=Turn.LONG) as unit:
            await unit.imports.demand_preconditions(job.import_id)
            if await _leads_nowhere(unit, job):
                raise PlanMovedError(await unit.imports.drift(job.import_id))
            await unit.imports.activate(job.import_id, final.installed, written=run.held)
            await remember_bindings(unit, job, slots, final.installed, now)
            await self._count_installs(unit, job, now)
            if job.undo is not None:
                await unit.undos.take_back(job.import_id, final.undoes)
            await unit.imports.audit(entry(job, final.audited_as, final.details, at=now))
            await unit.imports.post("import.ended", {"importId": job.import_id, "state": ImportState.SUCCEEDED.value})

    async def _count_installs(self, unit: TenantUnit, job: ImportJob, now: datetime) -> None:
        # in one order for all installs: two of them never wait for each other's listings
        for offer in sorted((one.offer for one in job.packages if one.offer), key=lambda one: one.listing_id):
            await unit.imports.count_install(offer.listing_id, offer.version, now)
            if self._is_hub_elsewhere:
                counted = {"listingId": offer.listing_id, "version": offer.version}
                await unit.imports.post(INSTALLED_ELSEWHERE, counted)


async def _leads_nowhere(unit: TenantUnit, job: ImportJob) -> bool:
    """Whether references would lead nowhere after all: somebody saved or removed an artifact since the plan."""
    takes_away = job.undo is not None or job.options.remove_dropped
    if takes_away and await unit.undos.left_dangling(job.import_id):
        return True
    # what it refers to may have gone while it waited
    return job.options.activation is Activation.MANUAL and bool(await unit.imports.broken_references(job.import_id))


def entry(job: ImportJob, action: str, details: Mapping[str, Any], *, at: datetime) -> AuditEntry:
    """What an import did, for the audit: under the name of whoever asked for it."""
    return AuditEntry(at, job.submitted_by, action, job.import_id, {**details, **on_behalf_of(job)})
