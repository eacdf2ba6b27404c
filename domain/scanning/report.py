"""What a scan says: findings, the report of one package, and its documented shape (installhub section 9.1, X8).

The highest severity decides: none is PASS, only Low or Medium is WARN, any High or Critical is FAIL. ERROR is
never the answer of a rule: it says that the scan itself did not finish, and it blocks like FAIL (security, rule 7).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import Enum, IntEnum, StrEnum
from typing import Any


class Severity(IntEnum):
    """How bad a finding is; the members compare by badness, ``wire`` is the documented word."""

    LOW = 1
    MEDIUM = 2
    HIGH = 3
    CRITICAL = 4

    @property
    def wire(self) -> str:
        """The documented spelling, ``Low`` to ``Critical``."""
        return self.name.capitalize()


class ScanResult(Enum):
    """The outcome of a scan or of one check family; the value is the word on the wire."""

    PASS = "PASS"  # noqa: S105 - a verdict, not a password
    WARN = "WARN"
    FAIL = "FAIL"
    ERROR = "ERROR"


class Check(StrEnum):
    """The check families, in the order in which a report lists them."""

    EXPRESSION = "ExpressionInjection"
    SQL = "SqlInjection"
    CREDENTIAL = "CredentialExposure"
    ACTIVE = "ActiveContent"
    DEPENDENCY = "DependencyVulnerability"
    CONTENT = "ContentPolicy"
    CUSTOM = "CustomRules"


@dataclass(frozen=True, slots=True)
class Finding:
    """One suspicious string of one artifact.

    ``field`` is the concrete path as the documents write it (``nodes[2].config.expression``), ``pointer`` the same
    place as a JSON pointer. ``value`` is the string, cut to 200 characters, or only its kind where it holds a secret.
    """

    check: Check
    rule: str
    severity: Severity
    artifact_type: str
    artifact_id: str
    artifact_name: str
    field: str
    pointer: str
    value: str
    message: str

    def to_wire(self) -> dict[str, Any]:
        """The documented members of a finding."""
        return {
            "artifactType": self.artifact_type,
            "artifactName": self.artifact_name,
            "field": self.field,
            "value": self.value,
            "rule": self.rule,
            "severity": self.severity.wire,
            "message": self.message,
        }


@dataclass(frozen=True, slots=True)
class CheckResult:
    """What one check family found in the whole package."""

    check: Check
    result: ScanResult
    findings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True)
class Summary:
    """How many findings a report holds, in all and by severity."""

    total_findings: int
    critical: int
    high: int
    medium: int
    low: int

    def to_wire(self) -> dict[str, int]:
        """The documented members of the summary."""
        return {
            "totalFindings": self.total_findings,
            "critical": self.critical,
            "high": self.high,
            "medium": self.medium,
            "low": self.low,
        }


@dataclass(frozen=True, slots=True)
class ScanReport:
    """The permanent record of one scan of one package version."""

    package_id: str
    version: str
    overall_result: ScanResult
    scanned_at: datetime
    duration_ms: int
    checks: tuple[CheckResult, ...]
    rules_version: str
    #: why the scan came to no end; empty for one that did
    error: str = ""

    @property
    def findings(self) -> tuple[Finding, ...]:
        """All findings, family by family; an exception names one by its place in this row."""
        return tuple(finding for check in self.checks for finding in check.findings)

    @property
    def summary(self) -> Summary:
        """The counts by severity."""
        counts = Counter(finding.severity for finding in self.findings)
        return Summary(
            total_findings=counts.total(),
            critical=counts[Severity.CRITICAL],
            high=counts[Severity.HIGH],
            medium=counts[Severity.MEDIUM],
            low=counts[Severity.LOW],
        )

    def to_wire(self) -> dict[str, Any]:
        """The report exactly as installhub section 9.1 prints it; the time is UTC in whole seconds."""
        return {
            "packageId": self.package_id,
            "version": self.version,
            "overallResult": self.overall_result.value,
            "scannedAt": self.scanned_at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "durationMs": self.duration_ms,
            "checkResults": [
                {
                    "check": check.check.value,
                    "result": check.result.value,
                    "findings": [finding.to_wire() for finding in check.findings],
                }
                for check in self.checks
            ],
            "summary": self.summary.to_wire(),
        }

    def to_stored(self) -> dict[str, Any]:
        """The wire form plus what only we need: rule set, artifact ids and pointers (an exception binds those, R6)."""
        stored = self.to_wire() | {"rulesVersion": self.rules_version}
        if self.error:
            stored["error"] = self.error
        for row, check in zip(stored["checkResults"], self.checks, strict=True):
            row["findings"] = [
                finding.to_wire() | {"artifactId": finding.artifact_id, "pointer": finding.pointer}
                for finding in check.findings
            ]
        return stored

    @classmethod
    def from_wire(cls, wire: Mapping[str, Any]) -> ScanReport:
        """Read a report that :meth:`to_stored` or :meth:`to_wire` wrote.

        What the plain wire form leaves out (artifact ids, pointers, rule set) is then the empty string.

        Raises:
            KeyError, ValueError: it is not such a report.

        """
        return cls(
            package_id=wire["packageId"],
            version=wire["version"],
            overall_result=ScanResult(wire["overallResult"]),
            scanned_at=datetime.fromisoformat(wire["scannedAt"]),
            duration_ms=wire["durationMs"],
            checks=tuple(_check_from_wire(row) for row in wire["checkResults"]),
            rules_version=wire.get("rulesVersion", ""),
            error=wire.get("error", ""),
        )


def worst_of(results: Iterable[ScanResult]) -> ScanResult:
    """The result of several together."""
    return max(results, key=list(ScanResult).index)


def together(stored: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    """The stored reports of an import's packages, by ordinal, as one: that of the package that was asked for (R8)."""
    if len(stored) == 1:
        return stored[0]
    reports = [ScanReport.from_wire(one) for one in stored]
    rows: dict[Check, list[CheckResult]] = {}
    for row in (row for report in reports for row in report.checks):
        rows.setdefault(row.check, []).append(row)
    checks = (
        CheckResult(check, worst_of(row.result for row in some), tuple(found for row in some for found in row.findings))
        for check, some in rows.items()
    )
    return replace(
        reports[-1],
        overall_result=worst_of(report.overall_result for report in reports),
        duration_ms=sum(report.duration_ms for report in reports),
        checks=tuple(checks),
    ).to_stored()


