"""What REST tells of a plan besides what it does: how it stands, what it means for others, what it changes where."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from domain.differing import Change, Changes
from domain.fixes import Fix, fixes_of, open_problem
from domain.import_model import ImportJob
from domain.import_outcome import action_row
from domain.model import rfc3339
from domain.plan_model import Plan, PlanAction, Standing
from domain.plan_views import Impact
from rest_compat.dialect import fix_rows

#: changes of one artifact that a list of actions shows
_CHANGES_SHOWN = 50


def contract(job: ImportJob, made: Plan, standing: Standing, impact: Impact) -> dict[str, Any]:
    """How a plan stands now, and what it means for others."""
    return {
        "state": standing.state.wire,
        "createdBy": job.submitted_by.label,
        **({"appliedBy": made.applied_by} if made.applied_by else {}),
        "approvals": [
            {"by": one.actor.label, "at": rfc3339(one.at), "hash": one.plan_hash} for one in standing.approvals
        ],
        "approvalsMissing": standing.missing,
        "impact": _impact(impact),
    }


def action(planned: PlanAction, changes: Changes | None) -> dict[str, Any]:
    """One action of a plan as it is listed, with what it changes; ``None``: the package is no longer kept."""
    matched_by = planned.matched_by.wire if planned.matched_by else None
    fixes: Iterable[Fix] = fixes_of(open_problem(planned)) if planned.kind is None else ()
    rows = [_change(one) for one in changes.items[:_CHANGES_SHOWN]] if changes else None
    return {
        **action_row(planned),
        "matchedBy": matched_by,
        "conflictId": planned.conflict_key,
        "changes": rows,
        "changeCount": len(changes.items) if changes else None,
        **({"fixes": fix_rows(fixes)} if fixes else {}),
    }


def _change(change: Change) -> dict[str, Any]:
    return {
        "pointer": change.pointer,
        "kind": change.kind.wire,
        "before": _side(change.before),
        "after": _side(change.after),
    }


def _side(value: Any) -> Any:
    """A tuple is the order of a list's items, told by their keys."""
    return list(value) if isinstance(value, tuple) else value


def _impact(impact: Impact) -> dict[str, Any]:
    powers: Mapping[str, Any] = {"newPowers": impact.new_powers} if impact.new_powers else {}
    return {
        "activates": [_named(one) for one in impact.activates],
        "deactivates": [_named(one) for one in impact.deactivates],
        "alsoUsedBy": [
            {"type": head.artifact_type.wire, "id": head.artifact_id, "name": head.name} for head in impact.also_used_by
        ],
        "otherPackages": [
            {"packageName": one.name, "version": one.version, "source": one.source} for one in impact.other_packages
        ],
        **powers,
    }


def _named(planned: PlanAction) -> dict[str, Any]:
    return {"type": planned.artifact_type.wire, "id": planned.target_id, "name": planned.name}
