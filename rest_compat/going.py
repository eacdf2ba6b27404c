"""How imports that go on are told of: their last event, their place in line, the time that is left."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from domain.batch_rows import QueueSpot
from domain.import_model import ImportJob, ImportState, ProgressEvent
from domain.model import ImportId, rfc3339
from domain.timing import Eta, eta
from rest_compat.asking import Asked


@dataclass(frozen=True, slots=True)
class Going:
    """What is known of an import that is in line or on its way."""

    last_event: ProgressEvent | None = None
    spot: QueueSpot | None = None
    eta: Eta | None = None

    @property
    def rows(self) -> dict[str, Any]:
        """Members of ours: ``queue`` while it is in line, ``eta`` where one can be known."""
        return _queue(self.spot) | _eta(self.eta)


async def goings(asked: Asked, jobs: Sequence[ImportJob]) -> Mapping[ImportId, Going]:
    """Of all that go on; nothing is read for those that are over or wait."""
    going = [job for job in jobs if not job.state.is_final and not job.state.is_waiting]
    if not going:
        return {}
    batches, caller = asked.services.batches, asked.caller
    last_events = await batches.last_events(caller, [job.import_id for job in going])
    queued = [job.import_id for job in going if job.state is ImportState.QUEUED]
    spots = await batches.queue_places(caller, queued) if queued else {}
    paces = await asked.services.timing.paces({job.tenant_id for job in going})

    def known(job: ImportJob) -> Going:
        last = last_events.get(job.import_id)
        left = eta(job, last.progress.percent if last else 0.0, paces[job.tenant_id])
        return Going(last, spots.get(job.import_id), left)

    return {job.import_id: known(job) for job in going}


def _queue(spot: QueueSpot | None) -> dict[str, Any]:
    if spot is None:
        return {}
    until = rfc3339(spot.holder_lease_until) if spot.holder_lease_until else None
    holder = {"holder": spot.holder, "holderLeaseUntil": until} if spot.holder else {}
    return {"queue": {"position": spot.position, "reason": spot.reason.wire, **holder}}


def _eta(left: Eta | None) -> dict[str, Any]:
    return {"eta": {"p50Seconds": left.p50_seconds, "p90Seconds": left.p90_seconds}} if left else {}
