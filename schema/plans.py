"""Plans: everything an import will do, before it does it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime
from typing import Annotated

import strawberry

from domain import import_model
from domain.import_model import ActionKind, ConflictStrategy, DecisionSource, MatchedBy
from domain.rows import Slice
from schema.artifacts import Artifact
from schema.connections import PAGE_MAX, After, Connection, First, connection, number_after, page_size
from schema.context import Context, Info
from schema.fields import described
from schema.nodes import Node, upward
from schema.values import ArtifactName, Problem

#: the key of an action in its plan (domain.ports.ImportRows.actions)
_POSITIONS = 1_000_000
_READ_AT_ONCE = 1000


@strawberry.type(description="An artifact of the package that is already there in the tenant.")
class Conflict:
    key: strawberry.ID = strawberry.field(description="Unique in its import; stays with the same source artifact.")
    artifact: ArtifactName = strawberry.field(description="The package's side.")
    existing: Artifact | None = strawberry.field(description="The tenant's side.")
    package_version: str = strawberry.field(description="The version that the package brings.")
    allowed: list[ConflictStrategy] = strawberry.field(description="What may be decided.")
    decided: ConflictStrategy | None = strawberry.field(description="What was decided; null while it waits.")

    @classmethod
    def of(cls, action: import_model.PlanAction) -> Conflict:
        unmerged: list[ConflictStrategy] = [kind for kind in ConflictStrategy if kind is not ConflictStrategy.MERGE]
        return cls(
            key=strawberry.ID(action.conflict_key or ""),
            artifact=_named(action),
            existing=Artifact.of(action.existing) if action.existing else None,
            package_version=action.to_version,
            allowed=list(ConflictStrategy) if action.artifact_type.is_mergeable else unmerged,
            decided=action.strategy,
        )


@strawberry.type(description="What an import does with one artifact.")
class PlanAction:
    key: strawberry.ID = strawberry.field(description="Unique in its plan.")
    kind: ActionKind | None = strawberry.field(description="Null while its conflict waits for a decision.")
    artifact: ArtifactName = strawberry.field(description="The package's artifact, by its id in the package.")
    target_id: str = strawberry.field(description="The artifact's id in the tenant.")
    existing: Artifact | None = strawberry.field(description="What is there already.")
    matched_by: MatchedBy | None = strawberry.field(description="Why both are the same thing.")
    from_version: str | None = strawberry.field(description="The version that is there.")
    to_version: str = strawberry.field(description="The version that the package brings.")
    decided_by: DecisionSource = strawberry.field(description="Who decided.")
    conflict: Conflict | None = strawberry.field(description="What is to be decided, or was.")

    @classmethod
    def of(cls, action: import_model.PlanAction) -> PlanAction:
        return cls(
            key=strawberry.ID(str(_key(action)[0])),
            kind=action.kind,
            artifact=_named(action),
            target_id=action.target_id,
            existing=Artifact.of(action.existing) if action.existing else None,
            matched_by=action.matched_by,
            from_version=action.existing.version if action.existing else None,
            to_version=action.to_version,
            decided_by=action.decided_by,
            conflict=Conflict.of(action) if action.conflict_key else None,
        )


@strawberry.type(description="How many artifacts get which action.")
class PlanCounts:
    create: int = strawberry.field(description="New artifacts.")
    update: int = strawberry.field(description="Replaced ones.")
    merge: int = strawberry.field(description="Merged ones.")
    copy: int = strawberry.field(description="Copies beside what is there.")
    skip: int = strawberry.field(description="Left as they are, by decision.")
    remove: int = strawberry.field(description="Removed ones.")
    unchanged: int = strawberry.field(description="The same on both sides: nothing is written.")
    open_conflicts: int = strawberry.field(description="Conflicts that wait for a decision.")
    blockers: int = strawberry.field(description="Problems that forbid the import.")


@strawberry.type(description="Everything an import will do, before it does it. The hash changes when any of it does.")
class Plan(Node):
    hash: str = strawberry.field(description="SHA-256 of actions, decisions, options and preconditions; no times.")
    created_at: datetime = strawberry.field(description="When it was made.")
    expires_at: datetime = strawberry.field(description="Until when it may be applied.")
    problems: list[Problem] = strawberry.field(description="What blocks it, then warnings.")
    plan: strawberry.Private[import_model.Plan]

    @described("The import that made it.", upward("ImportJob", "imports") | None)
    async def import_job(self, info: Info) -> Node | None:
        return await info.context.import_job(self.plan.import_id)

    @described("How many artifacts get which action.")
    async def counts(self, info: Info) -> PlanCounts:
        found = dict.fromkeys([None, *ActionKind], 0)
        async for action in _actions(info.context, self.plan):
            found[action.kind] += 1
        by_name = {kind.name.lower(): count for kind, count in found.items() if kind is not None}
        return PlanCounts(**by_name, open_conflicts=found[None], blockers=len(self.plan.blockers))

    @described("In install order.")
    async def actions(
        self,
        info: Info,
        kinds: Annotated[list[ActionKind] | None, strawberry.argument(description="Only these.")] = None,
        open_only: Annotated[
            bool | None, strawberry.argument(description="Only those whose conflict still waits for a decision.")
        ] = None,
        first: First = 20,
        after: After = None,
    ) -> Connection[PlanAction]:
        size, found = page_size(first), list[import_model.PlanAction]()
        async for action in _actions(info.context, self.plan, after=number_after(after), at_once=PAGE_MAX + 1):
            if (action.kind is None or not open_only) and (not kinds or action.kind in kinds):
                found.append(action)
            if len(found) > size:
                break
        page = Slice(tuple(found[:size]), has_next=len(found) > size)
        info.context.spend(len(page.items))
        return connection(page, after, node=PlanAction.of, key=_key)

    @classmethod
    def of(cls, plan: import_model.Plan) -> Plan:
        return cls(
            id=strawberry.ID(plan.plan_id),
            hash=plan.plan_hash,
            created_at=plan.created_at,
            expires_at=plan.expires_at,
            problems=[Problem.of(problem) for problem in (*plan.blockers, *plan.warnings)],
            plan=plan,
        )


async def open_conflicts(asked: Context, plan: import_model.Plan) -> list[Conflict]:
    """The conflicts that wait for a decision, in install order."""
    return [Conflict.of(action) async for action in _actions(asked, plan) if action.kind is None]


async def _actions(
    asked: Context, plan: import_model.Plan, *, after: int | None = None, at_once: int = _READ_AT_ONCE
) -> AsyncIterator[import_model.PlanAction]:
    while True:
        page = await asked.services.records.actions(asked.caller, plan, first=at_once, after=after)
        for action in page.items:
            yield action
        if not page.has_next:
            return
        after = _key(page.items[-1])[0]


def _key(action: import_model.PlanAction) -> tuple[int]:
    return (action.ordinal * _POSITIONS + action.position,)


def _named(action: import_model.PlanAction) -> ArtifactName:
    return ArtifactName(artifact_type=action.artifact_type, artifact_id=action.source_id, name=action.name)
