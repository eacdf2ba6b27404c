"""Rows of artifacts and revisions, there and back. Rows are read by position: the column lists below are the order."""

from __future__ import annotations

from collections.abc import Sequence
from operator import itemgetter
from typing import Any

from domain.model import ArtifactHead, NewRevision, Origin, Reference, Revision, TenantId, name_key
from storage.plan_tables import plan_action
from storage.tables import ORIGIN, artifact, reference, revision

_ORIGIN_LENGTH = len(ORIGIN)
_ORIGINS = [f"origin_{part}" for part in ORIGIN]
_NO_ORIGIN = (None,) * _ORIGIN_LENGTH
#: what a revision that is about to be written says of itself, and the columns of that
_SAID = (
    *("revision_id", "artifact_id", "number", "artifact_type", "name", "version", "status", "content_hash"),
    *("written_at", "written_by", "import_id", "restores"),
)
_REVISION = ["type" if name == "artifact_type" else name for name in _SAID]
_revision_of = itemgetter(*map(NewRevision._fields.index, _SAID))
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
_EXISTING = [column.name for column in EXISTING_HEAD]
REVISION = [
    revision.c[name]
    for name in (
        *("revision_id", "artifact_id", "number", "name", "version", "status", "content_hash", "written_at"),
        *("written_by", "import_id"),
    )
]
_REFERENCE = ("revision_id", "artifact_id", "target_id", "pointer", "kind")
REFERENCE = [reference.c[name] for name in ("artifact_id", "target_id", "pointer", "kind")]


def head_of(row: Sequence[Any]) -> ArtifactHead:
    *fields, imported_revision = row
    origin = fields[_BEFORE_ORIGIN:]
    fields[_BEFORE_ORIGIN:] = (None if origin[0] is None else Origin._make(origin), imported_revision)
    return ArtifactHead._make(fields)


def existing_columns(heads: Sequence[ArtifactHead]) -> dict[str, Sequence[Any]]:
    """What plans keep of the artifacts that they meet, by column."""
    rows = [(*head[:_BEFORE_ORIGIN], *(head.origin or _NO_ORIGIN), head.imported_revision) for head in heads]
    columns = dict(zip(_EXISTING, zip(*rows, strict=True), strict=True))
    return {**columns, "existing_name_key": [name_key(head.name) for head in heads]}


def revision_of(row: Sequence[Any]) -> Revision:
    return Revision(*row)


def reference_of(row: Sequence[Any]) -> Reference:
    return Reference(*row)


def revision_columns(
    tenant_id: TenantId, revisions: Sequence[NewRevision], *, follows_import: bool
) -> dict[str, Sequence[Any]]:
    """Revisions that are about to be written, at least one, by column."""
    count = len(revisions)
    said = zip(*map(_revision_of, revisions), strict=True)
    columns: dict[str, Sequence[Any]] = dict(zip(_REVISION, said, strict=True))
    origins = [new.origin or _NO_ORIGIN for new in revisions]
    columns |= dict(zip(_ORIGINS, zip(*origins, strict=True), strict=True))
    columns["name_key"] = [name_key(new.name) for new in revisions]
    return columns | {"tenant_id": [tenant_id] * count, "follows_import": [int(follows_import)] * count}


def reference_columns(tenant_id: TenantId, revisions: Sequence[NewRevision]) -> dict[str, Sequence[Any]]:
    """The references of revisions by column; there may be none."""
    rows = [(new.revision_id, *found) for new in revisions for found in new.references]
    columns: dict[str, Sequence[Any]] = dict(zip(_REFERENCE, zip(*rows, strict=True), strict=False))
    return {**columns, "tenant_id": [tenant_id] * len(rows)}
