"""What a person was told and wants to be told, and the stream of what comes (installhub.md section 10.1).

A notification belongs to one person in one tenant: nobody else sees it, and they only while their token names the
tenant. A watcher listens to a bell of their own before they look, so nothing falls between.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Collection
from typing import TypeVar

from domain.access import Caller, Reach, Right, require
from domain.errors import ErrorCode, refuse
from domain.model import TenantId
from domain.notices.model import CHOOSABLE, EVERY_WAY, Choice, NoticeKind, Notification, Person, bell_of, ways_of
from domain.notices.rows import NoticeRows
from domain.ports import Ports, UnavailableError
from domain.rows import Slice
from domain.tenancy import active_tenant, entry_of

T = TypeVar("T")

#: bells may be lost between processes: look again after this time
POLL_SECONDS = 5.0
MARKED_AT_ONCE = 100
_READ_AT_ONCE = 100
_FIRST_PAUSE_SECONDS = 0.1


class Notices:
    """Notifications of callers, and their choices."""

    def __init__(self, ports: Ports) -> None:
        self._store = ports.store
        self._bell = ports.bell
        self._clock = ports.clock
        self._watchers = 0

    @property
    def watcher_count(self) -> int:
        """How many watch here now, and miss nothing that comes."""
        return self._watchers

    async def page(
        self, caller: Caller, reach: Reach, *, unread_only: bool = False, first: int, before: int | None = None
    ) -> Slice[Notification]:
        """The caller's notifications in these tenants, newest first; ``before`` is the number of the last one seen."""
        async with self._store.platform_view() as unit:
            return await unit.notices.page(caller.identity, reach, unread_only=unread_only, first=first, before=before)

    async def among(self, caller: Caller, notification_ids: Collection[str], reach: Reach) -> dict[str, Notification]:
        """Those of these that are the caller's."""
        async with self._store.platform_view() as unit:
            found = await unit.notices.among(notification_ids, caller.identity, reach)
        return {one.notification_id: one for one in found}

    async def unread_count(self, caller: Caller, reach: Reach) -> int:
        """How many the caller has not read."""
        async with self._store.platform_view() as unit:
            return await unit.notices.unread_count(caller.identity, reach)

    async def mark_read(self, caller: Caller, notification_ids: Collection[str], reach: Reach) -> None:
        """Note that the caller has read these. What is not theirs stays as it is, like what is not there.

        Raises ``BadUserInput`` for more than 100.
        """
        if len(notification_ids) > MARKED_AT_ONCE:
            text = f"At most {MARKED_AT_ONCE} notifications are marked at once."
            raise refuse(ErrorCode.BAD_USER_INPUT, text, "ids", limit=MARKED_AT_ONCE)
        async with self._store.platform_unit() as unit:
            await unit.notices.mark_read(notification_ids, caller.identity, reach, self._clock.now())

    async def choices(self, caller: Caller, tenant_id: TenantId) -> list[Choice]:
        """In which ways the caller is told each kind of notice in a tenant, as things stand."""
        person = Person.of(caller.identity, caller.actor)
        async with self._store.platform_view() as unit:
            chosen = {one.kind: one.ways for one in await unit.notices.choices(tenant_id, caller.identity)}
            settings = await unit.notices.settings([tenant_id])
        return [
            Choice(kind, ways_of(person, kind, chosen=chosen.get(kind), of_tenant=settings.get((tenant_id, kind))))
            for kind in NoticeKind
            if kind is not NoticeKind.WEBHOOK_TEST
        ]

    async def choose(self, caller: Caller, tenant_id: TenantId, choice: Choice) -> None:
        """Let the caller be told a kind of notice of a tenant in these ways, whatever the tenant sets.

        Raises ``InvalidTenantId``, and ``BadUserInput`` for what is always told.
        """
        _refuse_fixed(choice)
        async with self._store.platform_unit() as unit:
            await active_tenant(unit.tenants, tenant_id)
            await unit.notices.choose(tenant_id, caller.identity, choice)

    async def settings(self, caller: Caller, tenant_id: TenantId) -> list[Choice]:
        """What a tenant sets for its people, kind by kind. Raises ``InsufficientPermission``."""
        require(caller, Right.ADMINISTER)
        async with self._store.platform_view() as unit:
            found = await unit.notices.settings([tenant_id])
        return [Choice(kind, found.get((tenant_id, kind)) or EVERY_WAY) for kind in CHOOSABLE]

    async def set_for(self, caller: Caller, tenant_id: TenantId, choice: Choice) -> None:
        """Let a tenant's people be told in these ways, unless they choose themselves; service accounts are not.

        Raises ``InsufficientPermission``, ``InvalidTenantId``, and ``BadUserInput`` for what is always told.
        """
        require(caller, Right.ADMINISTER)
        _refuse_fixed(choice)
        details = {"kind": choice.kind.wire, "inApp": choice.ways.in_app, "email": choice.ways.email}
        async with self._store.platform_unit() as unit:
            await active_tenant(unit.tenants, tenant_id)
            await unit.notices.set_for(tenant_id, choice)
            entry = entry_of(caller, tenant_id, "notices.set", details, at=self._clock.now())
            await unit.of(tenant_id).imports.audit(entry)

    async def follow(self, caller: Caller, reach: Reach) -> AsyncGenerator[Notification, None]:
        """What the caller is told from now on. Close the generator (``contextlib.aclosing``) to stop watching.

        While the store cannot answer, nothing is shown; it is asked again, quietly.
        """
        identity = caller.identity
        async with self._bell.listen(bell_of(identity)) as rung:
            number = await self._asked(lambda rows: rows.last_number(identity))

            def later(rows: NoticeRows) -> Awaitable[list[Notification]]:
                return rows.after(identity, reach, number, limit=_READ_AT_ONCE)

            self._watchers += 1
            try:
                while True:
                    await rung.wait(POLL_SECONDS)
                    while told := await self._asked(later):
                        for notification in told:
                            number = notification.number
                            yield notification
            finally:
                self._watchers -= 1

    async def _asked(self, question: Callable[[NoticeRows], Awaitable[T]]) -> T:
        pause = _FIRST_PAUSE_SECONDS
        while True:
            try:
                async with self._store.platform_view() as unit:
                    return await question(unit.notices)
            except UnavailableError:
                await asyncio.sleep(pause)
                pause = min(pause * 2, POLL_SECONDS)


def _refuse_fixed(choice: Choice) -> None:
    if choice.kind not in CHOOSABLE:
        text = "Installs, deprecations and advisories are always told."
        raise refuse(ErrorCode.BAD_USER_INPUT, text, "kind", allowed=[kind.name for kind in CHOOSABLE])
