"""How long an import still takes, from how long others took (never from a timer; installhub.md section 10.2).

Runs of the same kind count, those of its tenant where there are enough, and of these the nearest in size. What is
left is the part that its progress leaves of them: progress is weighted by measured cost (R20).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import ceil, log

from domain.batch_rows import TimedRun
from domain.import_model import ImportJob, ImportKind, ImportMode, ImportState
from domain.model import TenantId
from domain.ports import Ports

#: a tenant with fewer runs of a kind goes by the installation's
_ENOUGH = 3
_NEAREST = 20
_LIKELY, _NEARLY_SURE = 0.5, 0.9
_KNOWN_FOR = timedelta(minutes=1)
_TENANTS_KNOWN = 1000
#: kinds that take alike
_ALIKE = {ImportKind.ROLLBACK: ImportKind.UNINSTALL}


@dataclass(frozen=True, slots=True)
class Eta:
    """Whole seconds, at least 1, that an import still runs: half of those like it were done by then, nine of ten."""

    p50_seconds: int
    p90_seconds: int


@dataclass(frozen=True, slots=True)
class Pace:
    """How long imports take: a tenant's own, and all of the installation."""

    own: Sequence[TimedRun]
    everybodys: Sequence[TimedRun]


def eta(job: ImportJob, percent: float, pace: Pace) -> Eta | None:
    """The time that is left of an import which goes on; ``None`` where none like it ever ended, and while it waits.

    For one in line it is the time that it will take, once its turn has come.
    """
    if job.shown_state not in (ImportState.QUEUED, ImportState.RUNNING):
        return None
    own = _like(job, pace.own)
    like = own if len(own) >= _ENOUGH else _like(job, pace.everybodys)
    if not like:
        return None
    size = sum(package.size_bytes for package in job.packages) + 1
    nearest = sorted(like, key=lambda run: abs(log((run.size_bytes + 1) / size)))[:_NEAREST]
    seconds = sorted(run.seconds for run in nearest)
    left = max(0.0, 1 - percent / 100)
    return Eta(*(max(1, ceil(left * _quantile(seconds, share))) for share in (_LIKELY, _NEARLY_SURE)))


def _like(job: ImportJob, runs: Sequence[TimedRun]) -> list[TimedRun]:
    return [run for run in runs if _manner(run.kind, run.mode) == _manner(job.kind, job.mode)]


def _manner(kind: ImportKind, mode: ImportMode) -> tuple[ImportKind, ImportMode]:
    return _ALIKE.get(kind, kind), mode


def _quantile(ordered: Sequence[float], share: float) -> float:
    """The least value that so large a share does not exceed."""
    return ordered[max(0, ceil(share * len(ordered)) - 1)]


class Timing:
    """What is known of past runs; looked up again after a minute."""

    def __init__(self, ports: Ports) -> None:
        self._store = ports.store
        self._clock = ports.clock
        self._known: dict[TenantId | None, tuple[datetime, Sequence[TimedRun]]] = {}

    async def paces(self, tenant_ids: Collection[TenantId]) -> dict[TenantId, Pace]:
        """How long imports take in each of these tenants."""
        now = self._clock.now()
        wanted: list[TenantId | None] = [*dict.fromkeys(tenant_ids), None]
        missing = [one for one in wanted if one not in self._known or self._known[one][0] <= now]
        if len(self._known) > _TENANTS_KNOWN:
            self._known.clear()
            missing = wanted
        if missing:
            async with self._store.platform_view() as platform:
                found = await platform.batches.runs([one for one in missing if one])
                latest = await platform.batches.latest_runs() if None in missing else []
            self._known |= {one: (now + _KNOWN_FOR, found.get(one, []) if one else latest) for one in missing}
        everybodys = self._known[None][1]
        return {one: Pace(self._known[one][1], everybodys) for one in tenant_ids}
