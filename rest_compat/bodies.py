"""The documented shapes, built from domain values (A1, A2; installhub.md sections 6.6, 6.7, 8.8; decisions 9.4, R29).

Documented fields are always there under their documented names; ours come after them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC
from typing import Any

from domain import policy
from domain.binding_slots import labels_of, properties_of, template_of
from domain.closure import Closure
from domain.errors import BY_WIRE, ErrorCode, Problem, Refusal, problem_of
from domain.import_model import (
    AuditEntry,
    Failure,
    ImportJob,
    ImportMode,
    ImportState,
    InstalledPackage,
    ProgressEvent,
    Stage,
)
from domain.import_outcome import index_version, planned
from domain.manifest_writing import external_row, package_dependency_row
from domain.model import ArtifactHead, Package, Upload, rfc3339
from domain.plan_model import Plan
from domain.referring import references_to
from rest_compat.dialect import error_body, error_rows, warning_rows
from rest_compat.going import Going
from rest_compat.undo_bodies import waiting_for_activation, when_activated

PREFIX = "/api/installhub"

_NOTHING_YET = "0 of 0 artifacts installed"
_ENDED_WITHOUT_FAILURE = {
    ImportState.CANCELLED: (ErrorCode.IMPORT_CANCELLED, "The import was cancelled; nothing was changed."),
    ImportState.EXPIRED: (ErrorCode.IMPORT_EXPIRED, "Nobody decided its conflicts in time; nothing was changed."),
}
_MISSING_END = (ErrorCode.INTERNAL_ERROR, "The import ended and nobody wrote down why.")


def export(package: Package, warnings: Iterable[Problem]) -> dict[str, Any]:
    """A2's success."""
    return {**_exported(package), "warnings": warning_rows(warnings)}


def package_record(package: Package, download_url: str) -> dict[str, Any]:
    """GET package: the export's answer and what else is known (section 9.4). Texts nobody gave are left out.

    ``download_url`` is the signed one (section 9.5).
    """
    texts = {"description": package.description, "author": package.author}
    return {
        **_exported(package),
        "packageType": package.package_type.wire,
        **{name: text for name, text in texts.items() if text},
        "tags": list(package.tags),
        "tenantId": package.tenant_id,
        "exportedBy": package.exported_by.label,
        "bundleSize": package.size_bytes,
        "expiresAt": rfc3339(package.expires_at),
        "downloadUrl": download_url,
    }


def deleted_package(package: Package) -> dict[str, Any]:
    """What is left of a package: which it was, and since when nobody gets it (decisions R40)."""
    deleted_at = rfc3339(package.deleted_at) if package.deleted_at else None
    named = {"packageId": package.package_id, "packageName": package.name, "version": package.version}
    return {**named, "tenantId": package.tenant_id, "deletedAt": deleted_at}


def preview(gathered: Closure, warnings: Iterable[Problem]) -> dict[str, Any]:
    """A2's preview; with a cycle ``installOrder`` is empty and ``cycle`` says which (section 9.4)."""
    found = [*gathered.warnings, *warnings]
    if gathered.cycle:
        text = "The artifacts refer to each other in a circle: " + " -> ".join(gathered.cycle) + "."
        found.append(Problem(ErrorCode.CIRCULAR_DEPENDENCY_FOUND, text))
    return {
        "rootArtifacts": [_artifact(gathered, root) for root in gathered.roots],
        "resolvedDependencies": [
            {**_artifact(gathered, one.artifact_id), "resolvedFrom": one.resolved_from}
            for one in gathered.found
            if one.resolved_from is not None
        ],
        "totalArtifacts": len(gathered.heads),
        "installOrder": list(gathered.install_order),
        "hasCircularDependency": bool(gathered.cycle),
        "warnings": warning_rows(found),
        **({"cycle": gathered.cycle} if gathered.cycle else {}),
        **_left_out(gathered),
    }


