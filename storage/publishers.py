"""Publishers and the keys they sign with."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import bindparam, func, select, true, update

from domain.access import Reach
from domain.market.model import Publisher, PublisherId, PublisherKey, PublisherStatus
from domain.rows import Page, Slice
from storage.artifacts import slice_of
from storage.market_tables import publisher, publisher_key
from storage.session import Session
from storage.sql import chunks, on_both, word

#: in the order of :class:`domain.market.model.Publisher`
_FIELDS = (
    *("publisher_id", "tenant_id", "display_name", "slug", "website", "contact_email", "description", "logo_url"),
    *("status", "is_official", "verification_method", "verification_token", "verification_expires_at"),
    *("created_at", "created_by", "verified_at", "domain"),
)
#: in the order of :class:`domain.market.model.PublisherKey`
_KEY_FIELDS = ("publisher_id", "key_id", "public_key", "added_at", "added_by", "revoked_at")
_CHANGED = (
    *("status", "is_official", "verification_method", "verification_token", "verification_expires_at"),
    *("verified_at", "domain"),
)
PUBLISHER = [publisher.c[name] for name in _FIELDS]
KEY = [publisher_key.c[name] for name in _KEY_FIELDS]

_ADD = on_both(lambda made: made(publisher).on_conflict_do_nothing())
_FIND = select(*PUBLISHER).where(publisher.c.publisher_id == bindparam("id"))
_LOCKED = _FIND.with_for_update()
_CHANGE = (
    update(publisher)
    .where(publisher.c.publisher_id == bindparam("id"))
    .values({name: bindparam(f"new_{name}", type_=publisher.c[name].type) for name in _CHANGED})
)
_PROVEN_BEFORE = (
    select(*PUBLISHER)
    .where(
        publisher.c.status == word(PublisherStatus.VERIFIED),
        publisher.c.is_official.is_(False),
        publisher.c.verification_expires_at < bindparam("ends", type_=publisher.c.verification_expires_at.type),
    )
    .order_by(publisher.c.verification_expires_at, publisher.c.publisher_id)
    .limit(bindparam("most"))
)
_ADD_KEY = on_both(lambda made: made(publisher_key).on_conflict_do_nothing())
_REVOKE = (
    update(publisher_key)
    .where(
        publisher_key.c.publisher_id == bindparam("publisher"),
        publisher_key.c.key_id == bindparam("key"),
        publisher_key.c.revoked_at.is_(None),
    )
    .values(revoked_at=bindparam("at", type_=publisher_key.c.revoked_at.type))
)


class SqlPublishers:
    """:class:`domain.market.publishing_rows.PublisherRows`."""

    def __init__(self, session: Session) -> None:
        self._session = session

    async def add(self, publisher: Publisher) -> bool:
        row = {name: getattr(publisher, name) for name in _FIELDS}
        return (await self._session.run(_ADD, row)).rowcount == 1

    async def publisher(self, publisher_id: str) -> Publisher | None:
        row = await self._session.row(_FIND, {"id": publisher_id})
        return Publisher(*row) if row else None

    async def locked(self, publisher_id: str) -> Publisher | None:
        row = await self._session.row(_LOCKED, {"id": publisher_id})
        return Publisher(*row) if row else None

    async def publishers(self, publisher_ids: Collection[str]) -> dict[PublisherId, Publisher]:
        found: dict[PublisherId, Publisher] = {}
        for some in chunks(sorted(set(publisher_ids))):
            named = select(*PUBLISHER).where(publisher.c.publisher_id.in_(some))
            found |= {row[0]: Publisher(*row) for row in await self._session.rows(named)}
        return found

    async def publishers_of(self, reach: Reach, *, first: int, after: str | None = None) -> Slice[Publisher]:
        page = select(*PUBLISHER).where(true() if reach is None else publisher.c.tenant_id.in_(reach))
        if after is not None:
            page = page.where(publisher.c.publisher_id > after)
        rows = await self._session.rows(page.order_by(publisher.c.publisher_id).limit(first + 1))
        return slice_of([Publisher(*row) for row in rows], first)

    async def publisher_page(self, reach: Reach, *, page: int, page_size: int) -> Page[Publisher]:
        found = select(*PUBLISHER).where(true() if reach is None else publisher.c.tenant_id.in_(reach))
        total = await self._session.row(select(func.count()).select_from(found.subquery()))
        part = found.order_by(publisher.c.publisher_id).limit(page_size).offset((page - 1) * page_size)
        rows = await self._session.rows(part)
        return Page(tuple(Publisher(*row) for row in rows), int(total[0]) if total else 0)

    async def change(self, publisher: Publisher) -> None:
        values = {f"new_{name}": getattr(publisher, name) for name in _CHANGED}
        self._session.later(_CHANGE, values | {"id": publisher.publisher_id})

    async def proven_before(self, proof_ends: datetime, *, most: int) -> list[Publisher]:
        rows = await self._session.rows(_PROVEN_BEFORE, {"ends": proof_ends, "most": most})
        return [Publisher(*row) for row in rows]

    async def keys(self, publisher_ids: Collection[str]) -> dict[PublisherId, list[PublisherKey]]:
        found: dict[PublisherId, list[PublisherKey]] = {}
        for some in chunks(sorted(set(publisher_ids))):
            of_them = select(*KEY).where(publisher_key.c.publisher_id.in_(some))
            for row in await self._session.rows(of_them.order_by(publisher_key.c.added_at, publisher_key.c.key_id)):
                found.setdefault(row[0], []).append(PublisherKey(*row))
        return found

    async def add_key(self, owner: Publisher, key: PublisherKey) -> bool:
        row = {name: getattr(key, name) for name in _KEY_FIELDS} | {"tenant_id": owner.tenant_id}
        return (await self._session.run(_ADD_KEY, row)).rowcount == 1

    async def revoke_key(self, publisher_id: str, key_id: str, at: datetime) -> bool:
        values = {"publisher": publisher_id, "key": key_id, "at": at}
        return (await self._session.run(_REVOKE, values)).rowcount == 1
