"""The relay of the outbox over SQLite and PostgreSQL: each message is told once, in order, to whom it concerns."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from itertools import pairwise

import pytest
from sqlalchemy import func, insert, select

from domain.import_model import ImportKind, ImportState
from domain.market.model import Category, ListingState, PublisherStatus, TrustLevel, VerificationMethod
from domain.model import Actor, PackageType, TenantId
from domain.notices.model import Choice, NoticeKind, Ways, WebhookId, bell_of
from domain.notices.relaying import RELAYED_AT_ONCE, Relay
from domain.ports import OUTBOX, POST, PlatformUnit, Ports, Turn
from storage.limiter import MemoryLimiter
from storage.market_tables import listing, listing_subscription, publisher
from storage.notice_tables import mail, notification, webhook_delivery
from storage.store import SqlStore
from storage.tables import installed_package, outbox
from tests.clocks import NOON
from tests.ports.notices import ANNAS, a_webhook, an_ended, told
from tests.ports.rows import ACME, ANNA, GLOBEX, an_import, with_tenants

ROBOTS, BENS = "issuer robot", "issuer ben"
ROBOT = Actor("robot", "robot@acme.example", is_service=True)
BEN = Actor("ben", "ben@acme.example")


@pytest.fixture(autouse=True)
async def tenants(store):
    await with_tenants(store)


@pytest.fixture
def relay(store, bell, clock) -> Relay:
    return Relay(Ports(store, None, bell, MemoryLimiter(), clock))  # type: ignore[arg-type]  # it stores no bytes


async def counted(store: SqlStore, table) -> int:
    async with store._engines.reader.connect() as connection:
        return int((await connection.execute(select(func.count()).select_from(table))).scalar_one())


async def a_listing(store: SqlStore) -> None:
    """The listing lst-1 "Starter" of the publisher pub-1, which Ben of ACME subscribed to and Anna installed there."""
    job = await an_ended(store)
    rows = [
        (publisher, {"publisher_id": "pub-1", "tenant_id": GLOBEX, "display_name": "P", "slug": "p", "website": "",
                     "contact_email": "", "description": "", "logo_url": "", "status": PublisherStatus.VERIFIED,
                     "is_official": False, "verification_method": VerificationMethod.DNS, "verification_token": "",
                     "verification_expires_at": NOON, "created_at": NOON, "created_by": ANNA, "domain": ""}),
        (listing, {"listing_id": "lst-1", "tenant_id": GLOBEX, "publisher_id": "pub-1", "name": "Starter",
                   "name_key": "starter", "package_type": PackageType.CONFIG_PACKAGE, "category": Category.FORMS,
                   "tags": [], "description": "", "long_description": "", "license": "", "homepage": "",
                   "screenshots": [], "trust_level": TrustLevel.COMMUNITY, "state": ListingState.LISTED,
                   "state_reason": "", "latest_version": "1.0.0", "needs_review": False, "created_at": NOON,
                   "updated_at": NOON}),
        (listing_subscription, {"listing_id": "lst-1", "tenant_id": ACME, "subscribed_at": NOON,
                                "subscribed_by": BEN, "identity": BENS}),
        (installed_package, {"tenant_id": ACME, "name_key": "starter", "source": "pub-1", "name": "Starter",
                             "version": "1.0.0", "checksum": "", "package_id": "pkg-1", "import_id": job.import_id,
                             "installed_at": NOON}),
    ]  # fmt: skip
    async with store._engines.writer.begin() as connection:
        for table, row in rows:
            await connection.execute(insert(table).values(row))


async def posted(store: SqlStore, kind: str, tenant_id: TenantId = ACME, **payload: object) -> None:
    async with store.unit(tenant_id) as unit:
        await unit.imports.post(kind, {"listingId": "lst-1", "version": "2.0.0", **payload})


async def test_a_message_in_the_outbox_rings_for_its_relay(store, bell):
    await an_ended(store)

    assert OUTBOX in bell.rung[-1]


async def test_whoever_submitted_an_import_is_told_how_it_ended_once(store, relay, bell):
    job = await an_ended(store)

    relayed = [await relay.relay(), await relay.relay()]
    (notification_,) = await told(store)

    assert relayed == [1, 0]
    assert (notification_.kind, notification_.title) == (NoticeKind.IMPORT_SUCCEEDED, "Imported: Starter 1.0.0")
    assert notification_.body == "Artifacts installed: 5. Conflicts resolved: 1."
    assert (notification_.import_id, notification_.link) == (
        job.import_id, f"/api/installhub/imports/{job.import_id}/audit",
    )  # fmt: skip
    assert {bell_of(ANNAS), POST} <= bell.rung[-1]
    assert (await counted(store, mail), await counted(store, outbox)) == (1, 0)


async def test_a_failure_is_told_with_code_stage_and_message(store, relay):
    await an_ended(store, ImportState.FAILED, kind=ImportKind.INSTALL)

    await relay.relay()
    (notification_,) = await told(store)

    assert notification_.kind is NoticeKind.INSTALL_FAILED
    assert notification_.title == "The install of Starter 1.0.0 failed"
    assert notification_.body.split("\n") == [
        "The scan says FAIL.", "Error: SecurityScanFailed", "Stage: SecurityScan", "Nothing was changed.",
    ]  # fmt: skip


async def test_a_dry_run_is_not_told(store, relay):
    job = an_import()
    await an_ended(store, options=replace(job.options, dry_run=True))

    relayed = await relay.relay()

    assert (relayed, await told(store)) == (1, ())


@pytest.mark.parametrize(
    ("kind", "is_told"), [(ImportKind.IMPORT, False), (ImportKind.INSTALL, True)]
)  # fmt: skip
async def test_a_service_account_is_told_of_installs_alone(store, relay, kind, is_told):
    await an_ended(store, identity=ROBOTS, submitted_by=ROBOT, kind=kind)

    await relay.relay()

    assert len(await told(store, ROBOTS)) == await counted(store, mail) == int(is_told)


@pytest.mark.parametrize(
    ("of_tenant", "chosen", "shown", "mails"),
    [
        (None, Ways(in_app=False, email=False), 0, 0),
        (None, Ways(in_app=True, email=False), 1, 0),
        (None, Ways(in_app=False, email=True), 0, 1),
        (Ways(in_app=False, email=False), None, 0, 0),
        (Ways(in_app=False, email=False), Ways(in_app=True, email=True), 1, 1),
    ],
)  # fmt: skip
async def test_a_persons_choice_goes_before_the_tenants_setting(store, relay, of_tenant, chosen, shown, mails):
    async with store.platform_unit() as unit:
        if of_tenant:
            await unit.notices.set_for(ACME, Choice(NoticeKind.IMPORT_SUCCEEDED, of_tenant))
        if chosen:
            await unit.notices.choose(ACME, ANNAS, Choice(NoticeKind.IMPORT_SUCCEEDED, chosen))
    await an_ended(store)

    await relay.relay()

    assert (len(await told(store)), await counted(store, mail)) == (shown, mails)


async def test_choices_do_not_reach_another_tenant(store, relay):
    off = Choice(NoticeKind.IMPORT_SUCCEEDED, Ways(in_app=False, email=False))
    async with store.platform_unit() as unit:
        await unit.notices.set_for(GLOBEX, off)
        await unit.notices.choose(GLOBEX, ANNAS, off)
    await an_ended(store)

    await relay.relay()

    assert len(await told(store)) == 1


@pytest.mark.parametrize("address", [None, "", "anna", "a@b@c", "a@b.c\r\nBcc: d@e.f", "a@b.c, d@e.f", "<a@b.c>"])
async def test_what_is_no_address_gets_no_mail(store, relay, address):
    await an_ended(store, submitted_by=Actor("anna", address))

    await relay.relay()

    assert (len(await told(store)), await counted(store, mail)) == (1, 0)


async def test_relays_at_the_same_time_tell_each_message_once_and_in_order(store, relay, bell, clock):
    hook = await a_webhook(store)
    jobs = [await an_ended(store) for _ in range(7)]
    others = [Relay(Ports(store, None, bell, MemoryLimiter(), clock)) for _ in range(3)]  # type: ignore[arg-type]

    await asyncio.gather(*(one.relay() for one in [relay, *others] for _ in range(3)))
    notified = [one.import_id for one in reversed(await told(store))]
    async with store.platform_view() as unit:
        page = await unit.notices.deliveries(hook.webhook_id, first=100, before=None)

    assert notified == [job.import_id for job in jobs]
    told_to_webhook = [(one.seq, json.loads(one.body)["data"]["importId"]) for one in reversed(page.items)]
    assert told_to_webhook == list(enumerate(notified, 1))
    assert all(later.number < earlier.number for earlier, later in pairwise(await told(store)))


class Overtaken:
    """A store at which somebody else is done with something between a relay's reading and its writing, once."""

    def __init__(self, store: SqlStore, meanwhile: Callable[[], Awaitable[object]]) -> None:
        self.platform_view = store.platform_view
        self._store, self._meanwhile = store, [meanwhile]

    @asynccontextmanager
    async def platform_unit(self, *, turn: Turn = Turn.ASKED) -> AsyncIterator[PlatformUnit]:
        while self._meanwhile:
            await self._meanwhile.pop()()
        async with self._store.platform_unit(turn=turn) as unit:
            yield unit


