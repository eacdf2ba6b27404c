"""What leaves a tenant, what never does, and what is refused."""

from __future__ import annotations

import hashlib
import json
from itertools import pairwise

import pytest

from domain.artifact_types import ArtifactType
from domain.edits import ArtifactChanges, ArtifactDraft
from domain.errors import ErrorCode, Refusal
from domain.import_model import ImportState
from domain.model import ArtifactStatus
from domain.options import UnresolvedBindings
from tests.journeys.inside import ACME, GLOBEX, REPLACE, ROOT, codes, members
from tests.makers import a_form, a_process, a_rule_set, an_agent, an_artifact, an_entity

pytestmark = pytest.mark.rules


def _group(artifact_id):
    return {
        "_type": "FormGroup",
        "_version": "1.0.0",
        "id": artifact_id,
        "name": artifact_id,
        "fields": [{"dataSource": {"entityId": f"ent-{artifact_id.partition('-')[2]}"}}],
    }


async def test_credentials_stay_at_home_and_the_active_one_survives_an_update(inside):
    agent = an_agent("agent-1", name="Ada", llmConfig={"credentialId": "cred-acme", "model": "m1"})
    await inside.save(ACME, agent)
    exported = await inside.export(ACME, "agent-1", package_type="agent-package")
    raw = await inside.bytes_of(exported.package)

    refused = await inside.bring(GLOBEX, exported.package)
    first = await inside.bring(GLOBEX, exported.package, bindings={"agent-1/llmConfig/credentialId": "cred-globex"})
    await inside.save(ACME, an_agent("agent-1", name="Ada", llmConfig={"credentialId": "cred-acme", "model": "m2"}))
    second = await inside.export(ACME, "agent-1", package_type="agent-package", version="1.1.0")
    await inside.bring(GLOBEX, second.package, default_strategy=REPLACE)

    assert b"cred-acme" not in b"".join(members(raw).values())
    assert exported.warnings == ()
    assert exported.package.manifest["bindings"] == [
        {"artifactId": "agent-1", "path": "/llmConfig/credentialId", "kind": "credential", "hint": "Ada: credentialId"}
    ]
    assert codes(refused) == {ErrorCode.BINDING_UNRESOLVED}
    assert first.state is ImportState.SUCCEEDED
    assert (await inside.contents(GLOBEX))["Ada"]["llmConfig"] == {"credentialId": "cred-globex", "model": "m2"}


async def test_whatever_an_earlier_version_held_the_checksum_is_that_of_the_files(inside):
    agent = an_agent("agent-1", name="Ada", llmConfig={"credentialId": "cred-acme"})
    await inside.save(ACME, an_entity("ent-1"), an_entity("ent-2"), agent)
    orders = [("ent-1",), ("ent-1",), ("ent-1", "agent-1"), ("ent-1", "agent-1"), ("ent-1",), ("ent-2",), ("ent-2",)]
    stated, actual = [], []

    for number, roots in enumerate(orders):
        if number == len(orders) - 1:
            await inside.save(ACME, an_entity("ent-2", "hours"))
        package = (await inside.export(ACME, *roots, version=f"1.0.{number}")).package
        files = members(await inside.bytes_of(package))
        rows = {row["id"]: files[row["file"]] for row in package.manifest["artifacts"]}
        stated.append(package.checksum)
        actual.append("sha256:" + hashlib.sha256(b"".join(rows[one] for one in package.install_order)).hexdigest())

    assert stated == actual
    assert [stated.index(one) for one in stated] == [0, 0, 2, 2, 0, 5, 6]


async def test_a_package_that_comes_home_leaves_the_active_credential(inside):
    await inside.save(ACME, an_agent("agent-1", name="Ada", llmConfig={"credentialId": "cred-acme"}))
    package = (await inside.export(ACME, "agent-1")).package
    await inside.save(ACME, an_agent("agent-1", name="Ada", llmConfig={"credentialId": "cred-new"}, note="x"))

    job = await inside.bring(ACME, package, default_strategy=REPLACE)

    assert job.outcome["counts"]["update"] == 1
    ada = (await inside.contents(ACME))["Ada"]
    assert (ada["llmConfig"], "note" in ada) == ({"credentialId": "cred-new"}, False)


async def test_an_agent_without_its_credential_may_be_imported_switched_off(inside):
    await inside.save(ACME, an_agent("agent-1", name="Ada", llmConfig={"credentialId": "cred-acme"}))
    package = (await inside.export(ACME, "agent-1")).package

    job = await inside.bring(GLOBEX, package, unresolved_bindings=UnresolvedBindings.IMPORT_SWITCHED_OFF)

    assert (await inside.heads(GLOBEX))["Ada"].status is ArtifactStatus.LOCKED
    assert [row["code"] for row in job.outcome["warnings"]] == ["BindingMissing"]


async def test_what_looks_like_a_secret_is_left_out_with_a_warning(inside):
    secret = "AKIAIOSFODNN7EXAMPLE"
    process = a_process("proc-1", name="P", nodes=[{"config": {"args": ["x", secret]}}], **{secret: "by name"})
    await inside.save(ACME, process)

    exported = await inside.export(ACME, "proc-1")
    raw = await inside.bytes_of(exported.package)
    job = await inside.bring(GLOBEX, raw, bindings={"proc-1/nodes/0/config/args/1": "own"})

    assert secret.encode() not in b"".join(members(raw).values())
    assert {warning.code for warning in exported.warnings} == {ErrorCode.CREDENTIAL_REMOVED}
    assert [row["path"] for row in exported.package.manifest["bindings"]] == ["/nodes/0/config/args/1"]
    assert job.state is ImportState.SUCCEEDED
    assert (await inside.contents(GLOBEX))["P"]["nodes"] == [{"config": {"args": ["x", "own"]}}]


