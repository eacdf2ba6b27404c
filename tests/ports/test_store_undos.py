"""What is remembered of imports so that they can be taken back, on both databases."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import text
from sqlalchemy.dialects import sqlite

from domain.import_model import ImportKind, ImportMode, ImportState
from domain.model import ArtifactStatus
from domain.options import BlockerChoice, UndoWish
from domain.plan_model import ActionKind
from domain.rows import Step
from domain.undo_rows import Portion
from storage import undos
from storage.store import SqlStore
from tests.ports.rows import (
    ACME,
    GLOBEX,
    ORIGIN,
    a_plan,
    a_revision,
    an_action,
    an_import,
    an_installed,
    claimed,
    next_claim,
    running,
    saved,
    submitted,
    with_tenants,
)


async def activated(store: SqlStore, job, *written, **installed):
    """Hold, activate and end an import that wrote these: pairs of an action and its revision."""
    revisions = [new._replace(import_id=job.import_id) for _, new in written]
    async with store.unit(ACME) as unit:
        await unit.imports.save_plan(a_plan(job, *(action for action, _ in written)))
        await unit.imports.hold(revisions)
    async with store.unit(ACME) as unit:
        packages = [an_installed(job, **installed)] if job.undo is None else []
        await unit.imports.activate(job.import_id, packages, written=len(revisions))
        if job.undo is not None:
            await unit.undos.take_back(job.import_id, [Portion(job.undo.import_id)])
        await unit.imports.advance(_end(job))


def _end(job):
    return Step(job.import_id, job.fence, (), {"state": ImportState.SUCCEEDED})


async def brought(store, **installed):
    """An import that made rule-1."""
    job = await running(store)
    new = a_revision("rule-1", origin=ORIGIN._replace(import_id=job.import_id))
    await activated(store, job, (an_action(0, new), new), **installed)
    return job, new


async def undone(store, of):
    """An undo that took an import's rule-1 away."""
    wish = UndoWish(import_id=of.import_id, blockers=BlockerChoice.REFUSE)
    job = an_import(kind=ImportKind.ROLLBACK, undo=wish, packages=())
    await submitted(store, job)
    job = await claimed(store)
    async with store.view(ACME) as view:
        head = (await view.artifacts.heads(["rule-1"]))["rule-1"]
    gone = a_revision("rule-1", number=head.revision + 1, status=ArtifactStatus.DELETED)
    action = an_action(0, gone, kind=ActionKind.REMOVE, existing=head, restores=head.revision_id, base_body_id="")
    await activated(store, job, (action, gone))
    return job


async def test_an_import_is_known_with_what_it_brought_and_wrote(store):
    await with_tenants(store)
    job, new = await brought(store)

    async with store.view(ACME) as view:
        (arrival,) = await view.undos.arrivals_of([job.import_id])
        named = await view.undos.arrivals_named("starter")
        (written,) = await view.undos.written([job.import_id])
        (layer,) = await view.undos.layers([job.import_id])
        jobs = await view.undos.jobs([job.import_id])
        (installed,) = await view.imports.installed()

    assert named == [arrival]
    assert (arrival.portion, arrival.package) == (Portion(job.import_id), installed)
    assert (written.artifact_id, written.number, written.before) == ("rule-1", 1, None)
    assert (layer.revision_id, layer.import_id, layer.restores) == (new.revision_id, job.import_id, None)
    assert jobs[job.import_id].import_id == job.import_id


async def test_what_is_installed_and_the_bases_are_what_is_left_in_effect(store):
    await with_tenants(store)
    job, new = await brought(store)
    undo = await undone(store, job)

    async with store.view(ACME) as view:
        installed = await view.imports.installed()
        bases = await view.imports.merge_bases("starter", "tenant-source")
        found = await view.undos.undone([job.import_id])
        back = await view.undos.taken_back([undo.import_id])
        head = (await view.artifacts.heads(["rule-1"]))["rule-1"]

    assert (installed, bases, head.status) == ([], {}, ArtifactStatus.DELETED)
    assert found.by(Portion(job.import_id)) == undo.import_id
    assert back == {undo.import_id: (Portion(job.import_id),)}

    again = await undone(store, undo)  # it takes the undo back, whatever it writes
    async with store.view(ACME) as view:
        (installed_again,) = await view.imports.installed()
        bases = await view.imports.merge_bases("starter", "tenant-source")
        found = await view.undos.undone([job.import_id])
        reached = await view.undos.reached([Portion(again.import_id)])
    assert installed_again.import_id == job.import_id
    assert bases["rule-source-0"].body_id == new.revision_id
    assert found.by(Portion(job.import_id)) is None
    assert {portion.import_id for portion in reached} == {again.import_id, undo.import_id, job.import_id}


async def test_a_revision_says_which_one_it_is_the_same_as(store):
    await with_tenants(store)
    job, _ = await brought(store)
    async with store.view(ACME) as view:
        head = (await view.artifacts.heads(["rule-1"]))["rule-1"]
    wish = UndoWish(import_id=job.import_id)
    undo = an_import(kind=ImportKind.ROLLBACK, undo=wish, packages=())
    await submitted(store, undo)
    undo = await claimed(store)
    same = a_revision("rule-1", number=2)._replace(restores=head.revision_id)
    action = an_action(0, same, kind=ActionKind.UPDATE, existing=head, base_body_id="")
    await activated(store, undo, (action, same))

    async with store.view(ACME) as view:
        layers = await view.undos.layers([job.import_id])
        now = (await view.artifacts.heads(["rule-1"]))["rule-1"]

    assert [(layer.number, layer.restores) for layer in layers] == [(1, None), (2, head.revision_id)]
    # it says that it is no package's
    assert (now.origin, now.imported_revision) == (None, None)


