"""How statements reach the database: prepared once, several in one trip, and nothing left of what was not committed."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from random import Random

import pytest
from sqlalchemy import bindparam, delete, insert, or_, select, update

from domain.model import ArtifactFilter, ArtifactStatus
from domain.ports import NameTakenError, RevisionMovedError, UnavailableError
from storage.engines import Engines
from storage.prepared import Step, prepared
from storage.sql import SQLITE
from storage.store import SqlStore
from storage.tables import artifact, import_event, outbox, revision_body
from tests.ports.rows import ACME, GLOBEX, a_revision, saved

_OUTBOX = select(outbox.c.kind).where(outbox.c.tenant_id == bindparam("tenant")).order_by(outbox.c.message_id)
_B = revision_body.c
_ORPHAN = Step("INSERT INTO scan_report (import_id, ordinal, tenant_id, report) VALUES ('no-import', 0, 't', '{}')")


async def _posted(store):
    async with store.view(ACME) as view:
        return [row[0] for row in await view._session.rows(_OUTBOX, {"tenant": ACME})]


async def _post(store, *kinds):
    async with store.unit(ACME) as unit:
        for kind in kinds:
            await unit.imports.post(kind, {})


async def _trips_of(store, monkeypatch, use):
    trips = []
    async with store.unit(ACME) as unit:
        kind = type(unit._session._driver)
    together = kind.together

    async def counted(driver, steps):
        trips.append([step.sql for step in steps])
        return await together(driver, steps)

    monkeypatch.setattr(kind, "together", counted)
    await use()
    return trips


async def test_what_needs_no_answer_goes_with_the_commit(store, monkeypatch):
    trips = await _trips_of(store, monkeypatch, lambda: _post(store, "a", "b"))

    assert [(len(trip), trip[0].split()[0], trip[-1]) for trip in trips] == [(4, "BEGIN", "COMMIT")]
    assert await _posted(store) == ["a", "b"]


async def test_a_unit_that_does_nothing_asks_the_database_nothing(store, monkeypatch):
    assert await _trips_of(store, monkeypatch, lambda: _post(store)) == []


async def test_a_question_sees_what_the_unit_wrote_before_it(store):
    async with store.unit(ACME) as unit:
        await unit.imports.post("a", {})
        found = await unit._session.rows(_OUTBOX, {"tenant": ACME})
        await unit.imports.post("b", {})

    assert [row[0] for row in found] == ["a"]
    assert await _posted(store) == ["a", "b"]


async def test_what_is_not_as_demanded_is_put_right_before_what_stands_behind_it(store):
    async with store.unit(ACME) as unit:

        async def put_right(count):
            await unit.imports.post(f"{count} were there", {})

        unit._session.demand(_OUTBOX, {"tenant": ACME}, 1, put_right)
        await unit.imports.post("behind", {})

    assert await _posted(store) == ["0 were there", "behind"]


async def test_what_is_as_demanded_goes_on_and_what_cannot_be_put_right_leaves_nothing(store):
    await _post(store, "a")

    async def refuse(count):
        raise RevisionMovedError(str(count))

    async with store.unit(ACME) as unit:
        unit._session.demand(_OUTBOX, {"tenant": ACME}, 1, refuse)
        await unit.imports.post("b", {})
    with pytest.raises(RevisionMovedError, match=r"^3$"):  # noqa: PT012 - the unit is the statement
        async with store.unit(ACME) as unit:
            await unit.imports.post("c", {})
            unit._session.demand(_OUTBOX, {"tenant": ACME}, 3, refuse)
            unit._session.demand(_OUTBOX, {"tenant": ACME}, 1, refuse)
    with pytest.raises(RuntimeError, match="cannot be committed"):  # noqa: PT012 - the unit is the statement
        async with store.unit(ACME) as unit:
            unit._session.demand(_OUTBOX, {"tenant": ACME}, 3, refuse)
            with suppress(RevisionMovedError):
                await unit._session.rows(_OUTBOX, {"tenant": ACME})

    assert await _posted(store) == ["a", "b"]


async def test_what_tells_of_a_time_is_made_when_it_is_its_turn(store):
    order = []

    async def put_right(count):
        order.append(f"{count} were there")

    def as_of(now):
        order.append("made")
        return [{"tenant_id": ACME, "at": now, "kind": "late", "payload": {}}]

    async with store.unit(ACME) as unit:
        unit._session.demand(_OUTBOX, {"tenant": ACME}, 1, put_right)
        unit._session.later_as_of(insert(outbox), as_of)

    # the first tells its form
    assert order == ["made", "0 were there", "made"]
    assert await _posted(store) == ["late"]


async def test_an_error_of_what_waited_is_the_ports_and_nothing_is_left(store):
    await saved(store, a_revision("rule-1", name="Taken"))
    rename = update(artifact).where(artifact.c.artifact_id == bindparam("id")).values(name_key="taken")

    with pytest.raises(NameTakenError):  # noqa: PT012 - the unit is the statement
        async with store.unit(ACME) as unit:
            await unit.imports.post("a", {})
            await unit.artifacts.write([a_revision("rule-2")])
            unit._session.later(rename, {"id": "rule-2"})

    assert await _posted(store) == []
    async with store.view(ACME) as view:
        assert list(await view.artifacts.heads(["rule-1", "rule-2"])) == ["rule-1"]


async def test_a_write_in_a_view_is_not_lost_silently(store, database_url):
    if "sqlite" not in database_url:
        # PostgreSQL's views share the pool of its units
        return

    with pytest.raises(UnavailableError, match="readonly"):
        async with store.view(ACME) as view:
            await view.imports.post("a", {})


async def test_what_fails_in_a_savepoint_leaves_the_rest_of_the_unit(store):
    await saved(store, a_revision("rule-1", name="Taken"))

    async with store.unit(ACME) as unit:
        await unit.imports.post("before", {})
        with suppress(NameTakenError):
            async with unit._session.savepoint():
                await unit.imports.post("inside", {})
                await unit.artifacts.write([a_revision("rule-2", name="Taken")])
        with suppress(KeyError):
            async with unit._session.savepoint():
                await unit.imports.post("never sent", {})
                raise KeyError
        async with unit._session.savepoint():
            await unit.imports.post("kept", {})
        await unit.imports.post("after", {})

    assert await _posted(store) == ["before", "kept", "after"]


@pytest.mark.parametrize("turns", range(12))
async def test_a_unit_cancelled_at_any_moment_leaves_nothing_and_the_next_begins_cleanly(store, turns):
    sleeping = asyncio.Event()

    async def write():
        async with store.unit(ACME) as unit:
            await unit._session.run(delete(import_event).where(import_event.c.tenant_id == ACME))
            await unit.imports.post("a", {})
            await unit._session.rows(_OUTBOX, {"tenant": ACME})
            await unit.imports.post("b", {})
            sleeping.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(write())
    for _ in range(turns):
        await asyncio.sleep(0)
    if turns > 9:
        await sleeping.wait()
    task.cancel()
    if turns == 11:
        # again, while the unit is being undone
        await asyncio.sleep(0)
        task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    await _post(store, "next")
    assert await _posted(store) == ["next"]


async def test_a_commit_that_fails_leaves_nothing_and_the_next_unit_begins_cleanly(store, database_url):
    if "sqlite" not in database_url:
        # PostgreSQL's rules are looked at before the commit
        return
    for _ in range(2):
        with pytest.raises(Exception, match="FOREIGN KEY"):  # noqa: PT012 - the unit is the statement
            async with store.unit(ACME) as unit:
                await unit.imports.post("a", {})
                await unit._session._send(Step("PRAGMA defer_foreign_keys=ON"))
                await unit._session._send(_ORPHAN)

    await _post(store, "next")
    assert await _posted(store) == ["next"]


async def test_a_unit_whose_caller_goes_away_is_whole_or_nothing(store):
    for number in range(30):
        task = asyncio.create_task(_post(store, f"{number}:a", f"{number}:b"))
        for _ in range(number):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    posted = await _posted(store)
    numbers = dict.fromkeys(kind.partition(":")[0] for kind in posted)
    assert posted == [f"{number}:{letter}" for number in numbers for letter in "ab"]


@pytest.mark.postgres
async def test_a_statement_cut_off_in_the_middle_costs_its_connection_and_no_other(postgres_url, bell, clock):
    store = SqlStore(Engines.open(postgres_url, pool=1), bell, clock)

    async def wait(unit):
        await unit.imports.post("a", {})
        await unit._session._send(Step("SELECT pg_sleep(60)", gives_rows=True))

    async def wait_in_a_unit():
        async with store.unit(ACME) as unit:
            await wait(unit)

    task = asyncio.create_task(wait_in_a_unit())
    await _until_asleep(postgres_url)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    await _post(store, "next")
    assert await _posted(store) == ["next"]
    await store.aclose()


async def _until_asleep(url):
    engines = Engines.open(url, pool=1)
    asleep = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'PgSleep'"
    async with engines.writer.connect() as connection:
        while not (await connection.exec_driver_sql(asleep)).scalar_one():
            # a transaction sees all along what it saw first there
            await connection.rollback()
            await asyncio.sleep(0.01)
    await engines.close()


@pytest.mark.parametrize("length", [0, 1, 2, 3, 5, 33, 500, 501])
async def test_a_list_of_any_length_finds_exactly_its_members(store, length):
    numbers = range(40)
    await saved(store, *(a_revision(f"rule-{n}") for n in numbers))
    asked = [f"rule-{n}" for n in range(length)]

    async with store.view(ACME) as view:
        found = await view.artifacts.heads(asked)

    assert set(found) == {f"rule-{n}" for n in numbers if n < length}


async def test_statements_that_differ_in_their_values_only_are_not_taken_for_each_other(store):
    await saved(store, a_revision("rule-1", name="One"), a_revision("rule-2", name="Two", status=ArtifactStatus.DRAFT))
    await saved(store, a_revision("rule-3", name="Three"), tenant_id=GLOBEX)

    async def names(**wanted):
        async with store.view(ACME) as view:
            return [head.name for head in (await view.artifacts.page(ArtifactFilter(**wanted), first=9)).items]

    assert (await names(search="on"), await names(search="tw"), await names(search="thr")) == (["One"], ["Two"], [])
    draft, published = frozenset({ArtifactStatus.DRAFT}), frozenset({ArtifactStatus.PUBLISHED})
    assert (await names(statuses=draft), await names(statuses=published)) == (["Two"], ["One"])
    assert await names(statuses=draft | published) == ["One", "Two"]


def test_statements_alike_share_what_was_compiled_and_keep_their_own_values():
    one, other = (prepared(select(artifact.c.name).where(artifact.c.name == name), SQLITE, ()) for name in "ab")

    assert one.layout is other.layout
    assert (one.step({}).parameters, other.step({}).parameters) == (["a"], ["b"])


def test_statements_that_bring_many_values_are_not_remembered():
    def of(count):
        return prepared(
            select(artifact.c.name).where(or_(*(artifact.c.name == str(n) for n in range(count)))), SQLITE, ()
        )

    assert of(64).layout is of(64).layout
    assert of(65).layout is not of(65).layout
    assert of(65).step({}).parameters == [str(n) for n in range(65)]


def test_a_long_list_that_a_statement_brings_is_looked_for_and_its_sql_is_not_remembered():
    def of(count):
        return prepared(select(artifact.c.name).where(artifact.c.name.in_([str(n) for n in range(count)])), SQLITE, ())

    long, short = of(600), of(500)

    assert set(long.step({}).parameters) == {str(n) for n in range(600)}
    assert set(short.step({}).parameters) == {str(n) for n in range(500)}
    assert set(short.layout.shapes) == {(512,)}


def test_a_list_that_should_have_been_asked_for_in_chunks_is_a_mistake_of_ours():
    ready = prepared(select(artifact.c.name).where(artifact.c.name.in_(bindparam("names", expanding=True))), SQLITE, ())

    with pytest.raises(ValueError, match="names: a list of 501"):
        ready.step({"names": ["x"] * 501})


#: a megabyte stays one however it is kept
_NOTHING_TO_DEFLATE = Random(1).randbytes(1_000_000)


async def test_a_column_that_is_null_in_some_rows_or_in_all_is_written_as_it_is(store):
    rows = {"tenant_id": [ACME] * 2, "body_id": ["one", "two"], "body": [b"1", b"2"], "content_size": [None] * 2}

    async with store.unit(ACME) as unit:
        unit._session.add_columns({revision_body: {**rows, "sha256": [None, b"x"]}})

    async with store.view(ACME) as view:
        found = await view._session.rows(select(_B.body_id, _B.sha256, _B.content_size).order_by(_B.body_id))
    assert [tuple(row) for row in found] == [("one", None, None), ("two", b"x", None)]


async def test_a_database_that_is_full_is_unavailable_and_works_again_when_there_is_room(store, database_url):
    if "sqlite" not in database_url:
        # nobody can tell PostgreSQL how much it may keep
        return

    with pytest.raises(UnavailableError, match="full"):  # noqa: PT012 - the unit is the statement
        async with store.unit(ACME) as unit:
            await unit._session._send(Step("PRAGMA max_page_count=1"))
            await unit.artifacts.write([a_revision("rule-1", body=_NOTHING_TO_DEFLATE)])

    async with store.unit(ACME) as unit:
        await unit._session._send(Step("PRAGMA max_page_count=1000000"))
    (head,) = await saved(store, a_revision("rule-1", body=_NOTHING_TO_DEFLATE))
    assert head.revision == 1
