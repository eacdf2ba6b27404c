"""Sending what waits: mails and webhooks' messages, each tried again with longer and longer pauses, then given up.

An attempt is claimed for a while before it is made, and noted afterwards. Whoever is stopped in between leaves it to
be made once more: the receiver knows it by its id.
"""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import timedelta

from domain.notices.letters import letter_of
from domain.notices.model import DeliveryState, Mail, Outgoing
from domain.notices.ports import MailRefusedError, MailUnavailableError, Outward, UnreachableError
from domain.notices.signing import signed_headers
from domain.observing import NOBODY, Observer
from domain.ports import PlatformUnit, Ports, Turn

#: answers of a receiver that has the message
_TAKEN = range(200, 300)
#: the answer of a receiver that wants nothing more, ever (RFC 9110 section 15.5.11; Standard Webhooks)
_GONE = 410
_UNFINISHED = "No attempt came to its end."
#: notifications are kept so long, and what was sent, or given up, so long
_NOTIFICATIONS_KEPT = timedelta(days=90)
_SENT_KEPT = timedelta(days=30)
#: a webhook's message that waited so long behind others is given up
_WAITED_LONGEST = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Patience:
    """How attempts follow each other; times in seconds. The usual one gives up after some three hours."""

    first: float = 10.0
    longest: float = 3600.0
    attempts: int = 12
    #: how long one attempt may take before somebody else may make it
    lease: float = 60.0

    def pause(self, failures: int) -> float:
        """The rest after so many attempts in a row came to nothing: doubled each time, and never quite the same."""
        whole = min(self.first * 2.0 ** min(failures - 1, 40), self.longest)
        return whole * random.uniform(0.75, 1.0)  # noqa: S311 - keeps senders from coming back at once


class Post:
    """Sends mails and webhooks' messages. Any number may send at the same time."""

    def __init__(
        self, ports: Ports, public_url: str = "", observer: Observer = NOBODY, patience: Patience | None = None
    ) -> None:
        self._store = ports.store
        self._clock = ports.clock
        self._mailer = ports.mailer
        self._outward = ports.outward
        self._public_url = public_url
        self._observer = observer
        self._patience = patience or Patience()

    async def mails_due(self, limit: int) -> int:
        """How many mails can be sent now, at most ``limit``; none by an installation that sends none."""
        if self._mailer is None:
            return 0
        async with self._store.platform_view() as view:
            return await view.notices.mails_due(limit=limit)

    async def webhooks_due(self, limit: int) -> int:
        """How many webhooks can be told something now, at most ``limit``."""
        if self._outward is None:
            return 0
        async with self._store.platform_view() as view:
            return await view.notices.webhooks_due(limit=limit)

    async def send_mails(self) -> int:
        """Send mails, one after the other, until none is due; how many attempts were made."""
        return await _counted(self.send_mail)

    async def tell_webhooks(self) -> int:
        """The same for webhooks' messages."""
        return await _counted(self.send_to_webhook)

    async def send_mail(self) -> bool:
        """Send the mail that waits longest, if one does."""
        if self._mailer is None or not await self.mails_due(1):
            return False
        async with self._store.platform_unit(turn=Turn.BRIEF) as unit:
            mail = await unit.notices.claim_mail(lease_seconds=self._patience.lease)
        if mail is None:
            return False
        if mail.attempts > self._patience.attempts:
            # whoever tried it never came back to say how it went
            await self._mail_failed(mail, MailRefusedError(_UNFINISHED), is_dead=True)
            return True
        try:
            await self._mailer.send(letter_of(mail, self._public_url))
        except MailRefusedError as error:
            await self._mail_failed(mail, error, is_dead=True)
        except MailUnavailableError as error:
            await self._mail_failed(mail, error, is_dead=mail.attempts >= self._patience.attempts)
        else:
            async with self._store.platform_unit(turn=Turn.BRIEF) as unit:
                await unit.notices.mail_sent(mail)
            self._observer.mailed(mail, DeliveryState.SENT)
        return True

    async def _mail_failed(self, mail: Mail, error: Exception, *, is_dead: bool) -> None:
        again_in = None if is_dead else self._patience.pause(mail.attempts)
        async with self._store.platform_unit(turn=Turn.BRIEF) as unit:
            await unit.notices.mail_failed(mail, str(error), again_in=again_in)
        self._observer.mailed(mail, DeliveryState.DEAD if is_dead else DeliveryState.WAITING)

    async def send_to_webhook(self) -> bool:
        """Send the next message of the webhook that waits longest, if one does."""
        if self._outward is None or not await self.webhooks_due(1):
            return False
        async with self._store.platform_unit(turn=Turn.BRIEF) as unit:
            outgoing = await unit.notices.claim_webhook(lease_seconds=self._patience.lease)
        if outgoing is None:
            return False
        status, error = await self._answer(self._outward, outgoing)
        if status is None or error:
            await self._not_delivered(outgoing, status, error)
            return True
        async with self._store.platform_unit(turn=Turn.BRIEF) as unit:
            await unit.notices.delivered(outgoing, status)
        self._observer.delivered(outgoing, DeliveryState.SENT)
        return True

    async def _answer(self, outward: Outward, outgoing: Outgoing) -> tuple[int | None, str]:
        """The status of the receiver's answer, if there was one, and why it does not have the message."""
        webhook, delivery = outgoing.webhook, outgoing.delivery
        if delivery.attempts > self._patience.attempts:
            return None, _UNFINISHED
        headers = signed_headers(webhook, delivery, self._clock.now())
        try:
            status = await outward.post(webhook.url, delivery.body.encode(), headers)
        except UnreachableError as error:
            return None, str(error)
        return status, "" if status in _TAKEN else f"The receiver answered {status}."

    async def _not_delivered(self, outgoing: Outgoing, status: int | None, error: str) -> None:
        is_dead = status == _GONE or outgoing.delivery.attempts >= self._patience.attempts
        again_in = self._patience.pause(outgoing.webhook.failures + 1)
        async with self._store.platform_unit(turn=Turn.BRIEF) as unit:
            await unit.notices.not_delivered(outgoing, status, error, again_in=again_in, is_dead=is_dead)
            if status == _GONE:
                await _switched_off(unit, outgoing)
        self._observer.delivered(outgoing, DeliveryState.DEAD if is_dead else DeliveryState.WAITING)

    async def take_back(self) -> None:
        """Let all that waits be sent at once, when no other process can be sending it."""
        async with self._store.platform_unit(turn=Turn.BRIEF) as unit:
            await unit.notices.take_back()

    async def tidy(self) -> int:
        """Give up messages that waited a day behind others; drop what is old. How many."""
        now = self._clock.now()
        async with self._store.platform_unit(turn=Turn.BRIEF) as unit:
            given_up = await unit.notices.give_up_before(now - _WAITED_LONGEST)
            return given_up + await unit.notices.forget_before(now - _NOTIFICATIONS_KEPT, now - _SENT_KEPT)


async def _switched_off(unit: PlatformUnit, outgoing: Outgoing) -> None:
    """Write to this address no more, until somebody of the tenant enables the webhook again."""
    webhook = await unit.notices.find_webhook(outgoing.webhook.webhook_id, None, lock=True)
    # somebody may have named another address meanwhile
    if webhook is not None and webhook.url == outgoing.webhook.url:
        await unit.notices.change_webhook(replace(webhook, is_enabled=False))


async def _counted(attempt: Callable[[], Awaitable[bool]]) -> int:
    made = 0
    while await attempt():
        made += 1
    return made