def _left_out(gathered: Closure) -> dict[str, Any]:
    """What a preview says of other packages and earlier versions, if anything."""
    rows = [external_row(one) for one in references_to(gathered.externals.values())]
    suggested = gathered.advice.suggested if gathered.advice else ""
    return ({"externalReferences": rows} if rows else {}) | ({"suggestedVersion": suggested} if suggested else {})


def accepted(job: ImportJob, warnings: Sequence[Problem] = ()) -> dict[str, Any]:
    """202: the import goes on without its caller (R18)."""
    body = {"importId": job.import_id, "statusUrl": status_url(job), "status": ImportState.RUNNING.wire}
    return body | ({"warnings": warning_rows(warnings)} if warnings else {}) | _retried(job)


def settled(job: ImportJob, warnings: Iterable[Problem] = ()) -> tuple[int, dict[str, Any]]:
    """Status and body for a caller who waited: A1's answer, the dry run's, 409 at the pause, or the failure."""
    if job.state is ImportState.SUCCEEDED:
        return 200, _succeeded(job, warnings) | _retried(job)
    if job.state is ImportState.WAITING_FOR_DECISIONS:
        return ErrorCode.CONFLICT_REQUIRES_RESOLUTION.status, _waiting(job) | _retried(job)
    if job.state is ImportState.WAITING_FOR_ACTIVATION:
        return 202, waiting_for_activation(job) | _retried(job)
    failure = job.failure or _unwritten(job)
    return failure.status, _failed(job, failure) | _retried(job)


def failure_of(job: ImportJob) -> Refusal:
    """Why an import came to nothing, as a refusal that names it and, where it is about the scan, its scan report."""
    failure = job.failure or _unwritten(job)
    named = {"importId": job.import_id}
    scanned = {"scanReportUrl": _scan_report_url(job)} if _is_about_the_scan(failure) else {}
    return Refusal(
        failure.problems,
        code=BY_WIRE[failure.code],
        message=failure.message,
        details={**failure.details, **named, **scanned},
        status=failure.status,
    )


def import_record(job: ImportJob, going: Going) -> dict[str, Any]:
    """GET import, by state (section 9.4)."""
    if job.state is ImportState.WAITING_FOR_DECISIONS:
        return {**settled(job)[1], "status": job.state.wire}
    if job.state.is_final or job.state is ImportState.WAITING_FOR_ACTIVATION:
        return settled(job)[1]
    head = {"importId": job.import_id, "status": job.shown_state.wire}
    return {**head, **_going(job, going), **_retried(job)}


def listed_import(job: ImportJob, going: Going) -> dict[str, Any]:
    """An import in a list: whose it is and how it stands (decisions section 9.3); alone it tells all it found."""
    known = {"packageId": job.package_id, "packageName": job.package_name, "version": job.package_version}
    return {
        "importId": job.import_id,
        "status": job.shown_state.wire,
        **_standing(job, going),
        "tenantId": job.tenant_id,
        "kind": job.kind.wire,
        "mode": job.mode.wire,
        "submittedAt": rfc3339(job.submitted_at),
        "submittedBy": job.submitted_by.label,
        "importedBy": job.imported_by,
        **{name: value for name, value in known.items() if value},
        **index_version(job),
        **_retried(job),
    }


def audit(job: ImportJob, entries: Iterable[AuditEntry]) -> dict[str, Any]:
    """Who did what with an import (decisions section 9.3)."""
    rows = [
        {"at": rfc3339(entry.at), "actor": entry.actor.label, "action": entry.action, "details": dict(entry.details)}
        for entry in entries
    ]
    return {"importId": job.import_id, "entries": rows}


def event(told: ProgressEvent) -> dict[str, Any]:
    """One event of an import; ``seq`` is what to send as ``after`` (decisions section 9.3, R20)."""
    progress = told.progress
    return {
        "importId": told.import_id,
        "firstSeq": told.first_seq,
        "seq": told.seq,
        "at": told.at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "kind": told.kind.wire,
        "status": told.state.wire,
        "stage": _stage(progress.stage),
        "done": progress.done,
        "total": progress.total,
        "percent": progress.percent,
        "progress": progress.sentence,
        **({"artifactName": progress.artifact_name} if progress.artifact_name else {}),
        "message": told.message,
        **({"problem": error_rows([told.problem])[0]} if told.problem else {}),
        "isFinal": told.is_final,
    }