@pytest.fixture
def overtaken(store, bell, clock) -> Callable[..., Relay]:
    def made(meanwhile: Callable[[], Awaitable[object]]) -> Relay:
        return Relay(Ports(Overtaken(store, meanwhile), None, bell, MemoryLimiter(), clock))  # type: ignore[arg-type]

    return made


async def test_a_relay_that_was_overtaken_goes_on_with_what_still_waits(store, relay, overtaken):
    async with store.unit(ACME) as unit:
        for _ in range(RELAYED_AT_ONCE + 1):
            await unit.imports.post("somebody.elses", {})

    relayed = await overtaken(relay.relay).relay()

    assert (relayed, await counted(store, outbox)) == (1, 0)


async def test_a_message_under_the_number_of_one_that_was_relayed_is_told_as_itself(store, relay, overtaken):
    first, later = await an_ended(store), []

    async def another_comes():
        await relay.relay()
        later.append(await an_ended(store))

    await overtaken(another_comes).empty()

    assert [one.import_id for one in reversed(await told(store))] == [first.import_id, later[0].import_id]


async def test_a_relay_that_is_stopped_anywhere_leaves_nothing_told_twice_or_never(store, relay):
    await a_webhook(store)
    for _ in range(20):
        await an_ended(store)

    for steps in range(0, 60, 3):
        stopped = asyncio.create_task(relay.relay())
        for _ in range(steps):
            await asyncio.sleep(0)
        stopped.cancel()
        await asyncio.wait([stopped])
    await relay.relay()

    made = [await counted(store, table) for table in (notification, mail, webhook_delivery, outbox)]
    assert made == [20, 20, 20, 0]
    assert len({one.import_id for one in await told(store)}) == 20


