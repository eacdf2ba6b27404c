"""Several people save at the same moment: nobody is refused for what is over when it is looked at again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from domain.artifact_types import ArtifactType
from domain.edits import ArtifactChanges, ArtifactDraft
from domain.errors import ErrorCode, Refusal
from domain.model import ArtifactFilter, TenantId, TenantPlan, TenantStatus
from server import settings
from server.loading import local_caller
from server.runtime import Runtime, running

TENANT = TenantId("acme-dev")
ROUNDS = 15


@pytest.fixture
async def runtime(tmp_path: Path, database_url: str) -> AsyncIterator[Runtime]:
    async with running(settings.load(data=tmp_path, database_url=database_url)) as opened:
        await opened.services.tenancy.add(TENANT, TenantPlan.ENTERPRISE)
        yield opened


def a_rule(artifact_id: str, name: str = "", if_revision: int | None = None) -> ArtifactDraft:
    content: dict[str, Any] = {"rules": []}
    return ArtifactDraft(ArtifactType.RULE_SET, name or artifact_id, "1.0.0", content, artifact_id, if_revision)


async def save(runtime: Runtime, *drafts: ArtifactDraft) -> list[int]:
    """The revisions that a save made."""
    changed = await runtime.services.authoring.change(local_caller(), ArtifactChanges(TENANT, save=drafts))
    return [head.revision for head in changed.heads]


async def test_two_who_save_the_same_artifacts_in_other_orders_both_succeed(runtime):
    both = [a_rule("rule-1"), a_rule("rule-2")]
    await save(runtime, *both)

    for number in range(ROUNDS):
        made = await asyncio.gather(save(runtime, *both), save(runtime, *reversed(both)))

        assert sorted(made) == [[2 * number + 2] * 2, [2 * number + 3] * 2]


async def test_several_who_save_the_same_artifact_all_succeed(runtime):
    await save(runtime, a_rule("rule-1"))

    made = [await asyncio.gather(*(save(runtime, a_rule("rule-1")) for _ in range(3))) for _ in range(ROUNDS)]

    assert sorted(revision for some in made for [revision] in some) == [*range(2, 3 * ROUNDS + 2)]


async def test_of_two_who_save_on_the_same_revision_one_is_told_which_one_is_active_now(runtime):
    await save(runtime, a_rule("rule-1"))

    for number in range(1, ROUNDS):
        pair = (save(runtime, a_rule("rule-1", if_revision=number)) for _ in range(2))
        made, refused = sorted(await asyncio.gather(*pair, return_exceptions=True), key=lambda one: one != [number + 1])

        assert made == [number + 1]
        assert isinstance(refused, Refusal)
        assert refused.code is ErrorCode.REVISION_CONFLICT
        assert refused.problems[0].details["currentRevision"] == number + 1


async def test_of_two_who_want_the_same_names_crosswise_one_has_both_and_the_other_is_told_whose_they_are(runtime):
    for number in range(ROUNDS):
        one, two = f"One {number}", f"Two {number}"
        pairs = (
            [a_rule(f"rule-{number}-1", one), a_rule(f"rule-{number}-2", two)],
            [a_rule(f"rule-{number}-3", two), a_rule(f"rule-{number}-4", one)],
        )
        told = await asyncio.gather(*(save(runtime, *pair) for pair in pairs), return_exceptions=True)

        [refused] = [one for one in told if isinstance(one, BaseException)]
        assert isinstance(refused, Refusal)
        assert {problem.code for problem in refused.problems} == {ErrorCode.ARTIFACT_NAME_TAKEN}
        assert {problem.where for problem in refused.problems} == {"save[0].name", "save[1].name"}


async def test_nothing_is_saved_in_a_tenant_that_is_suspended_or_not_there(runtime):
    async with runtime.ports.store.platform_unit() as unit:
        await unit.tenants.update(TENANT, status=TenantStatus.SUSPENDED)

    with pytest.raises(Refusal, match="is suspended") as suspended:
        await save(runtime, a_rule("rule-1"))
    changes = ArtifactChanges(TenantId("nobody"), save=(a_rule("rule-1"),))
    with pytest.raises(Refusal, match="does not exist") as unknown:
        await runtime.services.authoring.change(local_caller(), changes)

    page = await runtime.services.authoring.page(local_caller(), TENANT, ArtifactFilter(), first=10, after=None)
    assert page.items == ()
    assert (suspended.value.code, unknown.value.code) == (ErrorCode.INVALID_TENANT_ID,) * 2
