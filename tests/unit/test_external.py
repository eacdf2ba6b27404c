"""What a package leaves to another one to bring: how it is stated, and what it means in the tenant."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from domain.artifact_types import ArtifactType
from domain.errors import ErrorCode, Refusal
from domain.external import Beside, found_there
from domain.holding import next_batch
from domain.manifest import read_manifest
from domain.manifest_writing import manifest_bytes
from domain.model import ArtifactId, ExternalReference, ImportId, Origin, PackageDependency, name_key
from domain.plan import draft
from domain.plan_model import ExternalTarget
from domain.whole_plan import plan_of
from tests.clocks import NOON
from tests.makers import TARGET, a_bundle, a_form, a_head, an_entity
from tests.unit.planning import AUTHOR, a_request, an_inventory, codes

CORE = PackageDependency("Core", "1.0.0", "2.0.0")
SCHEMA = ArtifactType.ENTITY_SCHEMA


def an_external(artifact_id="ent-44", name="EntitySchema 44", package="Core", source="tenant-core", source_id="ent-1"):
    return ExternalReference(ArtifactId(artifact_id), SCHEMA, name, package, source, source_id)


def a_referring_bundle(*externals, edit=lambda _tree: None, **changes):
    """A form that needs an entity which the package Core brings."""
    stated = {"external_references": externals or (an_external(),), "package_dependencies": (CORE,)}
    return a_bundle(a_form(entity="ent-44"), edit=edit, **{**stated, **changes})


def brought(artifact_id, package="Core", source="tenant-core", source_id="ent-1", **changes):
    origin = Origin(name_key(package), package, "1.0.0", source, source_id, ImportId("imp-0"))
    return a_head(artifact_id, origin=origin, **changes)


def drafted(bundle, there=None, beside=None):
    inventory = replace(an_inventory(), externals=there or {})
    request = replace(a_request(), beside=beside or Beside())
    made = draft(bundle, inventory, request)
    return made, plan_of([made], [], now=NOON, plan_days=7)


# ---- the manifest


def test_external_references_are_read_back_as_they_were_written(check):
    bundle = check(a_referring_bundle())

    assert bundle.manifest.external_references == (an_external(),)


def test_a_manifest_without_external_references_says_nothing_of_them(check):
    bundle = check(a_bundle(an_entity()))

    assert bundle.manifest.external_references == ()


FLAWS = [
    (lambda row: row.pop("sourceId"), "externalReferences[0].sourceId", ErrorCode.MANIFEST_FIELD_MISSING),
    (lambda row: row.update(type="Gadget"), "externalReferences[0].type", ErrorCode.UNKNOWN_ARTIFACT_TYPE),
    (lambda row: row.update(artifactId="../x"), "externalReferences[0].artifactId", ErrorCode.MANIFEST_INVALID),
    (lambda row: row.update(artifactId="form-2005"), "externalReferences[0].artifactId", ErrorCode.MANIFEST_INVALID),
    (lambda row: row.update(packageName="Other"), "externalReferences[0].packageName", ErrorCode.MANIFEST_INVALID),
    (lambda row: row.update(packageName="a/b"), "externalReferences[0].packageName", ErrorCode.MANIFEST_INVALID),
    (lambda row: row.update(name="two\nlines"), "externalReferences[0].name", ErrorCode.MANIFEST_INVALID),
    (lambda row: row.update(packageSource=""), "externalReferences[0].packageSource", ErrorCode.MANIFEST_INVALID),
]


@pytest.mark.parametrize(("flaw", "where", "code"), FLAWS)
def test_a_flawed_external_reference_is_told_with_its_place(check, flaw, where, code):
    def edit(tree):
        flaw(tree["externalReferences"][0])

    with pytest.raises(Refusal) as refused:
        check(a_referring_bundle(edit=edit))

    assert (code, where) in [(problem.code, problem.where) for problem in refused.value.problems]


@pytest.mark.parametrize("value", ["all", {}, [7], [[]]])
def test_external_references_are_a_list_of_objects(check, value):
    with pytest.raises(Refusal) as refused:
        check(a_referring_bundle(edit=lambda tree: tree.update(externalReferences=value)))

    assert refused.value.problems[0].code is ErrorCode.MANIFEST_INVALID


def test_an_artifact_is_left_to_one_package():
    twice = [an_external(), an_external(source_id="ent-2")]
    tree = {}

    def kept(made):
        tree.update(made)

    a_referring_bundle(*twice, edit=kept)
    _, problems = read_manifest(manifest_bytes(tree), files=[row["file"] for row in tree["artifacts"]])

    assert [problem.where for problem in problems] == ["externalReferences[1].artifactId"]


def test_more_external_references_than_a_manifest_takes_are_refused(check):
    row = {"artifactId": "ent-1", "type": "EntitySchema", "name": "n", "packageName": "Core", "packageSource": "t"}
    many = [row | {"artifactId": f"ent-{n}", "sourceId": "ent-1"} for n in range(5_001)]

    with pytest.raises(Refusal) as refused:
        check(a_referring_bundle(edit=lambda tree: tree.update(externalReferences=many)))

    assert refused.value.problems[0].details == {"limit": 5_000}


def test_a_reference_that_nobody_is_to_bring_stays_broken(check):
    with pytest.raises(Refusal) as refused:
        check(a_referring_bundle(an_external("ent-7")))

    assert codes(refused.value.problems) == [ErrorCode.BROKEN_REFERENCE]


# ---- what it means in the tenant


def test_the_tenants_artifact_of_that_origin_is_referred_to(check):
    made, plan = drafted(check(a_referring_bundle()), there={"ent-44": ArtifactId("ent-here")})

    (new,) = next_batch(made, iter(plan.actions), AUTHOR).revisions
    assert json.loads(new.body)["fields"][0]["dataSource"]["entityId"] == "ent-here"
    assert [reference.target_id for reference in new.references] == ["ent-here"]
    assert plan.externals == (ExternalTarget(0, ArtifactId("ent-44"), ArtifactId("ent-here")),)
    assert plan.blockers == ()


def test_what_is_nowhere_is_a_missing_package_that_names_the_artifact(check):
    _, plan = drafted(check(a_referring_bundle()))

    (problem,) = plan.blockers
    assert (problem.code, problem.where) == (ErrorCode.MISSING_PACKAGE_DEPENDENCY, "externalReferences[0]")
    assert problem.details["missingDependencies"] == [
        {"packageName": "Core", "requiredMinVersion": "1.0.0", "installedVersion": None}
    ]
    assert problem.details["missingArtifacts"] == [
        {"type": "EntitySchema", "name": "EntitySchema 44", "sourceId": "ent-1"}
    ]


def test_a_package_of_the_same_import_may_bring_it(check):
    core = check(a_bundle(an_entity("ent-1"), name="Core", tenant_id="tenant-core"))
    first = draft(core, an_inventory(), a_request())
    beside = Beside()
    beside.add(core.manifest, first.actions)

    made, plan = drafted(check(a_referring_bundle()), there={"ent-44": ArtifactId("ent-old")}, beside=beside)

    assert made.remap["ent-44"] == first.actions[0].target_id
    assert plan.blockers == ()


def test_an_own_bundle_may_refer_to_what_the_tenant_has(check):
    made, plan = drafted(check(a_referring_bundle(tenant_id=TARGET), target=TARGET))

    assert made.remap["ent-44"] == "ent-44"
    assert plan.blockers == ()


def test_the_plans_hash_knows_what_is_referred_to(check):
    bundle = check(a_referring_bundle())

    one, other = (drafted(bundle, there={"ent-44": ArtifactId(target)})[1] for target in ("ent-a", "ent-b"))

    assert one.plan_hash != other.plan_hash


# ---- finding it


def test_the_same_origin_goes_before_another_and_that_before_the_name():
    named = {(SCHEMA, name_key("EntitySchema 44")): a_head("ent-named")}
    same, other = brought("ent-same"), brought("ent-other", source="elsewhere")

    def found(*heads):
        return found_there([an_external()], heads, named)["ent-44"]

    assert found(other, same) == "ent-same"
    assert found(other) == "ent-other"
    assert found(brought("ent-x", source_id="ent-9")) == "ent-named"
    assert found(brought("ent-x", package="Base")) == "ent-named"
    assert found_there([an_external()], [], {}) == {}


def test_what_came_as_another_kind_is_not_it():
    rule = brought("rule-1")

    assert found_there([an_external()], [rule], {}) == {}
