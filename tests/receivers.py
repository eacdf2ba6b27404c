"""Real receivers on loopback ports: a mail server and a webhook's endpoint, as patient or as broken as a test wants."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from typing import Any

from aiohttp import web
from aiosmtpd.smtp import SMTP

from tests.listening import closed, cut_off


@dataclass
class MailServer:
    """Takes mail; before that it says ``answers``, one a mail."""

    answers: list[str] = field(default_factory=list)
    letters: list[EmailMessage] = field(default_factory=list)
    recipients: list[list[str]] = field(default_factory=list)
    attempts: int = 0
    port: int = 0
    #: awaited once, when a letter has come and nothing was said to it yet
    meanwhile: Callable[[], Awaitable[None]] | None = None

    @property
    def url(self) -> str:
        return f"smtp://127.0.0.1:{self.port}"

    async def handle_DATA(self, *given: Any) -> str:  # noqa: N802 - the library's name
        envelope = given[-1]
        self.attempts += 1
        meanwhile, self.meanwhile = self.meanwhile, None
        if meanwhile is not None:
            # the one who sent it may be gone by then, and that ends this
            await asyncio.shield(asyncio.ensure_future(meanwhile()))
        if self.answers:
            return self.answers.pop(0)
        self.letters.append(message_from_bytes(envelope.content, policy=default))
        self.recipients.append(envelope.rcpt_tos)
        return "250 OK"

    async def handle_RCPT(self, *given: Any) -> str:  # noqa: N802 - the library's name
        _, _, envelope, address, _ = given
        if address.startswith("nobody"):
            return "550 no such mailbox"
        envelope.rcpt_tos.append(address)
        return "250 OK"


@asynccontextmanager
async def a_mail_server(*answers: str) -> AsyncIterator[MailServer]:
    taken = MailServer(list(answers))
    sessions: list[SMTP] = []

    def begin() -> SMTP:
        sessions.append(SMTP(taken, hostname="mail.test", enable_SMTPUTF8=True))
        return sessions[-1]

    server = await asyncio.get_running_loop().create_server(begin, "127.0.0.1", 0)
    taken.port = server.sockets[0].getsockname()[1]
    try:
        yield taken
    finally:
        await closed(server)
        transports = [session.transport for session in sessions]
        await cut_off(transport for transport in transports if isinstance(transport, asyncio.WriteTransport))


@dataclass
class Endpoint:
    """Receives webhooks; before that it answers ``answers``, one a message."""

    answers: list[int]
    #: of every attempt: its headers and its body
    attempts: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    #: what had an effect: bodies by id, in the order in which they came first
    seen: dict[str, dict[str, Any]] = field(default_factory=dict)
    url: str = ""
    #: awaited once, when a message has come and had its effect, and nothing was said to it yet
    meanwhile: Callable[[], Awaitable[None]] | None = None

    async def receive(self, request: web.Request) -> web.Response:
        body = await request.read()
        headers = {name.lower(): value for name, value in request.headers.items()}
        self.attempts.append((headers, body))
        if self.answers:
            return web.Response(status=self.answers.pop(0), headers={"Location": "/elsewhere"})
        self.seen.setdefault(headers["webhook-id"], json.loads(body))
        meanwhile, self.meanwhile = self.meanwhile, None
        if meanwhile is not None:
            # the one who sent it may be gone by then, and that ends this
            await asyncio.shield(asyncio.ensure_future(meanwhile()))
        return web.Response(status=204)


@asynccontextmanager
async def an_endpoint(answers: Iterable[int] = ()) -> AsyncIterator[Endpoint]:
    endpoint = Endpoint(list(answers))
    app = web.Application()
    app.router.add_post("/hook", endpoint.receive)
    runner = web.AppRunner(app)
    await runner.setup()
    assert runner.server is not None
    server = await asyncio.get_running_loop().create_server(runner.server, "127.0.0.1", 0)
    endpoint.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/hook"
    try:
        yield endpoint
    finally:
        await closed(server)
        await runner.cleanup()


def is_signed(secret: str, headers: dict[str, str], body: bytes) -> bool:
    """As a receiver finds out, by its own means."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    expected = "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    return expected in headers["webhook-signature"].split(" ")
