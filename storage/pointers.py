"""Moving active pointers: an artifact's row says everything about its active revision, so readers join nothing."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, case, exists, func, literal_column, null, select

from storage.sql import Both, on_both
from storage.tables import ORIGIN, artifact, revision

_ORIGINS = [f"origin_{part}" for part in ORIGIN]
#: column of the artifact, column of the revision that it is taken from
_TAKEN = {
    **{name: name for name in ("tenant_id", "artifact_id", "type", "name", "name_key", "version", "status")},
    "revision": "number",
    **{name: name for name in ("revision_id", "content_hash")},
    "changed_at": "written_at",
    "changed_by": "written_by",
    **{name: name for name in _ORIGINS},
}


_restored = revision.alias("restored")


def _imported() -> ColumnElement[Any]:
    """The mark of what is as an import put it; another number for what came from one and was changed since.

    What an undo brings back is as it was: it may have been edited, or be no package's at all.
    """
    as_imported = exists().where(_restored.c.revision_id == revision.c.restores, _restored.c.import_id.is_not(None))
    return case(
        (revision.c.restores.is_(None), revision.c.number),
        (revision.c.origin_package_key.is_(None), null()),
        (as_imported, revision.c.number),
        else_=revision.c.number - literal_column("1"),
    )


def pointing(chosen: ColumnElement[bool], *, by_import: bool) -> Both:
    """Make the ``chosen`` revisions the active ones.

    A save moves an artifact only from the revision just before, and is given the ids of those that were moved. An
    import's preconditions are checked apart (decisions R11); it leaves its mark, by which later changes are recognised.
    """
    mark = _imported() if by_import else null()
    taken = select(*(revision.c[name] for name in _TAKEN.values()), mark).where(chosen)

    def build(insert: Any) -> Any:
        statement = insert(artifact).from_select([*_TAKEN, "imported_revision"], taken)
        moved = {name: statement.excluded[name] for name in _TAKEN if name not in {"tenant_id", "artifact_id"}}
        if by_import:
            moved["imported_revision"] = statement.excluded.imported_revision
        else:  # what a person saves keeps the origin it had
            moved |= {name: func.coalesce(statement.excluded[name], artifact.c[name]) for name in _ORIGINS}
        condition = None if by_import else artifact.c.revision == statement.excluded.revision - 1
        upsert = statement.on_conflict_do_update(
            index_elements=["tenant_id", "artifact_id"], set_=moved, where=condition
        )
        return upsert if by_import else upsert.returning(artifact.c.artifact_id)

    return on_both(build)
