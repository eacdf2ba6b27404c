"""Mailers: over SMTP and into a folder, the same letter arrives, and nothing that was not meant."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from typing import Any

import pytest

from domain.model import ImportId, TenantId
from domain.notices.letters import Letter, is_address, letter_of
from domain.notices.model import Mail, MailId, NoticeKind, Notification, NotificationId
from domain.notices.ports import Mailer, MailRefusedError, MailUnavailableError
from server.mail import FolderMailer, SmtpMailer, SmtpServer
from tests.clocks import NOON
from tests.receivers import a_mail_server

FROM = "hub@installhub.example"


def a_mail(**fields: Any) -> Mail:
    told = Notification(
        number=1,
        notification_id=NotificationId("ntc-1"),
        tenant_id=TenantId("acme"),
        identity="issuer anna",
        at=NOON,
        kind=NoticeKind.INSTALL_FAILED,
        title="The install of Größe 1.0.0 failed",
        body="The scan says FAIL.\nError: SecurityScanFailed\nStage: SecurityScan",
        link="/api/installhub/imports/imp-1/audit",
        import_id=ImportId("imp-1"),
        is_shown=True,
    )
    return Mail(MailId("mail-1"), told.tenant_id, "anna@acme.example", 1, replace(told, **fields))


def a_letter(**fields: Any) -> Letter:
    return replace(letter_of(a_mail(), "https://hub.example"), **fields)


@dataclass
class Sent:
    """A mailer, and what has arrived by it."""

    mailer: Mailer
    arrived: Callable[[], list[EmailMessage]]


@pytest.fixture(params=["smtp", "folder"])
async def sent(request, tmp_path):
    if request.param == "folder":
        yield Sent(FolderMailer(tmp_path / "mail", FROM), lambda: _read(tmp_path / "mail"))
        return
    async with a_mail_server() as server:
        yield Sent(SmtpMailer(SmtpServer.of(server.url), FROM), lambda: server.letters)


def _read(folder) -> list[Any]:
    return [message_from_bytes(path.read_bytes(), policy=default) for path in sorted(folder.glob("*.eml"))]


def parts_of(message: EmailMessage) -> list[str]:
    return [part.get_content() for part in message.walk() if not part.is_multipart()]


async def test_a_letter_arrives_as_text_and_as_html(sent):
    await sent.mailer.send(a_letter())

    (message,) = sent.arrived()
    text, html = parts_of(message)
    link = "https://hub.example/api/installhub/imports/imp-1/audit"
    assert (message["To"], message["Subject"]) == ("anna@acme.example", "The install of Größe 1.0.0 failed")
    assert (message["From"], message["Message-ID"]) == (f"InstallHub <{FROM}>", "<mail-1@installhub.example>")
    assert message["Auto-Submitted"] == "auto-generated"
    for word in ("Größe 1.0.0", "The scan says FAIL.", "SecurityScanFailed", "Stage: SecurityScan", link, "acme"):
        assert word in text
        assert word in html
    assert f'<a href="{link}">' in html


@pytest.mark.parametrize(
    ("address", "reached"),
    [
        ("jörg@acme.example", "jörg@acme.example"),
        ("o'neil+hub@acme.example", "o'neil+hub@acme.example"),
        ("a.b@münchen.example", "a.b@xn--mnchen-3ya.example"),
    ],
)
async def test_unusual_addresses_are_reached(sent, address, reached):
    await sent.mailer.send(a_letter(address=address))

    (message,) = sent.arrived()
    assert str(message["To"]) == reached


@pytest.mark.parametrize(
    "address",
    [
        "a@b.c\r\nBcc: d@e.f",
        "a@b.c\nX: y",
        "a@b.c, d@e.f",
        "a@b.c;d@e.f",
        "Anna <a@b.c>",
        "a b@c.d",
        "@",
        "a@",
        "@b",
        "=?utf-8?q?a=0D=0ABcc=3A_b=40c.d?=@e.f",
        "",
    ],
)
async def test_an_address_that_is_more_than_one_sends_nothing(sent, address):
    assert not is_address(address)
    with pytest.raises(MailRefusedError):
        await sent.mailer.send(a_letter(address=address))

    assert sent.arrived() == []


async def test_a_name_cannot_add_a_header_or_a_tag(sent):
    title = "Imported: x\r\nBcc: evil@example.com\r\n\r\n<script>alert(1)</script>"
    letter = letter_of(a_mail(title=title, body="<img src='http://evil.example/x.png'>"), "")

    await sent.mailer.send(letter)

    (message,) = sent.arrived()
    _, html = parts_of(message)
    assert message["Bcc"] is None
    assert "\n" not in str(message["Subject"])
    assert ("<script" in html, "<img" in html) == (False, False)
    assert "&lt;img" in html


@pytest.mark.parametrize(
    "name",
    [
        "=?utf-8?q?Starter=0D=0ABcc:_eve@evil.example?=",
        "=?utf-8?b?DQpCY2M6IGV2ZUBldmlsLmV4YW1wbGU=?= Starter",
        "x =?utf-8?q?=0A?==?utf-8?q?=0A?=",
        "=?utf-7?q?+2AA-?=",
        "==??utf-8?q?=0ABcc:?=",
    ],
)
async def test_a_name_cannot_hide_a_header_in_an_encoded_word(sent, name):
    await sent.mailer.send(letter_of(a_mail(title=f"Installed: {name} 1.0.0"), ""))

    (message,) = sent.arrived()
    usual = {"from", "to", "subject", "date", "message-id", "auto-submitted", "mime-version", "content-type"}
    assert {header.lower() for header in message} - {"x-peer", "x-mailfrom", "x-rcptto"} == usual
    assert str(message["Subject"]).strip() == f"Installed: {name} 1.0.0".replace("=?", "= ?")


def test_a_letter_fetches_nothing_and_links_nowhere_without_a_public_address():
    letter = letter_of(a_mail(), "")

    assert "/api/installhub/imports/imp-1/audit" in letter.html
    assert [word for word in ("http", "src=", "href=", "url(", "@import") if word in letter.html] == []


async def test_a_letter_sent_again_has_the_same_id(sent):
    for _ in range(2):
        await sent.mailer.send(a_letter())

    assert {message["Message-ID"] for message in sent.arrived()} == {"<mail-1@installhub.example>"}


async def test_who_is_answered_meanwhile_does_not_wait_for_a_letter_to_be_put_together(tmp_path):
    letter, longest = a_letter(html="<p>Größe</p>\n" * 300_000), 0.0
    began = time.monotonic()
    sending = asyncio.create_task(FolderMailer(tmp_path / "mail", FROM).send(letter))

    while not sending.done():
        looked = time.monotonic()
        await asyncio.sleep(0)
        longest = max(longest, time.monotonic() - looked)

    await sending
    assert longest < (time.monotonic() - began) / 2


async def test_a_server_that_refuses_for_now_is_told_from_one_that_refuses_for_good():
    async with a_mail_server("451 try later", "554 never") as server:
        mailer = SmtpMailer(SmtpServer.of(server.url), FROM)
        with pytest.raises(MailUnavailableError):
            await mailer.send(a_letter())
        with pytest.raises(MailRefusedError):
            await mailer.send(a_letter())
        with pytest.raises(MailRefusedError):
            await mailer.send(a_letter(address="nobody@acme.example"))
        await mailer.send(a_letter())

    assert len(server.letters) == 1


async def test_a_server_that_is_down_may_be_up_later():
    async with a_mail_server() as server:
        gone = server.url

    with pytest.raises(MailUnavailableError):
        await SmtpMailer(SmtpServer.of(gone), FROM).send(a_letter())


async def test_a_folder_that_cannot_be_written_may_be_later(tmp_path):
    (tmp_path / "mail").write_text("in the way")

    with pytest.raises(MailUnavailableError):
        await FolderMailer(tmp_path / "mail", FROM).send(a_letter())


@pytest.mark.parametrize(
    ("url", "port", "is_secure", "start_tls"),
    [
        ("smtp://mail.example", 25, False, None),
        ("smtp://u:p%40ss@mail.example", 587, False, True),
        ("smtp://u:secret@127.0.0.1:2525", 2525, False, None),
        ("smtps://u:secret@mail.example", 465, True, False),
    ],
)
def test_no_password_leaves_this_machine_without_tls(url, port, is_secure, start_tls):
    server = SmtpServer.of(url)

    assert (server.port, server.is_secure, server.start_tls) == (port, is_secure, start_tls)
    assert server.password is None or server.password not in repr(server)


def test_signs_in_a_password_are_unescaped():
    assert SmtpServer.of("smtp://u%3A:p%40ss@mail.example").password == "p@ss"
