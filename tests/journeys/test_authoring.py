"""People saving artifacts: what stands in the way is told beside what was sent, and nothing is half done."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.instance import Instance, a_tenant, an_instance
from domain.artifact_types import ArtifactType
from domain.authoring import ArtifactChanges, ArtifactDraft
from domain.errors import ErrorCode, Refusal
from domain.model import ArtifactFilter, TenantId

TENANT = TenantId("tenant-a")


def a_rule(artifact_id: str, name: str) -> ArtifactDraft:
    return ArtifactDraft(ArtifactType.RULE_SET, name, "1.0.0", {"rules": []}, artifact_id=artifact_id)


async def saved(instance: Instance, *drafts: ArtifactDraft) -> list[str]:
    heads = await instance.services.authoring.change(instance.caller, ArtifactChanges(TENANT, save=drafts))
    return [f"{head.artifact_id} {head.name}" for head in heads]


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
