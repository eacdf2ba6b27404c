"""What was to leave the house and is still here, over SQLite and PostgreSQL."""

from __future__ import annotations

import pytest

from domain.market.model import ListingId
from domain.market.remote_rows import NewReport
from domain.notices.model import DeliveryState
from domain.notices.relaying import Relay
from domain.notices.undelivered import Way
from domain.ports import Ports
from storage.limiter import MemoryLimiter
from tests.clocks import NOON
from tests.ports.notices import a_webhook, an_ended
from tests.ports.rows import ACME, ANNA, with_tenants

LEASE = 60.0
HOOK, ADDRESS, LISTING = "https://hook.example", ANNA.email, "mkt-pkg-1"


@pytest.fixture(autouse=True)
async def waiting(store, bell, clock):
    """A mail, a webhook's message and a report to a hub, none of them tried yet."""
    await with_tenants(store)
    await a_webhook(store)
    await an_ended(store)
    await Relay(Ports(store, None, bell, MemoryLimiter(), clock)).empty()  # type: ignore[arg-type]
    async with store.platform_unit() as unit:
        await unit.remote.line_up([NewReport(ACME, ListingId(LISTING), "1.0.0", NOON)])


async def tried(store, *, is_dead: bool) -> None:
    """Each of the three is tried once, and the first two come to an end or rest; the third likewise."""
    again_in = None if is_dead else 3600.0
    async with store.platform_unit() as unit:
        mail = await unit.notices.claim_mail(lease_seconds=LEASE)
        await unit.notices.mail_failed(mail, "no mailbox", again_in=again_in)
        outgoing = await unit.notices.claim_webhook(lease_seconds=LEASE)
        await unit.notices.not_delivered(outgoing, 500, "it answered 500", again_in=3600.0, is_dead=is_dead)
        report = await unit.remote.claim_report(lease_seconds=LEASE)
        await unit.remote.report_not_told(report, "it is away", again_in=again_in)


async def shown(store, *, most: int = 10):
    async with store.platform_view() as view:
        found = await view.notices.undelivered(most=most)
    return sorted((one.way.value, one.place, one.state, one.attempts, one.error) for one in found)


async def due(store) -> tuple[bool, bool, bool]:
    async with store.platform_view() as view:
        return (
            await view.notices.mails_due(limit=9) == 1,
            await view.notices.webhooks_due(limit=9) == 1,
            await view.remote.is_report_due(),
        )


@pytest.mark.parametrize(("is_dead", "state"), [(False, DeliveryState.WAITING), (True, DeliveryState.DEAD)])
async def test_what_is_not_delivered_is_shown_with_why(store, is_dead, state):
    await tried(store, is_dead=is_dead)

    assert await shown(store) == [
        (Way.HUB.value, LISTING, state, 1, "it is away"),
        (Way.MAIL.value, ADDRESS, state, 1, "no mailbox"),
        (Way.WEBHOOK.value, HOOK, state, 1, "it answered 500"),
    ]
    assert len(await shown(store, most=2)) == 2


async def test_what_was_delivered_is_not_shown(store):
    async with store.platform_unit() as unit:
        await unit.notices.mail_sent(await unit.notices.claim_mail(lease_seconds=LEASE))
        await unit.notices.delivered(await unit.notices.claim_webhook(lease_seconds=LEASE), 204)
        await unit.remote.report_told(await unit.remote.claim_report(lease_seconds=LEASE))

    assert await shown(store) == []


async def test_what_rests_is_due_at_once_when_it_is_to_be_tried_again(store):
    await tried(store, is_dead=False)
    before = await due(store)

    async with store.platform_unit() as unit:
        await unit.notices.try_again(given_up_too=False)

    assert (before, await due(store)) == ((False,) * 3, (True,) * 3)


async def test_what_was_given_up_waits_again_only_when_that_is_wanted(store):
    await tried(store, is_dead=True)

    async with store.platform_unit() as unit:
        await unit.notices.try_again(given_up_too=False)
    left = await due(store)
    async with store.platform_unit() as unit:
        await unit.notices.try_again(given_up_too=True)

    assert (left, await due(store)) == ((False,) * 3, (True,) * 3)
    assert {attempts for *_, attempts, _ in await shown(store)} == {0}
