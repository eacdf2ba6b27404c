"""What the hub let pass although its scan forbids it, as the scan of an install sees it (pure; ADR 0013).

The hub's exceptions stand in its signed index. They never let anything pass here: what the scan of this installation
forbids becomes a warning that names the exception, and is installed only when the caller of this very install sends
``allowSecurityWarnings``; what the tenant accepts by a setting of its own does not cover it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from domain.bundle import CheckedBundle
from domain.errors import ErrorCode, Problem
from domain.mapping import NOTHING_MAPPED
from domain.market.model import Offer
from domain.options import ImportOptions
from domain.scanning import Finding, Severity

#: what a finding weighs that somebody answers for: it warns
_LOWERED = Severity.MEDIUM


def excepted(bundle: CheckedBundle, offer: Offer, options: ImportOptions) -> CheckedBundle:
    """The bundle with those findings lowered that the hub excepted, each told among its warnings.

    An exception is bound to the rule, the place and the bytes of the artifact (R6): where the caller has addresses in
    the package changed, the bytes are others, and no exception counts; nor for what stands in no artifact.
    """
    if not offer.exceptions or bundle.mapped is not NOTHING_MAPPED:
        return bundle
    granted = frozenset(offer.exceptions)
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
    return replace(bundle, findings=tuple(lowered), warnings=(*bundle.warnings, *_told(forbidden, options)))


def _told(forbidden: list[Finding], options: ImportOptions) -> Iterator[Problem]:
    code, cure = ErrorCode.SCAN_EXCEPTION, ""
    if not options.allow_security_warnings:
        code, cure = ErrorCode.SECURITY_WARNINGS_NOT_ALLOWED, " Send allowSecurityWarnings: true to go on."
    for finding in forbidden:
        text = (
            f"{finding.artifact_name}: {finding.message} The scan here would forbid this ({finding.severity.wire});"
            " the hub's people looked at it and let it pass."
        )
        details = {"rule": finding.rule, "severity": finding.severity.wire}
        yield Problem(code, text + cure, finding.field, finding.artifact_id, details)
