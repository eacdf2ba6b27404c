"""Which imports touched an artifact, over SQLite and PostgreSQL."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from domain.artifact_types import ArtifactType
from domain.import_model import EventKind, ImportMode, ImportState
from domain.model import ArtifactStatus, ImportId, name_key
from domain.options import ConflictStrategy
from domain.plan_model import ActionKind
from domain.rows import Page, Step, Touch
from storage import conflicts
from storage.prepared import prepared
from tests.clocks import NOON
from tests.ports.rows import (
    ACME,
    GLOBEX,
    a_plan,
    a_revision,
    an_action,
    an_import,
    an_installed,
    claimed,
    progress,
    saved,
    submitted,
    with_tenants,
)

KEY = name_key("Name of rule-1")
RULES = [ArtifactType.RULE_SET]


@pytest.fixture(autouse=True)
async def tenants(store):
    await with_tenants(store)


async def brought(store, action, new=None, *, day=0, state=ImportState.SUCCEEDED, **fields):
    """An import of one artifact that has ended; what it wrote is active when it succeeded."""
    await submitted(store, an_import(**fields))
    job = await claimed(store)
    at = NOON + timedelta(days=day)
    async with store.unit(job.tenant_id) as unit:
        await unit.imports.save_plan(a_plan(job, action))
        if new is not None:
            await unit.imports.hold([new._replace(import_id=job.import_id)])
        if state is ImportState.SUCCEEDED and job.mode is ImportMode.APPLY:
            await unit.imports.activate(job.import_id, [an_installed(job)], written=0 if new is None else 1)
        named = {"package_name": "Starter", "package_version": f"1.{day}.0"}
        event = progress(10, kind=EventKind.ENDED, state=state)
        await unit.imports.advance(Step(job.import_id, job.fence, (event,), {"state": state, "ended_at": at, **named}))
    return job


async def updated(store, head, *, strategy=ConflictStrategy.REPLACE, **changes):
    """An import that replaces an artifact by its next version."""
    new = a_revision(head.artifact_id, number=head.revision + 1, version="2.0.0")
    action = an_action(0, new, kind=ActionKind.UPDATE, existing=head, conflict_key="conf-001", strategy=strategy)
    return await brought(store, action, new, **changes)


async def touched(store, tenant_id=ACME, key=KEY, types=RULES, *, page=1, page_size=10):
    async with store.view(tenant_id) as unit:
        return await unit.imports.touched(key, types, page=page, page_size=page_size)


async def head_of(store, artifact_id="rule-1", tenant_id=ACME):
    async with store.view(tenant_id) as unit:
        return (await unit.artifacts.heads([artifact_id]))[artifact_id]


async def conflict(store, job, key, tenant_id=ACME):
    async with store.view(tenant_id) as unit:
        return await unit.imports.conflict(job.import_id, key)


async def test_a_conflict_is_found_by_its_id_within_its_import_and_its_tenant(store):
    await submitted(store, an_import())
    job = await claimed(store)
    actions = [an_action(0), *(an_action(n, conflict_key=f"conf-00{n}") for n in (1, 2, 3))]
    async with store.unit(job.tenant_id) as unit:
        await unit.imports.save_plan(a_plan(job, *actions))

    assert await conflict(store, job, "conf-002") == actions[2]
    assert await conflict(store, job, "conf-004") is None
    assert await conflict(store, job, "") is None
    assert await conflict(store, job, "conf-002", GLOBEX) is None
    assert await conflict(store, replace(job, import_id=ImportId("imp-unknown")), "conf-002") is None


async def test_what_made_and_what_replaced_an_artifact_is_found_newest_first(store):
    new = a_revision("rule-1")
    made = await brought(store, an_action(0, new), new)
    replaced = await updated(store, await head_of(store), day=1)

    found = await touched(store)

    update = Touch(
        import_id=replaced.import_id,
        imported_at=NOON + timedelta(days=1),
        package_name="Starter",
        package_version="1.1.0",
        conflict_key="conf-001",
        strategy=ConflictStrategy.REPLACE,
        previous_version="1.0.0",
        new_version="2.0.0",
    )
    creation = Touch(made.import_id, NOON, "Starter", "1.0.0", None, None, None, "1.0.0")
    assert found == Page((update, creation), 2)


async def test_a_skip_is_found_and_what_nobody_wished_for_is_not(store):
    (head,) = await saved(store, a_revision("rule-1"))
    met: dict[str, Any] = {"existing": head, "conflict_key": "conf-001", "written_version": head.version}
    skip: dict[str, Any] = {"kind": ActionKind.SKIP, "strategy": ConflictStrategy.SKIP, "to_version": "3.0.0"}
    skipped = await brought(store, an_action(0, **met, **skip))
    await brought(store, an_action(0, **met, kind=ActionKind.UNCHANGED), day=1)

    (one,) = (await touched(store)).items

    assert (one.import_id, one.strategy) == (skipped.import_id, ConflictStrategy.SKIP)
    assert (one.previous_version, one.new_version) == ("1.0.0", "1.0.0")


async def test_imports_that_came_to_nothing_and_dry_runs_touched_nothing(store):
    (head,) = await saved(store, a_revision("rule-1"))
    await updated(store, head, state=ImportState.FAILED)
    await updated(store, head, state=ImportState.CANCELLED)
    await updated(store, head, mode=ImportMode.PLAN)

    assert await touched(store) == Page((), 0)


async def test_a_deleted_artifact_still_tells_what_touched_it(store):
    new = a_revision("rule-1")
    await brought(store, an_action(0, new), new)
    await saved(store, a_revision("rule-1", number=2, status=ArtifactStatus.DELETED))

    assert (await touched(store)).total_count == 1


async def test_pages_are_counted_and_hold_what_they_should(store):
    (head,) = await saved(store, a_revision("rule-1"))
    for day in range(5):
        await updated(store, head, day=day)
        head = await head_of(store)

    pages = [await touched(store, page=page, page_size=2) for page in (1, 2, 3, 4)]

    assert [page.total_count for page in pages] == [5] * 4
    found = [[one.package_version for one in page.items] for page in pages]
    assert found == [["1.4.0", "1.3.0"], ["1.2.0", "1.1.0"], ["1.0.0"], []]


async def test_the_name_is_found_under_its_own_type_only(store):
    new = a_revision("rule-1")
    await brought(store, an_action(0, new), new)

    assert await touched(store, types=[ArtifactType.ATLAS_FORM]) == Page((), 0)
    assert (await touched(store, types=list(ArtifactType))).total_count == 1
    assert await touched(store, key=name_key("Name of rule-2")) == Page((), 0)


async def test_what_touched_an_artifact_does_not_show_other_tenants(store):
    for tenant_id in (ACME, GLOBEX):
        await saved(store, a_revision("rule-1"), tenant_id=tenant_id)
    await updated(store, await head_of(store, tenant_id=GLOBEX), tenant_id=GLOBEX)

    assert await touched(store, ACME) == Page((), 0)
    assert (await touched(store, GLOBEX)).total_count == 1


async def test_a_copy_touched_the_artifact_beside_which_it_was_made(store):
    (head,) = await saved(store, a_revision("rule-1"))
    new = a_revision("rule-2")
    met: dict[str, Any] = {"existing": head, "conflict_key": "conf-001", "strategy": ConflictStrategy.COPY}
    await brought(store, an_action(0, new, kind=ActionKind.COPY, **met), new)

    (one,) = (await touched(store)).items

    assert (one.strategy, one.previous_version) == (ConflictStrategy.COPY, "1.0.0")


# a small table's plan says nothing on PostgreSQL
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_what_touched_an_artifact_is_looked_up_and_not_searched_for(store):
    values = {"tenant": ACME, "key": KEY, "types": RULES}
    step = prepared(conflicts._COUNT, "sqlite", tuple(values)).step(values)
    async with store.view(ACME) as view:
        asked = step._replace(sql=f"EXPLAIN QUERY PLAN {step.sql}", gives_rows=True)
        told = await view._session._driver.together([asked])
    plan = [row[-1] for row in told.rows]

    looked_up = {word for line in plan for word in line.split() if word.startswith("ix_")}
    assert {"ix_plan_action_revision", "ix_plan_action_met", "ix_revision_number"} <= looked_up
    assert not [line for line in plan if line.startswith("SCAN") and "anon" not in line]
