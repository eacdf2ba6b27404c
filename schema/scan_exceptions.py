"""Exceptions from the scans of a tenant's imports (installhub.md section 9.6)."""

from __future__ import annotations

from datetime import datetime

import strawberry

from domain.exception_rows import ImportException
from domain.market.curation_rows import Judgement
from schema.context import Info
from schema.curation_inputs import Decision
from schema.fields import described
from schema.inputs import IDEMPOTENCY_KEY
from schema.nodes import Node, upward
from schema.refusals import RefusalShown
from schema.values import Actor

_REFUSAL = "Why nothing was done."
_IMPORT = "The import whose scan forbade it."
_SHOWN = "The exception."


@strawberry.type(description="A wish that one finding in an import's package be let pass.")
class ImportScanException:
    key: strawberry.ID = strawberry.field(description="Its id: mutations know it as `exceptionId`.")
    finding_index: int = strawberry.field(description="The finding's place in the report, from 0.")
    rule: str = strawberry.field(description="The rule whose finding is let pass.")
    pointer: str = strawberry.field(description="Where in the artifact, as a JSON pointer.")
    artifact_hash: str = strawberry.field(description="The bytes of the artifact: for others it does not count.")
    status: Judgement = strawberry.field(description="How it stands.")
    explanation: str = strawberry.field(description="Why it does no harm.")
    justification: str | None = strawberry.field(description="Why it is needed.")
    requested_at: datetime = strawberry.field(description="When it was asked for.")
    requested_by: Actor = strawberry.field(description="By whom.")
    details: str | None = strawberry.field(description="What was found when it was decided.")
    valid_until: datetime | None = strawberry.field(description="Until when it counts, once approved.")
    decided_at: datetime | None = strawberry.field(description="When it was decided.")
    decided_by: Actor | None = strawberry.field(description="By whom.")
    import_id: strawberry.Private[str]

    @described(_IMPORT, upward("ImportJob", "imports") | None)
    async def import_job(self, info: Info) -> Node | None:
        return await info.context.import_job(self.import_id)

    @classmethod
    def of(cls, found: ImportException) -> ImportScanException:
        return cls(
            key=strawberry.ID(found.exception_id),
            finding_index=found.finding_index,
            rule=found.rule,
            pointer=found.pointer,
            artifact_hash=found.artifact_hash,
            status=found.status,
            explanation=found.explanation,
            justification=found.justification or None,
            requested_at=found.asked_at,
            requested_by=Actor.of(found.asked_by),
            details=found.details or None,
            valid_until=found.valid_until,
            decided_at=found.decided_at,
            decided_by=Actor.of(found.decided_by) if found.decided_by else None,
            import_id=found.import_id,
        )


@strawberry.input(description="A finding of an import's scan that is a false alarm.")
class RequestImportScanExceptionInput:
    import_id: strawberry.ID = strawberry.field(description=_IMPORT)
    finding_index: int = strawberry.field(description="The finding's `key` in the report.")
    explanation: str = strawberry.field(description="Why it does no harm, at most 5,000 characters.")
    justification: str | None = strawberry.field(default=None, description="Why it is needed.")
    idempotency_key: str | None = strawberry.field(default=None, description=IDEMPOTENCY_KEY)


@strawberry.input(description="What was decided about an exception; rejecting takes back one that was approved.")
class DecideImportScanExceptionInput:
    import_id: strawberry.ID = strawberry.field(description=_IMPORT)
    exception_id: strawberry.ID = strawberry.field(description="The exception's `key`.")
    decision: Decision = strawberry.field(description="What was decided.")
    details: str = strawberry.field(description="What was found, at most 5,000 characters.")
    valid_until: datetime | None = strawberry.field(
        default=None, description="Until when it counts, at most a year from now; left out: 90 days."
    )


@strawberry.type(description="The exception, which somebody will decide.")
class RequestImportScanExceptionPayload:
    import_scan_exception: ImportScanException | None = strawberry.field(default=None, description=_SHOWN)
    refusal: RefusalShown | None = strawberry.field(default=None, description=_REFUSAL)


@strawberry.type(description="The exception as it is now.")
class DecideImportScanExceptionPayload:
    import_scan_exception: ImportScanException | None = strawberry.field(default=None, description=_SHOWN)
    refusal: RefusalShown | None = strawberry.field(default=None, description=_REFUSAL)
