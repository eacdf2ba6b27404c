"""What a tenant holds, packed whole for another installation (decisions R38; akana.md section 5)."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from domain.access import Right
from domain.artifact_types import ArtifactType
from domain.errors import ErrorCode, Refusal
from domain.import_model import ImportState
from domain.model import ArtifactStatus, TenantPlan
from domain.rows import HistoryFilter
from tests.journeys.inside import ACME, GLOBEX, REPLACE, a_caller, codes, visible
from tests.makers import a_bundle, a_form, a_process, a_suite, an_agent, an_entity

pytestmark = pytest.mark.rules

EVERYTHING = tuple(ArtifactType)
LOW = (ArtifactType.ENTITY_SCHEMA, ArtifactType.RULE_SET)
MIGRATION = {"default_strategy": REPLACE, "is_migration": True}


async def taken(inside, tenant=ACME, types=EVERYTHING):
    return await inside.services.snapshots.of_types(inside.caller, tenant, types)


async def taken_of(inside, artifact_id, tenant=ACME, **types):
    return await inside.services.snapshots.of_artifact(inside.caller, tenant, artifact_id, **types)


async def refused(waited):
    with pytest.raises(Refusal) as refusal:
        await waited
    return refusal.value.code


async def exports_of(inside, tenant=ACME):
    found = await inside.services.records.export_history(inside.caller, tenant, HistoryFilter(), page=1, page_size=50)
    return [line["packageId"] for line in found.items]


async def test_a_snapshot_holds_all_artifacts_of_the_types_at_any_status_and_comes_in_elsewhere(inside):
    await inside.save(ACME, *a_suite()[:2])
    await inside.save(ACME, *a_suite()[2:], status=ArtifactStatus.DRAFT)
    await inside.save(ACME, an_entity("ent-9"))
    await inside.change(ACME, remove=("ent-9",))

    package = await taken(inside)
    job = await inside.bring(GLOBEX, await inside.bytes_of(package), **MIGRATION)

    assert (package.name, package.install_order) == ("Business acme", tuple(tree["id"] for tree in a_suite()))
    assert job.state is ImportState.SUCCEEDED
    assert visible(await inside.contents(GLOBEX)) == visible(await inside.contents(ACME))
    assert {head.status for head in (await inside.heads(GLOBEX)).values()} == {
        ArtifactStatus.DRAFT,
        ArtifactStatus.PUBLISHED,
    }


async def test_a_snapshot_of_some_types_leaves_the_others_where_they_are(inside):
    await inside.save(ACME, *a_suite())

    package = await taken(inside, types=LOW)

    assert package.install_order == ("ent-44", "rule-305")


async def test_what_refers_to_something_that_was_left_comes_back_into_its_own_tenant_alone(inside):
    await inside.save(ACME, *a_suite())
    raw = await inside.bytes_of(await taken(inside, types=(ArtifactType.PROCESS_DEFINITION,)))
    before = await inside.contents(ACME)
    await inside.save(ACME, a_process("proc-1001", note="edited"))

    back = await inside.bring(ACME, raw, **MIGRATION)
    there = await inside.bring(GLOBEX, raw, **MIGRATION)

    assert back.state is ImportState.SUCCEEDED
    assert visible(await inside.contents(ACME)) == visible(before)
    assert codes(there) == {ErrorCode.BROKEN_REFERENCE}


async def test_a_snapshot_of_an_artifact_brings_all_it_needs_and_nothing_else(inside):
    await inside.save(ACME, *a_suite(), an_entity("ent-9"), status=ArtifactStatus.LOCKED)

    package = await taken_of(inside, "form-2005")

    assert package.install_order == ("ent-44", "rule-305", "form-2005")
    assert [row["id"] for row in package.manifest["dependencies"]] == ["ent-44", "rule-305"]


async def test_a_snapshot_is_taken_once_as_long_as_nothing_changes(inside):
    await inside.save(ACME, *a_suite())

    first, again = await taken(inside), await taken(inside)
    await inside.save(ACME, an_entity("ent-44", "more"))
    later = await taken(inside)

    assert again == first
    assert (later.name, later.version == first.version) == (first.name, False)
    assert await exports_of(inside) == [later.package_id, first.package_id]


async def test_two_who_take_the_same_at_once_get_one_package(inside):
    await inside.save(ACME, *a_suite())

    first, second = await asyncio.gather(taken(inside), taken(inside))

    assert first == second
    assert await exports_of(inside) == [first.package_id]
    assert await inside.bytes_of(first)


async def test_a_snapshot_whose_bytes_are_gone_is_packed_anew(inside):
    await inside.save(ACME, *a_suite())
    first = await taken(inside)
    await inside.blobs.delete(first.blob_key)

    again = await taken(inside)
    inside.clock.advance(timedelta(days=400))
    later = await taken(inside)

    assert len({package.package_id for package in (first, again, later)}) == 3
    assert {package.version for package in (again, later)} == {first.version}
    assert await inside.bytes_of(later)


async def test_a_snapshot_that_was_deleted_keeps_its_version_and_its_record(inside):
    await inside.save(ACME, *a_suite())
    deleted = []
    for _ in range(2):
        package = await taken(inside)
        deleted.append(await inside.services.deleting.package(inside.caller, package.package_id, inside.caller.reach))

    again, known = await taken(inside), await taken(inside)

    assert again == known
    assert len({package.version for package in (*deleted, again)}) == 3
    for package in deleted:
        kept = await inside.services.records.get_package(inside.caller, package.package_id, inside.caller.reach)
        assert kept.deleted_at == package.deleted_at
    assert await inside.bytes_of(again)


async def test_later_snapshots_find_again_what_earlier_ones_brought_whatever_its_name_is_now(inside):
    await inside.save(ACME, *a_suite())
    await inside.bring(GLOBEX, await inside.bytes_of(await taken(inside)), **MIGRATION)
    ids = {head.artifact_id for head in (await inside.heads(GLOBEX)).values()}
    await inside.save(ACME, a_form("form-2005", name="Renamed", entity="ent-44", rules="rule-305"))

    await inside.bring(GLOBEX, await inside.bytes_of(await taken_of(inside, "form-2005")), **MIGRATION)

    heads = await inside.heads(GLOBEX)
    assert "Renamed" in heads
    assert {head.artifact_id for head in heads.values()} == ids


async def test_the_same_snapshot_again_changes_nothing(inside):
    await inside.save(ACME, *a_suite(), an_agent(llmConfig={"model": "m"}))
    raw = await inside.bytes_of(await taken(inside))
    await inside.bring(GLOBEX, raw, **MIGRATION)

    job = await inside.bring(GLOBEX, raw, **MIGRATION)

    assert job.outcome["counts"]["unchanged"] == 5
    assert job.outcome["artifactsWritten"] == 0


async def test_snapshots_are_not_counted_and_are_told_in_the_history(inside):
    await inside.save(ACME, *a_suite())
    strict = inside.over(inside.sql, exports_per_user_minute=0, exports_per_tenant_hour=0)

    package = await taken(strict)

    assert await exports_of(inside) == [package.package_id]


async def test_what_an_import_would_not_take_is_not_packed(inside):
    await inside.services.tenancy.add("small", TenantPlan.STANDARD)
    await inside.save("small", *[an_entity(f"ent-{number}") for number in range(3)], a_form("form-1", entity="ent-1"))
    before = await inside.row_counts()
    few, tight = inside.over(inside.sql, artifacts_standard=1), inside.over(inside.sql, zip_mb_standard=0)

    assert await refused(taken(few, "small")) is ErrorCode.TOO_MANY_ARTIFACTS
    assert await refused(taken_of(few, "form-1", "small")) is ErrorCode.TOO_MANY_ARTIFACTS
    assert await refused(taken(tight, "small")) is ErrorCode.PAYLOAD_TOO_LARGE
    assert await inside.row_counts() == before


@pytest.mark.parametrize(
    "artifact_id", ["", "\0", "ent-44\0", "ent-44\ud800", "ent-" + "4" * 5_000, "../ent-44", "ent-44'"]
)
async def test_what_cannot_be_an_id_is_not_there(inside, artifact_id):
    await inside.save(ACME, an_entity())

    assert await refused(taken_of(inside, artifact_id)) is ErrorCode.NOT_FOUND


async def test_what_is_not_there_cannot_be_packed(inside):
    await inside.save(GLOBEX, an_entity())
    await inside.save(ACME, an_entity("ent-1"), a_process("proc-1"))
    await inside.change(ACME, remove=("ent-1",))

    assert await refused(taken(inside, types=LOW)) is ErrorCode.EMPTY_ARTIFACT_LIST
    assert await refused(taken_of(inside, "ent-1")) is ErrorCode.NOT_FOUND
    assert await refused(taken_of(inside, "ent-44")) is ErrorCode.NOT_FOUND
    assert await refused(taken_of(inside, "proc-1", types=LOW)) is ErrorCode.NOT_FOUND
    assert await refused(taken(inside, "nowhere")) is ErrorCode.INVALID_TENANT_ID


async def test_a_circle_or_a_missing_part_is_refused(inside):
    await inside.save(ACME, a_form("form-1", entity="ent-1"))
    await inside.save(ACME, a_process("proc-1", form="proc-2"), a_process("proc-2", form="proc-1"))

    assert await refused(taken_of(inside, "form-1")) is ErrorCode.INCOMPLETE_ARTIFACT
    assert await refused(taken_of(inside, "proc-1")) is ErrorCode.CIRCULAR_DEPENDENCY
    assert await refused(taken(inside)) is ErrorCode.CIRCULAR_DEPENDENCY


async def test_only_who_may_export_takes_snapshots(inside):
    await inside.save(ACME, an_entity())
    stranger = a_caller("sam", scopes=frozenset({"installhub:import"}))

    snapshots = inside.services.snapshots

    assert not stranger.has(Right.EXPORT)
    assert await refused(snapshots.of_types(stranger, ACME, EVERYTHING)) is ErrorCode.INSUFFICIENT_PERMISSION
    assert await refused(snapshots.of_artifact(stranger, ACME, "ent-44")) is ErrorCode.INSUFFICIENT_PERMISSION


async def test_a_migration_tells_where_people_are_named_and_makes_nobody(inside):
    raw = a_bundle(an_entity(owner="anna@acme.example", nodes=[{"assignee": "ben"}]))
    before = await inside.row_counts()

    job = await inside.bring(GLOBEX, raw, **MIGRATION)
    plain = await inside.bring(ACME, raw)

    told = [(row["code"], row["artifactId"], row["where"]) for row in job.outcome["warnings"]]
    assert told == [("UserRelationship", "ent-44", "/nodes/0/assignee"), ("UserRelationship", "ent-44", "/owner")]
    assert plain.outcome["warnings"] == []
    assert (await inside.contents(GLOBEX))["EntitySchema 44"]["owner"] == "anna@acme.example"
    after = await inside.row_counts()
    assert {name: after[name] for name in after if "user" in name} == {
        name: before[name] for name in before if "user" in name
    }


async def test_a_migration_from_another_release_is_refused_and_a_dry_run_says_so(inside):
    raw = a_bundle(an_entity(), platform_version="4.1.9")

    shown = await inside.bring(GLOBEX, raw, dry_run=True, **MIGRATION)
    refused_job = await inside.bring(GLOBEX, raw, **MIGRATION)
    plain = await inside.bring(GLOBEX, raw)

    assert [row["code"] for row in shown.outcome["blockers"]] == ["PlatformVersionIncompatible"]
    assert codes(refused_job) == {ErrorCode.PLATFORM_VERSION_INCOMPATIBLE}
    assert plain.state is ImportState.SUCCEEDED
