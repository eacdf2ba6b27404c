"""What a plan changes in each artifact, place by place: the field-level diff of its actions (R9).

What is created, copied or removed as a whole has no places of its own; what is left as it is changes nowhere.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from domain import merging
from domain.access import Caller, Right, require
from domain.differing import Changes, changes, shown_content
from domain.errors import ErrorCode, Refusal
from domain.import_model import ImportJob
from domain.limits import Installation
from domain.package_sides import PackageSides
from domain.plan_model import ActionKind, PlanAction
from domain.portions import with_bodies
from domain.ports import Ports

#: actions that change places of an artifact that is there; None: an open conflict shows what the package would change
_DIFFERING = (ActionKind.UPDATE, ActionKind.MERGE, None)
_NOWHERE = Changes(())

Bodies = Mapping[str, bytes]


class ActionChanges:
    """Diffs of planned actions, made when somebody looks at them."""

    def __init__(self, ports: Ports, installation: Installation) -> None:
        self._store = ports.store
        self._sides = PackageSides(ports, installation)

    async def among(self, caller: Caller, job: ImportJob, actions: Sequence[PlanAction]) -> dict[int, Changes]:
        """The changes of actions of an import's plan, by place; those of packages that are no longer kept are absent.

        The tenant's side is the one that the plan met, whatever stands there now.
        """
        require(caller, Right.READ_IMPORTS)
        differing = [action for action in actions if action.kind in _DIFFERING and action.existing]
        found = {action.place: _NOWHERE for action in actions}
        for action in differing:
            del found[action.place]
        async for part, bodies in with_bodies(self._store, job.tenant_id, differing, _kept):
            found |= await self._portion(job, part, bodies)
        return found

    async def _portion(self, job: ImportJob, part: Sequence[PlanAction], bodies: Bodies) -> dict[int, Changes]:
        there = [action for action in part if action.existing and action.existing.revision_id in bodies]
        written = [action for action in there if _written(action) in bodies]
        found = await asyncio.to_thread(_of_written, written, bodies)
        planned = [action for action in there if _written(action) not in bodies]
        if not planned or not job.packages:
            return found
        try:
            return found | dict(await self._sides.read(job, planned, partial(_of_planned, bodies)))
        except Refusal as refusal:
            if refusal.code is not ErrorCode.BUNDLE_EXPIRED:
                raise
            return found


def _kept(action: PlanAction) -> list[str]:
    """Stored contents that tell of an action: what was there, what was written or comes back, the base of a merge."""
    met = action.existing.revision_id if action.existing else ""
    return [key for key in (met, _written(action), action.merge_base_id or "") if key]


def _written(action: PlanAction) -> str:
    return action.restores or action.revision_id or ""


def _of_written(actions: Sequence[PlanAction], bodies: Bodies) -> dict[int, Changes]:
    return {action.place: _changes(action, bodies, _shown(action, bodies[_written(action)])) for action in actions}


def _of_planned(bodies: Bodies, action: PlanAction, package: bytes) -> tuple[int, Changes]:
    after = _shown(action, package)
    if action.kind is ActionKind.MERGE and action.existing:
        existing = _shown(action, bodies[action.existing.revision_id])
        base = bodies.get(action.merge_base_id or "")
        after = _merged(action, existing, after, _shown(action, base) if base else None)
    return action.place, _changes(action, bodies, after)


def _merged(
    action: PlanAction, existing: dict[str, Any], package: dict[str, Any], base: dict[str, Any] | None
) -> dict[str, Any]:
    if base is None:
        return merging.merge(existing, package, artifact_type=action.artifact_type).value
    sides = {pointer: side for pointer, side in action.paths.items() if side}
    return merging.three_way(base, existing, package, artifact_type=action.artifact_type, sides=sides).value


def _changes(action: PlanAction, bodies: Bodies, after: Mapping[str, Any]) -> Changes:
    met = action.existing.revision_id if action.existing else ""
    return changes(_shown(action, bodies[met]), after, action.artifact_type)


def _shown(action: PlanAction, body: bytes) -> dict[str, Any]:
    """A content as people may see it."""
    return shown_content(body, action.artifact_type)
