"""Reading a manifest: all of its problems at once, each with its place."""

from __future__ import annotations

import copy
import hashlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.artifact_types import ArtifactType
from domain.errors import ErrorCode
from domain.manifest import PROBLEMS_MAX, content_checksum, read_manifest
from domain.model import ArtifactEntry, ArtifactId, Binding, Manifest, PackageDependency, PackageId, PackageType

HASH = "sha256:" + "0123456789abcdef" * 4
FORM, SCHEMA = ArtifactId("form-2005"), ArtifactId("ent-44")
#: the checksum printed in the documents, one digit short (X36)
PRINTED_HASH = "sha256:3a9f1c4e8d2b7f6a1e5c9d3b0a4f8e2c7d1a6b9e3f5c8d2a0b7e4f1c9d3a6b0"


def a_row(artifact_type="EntitySchema", artifact_id="ent-44", name="EmployeeSchema", **members):
    entry = next(member for member in ArtifactType if member.wire == artifact_type)
    row = {"type": artifact_type, "id": artifact_id, "name": name, "version": "1.0.0", "hash": HASH}
    return row | {"file": entry.file_of(artifact_id)} | members


def without_file(row):
    return {key: value for key, value in row.items() if key != "file"}


def a_tree(**members):
    """A good manifest of two artifacts without a content checksum; a member given as ``...`` is left out."""
    form, schema = a_row("AtlasForm", "form-2005", "EmployeeForm"), a_row()
    tree = {
        "manifestVersion": "1.0",
        "packageId": "pkg-a3f9c821-4b2e-49d1-bc44-f7e2a1c09d33",
        "name": "Employee Onboarding Suite",
        "packageType": "workflow-package",
        "version": "2.1.0",
        "exportedAt": "2026-05-25T09:00:00Z",
        "exportedBy": "hr@example.com",
        "tenantId": "tenant-7f3a9b12",
        "platformVersion": "4.2.0",
        "checksum": HASH,
        "artifacts": [form, schema],
        "dependencies": [without_file(schema)],
        "packageDependencies": [],
        "installOrder": ["ent-44", "form-2005"],
    }
    return {key: value for key, value in (tree | members).items() if value is not ...}


def files_of(tree):
    return ["manifest.json", "README.md", *(row["file"] for row in tree["artifacts"])]


def found_in(tree, files=None):
    """Code and place of each problem, the warning about the missing content checksum left out."""
    manifest, problems = read_manifest(json.dumps(tree).encode(), files=files_of(a_tree()) if files is None else files)
    told = [problem for problem in problems if problem.code is not ErrorCode.CONTENT_CHECKSUM_MISSING]
    assert (manifest is None) is bool(told)
    return [(problem.code, problem.where) for problem in told]


def test_a_good_manifest_is_read_as_it_stands():
    tree = a_tree(
        description="Everything for the first day.\nAnd the second.",
        author="HR",
        tags=["hr", "on-boarding"],
        readmeHash=HASH,
        packageDependencies=[
            {"packageName": "BizFirst.HRBase", "minVersion": "1.0.0", "maxVersion": "2.0.0"},
            {"packageName": "Löhne & Gehälter", "minVersion": "0.1.0", "maxVersion": None},
        ],
        bindings=[{"artifactId": "form-2005", "path": "/fields/0/a~1b", "kind": "credential", "hint": "The mail box."}],
        publisher={"anything": ["else"]},
    )
    tree["contentChecksum"] = content_checksum(tree)

    manifest, problems = read_manifest(json.dumps(tree, indent=4).encode(), files=files_of(tree))

    assert problems == []
    assert manifest == Manifest(
        package_id=PackageId("pkg-a3f9c821-4b2e-49d1-bc44-f7e2a1c09d33"),
        name="Employee Onboarding Suite",
        package_type=PackageType.WORKFLOW_PACKAGE,
        version="2.1.0",
        exported_at="2026-05-25T09:00:00Z",
        exported_by="hr@example.com",
        tenant_id="tenant-7f3a9b12",
        platform_version="4.2.0",
        checksum=HASH,
        artifacts=(
            ArtifactEntry(
                ArtifactType.ATLAS_FORM, FORM, "EmployeeForm", "1.0.0", "artifacts/forms/form-2005.json", HASH
            ),
            ArtifactEntry(
                ArtifactType.ENTITY_SCHEMA, SCHEMA, "EmployeeSchema", "1.0.0", "artifacts/entities/ent-44.json", HASH
            ),
        ),
        install_order=(SCHEMA, FORM),
        package_dependencies=(
            PackageDependency("BizFirst.HRBase", "1.0.0", "2.0.0"),
            PackageDependency("Löhne & Gehälter", "0.1.0"),
        ),
        bindings=(Binding(FORM, "/fields/0/a~1b", "credential", "The mail box."),),
        description="Everything for the first day.\nAnd the second.",
        author="HR",
        tags=("hr", "on-boarding"),
        readme_hash=HASH,
        content_checksum=tree["contentChecksum"],
    )


