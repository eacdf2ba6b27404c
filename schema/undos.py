"""Taking imports back: how that stands with each of them (decisions sections 5.7, 9.6)."""

from __future__ import annotations

from datetime import datetime
from types import GenericAlias
from typing import Any

import strawberry

from domain import import_model
from domain.undos import UndoStanding
from schema.context import Info
from schema.fields import described
from schema.nodes import Node, upward
from schema.values import Problem

#: a list of a type that Python's own types cannot name here
_IMPORTS: Any = GenericAlias(list, (upward("ImportJob", "imports"),))
#: to see what is in the way, the undo is planned
_PLAN_COST = 490


@strawberry.type(description="Whether an import can be taken back, and what it took back itself.")
class Undo:
    is_possible: bool = strawberry.field(
        description="True while it is in effect. What `blockers` names must be decided about: see `BlockerChoice`."
    )
    possible_until: datetime | None = strawberry.field(
        description="Until when all that its undo needs is kept, at least; null for what changed nothing."
    )
    job: strawberry.Private[import_model.ImportJob]
    standing: strawberry.Private[UndoStanding]

    @described("What was built on it since, all of it, and would be in the way now.")
    async def blockers(self, info: Info) -> list[Problem]:
        info.context.spend(_PLAN_COST)
        found = await info.context.services.undos.blockers(info.context.caller, self.job)
        return [Problem.of(problem) for problem in found]

    @described("The import that took it back; null while it is in effect.", upward("ImportJob", "imports") | None)
    async def undone_by(self, info: Info) -> Node | None:
        by = self.standing.undone_by
        return await info.context.import_job(by) if by else None

    @described("What it took back itself, where it is an undo.", _IMPORTS)
    async def undoes(self, info: Info) -> list[Node]:
        info.context.spend(len(self.standing.undoes))
        found = [await info.context.import_job(import_id) for import_id in self.standing.undoes]
        return [job for job in found if job is not None]

    @classmethod
    def of(cls, job: import_model.ImportJob, standing: UndoStanding) -> Undo:
        return cls(is_possible=standing.is_possible, possible_until=standing.possible_until, job=job, standing=standing)
