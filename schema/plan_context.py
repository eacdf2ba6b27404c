"""What the types of plans need of the operation in which they are answered (see ``context``)."""

from __future__ import annotations

from typing import Protocol

from domain.differing import Changes
from domain.plan_model import Plan, PlanAction, Standing
from domain.plan_views import Impact


class PlanContext(Protocol):
    """Lookups of plans at hand, each asked once an operation, and those of a list's members together."""

    async def standing(self, made: Plan) -> Standing:
        """How it stands."""

    async def impact(self, made: Plan) -> Impact:
        """What it means for others."""

    async def changes(self, import_id: str, action: PlanAction) -> Changes | None:
        """What an action changes; ``None`` when its package is no longer kept."""
