"""An import whose revisions are held and verified: all that its activation still has to write, and that can wait.

An import with ``activation: Manual`` keeps it with the job until somebody switches the import on: the run
that does so reads no bundle and makes no plan.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any

from domain.import_model import ImportJob, InstalledPackage
from domain.model import PackageDependency, rfc3339
from domain.undo_rows import Portion

#: where a waiting import's outcome keeps it
_KEPT = "verified"


@dataclass(frozen=True, slots=True)
class Verified:
    """What an activation writes besides the artifacts. ``told`` is the last event's sentence.

    ``outcome`` has no ``installedAt`` yet. ``undoes`` is what an undo takes back; an import takes nothing back.
    """

    told: str
    audited_as: str
    outcome: Mapping[str, Any]
    details: Mapping[str, Any]
    installed: tuple[InstalledPackage, ...] = ()
    undoes: tuple[Portion, ...] = ()

    @property
    def held(self) -> int:
        """How many revisions are held for an import: one also for each artifact that it takes away."""
        return int(self.outcome["artifactsWritten"]) + len(self.outcome["removed"])

    def at(self, now: datetime) -> Verified:
        """The same, switched on at this time."""
        installed = tuple(replace(package, installed_at=now) for package in self.installed)
        return replace(self, outcome={**self.outcome, "installedAt": rfc3339(now)}, installed=installed)


def kept(verified: Verified) -> dict[str, Any]:
    """The outcome of an import that waits for its activation."""
    return {
        _KEPT: {
            "told": verified.told,
            "audited_as": verified.audited_as,
            "outcome": dict(verified.outcome),
            "details": dict(verified.details),
            "installed": [installed_row(package) for package in verified.installed],
        }
    }


def kept_with(job: ImportJob) -> Verified | None:
    """What an import that was held and verified has kept; ``None`` for every other one."""
    row = (job.outcome or {}).get(_KEPT)
    if row is None:
        return None
    return Verified(**{**row, "installed": tuple(installed_of(package) for package in row["installed"])})


def is_held(job: ImportJob) -> bool:
    """Whether an import that has not ended was held and verified before: nothing but its activation is left."""
    return not job.state.is_final and kept_with(job) is not None


def installed_row(package: InstalledPackage) -> dict[str, Any]:
    """An installed package as a document."""
    return {**asdict(package), "installed_at": package.installed_at.isoformat()}


def installed_of(row: Mapping[str, Any]) -> InstalledPackage:
    """The installed package of :func:`installed_row`."""
    needed = tuple(PackageDependency(**one) for one in row.get("dependencies", ()))
    installed_at = datetime.fromisoformat(row["installed_at"])
    return InstalledPackage(**{**row, "installed_at": installed_at, "dependencies": needed})