def test_a_manifest_without_a_content_checksum_is_read_with_a_warning():
    manifest, problems = read_manifest(json.dumps(a_tree()).encode(), files=files_of(a_tree()))

    assert manifest is not None
    assert [problem.code for problem in problems] == [ErrorCode.CONTENT_CHECKSUM_MISSING]


@pytest.mark.parametrize("name", [name for name in a_tree() if name != "packageDependencies"])
@pytest.mark.parametrize("nothing", [..., None], ids=["absent", "null"])
def test_a_required_field_that_is_missing_is_named(name, nothing):
    found = found_in(a_tree(**{name: nothing}))

    assert (ErrorCode.MANIFEST_FIELD_MISSING, name) in found
    assert {where for _, where in found} <= {name, "dependencies[0]"}


def test_package_dependencies_may_be_absent():
    assert found_in(a_tree(packageDependencies=...)) == []


@pytest.mark.parametrize(
    ("name", "value", "code"),
    [
        ("manifestVersion", "1.1", ErrorCode.UNSUPPORTED_MANIFEST_VERSION),
        ("manifestVersion", 1.0, ErrorCode.UNSUPPORTED_MANIFEST_VERSION),
        ("packageId", "pkg-1", ErrorCode.MANIFEST_INVALID),
        ("name", "", ErrorCode.MANIFEST_INVALID),
        ("name", "   ", ErrorCode.MANIFEST_INVALID),
        ("name", "n" * 101, ErrorCode.MANIFEST_INVALID),
        ("name", "a/b", ErrorCode.MANIFEST_INVALID),
        ("name", "a\\b", ErrorCode.MANIFEST_INVALID),
        ("name", "a\u202eb", ErrorCode.MANIFEST_INVALID),
        ("name", "Cafe\u0301", ErrorCode.MANIFEST_INVALID),
        ("name", ["a"], ErrorCode.MANIFEST_INVALID),
        ("packageType", "zip-package", ErrorCode.INVALID_PACKAGE_TYPE),
        ("packageType", {"$ne": ""}, ErrorCode.INVALID_PACKAGE_TYPE),
        ("version", "v2.1", ErrorCode.INVALID_VERSION),
        ("version", "2.1.0\n", ErrorCode.INVALID_VERSION),
        ("version", 2, ErrorCode.INVALID_VERSION),
        ("platformVersion", "4.2", ErrorCode.INVALID_VERSION),
        ("description", "d" * 501, ErrorCode.MANIFEST_INVALID),
        ("author", "a" * 101, ErrorCode.MANIFEST_INVALID),
        ("author", "two\nlines", ErrorCode.MANIFEST_INVALID),
        ("authorEmail", "nobody", ErrorCode.MANIFEST_INVALID),
        ("organization", "o" * 101, ErrorCode.MANIFEST_INVALID),
        ("license", 7, ErrorCode.MANIFEST_INVALID),
        ("homepage", "http://example.com", ErrorCode.MANIFEST_INVALID),
        ("homepage", "https://", ErrorCode.MANIFEST_INVALID),
        ("tags", ["Upper"], ErrorCode.MANIFEST_INVALID),
        ("tags", ["t" * 31], ErrorCode.MANIFEST_INVALID),
        ("tags", [str(number) for number in range(11)], ErrorCode.MANIFEST_INVALID),
        ("tags", "hr", ErrorCode.MANIFEST_INVALID),
        ("exportedAt", "2026-02-30T09:00:00Z", ErrorCode.INVALID_DATETIME),
        ("exportedAt", "2026-05-25T09:00:00+02:00", ErrorCode.INVALID_DATETIME),
        ("exportedAt", "2026-05-25", ErrorCode.INVALID_DATETIME),
        ("exportedAt", 1748163600, ErrorCode.INVALID_DATETIME),
        ("exportedBy", "", ErrorCode.MANIFEST_INVALID),
        ("tenantId", "t" * 129, ErrorCode.MANIFEST_INVALID),
        ("checksum", PRINTED_HASH, ErrorCode.MANIFEST_INVALID),
        ("checksum", HASH.upper(), ErrorCode.MANIFEST_INVALID),
        ("checksum", HASH[7:], ErrorCode.MANIFEST_INVALID),
        ("checksum", "none:", ErrorCode.MANIFEST_INVALID),
        ("readmeHash", "sha256:", ErrorCode.MANIFEST_INVALID),
        ("contentChecksum", PRINTED_HASH, ErrorCode.MANIFEST_INVALID),
        ("installOrder", "ent-44", ErrorCode.MANIFEST_INVALID),
        ("artifacts", {}, ErrorCode.MANIFEST_INVALID),
        ("artifacts", [], ErrorCode.EMPTY_ARTIFACT_LIST),
        ("dependencies", "none", ErrorCode.MANIFEST_INVALID),
        ("packageDependencies", {}, ErrorCode.MANIFEST_INVALID),
        ("bindings", 0, ErrorCode.MANIFEST_INVALID),
    ],
)
def test_a_field_of_a_wrong_form_is_told_with_the_finest_code(name, value, code):
    found = found_in(a_tree(**{name: value}))

    assert found == [(code, name)]


