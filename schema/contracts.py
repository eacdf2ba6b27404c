"""Plans as contracts: how they stand, who agreed to them, what they mean for others (decisions R10, R11)."""

from __future__ import annotations

from datetime import datetime

import strawberry

from domain import import_model, plan_model, plan_views
from domain.plan_model import PlanState
from schema.artifacts import Artifact
from schema.context import Info
from schema.fields import described
from schema.nodes import Node, upward
from schema.powers import Powers
from schema.values import Actor, ArtifactName

#: an impact reads what refers to everything that changes
_IMPACT_COST = 200


@strawberry.type(description="Somebody who agreed to a plan.")
class Approval:
    by: Actor = strawberry.field(description="Who.")
    at: datetime = strawberry.field(description="When.")
    hash: str = strawberry.field(description="The plan's hash that was agreed to.")

    @classmethod
    def of(cls, approval: plan_model.Approval) -> Approval:
        return cls(by=Actor.of(approval.actor), at=approval.at, hash=approval.plan_hash)


@strawberry.type(description="An installed package that a plan touches.")
class TouchedPackage:
    name: str = strawberry.field(description="Its name.")
    version: str = strawberry.field(description="The version that is installed.")
    source: str = strawberry.field(description="Where it came from. Part of its identity.")

    @classmethod
    def of(cls, package: import_model.InstalledPackage) -> TouchedPackage:
        return cls(name=package.name, version=package.version, source=package.source)


@strawberry.type(description="What a plan means beyond its own artifacts; each list has at most a hundred members.")
class Impact:
    activates: list[ArtifactName] = strawberry.field(description="What starts being active, by its id in the tenant.")
    deactivates: list[ArtifactName] = strawberry.field(description="What stops being active.")
    also_used_by: list[Artifact] = strawberry.field(description="What refers to what changes, outside the plan.")
    other_packages: list[TouchedPackage] = strawberry.field(
        description="Other packages whose artifacts change, that use what changes, or that need this package."
    )
    new_powers: Powers | None = strawberry.field(
        description="What the packages of an install can do that they could not do before; null for other plans."
    )

    @classmethod
    def of(cls, impact: plan_views.Impact) -> Impact:
        return cls(
            activates=[_named(action) for action in impact.activates],
            deactivates=[_named(action) for action in impact.deactivates],
            also_used_by=[Artifact.of(head) for head in impact.also_used_by],
            other_packages=[TouchedPackage.of(package) for package in impact.other_packages],
            new_powers=Powers.of(impact.new_powers),
        )


@strawberry.type
class Contract:
    """The part of a plan that is known when it is looked at, not when it is made."""

    plan: strawberry.Private[plan_model.Plan]

    @described("How it stands: whether it can be applied, and what is missing.")
    async def state(self, info: Info) -> PlanState:
        return (await info.context.planning.standing(self.plan)).state

    @described("The import that carries it out; a plan is applied once.", upward("ImportJob", "imports") | None)
    async def applied_by(self, info: Info) -> Node | None:
        applied_by = self.plan.applied_by
        return await info.context.import_job(applied_by) if applied_by else None

    @described("Who agreed to it, oldest first.")
    async def approvals(self, info: Info) -> list[Approval]:
        return [Approval.of(one) for one in (await info.context.planning.standing(self.plan)).approvals]

    @described("How many people besides its maker have to agree to it before it can be applied.")
    async def approvals_missing(self, info: Info) -> int:
        return (await info.context.planning.standing(self.plan)).missing

    @described("What it means beyond its own artifacts.")
    async def impact(self, info: Info) -> Impact:
        info.context.spend(_IMPACT_COST)
        return Impact.of(await info.context.planning.impact(self.plan))


def _named(action: plan_model.PlanAction) -> ArtifactName:
    return ArtifactName(artifact_type=action.artifact_type, artifact_id=action.target_id, name=action.name)
