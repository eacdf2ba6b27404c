"""Telling the hub of another installation what was installed here (installhub.md section 10.2; ADR 0014).

An install leaves a message in the outbox, in the transaction that activates it; the relay puts it into the line of the
hub, and from there it goes out one by one. The hub counts an install once a tenant, so what is told twice has one
effect. It never learns a tenant's or a person's id: only what a key of this installation makes of it.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence
from datetime import timedelta

from domain.errors import ErrorCode, Refusal
from domain.market.model import ListingId
from domain.market.remote_rows import NewReport
from domain.notices.model import Message
from domain.notices.sending import Patience
from domain.ports import PlatformUnit, Ports

#: the outbox's word for an install whose package another installation's hub offers
INSTALLED_ELSEWHERE = "hub.installed"
#: where the hub is told of installs, below what it is told by others
INSTALLS = ("installs",)
#: an install that the hub could not be told of for so long is told no more
_TOLD_WITHIN = timedelta(days=30)
_SECRET = "hub-reports"  # noqa: S105 - the name under which it is kept


async def known_as(unit: PlatformUnit, kind: str, name: str) -> str:
    """What a hub elsewhere knows a tenant or a person as: always the same 64 digits, from which nobody gets back."""
    key = bytes.fromhex(await unit.keeping.secret(_SECRET))
    return hmac.new(key, f"{kind} {name}".encode(errors="replace"), hashlib.sha256).hexdigest()


def reports_in(messages: Sequence[Message]) -> list[NewReport]:
    """What messages of the outbox say of installs that a hub elsewhere is to be told of."""
    return [
        NewReport(message.tenant_id, ListingId(str(told.get("listingId"))), str(told.get("version")), message.at)
        for message in messages
        if message.kind == INSTALLED_ELSEWHERE
        for told in [message.payload]
    ]


class Reporting:
    """Empties the hub's line. Any number may try at the same time; nothing to do where the hub is our own."""

    def __init__(self, ports: Ports, patience: Patience | None = None) -> None:
        self._store = ports.store
        self._clock = ports.clock
        self._desk = ports.hub_desk
        self._patience = patience or Patience()

    async def tell_hub(self) -> int:
        """Tell until nothing is due; how many attempts were made."""
        made = 0
        while await self.tell_one():
            made += 1
        return made

    async def tell_one(self) -> bool:
        """Tell of the install that is first in line, if it is due. While the hub is away, the whole line rests."""
        if self._desk is None:
            return False
        async with self._store.platform_view() as view:
            if not await view.remote.is_report_due():
                return False
        async with self._store.platform_unit() as unit:
            report = await unit.remote.claim_report(lease_seconds=self._patience.lease)
            if report is None:
                return False
            tenant = await known_as(unit, "tenant", report.tenant_id)
        trouble: Refusal | None = None
        try:
            told = {"tenant": tenant, "packageId": report.listing_id, "version": report.version}
            await self._desk.tell(INSTALLS, told)
        except Refusal as refusal:
            trouble = refusal
        async with self._store.platform_unit() as unit:
            if trouble is None:
                await unit.remote.report_told(report)
            else:
                is_away = trouble.code is ErrorCode.HUB_UNAVAILABLE
                again_in = self._patience.pause(report.attempts) if is_away else None
                await unit.remote.report_not_told(report, trouble.message, again_in=again_in)
        return True

    async def take_back(self) -> None:
        """Let what waits be told at once, when no other process can be telling it."""
        async with self._store.platform_unit() as unit:
            await unit.remote.take_reports_back()

    async def tidy(self) -> int:
        """Drop what could not be told within a month; how many."""
        async with self._store.platform_unit() as unit:
            return await unit.remote.forget_reports(self._clock.now() - _TOLD_WITHIN)
