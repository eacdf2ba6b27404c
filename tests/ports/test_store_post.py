"""Sending over SQLite and PostgreSQL, to a real mail server and endpoint: each thing arrives, and is seen once."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta
from ipaddress import ip_network

import pytest
from sqlalchemy import select, update

from domain.model import Actor, TenantId
from domain.notices.model import DeliveryState, OldSecret, WebhookId
from domain.notices.relaying import Relay
from domain.notices.sending import Patience, Post
from domain.ports import Ports
from server.mail import SmtpMailer, SmtpServer
from server.outward import Outward
from storage.limiter import MemoryLimiter
from storage.notice_tables import mail, webhook, webhook_delivery
from storage.store import SqlStore
from tests.ports.notices import ANNAS, a_webhook, an_ended, deliveries, told
from tests.ports.rows import ACME, GLOBEX, with_tenants
from tests.receivers import a_mail_server, an_endpoint, is_signed

#: tries again at once
EAGER = Patience(first=0.0, longest=0.0, attempts=4)
SLOW = Patience(first=3600.0, attempts=4)
HERE = (ip_network("127.0.0.0/8"),)


@pytest.fixture(autouse=True)
async def tenants(store):
    await with_tenants(store)


@pytest.fixture
async def outward():
    opened = Outward(HERE)
    yield opened
    await opened.aclose()


class Hands:
    """A relay and a post on one store."""

    def __init__(self, store: SqlStore, bell, clock, **ports) -> None:
        self.ports = Ports(store, None, bell, MemoryLimiter(), clock, **ports)  # type: ignore[arg-type]
        self.relay = Relay(self.ports)

    def post(self, patience: Patience = EAGER) -> Post:
        return Post(self.ports, "https://hub.example", patience=patience)


@pytest.fixture
def hands(store, bell, clock, outward):
    return lambda **ports: Hands(store, bell, clock, **{"outward": outward, **ports})


def by_smtp(server) -> SmtpMailer:
    return SmtpMailer(SmtpServer.of(server.url), "hub@installhub.example")


async def mails(store: SqlStore) -> list[tuple[DeliveryState, int]]:
    async with store._engines.reader.connect() as connection:
        rows = await connection.execute(select(mail.c.state, mail.c.attempts).order_by(mail.c.mail_id))
        return [(row[0], row[1]) for row in rows]


async def due_now(store: SqlStore, table=mail) -> None:
    """As if the pause were over."""
    async with store._engines.writer.begin() as connection:
        await connection.execute(update(table).where(table.c.due.is_not(None)).values(due=0.0))


async def test_a_mail_is_sent_once_with_a_link_to_the_audit_log(store, hands):
    job = await an_ended(store)
    async with a_mail_server() as server:
        both = hands(mailer=by_smtp(server))
        await both.relay.empty()
        sent = [await both.post().send_mails(), await both.post().send_mails()]

    (letter,) = server.letters
    assert sent == [1, 0]
    assert (letter["To"], letter["Subject"]) == ("anna@acme.example", "Imported: Starter 1.0.0")
    assert f"https://hub.example/api/installhub/imports/{job.import_id}/audit" in letter.as_string()
    assert await mails(store) == [(DeliveryState.SENT, 1)]


async def test_a_server_that_fails_twice_gets_the_mail_at_the_third_attempt(store, hands):
    await an_ended(store)
    async with a_mail_server("451 later", "421 later") as server:
        both = hands(mailer=by_smtp(server))
        await both.relay.empty()
        attempts = await both.post().send_mails()

    assert (attempts, server.attempts, len(server.letters)) == (3, 3, 1)
    assert await mails(store) == [(DeliveryState.SENT, 3)]


async def test_a_server_that_stays_down_is_asked_so_often_and_then_no_more(store, hands):
    await an_ended(store)
    async with a_mail_server() as server:
        both = hands(mailer=by_smtp(server))
    await both.relay.empty()

    attempts = await both.post().send_mails()
    await due_now(store)
    more = await both.post().send_mails()

    assert (attempts, more) == (EAGER.attempts, 0)
    assert await mails(store) == [(DeliveryState.DEAD, EAGER.attempts)]


async def test_an_address_that_does_not_exist_is_not_tried_again(store, hands):
    await an_ended(store, submitted_by=Actor("anna", "nobody@acme.example"))
    async with a_mail_server() as server:
        both = hands(mailer=by_smtp(server))
        await both.relay.empty()
        await both.post().send_mails()

    assert await mails(store) == [(DeliveryState.DEAD, 1)]
    assert len(await told(store)) == 1


async def test_between_attempts_there_is_a_pause(store, hands):
    await an_ended(store)
    async with a_mail_server("451 later") as server:
        both = hands(mailer=by_smtp(server))
        await both.relay.empty()
        before = [await both.post(SLOW).send_mails(), await both.post(SLOW).send_mails()]
        await due_now(store)
        after = await both.post(SLOW).send_mails()

    assert (before, after, len(server.letters)) == ([1, 0], 1, 1)


async def test_many_senders_send_each_mail_once(store, hands):
    for _ in range(6):
        await an_ended(store)
    async with a_mail_server() as server:
        both = hands(mailer=by_smtp(server))
        await both.relay.empty()
        await asyncio.gather(*(both.post().send_mails() for _ in range(4)))

    assert len({letter["Message-ID"] for letter in server.letters}) == len(server.letters) == 6


async def test_a_mail_whose_sender_died_is_sent_again_under_the_same_id(store, hands):
    await an_ended(store)
    async with a_mail_server() as server:
        both = hands(mailer=by_smtp(server))
        await both.relay.empty()
        async with store.platform_unit() as unit:
            claimed = await unit.notices.claim_mail(lease_seconds=3600)
        busy = await both.post().send_mails()
        await due_now(store)
        await both.post().send_mails()
        async with store.platform_unit() as unit:
            # the dead one wakes up: what it has to say comes too late
            await unit.notices.mail_failed(claimed, "late", again_in=0.0)

    assert (busy, [letter["Message-ID"] for letter in server.letters]) == (
        0,
        [f"<{claimed.mail_id}@installhub.example>"],
    )
    assert await mails(store) == [(DeliveryState.SENT, 2)]


async def test_a_webhook_is_told_in_order_and_signed_with_its_secret(store, hands):
    async with an_endpoint() as endpoint:
        hook = await a_webhook(store, url=endpoint.url)
        jobs = [await an_ended(store) for _ in range(3)]
        both = hands()
        await both.relay.empty()
        await asyncio.gather(*(both.post().tell_webhooks() for _ in range(3)))

    seen = list(endpoint.seen.values())
    assert [(one["sequence"], one["data"]["importId"]) for one in seen] == [
        (number, job.import_id) for number, job in enumerate(jobs, 1)
    ]
    assert all(is_signed(hook.secret, headers, body) for headers, body in endpoint.attempts)
    assert not any(is_signed("whsec_AAAA", headers, body) for headers, body in endpoint.attempts)
    assert {one.state for one in await deliveries(store, hook)} == {DeliveryState.SENT}


async def test_a_receiver_that_fails_first_sees_each_message_once_and_without_gaps(store, hands):
    async with an_endpoint([500, 302, 404]) as endpoint:
        hook = await a_webhook(store, url=endpoint.url)
        for _ in range(3):
            await an_ended(store)
        both = hands()
        await both.relay.empty()
        attempts = await both.post().tell_webhooks()

    assert attempts == 6
    assert [one["sequence"] for one in endpoint.seen.values()] == [1, 2, 3]
    ids = [headers["webhook-id"] for headers, _ in endpoint.attempts]
    bodies = {headers["webhook-id"]: body for headers, body in endpoint.attempts}
    assert ids == [ids[0]] * 4 + ids[4:]
    assert len(set(ids)) == len(bodies) == 3
    assert [(one.attempts, one.status) for one in await deliveries(store, hook)] == [(4, 204), (1, 204), (1, 204)]


async def test_a_message_that_is_refused_to_the_end_is_dead_and_shown_and_the_next_goes_on(store, hands):
    async with an_endpoint([503] * EAGER.attempts) as endpoint:
        hook = await a_webhook(store, url=endpoint.url)
        for _ in range(2):
            await an_ended(store)
        both = hands()
        await both.relay.empty()
        await both.post().tell_webhooks()

    dead, sent = await deliveries(store, hook)
    assert (dead.state, dead.attempts, dead.status) == (DeliveryState.DEAD, EAGER.attempts, 503)
    assert "503" in dead.error
    assert (sent.state, [one["sequence"] for one in endpoint.seen.values()]) == (DeliveryState.SENT, [2])


async def test_a_receiver_that_is_gone_for_good_is_asked_once_and_its_webhook_switched_off(store, hands):
    async with an_endpoint([410]) as endpoint:
        hook = await a_webhook(store, url=endpoint.url)
        for _ in range(2):
            await an_ended(store)
        both = hands()
        await both.relay.empty()
        await both.post().tell_webhooks()
        await due_now(store, webhook)
        await both.post().tell_webhooks()

    async with store.platform_view() as view:
        found = await view.notices.find_webhook(hook.webhook_id, None)
    gone, waits = await deliveries(store, hook)
    assert (len(endpoint.attempts), found.is_enabled) == (1, False)
    assert (gone.state, gone.status, waits.state) == (DeliveryState.DEAD, 410, DeliveryState.WAITING)


async def test_a_dead_receiver_keeps_no_other_waiting(store, hands):
    async with an_endpoint() as gone:
        dead_url = gone.url
    async with an_endpoint() as endpoint:
        await a_webhook(store, GLOBEX, url=dead_url)
        await a_webhook(store, url=endpoint.url)
        await a_webhook(store, url=dead_url, webhook_id=WebhookId("wh-second"))
        for tenant_id in (GLOBEX, ACME, GLOBEX, ACME):
            await an_ended(store, tenant_id=TenantId(tenant_id))
        both = hands()
        await both.relay.empty()
        attempts = await both.post(SLOW).tell_webhooks()

    assert [one["sequence"] for one in endpoint.seen.values()] == [1, 2]
    assert attempts == 4


async def test_a_message_whose_sender_died_after_sending_comes_again_under_the_same_id(store, hands, outward):
    async with an_endpoint() as endpoint:
        hook = await a_webhook(store, url=endpoint.url)
        await an_ended(store)
        both = hands()
        await both.relay.empty()
        async with store.platform_unit() as unit:
            claimed = await unit.notices.claim_webhook(lease_seconds=3600)
        body = claimed.delivery.body.encode()
        await outward.post(endpoint.url, body, {"webhook-id": claimed.delivery.delivery_id})
        busy = await both.post().tell_webhooks()
        await due_now(store, webhook)
        await both.post().tell_webhooks()
        async with store.platform_unit() as unit:
            await unit.notices.not_delivered(claimed, None, "late", again_in=0.0, is_dead=True)

    assert busy == 0
    assert [headers["webhook-id"] for headers, _ in endpoint.attempts] == [claimed.delivery.delivery_id] * 2
    assert len(endpoint.seen) == 1
    assert [(one.state, one.attempts) for one in await deliveries(store, hook)] == [(DeliveryState.SENT, 2)]


async def test_what_stops_every_sender_is_given_up_too(store, hands):
    async with a_mail_server() as server, an_endpoint() as endpoint:
        hook = await a_webhook(store, url=endpoint.url)
        await an_ended(store)
        both = hands(mailer=by_smtp(server))
        await both.relay.empty()
        for _ in range(EAGER.attempts):
            async with store.platform_unit() as unit:
                assert await unit.notices.claim_mail(lease_seconds=0.0)
            async with store.platform_unit() as unit:
                assert await unit.notices.claim_webhook(lease_seconds=0.0)
        await both.post().send_mails()
        await both.post().tell_webhooks()

    assert (server.attempts, endpoint.attempts) == (0, [])
    assert await mails(store) == [(DeliveryState.DEAD, EAGER.attempts + 1)]
    assert [one.state for one in await deliveries(store, hook)] == [DeliveryState.DEAD]


async def test_a_replaced_secret_signs_too_until_its_time_is_over(store, hands, clock):
    async with an_endpoint() as endpoint:
        old = OldSecret("whsec_b2xkIHNlY3JldA==", clock.now() + timedelta(hours=24))
        hook = await a_webhook(store, url=endpoint.url, old_secrets=(old,))
        both = hands()
        for hours in (0, 24):
            clock.advance(timedelta(hours=hours))
            await an_ended(store)
            await both.relay.empty()
            await both.post().tell_webhooks()

    with_old = [is_signed(old.secret, headers, body) for headers, body in endpoint.attempts]
    assert with_old == [True, False]
    assert all(is_signed(hook.secret, headers, body) for headers, body in endpoint.attempts)


async def test_an_address_of_this_machine_is_not_told_unless_allowed(store, hands):
    closed = Outward()
    async with an_endpoint() as endpoint:
        hook = await a_webhook(store, url=endpoint.url)
        await an_ended(store)
        both = hands(outward=closed)
        await both.relay.empty()
        await both.post(SLOW).tell_webhooks()
    await closed.aclose()

    (waiting,) = await deliveries(store, hook)
    assert (endpoint.attempts, waiting.state, waiting.status) == ([], DeliveryState.WAITING, None)
    assert waiting.error


async def test_a_disabled_webhook_waits_until_it_is_enabled(store, hands):
    async with an_endpoint() as endpoint:
        hook = await a_webhook(store, url=endpoint.url)
        await an_ended(store)
        both = hands()
        await both.relay.empty()
        async with store.platform_unit() as unit:
            for is_enabled in (False, True):
                found = await unit.notices.find_webhook(hook.webhook_id, None, lock=True)
                changed = type(found)(
                    **{name: getattr(found, name) for name in found.__slots__} | {"is_enabled": is_enabled}
                )
                await unit.notices.change_webhook(changed)
                due = await unit.notices.webhooks_due(limit=9)
                assert due == is_enabled
        await both.post().tell_webhooks()

    assert len(endpoint.seen) == 1


async def test_messages_that_waited_for_a_day_are_given_up(store, hands, clock):
    hook = await a_webhook(store)
    await an_ended(store)
    both = hands()
    await both.relay.empty()
    clock.advance(timedelta(hours=23))
    before = await both.post().tidy()
    clock.advance(timedelta(hours=2))

    after = await both.post().tidy()

    assert (before, after) == (0, 1)
    assert [one.state for one in await deliveries(store, hook)] == [DeliveryState.DEAD]
    assert await both.post().tell_webhooks() == 0


async def test_what_is_old_is_dropped_but_for_the_last_number(store, hands, clock):
    hook = await a_webhook(store)
    for _ in range(3):
        await an_ended(store)
    both = hands()
    await both.relay.empty()
    async with store._engines.writer.begin() as connection:
        for table in (mail, webhook_delivery):
            await connection.execute(update(table).values(state=DeliveryState.SENT))
    clock.advance(timedelta(days=91))

    await both.post().tidy()

    kept = await told(store, ANNAS)
    assert (len(kept), await mails(store), await deliveries(store, hook)) == (1, [], [])


def test_pauses_grow_and_end():
    patience = Patience()

    pauses = [patience.pause(failures) for failures in range(1, 60)]

    assert 7.5 <= pauses[0] <= 10
    assert all(0.75 * min(10 * 2.0**n, 3600) <= pause <= 3600 for n, pause in enumerate(pauses))
    assert len(set(pauses[20:])) > 1


async def test_a_message_says_nothing_that_its_body_does_not_show(store, hands):
    async with an_endpoint() as endpoint:
        await a_webhook(store, url=endpoint.url)
        job = await an_ended(store)
        both = hands()
        await both.relay.empty()
        await both.post().tell_webhooks()

    ((headers, body),) = endpoint.attempts
    assert json.loads(body) == {
        "type": "import.succeeded",
        "timestamp": "2026-03-02T12:00:00Z",
        "sequence": 1,
        "tenantId": "tenant-acme",
        "data": {
            "importId": job.import_id,
            "status": "Success",
            "packageName": "Starter",
            "packageVersion": "1.0.0",
            "completedAt": "2026-03-02T12:00:00Z",
            "submittedBy": "anna@acme.example",
            "title": "Imported: Starter 1.0.0",
            "link": f"/api/installhub/imports/{job.import_id}/audit",
        },
    }
    assert (headers["content-type"], headers["webhook-timestamp"]) == ("application/json", "1772452800")
