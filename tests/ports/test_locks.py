"""On PostgreSQL, who writes the same artifacts at the same time waits for the other, and never both for each other."""

from __future__ import annotations

import asyncio

import pytest

from domain.model import ArtifactId
from domain.plan_model import ActionKind
from domain.ports import CollidedError, PlanMovedError, RevisionMovedError
from storage.clock import SystemClock
from storage.engines import Engines
from storage.store import SqlStore
from tests.ports.rows import (
    ACME,
    RecordingBell,
    a_plan,
    a_revision,
    an_action,
    an_installed,
    running,
    saved,
    with_tenants,
)

pytestmark = pytest.mark.postgres


@pytest.fixture
async def store(postgres_url):
    opened = SqlStore(Engines.open(postgres_url), RecordingBell(), SystemClock())
    await with_tenants(opened)
    yield opened
    await opened.aclose()


async def _waits(task):
    """Nothing says that a transaction waits for another; one that does not has ended by then."""
    await asyncio.wait([task], timeout=0.3)
    return not task.done()


async def _write(unit, new):
    """Write and have it sent: what is written waits for the next answer."""
    await unit.artifacts.write([new])
    await unit.artifacts.heads([new.artifact_id])


async def test_who_saves_several_artifacts_waits_for_the_first_of_them_before_he_has_another(store):
    await saved(store, a_revision("rule-1"), a_revision("rule-2"))
    async with store.unit(ACME) as first, asyncio.timeout(10):
        await _write(first, a_revision("rule-1", number=2))
        both = [a_revision("rule-2", number=2), a_revision("rule-1", number=2)]
        waiting = asyncio.create_task(saved(store, *both))
        assert await _waits(waiting)

        await saved(store, a_revision("rule-2", number=2))

    with pytest.raises(RevisionMovedError):
        await waiting


async def test_an_activation_waits_for_the_first_of_its_artifacts_before_it_has_another(store):
    job = await running(store)
    heads = await saved(store, a_revision("rule-2"), a_revision("rule-1"))
    new = [a_revision(head.artifact_id, number=2)._replace(import_id=job.import_id) for head in heads]
    actions = [
        an_action(place, one, kind=ActionKind.UPDATE, existing=head)
        for place, (one, head) in enumerate(zip(new, heads, strict=True))
    ]
    async with store.unit(ACME) as unit:
        await unit.imports.save_plan(a_plan(job, *actions))
        await unit.imports.hold(new)

    async def activated():
        async with store.unit(ACME) as unit:
            await unit.imports.activate(job.import_id, [an_installed(job)], written=2)

    async with store.unit(ACME) as first, asyncio.timeout(10):
        await _write(first, a_revision("rule-1", number=2))
        waiting = asyncio.create_task(activated())
        assert await _waits(waiting)

        await saved(store, a_revision("rule-2", number=2, name="Saved meanwhile"))

    with pytest.raises(PlanMovedError) as moved:
        await waiting
    assert {drift.artifact_id for drift in moved.value.drift} == {"rule-1", "rule-2"}
    async with store.view(ACME) as view:
        assert (await view.artifacts.heads(["rule-2"]))[ArtifactId("rule-2")].name == "Saved meanwhile"


async def test_of_two_who_wait_for_each_other_one_is_told_that_they_collided(store):
    await saved(store, a_revision("rule-1"), a_revision("rule-2"))
    have_first = asyncio.Barrier(2)

    async def save(*artifact_ids):
        async with store.unit(ACME) as unit:
            for artifact_id in artifact_ids:
                await _write(unit, a_revision(artifact_id, number=2))
                if artifact_id == artifact_ids[0]:
                    await have_first.wait()

    async with asyncio.timeout(10):
        told = await asyncio.gather(save("rule-1", "rule-2"), save("rule-2", "rule-1"), return_exceptions=True)

    assert [type(one) for one in told if one is not None] == [CollidedError]


async def test_of_two_who_want_the_same_new_names_one_is_told_that_they_collided(store):
    have_first = asyncio.Barrier(2)

    async def save(*new):
        async with store.unit(ACME) as unit:
            for one in new:
                await _write(unit, one)
                if one is new[0]:
                    await have_first.wait()

    async with asyncio.timeout(10):
        told = await asyncio.gather(
            save(a_revision("rule-1", name="One"), a_revision("rule-2", name="Two")),
            save(a_revision("rule-3", name="Two"), a_revision("rule-4", name="One")),
            return_exceptions=True,
        )

    assert [type(one) for one in told if one is not None] == [CollidedError]
