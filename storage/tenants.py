"""Tenants."""

from __future__ import annotations

from typing import Any

from sqlalchemy import bindparam, select, update

from domain.model import Tenant, TenantId, TenantStatus
from domain.ports import TenantMovedError
from domain.rows import Slice
from storage.artifacts import slice_of
from storage.session import Session
from storage.sql import on_both, word
from storage.tables import tenant as tenants

#: in the order of :class:`domain.model.Tenant`
_FIELDS = (
    *("tenant_id", "plan", "status", "platform_version", "created_at"),
    *("freeze_reason", "approvals_needed", "protect_installed", "accepts_warnings"),
)
TENANT = [tenants.c[name] for name in _FIELDS]
_FIND = select(*TENANT).where(tenants.c.tenant_id == bindparam("id"))
_ACTIVE = select(tenants.c.tenant_id).where(
    tenants.c.tenant_id == bindparam("id"), tenants.c.status == word(TenantStatus.ACTIVE)
)
_FREEZE = (
    update(tenants)
    .where(tenants.c.tenant_id == bindparam("id"))
    .values(freeze_reason=bindparam("reason", type_=tenants.c.freeze_reason.type))
)
_ADD = on_both(lambda insert: insert(tenants).on_conflict_do_nothing().returning(tenants.c.tenant_id))


class SqlTenants:
    """:class:`domain.ports.TenantRows`."""

    def __init__(self, session: Session) -> None:
        self._session = session

    async def add(self, tenant: Tenant) -> bool:
        row = {name: getattr(tenant, name) for name in _FIELDS}
        return await self._session.row(_ADD, row) is not None

    async def find(self, tenant_id: str) -> Tenant | None:
        row = await self._session.row(_FIND, {"id": tenant_id})
        return Tenant(*row) if row else None

    def demand_active(self, tenant_id: TenantId) -> None:
        async def is_not(_count: int) -> None:
            raise self._session.refuse(TenantMovedError(tenant_id))

        self._session.demand(_ACTIVE, {"id": tenant_id}, 1, is_not)

    async def update(self, tenant_id: TenantId, **changes: Any) -> None:
        stated = {name: value for name, value in changes.items() if value is not None}
        if stated:
            await self._session.run(update(tenants).where(tenants.c.tenant_id == tenant_id).values(stated))

    async def freeze(self, tenant_id: TenantId, reason: str | None) -> None:
        await self._session.run(_FREEZE, {"id": tenant_id, "reason": reason})

    async def page(
        self, reach: frozenset[TenantId] | None, *, search: str, first: int, after: str | None = None
    ) -> Slice[Tenant]:
        page = select(*TENANT)
        if reach is not None:
            page = page.where(tenants.c.tenant_id.in_(reach))
        if search:
            page = page.where(tenants.c.tenant_id.icontains(search, autoescape=True))
        if after is not None:
            page = page.where(tenants.c.tenant_id > after)
        rows = await self._session.rows(page.order_by(tenants.c.tenant_id).limit(first + 1))
        return slice_of([Tenant(*row) for row in rows], first)
