"""What an import leaves behind to be read: its outcome, as one mapping in the contract's words (pure).

Both doors build their answers from it, so the record says the same at every time and at every door
(A1; installhub.md sections 8.6, 8.8; decisions R15, R17, R19, R29, sections 9.3, 9.4).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from domain.binding_slots import BindingSlot
from domain.errors import ErrorCode, Problem, problem_row
from domain.import_model import ImportJob
from domain.model import Manifest
from domain.plan_model import ActionKind, Plan, PlanAction

_WRITTEN = {
    ActionKind.CREATE: "Created",
    ActionKind.UPDATE: "Updated",
    ActionKind.MERGE: "Merged",
    ActionKind.COPY: "Copied",
}
_NOT_INSTALLED = (ActionKind.SKIP, ActionKind.REMOVE, None)
_COUNTED = (
    ("create", ActionKind.CREATE),
    ("update", ActionKind.UPDATE),
    ("merge", ActionKind.MERGE),
    ("copy", ActionKind.COPY),
    ("skip", ActionKind.SKIP),
    ("remove", ActionKind.REMOVE),
    ("unchanged", ActionKind.UNCHANGED),
)


def counts(plan: Plan) -> dict[str, int]:
    """How many artifacts get which action; zeros stay."""
    found = {name: plan.count(kind) for name, kind in _COUNTED}
    return found | {"openConflicts": len(plan.open_conflicts), "blockers": len(plan.blockers)}


def outcome(
    job: ImportJob,
    plan: Plan,
    manifests: Sequence[Manifest],
    *,
    scan_result: str,
    warnings: Iterable[Problem],
    installed_at: str,
) -> dict[str, Any]:
    """How a finished import went, with every field of A1's response.

    ``manifests`` are those of its packages by ordinal: the last one is the package that was asked for (R8).
    """
    manifest = manifests[-1]
    actions = [action for action in plan.actions if action.kind is not ActionKind.REMOVE]
    skipped = [action for action in actions if action.kind is ActionKind.SKIP]
    return {
        "packageId": manifest.package_id,
        "packageName": manifest.name,
        "version": manifest.version,
        "artifactsInstalled": sum(action.kind not in _NOT_INSTALLED for action in actions),
        "artifactsWritten": sum(action.writes for action in actions),
        "artifactsUnchanged": plan.count(ActionKind.UNCHANGED),
        "artifactsSkipped": len(skipped),
        "conflictsResolved": sum(action.strategy is not None for action in actions),
        "installedAt": installed_at,
        "installedBy": job.imported_by,
        "installOrder": [action.source_id for action in actions],
        "conflictReport": {"conflicts": [decided_conflict(action) for action in actions if action.strategy]},
        "securityScanResult": scan_result,
        "warnings": [problem_row(problem) for problem in warnings],
        "installed": [_installed_row(action) for action in actions if action.kind in _WRITTEN],
        "skipped": [_skipped_row(action) for action in skipped],
        "removed": removed_rows(plan),
        "idRemapTable": {action.source_id: action.target_id for action in actions},
        "counts": counts(plan),
        "planId": plan.plan_id,
        "planHash": plan.plan_hash,
        **_members(job, manifests),
    }


def dry_run(job: ImportJob, plan: Plan, manifests: Sequence[Manifest], *, scan_result: str) -> dict[str, Any]:
    """What a dry run found (decisions R17; section 9.4)."""
    manifest = manifests[-1]
    return {
        "packageId": manifest.package_id,
        "packageName": manifest.name,
        "version": manifest.version,
        **planned(job, plan, scan_result),
        **_members(job, manifests),
    }


def _members(job: ImportJob, manifests: Sequence[Manifest]) -> dict[str, Any]:
    """The packages of an install, what is needed first; an import is one package, told above."""
    rows = [
        {
            "packageName": manifest.name,
            "version": manifest.version,
            "packageId": package.offer.listing_id,
            "trustLevel": package.offer.trust_level.wire,
            "artifacts": len(manifest.artifacts),
        }
        for package, manifest in zip(job.packages, manifests, strict=True)
        if package.offer
    ]
    return {"packages": rows, **index_version(job)} if rows else {}


def index_version(job: ImportJob) -> dict[str, Any]:
    """Of the hub's index that an install was resolved against."""
    known = job.install.index_version if job.install else None
    return {} if known is None else {"indexVersion": known}


def consent(job: ImportJob) -> dict[str, Any]:
    """What the audit keeps of an install: its packages, how far each is trusted, and what was agreed to (R6)."""
    if job.install is None:
        return {}
    rows = [
        {
            "packageName": offer.name,
            "version": offer.version,
            "packageId": offer.listing_id,
            "publisher": offer.publisher_name,
            "trustLevel": offer.trust_level.wire,
            "checksum": offer.checksum,
        }
        for offer in (package.offer for package in job.packages)
        if offer
    ]
    return {"packages": rows, "acknowledged": job.install.acknowledged, **index_version(job)}


def planned(job: ImportJob, plan: Plan, scan_result: str = "") -> dict[str, Any]:
    """What a plan with its actions says, whoever asks for it and when; no ``scan_result`` of what is not scanned."""
    return {
        "wouldInstall": [action.name for action in plan.actions if action.kind not in _NOT_INSTALLED],
        "conflictsFound": [_found_conflict(action) for action in plan.actions if is_conflict(action)],
        "counts": counts(plan),
        **({"securityScanResult": scan_result} if scan_result else {}),
        "estimatedInstallOrder": [one.source_id for one in plan.actions if one.kind is not ActionKind.REMOVE],
        "wouldRemove": removed_rows(plan),
        "warnings": [problem_row(problem) for problem in (*plan.warnings, *importer_warnings(job))],
        "blockers": [problem_row(problem) for problem in plan.blockers],
        "actions": [action_row(action) for action in plan.actions],
        "bindings": [binding_row(slot) for slot in plan.bindings],
    }