def result_of(findings: Iterable[Finding]) -> ScanResult:
    """The highest severity decides (installhub section 9.1)."""
    worst = max((finding.severity for finding in findings), default=None)
    if worst is None:
        return ScanResult.PASS
    return ScanResult.FAIL if worst >= Severity.HIGH else ScanResult.WARN


def checks_of(findings: Iterable[Finding]) -> tuple[CheckResult, ...]:
    """One row for each check family, also for those that found nothing."""
    by_check: dict[Check, list[Finding]] = {check: [] for check in Check}
    for finding in findings:
        by_check[finding.check].append(finding)
    return tuple(CheckResult(check, result_of(found), tuple(found)) for check, found in by_check.items())


def _check_from_wire(row: Mapping[str, Any]) -> CheckResult:
    check = Check(row["check"])
    findings = tuple(_finding_from_wire(check, finding) for finding in row["findings"])
    return CheckResult(check, ScanResult(row["result"]), findings)


def _finding_from_wire(check: Check, wire: Mapping[str, Any]) -> Finding:
    return Finding(
        check=check,
        rule=wire["rule"],
        severity=_BY_WORD[wire["severity"]],
        artifact_type=wire["artifactType"],
        artifact_id=wire.get("artifactId", ""),
        artifact_name=wire["artifactName"],
        field=wire["field"],
        pointer=wire.get("pointer", ""),
        value=wire["value"],
        message=wire["message"],
    )


_BY_WORD = {severity.wire: severity for severity in Severity}
