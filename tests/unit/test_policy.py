"""What stands between a checked bundle and a tenant: platform, dependencies, versions, scan, drift."""

from __future__ import annotations

from dataclasses import replace

import pytest

from domain import policy, scanning
from domain.errors import ErrorCode
from domain.import_model import InstalledPackage, Stage
from domain.market.examining import may_be_shown
from domain.model import Actor, ArtifactId, ImportId, PackageDependency, PackageId
from domain.options import ImportOptions
from domain.plan_model import Drift
from tests.clocks import NOON
from tests.makers import SOURCE, TARGET, a_manifest, an_entity, sha256

MANIFEST = a_manifest([an_entity()], [b"{}"])


def installed(name="Starter", version="1.0.0", source=SOURCE, checksum=MANIFEST.checksum):
    return InstalledPackage(TARGET, name, source, version, checksum, PackageId("pkg-1"), ImportId("imp-0"), NOON)


def codes(problems):
    return [problem.code for problem in problems]


@pytest.mark.parametrize(
    ("package", "target", "expected"),
    [
        ("4.2.0", "4.2.0", []),
        ("4.2.0", "4.9.1", []),
        ("4.2.0", "4.1.5", [ErrorCode.PLATFORM_VERSION_MISMATCH]),
        ("4.2.0", "5.0.0", [ErrorCode.PLATFORM_VERSION_INCOMPATIBLE]),
        ("4.2.0", "3.9.9", [ErrorCode.PLATFORM_VERSION_INCOMPATIBLE]),
    ],
)
def test_an_older_platform_warns_and_another_major_version_blocks(package, target, expected):
    problems = [*policy.platform_problems(replace(MANIFEST, platform_version=package), target, ImportOptions())]

    assert codes(problems) == expected
    assert all(
        problem.details == {"packagePlatformVersion": package, "targetPlatformVersion": target} for problem in problems
    )


@pytest.mark.parametrize(
    ("package", "target", "expected"),
    [
        ("2020.1.2", "2020.1.5", []),
        ("2020.1.5", "2020.1.2", [ErrorCode.PLATFORM_VERSION_INCOMPATIBLE]),
        ("2020.1.0", "2020.2.0", [ErrorCode.PLATFORM_VERSION_INCOMPATIBLE]),
        ("8.4.23", "8.4.24", []),
        ("4.2.0", "5.0.0", [ErrorCode.PLATFORM_VERSION_INCOMPATIBLE]),
    ],
)
def test_a_migration_comes_from_an_earlier_update_of_the_same_release_or_not_at_all(package, target, expected):
    manifest = replace(MANIFEST, platform_version=package)

    assert codes(policy.platform_problems(manifest, target, ImportOptions(is_migration=True))) == expected


@pytest.mark.parametrize(
    ("is_migration", "accepts", "expected"),
    [
        (True, True, ErrorCode.SECURITY_WARNING),
        (True, False, ErrorCode.SECURITY_WARNINGS_NOT_ALLOWED),
        (False, True, ErrorCode.SECURITY_WARNINGS_NOT_ALLOWED),
    ],
)
def test_what_the_tenant_accepts_lets_the_scans_warnings_of_a_migration_pass(is_migration, accepts, expected):
    found = [a_finding(scanning.Severity.MEDIUM)]
    report = scanning.report("pkg-1", "1.0.0", found, scanned_at=NOON, duration_ms=1)

    problems = policy.scan_problems(report, ImportOptions(is_migration=is_migration), tenant_accepts=accepts)

    assert codes(problems) == [expected]


def test_missing_and_unfit_packages_are_listed_under_their_documented_words():
    wanted = [
        PackageDependency("Base", "1.0.0"),
        PackageDependency("HR", "2.0.0", "3.0.0"),
        PackageDependency("straße", "1.0.0", "2.0.0"),
    ]
    there = [installed("HR", "1.9.0"), installed("STRASSE", "1.5.0")]

    problems = [*policy.dependency_problems(wanted, there)]

    assert [(problem.code, problem.where) for problem in problems] == [
        (ErrorCode.MISSING_PACKAGE_DEPENDENCY, "packageDependencies[0]"),
        (ErrorCode.INCOMPATIBLE_PACKAGE_DEPENDENCY, "packageDependencies[1]"),
    ]
    assert problems[0].details["missingDependencies"] == [
        {"packageName": "Base", "requiredMinVersion": "1.0.0", "installedVersion": None}
    ]
    assert problems[1].details["incompatibleDependencies"] == [
        {"packageName": "HR", "requiredRange": ">=2.0.0 <3.0.0", "installedVersion": "1.9.0"}
    ]


