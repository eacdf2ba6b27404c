"""Moving active pointers: an artifact's row says everything about its active revision, so readers join nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import ColumnElement, Executable, Select, and_, case, func, literal_column, null, select

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
    # no EXISTS: for an undo of a thousand artifacts PostgreSQL would rather read all revisions of all tenants
    brought_by = select(_restored.c.import_id).where(_restored.c.revision_id == revision.c.restores)
    as_imported = brought_by.correlate(revision).scalar_subquery().is_not(None)
    return case(
        (revision.c.restores.is_(None), revision.c.number),
        (revision.c.origin_package_key.is_(None), null()),
        (as_imported, revision.c.number),
        else_=revision.c.number - literal_column("1"),
    )


def locked(*chosen: ColumnElement[bool]) -> Executable:
    """Lock artifacts in one order for all, on PostgreSQL, before their pointers are moved in any order.

    An import and somebody who saves the same artifacts would wait for each other. SQLite has one writer anyway.
    """
    return select(artifact.c.artifact_id).where(*chosen).order_by(artifact.c.artifact_id).with_for_update()


#: what artifacts are listed by, and found by name
_NAMED = ("type", "name_key", "status")


def pointing(chosen: ColumnElement[bool]) -> Both:
    """Make the revisions that a person saves the active ones: the ids of the artifacts that were moved.

    Each is moved only from the revision just before, and keeps the origin it had.
    """

    def build(insert: Any) -> Any:
        statement = insert(artifact).from_select([*_TAKEN, "imported_revision"], _rows(chosen, null()))
        moved = _moved(statement) | {
            name: func.coalesce(statement.excluded[name], artifact.c[name]) for name in _ORIGINS
        }
        return _from_the_one_before(statement, moved).returning(artifact.c.artifact_id)

    return on_both(build)


def pointing_imported(chosen: ColumnElement[bool], *, renames: bool) -> Both:
    """Make an import's revisions the active ones, each from the revision just before, and leave the import's mark.

    Without ``renames``, artifacts that another type, name or status comes to are left for a second statement. SQLite
    takes a row out of an index and puts it in again when a statement names a column of it, whatever that becomes:
    about a fifth of the time of this statement.
    """

    def build(insert: Any) -> Any:
        statement = insert(artifact).from_select([*_TAKEN, "imported_revision"], _rows(chosen, _imported()))
        moved = {**_moved(statement), "imported_revision": statement.excluded.imported_revision}
        if renames:
            return _from_the_one_before(statement, moved)
        kept = [artifact.c[name] == statement.excluded[name] for name in _NAMED]
        return _from_the_one_before(statement, {name: moved[name] for name in moved if name not in _NAMED}, *kept)

    return on_both(build)


def _rows(chosen: ColumnElement[bool], mark: ColumnElement[Any]) -> Select[Any]:
    return select(*(revision.c[name] for name in _TAKEN.values()), mark).where(chosen)


def _moved(statement: Any) -> dict[str, Any]:
    return {name: statement.excluded[name] for name in _TAKEN if name not in {"tenant_id", "artifact_id"}}


def _from_the_one_before(statement: Any, moved: Mapping[str, Any], *conditions: ColumnElement[bool]) -> Any:
    just_before = artifact.c.revision == statement.excluded.revision - 1
    return statement.on_conflict_do_update(
        index_elements=["tenant_id", "artifact_id"], set_=moved, where=and_(just_before, *conditions)
    )
