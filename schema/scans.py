"""What the security scan of a package found."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any

import strawberry

import schema.enums  # noqa: F401 - published there before a type here names them
from domain import scanning
from domain.scanning import ScanResult, Severity
from schema.fields import described


@strawberry.type(description="One suspicious text of one artifact.")
class Finding:
    key: strawberry.ID = strawberry.field(description="Unique in its report.")
    check: str = strawberry.field(description="The family of checks.")
    rule: str = strawberry.field(description="The rule that found it.")
    severity: Severity = strawberry.field(description="How bad it is.")
    artifact_type: str = strawberry.field(description="The artifact's kind, as the manifest writes it.")
    artifact_id: str = strawberry.field(description="The artifact's id in the package.")
    artifact_name: str = strawberry.field(description="The artifact's name.")
    pointer: str = strawberry.field(description="Where in the artifact, as a JSON pointer.")
    message: str = strawberry.field(description="A sentence to show.")

    @classmethod
    def of(cls, place: int, finding: scanning.Finding) -> Finding:
        return cls(
            key=strawberry.ID(str(place)),
            check=finding.check.value,
            rule=finding.rule,
            severity=finding.severity,
            artifact_type=finding.artifact_type,
            artifact_id=finding.artifact_id,
            artifact_name=finding.artifact_name,
            pointer=finding.pointer,
            message=finding.message,
        )


@strawberry.type(description="The permanent record of one scan.")
class ScanReport:
    result: ScanResult = strawberry.field(description="The worst finding decides.")
    scanned_at: datetime = strawberry.field(description="When it was made.")
    rules_version: str = strawberry.field(description="The rules it was made with.")
    error: str | None = strawberry.field(description="Why it came to no end; null for one that did.")
    report: strawberry.Private[scanning.ScanReport]

    @described("What was found, by family of checks.")
    def findings(
        self,
        minimum: Annotated[Severity, strawberry.argument(description="Only as bad as this, or worse.")] = Severity.LOW,
    ) -> list[Finding]:
        found = enumerate(self.report.findings)
        return [Finding.of(place, finding) for place, finding in found if finding.severity >= minimum]

    @classmethod
    def of(cls, stored: Mapping[str, Any]) -> ScanReport:
        report = scanning.ScanReport.from_wire(stored)
        return cls(
            result=report.overall_result,
            scanned_at=report.scanned_at,
            rules_version=report.rules_version,
            error=report.error or None,
            report=report,
        )
