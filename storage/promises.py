"""Plans as promises: who applies one, who agreed to it, whether it holds, what it touches (decisions R10, R11)."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from sqlalchemy import Select, and_, bindparam, func, or_, select, union, update

from domain.model import ArtifactStatus, ImportId, PlanId, ReferenceKind, TenantId
from domain.plan_model import ActionKind, Approval, MatchedBy
from domain.plan_rows import Touched
from storage.heads import HEAD, head_of
from storage.plan_tables import plan, plan_action, plan_approval
from storage.plans import ACTION, action_of, drift
from storage.prepared import AnyRow
from storage.session import Session
from storage.sql import chunks, listed, on_both, word
from storage.tables import artifact, reference

_P = plan_action.c
_TENANT = bindparam("tenant", type_=plan.c.tenant_id.type)
_IDS = bindparam("ids", expanding=True, type_=plan.c.plan_id.type)
_THIS = and_(plan.c.plan_id == bindparam("id", type_=plan.c.plan_id.type), plan.c.tenant_id == _TENANT)
_CLAIM = (
    update(plan)
    .where(
        _THIS,
        or_(
            plan.c.applied_by.is_(None),
            plan.c.applied_by == bindparam("instead_of", type_=plan.c.applied_by.type),
        ),
    )
    .values(applied_by=bindparam("by", type_=plan.c.applied_by.type))
    .returning(plan.c.applied_by)
)
_APPLIED_BY = select(plan.c.applied_by).where(_THIS)

_APPROVAL = ("identity", "actor", "plan_hash", "at")
_APPROVE = on_both(lambda insert: insert(plan_approval).on_conflict_do_nothing().returning(plan_approval.c.identity))
_APPROVALS = (
    select(plan_approval.c.plan_id, *(plan_approval.c[name] for name in _APPROVAL))
    .where(plan_approval.c.tenant_id == _TENANT, plan_approval.c.plan_id.in_(_IDS))
    .order_by(plan_approval.c.at, plan_approval.c.identity)
)

_THESE = and_(_P.tenant_id == _TENANT, _P.import_id.in_(_IDS))
_DRIFTED = drift(_THESE).subquery()
_MOVED = select(_DRIFTED.c.import_id).distinct()
_UNDECIDED = select(_P.import_id).distinct().where(_THESE, _P.kind.is_(None))

_OF_PLAN = and_(_P.import_id == bindparam("id", type_=_P.import_id.type), _P.tenant_id == _TENANT)
#: what an artifact does when people may use it
_RUNNING = [word(status) for status in (ArtifactStatus.PUBLISHED, ArtifactStatus.ACTIVE)]
_CHANGES = [word(kind) for kind in (ActionKind.UPDATE, ActionKind.MERGE, ActionKind.REMOVE)]
_RUNS_AFTER = and_(_P.status.in_(_RUNNING), _P.kind != word(ActionKind.REMOVE))
_RUNS_BEFORE = func.coalesce(_P.existing_status.in_(_RUNNING), False)
_SWITCHED = (
    select(*ACTION)
    .where(_OF_PLAN, _P.revision_id.is_not(None), _RUNS_AFTER != _RUNS_BEFORE)
    .order_by(_P.ordinal, _P.position)
    .limit(bindparam("limit"))
)
_CHANGED = select(_P.existing_id).where(_OF_PLAN, _P.kind.in_(_CHANGES), _P.existing_id.is_not(None))
#: what it meets, and what it makes or made
_OWN = union(select(_P.existing_id).where(_OF_PLAN, _P.existing_id.is_not(None)), select(_P.target_id).where(_OF_PLAN))
_NAMING = (
    select(reference.c.artifact_id, reference.c.revision_id)
    .distinct()
    .where(
        reference.c.tenant_id == _TENANT,
        reference.c.target_id.in_(_CHANGED),
        reference.c.kind.in_([word(kind) for kind in (ReferenceKind.LITERAL, ReferenceKind.DYNAMIC)]),
    )
    .subquery()
)
_USERS = (
    select(*HEAD)
    .join(
        _NAMING,
        and_(artifact.c.artifact_id == _NAMING.c.artifact_id, artifact.c.revision_id == _NAMING.c.revision_id),
    )
    .where(
        artifact.c.tenant_id == _TENANT,
        artifact.c.status != word(ArtifactStatus.DELETED),
        ~listed(artifact.c.artifact_id.in_(_OWN)),
    )
    .order_by(artifact.c.name_key, artifact.c.artifact_id)
    .limit(bindparam("limit"))
)
_ORIGIN = (_P.existing_origin_package_key, _P.existing_origin_source)
_BY_ORIGIN = word(MatchedBy.ORIGIN)
_PACKAGES: Select[Any] = (
    select(*_ORIGIN)
    .distinct()
    # what is met by its origin belongs to the plan's own package
    .where(_OF_PLAN, _P.kind.in_(_CHANGES), _ORIGIN[0].is_not(None), _P.matched_by.is_distinct_from(_BY_ORIGIN))
    .order_by(*_ORIGIN)
    .limit(bindparam("limit"))
)


class SqlPlans:
    """:class:`domain.plan_rows.PlanRows`."""

    def __init__(self, session: Session, tenant_id: TenantId) -> None:
        self._session = session
        self._tenant = tenant_id

    async def claim(self, plan_id: PlanId, import_id: ImportId, *, instead_of: ImportId | None = None) -> ImportId:
        named = {"tenant": self._tenant, "id": plan_id}
        row = await self._session.row(_CLAIM, {**named, "by": import_id, "instead_of": instead_of or ""})
        row = row or await self._session.row(_APPLIED_BY, named)
        if row is None:
            raise LookupError(plan_id)
        return ImportId(row[0])

    async def approve(self, plan_id: PlanId, approval: Approval) -> bool:
        row = {name: getattr(approval, name) for name in _APPROVAL}
        named = {"plan_id": plan_id, "tenant_id": self._tenant}
        return await self._session.row(_APPROVE, row | named) is not None

    async def approvals(self, plan_ids: Collection[str]) -> dict[PlanId, list[Approval]]:
        found: dict[PlanId, list[Approval]] = {}
        for plan_id, *fields in await self._among(_APPROVALS, plan_ids):
            found.setdefault(plan_id, []).append(Approval(*fields))
        return found

    async def moved(self, import_ids: Collection[str]) -> set[ImportId]:
        return {row[0] for row in await self._among(_MOVED, import_ids)}

    async def undecided(self, import_ids: Collection[str]) -> set[ImportId]:
        return {row[0] for row in await self._among(_UNDECIDED, import_ids)}

    async def touched(self, import_id: ImportId, *, limit: int) -> Touched:
        named = {"tenant": self._tenant, "id": import_id, "limit": limit}
        switched, users, packages = [
            await self._session.rows(statement, named) for statement in (_SWITCHED, _USERS, _PACKAGES)
        ]
        return Touched(
            switched=tuple(action_of(row) for row in switched),
            users=tuple(head_of(row) for row in users),
            packages=tuple((row[0], row[1]) for row in packages),
        )

    async def _among(self, statement: Select[Any], ids: Collection[str]) -> list[AnyRow]:
        rows: list[AnyRow] = []
        for some in chunks(sorted(set(ids))):
            rows += await self._session.rows(statement, {"tenant": self._tenant, "ids": some})
        return rows
