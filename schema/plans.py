"""Plans: everything an import will do, before it does it."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Annotated, Any

import strawberry

from domain import differing, import_model
from domain.conflicts import suggestions
from domain.differing import ChangeKind
from domain.errors import ErrorCode, Refusal
from domain.import_model import ActionKind, ConflictStrategy, DecisionSource, MatchedBy
from schema.artifacts import Artifact
from schema.connections import After, Connection, Cursors, First, connection, page_size
from schema.context import Info
from schema.fields import described
from schema.nodes import Node, upward
from schema.scalars import Json
from schema.values import Actor, ArtifactName, Problem

#: a difference is read from the package, which costs as much as many rows
_DIFF_COST = 90


@strawberry.type(description="One difference between two contents of an artifact.")
class Change:
    pointer: str = strawberry.field(description="Where, as a JSON pointer.")
    kind: ChangeKind = strawberry.field(description="What happens there.")
    before: Json | None = strawberry.field(description="What is there; null for what is added.")
    after: Json | None = strawberry.field(description="What the package brings; null for what is removed.")

    @classmethod
    def of(cls, change: differing.Change) -> Change:
        return cls(pointer=change.pointer, kind=change.kind, before=_side(change.before), after=_side(change.after))


@strawberry.type(description="An artifact of the package that is already there in the tenant.")
class Conflict:
    key: strawberry.ID = strawberry.field(description="Unique in its import; stays with the same source artifact.")
    artifact: ArtifactName = strawberry.field(description="The package's side.")
    existing: Artifact | None = strawberry.field(description="The tenant's side.")
    package_version: str = strawberry.field(description="The version that the package brings.")
    allowed: list[ConflictStrategy] = strawberry.field(description="What may be decided.")
    decided: ConflictStrategy | None = strawberry.field(description="What was decided; null while it waits.")
    import_id: strawberry.Private[str]
    action: strawberry.Private[import_model.PlanAction]

    @described("The mildest decision that the import would let through and that brings the package's changes.")
    async def suggested(self, info: Info) -> ConflictStrategy:
        return next(suggestions(self.action, await info.context.job(self.import_id)))

    @described("What the package would change in the tenant's side; null when the package is no longer kept.")
    async def changes(self, info: Info, first: First = 50) -> list[Change] | None:
        asked, size = info.context, page_size(first)
        asked.spend(_DIFF_COST)
        try:
            diff = await asked.services.conflicts.diff(asked.caller, self.import_id, self.key, asked.reach)
        except Refusal as refusal:
            if refusal.code is ErrorCode.BUNDLE_EXPIRED:
                return None
            raise
        return [Change.of(change) for change in diff.changes.items[:size]]

    @classmethod
    def of(cls, action: import_model.PlanAction, import_id: str) -> Conflict:
        unmerged: list[ConflictStrategy] = [kind for kind in ConflictStrategy if kind is not ConflictStrategy.MERGE]
        return cls(
            key=strawberry.ID(action.conflict_key or ""),
            artifact=_named(action),
            existing=Artifact.of(action.existing) if action.existing else None,
            package_version=action.to_version,
            allowed=list(ConflictStrategy) if action.artifact_type.is_mergeable else unmerged,
            decided=action.strategy,
            import_id=import_id,
            action=action,
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
    decided_by: DecisionSource | None = strawberry.field(
        description="Who decided; null while its conflict waits for a decision."
    )
    conflict: Conflict | None = strawberry.field(description="What is to be decided, or was.")

    @classmethod
    def of(cls, action: import_model.PlanAction, import_id: str) -> PlanAction:
        return cls(
            key=strawberry.ID(str(action.place)),
            kind=action.kind,
            artifact=_named(action),
            target_id=action.target_id,
            existing=Artifact.of(action.existing) if action.existing else None,
            matched_by=action.matched_by,
            from_version=action.existing.version if action.existing else None,
            to_version=action.to_version,
            decided_by=action.decider,
            conflict=Conflict.of(action, import_id) if action.conflict_key else None,
        )


@strawberry.type(description="One page of a plan's actions.")
class PlanActionConnection(Connection[PlanAction]):
    total_count: int = strawberry.field(description="How many there are on all pages.")


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

    @described("Who asked for that import.")
    async def created_by(self, info: Info) -> Actor:
        return Actor.of((await info.context.job(self.plan.import_id)).submitted_by)

    @described("How many artifacts get which action.")
    async def counts(self, info: Info) -> PlanCounts:
        found = await info.context.action_counts(self.plan.import_id)
        by_name = {kind.name.lower(): found.get(kind, 0) for kind in ActionKind}
        return PlanCounts(**by_name, open_conflicts=found.get(None, 0), blockers=len(self.plan.blockers))

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
    ) -> PlanActionConnection:
        asked, cursors, import_id = info.context, Cursors("actions", self.id), self.plan.import_id
        wanted = _wanted(kinds, open_only=bool(open_only))
        page = await asked.services.records.actions(
            asked.caller, self.plan, first=page_size(first), after=cursors.number(after), kinds=wanted
        )
        asked.spend(len(page.items))
        counts = await asked.action_counts(import_id)
        shown = connection(
            page,
            cursors,
            after,
            node=lambda action: PlanAction.of(action, import_id),
            key=lambda action: (action.place,),
        )
        return PlanActionConnection(
            edges=shown.edges,
            nodes=shown.nodes,
            page_info=shown.page_info,
            total_count=sum(count for kind, count in counts.items() if wanted is None or kind in wanted),
        )

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


def _wanted(kinds: Collection[ActionKind] | None, *, open_only: bool) -> Collection[ActionKind | None] | None:
    """``None`` for all; among the kinds it stands for open conflicts, which have none."""
    if open_only:
        return () if kinds else (None,)
    return tuple(kinds) if kinds else None


def _side(value: Any) -> Json | None:
    """A tuple is the order of a list's items, told by their keys."""
    return None if value is None else Json(list(value) if isinstance(value, tuple) else value)


def _named(action: import_model.PlanAction) -> ArtifactName:
    return ArtifactName(artifact_type=action.artifact_type, artifact_id=action.source_id, name=action.name)
