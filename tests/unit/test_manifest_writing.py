"""What an export writes: a manifest that reads back as it was, and a README for people."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace

import pytest

from domain.artifact_types import ArtifactType
from domain.manifest import content_checksum, read_manifest
from domain.manifest_writing import README_BYTES_MAX, manifest_bytes, manifest_of, readme_of, restated_readme
from domain.model import ArtifactEntry, ArtifactId, Binding, Manifest, PackageDependency, PackageId, PackageType

HASH = "sha256:" + "0123456789abcdef" * 4


def an_entry(artifact_type, artifact_id, name):
    return ArtifactEntry(artifact_type, artifact_id, name, "1.0.0", artifact_type.file_of(artifact_id), HASH)


def a_manifest(**members):
    good = Manifest(
        package_id=PackageId("pkg-a3f9c821-4b2e-49d1-bc44-f7e2a1c09d33"),
        name="Employee Onboarding Suite",
        package_type=PackageType.FORM_PACKAGE,
        version="2.1.0",
        exported_at="2026-05-25T09:00:00Z",
        exported_by="hr_team@example.com",
        tenant_id="tenant-7f3a9b12",
        platform_version="4.2.0",
        checksum=HASH,
        artifacts=(
            an_entry(ArtifactType.ENTITY_SCHEMA, "ent-44", "EmployeeSchema"),
            an_entry(ArtifactType.ATLAS_FORM, "form-2005", "EmployeeForm"),
        ),
        install_order=(ArtifactId("ent-44"), ArtifactId("form-2005")),
    )
    return replace(good, **members)


FULL = a_manifest(
    package_dependencies=(PackageDependency("BizFirst.HRBase", "1.0.0", "2.0.0"), PackageDependency("Base", "1.0.0")),
    bindings=(Binding(ArtifactId("form-2005"), "/x/credentialId", "credential", "The mail box."),),
    description="Everything for the first day.",
    author="Ärzte",
    tags=("hr",),
    readme_hash=HASH,
)


@pytest.mark.parametrize("manifest", [a_manifest(), FULL], ids=["least", "full"])
def test_a_written_manifest_reads_back_as_it_was(manifest):
    tree = manifest_of(manifest, roots=["form-2005"])

    again, problems = read_manifest(manifest_bytes(tree), files=[entry.file for entry in manifest.artifacts])

    assert problems == []
    assert again == replace(manifest, content_checksum=content_checksum(tree))


def test_dependencies_are_the_artifacts_that_are_not_roots_without_their_files():
    tree = manifest_of(a_manifest(), roots=["form-2005"])

    assert [row["id"] for row in tree["artifacts"]] == ["ent-44", "form-2005"]
    assert tree["dependencies"] == [
        {"type": "EntitySchema", "id": "ent-44", "name": "EmployeeSchema", "version": "1.0.0", "hash": HASH}
    ]


def test_absent_texts_are_left_out_and_empty_lists_are_written():
    tree = manifest_of(a_manifest(), roots=["form-2005"])

    assert {"description", "author", "readmeHash"}.isdisjoint(tree)
    assert [tree[name] for name in ("tags", "packageDependencies", "bindings")] == [[], [], []]


def test_the_file_has_sorted_keys_and_two_spaces():
    tree = manifest_of(FULL, roots=["form-2005"])

    written = manifest_bytes(tree)

    assert written.decode() == json.dumps(tree, sort_keys=True, indent=2, ensure_ascii=False)


def test_two_exports_of_the_same_revisions_differ_only_in_what_is_volatile():
    again = replace(
        FULL,
        package_id=PackageId("pkg-00000000-0000-7000-8000-000000000000"),
        exported_at="2027-01-01T00:00:00Z",
        exported_by="somebody@example.com",
        readme_hash="sha256:" + "0" * 64,
    )

    first, second = (manifest_of(manifest, roots=["form-2005"]) for manifest in (FULL, again))
    lines = [readme_of(manifest).splitlines() for manifest in (FULL, again)]

    assert {key for key in first if first[key] != second[key]} == {
        "packageId", "exportedAt", "exportedBy", "readmeHash", "contentChecksum",
    }  # fmt: skip
    assert sum(one != other for one, other in zip(*lines, strict=True)) == 2


def test_the_readme_tells_what_the_documents_ask_for():
    readme = readme_of(FULL)

    assert (
        readme
        == f"""# Employee Onboarding Suite

