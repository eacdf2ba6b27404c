"""What an operator sets about mail, and what the log and the measures say of what is sent."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from domain.notices.sending import Patience, Post
from server import settings
from server.mail import FolderMailer, SmtpMailer, mailer_of
from server.observing import Onlooker
from server.settings import SettingsError
from tests.doors.graphql_world import exported, submitted, with_artifacts
from tests.receivers import a_mail_server, an_endpoint
from tests.world import a_world

_CREATE = 'mutation($url: String!) { createWebhook(input: {tenantId: "tenant-b", url: $url}) { secret } }'


@pytest.mark.parametrize(
    "url",
    [
        "smtp.org",
        "http://u:secret@h.org",
        "smtp://",
        "smtp://u:secret@",
        "smtp://a b",
        "smtp://u:secret@h:99999",
        "smtp://h/x",
    ],
)
def test_what_is_no_mail_server_is_refused_and_its_password_not_shown(url):
    with pytest.raises(SettingsError, match="INSTALLHUB_SMTP_URL") as refused:
        settings.load(smtp_url=url)

    assert "secret" not in str(refused.value)


@pytest.mark.parametrize("address", ["", "hub", "Hub <hub@x.example>", "a@b.c\nBcc: d@e.f", "jörg@x.example"])
def test_mail_comes_from_one_plain_address(address):
    with pytest.raises(SettingsError, match="INSTALLHUB_MAIL_FROM"):
        settings.load(mail_from=address)


@pytest.mark.parametrize("url", ["hub.example", "javascript:alert(1)", "https://u@hub.example", "https://h/?a=b"])
def test_the_public_address_is_one_that_links_can_begin_with(url):
    with pytest.raises(SettingsError, match="INSTALLHUB_PUBLIC_URL"):
        settings.load(public_url=url)


def test_mail_goes_where_the_settings_say(tmp_path: Path):
    by_folder = mailer_of(settings.load(data=tmp_path))
    by_smtp = mailer_of(settings.load(data=tmp_path, smtp_url="smtps://u:p%40@mail.example"))

    assert (type(by_folder), type(by_smtp)) == (FolderMailer, SmtpMailer)


async def test_each_attempt_has_a_line_without_content_and_is_counted(tmp_path, caplog):
    caplog.set_level(logging.INFO, "server.deliveries")
    at_once = Patience(first=0.0, longest=0.0)
    async with (
        a_mail_server("451 later") as mails,
        an_endpoint([500]) as endpoint,
        a_world(tmp_path, smtp_url=mails.url, allow_private_addresses="127.0.0.0/8", role="web") as world,
    ):
        caller = await with_artifacts(world)
        secret = (await caller.data(_CREATE, url=endpoint.url))["createWebhook"]["secret"]
        runtime = world.runtime
        post = Post(runtime.ports, observer=Onlooker(runtime.metrics, runtime.ports.clock), patience=at_once)
        await _an_import_ended(caller)
        waiting = (await world.http.get("/metrics")).text
        await world.services.relay.empty()
        await post.send_mails()
        await post.tell_webhooks()
        page = (await world.http.get("/metrics")).text

    lines = [record.fields for record in caplog.records if record.name == "server.deliveries"]
    outcomes = [line["outcome"] for line in lines]
    assert outcomes == ["relayed", "Waiting", "Sent", "Waiting", "Sent"]
    assert {line["tenant"] for line in lines} == {"tenant-b"}
    told = str(lines) + caplog.text
    assert [word for word in (endpoint.url, secret, "anna@", "Orders") if word in told] == []
    assert "installhub_outbox_messages 1.0" in waiting
    assert "installhub_outbox_messages 0.0" in page
    for line in (
        'installhub_messages_relayed_total{kind="import.failed"} 1.0',
        'installhub_mails_total{state="WAITING"} 1.0',
        'installhub_mails_total{state="SENT"} 1.0',
        'installhub_webhook_deliveries_total{state="WAITING"} 1.0',
        'installhub_webhook_deliveries_total{state="SENT"} 1.0',
    ):
        assert line in page


async def _an_import_ended(caller) -> None:
    """Cancelled in line: nobody works here."""
    import_id = await submitted(caller, await exported(caller))
    cancel = "mutation($id: ID!) { cancelImport(input: {importId: $id}) { refusal { code } } }"
    assert (await caller.data(cancel, id=import_id))["cancelImport"]["refusal"] is None
