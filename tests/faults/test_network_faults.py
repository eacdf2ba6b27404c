"""A mail server and a hub behind a line that fails: F07, F16 and F20 (design: security, section 4.2)."""

from __future__ import annotations

import hashlib
from contextlib import aclosing
from datetime import UTC, datetime
from ipaddress import ip_network

import pytest

from domain.market.index import content_path
from domain.market.ports import HubUnreachableError
from domain.notices.letters import Letter
from domain.notices.ports import MailUnavailableError
from server.hub_client import FIRST_USE, Place, RemoteHub
from server.mail import SmtpMailer, SmtpServer
from server.outward import Outward
from tests.clocks import ManualClock
from tests.faults.proxy import a_proxy, at_port
from tests.hostile import a_hostile, page
from tests.hubs import a_hub, a_store
from tests.receivers import a_mail_server

CONTENT = bytes(range(256)) * 40


async def test_a_letter_goes_over_a_slow_line_and_over_a_broken_one_it_waits():
    letter = Letter("mail-1", "anna@acme.example", "Subject", "Text", "<p>Text</p>", datetime.now(UTC))
    async with a_mail_server() as server, a_proxy(at_port(server.port)) as proxy:
        mailer = SmtpMailer(SmtpServer.of(f"smtp://127.0.0.1:{proxy.port}"), "hub@installhub.example")

        for cut in (0, 10, 60):
            proxy.cut_after = cut
            with pytest.raises(MailUnavailableError):
                await mailer.send(letter)
        proxy.break_down()
        with pytest.raises(MailUnavailableError):
            await mailer.send(letter)
        proxy.repair()
        proxy.cut_after, proxy.slice_bytes, proxy.latency = None, 7, 0.001
        await mailer.send(letter)

    assert len(server.letters) == 1


async def test_bytes_of_a_hub_come_in_slices_whole_and_cut_off_not_at_all(tmp_path, migrated_sqlite):
    clock = ManualClock(datetime.now(UTC))
    async with (
        a_hub(tmp_path / "hub", migrated_sqlite) as hub,
        a_store(tmp_path / "own", migrated_sqlite, clock) as store,
        a_hostile() as server,
        a_proxy(at_port(int(server.port))) as proxy,
        aclosing(Outward([ip_network("127.0.0.1/32")])) as outward,
    ):
        offer = await hub.offer(sha256=hashlib.sha256(CONTENT).hexdigest(), size_bytes=len(CONTENT))
        server.answers = {**await hub.files(), f"/hub/targets/{content_path(offer)}": page(CONTENT)}
        place = Place(f"http://127.0.0.1:{proxy.port}", "", FIRST_USE, silent_seconds=0.5)
        async with aclosing(RemoteHub(place, outward, store, clock)) as client:
            proxy.slice_bytes, proxy.latency = 1000, 0.001
            offers = await client.offers_of(offer.listing_id)
            whole = b"".join([chunk async for chunk in client.read(offer)])
            for fault in ("cut_after", "is_silent"):
                setattr(proxy, fault, 5000)
                with pytest.raises(HubUnreachableError):
                    b"".join([chunk async for chunk in client.read(offer)])
            proxy.speak()
            again = b"".join([chunk async for chunk in client.read(offer)])

    assert offers == [offer]
    assert whole == again == CONTENT
