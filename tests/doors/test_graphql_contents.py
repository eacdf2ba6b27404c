"""Contents of artifacts: an operation shows some of them, and not as much as fits no memory."""

from __future__ import annotations

import pytest

from domain.artifact_types import ArtifactType
from domain.edits import ArtifactChanges, ArtifactDraft
from domain.model import TenantId
from server.loading import local_caller
from tests.doors.graphql_world import A, with_artifacts
from tests.world import a_world

pytestmark = pytest.mark.rules

CONTENTS = """query($search: String!, $first: Int!) { tenant(id: "tenant-a") {
  artifacts(filter: {search: $search}, first: $first) { nodes { artifactId content } } } }"""
LARGE = 6 << 20


@pytest.fixture
async def caller(tmp_path, database_url):
    """Somebody whose tenant has three artifacts that are almost as large as they may be."""
    async with a_world(tmp_path, database_url=database_url, role="web") as world:
        caller = await with_artifacts(world)
        # a request of GraphQL holds no more than 1 MiB: larger ones come by imports, or from this host
        for number in range(3):
            draft = ArtifactDraft(ArtifactType.RULE_SET, f"Large {number}", "1.0.0", {"note": "x" * LARGE})
            changes = ArtifactChanges(TenantId(A), save=(draft,))
            await world.runtime.services.authoring.apply(changes, local_caller().actor)
        yield caller


async def test_two_of_the_largest_contents_are_shown_and_a_third_is_too_much(caller):
    shown = await caller.data(CONTENTS, search="Large", first=2)
    code = await caller.code(CONTENTS, search="Large", first=3)

    assert [len(node["content"]["note"]) for node in shown["tenant"]["artifacts"]["nodes"]] == [LARGE, LARGE]
    assert code == "QUERY_TOO_COMPLEX"
