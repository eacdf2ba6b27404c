"""Users, their sessions, and what businesses demand of these."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, delete, insert, select, update

from domain.model import TenantId
from domain.rows import Slice
from domain.user_rows import Protection, Session, Standing, User
from storage import session as units
from storage.artifacts import slice_of
from storage.sql import on_both
from storage.user_tables import protection, session, user

#: in the order of :class:`domain.user_rows.User`
_USER = [
    user.c[name]
    for name in ("user_id", "tenant_id", "email", "email_key", "password_hash", "power", "is_enabled", "created_at")
]
#: in the order of :class:`domain.user_rows.Session`
_SESSION = [session.c[name] for name in ("token_hash", "tenant_id", "user_id", "begun_at", "expires_at")]
_THIS_USER = (user.c.tenant_id == bindparam("tenant"), user.c.email_key == bindparam("email"))
_ADD = on_both(lambda insert: insert(user).on_conflict_do_nothing().returning(user.c.user_id))
_FIND = select(*_USER).where(*_THIS_USER)
_LOCK = _FIND.with_for_update()
_CHANGED = ("password_hash", "power", "is_enabled")
_CHANGE = (
    update(user)
    .where(user.c.user_id == bindparam("id"))
    .values({name: bindparam(f"new_{name}", type_=user.c[name].type) for name in _CHANGED})
)
_BEGIN = insert(session)
_THIS_SESSION = session.c.token_hash == bindparam("token")
_STANDING = (
    select(*_SESSION, *_USER, protection.c.reads, protection.c.writes)
    .select_from(session)
    .join(user, user.c.user_id == session.c.user_id)
    .outerjoin(protection, protection.c.tenant_id == session.c.tenant_id)
    .where(_THIS_SESSION, session.c.expires_at > bindparam("now", type_=session.c.expires_at.type))
    .where(user.c.is_enabled)
)
_EXTEND = update(session).where(_THIS_SESSION).values(expires_at=bindparam("until", type_=session.c.expires_at.type))
_END = delete(session).where(_THIS_SESSION)
_END_ALL = delete(session).where(session.c.user_id == bindparam("id"))
_FORGET = delete(session).where(session.c.expires_at <= bindparam("now", type_=session.c.expires_at.type))
_PROTECTION = select(protection.c.reads, protection.c.writes).where(protection.c.tenant_id == bindparam("tenant"))


def _protecting(insert: Any) -> Any:
    new = insert(protection)
    changed = {name: new.excluded[name] for name in ("reads", "writes")}
    return new.on_conflict_do_update(index_elements=[protection.c.tenant_id], set_=changed)


_PROTECT = on_both(_protecting)


class SqlUsers:
    """:class:`domain.user_rows.UserRows`."""

    def __init__(self, unit: units.Session) -> None:
        self._session = unit

    async def add(self, user: User) -> bool:
        row = {column.name: getattr(user, column.name) for column in _USER}
        return await self._session.row(_ADD, row) is not None

    async def find(self, tenant_id: TenantId, email_key: str, *, lock: bool = False) -> User | None:
        row = await self._session.row(_LOCK if lock else _FIND, {"tenant": tenant_id, "email": email_key})
        return _user_of(row) if row else None

    async def having(self, email_key: str, *, first: int) -> list[User]:
        found = select(*_USER).where(user.c.email_key == email_key).order_by(user.c.user_id).limit(first)
        return [_user_of(row) for row in await self._session.rows(found)]

    async def page(self, tenant_id: TenantId, *, first: int, after: str | None) -> Slice[User]:
        page = select(*_USER).where(user.c.tenant_id == tenant_id)
        if after is not None:
            page = page.where(user.c.email_key > after)
        rows = await self._session.rows(page.order_by(user.c.email_key).limit(first + 1))
        return slice_of([_user_of(row) for row in rows], first)

    async def change(self, user: User) -> None:
        new = {f"new_{name}": getattr(user, name) for name in _CHANGED}
        await self._session.run(_CHANGE, {"id": user.user_id, **new})

    async def begin_session(self, session: Session) -> None:
        await self._session.run(_BEGIN, {column.name: getattr(session, column.name) for column in _SESSION})

    async def session(self, token_hash: str, now: datetime) -> Standing | None:
        row = await self._session.row(_STANDING, {"token": token_hash, "now": now})
        if row is None:
            return None
        begin, end = len(_SESSION), len(_SESSION) + len(_USER)
        return Standing(Session(*row[:begin]), _user_of(row[begin:end]), _protection_of(row[end:]))

    async def extend_session(self, token_hash: str, expires_at: datetime) -> None:
        await self._session.run(_EXTEND, {"token": token_hash, "until": expires_at})

    async def end_session(self, token_hash: str) -> None:
        await self._session.run(_END, {"token": token_hash})

    async def end_sessions(self, user_id: str) -> None:
        await self._session.run(_END_ALL, {"id": user_id})

    async def forget_sessions(self, now: datetime) -> int:
        return (await self._session.run(_FORGET, {"now": now})).rowcount

    async def protection(self, tenant_id: TenantId) -> Protection:
        row = await self._session.row(_PROTECTION, {"tenant": tenant_id})
        return _protection_of(row) if row else Protection()

    async def protect(self, tenant_id: TenantId, protection: Protection) -> None:
        said = {"tenant_id": tenant_id, "reads": protection.reads, "writes": protection.writes}
        await self._session.run(_PROTECT, said)


def _user_of(row: Sequence[Any]) -> User:
    values = dict(zip((column.name for column in _USER), row, strict=True))
    return User(**(values | {"is_enabled": bool(values["is_enabled"])}))


def _protection_of(row: Sequence[Any]) -> Protection:
    reads, writes = row
    return Protection() if reads is None else Protection(bool(reads), bool(writes))
