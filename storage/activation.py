"""Activation: the few statements that make an import visible, however many artifacts it has (decisions section 5.3)."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from functools import partial
from typing import Any

from sqlalchemy import String, and_, bindparam, case, func, insert, literal, or_, select, update

from domain.import_model import InstalledPackage
from domain.model import ArtifactStatus, ImportId, TenantId, name_key
from domain.plan_model import ActionKind, MergeBase
from domain.ports import PlanMovedError, RevisionMovedError
from domain.verified import installed_row
from storage.holding import HELD
from storage.plan_tables import merge_base, plan_action
from storage.plans import drift_beside
from storage.pointers import locked, pointing_imported
from storage.session import Session
from storage.sql import POSTGRESQL, checked, chunks, on_both, word
from storage.tables import IS_HELD, artifact, import_package, installed_package, revision
from storage.undo_tables import arrival

_R = revision.c
_P = plan_action.c
_held = revision.alias("all_held")
_TENANT = bindparam("tenant", type_=_R.tenant_id.type)
_ID = bindparam("id", type_=_R.import_id.type)
#: no name has this control character, so nobody's name is in the way
_PARKED = "\x1f"
#: actions after which the package's own side is known to be in the tenant (R7)
BASED = (ActionKind.CREATE, ActionKind.UPDATE, ActionKind.MERGE, ActionKind.COPY, ActionKind.UNCHANGED)
_GIVE_UP_NAMES = (
    update(artifact)
    .where(
        artifact.c.tenant_id == _TENANT,
        artifact.c.artifact_id.in_(
            select(_P.target_id).where(
                _P.import_id == _ID,
                checked(_P.tenant_id == _TENANT),
                _P.target_id == _P.existing_id,
                _P.revision_id.is_not(None),
                or_(_P.name_key != _P.existing_name_key, _P.status == word(ArtifactStatus.DELETED)),
            )
        ),
    )
    .values(name_key=literal(_PARKED, String()) + artifact.c.artifact_id)
)
#: all that is held is seen from here on: nothing that an earlier attempt may have left is among it
_HELD_COUNT = (
    select(func.count()).select_from(_held).where(_held.c.import_id == _ID, _held.c.follows_import == IS_HELD.right)
)
_ALL_WRITTEN = and_(HELD, _HELD_COUNT.scalar_subquery() == bindparam("written"))
#: no pointer is moved where nothing was written: what is held would be seen all the same
_ANY_HELD = select(_R.revision_id).where(HELD).limit(1)
#: the list as an array, worked out once (see :func:`storage.sql.listed`)
_HELD_ARTIFACTS = func.array(select(_R.artifact_id).where(HELD).scalar_subquery())
_LOCK = locked(artifact.c.tenant_id == _TENANT, artifact.c.artifact_id == func.any(_HELD_ARTIFACTS))
_POINT = pointing_imported(_ALL_WRITTEN, renames=False)
_POINT_RENAMED = pointing_imported(_ALL_WRITTEN, renames=True)


#: what is new was hashed when it was held
BASE_HASH = case(
    (_P.base_hash != "", _P.base_hash),
    else_=select(_R.content_hash).where(_R.revision_id == _P.base_body_id).scalar_subquery(),
)


def _keep_bases(made: Any) -> Any:
    taken = select(
        *(_P.tenant_id, bindparam("package_key", type_=merge_base.c.package_key.type)),
        *(bindparam("source", type_=merge_base.c.source.type), _P.source_id),
        *(_P.target_id, _P.base_body_id, BASE_HASH, _P.import_id),
    ).where(
        _P.import_id == _ID,
        _P.tenant_id == _TENANT,
        _P.ordinal == bindparam("ordinal", type_=_P.ordinal.type),
        _P.kind.in_([word(kind) for kind in BASED]),
        _P.base_body_id != "",
    )
    kept = ("artifact_id", "body_id", "content_hash", "import_id")
    statement = made(merge_base).from_select(["tenant_id", "package_key", "source", "source_id", *kept], taken)
    return statement.on_conflict_do_update(
        index_elements=["tenant_id", "package_key", "source", "source_id"],
        set_={name: statement.excluded[name] for name in kept},
    )


_INSTALLED_KEY = ("tenant_id", "name_key", "source")
_INSTALLED = ("name", "version", "checksum", "package_id", "import_id", "installed_at", "powers", "dependencies")


def _keep_installed(made: Any) -> Any:
    statement = made(installed_package)
    return statement.on_conflict_do_update(
        index_elements=list(_INSTALLED_KEY), set_={name: statement.excluded[name] for name in _INSTALLED}
    )


_KEEP_BASES = on_both(_keep_bases)
_KEEP_INSTALLED = on_both(_keep_installed)
_ARRIVED = insert(arrival)

#: in the order of :class:`domain.model.InstalledPackage`
INSTALLED = [installed_package.c[name] for name in ("tenant_id", "name", "source", *_INSTALLED[1:])]
_ALL_INSTALLED = (
    select(*INSTALLED)
    .where(installed_package.c.tenant_id == _TENANT)
    .order_by(installed_package.c.name_key, installed_package.c.source)
)
_INSTALLED_AMONG = _ALL_INSTALLED.where(installed_package.c.name_key.in_(bindparam("keys", expanding=True)))
_INSTALLED_FROM = (
    select(installed_package.c.import_id)
    .join(import_package, import_package.c.import_id == installed_package.c.import_id)
    .where(installed_package.c.tenant_id == _TENANT, import_package.c.sha256 == bindparam("sha256"))
    .limit(1)
)
_BASES = select(
    *(merge_base.c[name] for name in ("source_id", "content_hash", "body_id", "artifact_id", "import_id"))
).where(
    merge_base.c.tenant_id == _TENANT,
    merge_base.c.package_key == bindparam("package_key"),
    merge_base.c.source == bindparam("source"),
)


class Activation:
    """What a tenant has after its imports."""

    def __init__(self, session: Session, tenant_id: TenantId) -> None:
        self._session = session
        self._tenant = tenant_id

    async def activate(self, import_id: ImportId, installed: Sequence[InstalledPackage], *, written: int) -> None:
        named = {"tenant": self._tenant, "id": import_id}
        if written and self._session.database == POSTGRESQL:
            self._session.later(_LOCK, named)
        # names that are given up go first, or two artifacts could not swap theirs
        self._session.later(_GIVE_UP_NAMES, named)
        for ordinal, package in enumerate(installed):
            identity = {"package_key": name_key(package.name), "source": package.source}
            self._session.later(_KEEP_BASES, {**named, **identity, "ordinal": ordinal})
        if installed:
            self.keep_installed(installed)
            arrived = [self._arrival(import_id, ordinal, package) for ordinal, package in enumerate(installed)]
            self._session.later(_ARRIVED, arrived)
        if written:
            all_of_them = {**named, "written": written}
            self._session.demand(_POINT, all_of_them, written, partial(self._point_renamed, all_of_them))
        else:
            self._session.demand(_ANY_HELD, named, 0, partial(self._not_all, named))

    def keep_installed(self, installed: Sequence[InstalledPackage]) -> None:
        self._session.later(_KEEP_INSTALLED, [self._installed_row(package) for package in installed])

    async def installed(self, name_keys: Collection[str] = ()) -> list[InstalledPackage]:
        if not name_keys:
            rows = await self._session.rows(_ALL_INSTALLED, {"tenant": self._tenant})
            return [InstalledPackage(*row) for row in rows]
        found = []
        for some in chunks(sorted(set(name_keys))):
            rows = await self._session.rows(_INSTALLED_AMONG, {"tenant": self._tenant, "keys": some})
            found += [InstalledPackage(*row) for row in rows]
        return found

    async def installed_from(self, sha256: str) -> ImportId | None:
        row = await self._session.row(_INSTALLED_FROM, {"tenant": self._tenant, "sha256": sha256})
        return row[0] if row else None

    async def merge_bases(self, package_key: str, source: str) -> dict[str, MergeBase]:
        values = {"tenant": self._tenant, "package_key": package_key, "source": source}
        return {row[0]: MergeBase(*row) for row in await self._session.rows(_BASES, values)}

    async def _point_renamed(self, all_of_them: Mapping[str, Any], moved: int) -> None:
        moved += (await self._session.run(_POINT_RENAMED, all_of_them)).rowcount
        if moved != all_of_them["written"]:
            await self._not_all(all_of_them, moved)

    async def _not_all(self, named: Mapping[str, Any], moved: int) -> None:
        if drift := await drift_beside(self._session, self._tenant, named["id"]):
            raise PlanMovedError(drift)
        raise RevisionMovedError(f"{moved} artifacts of {named['id']}")

    def _installed_row(self, package: InstalledPackage) -> dict[str, Any]:
        row = {name: getattr(package, name) for name in (*_INSTALLED, "source")}
        return row | {"tenant_id": self._tenant, "name_key": name_key(package.name)}

    def _arrival(self, import_id: ImportId, ordinal: int, package: InstalledPackage) -> dict[str, Any]:
        identity = {"name_key": name_key(package.name), "source": package.source, "tenant_id": self._tenant}
        return identity | {"import_id": import_id, "ordinal": ordinal, "package": installed_row(package)}
