"""False alarms in a tenant's own imports: somebody asks that a finding be let pass, and somebody else decides.

(installhub.md section 9.6; decisions X3-X7, R6, R12.) What is approved is bound to the rule, the place and the bytes of
the artifact, and to a time. As with a hub's exceptions it makes a warning of what is forbidden, and never less: the
import goes on only when its caller sends ``allowSecurityWarnings`` (ADR 0013).
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path

import uuid_utils

from domain import scanning
from domain.access import Caller, Reach, Right, require
from domain.bundle import BundleLimits, CheckedBundle, read_manifest_alone
from domain.errors import ErrorCode, Problem, Refusal, refuse, refuse_if
from domain.exception_rows import ImportException, Verdict
from domain.import_model import ImportJob, ImportPackage, ImportState
from domain.limits import Installation
from domain.line import Line
from domain.market.curation_rows import Judgement
from domain.market.excepted import excepted
from domain.market.excepting import refuse_own
from domain.market.standing import EXPLANATION_MAX, text_problems
from domain.model import TenantId
from domain.ports import Ports, Store
from domain.records import Records
from domain.repeating import Once, made_before, once, remember, written_once
from domain.rows import Slice
from domain.scanning import Finding, ScanReport, ScanResult, Severity, result_of
from domain.tenancy import active_tenant, entry_of

#: within which time somebody looks (installhub.md section 9.6)
SLA = "4 business hours"
#: of one import; more are read by nobody
EXCEPTIONS_MAX = 100
USUALLY_VALID, LONGEST_VALID = timedelta(days=90), timedelta(days=365)
_WHO = "people of this tenant"


async def let_pass(
    store: Store, job: ImportJob, bundles: Sequence[CheckedBundle], now: datetime
) -> Sequence[CheckedBundle]:
    """The bundles of an import with those findings lowered that its tenant's people let pass."""
    if all(result_of(bundle.findings) is not ScanResult.FAIL for bundle in bundles):
        return bundles
    async with store.view(job.tenant_id) as unit:
        granted = await unit.exceptions.granted(now)
    return [excepted(bundle, granted, job.options, who=_WHO) for bundle in bundles]


class ImportExceptions:
    """Exceptions from the scans of imports, for whoever administers the tenant (``installhub:admin``)."""

    def __init__(self, ports: Ports, installation: Installation, records: Records, line: Line) -> None:
        self._store = ports.store
        self._blobs = ports.blobs
        self._clock = ports.clock
        self._limits = installation.limits
        self._records = records
        self._line = line

    async def ask(
        self,
        caller: Caller,
        import_id: str,
        reach: Reach,
        *,
        finding_index: int,
        explanation: str,
        justification: str = "",
        key: str | None = None,
    ) -> ImportException:
        """Ask that one finding be let pass; ``finding_index`` is its place in the import's scan report, from 0.

        Raises ``InsufficientPermission``, ``NotFound``, ``MissingRequiredField``, ``BadUserInput``, ``StateConflict``
        where it was asked before, ``BundleExpired`` and ``IdempotencyKeyReused``.
        """
        require(caller, Right.ADMINISTER)
        request = once(caller, key, "requestImportScanException", import_id, finding_index, explanation, justification)
        job = await self._records.get_import(caller, import_id, reach)
        refuse_if(
            [
                *text_problems("explanation", explanation, longest=EXPLANATION_MAX),
                *text_problems("justification", justification, longest=EXPLANATION_MAX, is_required=False),
            ]
        )
        finding, package = _forbidden(job, await self._records.scan_reports(caller, job), finding_index)
        wanted = ImportException(
            exception_id=f"exc-{uuid_utils.uuid7()}",
            tenant_id=job.tenant_id,
            import_id=job.import_id,
            finding_index=finding_index,
            rule=finding.rule,
            pointer=finding.pointer,
            artifact_hash=await self._hash_of(job.tenant_id, package, finding.artifact_id),
            explanation=explanation,
            justification=justification,
            status=Judgement.UNDER_REVIEW,
            asked_at=self._clock.now(),
            asked_by=caller.actor,
        )
        return await written_once(lambda: self._ask(caller, wanted, request))

    async def _ask(self, caller: Caller, wanted: ImportException, request: Once | None) -> ImportException:
        async with self._store.unit(wanted.tenant_id) as unit:
            if made := await made_before(unit, request, wanted.asked_at):
                return _known(await unit.exceptions.find(wanted.import_id, made["exceptionId"]))
            if await unit.exceptions.count(wanted.import_id) >= EXCEPTIONS_MAX:
                text = f"{EXCEPTIONS_MAX} exceptions were asked for this import; mend the package."
                raise refuse(ErrorCode.STATE_CONFLICT, text, "importId")
            if not await unit.exceptions.ask(wanted):
                raise refuse(ErrorCode.STATE_CONFLICT, "This finding has an exception already.", "findingIndex")
            await remember(unit, request, {"exceptionId": wanted.exception_id}, wanted.asked_at)
            told = {"exceptionId": wanted.exception_id, "rule": wanted.rule}
            await unit.imports.audit(
                entry_of(
                    caller,
                    wanted.tenant_id,
                    "scanException.asked",
                    told,
                    at=wanted.asked_at,
                    import_id=wanted.import_id,
                )
            )
        return wanted

    async def page(
        self,
        caller: Caller,
        tenant_id: TenantId,
        *,
        statuses: tuple[Judgement, ...] = (),
        first: int,
        after: str | None = None,
    ) -> Slice[ImportException]:
        """A tenant's exceptions, oldest first; of some statuses, if given. Raises ``InsufficientPermission``."""
        require(caller, Right.ADMINISTER)
        async with self._store.view(tenant_id) as unit:
            return await unit.exceptions.page(statuses or tuple(Judgement), first=first, after=after)

    async def decide(
        self,
        caller: Caller,
        import_id: str,
        exception_id: str,
        reach: Reach,
        *,
        is_approved: bool,
        details: str = "",
        valid_until: datetime | None = None,
    ) -> ImportException:
        """Approve an exception for a time, or reject it: an approved one is taken back so.

        Approved, an import that allowed warnings and has nothing else against it is tried again. Raises
        ``InsufficientPermission``, ``NotFound``, ``MissingRequiredField``, ``BadUserInput`` and ``StateConflict`` when
        it was decided before, or is to be approved by who asked for it.
        """
        require(caller, Right.ADMINISTER)
        job = await self._records.get_import(caller, import_id, reach)
        now = self._clock.now()
        until = (valid_until or now + USUALLY_VALID) if is_approved else None
        refuse_if([*text_problems("details", details, longest=EXPLANATION_MAX), *_time_problems(until, now)])
        status = Judgement.APPROVED if is_approved else Judgement.REJECTED
        async with self._store.unit(job.tenant_id) as unit:
            there = _known(await unit.exceptions.find(job.import_id, exception_id))
            if is_approved:
                refuse_own(there.asked_by, caller)
            if not await unit.exceptions.decide(exception_id, Verdict(status, details, until, now, caller.actor)):
                raise refuse(ErrorCode.STATE_CONFLICT, "This exception was decided before.", "exceptionId")
            told = {"exceptionId": exception_id, "rule": there.rule, "details": details}
            action = f"scanException.{status.name.lower()}"
            await unit.imports.audit(entry_of(caller, job.tenant_id, action, told, at=now, import_id=job.import_id))
            decided = _known(await unit.exceptions.find(job.import_id, exception_id))
            granted = {(rule, pointer) for rule, pointer, _ in await unit.exceptions.granted(now)}
        if is_approved and _awaits(job, await self._records.scan_reports(caller, job), granted):
            # the decision stands whether or not the import can be brought again: then whoever wants it sends it
            with suppress(Refusal):
                await self._line.retry(caller, import_id, reach, key=exception_id)
        return decided

    async def _hash_of(self, tenant_id: TenantId, package: ImportPackage, artifact_id: str) -> str:
        async with self._store.platform_view() as platform:
            tenant = await active_tenant(platform.tenants, tenant_id)
        limits = self._limits.bundle(tenant.plan)
        try:
            async with self._blobs.local(package.blob_key, sha256=package.sha256) as path:
                return await asyncio.to_thread(_hash_in, path, limits, artifact_id)
        except FileNotFoundError as error:
            raise refuse(ErrorCode.BUNDLE_EXPIRED, "The package's bundle is no longer kept.", "importId") from error


