"""People saving artifacts: what stands in the way is told beside what was sent, and nothing is half done."""

from __future__ import annotations

import tracemalloc
from collections.abc import Awaitable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bench.instance import Instance, a_tenant, an_instance
from domain.artifact_types import ArtifactType
from domain.edits import ARTIFACT_BYTES_MAX, ArtifactChanges, ArtifactDraft
from domain.errors import ErrorCode, Refusal
from domain.model import ArtifactFilter, ArtifactHead, ArtifactStatus, TenantId
from domain.options import ConflictStrategy
from tests.makers import a_bundle, an_artifact

TENANT = TenantId("tenant-a")
EVERY_STATUS = ArtifactFilter(statuses=tuple(ArtifactStatus))


def a_rule(artifact_id: str, name: str, **members: Any) -> ArtifactDraft:
    return ArtifactDraft(ArtifactType.RULE_SET, name, "1.0.0", {"rules": [], **members}, artifact_id=artifact_id)


async def saved(instance: Instance, *drafts: ArtifactDraft) -> list[str]:
    made = await instance.services.authoring.change(instance.caller, ArtifactChanges(TENANT, save=drafts))
    return [f"{head.artifact_id} {head.name}" for head in made.heads]


async def names(instance: Instance) -> list[str]:
    page = await instance.services.authoring.page(instance.caller, TENANT, ArtifactFilter(), first=10, after=None)
    return [head.name for head in page.items]


async def test_a_taken_name_is_told_beside_the_artifact_that_wants_it(tmp_path: Path):
    async with an_instance(tmp_path) as instance:
        await a_tenant(instance, TENANT)
        await saved(instance, a_rule("rule-1", "One"))

        with pytest.raises(Refusal) as refused:
            await saved(instance, a_rule("rule-2", "Two"), a_rule("rule-3", "ONE"))
        left = await names(instance)

    [problem] = refused.value.problems
    assert (problem.code, problem.where) == (ErrorCode.ARTIFACT_NAME_TAKEN, "save[1].name")
    assert problem.artifact_id == "rule-1"
    assert left == ["One"]


async def test_a_name_that_two_want_is_told_beside_all_else_that_is_wrong(tmp_path: Path):
    async with an_instance(tmp_path) as instance:
        await a_tenant(instance, TENANT)
        await saved(instance, a_rule("rule-1", "One"), a_rule("rule-2", "Two"))

        with pytest.raises(Refusal) as refused:
            await saved(instance, a_rule("rule-3", "ONE"), replace(a_rule("rule-2", "Two"), if_revision=7))

    told = {(problem.code, problem.where) for problem in refused.value.problems}
    assert told == {
        (ErrorCode.ARTIFACT_NAME_TAKEN, "save[0].name"),
        (ErrorCode.REVISION_CONFLICT, "save[1].ifRevision"),
    }


async def test_what_is_told_of_a_change_is_what_is_stored(tmp_path: Path):
    async with an_instance(tmp_path) as instance:
        await a_tenant(instance, TENANT)
        tree = {**an_artifact("rule-1", "One"), "rules": []}
        await instance.import_bundle(TENANT, a_bundle(tree), default_strategy=ConflictStrategy.REPLACE)
        (brought,) = (
            await instance.services.authoring.page(instance.caller, TENANT, ArtifactFilter(), first=9, after=None)
        ).items
        await saved(instance, a_rule("rule-5", "Five"), a_rule("rule-6", "Six"))

        save = (a_rule(brought.artifact_id, "One again"), a_rule("rule-2", "Two"))
        changes = ArtifactChanges(TENANT, save=save, publish=("rule-5", "rule-2"), remove=("rule-6",))
        made = await instance.services.authoring.change(instance.caller, changes)

        ids = [head.artifact_id for head in made.heads]
        stored = await instance.services.authoring.heads(instance.caller, TENANT, list(ids))
    assert ids == [brought.artifact_id, "rule-2", "rule-5", "rule-6"]
    assert list(made.heads) == [stored[key] for key in ids]
    assert (made.heads[0].origin, made.heads[0].imported_revision) == (brought.origin, 1)


