"""Messages in words: what people read, and what webhooks are told (pure; installhub.md section 10.1)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from domain.errors import BY_WIRE, ErrorCode
from domain.import_model import ImportJob, ImportKind, ImportMode, ImportState
from domain.market.model import ListingState
from domain.model import rfc3339
from domain.notices.model import Message, News, NoticeKind
from domain.rescan_rows import Keeping, Rescan
from domain.scanning import ScanResult
from domain.strict_json import shown

#: the outbox's word for an import or install that has ended
IMPORT_ENDED = "import.ended"
#: its word for one that waits for somebody, and is given up soon
IMPORT_EXPIRES = "import.expires"
#: the outbox's words for news of the marketplace
MARKET = {
    "market.update": NoticeKind.MARKET_UPDATE,
    "market.deprecated": NoticeKind.MARKET_DEPRECATED,
    "market.advisory": NoticeKind.ADVISORY,
}
#: its word for a package that newer rules of the scan forbid
PACKAGE_FORBIDDEN = "package.forbidden"
#: tells those too who have the package, whether they subscribed or not
OF_INSTALLERS = frozenset({NoticeKind.MARKET_DEPRECATED, NoticeKind.ADVISORY})

_NAME_MAX, _REASON_MAX = 150, 2000
_DONE = {
    ImportKind.IMPORT: "Imported",
    ImportKind.INSTALL: "Installed",
    ImportKind.ROLLBACK: "Undone",
    ImportKind.UNINSTALL: "Uninstalled",
}
_WAITS_FOR = {
    ImportState.WAITING_FOR_DECISIONS: "decisions about its conflicts",
    ImportState.WAITING_FOR_ACTIVATION: "somebody to switch it on",
}
_UNDONE = {
    ImportState.FAILED: "failed",
    ImportState.CANCELLED: "was cancelled",
    ImportState.EXPIRED: "was given up, because nobody came for it in time",
}
_KINDS = {
    **{(kind, True): NoticeKind.IMPORT_SUCCEEDED for kind in ImportKind},
    **{(kind, False): NoticeKind.IMPORT_FAILED for kind in ImportKind},
    (ImportKind.INSTALL, True): NoticeKind.INSTALL_SUCCEEDED,
    (ImportKind.INSTALL, False): NoticeKind.INSTALL_FAILED,
}


def audit_path(import_id: str) -> str:
    """Where an import's audit log can be read."""
    return f"/api/installhub/imports/{import_id}/audit"


def news_of_import(job: ImportJob) -> News | None:
    """How an import or install ended; nothing about a dry run, which changes nothing, or before the end."""
    if not job.state.is_final or job.mode is ImportMode.PLAN or job.options.dry_run:
        return None
    is_done = job.state is ImportState.SUCCEEDED
    failure = _failure_of(job)
    return News(
        kind=_KINDS[job.kind, is_done],
        title=_title(job),
        body=_told(job.outcome or {}) if is_done else _why(failure),
        link=audit_path(job.import_id),
        facts={
            "importId": job.import_id,
            "status": job.state.wire,
            "packageName": job.package_name,
            "packageVersion": job.package_version,
            "completedAt": rfc3339(job.ended_at) if job.ended_at else None,
            "submittedBy": job.submitted_by.label,
            **({} if is_done else failure),
        },
        import_id=job.import_id,
    )


def news_of_wait(job: ImportJob) -> News | None:
    """That an import waits for somebody, and until when; nothing about one that does not wait any more (R40)."""
    if not job.state.is_waiting or job.expires_at is None:
        return None
    until = rfc3339(job.expires_at)
    return News(
        kind=NoticeKind.IMPORT_EXPIRES,
        title=f"The {job.kind.value.lower()} of {_cut(_name_of(job)) or 'a package'} is given up soon",
        body=f"It waits for {_WAITS_FOR[job.state]}, until {until}.",
        link=f"/api/installhub/imports/{job.import_id}",
        facts={
            "importId": job.import_id,
            "status": job.state.wire,
            "packageName": job.package_name,
            "packageVersion": job.package_version,
            "expiresAt": until,
            "submittedBy": job.submitted_by.label,
        },
        import_id=job.import_id,
    )


#: what the outbox tells of imports, in words
OF_IMPORTS = {IMPORT_ENDED: news_of_import, IMPORT_EXPIRES: news_of_wait}