def test_any_of_several_packages_of_one_name_meets_a_dependency():
    wanted = [PackageDependency("HR", "2.0.0", "3.0.0")]
    there = [installed("HR", "1.0.0"), installed("HR", "2.5.0", source="another")]

    assert [*policy.dependency_problems(wanted, there)] == []


@pytest.mark.parametrize(
    ("version", "there", "options", "expected"),
    [
        ("1.0.0", [], {}, []),
        ("0.9.0", [], {}, [ErrorCode.UNSTABLE_VERSION]),
        ("2.0.0", [installed()], {}, [ErrorCode.MAJOR_VERSION_UPGRADE_NOT_ALLOWED]),
        ("2.0.0", [installed()], {"allow_major_version_upgrade": True}, [ErrorCode.MAJOR_VERSION_UPGRADE]),
        ("1.1.0", [installed()], {}, []),
        ("1.0.0", [installed()], {}, []),
        ("1.0.0", [installed(checksum=sha256(b"other"))], {}, [ErrorCode.PACKAGE_CONTENT_DIFFERS]),
        ("2.0.0", [installed(source="another")], {}, [ErrorCode.PACKAGE_ORIGIN_DIFFERS]),
        ("2.0.0", [installed(source="another"), installed("STARTER", "2.0.0", checksum=MANIFEST.checksum)], {}, []),
        ("2.0.0", [installed("Other")], {}, []),
    ],
)
def test_versions_are_compared_with_the_same_package_of_the_same_origin(version, there, options, expected):
    manifest = replace(MANIFEST, version=version)

    problems = [*policy.package_version_problems(manifest, there, ImportOptions(**options))]

    assert codes(problems) == expected


@pytest.mark.parametrize(
    ("severity", "allowed", "expected"),
    [
        (None, False, []),
        (scanning.Severity.MEDIUM, False, [ErrorCode.SECURITY_WARNINGS_NOT_ALLOWED]),
        (scanning.Severity.MEDIUM, True, [ErrorCode.SECURITY_WARNING]),
        (scanning.Severity.CRITICAL, False, [ErrorCode.SECURITY_SCAN_FAILED]),
        (scanning.Severity.CRITICAL, True, [ErrorCode.SECURITY_SCAN_FAILED]),
    ],
)
def test_warnings_of_the_scan_need_an_option_and_a_failure_has_none(severity, allowed, expected):
    found = [a_finding(severity)] if severity else []
    report = scanning.report("pkg-1", "1.0.0", found, scanned_at=NOON, duration_ms=1)

    problems = [*policy.scan_problems(report, ImportOptions(allow_security_warnings=allowed))]

    assert codes(problems) == expected


def test_a_scan_that_did_not_end_blocks_whatever_is_allowed_and_offers_nothing():
    ended = scanning.report("pkg-1", "1.0.0", [], scanned_at=NOON, duration_ms=1)
    report = replace(ended, overall_result=scanning.ScanResult.ERROR)
    options = ImportOptions(allow_security_warnings=True, is_migration=True)

    problems = [*policy.scan_problems(report, options, tenant_accepts=True)]

    assert codes(problems) == [ErrorCode.SCAN_ERROR]
    assert [result for result in scanning.ScanResult if may_be_shown(result)] == [
        scanning.ScanResult.PASS,
        scanning.ScanResult.WARN,
    ]


def test_every_code_that_blocks_before_planning_has_its_stage():
    assert policy.STAGE_OF[ErrorCode.SECURITY_SCAN_FAILED] is Stage.SECURITY_SCAN
    assert policy.STAGE_OF[ErrorCode.MISSING_PACKAGE_DEPENDENCY] is Stage.DEPENDENCY_CHECK
    assert ErrorCode.ARTIFACT_LOCKED not in policy.STAGE_OF


def test_drift_names_artifact_editor_and_revision_and_is_never_empty():
    moved = Drift(ArtifactId("ent-1"), "E", 4, Actor("ben", "ben@acme.example"), NOON, pointers=("/title",))
    gone = Drift(ArtifactId("ent-2"), "F", 1, None, None)

    problems = policy.drift_problems([moved, gone])

    assert codes(problems) == [ErrorCode.PLAN_STALE] * 2
    assert problems[0].details == {
        "artifactId": "ent-1",
        "artifactName": "E",
        "revision": 4,
        "changedBy": "ben@acme.example",
        "changedAt": "2026-03-02T12:00:00Z",
        "pointers": ["/title"],
    }
    assert codes(policy.drift_problems([])) == [ErrorCode.PLAN_STALE]


def a_finding(severity):
    return scanning.Finding(
        check=scanning.Check.CREDENTIAL,
        rule="CredentialExposure.Sample",
        severity=severity,
        artifact_type="RuleSet",
        artifact_id="rule-1",
        artifact_name="R",
        field="rules[0].condition",
        pointer="/rules/0/condition",
        value="****",
        message="A sample.",
    )