Everything for the first day.

- Version: 2.1.0
- Package type: form-package
- Exported by: hr\\_team@example.com
- Exported at: 2026-05-25T09:00:00Z

## What is installed

Artifacts: 2

| Type | Name | Version |
| --- | --- | --- |
| EntitySchema | EmployeeSchema | 1.0.0 |
| AtlasForm | EmployeeForm | 1.0.0 |

## Prerequisites

- BizFirst.HRBase \\>=1.0.0 \\<2.0.0
- Base \\>=1.0.0

## Installation

Send the bundle to `POST /api/installhub/packages/import`.
Values to supply, listed under `bindings` in `manifest.json`: 1.

## Checksum

`{HASH}`
"""
    )


def test_a_package_without_prerequisites_says_so():
    readme = readme_of(a_manifest())

    assert "## Prerequisites\n\nNone declared.\n" in readme
    assert "\nNo value to supply.\n" in readme


def test_a_name_cannot_break_out_of_its_place_in_the_readme():
    name = "a | b\n\n# <script>[x](https://example.com)`\u202e"
    manifest = a_manifest(artifacts=(an_entry(ArtifactType.ENTITY_SCHEMA, "ent-44", name),))

    readme = readme_of(manifest)

    escaped = r"a \| b \# \<script\>\[x\](https://example.com)\`\\u202e"
    assert f"\n| EntitySchema | {escaped} | 1.0.0 |\n" in readme


def test_a_readme_stays_within_64_kib_and_says_how_much_it_left_out():
    many = tuple(an_entry(ArtifactType.ENTITY_SCHEMA, f"ent-{n}", "ä" * 200) for n in range(1000))
    dependencies = tuple(PackageDependency(f"{n:04}" + "ü" * 96, "1.0.0") for n in range(1000))

    readme = readme_of(a_manifest(artifacts=many, package_dependencies=dependencies))

    table, prerequisites = readme.split("## Prerequisites")
    shown, named = table.count("| EntitySchema |"), prerequisites.count("\n- ")
    assert 60_000 < len(readme.encode()) <= README_BYTES_MAX
    assert f"\n\n… and {1000 - shown} more\n" in table
    assert f"\n\n… and {1000 - named} more\n" in prerequisites
    assert readme.endswith(f"`{HASH}`\n")


def test_the_readme_can_be_hashed_into_the_manifest_that_it_was_made_for():
    readme = readme_of(a_manifest())
    hashed = a_manifest(readme_hash="sha256:" + hashlib.sha256(readme.encode()).hexdigest())

    assert readme_of(hashed) == readme


def test_a_readme_is_restated_in_its_two_volatile_lines_and_nowhere_else():
    before = a_manifest()
    after = a_manifest(exported_by="packages_of@publisher.example", exported_at="2026-06-01T09:00:00Z")

    assert restated_readme(readme_of(before), before, after) == readme_of(after)


def test_a_readme_of_an_authors_own_is_not_restated():
    own = "# Mine\n\nWritten by hand, exported by nobody.\n"

    assert restated_readme(own, a_manifest(), a_manifest(exported_by="packages@publisher.example")) == own


def test_a_restated_readme_stays_within_64_kib():
    before, after = a_manifest(), a_manifest(exported_by="packages@a-rather-long-name.publisher.example")
    readme = readme_of(before)
    full = readme + "é" * ((README_BYTES_MAX - len(readme.encode())) // 2)

    restated = restated_readme(full, before, after).encode()

    assert README_BYTES_MAX - 2 < len(restated) <= README_BYTES_MAX
