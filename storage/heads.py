"""Rows of artifacts and revisions, there and back. Rows are read by position: the column lists below are the order."""

from __future__ import annotations

from collections.abc import Sequence
from operator import attrgetter
from typing import Any

from domain.model import ArtifactHead, NewRevision, Origin, Reference, Revision, TenantId, name_key
from storage.plan_tables import plan_action
from storage.tables import ORIGIN, artifact, reference, revision

_ORIGIN_LENGTH = len(ORIGIN)
_ORIGINS = [f"origin_{part}" for part in ORIGIN]
_parts_of = attrgetter(*ORIGIN)
_BEFORE_ORIGIN = 11

HEAD = [
    artifact.c[name]
    for name in (
        *("tenant_id", "artifact_id", "type", "name", "version", "status", "revision", "revision_id"),
        *("content_hash", "changed_at", "changed_by", *_ORIGINS, "imported_revision"),
    )
]
#: the same columns of a plan's existing artifact, in the same order
EXISTING_HEAD = [
    plan_action.c[f"existing_{name}"]
    for name in (
        *("tenant_id", "id", "type", "name", "version", "status", "revision", "revision_id"),
        *("hash", "changed_at", "changed_by", *_ORIGINS, "imported_revision"),
    )
]
REVISION = [
    revision.c[name]
    for name in (
        *("revision_id", "artifact_id", "number", "name", "version", "status", "content_hash", "written_at"),
        *("written_by", "import_id"),
    )
]
REFERENCE = [reference.c[name] for name in ("artifact_id", "target_id", "pointer", "kind")]


def head_of(row: Sequence[Any]) -> ArtifactHead:
    origin = row[_BEFORE_ORIGIN : _BEFORE_ORIGIN + _ORIGIN_LENGTH]
    fields = (*row[:_BEFORE_ORIGIN], Origin(*origin) if origin[0] is not None else None, row[-1])
    return ArtifactHead(*fields)


def existing_row(head: ArtifactHead) -> dict[str, Any]:
    values = (
        *(head.tenant_id, head.artifact_id, head.artifact_type, head.name, head.version, head.status),
        *(head.revision, head.revision_id, head.content_hash, head.changed_at, head.changed_by),
        *_origin_values(head.origin),
        head.imported_revision,
    )
    row = {column.name: value for column, value in zip(EXISTING_HEAD, values, strict=True)}
    row["existing_name_key"] = name_key(head.name)
    return row


def revision_of(row: Sequence[Any]) -> Revision:
    return Revision(*row)


def reference_of(row: Sequence[Any]) -> Reference:
    return Reference(*row)


def revision_row(tenant_id: TenantId, new: NewRevision, *, held: bool) -> dict[str, Any]:
    return {
        "revision_id": new.revision_id,
        "tenant_id": tenant_id,
        "artifact_id": new.artifact_id,
        "number": new.number,
        "type": new.artifact_type,
        "name": new.name,
        "name_key": name_key(new.name),
        "version": new.version,
        "status": new.status,
        "content_hash": new.content_hash,
        "written_at": new.written_at,
        "written_by": new.written_by,
        "import_id": new.import_id,
        "restores": new.restores,
        "held": int(held),
        **dict(zip(_ORIGINS, _origin_values(new.origin), strict=True)),
    }


def reference_rows(tenant_id: TenantId, revisions: Sequence[NewRevision]) -> list[dict[str, Any]]:
    return [
        {
            "tenant_id": tenant_id,
            "revision_id": new.revision_id,
            "artifact_id": found.artifact_id,
            "target_id": found.target_id,
            "pointer": found.pointer,
            "kind": found.kind,
        }
        for new in revisions
        for found in new.references
    ]


def _origin_values(origin: Origin | None) -> tuple[str | None, ...]:
    if origin is None:
        return (None,) * _ORIGIN_LENGTH
    values: tuple[str, ...] = _parts_of(origin)
    return values
