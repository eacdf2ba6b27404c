"""Commits are counted so that whoever remembers what was read knows when it may be otherwise."""

from __future__ import annotations

import asyncio

import pytest

from tests.ports.rows import ACME, a_revision, saved, with_tenants


async def test_each_commit_is_counted_before_its_maker_goes_on(store):
    await with_tenants(store)
    before = store.changes.count

    async with store.unit(ACME) as unit:
        await unit.artifacts.write([a_revision("rule-1")])
        inside = store.changes.count
    after = store.changes.count

    assert inside == before
    assert after == before + 1


async def test_what_is_only_looked_at_changes_nothing(store):
    await with_tenants(store)
    before = store.changes.count

    async with store.view(ACME) as view:
        await view.artifacts.heads(["rule-1"])

    assert store.changes.count == before


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_a_commit_of_nothing_changes_nothing(store):
    """Workers look for work in units, again and again."""
    await with_tenants(store)
    before = store.changes.count

    async with store.unit(ACME) as unit:
        await unit.artifacts.heads(["rule-1"])
    looked = store.changes.count
    async with store.unit(ACME) as unit:
        await unit.artifacts.write([a_revision("rule-1")])

    assert looked == before
    assert store.changes.count == before + 1


async def test_a_unit_that_was_given_up_before_its_commit_changes_nothing(store):
    await with_tenants(store)
    before = store.changes.count

    with pytest.raises(KeyError):  # noqa: PT012 - the unit is the statement
        async with store.unit(ACME) as unit:
            await unit.artifacts.write([a_revision("rule-1")])
            raise KeyError

    assert store.changes.count == before


async def test_nobody_knows_what_is_there_from_before_a_commit_until_after_it(store):
    """Whoever is cancelled in the middle of a commit does not know either, and the next who writes does."""
    await with_tenants(store)

    async def save(number):
        async with store.unit(ACME) as unit:
            await unit.artifacts.write([a_revision(f"rule-{number}")])

    before = store.changes.count
    for number in range(10):
        task = asyncio.create_task(save(number))
        while store.changes.count is not None and not task.done():
            await asyncio.sleep(0)
        assert store.changes.count is None
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert store.changes.count == before + number + 1
    await saved(store, a_revision("rule-last"))

    assert store.changes.count == before + 11
