"""What a process scans with: our own rules, and what its operator added to them. One is in force for a whole process.

It is read when the process starts and changes with the next start; its version then says that everything scanned
before is to be scanned anew (security.md section 3.3, rule 7).
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from domain.model import PackageDependency
from domain.scanning import own
from domain.scanning.advisories import NO_ADVISORIES, Advisories
from domain.scanning.custom import NO_CUSTOM_RULES, CustomRules
from domain.scanning.report import Finding, Severity
from domain.scanning.rules import OWN_VERSION
from domain.scanning.walk import redacted

_NAME_MAX = 200


@dataclass(frozen=True, slots=True)
class Scanner:
    """Everything that a package is scanned by."""

    custom: CustomRules = NO_CUSTOM_RULES
    advisories: Advisories = NO_ADVISORIES

    @property
    def version(self) -> str:
        """Changes with every rule and every advisory."""
        added = self.custom.version + self.advisories.version
        return f"{OWN_VERSION}+{hashlib.sha256(added.encode()).hexdigest()[:8]}" if added else OWN_VERSION

    @property
    def has_additions(self) -> bool:
        """Whether its operator added anything to our own rules."""
        return bool(self.custom.version or self.advisories.version)

    def artifact(self, artifact_type: str, artifact_id: str, name: str, raw: bytes, above: int = 0) -> list[Finding]:
        """All findings in the canonical bytes of one artifact; if a severity is given, those that are worse."""
        if above >= Severity.CRITICAL:
            return []
        found = own.scan_artifact(artifact_type, artifact_id, name, raw, None, above=above)
        if not self.has_additions:
            return found
        owner = (artifact_type, artifact_id, redacted(name)[:_NAME_MAX])
        return [*found, *self.advisories.in_artifact(owner, raw), *self.custom.in_artifact(owner, raw)]

    def text(self, where: str, text: str) -> list[Finding]:
        """All findings in a text of the package itself, such as ``README.md``."""
        return [*own.scan_text(where, text), *self.custom.in_text((own.PACKAGE, "", where), text)]

    def dependencies(self, needed: Sequence[PackageDependency]) -> list[Finding]:
        """What is known against the packages that a package needs."""
        return self.advisories.in_dependencies(needed)


class _InForce:
    """The scanner of this process; None where there is none, and then nothing passes."""

    scanner: Scanner | None = Scanner()


def in_force() -> Scanner | None:
    """What this process scans with."""
    return _InForce.scanner


def put_in_force(scanner: Scanner | None) -> None:
    """Scan with this one from now on: said once, when a process starts."""
    _InForce.scanner = scanner


def rules_version() -> str:
    """The version of what is in force; whatever another one let pass is scanned anew."""
    scanner = _InForce.scanner
    return scanner.version if scanner is not None else ""
