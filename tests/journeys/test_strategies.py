"""What becomes of what is there already: replaced, merged, skipped, renamed, locked."""

from __future__ import annotations

import pytest

from domain.errors import ErrorCode
from domain.import_model import ImportState
from domain.model import ArtifactFilter, ArtifactStatus, ReferenceKind
from domain.options import Decision
from tests.journeys.inside import (
    ACME,
    BOOKS,
    GLOBEX,
    MERGE,
    REPLACE,
    ROOT,
    SKIP,
    codes,
    written_to,
)
from tests.makers import a_bundle, a_form, a_rule_set, a_suite, an_entity

pytestmark = pytest.mark.rules


def _as(source_id, tree):
    return tree | {"id": source_id}


async def _all(inside, tenant):
    async with inside.sql.view(tenant) as unit:
        page = await unit.artifacts.page(ArtifactFilter(), first=100)
    for head in page.items:
        yield head


async def test_replace_keeps_the_id_and_takes_the_rest(inside, package):
    await inside.save(GLOBEX, a_form("form-9", name="atlasFORM 2005", title="Mine"))

    job = await inside.bring(GLOBEX, package, default_strategy=REPLACE)

    head = (await inside.heads(GLOBEX))["AtlasForm 2005"]
    assert (head.artifact_id, head.revision) == ("form-9", 2)
    assert "title" not in (await inside.contents(GLOBEX))["AtlasForm 2005"]
    assert job.outcome["conflictReport"]["conflicts"][0]["resolution"] == "Replace"


async def test_merge_keeps_what_only_the_tenant_has_and_falls_back_where_it_is_not_offered(inside, package):
    await inside.save(
        GLOBEX,
        an_entity("ent-1", "hours", name="EntitySchema 44", version="3.0.0"),
        a_form("form-9", name="AtlasForm 2005"),
    )

    job = await inside.bring(GLOBEX, package, default_strategy=MERGE)

    heads, contents = await inside.heads(GLOBEX), await inside.contents(GLOBEX)
    assert [row["fieldName"] for row in contents["EntitySchema 44"]["fields"]] == ["hours", "days"]
    assert (heads["EntitySchema 44"].version, heads["EntitySchema 44"].artifact_id) == ("3.0.0", "ent-1")
    assert heads["AtlasForm 2005"].revision == 1
    assert {row["code"] for row in job.outcome["warnings"]} == {"MergeFallback"}
    assert job.outcome["counts"] | {"merge": 1, "skip": 1, "create": 2} == job.outcome["counts"]


async def test_a_merge_twice_is_unchanged_the_second_time(inside, package):
    await inside.save(GLOBEX, an_entity("ent-1", "hours", name="EntitySchema 44"))
    await inside.bring(GLOBEX, package, default_strategy=MERGE)
    before = await inside.row_counts()

    job = await inside.bring(GLOBEX, package, default_strategy=MERGE)

    assert job.outcome["artifactsWritten"] == 0
    assert written_to(before, await inside.row_counts()) <= BOOKS


async def test_merged_contents_refer_to_artifacts_of_the_target(inside):
    await inside.save(ACME, an_entity("ent-44"), a_rule_set("rule-305", "ent-44"))
    package = (await inside.export(ACME, "rule-305")).package
    await inside.save(GLOBEX, an_entity("ent-7", name="Own"), a_rule_set("rule-1", "ent-7", name="RuleSet 305"))
    merged = a_rule_set("rule-1", name="RuleSet 305")
    merged["rules"] = [{"ruleId": "mine", "condition": "ent-7.days > 1"}]
    await inside.save(GLOBEX, merged)

    job = await inside.bring(GLOBEX, package, default_strategy=MERGE)

    async with inside.sql.view(GLOBEX) as unit:
        found = await unit.artifacts.references(["rule-1"])
    assert {r.target_id for r in found if r.kind is ReferenceKind.LITERAL} == {
        "ent-7",
        job.outcome["idRemapTable"]["ent-44"],
    }


async def test_skip_leaves_everything_and_others_refer_to_what_is_there(inside, package):
    await inside.save(GLOBEX, an_entity("ent-1", "hours", name="EntitySchema 44"))

    job = await inside.bring(GLOBEX, package, default_strategy=SKIP)

    contents = await inside.contents(GLOBEX)
    assert contents["AtlasForm 2005"]["fields"][0]["dataSource"]["entityId"] == "ent-1"
    assert (job.outcome["artifactsInstalled"], job.outcome["artifactsSkipped"]) == (3, 1)


async def test_a_renamed_artifact_is_found_by_its_origin(inside, package):
    await inside.bring(GLOBEX, package)
    before = await inside.heads(GLOBEX)
    suite = a_suite()
    suite[2] = suite[2] | {"name": "Renamed"}
    await inside.save(ACME, *suite)
    second = (await inside.export(ACME, ROOT, version="1.1.0")).package

    job = await inside.bring(GLOBEX, second, default_strategy=REPLACE)

    after = await inside.heads(GLOBEX)
    assert after["Renamed"].artifact_id == before["AtlasForm 2005"].artifact_id
    assert "AtlasForm 2005" not in after
    assert job.outcome["counts"]["update"] == 1


