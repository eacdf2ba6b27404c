"""What a drafted plan needs of the tenant: free names for copies, contents to settle, users of what goes (R3, R9, R31).

And, once it is carried out, what is to be held of it, a few contents in memory at a time.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from functools import partial

from domain.aside import aside
from domain.copying import Named, first_free, names_to_try
from domain.courtesy import Courtesy
from domain.holding import BATCH_REVISIONS, Author, Batch, next_batch
from domain.model import ArtifactHead, name_key
from domain.plan import Planned
from domain.plan_model import ActionKind, PlanAction
from domain.portions import with_bodies
from domain.ports import Store
from domain.removing import NAMED_MAX, dropped, removal_batch, remove, stays_not
from domain.settling import Unsettled, settle, unsettled


async def complete(store: Store, courtesy: Courtesy, planned: Planned) -> None:
    """Everything between the draft of a package's plan and the whole."""
    await _name_copies(store, planned)
    waiting = await aside(len(planned.actions), partial(unsettled, planned))
    if waiting:
        async for part, bodies in with_bodies(store, planned.request.tenant_id, waiting, lambda one: one.body_ids):
            await asyncio.to_thread(_settle_part, planned, courtesy.among(part), bodies)
    if heads := dropped(planned):
        remove(planned, heads, await _users(store, planned, heads))


async def held_batches(store: Store, courtesy: Courtesy, planned: Planned, author: Author) -> AsyncIterator[Batch]:
    """What is to be written for a package's plan, for one transaction after the other; removals last."""
    written = [action for action in planned.actions if action.writes or action.source_id in planned.merged]
    waiting = courtesy.among(written)
    while not (batch := await asyncio.to_thread(next_batch, planned, waiting, author)).is_empty:
        yield batch
    async for part, bodies in with_bodies(store, planned.request.tenant_id, planned.removals, _kept_body):
        for begin in range(0, len(part), BATCH_REVISIONS):
            yield removal_batch(part[begin : begin + BATCH_REVISIONS], bodies, author)


async def _name_copies(store: Store, planned: Planned) -> None:
    """Each copy gets the first name that nobody has, in the tenant or in the package (R3)."""
    waiting = {place: action for place, action in enumerate(planned.actions) if action.kind is ActionKind.COPY}
    if not waiting:
        return
    taken: set[Named] = {(one.artifact_type, name_key(one.name)) for one in planned.bundle.artifacts}
    turn = 0
    while waiting:
        tried = {place: names_to_try(action.name, turn) for place, action in waiting.items()}
        async with store.view(planned.request.tenant_id) as unit:
            keys = {(waiting[place].artifact_type, name_key(name)) for place, names in tried.items() for name in names}
            taken |= {(head.artifact_type, name_key(head.name)) for head in await unit.artifacts.named(keys)}
        for place, names in tried.items():
            artifact_type = waiting[place].artifact_type
            if (name := first_free(artifact_type, names, taken)) is not None:
                planned.actions[place] = waiting.pop(place)._replace(name=name)
                taken.add((artifact_type, name_key(name)))
        turn += 1


def _settle_part(planned: Planned, part: Iterable[Unsettled], bodies: Mapping[str, bytes]) -> None:
    for one in part:
        settle(planned, one, bodies)


async def _users(store: Store, planned: Planned, heads: Sequence[ArtifactHead]) -> Mapping[str, Sequence[ArtifactHead]]:
    """Who refers to each of these artifacts: as many as are needed to see some that stay."""
    most = len(stays_not(planned, heads)) + NAMED_MAX + 1
    async with store.platform_view() as platform:
        found = await platform.batches.used_by(
            planned.request.tenant_id, [head.artifact_id for head in heads], first=most, after=None
        )
    return {target: users.items for target, users in found.items()}


def _kept_body(action: PlanAction) -> list[str]:
    return [action.existing.revision_id] if action.existing else []
