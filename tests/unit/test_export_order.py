"""What is wrong with a wish to export, before anything is looked up."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import ErrorCode
from domain.export_order import ExportOrder, export_record, order_problems, root_warnings, taken_problem
from domain.manifest import read_manifest
from domain.manifest_writing import manifest_bytes, manifest_of
from domain.model import PackageDependency, TenantId
from tests.clocks import NOON
from tests.journeys.inside import ANNA
from tests.makers import a_head, a_manifest, an_entity
from tests.ports.rows import a_package

GOOD = ExportOrder(TenantId("acme"), "HR Suite", "workflow-package", "1.0.0", ("proc-1",))
MANY = tuple(PackageDependency(f"P{n}", "1.0.0") for n in range(1_001))


def found(**changes):
    return [(problem.code, problem.where) for problem in order_problems(replace(GOOD, **changes))]


def test_a_good_wish_has_no_problem():
    assert found() == []
    assert found(description="Two\nlines.\tAnd a tab", author="Ärzte", tags=("hr", "v-1")) == []


@pytest.mark.parametrize("name", ["", " ", "x" * 101, "a/b", "a\\b", "a\nb", "e\u0301", "\ud800", "a\0b"])
def test_a_name_that_no_manifest_may_hold_is_refused(name):
    assert found(package_name=name) == [(ErrorCode.INVALID_PACKAGE_NAME, "packageName")]


@pytest.mark.parametrize("version", ["", "1", "1.0", "v1.0.0", "1.0.0\n", "01.0.0", "1.0.0-", "١.0.0"])
def test_a_version_that_is_not_semantic_is_refused(version):
    assert found(version=version) == [(ErrorCode.INVALID_VERSION, "version")]


@pytest.mark.parametrize(
    ("changes", "where"),
    [
        ({"description": "x" * 501}, "description"),
        ({"description": "a\0b"}, "description"),
        ({"description": "\udc00"}, "description"),
        ({"author": "x" * 101}, "author"),
        ({"author": "two\nlines"}, "author"),
        ({"author": "\ud800"}, "author"),
        ({"tags": ("UPPER",)}, "tags"),
        ({"tags": ("",)}, "tags"),
        ({"tags": tuple("abcdefghijk")}, "tags"),
        (
            {"package_dependencies": tuple(PackageDependency(f"P{n}", "1.0.0") for n in range(1_001))},
            "packageDependencies",
        ),
    ],
)
def test_what_a_manifest_could_not_carry_is_refused(changes, where):
    assert found(**changes) == [(ErrorCode.BAD_USER_INPUT, where)]


def test_all_flaws_are_found_at_once():
    needed = (PackageDependency("hr SUITE", "1.0.0"), PackageDependency("Base", "x", "y"))

    assert found(package_name="", package_type="zip", version="1", package_dependencies=needed[1:]) == [
        (ErrorCode.INVALID_PACKAGE_NAME, "packageName"),
        (ErrorCode.INVALID_PACKAGE_TYPE, "packageType"),
        (ErrorCode.INVALID_VERSION, "version"),
        (ErrorCode.INVALID_VERSION, "packageDependencies[0].minVersion"),
        (ErrorCode.INVALID_VERSION, "packageDependencies[0].maxVersion"),
    ]
    assert found(package_dependencies=needed[:1]) == [
        (ErrorCode.INVALID_PACKAGE_NAME, "packageDependencies[0].packageName")
    ]


wishes = st.builds(
    lambda name, description, author, tags: replace(
        GOOD, package_name=name, description=description, author=author, tags=tuple(tags)
    ),
    st.text(min_size=1, max_size=20),
    st.text(max_size=20) | st.sampled_from(["\x00", "\x85", "\u2028", "a\r\nb", "\x7f"]),
    st.text(max_size=20) | st.sampled_from(["\x00", "\x85", "\u2028", "a\r\nb", "\x7f"]),
    st.lists(st.text("ab-A1", max_size=4), max_size=3),
)


@given(wishes)
def test_whatever_is_accepted_our_own_reader_takes_back(order):
    if [*order_problems(order)]:
        return
    manifest = a_manifest(
        [an_entity()],
        [b"{}"],
        name=order.package_name,
        description=order.description,
        author=order.author,
        tags=order.tags,
    )

    raw = manifest_bytes(manifest_of(manifest, roots=["ent-44"]))

    again, problems = read_manifest(raw, files=[entry.file for entry in manifest.artifacts])
    assert problems == []
    assert again is not None
    assert json.loads(raw)["name"] == again.name == order.package_name


def test_roots_of_another_kind_than_the_package_are_worth_a_warning():
    warnings = [*root_warnings(GOOD, [a_head("proc-1"), a_head("rule-1")])]

    assert [(warning.code, warning.where, warning.artifact_id) for warning in warnings] == [
        (ErrorCode.PACKAGE_TYPE_MISMATCH, "artifactIds[1]", "rule-1")
    ]


def test_a_taken_version_says_by_whom_and_whether_it_is_the_same_where_that_is_known():
    package = a_package()

    assert taken_problem(package).details == {"existingPackageId": "pkg-1"}
    assert taken_problem(package, package.checksum).details == {"existingPackageId": "pkg-1", "identical": True}
    assert taken_problem(package, "sha256:0").details["identical"] is False


def test_a_failed_export_stands_in_the_history_without_a_package():
    record = export_record(ANNA.actor, GOOD, None, "InvalidVersion: no", NOON)

    assert {
        "packageId": None,
        "artifactCount": 0,
        "bundleSize": 0,
        "status": "Failure",
        "errorMessage": "InvalidVersion: no",
        "rootArtifactIds": ["proc-1"],
        "exportedAt": "2026-03-02T12:00:00Z",
    }.items() <= record.items()