def _hash_in(path: Path, limits: BundleLimits, artifact_id: str) -> str:
    with path.open("rb") as source:
        manifest, _ = read_manifest_alone(source, limits)
    return next(entry.hash for entry in manifest.artifacts if entry.artifact_id == artifact_id)


def _forbidden(job: ImportJob, stored: Sequence[dict[str, object]], index: int) -> tuple[Finding, ImportPackage]:
    """The finding that is meant, and the package that it stands in. Raises ``BadUserInput``."""
    findings = ScanReport.from_wire(scanning.together(stored)).findings if stored else ()
    if not 0 <= index < len(findings):
        text = f"The import's scan has {len(findings)} findings; the first is 0."
        raise refuse(ErrorCode.BAD_USER_INPUT, text, "findingIndex")
    finding = findings[index]
    refuse_if(_unfit(job, finding, count=len(findings)))
    for package, report in zip(job.packages, stored, strict=True):
        if finding in ScanReport.from_wire(report).findings:
            return finding, package
    raise refuse(ErrorCode.BAD_USER_INPUT, "This finding stands in no package.", "findingIndex")


def _unfit(job: ImportJob, finding: Finding, *, count: int) -> list[Problem]:
    text = ""
    if finding.severity < Severity.HIGH:
        text = "A warning needs no exception; send allowSecurityWarnings: true."
    elif not finding.artifact_id:
        text = "Only what was found in an artifact can be excepted; mend the package's own texts."
    elif job.options.endpoint_mapping:
        text = "Where endpoint addresses are mapped, the bytes are others and no exception counts."
    elif count >= scanning.FINDINGS_MAX:
        text = "The report does not name everything that was found, so nothing of it can be excepted."
    return [Problem(ErrorCode.BAD_USER_INPUT, text, "findingIndex")] if text else []


def _time_problems(until: datetime | None, now: datetime) -> list[Problem]:
    if until is None or now < until <= now + LONGEST_VALID:
        return []
    text = f"validUntil lies ahead, by at most {LONGEST_VALID.days} days."
    return [Problem(ErrorCode.BAD_USER_INPUT, text, "validUntil")]


def _awaits(job: ImportJob, stored: Sequence[dict[str, object]], granted: set[tuple[str, str]]) -> bool:
    """Whether an import came to nothing by what is now excepted alone. The new one judges by the bytes."""
    if job.state is not ImportState.FAILED or not job.options.allow_security_warnings:
        return False
    reports = [ScanReport.from_wire(report) for report in stored]
    forbidden = [one for report in reports for one in report.findings if one.severity >= Severity.HIGH]
    return all((one.rule, one.pointer) in granted for one in forbidden)


def _known(found: ImportException | None) -> ImportException:
    if found is None:
        raise refuse(ErrorCode.NOT_FOUND, "There is no such exception.", "exceptionId", what="scanException")
    return found
