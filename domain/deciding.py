"""Decisions about conflicts: which ones can be taken, how they add up, what changed while they were awaited (pure).

A decision about a path means the content in which it was looked at: where the tenant's artifact has changed since, the
path is asked for again. Decisions about whole artifacts stay.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from domain.errors import ErrorCode, Problem
from domain.import_model import ImportJob
from domain.import_outcome import reported_conflicts, reported_paths
from domain.merging import EVERYWHERE
from domain.model import ArtifactHead, rfc3339
from domain.options import ConflictStrategy, Decision
from domain.plan import Planned
from domain.plan_model import PlanAction

_UNKNOWN_SHOWN = 100


@dataclass(frozen=True, slots=True)
class Unknown:
    """Decisions that are about nothing: conflict ids, and paths of conflicts."""

    conflicts: tuple[str, ...]
    paths: tuple[tuple[str, str], ...]

    def problems(self) -> Iterator[Problem]:
        """What is wrong with them, with the lists."""
        if self.conflicts:
            text, unknown = "These decisions match no waiting conflict.", list(self.conflicts)
            yield Problem(ErrorCode.BAD_USER_INPUT, text, "resolutions", details={"unknown": unknown})
        if self.paths:
            text = "These paths are none that wait for a decision."
            rows = [{"conflictId": key, "pointer": pointer} for key, pointer in self.paths]
            yield Problem(ErrorCode.BAD_USER_INPUT, text, "resolutions", details={"unknownPaths": rows})


def unknown(job: ImportJob, decisions: Mapping[str, Decision]) -> Unknown:
    """Those that match nothing in the report of the import's pause."""
    paths = reported_paths(job)
    known = reported_conflicts(job).keys() | job.decisions.keys()
    return Unknown(
        conflicts=tuple(sorted(set(decisions) - known)),
        paths=tuple(
            (key, pointer)
            for key, decision in sorted(decisions.items())
            for pointer in decision.sides
            if key in known and not (pointer in paths.get(key, ()) or (pointer == EVERYWHERE and key in paths))
        ),
    )


def added_up(job: ImportJob, decisions: Mapping[str, Decision], met: Mapping[str, ArtifactHead]) -> dict[str, Decision]:
    """New decisions with what the import knows already; ``met`` are the tenant's artifacts by conflict id."""
    return {key: _added(job.decisions.get(key), one, met.get(key)) for key, one in decisions.items()}


def _added(earlier: Decision | None, new: Decision, met: ArtifactHead | None) -> Decision:
    seen = met.content_hash if met and new.sides else ""
    if new.strategy not in (None, ConflictStrategy.MERGE):
        return Decision(new.strategy)
    if earlier is None or not earlier.sides or (new.sides and earlier.seen != seen):
        return replace(new, seen=seen)
    return Decision(new.strategy, {**earlier.sides, **new.sides}, earlier.seen)


def unknown_artifacts(drafts: Sequence[Planned], decisions: Mapping[str, Decision]) -> Iterator[Problem]:
    """Decisions sent with an import that name no artifact of its packages."""
    there = {artifact.source_id for planned in drafts for artifact in planned.bundle.artifacts}
    strangers = sorted(set(decisions) - there)
    if strangers:
        text = "decisions names artifacts that the package does not hold."
        details = {"unknown": strangers[:_UNKNOWN_SHOWN]}
        yield Problem(ErrorCode.INVALID_OPTIONS, text, "options.decisions", details=details)


def changed_meanwhile(earlier: Iterable[PlanAction], drafts: Sequence[Planned]) -> Iterator[Problem]:
    """What the tenant changed of the artifacts that an import met, since it began to wait (R18)."""
    now = {(one.ordinal, one.source_id): one for planned in drafts for one in planned.actions}
    for was in earlier:
        action = now.get((was.ordinal, was.source_id))
        if action is not None and _stood(was) != _stood(action):
            yield _changed(was, action)


def _stood(action: PlanAction) -> tuple[str, int] | None:
    return (action.existing.artifact_id, action.existing.revision) if action.existing else None


def _changed(was: PlanAction, action: PlanAction) -> Problem:
    head = action.existing
    details: dict[str, Any] = {"artifactId": action.target_id, "artifactName": action.name}
    if head is None:
        text = f"{was.name} was removed from the tenant while the import waited."
    else:
        details = {"artifactId": head.artifact_id, "artifactName": head.name, "revision": head.revision}
        details |= {"changedBy": head.changed_by.label, "changedAt": rfc3339(head.changed_at)}
        text = f"{head.name} was changed by {head.changed_by.label} while the import waited; it was planned anew."
    return Problem(ErrorCode.CHANGED_MEANWHILE, text, artifact_id=action.source_id, details=details)
