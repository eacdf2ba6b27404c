"""What stands between a checked bundle and a tenant: platform, dependencies, versions, scan (pure).

Each check gives problems. Codes with status 200 are warnings; the others block an import, and are listed as
blockers by a plan (decisions R17, X3-X7, X19, X20; R4, R15; installhub.md sections 7.6, 8.3).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol

from domain import versions
from domain.errors import ErrorCode, Problem
from domain.import_model import InstalledPackage, Stage
from domain.model import Manifest, PackageDependency, name_key, rfc3339
from domain.options import ImportOptions
from domain.plan_model import Drift
from domain.scanning import ScanReport, ScanResult

_DRIFT_SHOWN = 20
_SEND_ALLOWANCE = " Send allowSecurityWarnings: true to go on."
#: the stage in which a code is found, for failures (decisions section 5); every other one is found while planning
STAGE_OF: Mapping[ErrorCode, Stage] = {
    ErrorCode.HUB_UNAVAILABLE: Stage.DOWNLOAD,
    ErrorCode.HUB_INDEX_REFUSED: Stage.DOWNLOAD,
    ErrorCode.HUB_CONTENT_REFUSED: Stage.DOWNLOAD,
    ErrorCode.PACKAGE_SUSPENDED: Stage.DOWNLOAD,
    ErrorCode.SIGNATURE_INVALID: Stage.VALIDATION,
    ErrorCode.SECURITY_SCAN_FAILED: Stage.SECURITY_SCAN,
    ErrorCode.SECURITY_WARNINGS_NOT_ALLOWED: Stage.SECURITY_SCAN,
    ErrorCode.SCAN_ERROR: Stage.SECURITY_SCAN,
    ErrorCode.MISSING_PACKAGE_DEPENDENCY: Stage.DEPENDENCY_CHECK,
    ErrorCode.INCOMPATIBLE_PACKAGE_DEPENDENCY: Stage.DEPENDENCY_CHECK,
    ErrorCode.PLATFORM_VERSION_INCOMPATIBLE: Stage.DEPENDENCY_CHECK,
    ErrorCode.MAJOR_VERSION_UPGRADE_NOT_ALLOWED: Stage.DEPENDENCY_CHECK,
}


class Versioned(Protocol):
    """A package that is in the tenant, or comes with the same import."""

    @property
    def name(self) -> str:
        """Its name."""

    @property
    def version(self) -> str:
        """Its version."""


def platform_problems(manifest: Manifest, target: str, options: ImportOptions) -> Iterator[Problem]:
    """An older target platform is worth a warning, another major version blocks (X20).

    A migration comes from the same version or from an earlier update of it, or not at all (akana.md section 6).
    """
    package = manifest.platform_version
    verdict = versions.platform_verdict(package, target)
    details = {"packagePlatformVersion": package, "targetPlatformVersion": target}
    if verdict is versions.PlatformVerdict.MAJOR:
        text = f"The package was made on platform {package}; this tenant runs {target}, another major version."
        yield Problem(ErrorCode.PLATFORM_VERSION_INCOMPATIBLE, text, "platformVersion", details=details)
    elif options.is_migration and not versions.is_update_of(package, target):
        text = f"The package was exported from {package}; this tenant runs {target}, which is no later update of that."
        yield Problem(ErrorCode.PLATFORM_VERSION_INCOMPATIBLE, text, "platformVersion", details=details)
    elif verdict is versions.PlatformVerdict.OLDER_TARGET:
        text = f"The package was made on platform {package}; this tenant runs the older {target}."
        yield Problem(ErrorCode.PLATFORM_VERSION_MISMATCH, text, "platformVersion", details=details)


def dependency_problems(dependencies: Sequence[PackageDependency], there: Sequence[Versioned]) -> Iterator[Problem]:
    """Packages that must be there and are not, or in a version outside the range. Matched by name alone (R4)."""
    found: dict[str, list[str]] = {}
    for package in there:
        found.setdefault(name_key(package.name), []).append(package.version)
    rows = [(index, wanted, found.get(name_key(wanted.package_name), [])) for index, wanted in enumerate(dependencies)]
    missing: list[dict[str, str | None]] = [
        {"packageName": wanted.package_name, "requiredMinVersion": wanted.min_version, "installedVersion": None}
        for _, wanted, had in rows
        if not had
    ]
    unfit: list[dict[str, str | None]] = [
        {
            "packageName": wanted.package_name,
            "requiredRange": versions.range_text(wanted.min_version, wanted.max_version),
            "installedVersion": had[0],
        }
        for _, wanted, had in rows
        if had and not _is_met(wanted, had)
    ]
    for index, wanted, had in rows:
        where = f"packageDependencies[{index}]"
        needed = versions.range_text(wanted.min_version, wanted.max_version)
        if not had:
            text = f"The package needs {wanted.package_name} {needed}, which is not installed."
            details = {"missingDependencies": missing}
            yield Problem(ErrorCode.MISSING_PACKAGE_DEPENDENCY, text, where, details=details)
        elif not _is_met(wanted, had):
            text = f"The package needs {wanted.package_name} {needed}; installed is {had[0]}."
            details = {"incompatibleDependencies": unfit}
            yield Problem(ErrorCode.INCOMPATIBLE_PACKAGE_DEPENDENCY, text, where, details=details)


def _is_met(wanted: PackageDependency, had: Sequence[str]) -> bool:
    return any(versions.in_range(version, wanted.min_version, wanted.max_version) for version in had)


def package_version_problems(
    manifest: Manifest, installed: Sequence[InstalledPackage], options: ImportOptions
) -> Iterator[Problem]:
    """Major jumps, unstable versions, and packages that share a name but not an origin (R4; installhub.md 7.6)."""
    named = [package for package in installed if name_key(package.name) == name_key(manifest.name)]
    same = next((package for package in named if package.source == manifest.tenant_id), None)
    if versions.is_unstable(manifest.version):
        text = f"Version {manifest.version} is before 1.0.0: any update of it may break what was built on it."
        yield Problem(ErrorCode.UNSTABLE_VERSION, text, "version")
    if named and same is None:
        text = f"A package named {manifest.name} from another origin is installed. They are kept apart."
        yield Problem(ErrorCode.PACKAGE_ORIGIN_DIFFERS, text, "tenantId")
    if same is not None:
        yield from _upgrade_problems(manifest, same, options)


def _upgrade_problems(manifest: Manifest, installed: InstalledPackage, options: ImportOptions) -> Iterator[Problem]:
    if versions.is_major_upgrade(installed.version, manifest.version):
        text = f"{manifest.version} is a new major version over the installed {installed.version}."
        allowed = options.allow_major_version_upgrade
        code = ErrorCode.MAJOR_VERSION_UPGRADE if allowed else ErrorCode.MAJOR_VERSION_UPGRADE_NOT_ALLOWED
        cure = "" if allowed else " Send allowMajorVersionUpgrade: true to go on."
        details = {"installedVersion": installed.version, "packageVersion": manifest.version}
        yield Problem(code, text + cure, "version", details=details)
    if installed.version == manifest.version and installed.checksum != manifest.checksum:
        text = f"Version {manifest.version} is already installed with other contents."
        yield Problem(ErrorCode.PACKAGE_CONTENT_DIFFERS, text, "checksum")


def downgrade_problems(
    package: Versioned, source: str, installed: Sequence[InstalledPackage], options: ImportOptions
) -> Iterator[Problem]:
    """What the marketplace offers never takes the place of a later version by itself (security.md, TUF)."""
    for had in installed:
        is_same = had.source == source and name_key(had.name) == name_key(package.name)
        if is_same and not options.allow_version_downgrade and versions.is_downgrade(had.version, package.version):
            text = f"{had.name} {had.version} is installed. Send allowVersionDowngrade: true to go back."
            details = {"installedVersion": had.version, "packageVersion": package.version}
            yield Problem(ErrorCode.VERSION_DOWNGRADE_NOT_ALLOWED, text, "version", details=details)


def drift_problems(drift: Sequence[Drift]) -> list[Problem]:
    """What kept moving under a plan, one problem an artifact, or one for all where nobody can tell (R11)."""
    text = "The tenant kept changing while the import was planned. Try again."
    return [drift_problem(moved, text) for moved in drift[:_DRIFT_SHOWN]] or [Problem(ErrorCode.PLAN_STALE, text)]


def drift_problem(moved: Drift, cure: str) -> Problem:
    """An artifact that moved under a plan: who changed it, when, to which revision, and where (R11)."""
    text = f"{moved.name} changed. {cure}"
    return Problem(ErrorCode.PLAN_STALE, text, "", moved.artifact_id, _drift_row(moved))


def _drift_row(moved: Drift) -> dict[str, Any]:
    return {
        "artifactId": moved.artifact_id,
        "artifactName": moved.name,
        "revision": moved.revision,
        "changedBy": moved.changed_by.label if moved.changed_by else None,
        "changedAt": rfc3339(moved.changed_at) if moved.changed_at else None,
        "pointers": list(moved.pointers),
    }


def scan_problems(report: ScanReport, options: ImportOptions, *, tenant_accepts: bool = False) -> Iterator[Problem]:
    """FAIL always blocks, WARN unless the option says otherwise, ERROR blocks like FAIL (X3, X4; security rule 7).

    In a migration it is the tenant that says otherwise.
    """
    details = {"scanResult": report.overall_result.value}
    if report.overall_result is ScanResult.FAIL:
        # as the source prints it for an install
        text = "Package scan returned FAIL — installation blocked"
        yield Problem(ErrorCode.SECURITY_SCAN_FAILED, text, details=details)
    elif report.overall_result is ScanResult.ERROR:
        text = f"The security scan could not be finished. {report.error}".rstrip()
        yield Problem(ErrorCode.SCAN_ERROR, text, details=details)
    elif report.overall_result is ScanResult.WARN:
        allowed = options.allow_security_warnings or (options.is_migration and tenant_accepts)
        code = ErrorCode.SECURITY_WARNING if allowed else ErrorCode.SECURITY_WARNINGS_NOT_ALLOWED
        remedy = " The tenant can be told to accept them." if options.is_migration else _SEND_ALLOWANCE
        cure = "" if allowed else remedy
        yield Problem(code, "The security scan has warnings." + cure, details=details)
