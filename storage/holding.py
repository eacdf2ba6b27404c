"""Held revisions: written for an import, seen by nobody, activated or discarded (decisions section 5.3)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sqlalchemy import Table, and_, bindparam, delete, exists, or_, select

from domain.model import (
    ArtifactId,
    ArtifactStatus,
    ImportId,
    NewRevision,
    Reference,
    ReferenceKind,
    TenantId,
)
from storage.artifacts import content_columns
from storage.bulk import Columns
from storage.heads import REFERENCE, reference_of, revision_columns
from storage.plan_tables import merge_base, plan, plan_action
from storage.session import Session
from storage.sql import checked, chunks, listed, word
from storage.tables import IS_HELD, IS_SEEN, artifact, reference, revision, revision_body

_R = revision.c
_TENANT = bindparam("tenant", type_=_R.tenant_id.type)
_ID = bindparam("id", type_=_R.import_id.type)
_IDS = bindparam("ids", expanding=True, type_=_R.revision_id.type)
_DELETED = word(ArtifactStatus.DELETED)

#: the held revisions of one import
HELD = and_(checked(_R.tenant_id == _TENANT), _R.import_id == _ID, IS_HELD)

#: none of an import that was activated: those are the tenant's
_SOME_HELD = select(_R.revision_id).where(HELD, ~IS_SEEN).limit(bindparam("limit"))

_held_target = revision.alias("held_target")
_HELD_WITH_IT = and_(
    checked(_held_target.c.tenant_id == _TENANT),
    _held_target.c.import_id == _ID,
    _held_target.c.follows_import == IS_HELD.right,
)
_BROKEN = (
    select(*REFERENCE)
    .join(revision, _R.revision_id == reference.c.revision_id)
    .where(
        HELD,
        _R.status != _DELETED,
        reference.c.kind == word(ReferenceKind.LITERAL),
        ~listed(
            reference.c.target_id.in_(
                select(_held_target.c.artifact_id).where(_HELD_WITH_IT, _held_target.c.status != _DELETED)
            )
        ),
        or_(
            ~exists().where(
                artifact.c.tenant_id == _TENANT,
                artifact.c.artifact_id == reference.c.target_id,
                artifact.c.status != _DELETED,
            ),
            # there today, but this import takes it away
            listed(reference.c.target_id.in_(select(_held_target.c.artifact_id).where(_HELD_WITH_IT))),
        ),
    )
    .order_by(reference.c.artifact_id, reference.c.pointer)
)
#: the body of what an action writes; its revision is written with it, and activation counts those. No EXISTS:
#: PostgreSQL may read every body of every tenant for it
_BODY = (
    select(revision_body.c.body_id)
    .where(revision_body.c.body_id == plan_action.c.revision_id)
    .correlate(plan_action)
    .scalar_subquery()
)
_UNREADABLE = (
    select(plan_action.c.target_id)
    .where(
        plan_action.c.import_id == _ID,
        plan_action.c.tenant_id == _TENANT,
        plan_action.c.revision_id.is_not(None),
        _BODY.is_(None),
    )
    .order_by(plan_action.c.ordinal, plan_action.c.position)
)
_DROP = (
    delete(reference).where(reference.c.revision_id.in_(_IDS)),
    delete(revision_body).where(revision_body.c.body_id.in_(_IDS)),
    delete(revision).where(_R.revision_id.in_(_IDS)),
)
#: bodies that only this import's plan names: neither a revision's nor those of an activated merge base
_DROP_BASES = delete(revision_body).where(
    revision_body.c.tenant_id == _TENANT,
    revision_body.c.body_id.in_(
        select(plan_action.c.base_body_id).where(
            plan_action.c.import_id == _ID, plan_action.c.tenant_id == _TENANT, plan_action.c.base_body_id != ""
        )
    ),
    ~exists().where(merge_base.c.body_id == revision_body.c.body_id),
    ~exists().where(_R.revision_id == revision_body.c.body_id),
)
#: actions of a plan that was being saved, in parts, when its import was stopped
DROP_UNPLANNED = delete(plan_action).where(
    plan_action.c.import_id == _ID,
    plan_action.c.tenant_id == _TENANT,
    ~exists().where(plan.c.import_id == plan_action.c.import_id),
)


class Holding:
    """Held revisions of a tenant's imports."""

    def __init__(self, session: Session, tenant_id: TenantId) -> None:
        self._session = session
        self._tenant = tenant_id

    async def hold(self, revisions: Sequence[NewRevision], bases: Mapping[str, bytes] | None = None) -> None:
        def columns() -> dict[Table, Columns]:
            heads = {revision: revision_columns(self._tenant, revisions, follows_import=True)} if revisions else {}
            return {**heads, **content_columns(self._tenant, revisions, bases)}

        await self._session.add_columns_aside(len(revisions), columns)

    async def broken_references(self, import_id: ImportId) -> list[Reference]:
        return [reference_of(row) for row in await self._session.rows(_BROKEN, self._of(import_id))]

    async def unreadable(self, import_id: ImportId) -> list[ArtifactId]:
        return [row[0] for row in await self._session.rows(_UNREADABLE, self._of(import_id))]

    async def discard(self, import_id: ImportId, *, limit: int = 200) -> int:
        """Bodies of merge bases, and a plan that is there in part, go with the last batch.

        The saved plan names those bodies: discard before planning anew.
        """
        found = await self._session.rows(_SOME_HELD, {**self._of(import_id), "limit": limit})
        ids = [row[0] for row in found]
        for some in chunks(ids):
            for statement in _DROP:
                self._session.later(statement, {"ids": some})
        if len(ids) < limit:
            for statement in (_DROP_BASES, DROP_UNPLANNED):
                self._session.later(statement, self._of(import_id))
        return len(ids)

    def _of(self, import_id: ImportId) -> dict[str, str]:
        return {"tenant": self._tenant, "id": import_id}