async def test_the_same_revisions_give_the_same_package_again(inside, package):
    inside.clock.advance(86_400)
    again = (await inside.export(ACME, ROOT, version="1.0.1")).package

    first, second = [members(await inside.bytes_of(one)) for one in (package, again)]
    manifests = [json.loads(members.pop("manifest.json")) for members in (first, second)]
    readmes = [members.pop("README.md").decode().splitlines() for members in (first, second)]

    volatile = {"packageId", "exportedAt", "exportedBy", "readmeHash", "contentChecksum", "version"}
    assert first == second
    kept = [{key: value for key, value in tree.items() if key not in volatile} for tree in manifests]
    assert kept[0] == kept[1]
    assert len([1 for one, other in zip(*readmes, strict=True) if one != other]) == 2


async def test_a_taken_version_is_a_conflict_that_says_whether_it_is_the_same(inside, package):
    with pytest.raises(Refusal) as same:
        await inside.export(ACME, ROOT, package_name="STARTER")
    await inside.save(ACME, an_entity("ent-44", "hours"))
    with pytest.raises(Refusal) as other:
        await inside.export(ACME, ROOT)

    assert [caught.value.details for caught in (same, other)] == [
        {"existingPackageId": package.package_id, "identical": True},
        {"existingPackageId": package.package_id, "identical": False},
    ]


async def test_drafts_dangling_and_foreign_references_are_all_told(inside):
    await inside.save(ACME, an_entity("ent-1"), status=ArtifactStatus.DRAFT)
    await inside.save(GLOBEX, a_rule_set("rule-9"))
    await inside.save(ACME, a_form("form-1", entity="ent-1", rules="rule-9", formGroups=["fgroup-0"]))

    with pytest.raises(Refusal) as caught:
        await inside.export(ACME, "form-1", "form-0", version="1")

    assert caught.value.code is ErrorCode.VALIDATION_FAILED
    assert {problem.code for problem in caught.value.problems} == {
        ErrorCode.INVALID_VERSION,
        ErrorCode.ARTIFACT_NOT_FOUND,
        ErrorCode.CROSS_TENANT_REFERENCE,
        ErrorCode.INCOMPLETE_ARTIFACT,
        ErrorCode.ARTIFACT_NOT_EXPORTABLE,
    }


async def test_too_many_artifacts_are_told_alone(inside):
    groups = [f"fgroup-{number}" for number in range(600)]
    await inside.save(ACME, *[_group(group) for group in groups])
    await inside.save(ACME, *[an_entity(f"ent-{number}") for number in range(600)])
    await inside.save(ACME, a_form("form-1", formGroups=groups))

    with pytest.raises(Refusal) as caught:
        await inside.export(ACME, "form-1")

    assert [problem.code for problem in caught.value.problems] == [ErrorCode.BUNDLE_SIZE_EXCEEDED]


async def test_an_id_in_a_text_is_named_by_the_preview_when_there_is_such_an_artifact(inside):
    await inside.save(ACME, a_rule_set("rule-1"), a_form("form-1", help="first\nrule-1 or rule-2"))

    preview = await inside.services.exporter.preview(inside.caller, ACME, ["form-1"])

    assert [(warning.code, warning.where) for warning in preview.warnings] == [
        (ErrorCode.DYNAMIC_REFERENCE, "form-1/help")
    ]


async def test_a_chain_deeper_than_the_limit_is_not_exported(inside):
    chain = [f"fgroup-{number}" for number in range(13)]
    groups = [an_artifact(one, fieldLibraries=[two.replace("fgroup", "lib")]) for one, two in pairwise(chain)]
    libraries = [
        an_artifact(one.replace("fgroup", "lib"), fields=[{"dataSource": {"entityId": two}}])
        for one, two in zip(chain[1:], chain[1:], strict=True)
    ]
    await inside.save(ACME, *groups, *libraries, an_artifact(chain[-1]))

    with pytest.raises(Refusal) as caught:
        await inside.export(ACME, chain[0])

    assert [problem.code for problem in caught.value.problems] == [ErrorCode.DEPENDENCY_DEPTH_EXCEEDED]
    assert caught.value.details["limit"] == 10


async def test_a_circle_is_part_of_a_preview_and_refuses_an_export(inside):
    await inside.save(
        ACME, a_form("form-1", formGroups=["fgroup-1"]), an_artifact("fgroup-1", fieldLibraries=["lib-1"])
    )
    await inside.save(ACME, an_artifact("lib-1", fields=[{"dataSource": {"entityId": "form-1"}}]))

    preview = await inside.services.exporter.preview(inside.caller, ACME, ["form-1"])
    with pytest.raises(Refusal) as caught:
        await inside.export(ACME, "form-1")

    assert (preview.install_order, preview.cycle) == ([], ["fgroup-1", "lib-1", "form-1", "fgroup-1"])
    assert (caught.value.code, caught.value.details["cycle"]) == (ErrorCode.CIRCULAR_DEPENDENCY, preview.cycle)


@pytest.mark.parametrize(
    "content",
    [{"values": [0] * 260_000}, {"deep": json.loads("[" * 70 + "]" * 70)}, {"text": "a\0b"}, {"n": 2**64}],
    ids=["values", "deep", "nul", "integer"],
)
async def test_what_no_tenant_could_import_is_not_saved(inside, content):
    draft = ArtifactDraft(ArtifactType.ENTITY_SCHEMA, "E", "1.0.0", content)

    with pytest.raises(Refusal) as caught:
        await inside.services.authoring.change(inside.caller, ArtifactChanges(ACME, save=(draft,)))

    assert caught.value.code is ErrorCode.ARTIFACT_INVALID
    assert await inside.heads(ACME) == {}
