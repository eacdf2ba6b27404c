"""Why nothing was done: the interface every mutation's payload has, and its kinds (decisions R16)."""

from __future__ import annotations

from datetime import datetime

import strawberry

from domain import errors
from domain.errors import ErrorCode
from schema.context import Info
from schema.fields import described
from schema.nodes import Node, upward
from schema.scalars import Long
from schema.values import Problem


@strawberry.interface(
    name="Refusal",
    description="Why nothing was done. Show `message`, act on `code`, put `problems` beside the inputs they name."
    " New kinds may come: read this interface.",
)
class RefusalShown:
    code: ErrorCode = strawberry.field(description="What kind of refusal. Act on this.")
    message: str = strawberry.field(description="A sentence to show.")
    problems: list[Problem] = strawberry.field(description="Everything that was found, at least one.")


@strawberry.type(description="A refusal that needs no more words.")
class PlainRefusal(RefusalShown):
    pass


@strawberry.type(description="Something is too large, too many or too often.")
class LimitRefusal(RefusalShown):
    limit: str = strawberry.field(description="Which limit, in words.")
    allowed: Long | None = strawberry.field(description="How much is allowed; null for limits of several numbers.")
    actual: Long | None = strawberry.field(description="How much it was.")
    retry_after_seconds: int | None = strawberry.field(description="When to try again.")


@strawberry.type(description="Something stands there already: a version, a name, another revision, what a key made.")
class TakenRefusal(RefusalShown):
    existing_id: strawberry.Private[str]

    @described("What stands there, if the caller may see it.")
    async def existing(self, info: Info) -> Node | None:
        return await info.context.find(self.existing_id) if self.existing_id else None


@strawberry.type(description="An artifact that moved since a plan was made.")
class Drift:
    name: str = strawberry.field(description="Its name now.")
    artifact_id: str = strawberry.field(description="Its id in the tenant.")
    revision: int = strawberry.field(description="Its revision now.")
    changed_by: str | None = strawberry.field(
        description="Who saved it: the e-mail address, else the subject; null when it is gone."
    )
    changed_at: datetime | None = strawberry.field(description="When.")
    pointers: list[str] = strawberry.field(description="What is different in its content, as JSON pointers.")
    tenant_id: strawberry.Private[str]

    @described("The artifact; null when it is gone.", upward("Artifact", "artifacts") | None)
    async def artifact(self, info: Info) -> Node | None:
        return await info.context.artifact(self.tenant_id, self.artifact_id) if self.tenant_id else None


@strawberry.type(description="A plan does not hold any more: what moved, who moved it, and the plan made anew.")
class StaleRefusal(RefusalShown):
    drift: list[Drift] = strawberry.field(description="The artifacts that moved; installed packages are in `problems`.")
    new_plan_id: strawberry.Private[str]
    new_import_id: strawberry.Private[str]

    @described("The new plan; null until it is made.", upward("Plan", "plans") | None)
    async def new_plan(self, info: Info) -> Node | None:
        return await info.context.plan(self.new_plan_id) if self.new_plan_id else None

    @described("The dry run that makes the new plan: follow `importProgress`.", upward("ImportJob", "imports") | None)
    async def new_plan_job(self, info: Info) -> Node | None:
        return await info.context.import_job(self.new_import_id) if self.new_import_id else None


#: in the details of such a refusal: the id of what stands there
_EXISTING = ("existingPackageId", "importId", "packageId")
_TAKEN = frozenset(
    {
        ErrorCode.VERSION_CONFLICT,
        ErrorCode.IDEMPOTENCY_KEY_REUSED,
        ErrorCode.REVISION_CONFLICT,
        ErrorCode.ARTIFACT_NAME_TAKEN,
        ErrorCode.TENANT_EXISTS,
    }
)


def refusal_of(refusal: errors.Refusal, problems: list[Problem]) -> RefusalShown:
    """The domain's refusal in the kind that tells most about it."""
    details = refusal.details
    if refusal.code in _TAKEN:
        existing = next((str(details[name]) for name in _EXISTING if name in details), "")
        return TakenRefusal(code=refusal.code, message=refusal.message, problems=problems, existing_id=existing)
    if refusal.code is ErrorCode.PLAN_STALE:
        return _stale(refusal, problems)
    if "limit" in details:
        allowed = details["limit"]
        actual, wait = details.get("actual"), details.get("retryAfter")
        return LimitRefusal(
            code=refusal.code,
            message=refusal.message,
            problems=problems,
            limit=allowed if isinstance(allowed, str) else refusal.problems[0].where,
            allowed=Long(allowed) if isinstance(allowed, int) else None,
            actual=Long(actual) if isinstance(actual, int) else None,
            retry_after_seconds=wait if isinstance(wait, int) else None,
        )
    return PlainRefusal(code=refusal.code, message=refusal.message, problems=problems)


def _stale(refusal: errors.Refusal, problems: list[Problem]) -> StaleRefusal:
    details = refusal.details
    moved = [problem.details for problem in refusal.problems if "artifactId" in problem.details]
    return StaleRefusal(
        code=refusal.code,
        message=refusal.message,
        problems=problems,
        drift=[
            Drift(
                name=row["artifactName"],
                artifact_id=row["artifactId"],
                revision=row["revision"],
                changed_by=row["changedBy"],
                changed_at=datetime.fromisoformat(row["changedAt"]) if row["changedAt"] else None,
                pointers=row["pointers"],
                tenant_id=str(details.get("tenantId", "")),
            )
            for row in moved
        ],
        new_plan_id=str(details.get("newPlanId", "")),
        new_import_id=str(details.get("newImportId", "")),
    )
