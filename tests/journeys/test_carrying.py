"""What is written in parts, and what is read while others write, comes to the same as in one step."""

from __future__ import annotations

import asyncio

import pytest

from domain import carrying
from domain.import_model import ImportState
from domain.importing import SMALL_ARTIFACTS
from domain.options import Decision
from storage.holding import Holding
from tests.journeys.inside import ACME, GLOBEX, SKIP
from tests.journeys.trouble import KilledError, Troubled, killed
from tests.makers import a_bundle, an_entity


class EachTime(Troubled):
    """Looks on after every transaction."""

    def _is_it(self):
        return True


LARGE = a_bundle(*[an_entity(f"ent-{n}", name=f"E{n:02}") for n in range(SMALL_ARTIFACTS + 1)])


async def test_others_write_while_what_is_held_is_verified(inside, monkeypatch):
    read = Holding.unreadable

    async def unreadable(self, import_id):
        await inside.save(ACME, an_entity("ent-1", name="Meanwhile"))
        return await read(self, import_id)

    monkeypatch.setattr(Holding, "unreadable", unreadable)
    async with asyncio.timeout(30):
        job = await inside.bring(GLOBEX, LARGE)

    assert job.state is ImportState.SUCCEEDED
    assert set(await inside.heads(ACME)) == {"Meanwhile"}


async def test_who_hears_that_the_plan_is_made_finds_all_of_it(inside, monkeypatch):
    monkeypatch.setattr(carrying, "ACTIONS_AT_ONCE", 20)
    submitted = await inside.submit(GLOBEX, LARGE)
    found = []

    async def look():
        if any(event.message.startswith("The plan is made") for event in await inside.events(submitted.import_id)):
            made = await inside.services.records.plan(inside.caller, submitted.plan_id, None)
            found.append(made is not None)

    await inside.over(EachTime(inside.sql, after=look)).services.importer.run(await inside.claim())

    assert (await inside.job(submitted.import_id)).state is ImportState.SUCCEEDED
    assert set(found) == {True}


async def test_a_conflict_keeps_its_id_when_the_process_dies_while_the_plan_is_made_anew(inside, monkeypatch):
    monkeypatch.setattr(carrying, "ACTIONS_AT_ONCE", 1)
    await inside.save(GLOBEX, an_entity("ent-90", "hours", name="E30"))
    waiting = await inside.bring(GLOBEX, LARGE)
    (row,) = waiting.outcome["conflictReport"]["conflicts"]
    await inside.save(GLOBEX, an_entity("ent-91", "hours", name="E00"))

    await inside.services.line.resume(inside.caller, waiting.import_id, None, {row["conflictId"]: Decision(SKIP)})
    # the first transaction has the scan, the second the plan
    dying = inside.over(Troubled(inside.sql, 2, after=killed))
    with pytest.raises(KilledError):
        await dying.services.importer.run(await inside.claim())
    await inside.services.upkeep.requeue_lost(all_running=True)
    job = await inside.run_next()

    async with inside.sql.view(GLOBEX) as view:
        actions = (await view.imports.actions(job.import_id, first=100)).items
    assert job.state is ImportState.WAITING_FOR_DECISIONS
    ids = {action.name: action.conflict_key for action in actions if action.conflict_key}
    assert ids == {"E30": row["conflictId"], "E00": "conf-002"}