@pytest.mark.parametrize(
    ("member", "value", "code"),
    [
        ("type", "Spreadsheet", ErrorCode.UNKNOWN_ARTIFACT_TYPE),
        ("type", ["EntitySchema"], ErrorCode.UNKNOWN_ARTIFACT_TYPE),
        ("id", "../ent-44", ErrorCode.MANIFEST_INVALID),
        ("id", ".hidden", ErrorCode.MANIFEST_INVALID),
        ("id", "e" * 129, ErrorCode.MANIFEST_INVALID),
        ("name", "", ErrorCode.MANIFEST_INVALID),
        ("name", 5, ErrorCode.MANIFEST_INVALID),
        ("name", "a\tb", ErrorCode.MANIFEST_INVALID),
        ("version", "1", ErrorCode.INVALID_VERSION),
        ("hash", PRINTED_HASH, ErrorCode.MANIFEST_INVALID),
        ("hash", None, ErrorCode.MANIFEST_FIELD_MISSING),
        ("file", None, ErrorCode.MANIFEST_FIELD_MISSING),
        ("file", "artifacts/entities/../entities/ent-44.json", ErrorCode.MANIFEST_INVALID),
        ("file", "artifacts/forms/ent-44.json", ErrorCode.MANIFEST_INVALID),
    ],
)
def test_a_row_of_a_wrong_form_is_told_with_its_place(member, value, code):
    tree = a_tree(dependencies=[])
    tree["artifacts"][1][member] = value

    found = found_in(tree)

    assert found[0] == (code, f"artifacts[1].{member}")


def test_an_id_stands_for_one_artifact_whatever_its_type():
    tree = a_tree(installOrder=["ent-44"], dependencies=[])
    tree["artifacts"] = [a_row(), a_row("AtlasForm", "ent-44", "Other")]

    found = found_in(tree, files_of(tree))

    assert found == [(ErrorCode.DUPLICATE_ARTIFACT, "artifacts[1].id")]