async def test_two_artifacts_may_swap_their_names(inside):
    await inside.save(ACME, an_entity("ent-1", name="A"), an_entity("ent-2", name="B"))
    first = (await inside.export(ACME, "ent-1", "ent-2", package_type="config-package")).package
    await inside.bring(GLOBEX, first)
    before = await inside.heads(GLOBEX)
    await inside.save(ACME, an_entity("ent-2", name="C"))
    await inside.save(ACME, an_entity("ent-1", name="B"))
    await inside.save(ACME, an_entity("ent-2", name="A"))
    second = (await inside.export(ACME, "ent-1", "ent-2", version="1.1.0")).package

    await inside.bring(GLOBEX, second, default_strategy=REPLACE)

    after = await inside.heads(GLOBEX)
    assert (after["A"].artifact_id, after["B"].artifact_id) == (before["B"].artifact_id, before["A"].artifact_id)


async def test_a_name_that_a_skipped_artifact_keeps_is_said_and_not_tried_again_and_again(inside):
    await inside.save(ACME, an_entity("ent-1", name="A"))
    await inside.bring(GLOBEX, (await inside.export(ACME, "ent-1")).package)
    await inside.save(ACME, an_entity("ent-1", name="B"))
    await inside.save(ACME, an_entity("ent-2", name="A"))
    second = (await inside.export(ACME, "ent-1", "ent-2", version="1.1.0")).package

    job = await inside.bring(GLOBEX, second, default_strategy=SKIP)

    assert job.state is ImportState.FAILED
    assert codes(job) == {ErrorCode.DUPLICATE_ARTIFACT}
    assert {*await inside.heads(GLOBEX)} == {"A"}


async def test_a_replaced_artifact_may_not_take_the_name_of_another(inside):
    await inside.save(ACME, an_entity("ent-1", name="A"))
    await inside.bring(GLOBEX, (await inside.export(ACME, "ent-1")).package)
    await inside.save(GLOBEX, an_entity("ent-7", name="B"))
    await inside.save(ACME, an_entity("ent-1", name="B"))
    second = (await inside.export(ACME, "ent-1", version="1.1.0")).package
    paused = await inside.bring(GLOBEX, second, default_strategy=REPLACE)
    key = paused.outcome["conflictReport"]["conflicts"][0]["conflictId"]

    await inside.services.line.resume(inside.caller, paused.import_id, None, {key: Decision(REPLACE)})
    job = await inside.run_next()

    assert paused.state is ImportState.WAITING_FOR_DECISIONS
    assert codes(job) == {ErrorCode.DUPLICATE_ARTIFACT}


async def test_an_artifact_deleted_in_the_target_is_created_anew(inside, package):
    await inside.bring(GLOBEX, package)
    gone = (await inside.heads(GLOBEX))["ProcessDefinition 1001"].artifact_id
    await inside.change(GLOBEX, remove=(gone,))

    job = await inside.bring(GLOBEX, package)

    assert job.outcome["counts"] | {"create": 1, "unchanged": 3} == job.outcome["counts"]
    assert (await inside.heads(GLOBEX))["ProcessDefinition 1001"].artifact_id != gone


@pytest.mark.parametrize(
    ("status", "strategy", "expected"),
    [
        (ArtifactStatus.LOCKED, REPLACE, ErrorCode.ARTIFACT_LOCKED),
        (ArtifactStatus.LOCKED, MERGE, ErrorCode.ARTIFACT_LOCKED),
        (ArtifactStatus.DRAFT, REPLACE, None),
        (ArtifactStatus.LOCKED, SKIP, None),
    ],
)
async def test_locked_blocks_and_a_draft_is_replaced_with_a_warning(inside, package, status, strategy, expected):
    await inside.save(GLOBEX, an_entity("ent-1", "hours", name="EntitySchema 44"), status=status)

    job = await inside.bring(GLOBEX, package, default_strategy=strategy)

    if expected:
        assert codes(job) == {expected}
    else:
        told = {row["code"] for row in job.outcome["warnings"]}
        assert told == ({"DraftReplaced"} if status is ArtifactStatus.DRAFT else set())


async def test_imported_artifacts_keep_the_status_that_the_bundle_states(inside):
    raw = a_bundle(an_entity("ent-1", "hours", name="D", status="Draft"), an_entity("ent-2", name="L", status="Locked"))

    await inside.bring(GLOBEX, raw)

    heads = await inside.heads(GLOBEX)
    assert (heads["D"].status, heads["L"].status) == (ArtifactStatus.DRAFT, ArtifactStatus.LOCKED)


async def test_a_foreign_id_that_changed_its_type_never_changes_an_artifact_of_ours(inside):
    await inside.bring(GLOBEX, a_bundle(_as("x1", an_entity("ent-1", "hours", name="Thing"))))

    job = await inside.bring(GLOBEX, a_bundle(_as("x1", a_form("form-1", name="Thing")), version="1.1.0"))

    heads = [head async for head in _all(inside, GLOBEX)]
    assert job.outcome["counts"]["create"] == 1
    assert sorted((head.artifact_type.wire, head.revision) for head in heads) == [("AtlasForm", 1), ("EntitySchema", 1)]
