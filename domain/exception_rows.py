"""What a tenant's people say of findings in its own imports, as it is remembered (see ``domain.ports``)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from domain.market.curation_rows import Binding, Judgement
from domain.model import Actor, ImportId, TenantId
from domain.rows import Slice


@dataclass(frozen=True, slots=True)
class ImportException:
    """A wish that one finding in an import's package be let pass; bound to rule, place and bytes (R6).

    ``finding_index`` is its place in the import's scan report. Approved, it counts until ``valid_until``, for every
    import of the tenant that brings these very bytes.
    """

    exception_id: str
    tenant_id: TenantId
    import_id: ImportId
    finding_index: int
    rule: str
    pointer: str
    artifact_hash: str
    explanation: str
    justification: str
    status: Judgement
    asked_at: datetime
    asked_by: Actor
    details: str = ""
    valid_until: datetime | None = None
    decided_at: datetime | None = None
    decided_by: Actor | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """What somebody decided about an exception, why, and until when it counts."""

    status: Judgement
    details: str
    valid_until: datetime | None
    at: datetime
    by: Actor


class ExceptionRows(Protocol):
    """The scan exceptions of one tenant's imports."""

    async def ask(self, wanted: ImportException) -> bool:
        """Remember a wish; false where one for this finding is open or approved."""

    async def count(self, import_id: str) -> int:
        """How many were asked for an import, whatever became of them."""

    async def find(self, import_id: str, exception_id: str) -> ImportException | None:
        """One exception of an import."""

    async def page(
        self, statuses: tuple[Judgement, ...], *, first: int, after: str | None = None
    ) -> Slice[ImportException]:
        """Exceptions that stand so, oldest first; ``after`` is an id."""

    async def decide(self, exception_id: str, verdict: Verdict) -> bool:
        """Approve an open one; reject an open or an approved one. False for any other."""

    async def granted(self, now: datetime) -> frozenset[Binding]:
        """What is let pass at this time."""
