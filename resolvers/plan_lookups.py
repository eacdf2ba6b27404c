"""What one operation has looked up of plans: each thing once, and many things together (see ``lookups``)."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from domain.access import Caller
from domain.differing import Changes
from domain.import_model import ImportJob
from domain.model import PlanId
from domain.plan_model import Plan, PlanAction, PlanState, Standing
from domain.plan_views import Impact
from domain.services import Services
from resolvers.lookups import Loader, alike, loader

#: a difference is read from stored contents or the package, which costs as much as many rows
_DIFF_COST = 20

#: an action of an import's plan: the import, and the action's place
_At = tuple[str, int]


class PlanLookups:
    """:class:`schema.plan_context.PlanContext`."""

    def __init__(
        self, services: Services, caller: Caller, jobs: Loader[str, ImportJob | None], spend: Callable[[int], None]
    ) -> None:
        self._services, self._caller, self._jobs, self._spend = services, caller, jobs, spend
        self._plans: dict[str, Plan] = {}
        self._actions: dict[_At, PlanAction] = {}
        self._standings: Loader[str, Standing | None] = loader(self._standings_of)
        self._changes: Loader[_At, Changes | None] = loader(self._changes_of)

    async def standing(self, made: Plan) -> Standing:
        self._plans[made.plan_id] = made
        return await self._standings.load(made.plan_id) or Standing(PlanState.EXPIRED)

    async def impact(self, made: Plan) -> Impact:
        return await self._services.plan_views.impact(self._caller, made)

    async def changes(self, import_id: str, action: PlanAction) -> Changes | None:
        at = (import_id, action.place)
        if at not in self._actions:
            self._actions[at] = action
            self._spend(_DIFF_COST)
        return await self._changes.load(at)

    async def _standings_of(self, plan_ids: list[str]) -> Mapping[PlanId, Standing]:
        plans = [self._plans[plan_id] for plan_id in plan_ids]
        return await self._services.plan_views.standings(self._caller, plans)

    async def _changes_of(self, places: list[_At]) -> dict[_At, Changes]:
        found: dict[_At, Changes] = {}
        for (import_id,), some in alike(places, 0):
            job = await self._jobs.load(import_id)
            actions = [self._actions[at] for at in sorted(some)]
            told = await self._services.action_changes.among(self._caller, job, actions) if job else {}
            found |= {(import_id, place): changes for place, changes in told.items()}
        return found
