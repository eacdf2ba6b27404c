"""Mail as it leaves: over SMTP, or, where nobody said how, into a folder (:class:`domain.notices.ports.Mailer`)."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from email.errors import HeaderParseError
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP, SMTPUTF8
from email.utils import format_datetime
from pathlib import Path
from urllib.parse import unquote, urlsplit

import aiosmtplib
from aiosmtplib import (
    SMTPDataError,
    SMTPException,
    SMTPNotSupported,
    SMTPRecipientsRefused,
    SMTPResponseException,
)

from domain.notices.letters import ENCODED, Letter, is_address
from domain.notices.ports import MailRefusedError, MailUnavailableError
from server.settings import Settings, is_loopback

_SHOWN_AS = "InstallHub"
#: for all of it, and less than a sender may keep a mail to itself
_SECONDS = 30.0
_NO_ADDRESS = "This is no address that mail can be sent to."
#: a server's answers from here on are for good (RFC 5321, section 4.2.1)
_FOR_GOOD = 500
_PORTS = {"smtp": 25, "smtps": 465}
_PORT_WITH_A_PASSWORD = 587


@dataclass(frozen=True, slots=True)
class SmtpServer:
    """Who takes our mail."""

    host: str
    port: int
    #: TLS from the first byte
    is_secure: bool
    user: str | None = None
    password: str | None = field(default=None, repr=False)

    @classmethod
    def of(cls, url: str) -> SmtpServer:
        """``smtp://user:password@host:port`` or ``smtps://…``, checked by the settings; signs in them are escaped."""
        parts = urlsplit(url)
        usual = _PORT_WITH_A_PASSWORD if parts.scheme == "smtp" and parts.username else _PORTS[parts.scheme]
        return cls(
            host=parts.hostname or "",
            port=parts.port or usual,
            is_secure=parts.scheme == "smtps",
            user=unquote(parts.username) if parts.username else None,
            password=unquote(parts.password) if parts.password else None,
        )

    @property
    def start_tls(self) -> bool | None:
        """No password leaves this machine in the open; without one, TLS is taken where it is offered."""
        if self.is_secure:
            return False
        return True if self.user and not is_loopback(self.host) else None


class SmtpMailer:
    """Hands letters to a mail server. One connection a letter."""

    def __init__(self, server: SmtpServer, sender: str) -> None:
        self._server = server
        self._sender = sender

    async def send(self, letter: Letter) -> None:
        # the longer part of what Python's mail library does: nobody who is being answered should wait for it
        message = await asyncio.to_thread(message_of, letter, self._sender)
        try:
            async with asyncio.timeout(_SECONDS):
                await self._sent(message, _address(letter.address).addr_spec)
        except SMTPRecipientsRefused as error:
            codes = [refused.code for refused in error.recipients]
            raise _trouble(f"The address was refused: {codes}.", is_for_good=min(codes) >= _FOR_GOOD) from error
        except SMTPDataError as error:
            raise _trouble(f"The mail was refused: {error.code}.", is_for_good=error.code >= _FOR_GOOD) from error
        except SMTPResponseException as error:
            raise MailUnavailableError(f"{type(error).__name__}: {error.code}") from error
        except SMTPNotSupported as error:
            # TLS can be switched on; an address beyond ASCII stays what it is
            raise _trouble(
                "The mail server lacks what this needs.", is_for_good=not letter.address.isascii()
            ) from error
        except (SMTPException, OSError, TimeoutError) as error:
            raise MailUnavailableError(f"{type(error).__name__}: the mail server cannot be reached.") from error

    async def _sent(self, message: EmailMessage, recipient: str) -> None:
        await aiosmtplib.send(
            message,
            sender=self._sender,
            recipients=[recipient],
            hostname=self._server.host,
            port=self._server.port,
            username=self._server.user,
            password=self._server.password,
            use_tls=self._server.is_secure,
            start_tls=self._server.start_tls,
            timeout=_SECONDS,
        )


class FolderMailer:
    """Writes letters as ``<letter_id>.eml``; one that is sent again is written over."""

    def __init__(self, folder: Path, sender: str) -> None:
        self._folder = folder
        self._sender = sender

    async def send(self, letter: Letter) -> None:
        try:
            await asyncio.to_thread(self._write, letter)
        except OSError as error:
            raise MailUnavailableError(f"The folder of mails cannot be written: {error.strerror}") from error

    def _write(self, letter: Letter) -> None:
        message = message_of(letter, self._sender).as_bytes()
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        begun = self._folder / f".{letter.letter_id}"
        begun.write_bytes(message)
        begun.replace(self._folder / f"{letter.letter_id}.eml")


def mailer_of(settings: Settings) -> SmtpMailer | FolderMailer:
    """How mail leaves this process."""
    if settings.smtp_url:
        return SmtpMailer(SmtpServer.of(settings.smtp_url), settings.mail_from)
    return FolderMailer(settings.data / "mail", settings.mail_from)


def message_of(letter: Letter, sender: str) -> EmailMessage:
    """A letter as MIME: text, and HTML that says the same. Raises :class:`MailRefusedError` for a bad address."""
    to = _address(letter.address)
    message = EmailMessage(SMTP if to.username.isascii() else SMTPUTF8)
    message["From"] = Address(_SHOWN_AS, addr_spec=sender)
    message["To"] = to
    # what looks like an encoded word would be decoded on the way out, with the line breaks in it
    message["Subject"] = letter.subject.replace(ENCODED, "= ?")
    message["Date"] = format_datetime(letter.at)
    message["Message-ID"] = f"<{letter.letter_id}@{sender.rpartition('@')[2]}>"
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(letter.text)
    message.add_alternative(letter.html, subtype="html")
    return message


def _address(text: str) -> Address:
    """One address, its domain as the network spells it. Raises :class:`MailRefusedError`."""
    user, _, domain = text.rpartition("@")
    try:
        if is_address(text):
            return Address(username=user, domain=domain.encode("idna").decode())
    except (ValueError, HeaderParseError) as error:
        raise MailRefusedError(_NO_ADDRESS) from error
    raise MailRefusedError(_NO_ADDRESS)


def _trouble(text: str, *, is_for_good: bool) -> MailRefusedError | MailUnavailableError:
    return MailRefusedError(text) if is_for_good else MailUnavailableError(text)
