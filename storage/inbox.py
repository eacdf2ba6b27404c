"""What people were told, what they have read, and what they want to be told."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any

from sqlalchemy import Column, ColumnElement, bindparam, func, select, true, update

from domain.access import Reach
from domain.model import TenantId
from domain.notices.model import Choice, Notification, Ways, bell_of
from domain.rows import Slice
from storage.artifacts import slice_of
from storage.notice_rows import NOTIFICATION, notification_of
from storage.notice_tables import IS_SHOWN, notice_choice, notice_setting, notification
from storage.session import Session
from storage.sql import chunks, on_both

_N = notification.c
_UNREAD = _N.read_at.is_(None)
_LAST_NUMBER = select(func.max(_N.number)).where(IS_SHOWN, _N.identity == bindparam("identity"))
_CHOICES = (
    select(notice_choice.c.kind, notice_choice.c.in_app, notice_choice.c.email)
    .where(notice_choice.c.tenant_id == bindparam("tenant"), notice_choice.c.identity == bindparam("identity"))
    .order_by(notice_choice.c.kind)
)
_WAYS = ("in_app", "email")


def _keeping(table: Any, *key: str) -> Any:
    def keep(made: Any) -> Any:
        statement = made(table)
        return statement.on_conflict_do_update(
            index_elements=list(key), set_={name: statement.excluded[name] for name in _WAYS}
        )

    return on_both(keep)


_CHOOSE = _keeping(notice_choice, "tenant_id", "identity", "kind")
_SET = _keeping(notice_setting, "tenant_id", "kind")


class Inbox:
    """:class:`domain.notices.rows.InboxRows`."""

    def __init__(self, session: Session) -> None:
        self._session = session

    async def page(
        self, identity: str, reach: Reach, *, unread_only: bool, first: int, before: int | None
    ) -> Slice[Notification]:
        page = select(*NOTIFICATION).where(IS_SHOWN, _N.identity == identity, _within(_N.tenant_id, reach))
        if unread_only:
            page = page.where(_UNREAD)
        if before is not None:
            page = page.where(_N.number < before)
        rows = await self._session.rows(page.order_by(_N.number.desc()).limit(first + 1))
        return slice_of([notification_of(row) for row in rows], first)

    async def among(self, notification_ids: Collection[str], identity: str, reach: Reach) -> list[Notification]:
        found: list[Notification] = []
        for some in chunks(sorted(set(notification_ids))):
            mine = select(*NOTIFICATION).where(_N.notification_id.in_(some), IS_SHOWN, _N.identity == identity)
            rows = await self._session.rows(mine.where(_within(_N.tenant_id, reach)))
            found += [notification_of(row) for row in rows]
        return found

    async def unread_count(self, identity: str, reach: Reach) -> int:
        unread = select(func.count()).where(IS_SHOWN, _UNREAD, _N.identity == identity, _within(_N.tenant_id, reach))
        return int((await self._session.rows(unread))[0][0])

    async def last_number(self, identity: str) -> int:
        return int((await self._session.rows(_LAST_NUMBER, {"identity": identity}))[0][0] or 0)

    async def after(self, identity: str, reach: Reach, number: int, *, limit: int) -> list[Notification]:
        later = select(*NOTIFICATION).where(IS_SHOWN, _N.identity == identity, _N.number > number)
        later = later.where(_within(_N.tenant_id, reach)).order_by(_N.number).limit(limit)
        return [notification_of(row) for row in await self._session.rows(later)]

    async def mark_read(self, notification_ids: Collection[str], identity: str, reach: Reach, at: datetime) -> None:
        for some in chunks(sorted(set(notification_ids))):
            mine = (IS_SHOWN, _UNREAD, _N.identity == identity, _within(_N.tenant_id, reach))
            self._session.later(update(notification).where(_N.notification_id.in_(some), *mine).values(read_at=at))
        self._session.ring(bell_of(identity))

    async def choices(self, tenant_id: TenantId, identity: str) -> list[Choice]:
        rows = await self._session.rows(_CHOICES, {"tenant": tenant_id, "identity": identity})
        return [Choice(row[0], Ways(bool(row[1]), bool(row[2]))) for row in rows]

    async def choose(self, tenant_id: TenantId, identity: str, choice: Choice) -> None:
        self._session.later(_CHOOSE, {"tenant_id": tenant_id, "identity": identity, **_row(choice)})

    async def set_for(self, tenant_id: TenantId, choice: Choice) -> None:
        self._session.later(_SET, {"tenant_id": tenant_id, **_row(choice)})


def _row(choice: Choice) -> dict[str, Any]:
    return {"kind": choice.kind, "in_app": choice.ways.in_app, "email": choice.ways.email}


def _within(column: Column[str], reach: Reach) -> ColumnElement[bool]:
    return true() if reach is None else column.in_(sorted(reach))
