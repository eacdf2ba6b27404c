"""Dropping what an import held and will never show (decisions section 5.3)."""

from __future__ import annotations

from domain.model import ImportId, TenantId
from domain.ports import Store, Turn


async def discard_held(store: Store, tenant_id: TenantId, import_id: ImportId) -> int:
    """Drop the revisions that an ended import holds, in small transactions; how many. Nobody ever saw them."""
    dropped, more = 0, 1
    while more:
        async with store.unit(tenant_id, turn=Turn.LONG) as unit:
            more = await unit.imports.discard(import_id)
        dropped += more
    return dropped