def test_a_type_and_name_stand_for_one_artifact_whatever_their_case():
    tree = a_tree(installOrder=["ent-1", "ent-2", "rule-1"], dependencies=[])
    tree["artifacts"] = [
        a_row(artifact_id="ent-1", name="Straße"),
        a_row(artifact_id="ent-2", name="STRASSE"),
        a_row("RuleSet", "rule-1", "Straße"),
    ]

    found = found_in(tree, files_of(tree))

    assert found == [(ErrorCode.DUPLICATE_ARTIFACT, "artifacts[1].name")]


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        (["ent-44"], [(ErrorCode.INCOMPLETE_INSTALL_ORDER, "installOrder")]),
        ([], [(ErrorCode.INCOMPLETE_INSTALL_ORDER, "installOrder")]),
        (["ent-44", "form-2005", "ent-44"], [(ErrorCode.INSTALL_ORDER_INVALID, "installOrder[2]")]),
        (["ent-44", "ent-45", "form-2005"], [(ErrorCode.INSTALL_ORDER_INVALID, "installOrder[1]")]),
        (
            ["ent-44", ["form-2005"]],
            [(ErrorCode.MANIFEST_INVALID, "installOrder[1]"), (ErrorCode.INCOMPLETE_INSTALL_ORDER, "installOrder")],
        ),
    ],
)
def test_the_install_order_names_every_artifact_once(order, expected):
    assert found_in(a_tree(installOrder=order)) == expected


@pytest.mark.parametrize("changed", [{"version": "1.0.1"}, {"id": "ent-45"}, {"name": "Other"}, {"type": "RuleSet"}])
def test_a_dependency_that_is_not_a_row_of_artifacts_is_a_mismatch(changed):
    tree = a_tree(dependencies=[without_file(a_row()) | changed])

    assert found_in(tree) == [(ErrorCode.DEPENDENCY_MISMATCH, "dependencies[0]")]


def test_declared_files_and_the_files_of_the_bundle_are_the_same():
    files = ["manifest.json", "README.md", "artifacts/forms/form-2005.json", "artifacts/forms/form-2006.json"]

    found = found_in(a_tree(), files)

    assert found == [
        (ErrorCode.ARTIFACT_FILE_MISSING, "artifacts[1].file"),
        (ErrorCode.UNDECLARED_ARTIFACT, "artifacts/forms/form-2006.json"),
    ]


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ({"packageName": "employee onboarding SUITE", "minVersion": "1.0.0"}, ("MANIFEST_INVALID", ".packageName")),
        ({"packageName": "Base"}, ("MANIFEST_FIELD_MISSING", ".minVersion")),
        ({"packageName": "Base", "minVersion": "^1.0.0"}, ("INVALID_VERSION", ".minVersion")),
        ({"packageName": "Base", "minVersion": "1.0.0", "maxVersion": "2"}, ("INVALID_VERSION", ".maxVersion")),
        ("Base", ("MANIFEST_INVALID", "")),
    ],
)
def test_a_package_dependency_is_another_package_and_a_range(row, expected):
    code, member = expected

    found = found_in(a_tree(packageDependencies=[row]))

    assert found == [(ErrorCode[code], f"packageDependencies[0]{member}")]


def test_a_flood_of_package_dependencies_is_refused():
    rows = [{"packageName": f"Base {number}", "minVersion": "1.0.0"} for number in range(1001)]

    assert found_in(a_tree(packageDependencies=rows[:1000])) == []
    assert found_in(a_tree(packageDependencies=rows)) == [(ErrorCode.MANIFEST_INVALID, "packageDependencies")]


@pytest.mark.parametrize("path", ["", "fields/0", "/a~2b", "/id", "/name", "/name/x", "/_type", "/_version", "/_x/y"])
def test_a_binding_is_a_pointer_that_leaves_identity_and_envelope_alone(path):
    binding = {"artifactId": "ent-44", "path": path, "kind": "credential"}

    assert found_in(a_tree(bindings=[binding])) == [(ErrorCode.MANIFEST_INVALID, "bindings[0].path")]


@pytest.mark.parametrize("path", ["/identity", "/names/0", "/llmConfig/credentialId", "/a/_b/id"])
def test_a_binding_may_point_at_anything_else(path):
    binding = {"artifactId": "ent-44", "path": path, "kind": "credential"}

    assert found_in(a_tree(bindings=[binding])) == []


def test_a_binding_belongs_to_an_artifact_of_the_package():
    binding = {"artifactId": "ent-45", "path": "/x", "kind": "credential", "hint": ""}

    assert found_in(a_tree(bindings=[binding])) == [(ErrorCode.MANIFEST_INVALID, "bindings[0].artifactId")]


