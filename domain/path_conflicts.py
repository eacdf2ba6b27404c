"""The places that two sides of an artifact changed, as people may see them: without credentials and secrets (pure)."""

from __future__ import annotations

from domain.differing import shown_content
from domain.merging import PathConflict, three_way
from domain.plan_model import PlanAction


def shown_conflicts(base: bytes, existing: bytes, package: bytes, action: PlanAction) -> list[PathConflict]:
    """Those of an action's :attr:`PlanAction.paths`, in their order, from the stored contents of the three sides.

    A place whose values nobody may see is there without them.
    """
    began, old, new = (shown_content(body, action.artifact_type) for body in (base, existing, package))
    sides = {pointer: side for pointer, side in action.paths.items() if side}
    found = three_way(began, old, new, artifact_type=action.artifact_type, sides=sides).conflicts
    by_pointer = {conflict.pointer: conflict for conflict in found}
    return [
        by_pointer.get(pointer) or PathConflict(_steps(pointer), None, None, None, side)
        for pointer, side in action.paths.items()
    ]


def _steps(pointer: str) -> tuple[str, ...]:
    return tuple(step.replace("~1", "/").replace("~0", "~") for step in pointer.split("/")[1:])
