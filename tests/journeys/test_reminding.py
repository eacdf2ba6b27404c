"""Who waits for somebody is told before it is given up, once for each wait (decisions R40)."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from domain.import_model import ImportState
from domain.notices.model import NoticeKind
from domain.options import Activation, ConflictStrategy, Decision
from tests.journeys.inside import GLOBEX
from tests.makers import a_bundle, an_entity

HOUR = timedelta(hours=1)
FILE = a_bundle(an_entity("ent-1", name="One"))


async def told(inside):
    """Kind, title and body of all that the caller is told."""
    await inside.services.relay.empty()
    page = await inside.services.notices.page(inside.caller, inside.caller.reach, first=10)
    return [(one.kind, one.title, one.body) for one in page.items if one.kind is NoticeKind.IMPORT_EXPIRES]


@pytest.fixture
async def waiting(inside):
    """An import that waits for decisions."""
    await inside.save(GLOBEX, an_entity("ent-9", "own", name="One"))
    return await inside.bring(GLOBEX, FILE)


async def test_whoever_submitted_an_import_is_told_some_hours_before_it_is_given_up(inside, waiting):
    early = await inside.services.upkeep.remind_waiting(), await told(inside)
    inside.clock.advance(20 * HOUR)

    counts = [await inside.services.upkeep.remind_waiting() for _ in range(2)]

    assert early == (0, [])
    assert counts == [1, 0]
    assert await told(inside) == [
        (
            NoticeKind.IMPORT_EXPIRES,
            f"The import of {waiting.package_name} {waiting.package_version} is given up soon",
            "It waits for decisions about its conflicts, until 2026-03-03T12:00:00Z.",
        )
    ]


async def test_an_import_that_goes_on_meanwhile_is_told_of_by_nobody(inside, waiting):
    inside.clock.advance(20 * HOUR)
    await inside.services.upkeep.remind_waiting()
    await inside.services.line.cancel(inside.caller, waiting.import_id, None)

    assert await told(inside) == []


async def test_an_import_is_told_of_again_when_it_waits_for_something_else(inside):
    await inside.save(GLOBEX, an_entity("ent-9", "own", name="One"))
    first = await inside.bring(GLOBEX, FILE, activation=Activation.MANUAL)
    inside.clock.advance(20 * HOUR)
    await inside.services.upkeep.remind_waiting()
    await told(inside)
    decisions = {"conf-001": Decision(ConflictStrategy.REPLACE)}
    await inside.services.line.resume(inside.caller, first.import_id, None, decisions)
    held = await inside.run_next()
    between = await inside.services.upkeep.remind_waiting()
    inside.clock.advance(held.expires_at - inside.clock.now() - HOUR)

    later = await inside.services.upkeep.remind_waiting()

    assert held.state is ImportState.WAITING_FOR_ACTIVATION
    assert (between, later) == (0, 1)
    assert [body.partition(",")[0] for _, _, body in await told(inside)] == [
        "It waits for somebody to switch it on",
        "It waits for decisions about its conflicts",
    ]


async def test_nobody_is_told_of_another_tenants_waits(inside, waiting):
    inside.clock.advance(20 * HOUR)
    await inside.services.upkeep.remind_waiting()
    await inside.services.relay.empty()
    stranger = replace(inside.caller, subject="somebody")

    page = await inside.services.notices.page(stranger, stranger.reach, first=10)

    assert page.items == ()
