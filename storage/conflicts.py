"""Which imports touched an artifact, and how (installhub.md section 8.10)."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import and_, bindparam, func, or_, select, union_all

from domain.artifact_types import ArtifactType
from domain.import_model import ImportMode, ImportState
from domain.model import ImportId, TenantId
from domain.plan_model import POSITIONS, ActionKind, PlanAction
from domain.rows import Page, Slice, Touch
from storage.artifacts import slice_of
from storage.plan_tables import plan_action
from storage.plans import ACTION, action_of
from storage.session import Session
from storage.sql import checked, word
from storage.tables import artifact, import_job, import_package, revision

_P, _J, _R = plan_action.c, import_job.c, revision.c
_TENANT = bindparam("tenant", type_=_P.tenant_id.type)
_CONFLICT = (
    select(*ACTION)
    .where(_P.tenant_id == _TENANT, _P.import_id == bindparam("id"), _P.conflict_key == bindparam("key"))
    .order_by(_P.ordinal, _P.position)
    .limit(1)
)
_PLACE_MAX = 2**31 - 1
#: deleted ones too: what touched them is still true
_NAMED = select(artifact.c.artifact_id).where(
    artifact.c.tenant_id == _TENANT,
    artifact.c.name_key == bindparam("key", type_=artifact.c.name_key.type),
    artifact.c.type.in_(bindparam("types", expanding=True, type_=artifact.c.type.type)),
)
#: in the order of :class:`domain.rows.Touch`, and an offer
_TOUCH = (
    *(_J.import_id, _J.ended_at, _J.package_name, _J.package_version),
    *(_P.conflict_key, _P.strategy, _P.existing_version, _P.written_version),
    (_P.ordinal * POSITIONS + _P.position).label("place"),
    # an install brings several packages, and is called after the one that was asked for
    import_package.c.offer,
)
_OF_ITS_PACKAGE = and_(import_package.c.import_id == _P.import_id, import_package.c.ordinal == _P.ordinal)
_IN_ITS_IMPORT = and_(
    _J.import_id == _P.import_id,
    checked(_J.tenant_id == _TENANT),
    _J.state == word(ImportState.SUCCEEDED),
    _J.mode == word(ImportMode.APPLY),
)
#: an artifact that was met, and of which nothing was written
_MET = (
    select(*_TOUCH)
    .select_from(plan_action)
    .join(import_job, _IN_ITS_IMPORT)
    .outerjoin(import_package, _OF_ITS_PACKAGE)
    .where(
        _P.tenant_id == _TENANT,
        # no condition that it is not null: the equality says so, and SQLite would look through all that are not
        _P.existing_id.in_(_NAMED),
        # an artifact that was found as it should be, without anybody's wish, was not touched
        or_(_P.kind != word(ActionKind.UNCHANGED), _P.strategy.is_not(None)),
        or_(_P.revision_id.is_(None), _P.target_id != _P.existing_id),
    )
)
#: an artifact that was made, or written anew
_WROTE = (
    select(*_TOUCH)
    .select_from(plan_action)
    .join(import_job, _IN_ITS_IMPORT)
    .outerjoin(import_package, _OF_ITS_PACKAGE)
    .where(
        checked(_P.tenant_id == _TENANT),
        _P.revision_id.in_(select(_R.revision_id).where(_R.tenant_id == _TENANT, _R.artifact_id.in_(_NAMED))),
        or_(_P.existing_id.is_(None), _P.existing_id == _P.target_id),
    )
)
_ALL = union_all(_MET, _WROTE).subquery()
_COUNT = select(func.count()).select_from(_ALL)
_IN_ORDER = select(*_ALL.c).order_by(_ALL.c.ended_at.desc(), _ALL.c.import_id.desc(), _ALL.c.place)
_FIRST = _IN_ORDER.limit(bindparam("limit"))
_PAGE = _FIRST.offset(bindparam("offset"))
_LAST_ID = bindparam("last_id", type_=_J.import_id.type)
_LAST_PLACE = bindparam("last_place", type_=_P.position.type)
_LAST_END = select(_J.ended_at).where(_J.tenant_id == _TENANT, _J.import_id == _LAST_ID).scalar_subquery()
_REST = _FIRST.where(
    or_(
        _ALL.c.ended_at < _LAST_END,
        and_(_ALL.c.ended_at == _LAST_END, _ALL.c.import_id < _LAST_ID),
        and_(_ALL.c.import_id == _LAST_ID, _ALL.c.place > _LAST_PLACE),
    )
)


class Conflicts:
    """What imports did with artifacts that were there."""

    def __init__(self, session: Session, tenant_id: TenantId) -> None:
        self._session = session
        self._tenant = tenant_id

    async def conflict(self, import_id: ImportId, conflict_key: str) -> PlanAction | None:
        row = await self._session.row(_CONFLICT, {"tenant": self._tenant, "id": import_id, "key": conflict_key})
        return action_of(row) if row else None

    async def touched(
        self, name_key: str, artifact_types: Collection[ArtifactType], *, page: int, page_size: int
    ) -> Page[Touch]:
        types = sorted(set(artifact_types), key=lambda one: one.rank)
        named = {"tenant": self._tenant, "key": name_key, "types": types}
        total = await self._session.row(_COUNT, named)
        part = {"limit": page_size, "offset": (page - 1) * page_size}
        rows = await self._session.rows(_PAGE, {**named, **part})
        return Page(tuple(_touch(row) for row in rows), int(total[0]) if total else 0)

    async def touches(
        self,
        name_key: str,
        artifact_types: Collection[ArtifactType],
        *,
        first: int,
        after: tuple[str, int] | None = None,
    ) -> Slice[Touch]:
        types = sorted(set(artifact_types), key=lambda one: one.rank)
        named = {"tenant": self._tenant, "key": name_key, "types": types, "limit": first + 1}
        last = {} if after is None else {"last_id": after[0], "last_place": min(after[1], _PLACE_MAX)}
        rows = await self._session.rows(_REST if last else _FIRST, {**named, **last})
        return slice_of([_touch(row) for row in rows], first)


def _touch(row: Sequence[Any]) -> Touch:
    *told, offer = row
    touch = Touch(*told)
    return replace(touch, package_name=offer["name"], package_version=offer["version"]) if offer else touch
