"""False alarms: a publisher asks that one finding of a submission's scan be let pass, and a person decides.

(installhub.md section 9.6; decisions X3-X7, R6.) What is approved is bound to the rule, the place and the bytes of the
artifact: another finding, or another content, is found as before.
"""

from __future__ import annotations

from collections.abc import Mapping

import uuid_utils

from domain import scanning
from domain.access import Caller, Reach, Right, require
from domain.errors import ErrorCode, refuse, refuse_if
from domain.market.curation_rows import Judgement, ScanException
from domain.market.examining import Examiner
from domain.market.model import Submission, SubmissionStatus
from domain.market.standing import EXPLANATION_MAX, audited, is_within, text_problems
from domain.model import Actor
from domain.ports import PlatformUnit, Ports
from domain.repeating import Once, made_before, once, remember, written_once
from domain.rows import Slice
from domain.scanning import Finding

#: within which time somebody looks (installhub.md section 13: human review)
SLA = "3 business days"


async def submission_of(unit: PlatformUnit, caller: Caller, submission_id: str, reach: Reach) -> Submission:
    """A submission of the caller's publishers; any for who runs the market. Others are as unknown as none.

    Raises ``InsufficientPermission`` and ``NotFound``.
    """
    if not caller.has(Right.RUN_MARKET):
        require(caller, Right.PUBLISH)
    submission = await unit.publishing.submission(submission_id)
    if submission is None or not (caller.has(Right.RUN_MARKET) or is_within(submission.tenant_id, reach)):
        raise refuse(ErrorCode.NOT_FOUND, "There is no such submission.", "submissionId", what="submission")
    return submission


