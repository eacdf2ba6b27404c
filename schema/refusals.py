"""Why nothing was done: the interface every mutation's payload has, and its kinds (decisions R16)."""

from __future__ import annotations

import strawberry

from domain import errors
from domain.errors import ErrorCode
from schema.context import Info
from schema.fields import described
from schema.nodes import Node
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