async def test_more_messages_than_one_transaction_takes_are_relayed_in_turn(store, relay):
    async with store.unit(ACME) as unit:
        for _ in range(RELAYED_AT_ONCE + 1):
            await unit.imports.post("somebody.elses", {})

    relayed = [await relay.relay(), await relay.relay(), await relay.relay()]

    assert relayed == [RELAYED_AT_ONCE, 1, 0]


@pytest.mark.parametrize("payload", [{}, {"importId": None}, {"importId": "imp-unknown"}, {"importId": ["x"]}])
async def test_a_message_that_makes_no_sense_keeps_nobody_waiting(store, relay, payload):
    async with store.unit(ACME) as unit:
        await unit.imports.post("import.ended", payload)
    await an_ended(store)

    relayed = await relay.relay()

    assert (relayed, len(await told(store))) == (2, 1)


async def test_a_message_that_cannot_be_relayed_keeps_nobody_waiting_and_is_not_lost(store, relay):
    for nonsense in ([], ["x"]):
        async with store.unit(ACME) as unit:
            await unit.imports.post("import.ended", nonsense)
        await an_ended(store)

    # each is met among others, and then alone
    for _ in range(4):
        with pytest.raises(AttributeError):
            await relay.empty()
    relayed = [await relay.empty(), await relay.empty()]

    assert (relayed, len(await told(store)), await counted(store, outbox)) == ([1, 0], 2, 2)


async def test_a_message_about_another_tenants_import_tells_nobody(store, relay):
    job = await an_ended(store)
    await relay.relay()
    async with store.unit(GLOBEX) as unit:
        await unit.imports.post("import.ended", {"importId": job.import_id, "state": "SUCCEEDED"})

    await relay.relay()

    assert len(await told(store)) == 1


async def test_a_new_version_is_told_to_whoever_subscribed(store, relay):
    await a_listing(store)
    await relay.relay()
    await posted(store, "market.update", isBreaking=True)

    await relay.relay()
    (notification_,) = await told(store, BENS)

    assert (notification_.kind, notification_.title) == (NoticeKind.MARKET_UPDATE, "Starter 2.0.0 is available")
    assert "may break" in notification_.body
    assert [one.kind for one in await told(store)] == [NoticeKind.IMPORT_SUCCEEDED]


