"""The binding files that tenants keep, and suggestions for what a plan still needs (R22, decisions section 9.3)."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from domain import strict_json
from domain.access import Caller, Right, require
from domain.artifact_types import ArtifactType
from domain.binding_rows import RememberedBinding
from domain.binding_slots import MASK, BindingSlot, file_problems, shown_value
from domain.errors import ErrorCode, Problem, refuse_if
from domain.model import Actor, ArtifactFilter, ArtifactHead, ArtifactStatus, TenantId
from domain.portions import with_bodies
from domain.ports import Ports, Store, TenantUnit
from domain.suggesting import Suggestion, Values, by_likeness, suggestions_for, values_of
from domain.tenancy import active_tenant, entry_of

_SOURCE_LENGTH_MAX = 128
#: of one type so many artifacts are compared by name, and of those so many are read
_COMPARED_MAX, _READ_MAX = 500, 20
_IN_USE = tuple(status for status in ArtifactStatus if status is not ArtifactStatus.DELETED)


@dataclass(frozen=True, slots=True)
class KeptBinding:
    """A remembered value as people see it: the name of a secret, or :data:`domain.binding_slots.MASK`."""

    key: str
    value: str
    kept_at: datetime
    kept_by: Actor


@dataclass(frozen=True, slots=True)
class BindingFile:
    """What ``target`` remembers for packages that come from ``source``, by key."""

    source: str
    target: TenantId
    bindings: tuple[KeptBinding, ...]


class Bindings:
    """Binding files of tenant pairs. Whoever may import into the target may read and replace them."""

    def __init__(self, ports: Ports) -> None:
        self._store = ports.store
        self._clock = ports.clock

    async def file(self, caller: Caller, source: str, target: TenantId) -> BindingFile:
        """The remembered file of a tenant pair, empty where nothing is; values that may be secrets are masked.

        Raises ``InsufficientPermission``, ``InvalidTenantId`` and ``BadUserInput``.
        """
        require(caller, Right.IMPORT)
        refuse_if(_source_problems(source))
        async with self._store.platform_view() as platform:
            await active_tenant(platform.tenants, target)
            rows, values = await _kept(platform.of(target), source)
        return await asyncio.to_thread(_file, source, target, rows, values)

    async def save(self, caller: Caller, source: str, target: TenantId, values: Mapping[str, str]) -> BindingFile:
        """Replace the file of a tenant pair, as often as it comes.

        A value that is the mask stays what it is; a key that is left out, or has no value, is forgotten. Raises as
        :meth:`file` does, and ``InvalidOptions`` for keys and values that cannot be kept.
        """
        require(caller, Right.IMPORT)
        refuse_if([*_source_problems(source), *file_problems(values, "bindings")])
        kept = [key for key, value in values.items() if value == MASK]
        new = {key: value for key, value in values.items() if value not in ("", MASK)}
        async with self._store.platform_unit() as platform:
            await active_tenant(platform.tenants, target)
            unit = platform.of(target)
            known = {one.key for one in await unit.bindings.remembered(source, kept)} if kept else set()
            refuse_if(_unknown(key) for key in kept if key not in known)
            now = self._clock.now()
            await unit.bindings.forget(source, but=kept)
            await unit.bindings.remember(source, await unit.bindings.sealed(new), at=now, by=caller.actor)
            details = {"sourceTenantId": source, "saved": len(new), "kept": len(kept)}
            await unit.imports.audit(entry_of(caller, target, "bindings.saved", details, at=now))
            rows, values = await _kept(unit, source)
        return await asyncio.to_thread(_file, source, target, rows, values)

    async def suggestions(
        self, caller: Caller, tenant_id: TenantId, slots: Sequence[BindingSlot]
    ) -> dict[str, tuple[Suggestion, ...]]:
        """What is suggested for a page of a plan's slots, by key; nothing to who may not import there."""
        return await suggested(self._store, tenant_id, slots) if caller.has(Right.IMPORT) else {}


async def suggested(
    store: Store, tenant_id: TenantId, slots: Sequence[BindingSlot]
) -> dict[str, tuple[Suggestion, ...]]:
    """By key what the tenant's own artifacts of the same type have at such a place."""
    found: dict[str, tuple[Suggestion, ...]] = {}
    for kind in dict.fromkeys(slot.artifact_type for slot in slots):
        mine = [slot for slot in slots if slot.artifact_type is kind]
        found |= await _suggested(store, tenant_id, kind, mine)
    return found


async def _suggested(
    store: Store, tenant_id: TenantId, kind: ArtifactType, slots: Sequence[BindingSlot]
) -> dict[str, tuple[Suggestion, ...]]:
    wanted = ArtifactFilter(artifact_types=(kind,), statuses=_IN_USE)
    async with store.view(tenant_id) as unit:
        page = await unit.artifacts.page(wanted, first=_COMPARED_MAX)
    names = dict.fromkeys(slot.artifact_name for slot in slots)
    likely = await asyncio.to_thread(_likely, list(names), page.items)
    values: dict[str, Values] = {}
    async for part, bodies in with_bodies(store, tenant_id, likely, _body):
        values |= await asyncio.to_thread(_values, part, bodies, slots)
    return {slot.key: suggestions_for(slot, likely, values) for slot in slots}


def _likely(names: Sequence[str], heads: Sequence[ArtifactHead]) -> list[ArtifactHead]:
    """The artifacts that are read: those most like any of the names. Runs in a thread."""
    each = max(1, _READ_MAX // max(1, len(names)))
    chosen = {head.artifact_id: head for name in names[:_READ_MAX] for head in by_likeness(name, heads)[:each]}
    return list(chosen.values())


def _values(
    part: Sequence[ArtifactHead], bodies: Mapping[str, bytes], slots: Sequence[BindingSlot]
) -> dict[str, Values]:
    """What these artifacts have at such places, by their ids. Runs in a thread."""
    there = ((head.artifact_id, bodies[head.revision_id]) for head in part if head.revision_id in bodies)
    return {artifact_id: values_of(strict_json.trusted(body), slots) for artifact_id, body in there}


def _body(head: ArtifactHead) -> list[str]:
    return [head.revision_id]


async def _kept(unit: TenantUnit, source: str) -> tuple[list[RememberedBinding], dict[str, str]]:
    """What is remembered, and the values by key."""
    rows = await unit.bindings.remembered(source)
    return rows, await unit.bindings.opened({row.key: row.sealed for row in rows})


def _file(source: str, target: TenantId, rows: Sequence[RememberedBinding], values: Mapping[str, str]) -> BindingFile:
    """The file as people see it. Runs in a thread: each value is looked at by the scan's rules."""
    shown = (KeptBinding(row.key, shown_value(values[row.key]), row.kept_at, row.kept_by) for row in rows)
    return BindingFile(source, target, tuple(shown))


def _source_problems(source: str) -> list[Problem]:
    if 0 < len(source) <= _SOURCE_LENGTH_MAX and source.isprintable():
        return []
    text = f"sourceTenantId has 1 to {_SOURCE_LENGTH_MAX} printable characters."
    return [Problem(ErrorCode.BAD_USER_INPUT, text, "sourceTenantId")]


def _unknown(key: str) -> Problem:
    text = f"{MASK} leaves what is remembered, and nothing is remembered at {strict_json.shown(key, limit=200)}."
    return Problem(ErrorCode.INVALID_OPTIONS, text, "bindings")
