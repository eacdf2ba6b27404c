"""What a plan's hash says: everything that it promises and relies on, and nothing else (decisions R10, R11)."""

from __future__ import annotations

import pytest

from domain.import_model import InstalledPackage
from domain.model import ArtifactStatus, ImportId, PackageDependency, PackageId, RevisionId
from domain.options import Activation, ImportOptions, Side
from domain.plan_hash import plan_hash, relied_now, relied_packages
from domain.plan_model import ActionKind
from tests.clocks import NOON
from tests.makers import SOURCE, TARGET, a_head, a_manifest
from tests.ports.rows import an_action
from tests.unit.planning import SKIP

HEAD = a_head("rule-1")
UPDATE = an_action(0, kind=ActionKind.UPDATE, existing=HEAD, revision_id=RevisionId("rev-1"))


def hashed(*actions, relied=None, **options):
    return plan_hash(ImportOptions(**options), [(action, "sha256:1") for action in actions], relied or {})


@pytest.mark.parametrize(
    "change",
    [
        {"kind": ActionKind.MERGE},
        {"target_id": "rule-2"},
        {"name": "Another"},
        {"status": ArtifactStatus.LOCKED},
        {"paths": {"/a": Side.PACKAGE}},
        {"merge_base_id": "base-1"},
        {"restores": "rev-0"},
        {"existing": HEAD._replace(revision=9)},
        {"existing": HEAD._replace(content_hash="sha256:9")},
    ],
)
def test_whatever_is_done_or_relied_on_makes_another_hash(change):
    assert hashed(UPDATE) != hashed(UPDATE._replace(**change))


@pytest.mark.parametrize(
    "option",
    [
        {"allow_version_downgrade": True},
        {"backup_before_replace": True},
        {"remove_dropped": True},
        {"activation": Activation.MANUAL},
        {"bindings": {"agent-1/credentialId": "x"}},
    ],
)
def test_an_option_that_changes_what_is_done_makes_another_hash(option):
    assert hashed(UPDATE) != hashed(UPDATE, **option)


def test_a_package_may_be_called_like_nothing():
    assert hashed(UPDATE, relied={"nullable fields": ["1.0.0 acme"]}) != hashed(UPDATE)


def test_revisions_to_come_values_of_bindings_and_whether_it_is_only_shown_make_none():
    other = UPDATE._replace(revision_id=RevisionId("rev-2"), base_body_id="rev-2")

    assert hashed(UPDATE) == hashed(other)
    assert hashed(UPDATE, dry_run=True, imported_by="ben") == hashed(UPDATE)
    assert hashed(UPDATE, bindings={"a": "1"}) == hashed(UPDATE, bindings={"a": "2"})


@pytest.mark.parametrize("kind", [ActionKind.SKIP, ActionKind.UNCHANGED])
def test_what_is_left_as_it_is_by_decision_may_change(kind):
    left = UPDATE._replace(kind=ActionKind.SKIP, strategy=SKIP, revision_id=None)
    later = left._replace(kind=kind, name="Renamed", existing=HEAD._replace(revision=9, content_hash="sha256:9"))

    assert hashed(left) == hashed(later)


def test_the_order_and_the_packages_own_artifacts_count():
    second = UPDATE._replace(position=1, source_id="rule-source-1")

    assert hashed(UPDATE, second) != hashed(second, UPDATE)
    assert hashed(UPDATE) != plan_hash(ImportOptions(), [(UPDATE, "sha256:2")], {})


def an_installed(name, version, source="tenant-x"):
    return InstalledPackage(TARGET, name, source, version, "sha256:1", PackageId("pkg-1"), ImportId("imp-1"), NOON)


def test_a_plan_relies_on_the_installed_versions_of_its_package_and_of_what_that_needs():
    manifest = a_manifest([], [], package_dependencies=(PackageDependency("Base", "1.0.0"),))
    there = [an_installed("STARTER", "1.0.0", SOURCE), an_installed("Other", "3.0.0")]

    relied = relied_packages([manifest], there)
    now = relied_now(relied, [*there, an_installed("base", "1.2.0")])

    assert relied == {"starter": [f"1.0.0 {SOURCE}"], "base": []}
    assert now == {**relied, "base": ["1.2.0 tenant-x"]}
    assert hashed(UPDATE, relied=relied) != hashed(UPDATE, relied=now)
