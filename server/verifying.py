"""Checking a bundle on this machine alone: ``python -m server verify`` (issue: "checks a bundle offline")."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from domain import scanning
from domain.bundle import read_bundle
from domain.errors import Problem, Refusal
from domain.limits import Limits
from domain.market.arrived import manifest_tree
from domain.market.signatures import key_id, signature_problems
from domain.model import TenantId, TenantPlan
from domain.scanning.report import result_of
from domain.spool import Spool
from server.errands import CommandRefusedError

#: nobody's: what a bundle refers to must be in it
_NO_TENANT = TenantId("")


@dataclass(frozen=True, slots=True)
class Checked:
    """A sound bundle: its manifest as it stands in the file, and what was found besides."""

    manifest: Mapping[str, Any]
    size_bytes: int
    warnings: tuple[Problem, ...]
    findings: tuple[scanning.Finding, ...]
    scan_trouble: str = ""

    @property
    def named(self) -> str:
        """``name@version``."""
        return f"{self.manifest['name']}@{self.manifest['version']}"


@dataclass(frozen=True, slots=True)
class Signing:
    """What the signature is held against: an envelope, and public keys in PEM by key id."""

    envelope: Any
    keys: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What came out. ``signing`` is ``None`` where nobody asked about a signature."""

    checked: Checked | None
    problems: tuple[Problem, ...]
    signing: Signing | None

    @property
    def is_good(self) -> bool:
        forbidden = {scanning.ScanResult.FAIL, scanning.ScanResult.ERROR}
        return not self.problems and self.scan_result not in forbidden

    @property
    def scan_result(self) -> scanning.ScanResult | None:
        if self.checked is None:
            return None
        return scanning.ScanResult.ERROR if self.checked.scan_trouble else result_of(self.checked.findings)

    def as_json(self) -> dict[str, Any]:
        """The whole verdict, for programs."""
        manifest = self.checked.manifest if self.checked else {}
        wanted = ("name", "version", "packageType", "tenantId", "exportedBy", "checksum", "contentChecksum")
        return {
            "good": self.is_good,
            **{name: manifest.get(name) for name in wanted},
            "artifacts": len(manifest.get("artifacts", ())),
            "sizeBytes": self.checked.size_bytes if self.checked else None,
            "scan": self.scan_result.value if self.scan_result else None,
            "findings": [_finding(finding) for finding in self.checked.findings] if self.checked else [],
            "signature": self.signature,
            "problems": [_problem(problem) for problem in self.problems],
            "warnings": [_problem(problem) for problem in self.checked.warnings] if self.checked else [],
        }

    @property
    def signature(self) -> str:
        """``verified``, ``refused``, or ``not checked``."""
        if self.signing is None or self.checked is None:
            return "not checked"
        return "refused" if self.problems else "verified"


def verdict(bundle: Path, signing: Signing | None) -> Verdict:
    """Everything that can be known of a bundle offline: strict reading, checksums, scan, signature."""
    try:
        found = checked(bundle)
    except Refusal as refusal:
        return Verdict(None, refusal.problems, signing)
    if signing is None:
        return Verdict(found, (), None)
    problems = signature_problems(signing.envelope, manifest=found.manifest, keys=signing.keys)
    return Verdict(found, tuple(problems), signing)


def checked(bundle: Path) -> Checked:
    """Read a bundle as an import would, within the larger plan's limits. Raises a refusal with all that is wrong."""
    limits = Limits().bundle(TenantPlan.ENTERPRISE)
    with bundle.open("rb") as source, TemporaryDirectory(prefix="installhub-") as folder:
        with Spool(Path(folder) / "spool") as spool:
            found = read_bundle(source, spool, limits=limits, target=_NO_TENANT)
        tree = manifest_tree(source, limits.archive)
    return Checked(tree, bundle.stat().st_size, found.warnings, found.findings, found.scan_trouble)


def keys_of(pems: Mapping[str, bytes]) -> dict[str, str]:
    """Public keys by their ids, of files by name. Raises ``CommandRefusedError`` for a file without one."""
    found = {}
    for name, content in pems.items():
        try:
            pem = content.decode()
            found[key_id(pem)] = pem
        except ValueError as error:
            raise CommandRefusedError(f"{name}: {error}") from error
    return found


def _problem(problem: Problem) -> dict[str, Any]:
    return {"code": problem.code.wire, "message": problem.message, "where": problem.where}


def _finding(finding: scanning.Finding) -> dict[str, Any]:
    return {
        "rule": finding.rule,
        "severity": finding.severity.name,
        "artifactId": finding.artifact_id,
        "pointer": finding.pointer,
        "message": finding.message,
    }
