"""A submitted package, read as strictly as an import reads it, and what is said of it (installhub.md section 10.4).

Validation, submission and the automatic checks all read packages here and nowhere else; nothing is written.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from domain.abandoning import read_in_thread
from domain.archive import open_archive
from domain.artifact_types import FOLDERS
from domain.bundle import CheckedBundle, Told, read_bundle
from domain.errors import ErrorCode, Problem, Refusal, refuse
from domain.limits import Installation
from domain.market.restating import submitted_texts
from domain.model import BlobKey, Manifest, TenantId
from domain.observing import NOBODY, Observer, Scanned
from domain.planning import checked
from domain.ports import Ports
from domain.scanning import ScanReport, ScanResult, Severity
from domain.spool import Spool
from domain.versions import is_downgrade

#: a README shorter than this says too little (installhub.md section 13)
README_LENGTH_MIN = 500
#: no tenant: what refers to artifacts outside of the package refers to nothing
_NOBODY = TenantId("")
_FINDINGS_TOLD = 50
#: these keep their own code and status; whatever else is wrong with a package is its format
_OWN_CODES = (ErrorCode.PAYLOAD_TOO_LARGE, ErrorCode.TOO_MANY_ARTIFACTS, ErrorCode.BUNDLE_EXPIRED)


@dataclass(frozen=True, slots=True)
class Examined:
    """A package whose bytes have been believed; ``path`` holds them until the reading is left."""

    path: Path = field(repr=False)
    manifest: Manifest
    #: ``manifest.json`` with the members that this version does not know
    tree: Mapping[str, Any]
    readme: str
    warnings: tuple[Problem, ...]
    report: ScanReport


class Examiner:
    """Reads stored packages."""

    def __init__(
        self,
        ports: Ports,
        installation: Installation,
        observer: Observer = NOBODY,
        *,
        scanned: Scanned = Scanned.SUBMISSION,
    ) -> None:
        self._blobs = ports.blobs
        self._clock = ports.clock
        self._limits = installation.limits.submission()
        self._platform_version = installation.platform_version
        self._observer = observer
        self._scanned = scanned

    @asynccontextmanager
    async def reading(self, blob_key: BlobKey) -> AsyncIterator[Examined]:
        """Read a package from its first byte to its last reference, and scan it.

        Raises a refusal ``InvalidPackageFormat`` with every problem, ``PayloadTooLarge``, ``TooManyArtifacts`` or
        ``BundleExpired``.
        """
        try:
            async with self._blobs.local(blob_key) as path, self._blobs.scratch() as folder:
                bundle, tree, readme = await self._read(path, folder)
                report = checked(bundle, self._clock.now()).report
                self._observer.scanned(self._scanned, report.overall_result, report.duration_ms / 1000)
                yield Examined(
                    path=path,
                    manifest=bundle.manifest,
                    tree=tree,
                    readme=readme,
                    warnings=(*bundle.warnings, *self._hints(bundle, tree, readme)),
                    report=report,
                )
        except FileNotFoundError as error:
            raise refuse(ErrorCode.BUNDLE_EXPIRED, "The submitted package is no longer kept.") from error

    async def _read(self, path: Path, folder: Path) -> tuple[CheckedBundle, dict[str, Any], str]:
        def read(told: Told) -> tuple[CheckedBundle, dict[str, Any], str]:
            with Spool(folder / "contents") as spool, path.open("rb") as source:
                bundle = read_bundle(source, spool, limits=self._limits, target=_NOBODY, told=told)
                return bundle, *submitted_texts(open_archive(source, self._limits.archive, folders=FOLDERS))

        try:
            return await read_in_thread(read)
        except Refusal as refusal:
            if refusal.code in _OWN_CODES:
                raise
            code = ErrorCode.INVALID_PACKAGE_FORMAT
            raise Refusal(refusal.problems, code=code, message=refusal.message, status=code.status) from refusal

    def _hints(self, bundle: CheckedBundle, tree: Mapping[str, Any], readme: str) -> Iterator[Problem]:
        if not tree.get("license"):
            yield Problem(ErrorCode.MISSING_LICENSE, "The manifest names no license.", "license")
        if len(readme) < README_LENGTH_MIN:
            text = f"README.md has {len(readme)} characters; at least {README_LENGTH_MIN} say what a package is for."
            yield Problem(ErrorCode.README_TOO_SHORT, text, "README.md")
        platform = bundle.manifest.platform_version
        if is_downgrade(self._platform_version, platform):
            text = f"The package was made on platform {platform}; the marketplace runs {self._platform_version}."
            yield Problem(ErrorCode.OLD_PLATFORM_VERSION, text, "platformVersion")


def scan_findings(report: ScanReport) -> list[Problem]:
    """What the scan found, the worst first; High and Critical findings refuse."""
    worst_first = sorted(report.findings, key=lambda finding: -finding.severity)
    return [
        Problem(
            ErrorCode.SECURITY_SCAN_FAILED if finding.severity >= Severity.HIGH else ErrorCode.SECURITY_WARNING,
            f"{finding.artifact_name}: {finding.message}",
            finding.field,
            finding.artifact_id,
            {"rule": finding.rule, "severity": finding.severity.wire},
        )
        for finding in worst_first[:_FINDINGS_TOLD]
    ]


def may_be_shown(verdict: ScanResult) -> bool:
    """Whether a scan's result lets a package be offered (X24); a scan that did not end is like one that failed."""
    return verdict in {ScanResult.PASS, ScanResult.WARN}
