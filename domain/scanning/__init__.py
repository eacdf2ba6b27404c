"""Scanning artifacts for what must not be installed (installhub section 9, decisions X3 to X8).

* :func:`scan_artifact` looks at one artifact, :func:`scan_text` at a text beside them (README, description).
* :func:`report` turns the findings of a package into its permanent report; the highest severity decides.
* :func:`secret_paths` tells the exporter what looks like a secret (R22).

To add a rule: one row in ``rules.RULES`` and one folder ``tests/scans/<rule>/{pass,warn,fail}/``. Nothing of a bundle
is ever run, resolved or fetched, and no field of a bundle reaches the result.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any

import orjson

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
from domain.scanning.rules import RULES, RULES_VERSION, Rule, Where
from domain.scanning.trigger import suspected
from domain.scanning.walk import Hit, Spot, hits, path_of, pointer_of, redacted, shown_pointer_of

__all__ = [
    "RULES",
    "RULES_VERSION",
    "Check",
    "CheckResult",
    "Finding",
    "Rule",
    "ScanReport",
    "ScanResult",
    "Severity",
    "Summary",
    "report",
    "scan_artifact",
    "scan_text",
    "secret_paths",
    "together",
    "worst_of",
]

LONGEST_VALUE = 200
#: stands for the artifact type of a text that belongs to the package itself
PACKAGE = "Package"


def scan_artifact(artifact_type: str, artifact_id: str, name: str, raw: bytes, tree: Any | None) -> list[Finding]:
    """All findings in one artifact, in document order.

    ``raw`` is its canonical JSON; ``tree`` the parsed value, or None to have it parsed only if something is suspicious.

    Raises:
        ValueError: ``raw`` is no JSON (it was not canonical).

    """
    rules = suspected(raw)
    if not rules:
        return []
    tree = orjson.loads(raw) if tree is None else tree
    name = _cut(redacted(name))
    return [
        finding
        for spot, found in hits(tree, rules)
        for finding in _findings(spot, found, (artifact_type, artifact_id, name), path_of(spot.place))
    ]


def scan_text(check_where: str, text: str) -> list[Finding]:
    """All credentials in a text of the package, called ``README.md`` or ``manifest.description`` in the findings."""
    return [
        finding
        for spot, found in hits(text, _IN_TEXTS)
        for finding in _findings(spot, found, (PACKAGE, "", check_where), check_where)
    ]


def report(
    package_id: str, version: str, findings: Iterable[Finding], *, scanned_at: datetime, duration_ms: int
) -> ScanReport:
    """The report of a finished scan, with one row for each check family. ``scanned_at`` is an aware time."""
    found = [*findings]
    return ScanReport(
        package_id=package_id,
        version=version,
        overall_result=result_of(found),
        scanned_at=scanned_at,
        duration_ms=duration_ms,
        checks=checks_of(found),
        rules_version=RULES_VERSION,
    )


def secret_paths(artifact_type: str, tree: Any, *, raw: bytes | None = None) -> list[tuple[str, str]]:
    """JSON pointer and kind (``AwsAccessKey``) of every value that looks like a secret, in document order.

    The rules are the same for every artifact type. Give the canonical bytes as ``raw`` where they are at hand:
    a clean artifact is then not walked, and ``tree`` may be None, to have it parsed only if something is suspicious.
    """
    del artifact_type
    rules = [rule for rule in (RULES if raw is None else suspected(raw)) if rule.check is Check.CREDENTIAL]
    if not rules:
        return []
    tree = orjson.loads(raw) if tree is None and raw is not None else tree
    found = {pointer_of(spot.place): rule.name.rpartition(".")[2] for spot, ((rule, _), *_) in hits(tree, rules)}
    return [*found.items()]


def _findings(spot: Spot, found: list[Hit], owner: tuple[str, str, str], field: str) -> Iterator[Finding]:
    """One finding for each hit. A string that holds a secret is never repeated, whatever else is wrong with it."""
    pointer = shown_pointer_of(spot.place)
    secret = next((excerpt for rule, excerpt in found if rule.check is Check.CREDENTIAL), None)
    for rule, excerpt in found:
        shown = excerpt if rule.check is Check.CREDENTIAL else secret or _cut(spot.text, around=excerpt)
        yield Finding(
            check=rule.check,
            rule=rule.name,
            severity=rule.severity,
            artifact_type=owner[0],
            artifact_id=owner[1],
            artifact_name=owner[2],
            field=field,
            pointer=pointer,
            value=shown,
            message=rule.message,
        )


def _cut(text: str, *, around: str = "") -> str:
    """At most 200 characters of a text, with what was found in sight."""
    if len(text) <= LONGEST_VALUE:
        return text
    start = max(0, text.find(around) - LONGEST_VALUE // 4)
    return f"{'…' if start else ''}{text[start : start + LONGEST_VALUE - 2]}…"


_IN_TEXTS = tuple(rule for rule in RULES if rule.check is Check.CREDENTIAL and rule.where is Where.TEXT)
