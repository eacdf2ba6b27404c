"""What an import that succeeded remembers for the next one of its tenant pair (R22)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from domain.binding_slots import BindingSlot, Kept, to_remember
from domain.import_model import ImportJob, InstalledPackage
from domain.ports import TenantUnit


async def remember_bindings(
    unit: TenantUnit, job: ImportJob, slots: Sequence[BindingSlot], installed: Sequence[InstalledPackage], now: datetime
) -> None:
    """Remember the supplied values that were used, in the transaction that makes them active.

    ``installed`` are the import's packages by ordinal. The values stay sealed, as the job has them.
    """
    for ordinal, package in enumerate(installed):
        own = [slot for slot in slots if slot.ordinal == ordinal]
        if values := to_remember(own, job.options.bindings):
            items = {slot.key: slot.item for slot in own}
            await unit.bindings.remember(package.source, values, at=now, by=job.submitted_by, items=items)


async def remembered_values(unit: TenantUnit, source: str, keys: Sequence[str]) -> Mapping[str, Kept]:
    """The values remembered for packages from ``source`` at these keys, opened."""
    if not keys:
        return {}
    kept = await unit.bindings.remembered(source, keys)
    values = await unit.bindings.opened({one.key: one.sealed for one in kept})
    return {one.key: Kept(values[one.key], one.item) for one in kept}
