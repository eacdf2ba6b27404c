"""The documented shapes, built from domain values (A1, A2; installhub.md sections 6.6, 6.7, 8.8; decisions 9.4, R29).

Documented fields are always there under their documented names; ours come after them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from domain import policy
from domain.closure import Closure
from domain.errors import ErrorCode, Problem, problem_of
from domain.import_model import Failure, ImportJob, ImportMode, ImportState, ProgressEvent, Stage
from domain.model import Package, rfc3339
from rest_compat.dialect import error_body, warning_rows

PREFIX = "/api/installhub"

_AFTER_INSTALLATION = (Stage.VERIFICATION, Stage.ACTIVATION)
_ENDED_WITHOUT_FAILURE = {
    ImportState.CANCELLED: (ErrorCode.IMPORT_CANCELLED, "The import was cancelled; nothing was changed."),
    ImportState.EXPIRED: (ErrorCode.IMPORT_EXPIRED, "Nobody decided its conflicts in time; nothing was changed."),
}
_MISSING_END = (ErrorCode.INTERNAL_ERROR, "The import ended and nobody wrote down why.")


def export(package: Package, warnings: Iterable[Problem]) -> dict[str, Any]:
    """A2's success."""
    return {**_exported(package), "warnings": warning_rows(warnings)}


def package_record(package: Package) -> dict[str, Any]:
    """GET package: the export's answer and what else is known (section 9.4). Texts nobody gave are left out."""
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
        "downloadUrl": _download_url(package),
    }


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
    }


def accepted(job: ImportJob, warnings: Sequence[Problem] = ()) -> dict[str, Any]:
    """202: the import goes on without its caller (R18)."""
    body = {"importId": job.import_id, "statusUrl": status_url(job), "status": ImportState.RUNNING.wire}
    return body | ({"warnings": warning_rows(warnings)} if warnings else {})


def settled(job: ImportJob, warnings: Iterable[Problem] = ()) -> tuple[int, dict[str, Any]]:
    """Status and body for a caller who waited: A1's answer, the dry run's, 409 at the pause, or the failure."""
    if job.state is ImportState.SUCCEEDED:
        return 200, _succeeded(job, warnings)
    if job.state is ImportState.WAITING_FOR_DECISIONS:
        return ErrorCode.CONFLICT_REQUIRES_RESOLUTION.status, _waiting(job)
    failure = job.failure or _unwritten(job)
    return failure.status, _failed(job, failure)


def import_record(job: ImportJob, last_event: ProgressEvent | None) -> dict[str, Any]:
    """GET import, by state (section 9.4)."""
    if job.state is ImportState.WAITING_FOR_DECISIONS:
        return {**_waiting(job), "status": job.state.wire}
    if job.state.is_final:
        return settled(job)[1]
    return {
        "importId": job.import_id,
        "status": job.shown_state.wire,
        "stage": job.stage.wire if job.stage else "Queued",
        "progress": _progress(last_event),
        "lastEvent": job.last_seq,
    }


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
    }


def _download_url(package: Package) -> str:
    return f"{PREFIX}/packages/{package.package_id}/download"


def _artifact(gathered: Closure, artifact_id: str) -> dict[str, Any]:
    head = gathered.heads[artifact_id]
    return {"type": head.artifact_type.wire, "id": artifact_id, "name": head.name}


def _succeeded(job: ImportJob, warnings: Iterable[Problem]) -> dict[str, Any]:
    outcome = dict(job.outcome or {})
    outcome["warnings"] = _recorded_warnings(outcome) + warning_rows(warnings)
    if job.mode is ImportMode.PLAN:
        blockers = [problem_of(row) for row in outcome.get("blockers", ())]
        outcome["blockers"] = error_body("", "", {}, blockers)["errors"]
        report_url = {"scanReportUrl": _scan_report_url(job)}
        return {"isDryRun": True, "importId": job.import_id, **outcome, **report_url}
    head = {name: outcome.pop(name) for name in ("packageId", "packageName", "version")}
    return {"importId": job.import_id, **head, "status": job.state.wire, **outcome}


def _recorded_warnings(outcome: Mapping[str, Any]) -> list[dict[str, Any]]:
    return warning_rows(problem_of(row) for row in outcome.get("warnings", ()))


def _waiting(job: ImportJob) -> dict[str, Any]:
    report = dict((job.outcome or {}).get("conflictReport", {}))
    text = "The import waits for decisions about its conflicts."
    problem = Problem(ErrorCode.CONFLICT_REQUIRES_RESOLUTION, text)
    details = {
        "importId": job.import_id,
        "resumeUrl": f"{PREFIX}/packages/import/{job.import_id}/resume",
        "expiresAt": rfc3339(job.expires_at) if job.expires_at else None,
        "conflictReport": report,
    }
    return error_body(problem.code.wire, text, details, [problem])


def _failed(job: ImportJob, failure: Failure) -> dict[str, Any]:
    head = {
        "importId": job.import_id,
        "status": job.state.wire,
        "stage": failure.stage.wire if failure.stage else "Queued",
    }
    scanned = {"scanReportUrl": _scan_report_url(job)} if _is_about_the_scan(failure) else {}
    body = error_body(failure.code, failure.message, failure.details, failure.problems)
    return {**head, **body, "rolledBack": failure.rolled_back, **scanned}


def _unwritten(job: ImportJob) -> Failure:
    """An import that ended while no run had it: cancelled in line or while it waited, or waited too long."""
    code, text = _ENDED_WITHOUT_FAILURE.get(job.state, _MISSING_END)
    return Failure(job.stage, code.wire, text, code.status, (Problem(code, text),), {})


def _is_about_the_scan(failure: Failure) -> bool:
    return any(policy.STAGE_OF.get(problem.code) is Stage.SECURITY_SCAN for problem in failure.problems)


def _scan_report_url(job: ImportJob) -> str:
    return f"{status_url(job)}/scan-report"


def _progress(event: ProgressEvent | None) -> str:
    """``"3 of 5 artifacts installed"``: before the installation none is, after it all are (decisions section 5.10)."""
    if event is None:
        return "0 of 0 artifacts installed"
    progress, total = event.progress, event.progress.total or 0
    if progress.stage is Stage.INSTALLATION:
        return progress.sentence
    return f"{total if progress.stage in _AFTER_INSTALLATION else 0} of {total} artifacts installed"
