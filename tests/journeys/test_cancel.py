"""A cancel is heard until the activation begins; then it is too late, and nothing in between."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from domain.errors import ErrorCode, Refusal
from domain.holding import BATCH_REVISIONS
from domain.import_model import EventKind, ImportState
from tests.journeys.inside import ACME, GLOBEX, is_whole
from tests.journeys.trouble import Troubled
from tests.makers import a_bundle, a_suite, an_entity

BIG = a_bundle(*[an_entity(f"ent-{n}", name=f"E{n}") for n in range(BATCH_REVISIONS + 5)])
SMALL = a_bundle(*a_suite())


def cancelling(inside, import_id):
    async def cancel():
        await inside.services.line.cancel(inside.caller, import_id, None)

    return cancel


async def transactions(inside, raw):
    await inside.submit(ACME, raw)
    store = Troubled(inside.sql)
    await inside.over(store).services.importer.run(await inside.claim())
    return store.count


@pytest.mark.parametrize("raw", [SMALL, BIG], ids=["small", "big"])
async def test_a_cancel_before_any_transaction_is_heard_even_right_before_the_activation(inside, raw):
    count = await transactions(inside, raw)

    for at in range(1, count + 1):
        submitted = await inside.submit(GLOBEX, raw)
        store = Troubled(inside.sql, at, before=cancelling(inside, submitted.import_id))
        await inside.over(store).services.importer.run(await inside.claim())

        job = await inside.job(submitted.import_id)
        events = await inside.events(submitted.import_id)
        assert (job.state, job.failure.code) == (ImportState.CANCELLED, ErrorCode.IMPORT_CANCELLED.wire)
        assert await inside.heads(GLOBEX) == {}
        assert (await inside.tenant_counts(GLOBEX))["revision"] == 0
        assert is_whole(events)
        assert EventKind.WAITING not in {event.kind for event in events}
        assert events[-1].progress.percent < 100


async def test_a_cancel_after_the_activation_is_too_late(inside):
    job = await inside.bring(GLOBEX, SMALL)

    with pytest.raises(Refusal) as caught:
        await inside.services.line.cancel(inside.caller, job.import_id, None)

    assert caught.value.code is ErrorCode.CANCEL_TOO_LATE
    assert await inside.job(job.import_id) == job


async def test_a_cancel_that_comes_while_the_import_is_about_to_pause_ends_it(inside):
    await inside.save(GLOBEX, an_entity("ent-1", "hours", name="EntitySchema 44"))
    submitted = await inside.submit(GLOBEX, SMALL)
    store = Troubled(inside.sql, 1, before=cancelling(inside, submitted.import_id))

    await inside.over(store).services.importer.run(await inside.claim())

    assert (await inside.job(submitted.import_id)).state is ImportState.CANCELLED
    assert is_whole(await inside.events(submitted.import_id))


async def test_a_queued_import_is_cancelled_at_once_and_never_claimed(inside):
    submitted = await inside.submit(GLOBEX, SMALL)

    job = await inside.services.line.cancel(inside.caller, submitted.import_id, None)

    assert job.state is ImportState.CANCELLED
    assert await inside.claim() is None
    assert is_whole(await inside.events(submitted.import_id))


async def test_a_waiting_import_is_cancelled_at_once_and_cannot_be_resumed(inside):
    await inside.save(GLOBEX, an_entity("ent-1", "hours", name="EntitySchema 44"))
    paused = await inside.bring(GLOBEX, SMALL)

    job = await inside.services.line.cancel(inside.caller, paused.import_id, None)

    with pytest.raises(Refusal) as caught:
        await inside.services.line.resume(inside.caller, paused.import_id, None, {})
    assert (job.state, caught.value.code) == (ImportState.CANCELLED, ErrorCode.BAD_USER_INPUT)
    assert is_whole(await inside.events(paused.import_id))


async def audited(inside, job):
    """What the audit of an import tells of its way to its end."""
    return [entry.action for entry in await inside.services.records.audit(inside.caller, job)]


@pytest.mark.parametrize("state", ["in line", "waiting"])
async def test_cancelling_twice_is_the_same_as_once_and_is_audited_once(inside, state):
    await inside.save(GLOBEX, an_entity("ent-1", "hours", name="EntitySchema 44"))
    submitted = await (inside.submit if state == "in line" else inside.bring)(GLOBEX, SMALL)
    before = await audited(inside, submitted)

    first = await inside.services.line.cancel(inside.caller, submitted.import_id, None)
    second = await inside.services.line.cancel(inside.caller, submitted.import_id, None)

    assert first == second
    assert await audited(inside, submitted) == [*before, "import.cancelled"]


async def test_a_running_import_that_is_asked_to_stop_again_and_again_is_audited_once(inside):
    submitted = await inside.submit(GLOBEX, SMALL)
    job = await inside.claim()
    cancel = cancelling(inside, submitted.import_id)

    for _ in range(3):
        await cancel()
    await inside.services.importer.run(job)
    await cancel()

    assert await audited(inside, submitted) == ["import.cancel-requested", "import.cancelled"]


async def test_cancels_that_meet_each_other_are_audited_once(inside):
    submitted = await inside.submit(GLOBEX, SMALL)

    await asyncio.gather(*(cancelling(inside, submitted.import_id)() for _ in range(4)))

    assert await audited(inside, submitted) == ["import.cancelled"]


async def test_an_import_that_waited_too_long_is_audited_once(inside):
    await inside.save(GLOBEX, an_entity("ent-1", "hours", name="EntitySchema 44"))
    paused = await inside.bring(GLOBEX, SMALL)
    inside.clock.advance(timedelta(days=2))

    for _ in range(2):
        await inside.services.upkeep.expire_waiting()

    assert await audited(inside, paused) == ["import.waiting", "import.expired"]
    with pytest.raises(Refusal):
        await inside.services.line.cancel(inside.caller, paused.import_id, None)
    assert await audited(inside, paused) == ["import.waiting", "import.expired"]


async def test_a_running_import_that_was_asked_to_stop_shows_it(inside):
    submitted = await inside.submit(GLOBEX, SMALL)
    await inside.claim()

    job = await inside.services.line.cancel(inside.caller, submitted.import_id, None)

    assert (job.state, job.shown_state) == (ImportState.RUNNING, ImportState.CANCELLING)


@pytest.mark.parametrize("raw", [SMALL, BIG], ids=["small", "big"])
@pytest.mark.parametrize(
    ("limit", "code"),
    [("install_seconds", ErrorCode.TRANSACTION_TIMEOUT), ("verify_seconds", ErrorCode.VERIFICATION_TIMEOUT)],
)
async def test_a_stage_that_takes_too_long_fails_and_leaves_nothing(inside, raw, limit, code):
    hurried = inside.over(inside.sql, **{limit: 0})
    submitted = await inside.submit(GLOBEX, raw)

    await hurried.services.importer.run(await inside.claim())

    job = await inside.job(submitted.import_id)
    assert (job.state, job.failure.code, job.failure.status) == (ImportState.FAILED, code.wire, 422)
    assert (await inside.tenant_counts(GLOBEX))["revision"] == 0
    assert is_whole(await inside.events(submitted.import_id))
