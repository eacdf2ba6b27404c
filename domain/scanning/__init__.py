"""Scanning artifacts for what must not be installed (installhub section 9, decisions X3 to X8).

* :func:`scan_artifact` looks at one artifact, :func:`scan_text` at a text beside them (README, description).
* :class:`ScanRun` has a whole package scanned by what is in force, within its time, and never lets it pass by failing.
* :func:`report` turns the findings of a package into its permanent report; the highest severity decides.
* :func:`secret_paths` tells the exporter what looks like a secret (R22).

To add a rule: one row in ``rules.RULES`` and one folder ``tests/scans/<rule>/{pass,warn,fail}/``. Nothing of a bundle
is ever run, resolved or fetched, and no field of a bundle reaches the result.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from domain.scanning.own import FINDINGS_MAX, scan_artifact, scan_text, secret_paths
from domain.scanning.report import (
    Check,
    CheckResult,
    Finding,
    ScanReport,
    ScanResult,
    Severity,
    Summary,
    checks_of,
    result_of,
    together,
    worst_of,
)
from domain.scanning.rule import Rule, Where
from domain.scanning.rules import OWN_VERSION as RULES_VERSION
from domain.scanning.rules import RULES
from domain.scanning.running import ATTEMPTS_MAX, GiveWay, ScanRun
from domain.scanning.scanner import Scanner, in_force, put_in_force, rules_version

__all__ = [
    "ATTEMPTS_MAX",
    "FINDINGS_MAX",
    "RULES",
    "RULES_VERSION",
    "Check",
    "CheckResult",
    "Finding",
    "GiveWay",
    "Rule",
    "ScanReport",
    "ScanResult",
    "ScanRun",
    "Scanner",
    "Severity",
    "Summary",
    "Where",
    "in_force",
    "put_in_force",
    "report",
    "result_of",
    "rules_version",
    "scan_artifact",
    "scan_text",
    "secret_paths",
    "together",
    "worst_of",
]


def report(
    package_id: str,
    version: str,
    findings: Iterable[Finding],
    *,
    scanned_at: datetime,
    duration_ms: int,
    trouble: str = "",
) -> ScanReport:
    """The report of a scan, with one row for each check family. ``scanned_at`` is an aware time.

    ``trouble`` says why the scan came to no end; then its result is ERROR, whatever was found until then.
    """
    found = [*findings]
    return ScanReport(
        package_id=package_id,
        version=version,
        overall_result=ScanResult.ERROR if trouble else result_of(found),
        scanned_at=scanned_at,
        duration_ms=duration_ms,
        checks=checks_of(found),
        rules_version=rules_version(),
        error=trouble,
    )