def binding_row(slot: BindingSlot) -> dict[str, Any]:
    """A place that needs a value of the tenant, without the value (R22)."""
    user = {"type": slot.artifact_type.wire, "artifactId": slot.source_id, "name": slot.artifact_name}
    return {
        "key": slot.key,
        "kind": slot.kind,
        "label": slot.label,
        "usedBy": [user],
        "isResolved": slot.source is not None,
        "source": slot.source.wire if slot.source else None,
    }


def conflict_report(plan: Plan) -> dict[str, Any]:
    """The report of a paused import: every conflict, those that are decided too (R18; section 9.4, *409*)."""
    actions = [action for action in plan.actions if is_conflict(action)]
    return {
        "conflictsFound": len(actions),
        "conflicts": [
            {
                "conflictId": action.conflict_key,
                "artifactName": action.name,
                "type": action.artifact_type.wire,
                "artifactType": action.artifact_type.wire,
                "existingVersion": action.existing.version if action.existing else None,
                "packageVersion": action.to_version,
                "mergeSupported": action.artifact_type.is_mergeable,
                "proposedStrategy": action.strategy.wire if action.strategy else None,
                **_path_rows(action),
            }
            for action in actions
        ],
    }


def told_warnings(plan: Plan) -> dict[str, Any]:
    """What a paused import warns of, if there is anything."""
    rows = [problem_row(problem) for problem in plan.warnings]
    return {"warnings": rows} if rows else {}


def reported_conflicts(job: ImportJob, *, open_only: bool = False) -> dict[str, str]:
    """Name by id of the conflicts in the report of a paused import: all, or those that wait for a decision."""
    rows = (job.outcome or {}).get("conflictReport", {}).get("conflicts", [])
    return {
        row["conflictId"]: row["artifactName"] for row in rows if not open_only or row.get("proposedStrategy") is None
    }


def reported_paths(job: ImportJob) -> dict[str, list[str]]:
    """By conflict id, the JSON pointers that are to be decided where the artifact is merged."""
    rows = (job.outcome or {}).get("conflictReport", {}).get("conflicts", [])
    return {row["conflictId"]: [one["pointer"] for one in row["paths"]] for row in rows if row.get("paths")}


def _path_rows(action: PlanAction) -> dict[str, Any]:
    """Where both sides of a merge changed one place; their values are read at the conflict."""
    rows = [{"pointer": pointer, "decided": side and side.wire} for pointer, side in action.paths.items()]
    return {"paths": rows} if rows else {}


def removed_rows(plan: Plan) -> list[dict[str, Any]]:
    """What goes because the package does not hold it any more (R31)."""
    return [
        {"type": action.artifact_type.wire, "name": action.name, "artifactId": action.target_id}
        for action in plan.actions
        if action.kind is ActionKind.REMOVE
    ]


def decided_conflict(action: PlanAction) -> dict[str, Any]:
    """One row of A1's conflict report."""
    return {
        "conflictId": action.conflict_key,
        "artifactName": action.name,
        "type": action.artifact_type.wire,
        "resolution": action.strategy.wire if action.strategy else None,
        "previousVersion": action.existing.version if action.existing else None,
        "installedVersion": action.written_version,
    }


def importer_warnings(job: ImportJob) -> list[Problem]:
    """``importedBy`` never changes the actor and never refuses (R38)."""
    if job.submitted_by.is_service or not on_behalf_of(job):
        return []
    text = "importedBy names somebody else than the token; the import is recorded under the token's owner."
    return [Problem(ErrorCode.IMPORTED_BY_IGNORED, text, "importedBy")]


def on_behalf_of(job: ImportJob) -> dict[str, str]:
    """Whom ``importedBy`` names, for the audit; nothing where that is the actor (R38)."""
    named, actor = job.options.imported_by, job.submitted_by
    return {"onBehalfOf": named} if named and named not in {actor.label, actor.subject} else {}


def is_conflict(action: PlanAction) -> bool:
    """What is unchanged and had no strategy is none: it never waits for anybody (R19)."""
    return action.strategy is not None or action.kind is None


def _found_conflict(action: PlanAction) -> dict[str, Any]:
    resolution = action.strategy.wire if action.strategy else None
    return {
        "conflictId": action.conflict_key,
        "artifactName": action.name,
        "type": action.artifact_type.wire,
        "resolution": resolution,
    }


def action_row(action: PlanAction) -> dict[str, Any]:
    """What is done with one artifact."""
    return {
        "sourceId": action.source_id,
        "artifactName": action.name,
        "type": action.artifact_type.wire,
        "action": action.kind.value if action.kind else None,
        "targetId": action.target_id,
        "existingVersion": action.existing.version if action.existing else None,
        "packageVersion": action.to_version,
        "decidedBy": action.decider.wire if action.decider else None,
    }


def _installed_row(action: PlanAction) -> dict[str, Any]:
    kind = action.kind or ActionKind.UNCHANGED
    return {"type": action.artifact_type.wire, "name": action.name, "action": _WRITTEN[kind]}


def _skipped_row(action: PlanAction) -> dict[str, Any]:
    return {
        "type": action.artifact_type.wire,
        "name": action.name,
        "reason": "An artifact of this type and name exists and the strategy is Skip.",
        "existingVersion": action.existing.version if action.existing else None,
        "packageVersion": action.to_version,
    }
