"""The rows of tenants (house, section 5)."""

from __future__ import annotations

from typing import Any, Protocol

from domain.access import Reach
from domain.model import Tenant, TenantId
from domain.rows import Slice


class TenantRows(Protocol):
    """Tenants."""

    async def add(self, tenant: Tenant) -> bool:
        """False when the tenant is already there."""

    async def find(self, tenant_id: str) -> Tenant | None:
        """The tenant."""

    def demand_active(self, tenant_id: TenantId) -> None:
        """Nothing that follows is done unless the tenant is there and active.

        The unit's next answer, or its end, raises :class:`domain.ports.TenantMovedError`.
        """

    async def update(self, tenant_id: TenantId, **changes: Any) -> None:
        """Change fields of :class:`Tenant`, by their names; what is ``None`` stays."""

    async def freeze(self, tenant_id: TenantId, reason: str | None) -> None:
        """No new import begins in the tenant while there is a reason."""

    async def page(self, reach: Reach, *, search: str, first: int, after: str | None = None) -> Slice[Tenant]:
        """By id; ``None`` reaches all."""
