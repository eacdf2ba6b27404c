"""Artifacts, revisions and references of one tenant."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from functools import lru_cache, partial
from typing import Any

from sqlalchemy import ColumnElement, Select, Table, and_, bindparam, exists, or_, select, tuple_

from domain.artifact_types import ArtifactType
from domain.deflating import Deflated
from domain.model import (
    ArtifactFilter,
    ArtifactHead,
    ArtifactId,
    ArtifactStatus,
    NewRevision,
    Reference,
    ReferenceKind,
    TenantId,
    name_key,
)
from domain.ports import RevisionMovedError
from domain.rows import ExportForm, Slice
from storage.bodies import SqlBodies, body_columns
from storage.bulk import Columns
from storage.heads import HEAD, REFERENCE, head_of, reference_columns, reference_of, revision_columns
from storage.pointers import locked, pointing
from storage.sql import POSTGRESQL, chunks, on_both, word
from storage.tables import artifact, export_form, reference, revision, revision_body

_TENANT = bindparam("tenant", type_=artifact.c.tenant_id.type)
_IDS = bindparam("ids", expanding=True, type_=artifact.c.artifact_id.type)
_MINE = artifact.c.tenant_id == _TENANT
_LIVE = artifact.c.status != word(ArtifactStatus.DELETED)
_SLICES_KEPT = 128
_PAGE_ORDER = (artifact.c.name_key, artifact.c.artifact_id)
_SURE = (ReferenceKind.LITERAL, ReferenceKind.DYNAMIC)

_HEADS = select(*HEAD).where(_MINE, artifact.c.artifact_id.in_(_IDS))
_NAMED = select(*HEAD).where(
    _MINE,
    _LIVE,
    artifact.c.type.in_(bindparam("types", expanding=True)),
    artifact.c.name_key.in_(bindparam("keys", expanding=True)),
)
_FROM_PACKAGE = (
    select(*HEAD)
    .where(
        _MINE,
        _LIVE,
        artifact.c.origin_package_key == bindparam("package_key"),
        artifact.c.origin_source == bindparam("source"),
    )
    .order_by(*_PAGE_ORDER)
)
_REFERENCES = (
    select(*REFERENCE)
    .join(artifact, artifact.c.revision_id == reference.c.revision_id)
    # found by revision only: with the tenant named here too, PostgreSQL may read all its references for each artifact
    .where(
        _MINE,
        artifact.c.artifact_id.in_(_IDS),
        reference.c.kind.in_(bindparam("kinds", expanding=True)),
    )
    .order_by(reference.c.artifact_id, reference.c.pointer, reference.c.target_id)
)
_FORMS = select(export_form.c.revision_id, export_form.c.file_hash, export_form.c.bindings).where(
    export_form.c.tenant_id == bindparam("tenant"), export_form.c.revision_id.in_(_IDS)
)
_REMEMBER_FORM = on_both(lambda insert: insert(export_form).on_conflict_do_nothing())
# one number of an artifact is saved once; who comes second finds its revision missing below
_WRITE_REVISION = on_both(lambda insert: insert(revision).on_conflict_do_nothing())
_POINT = pointing(
    and_(
        revision.c.tenant_id == _TENANT,
        revision.c.revision_id.in_(_IDS),
        or_(
            revision.c.number == 1,
            exists().where(_MINE, artifact.c.artifact_id == revision.c.artifact_id).correlate(revision),
        ),
    )
)
_POINTED = select(artifact.c.revision_id).where(_MINE, artifact.c.revision_id.in_(_IDS))
_LOCK = locked(_MINE, artifact.c.artifact_id.in_(_IDS))


class SqlArtifacts(SqlBodies):
    """:class:`domain.ports.ArtifactRows`."""

    async def heads(self, artifact_ids: Collection[str]) -> dict[ArtifactId, ArtifactHead]:
        found = [head_of(row) for row in await self._among(_HEADS, artifact_ids)]
        return {head.artifact_id: head for head in found}

    async def page(
        self, wanted: ArtifactFilter, *, first: int, after: tuple[str, str] | None = None
    ) -> Slice[ArtifactHead]:
        page = _slice(wanted)
        if after is not None:
            page = page.where(tuple_(*_PAGE_ORDER) > tuple_(*after))
        rows = await self._session.rows(page, {"tenant": self._tenant, "count": first + 1})
        return slice_of([head_of(row) for row in rows], first)

    async def references(self, artifact_ids: Collection[str], *, with_possible: bool = False) -> list[Reference]:
        kinds = list(ReferenceKind if with_possible else _SURE)
        rows = await self._among(_REFERENCES, sorted(set(artifact_ids)), kinds=kinds)
        return [reference_of(row) for row in rows]

    async def named(self, names: Collection[tuple[ArtifactType, str]]) -> list[ArtifactHead]:
        # one statement for all types: what has the name under another of them is left out here
        wanted, types = set(names), sorted({artifact_type for artifact_type, _ in names}, key=lambda one: one.rank)
        found: list[ArtifactHead] = []
        for some in chunks(sorted({key for _, key in wanted})):
            values = {"tenant": self._tenant, "types": types, "keys": some}
            found += [head_of(row) for row in await self._session.rows(_NAMED, values)]
        return [head for head in found if (head.artifact_type, name_key(head.name)) in wanted]

    async def from_package(self, package_key: str, source: str) -> list[ArtifactHead]:
        values = {"tenant": self._tenant, "package_key": package_key, "source": source}
        return [head_of(row) for row in await self._session.rows(_FROM_PACKAGE, values)]

    async def export_forms(self, revision_ids: Collection[str]) -> dict[str, ExportForm]:
        rows = await self._among(_FORMS, revision_ids)
        return {row[0]: ExportForm(row[1], tuple((path, kind) for path, kind in row[2])) for row in rows}

    async def remember_export_forms(self, forms: Mapping[str, ExportForm]) -> None:
        # in one order for all: two exports that remember the same would wait for each other on PostgreSQL
        rows = [
            {"revision_id": key, "tenant_id": self._tenant, "file_hash": form.file_hash, "bindings": form.bindings}
            for key, form in sorted(forms.items())
        ]
        if rows:
            self._session.later(_REMEMBER_FORM, rows)

    async def write(self, revisions: Sequence[NewRevision]) -> None:
        session = self._session
        # in one order for all: who saves the same artifacts waits for the first of them, and not for each other
        for some in chunks(sorted(revisions, key=lambda new: new.artifact_id)):
            columns = revision_columns(self._tenant, some, follows_import=False)
            rows = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
            session.later(_WRITE_REVISION, rows)
            if session.database == POSTGRESQL:
                session.later(_LOCK, {"tenant": self._tenant, "ids": [new.artifact_id for new in some]})
            ids = [new.revision_id for new in some]
            session.demand(_POINT, {"tenant": self._tenant, "ids": ids}, len(some), partial(self._tell_late, some))
            session.add_columns(content_columns(self._tenant, some))

    async def _tell_late(self, revisions: Sequence[NewRevision], _count: int) -> None:
        rows = await self._among(_POINTED, [new.revision_id for new in revisions])
        late = next(new for new in revisions if (new.revision_id,) not in {tuple(row) for row in rows})
        raise self._session.refuse(RevisionMovedError(late.artifact_id))


def content_columns(
    tenant_id: TenantId, revisions: Sequence[NewRevision], bases: Mapping[str, bytes] | None = None
) -> dict[Table, Columns]:
    """The bytes and the references of revisions, and the bytes of merge bases that are no revision."""
    bodies: dict[str, Deflated] = {new.revision_id: new.deflated or Deflated.of(new.body) for new in revisions}
    bodies |= {key: Deflated.of(body) for key, body in (bases or {}).items()}
    return {
        revision_body: body_columns(tenant_id, bodies),
        reference: reference_columns(tenant_id, revisions),
    }


def slice_of(items: Sequence[Any], first: int) -> Slice[Any]:
    """A page of a list that was asked for one item more than the page holds."""
    return Slice(tuple(items[:first]), has_next=len(items) > first)


@lru_cache(maxsize=_SLICES_KEPT)
def _slice(wanted: ArtifactFilter) -> Select[Any]:
    """Kept, since the same lists are looked at again and again, and to put one together costs more than to run it."""
    return select(*HEAD).where(_MINE, *_conditions(wanted)).order_by(*_PAGE_ORDER).limit(bindparam("count"))


def _conditions(wanted: ArtifactFilter) -> list[ColumnElement[bool]]:
    columns = artifact.c
    conditions: list[ColumnElement[bool]] = [columns.status.in_(wanted.statuses) if wanted.statuses else _LIVE]
    if wanted.search:
        conditions.append(columns.name_key.contains(name_key(wanted.search), autoescape=True))
    if wanted.artifact_types:
        conditions.append(columns.type.in_(wanted.artifact_types))
    if wanted.origin_package:
        conditions.append(columns.origin_package_key == name_key(wanted.origin_package))
    if wanted.origin_artifact_id:
        conditions.append(columns.origin_source_id == wanted.origin_artifact_id)
    if wanted.is_changed_since_import is not None:
        same = columns.imported_revision == columns.revision
        conditions.append(~same if wanted.is_changed_since_import else same)
    return conditions
