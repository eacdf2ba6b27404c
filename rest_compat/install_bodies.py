"""How installs are told over REST: the three documented bodies, no other status (marketplace-install; R29, R30)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from domain.errors import ErrorCode, Problem, problem_of
from domain.import_model import ImportJob, ImportMode, ImportState, ProgressEvent, Stage
from domain.import_outcome import index_version
from domain.market.installs import install_id
from domain.model import rfc3339
from rest_compat import bodies
from rest_compat.dialect import error_rows, warning_rows

_PREFIX = "/api/marketplace"
_IN_PROGRESS, _SUCCESS, _FAILED = "InProgress", "Success", "Failed"
#: stages that are told under another word while they go on
_GOING_ON = {Stage.DOWNLOAD: "Downloading"}
#: what ended it is what nobody decided, in an install's words
_ENDED_AS = {ImportState.EXPIRED: ErrorCode.CONFLICT_REQUIRES_RESOLUTION.wire}
_NOT_WRITTEN = ("SKIP", "UNCHANGED", "REMOVE", None)


def status_url(job: ImportJob) -> str:
    return f"{_PREFIX}/installs/{install_id(job)}/status"


def links(job: ImportJob) -> str:
    """Where an install is followed, and the import that does it (RFC 8288)."""
    events = f"{_PREFIX}/installs/{install_id(job)}/events"
    return f'<{events}>; rel="monitor", <{bodies.status_url(job)}>; rel="related"'


def started(job: ImportJob, estimated_seconds: int, warnings: Iterable[Problem]) -> dict[str, Any]:
    """202; the answer to a request that came again says how its install stands by now."""
    told = warning_rows(warnings)
    return {
        "installId": install_id(job),
        "status": _standing(job),
        "statusUrl": status_url(job),
        "estimatedSeconds": estimated_seconds,
        **({"warnings": told} if told else {}),
    }


def status(job: ImportJob, last_event: ProgressEvent | None) -> dict[str, Any]:
    """One of the three documented bodies, with exactly their members; R30's when it waits or was a dry run."""
    standing = _standing(job)
    if standing == _SUCCESS:
        return _done(job)
    if standing == _FAILED:
        return _failed(job)
    stage = _GOING_ON.get(job.stage, job.stage.wire) if job.stage and job.state is not ImportState.QUEUED else "Queued"
    progress = last_event.progress.sentence if last_event and last_event.progress.total else _nothing_yet(job)
    if job.state is ImportState.WAITING_FOR_ACTIVATION:
        waiting = bodies.settled(job)[1]
        named = {name: waiting[name] for name in ("importId", "activateUrl", "expiresAt")}
        return {"status": standing, "stage": stage, "progress": progress, "waitingFor": "Activation", **named}
    if job.state is not ImportState.WAITING_FOR_DECISIONS:
        return {"status": standing, "stage": stage, "progress": progress}
    waiting = bodies.settled(job)[1]
    return {
        "status": standing,
        "stage": Stage.PLANNING.wire,
        "progress": _nothing_yet(job),
        "waitingFor": "ConflictResolution",
        **{name: waiting[name] for name in ("importId", "resumeUrl", "expiresAt", "conflictReport")},
    }


def preview(job: ImportJob, platform: str, seconds: int, warnings: Iterable[Problem]) -> dict[str, Any]:
    """What a dry run of an install found, as installhub.md section 10.1 words it."""
    outcome = dict(job.outcome or {})
    asked = job.packages[-1].offer
    brought = [package.offer.full_name for package in job.packages[:-1] if package.offer]
    problems = [problem_of(row) for row in outcome["blockers"]]
    return {
        "packageId": asked.listing_id if asked else "",
        "version": outcome["version"],
        "targetTenantId": job.tenant_id,
        "wouldInstall": [_would_install(row) for row in outcome["actions"] if row["action"] not in _NOT_WRITTEN],
        "conflicts": [_conflict(row) for row in _conflicting(outcome)],
        "packageDependenciesCheck": {"satisfied": not brought, "missing": brought},
        "securityScanResult": outcome["securityScanResult"],
        "platformCompatibility": {
            "compatible": all(problem.code is not ErrorCode.PLATFORM_VERSION_INCOMPATIBLE for problem in problems),
            "packagePlatform": asked.platform_version if asked else "",
            "targetPlatform": platform,
        },
        "estimatedInstallTime": seconds,
        "packages": outcome["packages"],
        **index_version(job),
        "blockers": error_rows(problems),
        "warnings": warning_rows([*(problem_of(row) for row in outcome["warnings"]), *warnings]),
        "powers": outcome.get("powers", {}),
        "newPowers": outcome.get("newPowers", {}),
        **{name: outcome[name] for name in ("endpointsMapped",) if name in outcome},
        "planId": outcome["planId"],
    }


def _standing(job: ImportJob) -> str:
    if not job.state.is_final:
        return _IN_PROGRESS
    return _SUCCESS if job.state is ImportState.SUCCEEDED else _FAILED


def _done(job: ImportJob) -> dict[str, Any]:
    outcome = job.outcome or {}
    is_plan = job.mode is ImportMode.PLAN
    return {
        "status": _SUCCESS,
        "importId": job.import_id,
        "artifactsInstalled": 0 if is_plan else outcome["artifactsInstalled"],
        "conflictsResolved": 0 if is_plan else outcome["conflictsResolved"],
        "completedAt": rfc3339(job.ended_at or job.submitted_at),
        **({"dryRun": bodies.settled(job)[1]} if is_plan else {}),
    }


def _failed(job: ImportJob) -> dict[str, Any]:
    body = bodies.settled(job)[1]
    error = _ENDED_AS.get(job.state, body["error"])
    return {
        "status": _FAILED,
        "stage": body["stage"],
        "error": error,
        "message": body["message"],
        "rolledBack": body["rolledBack"],
    }


def _nothing_yet(job: ImportJob) -> str:
    total = sum(package.offer.artifact_count for package in job.packages if package.offer)
    return f"0 of {total} artifacts installed"


def _conflicting(outcome: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The actions that met something, with what was decided about it."""
    decided = {(row["type"], row["artifactName"]): row["resolution"] for row in outcome["conflictsFound"]}
    return [
        {**row, "resolution": decided[row["type"], row["artifactName"]]}
        for row in outcome["actions"]
        if row["existingVersion"] is not None and (row["type"], row["artifactName"]) in decided
    ]


def _would_install(row: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": row["type"], "name": row["artifactName"], "action": row["action"]}


def _conflict(row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "type": row["type"],
        "name": row["artifactName"],
        "existingVersion": row["existingVersion"],
        "packageVersion": row["packageVersion"],
        "defaultAction": row["resolution"],
    }