def test_a_changed_line_breaks_the_content_checksum():
    tree = a_tree()
    stated = content_checksum(tree)

    _, problems = read_manifest(
        json.dumps(tree | {"author": "Somebody Else", "contentChecksum": stated}).encode(), files=files_of(tree)
    )

    assert [(problem.code, problem.where) for problem in problems] == [
        (ErrorCode.CONTENT_CHECKSUM_MISMATCH, "contentChecksum")
    ]
    assert problems[0].details == {"expected": stated, "actual": content_checksum(tree | {"author": "Somebody Else"})}


def test_the_content_checksum_is_the_hash_of_the_sorted_compact_manifest_without_itself():
    tree = a_tree()
    plain = json.dumps(tree, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()

    checksum = content_checksum(tree | {"contentChecksum": HASH})

    assert checksum == "sha256:" + hashlib.sha256(plain).hexdigest()


def test_a_manifest_that_has_no_canonical_form_is_refused():
    found = found_in(a_tree(contentChecksum=HASH, extra=2**60))

    assert found == [(ErrorCode.MANIFEST_INVALID, "manifest.json")]


def test_all_problems_are_told_at_once_in_the_manifests_own_order():
    tree = a_tree(version="2.1", name=..., installOrder=["ent-44", "form-2005", "x"], exportedAt="today")
    tree["artifacts"][0]["hash"] = "md5:0"

    found = found_in(tree)

    assert found == [
        (ErrorCode.MANIFEST_FIELD_MISSING, "name"),
        (ErrorCode.INVALID_VERSION, "version"),
        (ErrorCode.INVALID_DATETIME, "exportedAt"),
        (ErrorCode.MANIFEST_INVALID, "artifacts[0].hash"),
        (ErrorCode.INSTALL_ORDER_INVALID, "installOrder[2]"),
    ]


def test_of_a_flood_of_problems_the_first_are_told():
    tree = a_tree(artifacts=[{}] * 20_000)

    found = found_in(tree)

    assert len(found) == PROBLEMS_MAX


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"[]",
        b"null",
        b'"text"',
        b"{",
        b"\xef\xbb\xbf{}",
        b"\xff\xfe{\x00}\x00",
        b'{"name": 1, "name": 2}',
        b'{"name": NaN}',
        b'{"name": "\\ud800"}',
        b'{"name": "\\u0000"}',
        b"[" * 100_000,
        b'{"x":' + b"9" * 5_000 + b"}",
    ],
    ids=lambda raw: repr(raw[:20]),
)
def test_what_is_no_strict_json_object_is_no_manifest(raw):
    manifest, problems = read_manifest(raw, files=[])

    assert manifest is None
    assert [(problem.code, problem.where) for problem in problems] == [(ErrorCode.MANIFEST_INVALID, "manifest.json")]


junk = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-1, 2**60)
    | st.text(max_size=5)
    | st.sampled_from([HASH, "1.0.0", "ent-44"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["type", "id", "name", "file", "hash", "artifactId", "packageName"]), inner)
    ),
    max_leaves=6,
)


def places_in(value, path=()):
    yield path
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, child in children:
        yield from places_in(child, (*path, key))


@given(st.data())
def test_whatever_stands_anywhere_in_a_manifest_is_read_or_told_and_never_raised(data):
    binding = {"artifactId": "ent-44", "path": "/x", "kind": "credential", "hint": ""}
    dependency = {"packageName": "Base", "minVersion": "1.0.0", "maxVersion": "2.0.0"}
    tree = a_tree(bindings=[binding], packageDependencies=[dependency], contentChecksum=HASH, tags=["a"])
    *way, last = data.draw(st.sampled_from([place for place in places_in(tree) if place]))
    place = tree = copy.deepcopy(tree)
    for step in way:
        place = place[step]
    place[last] = data.draw(junk)

    manifest, problems = read_manifest(json.dumps(tree).encode(), files=files_of(a_tree()))

    assert (manifest is None) is any(not problem.code.is_warning for problem in problems)
    assert all(problem.message and problem.where for problem in problems)