def plan(job: ImportJob, made: Plan, scan_result: str) -> dict[str, Any]:
    """A plan and its actions: the dry run's answer, also for the plan of an import that carried it out."""
    if job.mode is ImportMode.PLAN and job.state is ImportState.SUCCEEDED:
        return settled(job)[1]
    outcome = {
        "packageId": job.package_id,
        "packageName": job.package_name,
        "version": job.package_version,
        **planned(job, made, scan_result),
        "planId": made.plan_id,
        "planHash": made.plan_hash,
        "expiresAt": rfc3339(made.expires_at),
    }
    return _planned(job, outcome, ())


def upload(kept: Upload) -> dict[str, Any]:
    """A ZIP that waits for its import (R13)."""
    return {
        "uploadId": kept.upload_id,
        "sizeBytes": kept.size_bytes,
        "sha256": kept.sha256,
        "expiresAt": rfc3339(kept.expires_at),
    }


def installed_package(found: InstalledPackage) -> dict[str, Any]:
    """Which version of a package a tenant has."""
    return {
        "tenantId": found.tenant_id,
        "packageName": found.name,
        "version": found.version,
        "source": found.source,
        "checksum": found.checksum,
        "packageId": found.package_id,
        "importId": found.import_id,
        "installedAt": rfc3339(found.installed_at),
        "packageDependencies": [package_dependency_row(one) for one in found.dependencies],
    }


def neighbour(head: ArtifactHead) -> dict[str, Any]:
    """An artifact that can be exported (installhub.md section 4.4)."""
    return {"id": head.artifact_id, "name": head.name, "version": head.version}


def scan_report(job: ImportJob, report: Mapping[str, Any]) -> dict[str, Any]:
    """The report as it was stored (installhub.md section 9.1), and whose it is."""
    return {**report, "importId": job.import_id}


def status_url(job: ImportJob) -> str:
    return f"{PREFIX}/imports/{job.import_id}"


def _exported(package: Package) -> dict[str, Any]:
    return {
        "packageId": package.package_id,
        "packageName": package.name,
        "version": package.version,
        "checksum": package.checksum,
        "artifactCount": package.artifact_count,
        "bundleDownloadUrl": _download_url(package),
        "exportedAt": rfc3339(package.exported_at),
        "isSuccess": True,
        "manifest": package.manifest,
        **_binding_template(package),
    }


def _binding_template(package: Package) -> dict[str, Any]:
    """The binding file that the target fills in, in both forms, where the package needs any (R22)."""
    rows = package.manifest.get("bindings", ())
    if not rows:
        return {}
    template = template_of(rows)
    return {"bindingTemplate": template, "bindingProperties": properties_of(template, labels_of(rows))}


def _download_url(package: Package) -> str:
    return f"{PREFIX}/packages/{package.package_id}/download"


def _artifact(gathered: Closure, artifact_id: str) -> dict[str, Any]:
    head = gathered.heads[artifact_id]
    return {"type": head.artifact_type.wire, "id": artifact_id, "name": head.name}


def _succeeded(job: ImportJob, warnings: Iterable[Problem]) -> dict[str, Any]:
    outcome = dict(job.outcome or {})
    if job.mode is ImportMode.PLAN:
        return _planned(job, outcome, warnings)
    outcome["warnings"] = _recorded_warnings(outcome) + warning_rows(warnings)
    if backup := outcome.get("backupPackageId"):
        outcome["backupPackageUrl"] = f"{PREFIX}/packages/{backup}"
    head = {name: outcome.pop(name) for name in ("packageId", "packageName", "version")}
    return {"importId": job.import_id, **head, "status": job.state.wire, **outcome}