@pytest.mark.parametrize(
    ("kind", "title"),
    [
        ("market.deprecated", "Urgent: Starter 2.0.0 is deprecated"),
        ("market.advisory", "Security advisory: Starter 2.0.0"),
    ],
)
async def test_what_must_be_known_is_told_to_those_who_have_it_too(store, relay, kind, title):
    await a_listing(store)
    await relay.relay()
    off = {"in_app": False, "email": False}
    async with store.platform_unit() as unit:
        await unit.notices.choose(ACME, ANNAS, Choice(NoticeKind.MARKET_UPDATE, Ways(**off)))
    await posted(store, kind, reason="It leaks.")

    await relay.relay()

    assert [(await told(store, who))[0].title for who in (ANNAS, BENS)] == [title, title]
    assert "It leaks." in (await told(store))[0].body


async def test_webhooks_are_told_of_their_own_tenant_and_of_what_they_want(store, relay):
    every = await a_webhook(store)
    failures = await a_webhook(store, webhook_id=WebhookId("wh-2"), kinds=(NoticeKind.IMPORT_FAILED,))
    disabled = await a_webhook(store, webhook_id=WebhookId("wh-3"), is_enabled=False)
    foreign = await a_webhook(store, GLOBEX)
    job = await an_ended(store)

    await relay.relay()
    async with store.platform_view() as unit:
        pages = [
            await unit.notices.deliveries(hook.webhook_id, first=10, before=None)
            for hook in (every, failures, disabled, foreign)
        ]

    assert [len(page.items) for page in pages] == [1, 0, 0, 0]
    body = json.loads(pages[0].items[0].body)
    assert (body["type"], body["sequence"], body["tenantId"]) == ("import.succeeded", 1, ACME)
    assert (body["data"]["importId"], body["data"]["status"]) == (job.import_id, "Success")


async def test_a_list_of_notifications_does_not_show_other_people_or_other_tenants(store, relay):
    await an_ended(store)
    await an_ended(store, identity=BENS, submitted_by=BEN)
    await an_ended(store, tenant_id=GLOBEX)
    await relay.relay()
    (mine, *_), (bens,) = await told(store), await told(store, BENS)

    async with store.platform_unit() as unit:
        in_acme = await unit.notices.page(ANNAS, frozenset({ACME}), unread_only=False, first=10, before=None)
        live = await unit.notices.after(ANNAS, frozenset({ACME}), 0, limit=10)
        stolen = await unit.notices.among([bens.notification_id], ANNAS, None)
        elsewhere = await unit.notices.among([mine.notification_id], ANNAS, frozenset({ACME}))
        await unit.notices.mark_read([bens.notification_id, mine.notification_id], ANNAS, frozenset({ACME}), NOON)
        unread = [await unit.notices.unread_count(who, None) for who in (ANNAS, BENS)]

    assert [one.tenant_id for one in in_acme.items] == [one.tenant_id for one in live] == [ACME]
    assert (stolen, elsewhere, unread) == ([], [], [2, 1])


async def test_notifications_are_paged_marked_and_counted(store, relay):
    for _ in range(3):
        await an_ended(store)
    await relay.relay()
    newest, middle, oldest = await told(store)

    async with store.platform_unit() as unit:
        await unit.notices.mark_read([middle.notification_id], ANNAS, None, NOON)
    async with store.platform_view() as unit:
        first = await unit.notices.page(ANNAS, None, unread_only=False, first=2, before=None)
        rest = await unit.notices.page(ANNAS, None, unread_only=False, first=2, before=middle.number)
        unread = await unit.notices.page(ANNAS, None, unread_only=True, first=5, before=None)
        later = await unit.notices.after(ANNAS, None, oldest.number, limit=10)
        last, count = await unit.notices.last_number(ANNAS), await unit.notices.unread_count(ANNAS, None)

    assert ([one.number for one in first.items], first.has_next) == ([newest.number, middle.number], True)
    assert ([one.number for one in rest.items], rest.has_next) == ([oldest.number], False)
    assert [one.number for one in unread.items] == [newest.number, oldest.number]
    assert [(one.number, one.read_at) for one in later] == [(middle.number, NOON), (newest.number, None)]
    assert (last, count) == (newest.number, 2)
