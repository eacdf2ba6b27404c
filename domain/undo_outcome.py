"""What an undo leaves behind to be read: in A1's words as far as they have a meaning for it (pure).

It says nothing of a scan, for there is none (decisions section 9.6): what comes back was scanned when it came.
"""

from __future__ import annotations

from typing import Any

from domain.import_model import ImportJob, ImportKind
from domain.import_outcome import counts, planned, removed_rows
from domain.plan_model import ActionKind, PlanAction
from domain.undo_planning import UndoDraft
from domain.verified import Verified

_LEFT = (ActionKind.SKIP, ActionKind.UNCHANGED)
_AUDITED_AS = {ImportKind.ROLLBACK: "import.undone", ImportKind.UNINSTALL: "package.uninstalled"}


def shown(job: ImportJob, draft: UndoDraft) -> dict[str, Any]:
    """The outcome of a dry run. Nothing is scanned."""
    return {**_head(job, draft), **planned(job, draft.made)}


def verified(job: ImportJob, draft: UndoDraft) -> Verified:
    """What the activation of an undo writes besides the artifacts."""
    made = draft.made
    left = [action for action in made.actions if action.kind is ActionKind.SKIP]
    outcome = {
        **_head(job, draft),
        "artifactsInstalled": len(_brought_back(draft)),
        "artifactsWritten": sum(action.writes for action in made.actions),
        "artifactsUnchanged": made.count(ActionKind.UNCHANGED),
        "artifactsSkipped": len(left),
        "conflictsResolved": 0,
        "installedBy": job.imported_by,
        "installOrder": [action.source_id for action in made.actions],
        "conflictReport": {"conflicts": []},
        "installed": [],
        "skipped": [],
        "removed": removed_rows(made),
        "idRemapTable": {},
        "planId": made.plan_id,
        "planHash": made.plan_hash,
    }
    return Verified(
        told=f"{name_of(job)} was taken back." if draft.undoes else f"{name_of(job)} had been taken back already.",
        audited_as=_AUDITED_AS[job.kind],
        outcome=outcome,
        details=_details(job, draft),
        undoes=draft.undoes,
    )


def name_of(job: ImportJob) -> str:
    """What an undo takes back, as people call it."""
    wish = job.undo
    return job.package_name or (wish.import_id if wish and wish.import_id else "") or "Everything"


def _head(job: ImportJob, draft: UndoDraft) -> dict[str, Any]:
    return {
        "packageId": job.package_id,
        "packageName": job.package_name,
        "version": job.package_version,
        "undoes": _imports(draft),
        "counts": counts(draft.made),
        "warnings": [],
    }


def _details(job: ImportJob, draft: UndoDraft) -> dict[str, Any]:
    choice = job.undo.blockers.wire if job.undo else None
    told = {"package": job.package_name, "version": job.package_version, "counts": counts(draft.made)}
    return told | {"undoes": _imports(draft), "blockers": choice, "reason": job.options.reason or None}


def _imports(draft: UndoDraft) -> list[str]:
    return list(dict.fromkeys(portion.import_id for portion in draft.undoes))


def _brought_back(draft: UndoDraft) -> list[str]:
    return [action.name for action in draft.made.actions if _comes_back(action)]


def _comes_back(action: PlanAction) -> bool:
    return action.kind not in (*_LEFT, ActionKind.REMOVE)
