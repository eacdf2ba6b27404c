"""What is done with plans, and what that gives (decisions R16)."""

from __future__ import annotations

import strawberry

from schema.imports import ImportJob
from schema.inputs import IDEMPOTENCY_KEY
from schema.plans import Plan
from schema.refusals import RefusalShown

_REFUSAL = "Why nothing was done."


@strawberry.input(description="A fix of a plan, sent back.")
class ApplyFixInput:
    plan_id: strawberry.ID = strawberry.field(description="The plan.")
    fix_key: strawberry.ID = strawberry.field(description="The `key` of one of its fixes.")
    idempotency_key: str | None = strawberry.field(default=None, description=IDEMPOTENCY_KEY)


@strawberry.input(description="What somebody agrees to.")
class ApprovePlanInput:
    plan_id: strawberry.ID = strawberry.field(description="A plan that somebody else made.")
    hash: str = strawberry.field(description="The hash of what was looked at.")


@strawberry.type(description="The plan that is being made anew.")
class ApplyFixPayload:
    import_job: ImportJob | None = strawberry.field(
        default=None, description="The dry run that makes it: follow `importProgress`."
    )
    plan: Plan | None = strawberry.field(default=None, description="The new plan, once it is made.")
    refusal: RefusalShown | None = strawberry.field(default=None, description=_REFUSAL)


@strawberry.type(description="The plan that was agreed to.")
class ApprovePlanPayload:
    plan: Plan | None = strawberry.field(default=None, description="The plan.")
    refusal: RefusalShown | None = strawberry.field(default=None, description=_REFUSAL)
