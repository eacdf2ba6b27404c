"""What somebody let pass although a scan forbids it, as the scan of an import sees it (pure; ADR 0013).

The hub's exceptions stand in its signed index. They never let anything pass here: what the scan of this installation
forbids becomes a warning that names the exception, and is installed only when the caller of this very install sends
``allowSecurityWarnings``; what the tenant accepts by a setting of its own does not cover it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import replace

from domain import scanning
from domain.bundle import CheckedBundle
from domain.errors import ErrorCode, Problem
from domain.mapping import NOTHING_MAPPED
from domain.market.curation_rows import Binding
from domain.options import ImportOptions
from domain.scanning import Finding, Severity

HUB = "the hub's people"
#: what a finding weighs that somebody answers for: it warns
_LOWERED = Severity.MEDIUM


def excepted(
    bundle: CheckedBundle, exceptions: Collection[Binding], options: ImportOptions, *, who: str
) -> CheckedBundle:
    """The bundle with those findings lowered that somebody excepted, each told among its warnings.

    ``who`` looked at them: the hub's people, or those of the tenant (:mod:`domain.excepting`).

    An exception is bound to the rule, the place and the bytes of the artifact (R6): where the caller has addresses in
    the package changed, the bytes are others, and no exception counts; nor for what stands in no artifact. A full
    report does not name all that was found, so no exception counts there either.
    """
    is_full = len(bundle.findings) >= scanning.FINDINGS_MAX
    if not exceptions or bundle.mapped is not NOTHING_MAPPED or is_full:
        return bundle
    granted = frozenset(exceptions)
    hashes: dict[str, str] = {one.source_id: one.hash for one in bundle.artifacts}
    found = [
        (finding, (finding.rule, finding.pointer, hashes.get(finding.artifact_id)) in granted)
        for finding in bundle.findings
    ]
    forbidden = [finding for finding, is_granted in found if is_granted and finding.severity > _LOWERED]
    lowered = [
        replace(finding, severity=min(finding.severity, _LOWERED)) if is_granted else finding
        for finding, is_granted in found
    ]
    return replace(bundle, findings=tuple(lowered), warnings=(*bundle.warnings, *_told(forbidden, options, who)))


def _told(forbidden: list[Finding], options: ImportOptions, who: str) -> Iterator[Problem]:
    code, cure = ErrorCode.SCAN_EXCEPTION, ""
    if not options.allow_security_warnings:
        code, cure = ErrorCode.SECURITY_WARNINGS_NOT_ALLOWED, " Send allowSecurityWarnings: true to go on."
    for finding in forbidden:
        text = (
            f"{finding.artifact_name}: {finding.message} The scan here would forbid this ({finding.severity.wire});"
            f" {who} looked at it and let it pass."
        )
        details = {"rule": finding.rule, "severity": finding.severity.wire}
        yield Problem(code, text + cure, finding.field, finding.artifact_id, details)
