"""Conflicts over REST: the audit of an import, the two sides of a conflict, the history of an artifact.

(installhub.md sections 4.2, 8.7, 8.10)
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from domain.access import Right
from domain.artifact_types import BY_WIRE_NAME, ArtifactType
from domain.conflicts import AuditedConflict, ConflictDiff, MergeDetails
from domain.differing import ChangeKind, Changes
from domain.errors import ErrorCode, Problem
from domain.merging import PathConflict
from domain.model import rfc3339
from domain.plan_model import DecisionSource
from domain.rows import Touch
from rest_compat import answers
from rest_compat.asking import admitted
from rest_compat.bodies import PREFIX
from rest_compat.dialect import answer
from rest_compat.operations import JSON, Answer, Operation, Parameter
from rest_compat.parameters import PAGES, TENANT
from rest_compat.querying import Query, tenant_in

_DONE = 200
#: the documents have two words; who decided an artifact by hand stands in resolvedBy (installhub.md section 3.4)
_SOURCES: Mapping[DecisionSource, str] = {
    DecisionSource.DEFAULT: "Default",
    DecisionSource.BY_TYPE: "PerArtifact",
    DecisionSource.BY_ARTIFACT: "PerArtifact",
    DecisionSource.BY_PATH: "PerArtifact",
}
_TYPES: Mapping[str, tuple[ArtifactType, ...]] = {name: (member,) for name, member in BY_WIRE_NAME.items()}


async def conflict_audit(request: Request) -> Response:
    asked = await admitted(request, Right.READ_IMPORTS)
    import_id = asked.id_in_path("importId")
    found = await asked.services.conflicts.audit(asked.caller, import_id, asked.reach)
    resolved = sum(conflict.action.strategy is not None for conflict in found)
    counts = {"conflictsDetected": len(found), "conflictsResolved": resolved}
    return answer({"importId": import_id, **counts, "conflicts": [_conflict_row(conflict) for conflict in found]})


async def conflict_diff(request: Request) -> Response:
    asked = await admitted(request, Right.READ_IMPORTS)
    import_id, conflict_id = asked.id_in_path("importId"), asked.id_in_path("conflictId")
    return answer(_diff(await asked.services.conflicts.diff(asked.caller, import_id, conflict_id, asked.reach)))


async def artifact_audit(request: Request) -> Response:
    asked = await admitted(request, Right.READ_IMPORTS)
    query = Query(request)
    name, types, page = query.text("artifactName"), query.words("artifactType", _TYPES), query.page()
    if not request.query_params.get("artifactName"):
        query.problems.append(Problem(ErrorCode.BAD_USER_INPUT, "Name an artifact.", "artifactName"))
    tenant_id = tenant_in(asked, query)
    query.checked()
    found = await asked.services.conflicts.touched(
        asked.caller, tenant_id, name, types, page=page.number, page_size=page.size
    )
    counted = {"totalCount": found.total_count, "page": page.number, "pageSize": page.size}
    return answer({"results": [_touch_row(touch) for touch in found.items], **counted})


def _conflict_row(conflict: AuditedConflict) -> dict[str, Any]:
    action = conflict.action
    return {
        "conflictId": action.conflict_key,
        "artifactType": action.artifact_type.wire,
        "artifactName": action.name,
        "existingVersion": action.existing.version if action.existing else None,
        "packageVersion": action.to_version,
        "strategyApplied": action.strategy.wire if action.strategy else None,
        "strategySource": _SOURCES[action.decided_by] if action.strategy else None,
        "resolvedBy": conflict.resolved_by.label if conflict.resolved_by else None,
        "resolvedAt": rfc3339(conflict.resolved_at) if conflict.resolved_at else None,
        "outcome": conflict.outcome.wire if conflict.outcome else None,
        "mergeDetails": _merge_details(conflict.merge) if conflict.merge else None,
    }


def _merge_details(merge: MergeDetails) -> dict[str, Any]:
    return {
        "fieldsUpdated": list(merge.updated),
        "fieldsAdded": list(merge.added),
        "fieldsRemoved": list(merge.removed),
        **({"truncated": True} if merge.is_truncated else {}),
    }


def _diff(found: ConflictDiff) -> dict[str, Any]:
    action = found.action
    return {
        "conflictId": action.conflict_key,
        "artifactType": action.artifact_type.wire,
        "artifactName": action.name,
        "existing": {"version": action.existing.version if action.existing else None, "content": found.existing},
        "package": {"version": action.to_version, "content": found.package},
        "diff": _difference(found.changes),
        "suggestedStrategies": [strategy.wire for strategy in found.suggested],
        **({"paths": [_path_row(conflict) for conflict in found.paths]} if found.paths else {}),
    }


def _path_row(conflict: PathConflict) -> dict[str, Any]:
    return {
        "pointer": conflict.pointer,
        "base": conflict.base,
        "existing": conflict.existing,
        "package": conflict.package,
        "decided": conflict.side.wire if conflict.side else None,
    }


def _difference(changes: Changes) -> dict[str, Any]:
    changed, added, removed = (changes.of(kind) for kind in (ChangeKind.CHANGED, ChangeKind.ADDED, ChangeKind.REMOVED))
    return {
        "changed": [{"path": one.path, "existing": one.before, "package": one.after} for one in changed],
        "added": [{"path": one.path, "package": one.after} for one in added],
        "removed": [{"path": one.path, "existing": one.before} for one in removed],
        **({"truncated": True} if changes.is_truncated else {}),
    }


def _touch_row(touch: Touch) -> dict[str, Any]:
    return {
        "importId": touch.import_id,
        "importedAt": rfc3339(touch.imported_at),
        "packageName": touch.package_name,
        "packageVersion": touch.package_version,
        "conflictId": touch.conflict_key,
        "strategyApplied": touch.strategy.wire if touch.strategy else None,
        "previousVersion": touch.previous_version,
        "newVersion": touch.new_version,
    }


OPERATIONS = (
    Operation(
        method="GET",
        path=f"{PREFIX}/packages/{{importId}}/conflicts",
        endpoint=conflict_audit,
        summary="Read what became of an import's conflicts, and who decided them",
        right=Right.READ_IMPORTS,
        answers={_DONE: Answer("The conflicts, in install order.", {JSON: answers.ConflictAudit})},
        refuses=(ErrorCode.NOT_FOUND,),
        source="installhub.md section 8.10",
    ),
    Operation(
        method="GET",
        path=f"{PREFIX}/packages/{{importId}}/conflicts/{{conflictId}}/diff",
        endpoint=conflict_diff,
        summary="Compare the two sides of a conflict",
        right=Right.READ_IMPORTS,
        answers={_DONE: Answer("Both sides, and how they differ.", {JSON: answers.ConflictDiff})},
        refuses=(ErrorCode.NOT_FOUND, ErrorCode.BUNDLE_EXPIRED),
        description="References stand under the tenant's ids on both sides; credentials and secrets are left out.",
        source="installhub.md section 8.7",
    ),
    Operation(
        method="GET",
        path=f"{PREFIX}/audit",
        endpoint=artifact_audit,
        summary="Find the imports that touched an artifact",
        right=Right.READ_IMPORTS,
        answers={_DONE: Answer("Imports, newest first.", {JSON: answers.ArtifactAudit})},
        parameters=(
            TENANT,
            Parameter("artifactName", "The artifact's name; case does not matter.", is_required=True),
            Parameter(
                "artifactType",
                "Only artifacts of these types, repeated or with commas between.",
                schema={"type": "array", "items": {"enum": list(_TYPES)}},
            ),
            *PAGES,
        ),
        source="installhub.md section 8.10",
    ),
)
