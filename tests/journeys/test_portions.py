"""Contents are read as many together as fit the memory for them, however many there are."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from domain.import_model import ImportState
from domain.portions import CONTENT_BYTES, with_bodies
from storage.artifacts import SqlArtifacts
from tests.journeys.inside import GLOBEX, MERGE
from tests.makers import a_bundle, a_rule_set

#: two fit a portion, three do not; of a merge's both sides only one pair does
LARGE = CONTENT_BYTES * 2 // 5
COUNT = 5


@contextmanager
def contents_read() -> Iterator[list[int]]:
    """How many bytes of contents each read brings into memory meanwhile."""
    read, whole = [], SqlArtifacts.bodies

    async def bodies(self, revision_ids):
        found = await whole(self, revision_ids)
        read.append(sum(map(len, found.values())))
        return found

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(SqlArtifacts, "bodies", bodies)
        yield read


def a_large_one(number, *conditions, **members):
    rows = [{"ruleId": f"r{place}", "condition": condition} for place, condition in enumerate(conditions)]
    return a_rule_set(f"rule-{number}", name=f"Rules {number}", rules=rows, **members)


@pytest.fixture
async def merging(inside):
    """An import that merges small changes into large artifacts, and waits in line."""
    await inside.save(GLOBEX, *(a_large_one(number, "old", note="x" * LARGE) for number in range(COUNT)))
    await inside.submit(GLOBEX, a_bundle(*(a_large_one(n, "new") for n in range(COUNT))), default_strategy=MERGE)


async def test_a_plan_reads_the_contents_that_it_merges_with_a_few_at_a_time(inside, merging):
    with contents_read() as read:
        job = await inside.run_next()

    assert job.state is ImportState.SUCCEEDED
    assert sum(read) > COUNT * LARGE
    assert max(read) <= CONTENT_BYTES


async def test_the_audit_of_merges_reads_both_sides_of_a_few_at_a_time(inside, merging):
    job = await inside.run_next()

    with contents_read() as read:
        found = await inside.services.conflicts.audit(inside.caller, job.import_id, None)

    assert [one.merge.updated for one in found] == [("rules[0].condition",)] * COUNT
    assert sum(read) > 2 * COUNT * LARGE
    assert max(read) <= CONTENT_BYTES


async def test_a_content_that_is_stored_no_more_is_absent(inside):
    await inside.save(GLOBEX, a_large_one(1))
    (head,) = (await inside.heads(GLOBEX)).values()
    asked = [[head.revision_id], ["rev-unknown"], []]

    found = [part async for part in with_bodies(inside.sql, GLOBEX, asked, lambda keys: keys)]

    assert [(items, set(bodies)) for items, bodies in found] == [(asked, {head.revision_id})]