async def statuses(instance: Instance) -> dict[str, str]:
    page = await instance.services.authoring.page(instance.caller, TENANT, EVERY_STATUS, first=50, after=None)
    return {head.artifact_id: head.status.wire for head in page.items}


async def changed(instance: Instance, **changes: Any) -> None:
    await instance.services.authoring.change(instance.caller, ArtifactChanges(TENANT, **changes))


async def test_what_is_removed_frees_its_name_for_what_is_saved_with_it(tmp_path: Path):
    async with an_instance(tmp_path) as instance:
        await a_tenant(instance, TENANT)
        await saved(instance, a_rule("rule-1", "One"), a_rule("rule-2", "Two"))

        await changed(instance, save=(a_rule("rule-3", "One"),), publish=("rule-2", "rule-3"), remove=("rule-1",))

        left = await statuses(instance)
    assert left == {"rule-1": "Deleted", "rule-2": "Published", "rule-3": "Published"}


async def test_the_last_wish_for_an_artifact_counts(tmp_path: Path):
    async with an_instance(tmp_path) as instance:
        await a_tenant(instance, TENANT)
        await saved(instance, a_rule("rule-1", "One"), a_rule("rule-2", "Two"))

        await changed(instance, publish=("rule-1", "rule-2"), archive=("rule-2",), remove=("rule-1",))

        left = await statuses(instance)
        revisions = [head.revision for head in await named(instance, "rule-1", "rule-2")]
    assert left == {"rule-1": "Deleted", "rule-2": "Archived"}
    assert revisions == [2, 2]


async def test_a_published_artifact_keeps_its_name_from_what_is_saved_with_it(tmp_path: Path):
    async with an_instance(tmp_path) as instance:
        await a_tenant(instance, TENANT)
        await saved(instance, a_rule("rule-1", "One"))

        with pytest.raises(Refusal) as refused:
            await changed(instance, save=(a_rule("rule-2", "One"),), publish=("rule-1",))

        left = await statuses(instance)
    [problem] = refused.value.problems
    assert (problem.code, problem.where) == (ErrorCode.ARTIFACT_NAME_TAKEN, "save[0].name")
    assert left == {"rule-1": "Draft"}


async def test_many_large_artifacts_are_published_in_the_memory_of_a_few(tmp_path: Path):
    async with an_instance(tmp_path) as instance:
        await a_tenant(instance, TENANT)
        ids = [f"rule-{number}" for number in range(24)]
        for artifact_id in ids:
            await saved(instance, a_rule(artifact_id, artifact_id, note="x" * (2 << 20)))

        few = await peak_of(changed(instance, publish=tuple(ids[:2])))
        many = await peak_of(changed(instance, publish=tuple(ids[2:])))

        left = await statuses(instance)
    assert set(left.values()) == {"Published"}
    assert many < few + (8 << 20)


async def peak_of(work: Awaitable[None]) -> int:
    """The most bytes that were in use at once."""
    tracemalloc.start()
    try:
        await work
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


async def test_an_artifact_that_its_new_status_makes_too_large_ends_the_whole_batch(tmp_path: Path):
    async with an_instance(tmp_path) as instance:
        await a_tenant(instance, TENANT)
        await saved(instance, a_rule("rule-1", "One"), a_rule("rule-2", "Two", note="x"))
        [head] = await named(instance, "rule-2")
        size = await size_of(instance, head)
        await saved(instance, a_rule("rule-2", "Two", note="x" * (1 + ARTIFACT_BYTES_MAX - size)))

        with pytest.raises(Refusal) as refused:
            await changed(instance, publish=("rule-1", "rule-2"))

        left = await statuses(instance)
    [problem] = refused.value.problems
    assert (problem.code, problem.where) == (ErrorCode.ARTIFACT_INVALID, "publish[1].content")
    assert set(left.values()) == {"Draft"}


async def named(instance: Instance, *artifact_ids: str) -> list[ArtifactHead]:
    found = await instance.services.authoring.heads(instance.caller, TENANT, [*artifact_ids])
    return [found[artifact_id] for artifact_id in artifact_ids]


async def size_of(instance: Instance, head: ArtifactHead) -> int:
    async with instance.store.view(TENANT) as unit:
        return (await unit.artifacts.body_sizes([head.revision_id]))[head.revision_id]