class Excepting:
    """Exceptions from the scans of submissions."""

    def __init__(self, ports: Ports, examiner: Examiner) -> None:
        self._store = ports.store
        self._clock = ports.clock
        self._examiner = examiner

    async def ask(
        self,
        caller: Caller,
        submission_id: str,
        reach: Reach,
        *,
        finding_index: int,
        explanation: str,
        evidence: str = "",
        key: str | None = None,
    ) -> ScanException:
        """Ask that one finding be let pass; ``finding_index`` is its place in the report, from 0.

        Raises ``InsufficientPermission``, ``NotFound``, ``MissingRequiredField``, ``BadUserInput``, ``StateConflict``
        where it was asked before, ``BundleExpired`` and ``IdempotencyKeyReused``.
        """
        require(caller, Right.PUBLISH)
        request = once(caller, key, "requestScanException", submission_id, finding_index, explanation, evidence)
        async with self._store.platform_view() as unit:
            submission = await submission_of(unit, caller, submission_id, reach)
        refuse_if(
            [
                *text_problems("explanation", explanation, longest=EXPLANATION_MAX),
                *text_problems("evidence", evidence, longest=EXPLANATION_MAX, is_required=False),
            ]
        )
        finding = _finding(submission, finding_index)
        async with self._examiner.reading(submission.blob_key) as package:
            hashes: Mapping[str, str] = {entry.artifact_id: entry.hash for entry in package.manifest.artifacts}
        now = self._clock.now()
        wanted = ScanException(
            exception_id=f"exc-{uuid_utils.uuid7()}",
            tenant_id=submission.tenant_id,
            submission_id=submission.submission_id,
            finding_index=finding_index,
            rule=finding.rule,
            pointer=finding.pointer,
            artifact_hash=hashes[finding.artifact_id],
            explanation=explanation,
            evidence=evidence,
            status=Judgement.UNDER_REVIEW,
            asked_at=now,
            asked_by=caller.actor,
        )
        return await written_once(lambda: self._ask(caller, wanted, request))

    async def _ask(self, caller: Caller, wanted: ScanException, request: Once | None) -> ScanException:
        async with self._store.platform_unit() as unit:
            owner = unit.of(wanted.tenant_id)
            if made := await made_before(owner, request, wanted.asked_at):
                return await _known(unit, wanted.submission_id, made["exceptionId"])
            if not await unit.curation.ask_for_exception(wanted):
                raise refuse(ErrorCode.STATE_CONFLICT, "This finding has an exception already.", "findingIndex")
            await remember(owner, request, {"exceptionId": wanted.exception_id}, wanted.asked_at)
            details = {"exceptionId": wanted.exception_id, "submissionId": wanted.submission_id, "rule": wanted.rule}
            await audited(unit, caller, wanted.tenant_id, "scanException.asked", details, at=wanted.asked_at)
        return wanted

    async def find(self, caller: Caller, submission_id: str, exception_id: str, reach: Reach) -> ScanException:
        """One exception of a submission. Raises ``InsufficientPermission`` and ``NotFound``."""
        async with self._store.platform_view() as unit:
            submission = await submission_of(unit, caller, submission_id, reach)
            return await _known(unit, submission.submission_id, exception_id)

    async def waiting(self, caller: Caller, *, first: int, after: str | None = None) -> Slice[ScanException]:
        """Exceptions that nobody decided, oldest first. Raises ``InsufficientPermission``."""
        require(caller, Right.RUN_MARKET)
        async with self._store.platform_view() as unit:
            return await unit.curation.open_exceptions(first=first, after=after)

    async def decide(
        self, caller: Caller, submission_id: str, exception_id: str, *, is_approved: bool, details: str = ""
    ) -> ScanException:
        """Approve or reject an exception. Approved, a submission that the scan rejected is checked anew.

        Raises ``InsufficientPermission``, ``NotFound``, ``BadUserInput`` and ``StateConflict`` when it was decided
        before, or is one's own.
        """
        require(caller, Right.RUN_MARKET)
        now = self._clock.now()
        status = Judgement.APPROVED if is_approved else Judgement.REJECTED
        async with self._store.platform_unit() as unit:
            submission = await submission_of(unit, caller, submission_id, None)
            there = await _known(unit, submission.submission_id, exception_id)
            refuse_if(text_problems("details", details, longest=EXPLANATION_MAX, is_required=False))
            refuse_own(there.asked_by, caller)
            if not await unit.curation.decide_exception(exception_id, status, by=caller.actor, at=now):
                raise refuse(ErrorCode.STATE_CONFLICT, "This exception was decided before.", "exceptionId")
            told = {"exceptionId": exception_id, "submissionId": submission_id, "rule": there.rule, "details": details}
            await audited(unit, caller, there.tenant_id, f"scanException.{status.name.lower()}", told, at=now)
            if is_approved:
                await _checked_anew(unit, submission)
            return await _known(unit, submission.submission_id, exception_id)


def refuse_own(asked_by: Actor, caller: Caller) -> None:
    """Nobody decides about a wish of their own: raises ``StateConflict``."""
    if asked_by.subject == caller.subject:
        raise refuse(ErrorCode.STATE_CONFLICT, "Somebody else must decide what you asked for.")


def _finding(submission: Submission, index: int) -> Finding:
    findings = scanning.ScanReport.from_wire(submission.scan_report).findings if submission.scan_report else ()
    if not 0 <= index < len(findings):
        text = f"The submission's scan has {len(findings)} findings; the first is 0."
        raise refuse(ErrorCode.BAD_USER_INPUT, text, "findingIndex")
    if not findings[index].artifact_id:
        text = "Only what was found in an artifact can be excepted; mend the package's own texts."
        raise refuse(ErrorCode.BAD_USER_INPUT, text, "findingIndex")
    return findings[index]


async def _known(unit: PlatformUnit, submission_id: str, exception_id: str) -> ScanException:
    for found in (await unit.curation.exceptions([submission_id])).values():
        for one in found:
            if one.exception_id == exception_id:
                return one
    raise refuse(ErrorCode.NOT_FOUND, "There is no such exception.", "exceptionId", what="scanException")


async def _checked_anew(unit: PlatformUnit, submission: Submission) -> None:
    if submission.reason == ErrorCode.SECURITY_SCAN_FAILED.wire:
        changes = {"reason": "", "details": "", "is_fast_track": True}
        await unit.publishing.decide(
            submission.submission_id, SubmissionStatus.REJECTED, SubmissionStatus.QUEUED, changes
        )
