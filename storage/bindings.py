"""Remembered bindings of one tenant, sealed."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime

from sqlalchemy import Integer, bindparam, delete, select

from domain.binding_rows import RememberedBinding
from domain.manifest_fields import BINDINGS_MAX
from domain.model import Actor, TenantId
from storage.binding_tables import remembered_binding
from storage.keeping import SqlKeeping
from storage.sealing import Seal, is_sealed
from storage.session import Session
from storage.sql import chunks, on_both, storable

_SECRET = "bindings"  # noqa: S105 - the secret's name
_B = remembered_binding.c
_PAIR = (_B.tenant_id == bindparam("tenant"), _B.source == bindparam("named"))
_ALL = select(_B.binding_key, _B.sealed, _B.kept_at, _B.kept_by, _B.item).where(*_PAIR).order_by(_B.binding_key)
_AMONG = _ALL.where(_B.binding_key.in_(bindparam("keys", expanding=True)))
_FORGET = delete(remembered_binding).where(*_PAIR)
_FORGET_SOME = _FORGET.where(_B.binding_key.in_(bindparam("keys", expanding=True)))
_OLDEST = (
    select(_B.binding_key)
    .where(*_PAIR)
    .order_by(_B.kept_at.desc(), _B.binding_key)
    .offset(bindparam("most", type_=Integer()))
)
_DROP_OLDEST = _FORGET.where(_B.binding_key.in_(_OLDEST))
_CHANGED = ("sealed", "kept_at", "kept_by", "item")
_KEEP = on_both(
    lambda insert: (made := insert(remembered_binding)).on_conflict_do_update(
        index_elements=["tenant_id", "source", "binding_key"], set_={name: made.excluded[name] for name in _CHANGED}
    )
)


class SqlBindings:
    """:class:`domain.binding_rows.BindingRows`."""

    def __init__(self, session: Session, tenant_id: TenantId) -> None:
        self._session = session
        self._tenant = tenant_id

    async def sealed(self, values: Mapping[str, str]) -> dict[str, str]:
        if not values:
            return {}
        seal = await self._seal()
        return {key: seal.sealed(storable(value), self._tenant, storable(key)) for key, value in values.items()}

    async def opened(self, values: Mapping[str, str]) -> dict[str, str]:
        if not any(map(is_sealed, values.values())):
            return dict(values)
        seal = await self._seal()
        found = {key: seal.opened(value, self._tenant, storable(key)) for key, value in values.items()}
        return {key: values[key] if value is None else value for key, value in found.items()}

    async def remembered(self, source: str, keys: Collection[str] | None = None) -> list[RememberedBinding]:
        pair = {"tenant": self._tenant, "named": source}
        if keys is None:
            return [RememberedBinding(*row) for row in await self._session.rows(_ALL, pair)]
        found = []
        for some in chunks(sorted(set(keys))):
            found += [RememberedBinding(*row) for row in await self._session.rows(_AMONG, {**pair, "keys": some})]
        return found

    async def remember(
        self, source: str, values: Mapping[str, str], *, at: datetime, by: Actor, items: Mapping[str, str] | None = None
    ) -> None:
        rows = [
            {
                "tenant_id": self._tenant,
                "source": source,
                "binding_key": key,
                "sealed": value,
                "kept_at": at,
                "kept_by": by,
                "item": (items or {}).get(key, ""),
            }
            for key, value in values.items()
        ]
        for some in chunks(rows):
            self._session.later(_KEEP, some)
        self._session.later(_DROP_OLDEST, {"tenant": self._tenant, "named": source, "most": BINDINGS_MAX})

    async def forget(self, source: str, *, but: Collection[str] = ()) -> None:
        pair = {"tenant": self._tenant, "named": source}
        if not but:
            self._session.later(_FORGET, pair)
            return
        kept = {storable(key) for key in but}
        gone = [one.key for one in await self.remembered(source) if one.key not in kept]
        for some in chunks(gone):
            self._session.later(_FORGET_SOME, {**pair, "keys": some})

    async def _seal(self) -> Seal:
        return Seal(bytes.fromhex(await SqlKeeping(self._session).secret(_SECRET)))