async def test_who_refers_to_what_is_told_by_what_is_active(store):
    await with_tenants(store)
    await saved(store, a_revision("rule-1"), a_revision("rule-2", targets={"rule-1": 1}))
    first, second = a_revision("rule-3", targets={"rule-1": 1}), a_revision("rule-3", number=2)
    await saved(store, first)
    await saved(store, second)

    async with store.view(ACME) as view:
        referrers = await view.undos.referrers(["rule-1"])
        earlier = await view.undos.references_of([first.revision_id, second.revision_id])

    assert [(one.artifact_id, one.target_id) for one in referrers] == [("rule-2", "rule-1")]
    assert [one.target_id for one in earlier[first.revision_id]] == ["rule-1"]
    assert second.revision_id not in earlier


async def test_another_tenant_sees_nothing_of_all_this(store):
    await with_tenants(store)
    job, new = await brought(store)
    undo = await undone(store, job)
    ids = [job.import_id, undo.import_id]

    async with store.view(GLOBEX) as view:
        undos = view.undos
        seen = [
            await undos.jobs(ids),
            await undos.arrivals_of(ids),
            await undos.arrivals_named("starter"),
            await undos.written(ids),
            await undos.layers(ids),
            await undos.taken_back(ids),
            await undos.referrers(["rule-1"]),
            await undos.references_of([new.revision_id]),
            await undos.left_dangling(undo.import_id),
        ]
        found = await undos.undone(ids)

    assert not any(seen)
    assert found.by(Portion(job.import_id)) is None


async def test_an_undo_is_claimed_before_what_came_first(store):
    await with_tenants(store)
    job, _ = await brought(store)
    waiting = an_import()
    undo = an_import(kind=ImportKind.ROLLBACK, undo=UndoWish(import_id=job.import_id), packages=())
    await submitted(store, waiting, undo)

    first = await claimed(store)

    assert first.import_id == undo.import_id


async def test_a_frozen_tenant_has_only_its_undos_and_plans_claimed(store):
    await with_tenants(store)
    job, _ = await brought(store)
    undo = an_import(kind=ImportKind.ROLLBACK, undo=UndoWish(import_id=job.import_id), packages=())
    plan = an_import(mode=ImportMode.PLAN)
    await submitted(store, an_import(), undo, plan)
    async with store.platform_unit() as unit:
        await unit.tenants.freeze(ACME, "closing")

    given = [await next_claim(store) for _ in range(3)]

    assert {one.import_id for one in given if one} == {undo.import_id, plan.import_id}
    async with store.platform_view() as view:
        tenants = [await view.tenants.find(tenant_id) for tenant_id in (ACME, GLOBEX)]
    assert [tenant.freeze_reason for tenant in tenants] == ["closing", None]


async def test_an_import_that_is_held_goes_back_into_the_line_once_and_not_when_it_is_too_late(store, clock):
    await with_tenants(store)
    jobs = [await running(store)]
    expires = clock.now() + timedelta(days=7)
    async with store.unit(ACME) as unit:
        changes = {"state": ImportState.WAITING_FOR_ACTIVATION, "expires_at": expires}
        await unit.imports.advance(Step(jobs[0].import_id, jobs[0].fence, (), changes))
    async with store.platform_view() as view:
        early = await view.jobs.overdue_waiting(clock.now())
        late = await view.jobs.overdue_waiting(expires + timedelta(seconds=1))

    async with store.unit(GLOBEX) as unit:
        foreign = await unit.imports.switch_on(jobs[0].import_id)
    async with store.unit(ACME) as unit:
        first, second = [await unit.imports.switch_on(jobs[0].import_id) for _ in range(2)]

    assert (early, late) == ([], [(ACME, jobs[0].import_id)])
    assert (foreign, first, second) == (False, True, False)


# a small table's plan says nothing on PostgreSQL
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_no_question_about_an_undo_reads_all_that_its_tenant_has(store):
    asked = {name: getattr(undos, f"_{name}") for name in ("ARRIVALS_OF", "LAYERS", "REFERENCES_OF", "DANGLING")}
    asked |= {"TO_THESE": undos._TO_THESE, "WRITTEN": undos._WRITTEN, "BASES_AGAIN": undos._BASES_AGAIN["sqlite"]}
    read = {}
    async with store._engines.reader.connect() as connection:
        for name, statement in asked.items():
            found = (
                str(statement.compile(dialect=sqlite.dialect()))
                .replace("__[POSTCOMPILE_ids]", "?, ?")
                .replace("?", "'x'")
            )
            rows = await connection.execute(text(f"EXPLAIN QUERY PLAN {found}"))
            read[name] = [row[-1] for row in rows if row[-1].startswith("SCAN") or "(tenant_id=?)" in row[-1]]

    assert read == {name: [] for name in asked}