def news_of_rescan(made: Rescan) -> News:
    """That a package which was let pass is forbidden by newer rules, or could not be scanned by them to the end."""
    labelled = f"{_cut(made.package_name)} {made.package_version}"
    is_scanned = made.result == ScanResult.FAIL.value
    title = f"{labelled} is forbidden by newer rules" if is_scanned else f"{labelled} could not be scanned anew"
    stays = "It stays installed." if made.keeping is Keeping.INSTALLED else "It can still be fetched."
    return News(
        kind=NoticeKind.PACKAGE_FORBIDDEN,
        title=title,
        body=f"The rules of the security scan changed. {stays} The report says what was found.",
        link=rescan_path(made.rescan_id),
        facts={
            "rescanId": made.rescan_id,
            "keptAs": made.keeping.wire,
            "packageId": made.package_id,
            **({"importId": made.import_id} if made.import_id else {}),
            "packageName": made.package_name,
            "packageVersion": made.package_version,
            "scanResult": made.result,
            "rulesVersion": made.rules_version,
            "scannedAt": rfc3339(made.scanned_at),
        },
    )


def rescan_path(rescan_id: str) -> str:
    """Where the report of a scan that was made again can be read."""
    return f"/api/installhub/rescans/{rescan_id}"


def news_of_market(message: Message, name: str) -> News:
    """What the marketplace has to say about the listing called ``name``, or as the message calls it."""
    kind, told = MARKET[message.kind], message.payload
    name = name or _word(told, "packageName") or _word(told, "name")
    version, package = _word(told, "version"), _cut(name) or "A package"
    listing_id = _word(told, "listingId")
    labelled = f"{package} {version}".rstrip()
    title, body = _market_words(kind, labelled, told)
    return News(
        kind=kind,
        title=title,
        body=body,
        link=f"/api/marketplace/packages/{listing_id}",
        # whose the message is stays between them and us
        facts={key: value for key, value in told.items() if key != "identity"} | {"packageName": name},
    )


def _market_words(kind: NoticeKind, labelled: str, told: Mapping[str, Any]) -> tuple[str, str]:
    reason = shown(_word(told, "reason"), limit=_REASON_MAX)
    if kind is NoticeKind.MARKET_UPDATE:
        warning = " It may break what relies on the installed version." if told.get("isBreaking") else ""
        return f"{labelled} is available", f"A new version can be installed.{warning}"
    if kind is NoticeKind.MARKET_DEPRECATED:
        # a version that was taken back or unlisted is told in the same way (installhub.md section 10.4)
        state, instead = _word(told, "state") or ListingState.DEPRECATED.wire, _word(told, "replacedBy")
        advice = f" Use {_cut(instead)} instead." if instead else ""
        return f"Urgent: {labelled} is {_cut(state).lower()}", f"It is not installed anew.{advice} {reason}".strip()
    severity = _word(told, "severity")
    rated = f"Severity: {_cut(severity)}. " if severity else ""
    return f"Security advisory: {labelled}", rated + (reason or "A vulnerability was found in what is installed here.")


def _name_of(job: ImportJob) -> str:
    """An install that failed early knows its package by the offer alone."""
    offered = next((f"{package.offer.name} {package.offer.version}" for package in job.packages if package.offer), "")
    return f"{job.package_name} {job.package_version or ''}".strip() if job.package_name else offered


def _title(job: ImportJob) -> str:
    named = _name_of(job)
    if job.state is ImportState.SUCCEEDED:
        return f"{_DONE[job.kind]}: {_cut(named)}"
    return f"The {job.kind.value.lower()} of {_cut(named) or 'a package'} {_UNDONE[job.state]}"


def _told(outcome: Mapping[str, Any]) -> str:
    installed, resolved = outcome.get("artifactsInstalled", 0), outcome.get("conflictsResolved", 0)
    return f"Artifacts installed: {installed}. Conflicts resolved: {resolved}."


def _failure_of(job: ImportJob) -> dict[str, Any]:
    """The documented fields of a failed install (installhub.md section 10.1)."""
    code = {ImportState.CANCELLED: ErrorCode.IMPORT_CANCELLED, ImportState.EXPIRED: ErrorCode.IMPORT_EXPIRED}
    if job.failure is None:
        return {"error": code.get(job.state, ErrorCode.INTERNAL_ERROR).wire, "stage": None, "message": ""}
    stage = job.failure.stage.wire if job.failure.stage else None
    return {"error": job.failure.code, "stage": stage, "message": job.failure.message}


def _why(failure: Mapping[str, Any]) -> str:
    lines = [
        shown(failure["message"], limit=_REASON_MAX),
        f"Error: {failure['error']}" if failure["error"] in BY_WIRE else "",
        f"Stage: {failure['stage']}" if failure["stage"] else "",
        "Nothing was changed.",
    ]
    return "\n".join(line for line in lines if line)


def _word(told: Mapping[str, Any], key: str) -> str:
    value = told.get(key)
    return value if isinstance(value, str) else ""


def _cut(name: str) -> str:
    return shown(name, limit=_NAME_MAX)
