"""The hub's index: our own metadata, and what was verified of another hub's (installhub.md section 10.5)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import and_, bindparam, delete, exists, func, insert, or_, select

from domain.market.hub_rows import HubContent
from domain.market.index import ROOT, HubMetadata
from domain.market.model import Offer
from storage.market_tables import hub_metadata, hub_trust, listing, listing_version
from storage.offers import SqlOffers
from storage.session import Session
from storage.sql import on_both
from storage.tables import secret

_M, _T, _V = hub_metadata.c, hub_trust.c, listing_version.c
#: nobody's: the hub belongs to the installation
_NO_TENANT = ""
#: the row that publishers wait for
_LOCK = "hub-index-lock"
#: each with all its versions; turning more of them into offers would hold up whatever else this process does
_LISTINGS_AT_ONCE = 50

_NAMES = (
    select(listing.c.name_key)
    .where(listing.c.name_key > bindparam("after", type_=listing.c.name_key.type))
    .order_by(listing.c.name_key)
    .limit(_LISTINGS_AT_ONCE)
)
_CONTENT = select(_V.blob_key, _V.sha256, _V.size_bytes).where(
    _V.listing_id == bindparam("listing"), _V.version == bindparam("number")
)
_LATEST = select(_M.role, func.max(_M.version).label("latest")).group_by(_M.role).subquery()
_NEWEST = select(_M.role, _M.version, _M.body).join(
    _LATEST, and_(_LATEST.c.role == _M.role, _LATEST.c.latest == _M.version)
)
_ONE = select(_M.body).where(_M.role == bindparam("which"), _M.version == bindparam("number"))
_LAST = select(_M.body).where(_M.role == bindparam("which")).order_by(_M.version.desc()).limit(1)
_VERSIONS = select(_M.role, _M.version).order_by(_M.role, _M.version)
_ADD = insert(hub_metadata)
_NEWER = hub_metadata.alias()
_FORGET = delete(hub_metadata).where(
    _M.role != ROOT,
    exists().where(
        _NEWER.c.role == _M.role,
        _NEWER.c.version > _M.version,
        _NEWER.c.made_at < bindparam("before", type_=_M.made_at.type),
    ),
)
_MAKE_LOCK = on_both(lambda made: made(secret).on_conflict_do_nothing())
_TAKE_LOCK = select(secret.c.name).where(secret.c.name == _LOCK).with_for_update()
_TRUSTED = select(_T.role, _T.version, _T.body).where(_T.hub == bindparam("which"))
_TRUSTED_VERSIONS = select(_T.role, _T.version).where(_T.hub == bindparam("which"))


def _trust(made: Any) -> Any:
    statement = made(hub_trust)
    return statement.on_conflict_do_update(
        index_elements=["hub", "role"],
        set_={name: statement.excluded[name] for name in ("version", "body", "verified_at")},
        # somebody else may have verified a newer one meanwhile: what we believe never gets older by that
        where=or_(_T.version <= statement.excluded.version, _T.version == bindparam("known")),
    )


_TRUST = on_both(_trust)


class SqlHub:
    """:class:`domain.market.hub_rows.HubRows`."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._offers = SqlOffers(session)

    async def offers(self, after: str) -> tuple[Sequence[Offer], str | None]:
        names = [row[0] for row in await self._session.rows(_NAMES, {"after": after})]
        following = names[-1] if len(names) == _LISTINGS_AT_ONCE else None
        return await self._offers.named(names), following

    async def content(self, listing_id: str, version: str) -> HubContent | None:
        row = await self._session.row(_CONTENT, {"listing": listing_id, "number": version})
        return HubContent(*row) if row else None

    async def newest(self) -> Mapping[str, HubMetadata]:
        return {row[0]: HubMetadata(*row) for row in await self._session.rows(_NEWEST)}

    async def metadata(self, role: str, version: int | None) -> str | None:
        if version is None:
            row = await self._session.row(_LAST, {"which": role})
        else:
            row = await self._session.row(_ONE, {"which": role, "number": version})
        return str(row[0]) if row else None

    async def versions(self) -> Sequence[tuple[str, int]]:
        return [(role, version) for role, version in await self._session.rows(_VERSIONS)]

    async def lock(self) -> None:
        await self._session.run(_MAKE_LOCK, {"name": _LOCK, "value": ""})
        await self._session.run(_TAKE_LOCK)

    async def add(self, made: Sequence[HubMetadata]) -> None:
        now = self._session.clock.now()
        for each in made:
            row = {"role": each.role, "version": each.version, "body": each.body}
            self._session.later(_ADD, row | {"tenant_id": _NO_TENANT, "made_at": now})

    async def forget(self, superseded_before: datetime) -> int:
        return (await self._session.run(_FORGET, {"before": superseded_before})).rowcount

    async def trusted(self, hub: str) -> Mapping[str, HubMetadata]:
        return {row[0]: HubMetadata(*row) for row in await self._session.rows(_TRUSTED, {"which": hub})}

    async def trusted_versions(self, hub: str) -> Mapping[str, int]:
        return {row[0]: row[1] for row in await self._session.rows(_TRUSTED_VERSIONS, {"which": hub})}

    async def trust(self, hub: str, verified: Sequence[HubMetadata], *, known: Mapping[str, int]) -> None:
        now = self._session.clock.now()
        for each in verified:
            row = {"hub": hub, "role": each.role, "version": each.version, "body": each.body}
            told = {"tenant_id": _NO_TENANT, "verified_at": now, "known": known.get(each.role, each.version)}
            self._session.later(_TRUST, row | told)
