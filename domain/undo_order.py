"""What is asked of an undo, and the job that it becomes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import uuid_utils

from domain.access import Caller
from domain.import_model import ImportJob, ImportKind, ImportMode, ImportState
from domain.model import ImportId, PlanId, TenantId
from domain.options import BlockerChoice, ImportOptions, UndoWish
from domain.repeating import Once


@dataclass(frozen=True, slots=True)
class UndoAsked:
    """How something is to be taken back, whatever it is."""

    blockers: BlockerChoice = BlockerChoice.REFUSE
    #: why, in the person's own words: for the audit
    reason: str = ""
    is_dry_run: bool = False


@dataclass(frozen=True, slots=True)
class UndoOrder:
    """What is to be taken back in which tenant. ``named`` are the package's name, version and id, as far as known."""

    tenant_id: TenantId
    wish: UndoWish
    asked: UndoAsked
    named: Mapping[str, Any] = field(default_factory=dict)
    retry_of: ImportId | None = None


def undo_job(caller: Caller, order: UndoOrder, request: Once | None, now: datetime) -> ImportJob:
    """The import that takes it back, ready for the head of its tenant's line."""
    unique, asked = str(uuid_utils.uuid7()), order.asked
    return ImportJob(
        import_id=ImportId(f"imp-{unique}"),
        tenant_id=order.tenant_id,
        kind=ImportKind.UNINSTALL if order.wish.import_id is None else ImportKind.ROLLBACK,
        mode=ImportMode.PLAN if asked.is_dry_run else ImportMode.APPLY,
        state=ImportState.QUEUED,
        options=ImportOptions(dry_run=asked.is_dry_run, reason=asked.reason),
        packages=(),
        submitted_by=caller.actor,
        submitted_at=now,
        identity=caller.identity,
        plan_id=PlanId(f"plan-{unique}"),
        last_seq=1,
        retry_of=order.retry_of,
        idempotency_key=request.key if request else None,
        undo=order.wish,
        **order.named,
    )
