"""How publishers and submissions are told over REST (installhub.md section 10.4; R29)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from domain.errors import Problem
from domain.market.model import (
    Publisher,
    PublisherKey,
    PublisherStatus,
    Submission,
    SubmissionStatus,
    TrustLevel,
    VerificationMethod,
)
from domain.market.publishers import record_value
from domain.market.submitting import Verdict
from domain.model import rfc3339
from rest_compat.dialect import warning_rows
from rest_compat.installs import PREFIX

_FILE = "/.well-known/bizfirstai-verify.txt"
#: minutes that the automatic checks take, and a person's look (installhub.md section 13)
_AUTOMATED, _HUMAN = 15, 3 * 24 * 60
_ROWS_MAX = 100


def new_publisher(publisher: Publisher) -> dict[str, Any]:
    """The documented answer to a new publisher."""
    return {"publisherId": publisher.publisher_id, "status": publisher.status.wire, **_verification(publisher)}


def verification(publisher: Publisher) -> dict[str, Any]:
    """Verified since when and for which domain, or still pending and why."""
    head = {"publisherId": publisher.publisher_id, "status": publisher.status.wire}
    if publisher.status is PublisherStatus.VERIFIED:
        return {**head, **_proven(publisher)}
    text = "The record is not shown yet. Changes of a domain may need some hours to be seen."
    return {**head, "message": text, **_verification(publisher)}


def publisher(found: Publisher, keys: Iterable[PublisherKey]) -> dict[str, Any]:
    """A publisher, as its own people see it. Texts nobody gave are left out."""
    texts = {"description": found.description, "logoUrl": found.logo_url}
    return {
        "publisherId": found.publisher_id,
        "displayName": found.display_name,
        "slug": found.slug,
        "website": found.website,
        "contactEmail": found.contact_email,
        **{name: text for name, text in texts.items() if text},
        "status": found.status.wire,
        **_verification(found),
        **_proven(found),
        "tenantId": found.tenant_id,
        "isOfficial": found.is_official,
        "createdAt": rfc3339(found.created_at),
        "keys": [key(one) for one in keys],
    }


def key(found: PublisherKey) -> dict[str, Any]:
    return {
        "keyId": found.key_id,
        "publicKey": found.public_key,
        "addedAt": rfc3339(found.added_at),
        "addedBy": found.added_by.label,
        **({"revokedAt": rfc3339(found.revoked_at)} if found.revoked_at else {}),
    }


def validation(verdict: Verdict) -> dict[str, Any]:
    """The documented answer to a validation."""
    return {
        "valid": not verdict.errors,
        "errors": _rows(verdict.errors),
        "warnings": _rows(verdict.warnings),
    }


def accepted(submission: Submission, warnings: Sequence[Problem]) -> dict[str, Any]:
    """202: the package waits for the checks."""
    is_for_people = submission.trust_target is TrustLevel.CERTIFIED
    return {
        "submissionId": submission.submission_id,
        "packageId": submission.listing_id,
        "version": submission.version,
        "status": submission.status.wire,
        "trustLevelTarget": submission.trust_target.wire,
        "statusUrl": status_url(submission),
        "estimatedMinutes": _AUTOMATED + (_HUMAN if is_for_people else 0),
        **({"warnings": warning_rows(warnings)} if warnings else {}),
    }


def status(submission: Submission) -> dict[str, Any]:
    """How a submission stands; a rejected one with the documented members."""
    has_report = submission.scan_report is not None
    report = f"{PREFIX}/submissions/{submission.submission_id}/scan-report" if has_report else None
    head = {
        "status": submission.status.wire,
        "submissionId": submission.submission_id,
        "packageId": submission.listing_id,
        "packageName": submission.name,
        "version": submission.version,
        "publisherId": submission.publisher_id,
        "trustLevelTarget": submission.trust_target.wire,
        "submittedAt": rfc3339(submission.submitted_at),
        "submittedBy": submission.submitted_by.label,
    }
    decided = {
        **({"reviewedBy": submission.reviewed_by.label} if submission.reviewed_by else {}),
        **({"reviewedAt": rfc3339(submission.reviewed_at)} if submission.reviewed_at else {}),
    }
    if submission.status is SubmissionStatus.REJECTED:
        why = {"reason": submission.reason, "details": submission.details, "scanReport": report}
        fast = {"fastTrackReview": True} if submission.is_fast_track else {}
        return {**head, **why, "resubmitAfterFix": True, **decided, **fast}
    told = {"details": submission.details} if submission.details else {}
    return {**head, **told, **({"scanReport": report} if report else {}), **decided}


def scan_report(submission: Submission, report: Mapping[str, Any]) -> dict[str, Any]:
    """The report as it was stored (installhub.md section 9.1), and whose it is."""
    return {**report, "submissionId": submission.submission_id}


def status_url(submission: Submission) -> str:
    return f"{PREFIX}/submissions/{submission.submission_id}/status"


def _verification(found: Publisher) -> dict[str, Any]:
    is_file = found.verification_method is VerificationMethod.FILE
    return {
        "verificationMethod": found.verification_method.wire,
        "verificationRecord": {
            "type": "FILE" if is_file else "TXT",
            "host": _FILE if is_file else "@",
            "value": record_value(found),
        },
        "verificationExpiresAt": rfc3339(found.verification_expires_at),
    }


def _proven(found: Publisher) -> dict[str, Any]:
    told = {"verifiedAt": rfc3339(found.verified_at)} if found.verified_at else {}
    return {**told, **({"domain": found.domain} if found.domain else {})}


def _rows(problems: Sequence[Problem]) -> list[dict[str, Any]]:
    return [
        {"code": problem.code.wire, "message": problem.message, **({"field": problem.where} if problem.where else {})}
        for problem in problems[:_ROWS_MAX]
    ]
