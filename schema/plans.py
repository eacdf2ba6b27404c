"""Plans: everything an import will do, before it does it."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Annotated, Any

import strawberry

from domain import differing, merging, plan_model
from domain.conflicts import BY_HAND, ConflictDiff, decided_by_hand, suggestions
from domain.differing import ChangeKind
from domain.errors import ErrorCode, Refusal
from domain.fixes import open_problem
from domain.options import Side, StrategyWish
from domain.plan_model import ActionKind, DecisionSource, MatchedBy
from schema.artifacts import Artifact
from schema.bindings import AfterKey, Binding, bindings_page
from schema.connections import After, Connection, Cursors, First, connection, page_size
from schema.context import Info
from schema.contracts import Contract
from schema.fields import described
from schema.nodes import Node, upward
from schema.scalars import Json
from schema.values import Actor, ArtifactName, Fix, Problem

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


@strawberry.type(
    description="A place that the tenant and the package both changed since the package's last import. Of a list whose"
    " items have keys, the list itself stands for their order: its values are the keys."
)
class PathConflict:
    pointer: str = strawberry.field(description="Where, as a JSON pointer: send it back with the decision.")
    base: Json | None = strawberry.field(description="What the package put there at its last import.")
    existing: Json | None = strawberry.field(description="What the tenant has there.")
    incoming: Json | None = strawberry.field(description="What the package brings.")
    decided: Side | None = strawberry.field(description="Whose value stands; null while it waits.")

    @classmethod
    def of(cls, conflict: merging.PathConflict) -> PathConflict:
        return cls(
            pointer=conflict.pointer,
            base=_side(conflict.base),
            existing=_side(conflict.existing),
            incoming=_side(conflict.package),
            decided=conflict.side,
        )


@strawberry.type(description="An artifact of the package that is already there in the tenant.")
class Conflict:
    key: strawberry.ID = strawberry.field(description="Unique in its import; stays with the same source artifact.")
    artifact: ArtifactName = strawberry.field(description="The package's side.")
    existing: Artifact | None = strawberry.field(description="The tenant's side.")
    package_version: str = strawberry.field(description="The version that the package brings.")
    allowed: list[StrategyWish] = strawberry.field(description="What may be decided.")
    decided: StrategyWish | None = strawberry.field(description="What was decided; null while it waits.")
    fixes: list[Fix] = strawberry.field(description="Decisions ready to be sent back, while it waits.")
    import_id: strawberry.Private[str]
    action: strawberry.Private[plan_model.PlanAction]

    @described("The mildest decision that the import would let through and that brings the package's changes.")
    async def suggested(self, info: Info) -> StrategyWish:
        return StrategyWish(next(suggestions(self.action, await info.context.job(self.import_id))).value)

    @described("What the package would change in the tenant's side; null when the package is no longer kept.")
    async def changes(self, info: Info, first: First = 50) -> list[Change] | None:
        size, diff = page_size(first), await self._diff(info)
        return [Change.of(change) for change in diff.changes.items[:size]] if diff else None

    @described(
        "Where a merge asks whose value stands: what the tenant and the package both changed since the package's last"
        " import. Null when the package is no longer kept."
    )
    async def paths(self, info: Info) -> list[PathConflict] | None:
        if not self.action.paths:
            return []
        diff = await self._diff(info)
        if diff is None:
            return None
        info.context.spend(len(diff.paths))
        return [PathConflict.of(conflict) for conflict in diff.paths]

    async def _diff(self, info: Info) -> ConflictDiff | None:
        asked = info.context
        asked.spend(_DIFF_COST)
        try:
            return await asked.services.conflicts.diff(asked.caller, self.import_id, self.key, asked.reach)
        except Refusal as refusal:
            if refusal.code is ErrorCode.BUNDLE_EXPIRED:
                return None
            raise

    @classmethod
    def of(cls, action: plan_model.PlanAction, import_id: str) -> Conflict:
        unoffered = {StrategyWish.MIRROR} | (set() if action.artifact_type.is_mergeable else {StrategyWish.MERGE})
        return cls(
            key=strawberry.ID(action.conflict_key or ""),
            artifact=_named(action),
            existing=Artifact.of(action.existing) if action.existing else None,
            package_version=action.to_version,
            allowed=[wish for wish in StrategyWish if wish not in unoffered],
            decided=StrategyWish(action.strategy.value) if action.strategy else None,
            fixes=Fix.all_of(open_problem(action)) if action.kind is None else [],
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
    import_id: strawberry.Private[str]
    action: strawberry.Private[plan_model.PlanAction]

    @described("Who decided it by hand; null where a strategy did, or nobody has yet.")
    async def decided_by_actor(self, info: Info) -> Actor | None:
        if self.action.decider not in BY_HAND:
            return None
        job = await info.context.job(self.import_id)
        resumed = decided_by_hand(await info.context.audit(job)).get(self.action.conflict_key or "")
        return Actor.of(resumed.actor if resumed else job.submitted_by)

    @described("How many places of the artifact it changes, at most a thousand; null when the package is gone.")
    async def change_count(self, info: Info) -> int | None:
        changes = await info.context.planning.changes(self.import_id, self.action)
        return len(changes.items) if changes else None

    @described(
        "What it changes in an artifact that is there, place by place; what an open conflict's package would change."
        " Null when the package is no longer kept."
    )
    async def changes(self, info: Info, first: First = 50) -> list[Change] | None:
        size = page_size(first)
        changes = await info.context.planning.changes(self.import_id, self.action)
        return [Change.of(change) for change in changes.items[:size]] if changes else None

    @classmethod
    def of(cls, action: plan_model.PlanAction, import_id: str) -> PlanAction:
        return cls(
            import_id=import_id,
            action=action,
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
class Plan(Node, Contract):
    hash: str = strawberry.field(description="SHA-256 of actions, decisions, options and preconditions; no times.")
    created_at: datetime = strawberry.field(description="When it was made.")
    expires_at: datetime = strawberry.field(description="Until when it may be applied.")
    problems: list[Problem] = strawberry.field(description="What blocks it, then warnings.")

    @described("The import that made it.", upward("ImportJob", "imports") | None)
    async def import_job(self, info: Info) -> Node | None:
        return await info.context.import_job(self.plan.import_id)

    @described("Who asked for that import.")
    async def created_by(self, info: Info) -> Actor:
        return Actor.of((await info.context.job(self.plan.import_id)).submitted_by)

    @described("The places that need a value of the tenant, in install order.")
    def bindings(self, info: Info, first: First = 20, after: AfterKey = None) -> list[Binding]:
        page = bindings_page(self.plan.tenant_id, self.plan.bindings, first, after)
        info.context.spend(len(page))
        return page

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
    def of(cls, plan: plan_model.Plan) -> Plan:
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


def _named(action: plan_model.PlanAction) -> ArtifactName:
    return ArtifactName(artifact_type=action.artifact_type, artifact_id=action.source_id, name=action.name)