def _going(job: ImportJob, going: Going) -> dict[str, Any]:
    return {
        "stage": _stage(job.stage),
        "progress": going.last_event.progress.sentence if going.last_event else _NOTHING_YET,
        "lastEvent": job.last_seq,
        "eventsUrl": f"{status_url(job)}/events",
        **going.rows,
    }


def _standing(job: ImportJob, going: Going) -> dict[str, Any]:
    """How an import stands, in a line."""
    if job.state is ImportState.WAITING_FOR_DECISIONS:
        return {"resumeUrl": _resume_url(job), "expiresAt": rfc3339(job.expires_at) if job.expires_at else None}
    if job.state is ImportState.WAITING_FOR_ACTIVATION:
        return when_activated(job)
    if not job.state.is_final:
        return _going(job, going)
    ended = {"endedAt": rfc3339(job.ended_at)} if job.ended_at else {}
    if job.state is ImportState.SUCCEEDED:
        return ended
    failure = job.failure or _unwritten(job)
    return {**ended, "stage": _stage(failure.stage), "error": failure.code, "message": failure.message}


def _retried(job: ImportJob) -> dict[str, Any]:
    """Which import is tried again (R12)."""
    return {"retryOf": job.retry_of} if job.retry_of else {}


def _planned(job: ImportJob, outcome: Mapping[str, Any], warnings: Iterable[Problem]) -> dict[str, Any]:
    return {
        "isDryRun": job.mode is ImportMode.PLAN,
        "importId": job.import_id,
        "status": job.shown_state.wire,
        **outcome,
        "warnings": _recorded_warnings(outcome) + warning_rows(warnings),
        "blockers": error_rows(problem_of(row) for row in outcome.get("blockers", ())),
        **({"scanReportUrl": _scan_report_url(job)} if "securityScanResult" in outcome else {}),
    }


def _recorded_warnings(outcome: Mapping[str, Any]) -> list[dict[str, Any]]:
    return warning_rows(problem_of(row) for row in outcome.get("warnings", ()))


def _waiting(job: ImportJob) -> dict[str, Any]:
    report = dict((job.outcome or {}).get("conflictReport", {}))
    text = "The import waits for decisions about its conflicts."
    problem = Problem(ErrorCode.CONFLICT_REQUIRES_RESOLUTION, text)
    details: dict[str, Any] = {
        "importId": job.import_id,
        "resumeUrl": _resume_url(job),
        "expiresAt": rfc3339(job.expires_at) if job.expires_at else None,
        "conflictReport": report,
    }
    if warnings := _recorded_warnings(job.outcome or {}):
        details["warnings"] = warnings
    return error_body(problem.code.wire, text, details, [problem])


def _failed(job: ImportJob, failure: Failure) -> dict[str, Any]:
    head = {
        "importId": job.import_id,
        "status": job.state.wire,
        "stage": _stage(failure.stage),
    }
    scanned = {"scanReportUrl": _scan_report_url(job)} if _is_about_the_scan(failure) else {}
    body = error_body(failure.code, failure.message, failure.details, failure.problems)
    return {**head, **body, "rolledBack": failure.rolled_back, **scanned}


def _unwritten(job: ImportJob) -> Failure:
    """An import that ended while no run had it: cancelled in line or while it waited, or waited too long."""
    code, text = _ENDED_WITHOUT_FAILURE.get(job.state, _MISSING_END)
    return Failure(job.stage, code.wire, text, code.status, (Problem(code, text),), {})


def _stage(stage: Stage | None) -> str:
    return stage.wire if stage else "Queued"


def _resume_url(job: ImportJob) -> str:
    return f"{PREFIX}/packages/import/{job.import_id}/resume"


def _is_about_the_scan(failure: Failure) -> bool:
    return any(policy.STAGE_OF.get(problem.code) is Stage.SECURITY_SCAN for problem in failure.problems)


def _scan_report_url(job: ImportJob) -> str:
    return f"{status_url(job)}/scan-report"
