"""What imports put into a tenant, and what of it was taken back (decisions sections 5.7 and 9.6; ADR 0017)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import Select, and_, bindparam, delete, exists, insert, literal_column, select

from domain.import_model import ImportJob
from domain.model import ArtifactStatus, ImportId, Reference, ReferenceKind, RevisionId, TenantId, name_key
from domain.plan_model import ActionKind
from domain.undo_rows import Arrival, Layer, Portion, Undone, Written
from domain.verified import installed_of
from storage.activation import BASE_HASH, BASED, Activation
from storage.heads import EXISTING_HEAD, REFERENCE, head_of, reference_of
from storage.holding import HELD
from storage.job_rows import LISTED, jobs_of, with_packages
from storage.plan_tables import merge_base, plan_action
from storage.session import Session
from storage.sql import checked, chunks, listed, on_both, word
from storage.tables import (
    IS_HELD,
    IS_SEEN,
    artifact,
    import_job,
    installed_package,
    is_seen,
    reference,
    revision,
    revision_body,
)
from storage.undo_tables import arrival, undone

_R, _P = revision.c, plan_action.c
_TENANT = bindparam("tenant", type_=_R.tenant_id.type)
_ID = bindparam("id", type_=_R.import_id.type)
_IDS = bindparam("ids", expanding=True, type_=_R.import_id.type)
_KEY = bindparam("key", type_=arrival.c.name_key.type)
_SOURCE = bindparam("source", type_=arrival.c.source.type)
_LIVE = artifact.c.status != word(ArtifactStatus.DELETED)
_LITERAL = reference.c.kind == word(ReferenceKind.LITERAL)

_JOBS = with_packages(
    select(import_job).where(import_job.c.tenant_id == _TENANT, import_job.c.import_id.in_(_IDS)), LISTED
)
_ARRIVAL = (arrival.c.import_id, arrival.c.ordinal, arrival.c.package)
_ARRIVALS_OF = select(arrival.c.arrival_id, *_ARRIVAL).where(
    checked(arrival.c.tenant_id == _TENANT), arrival.c.import_id.in_(_IDS)
)
_ARRIVALS_NAMED = (
    select(*_ARRIVAL).where(arrival.c.tenant_id == _TENANT, arrival.c.name_key == _KEY).order_by(arrival.c.arrival_id)
)
_WRITTEN = (
    select(_P.import_id, _P.ordinal, _P.target_id, _R.number, *EXISTING_HEAD)
    .select_from(plan_action)
    .join(revision, and_(_R.revision_id == _P.revision_id, IS_SEEN))
    .where(_P.tenant_id == _TENANT, _P.import_id.in_(_IDS))
)
_first = revision.alias("first_of_import")
_LAYERS = (
    select(
        *(_R.artifact_id, _R.number, _R.revision_id, _R.type, _R.name, _R.version, _R.status, _R.content_hash),
        *(_R.written_at, _R.written_by, _R.import_id, _R.restores),
    )
    .select_from(plan_action)
    .join(_first, _first.c.revision_id == _P.revision_id)
    .join(
        revision,
        and_(
            _R.tenant_id == _P.tenant_id,
            _R.artifact_id == _first.c.artifact_id,
            _R.number >= _first.c.number - literal_column("1"),
            IS_SEEN,
        ),
    )
    .where(checked(_P.tenant_id == _TENANT), _P.import_id.in_(_IDS), is_seen(_first))
)
_UNDONE = select(undone.c.import_id, undone.c.ordinal, undone.c.undo_id).where(
    undone.c.tenant_id == _TENANT, undone.c.import_id.in_(_IDS)
)
_TAKEN_BACK = select(undone.c.undo_id, undone.c.import_id, undone.c.ordinal).where(
    undone.c.tenant_id == _TENANT, undone.c.undo_id.in_(_IDS)
)
#: what a reference belongs to is there, and holds it still
_HOLDER = and_(
    artifact.c.tenant_id == _TENANT,
    artifact.c.artifact_id == reference.c.artifact_id,
    artifact.c.revision_id == reference.c.revision_id,
    _LIVE,
)
_TO_THESE = (
    select(*REFERENCE)
    .join(artifact, _HOLDER)
    .where(reference.c.tenant_id == _TENANT, reference.c.target_id.in_(_IDS), _LITERAL)
)
_REFERENCES_OF = (
    select(reference.c.revision_id, *REFERENCE)
    .where(checked(reference.c.tenant_id == _TENANT), reference.c.revision_id.in_(_IDS))
    .order_by(reference.c.revision_id, reference.c.pointer)
)
_DANGLING = (
    select(*REFERENCE)
    .select_from(revision)
    .join(reference, and_(reference.c.tenant_id == _R.tenant_id, reference.c.target_id == _R.artifact_id, _LITERAL))
    .join(artifact, _HOLDER)
    .where(
        _R.import_id == _ID,
        IS_HELD,
        checked(_R.tenant_id == _TENANT),
        _R.status == word(ArtifactStatus.DELETED),
        ~listed(reference.c.artifact_id.in_(select(_R.artifact_id).where(HELD).correlate(None))),
    )
)
_FORGET_INSTALLED = delete(installed_package).where(
    installed_package.c.tenant_id == _TENANT,
    installed_package.c.name_key == _KEY,
    installed_package.c.source == _SOURCE,
)
#: what stays as it is keeps the base of its next merge
_STAYS = select(_P.target_id).where(_P.import_id == _ID, _P.tenant_id == _TENANT, _P.kind == word(ActionKind.SKIP))
_FORGET_BASES = delete(merge_base).where(
    merge_base.c.tenant_id == _TENANT,
    merge_base.c.package_key == _KEY,
    merge_base.c.source == _SOURCE,
    merge_base.c.import_id.in_(_IDS),
    ~listed(merge_base.c.artifact_id.in_(_STAYS)),
)


def _base_again(made: Any) -> Any:
    """The package's own side at its last import in effect; those of earlier ones are there already by then."""
    taken = (
        select(_P.tenant_id, arrival.c.name_key, arrival.c.source, _P.source_id, _P.target_id, _P.base_body_id)
        .add_columns(BASE_HASH, _P.import_id)
        .join(arrival, and_(arrival.c.import_id == _P.import_id, arrival.c.ordinal == _P.ordinal))
        .where(
            _P.import_id.in_(_IDS),
            _P.tenant_id == _TENANT,
            arrival.c.tenant_id == _TENANT,
            arrival.c.name_key == _KEY,
            arrival.c.source == _SOURCE,
            _P.kind.in_([word(kind) for kind in BASED]),
            _P.base_body_id != "",
            # an import that was given up may have taken it along
            exists().where(revision_body.c.body_id == _P.base_body_id),
        )
        .order_by(arrival.c.arrival_id.desc())
    )
    columns = ["tenant_id", "package_key", "source", "source_id", "artifact_id", "body_id", "content_hash", "import_id"]
    return made(merge_base).from_select(columns, taken).on_conflict_do_nothing()


_BASES_AGAIN = on_both(_base_again)
_REMEMBER = insert(undone)


class SqlUndos:
    """:class:`domain.undo_rows.UndoRows`."""

    def __init__(self, session: Session, tenant_id: TenantId) -> None:
        self._session = session
        self._tenant = tenant_id

    async def jobs(self, import_ids: Collection[ImportId]) -> dict[ImportId, ImportJob]:
        return {job.import_id: job for job in jobs_of(await self._among(_JOBS, import_ids))}

    async def arrivals_of(self, import_ids: Collection[ImportId]) -> list[Arrival]:
        rows = sorted(await self._among(_ARRIVALS_OF, import_ids), key=lambda row: int(row[0]))
        return [_arrival_of(row[1:]) for row in rows]

    async def arrivals_named(self, name_key: str) -> list[Arrival]:
        rows = await self._session.rows(_ARRIVALS_NAMED, {"tenant": self._tenant, "key": name_key})
        return [_arrival_of(row) for row in rows]

    async def written(self, import_ids: Collection[ImportId]) -> list[Written]:
        rows = await self._among(_WRITTEN, import_ids)
        return [
            Written(Portion(row[0], row[1]), row[2], row[3], head_of(row[4:]) if row[4] is not None else None)
            for row in rows
        ]

    async def layers(self, import_ids: Collection[ImportId]) -> list[Layer]:
        found = {row[2]: Layer(*row) for row in await self._among(_LAYERS, import_ids)}
        return sorted(found.values(), key=lambda layer: (layer.artifact_id, layer.number))

    async def undone(self, import_ids: Collection[ImportId]) -> Undone:
        undos: defaultdict[Portion, list[ImportId]] = defaultdict(list)
        asked: set[ImportId] = set()
        ids = set(import_ids)
        while ids:
            asked |= ids
            rows = await self._among(_UNDONE, ids)
            for import_id, ordinal, undo_id in rows:
                undos[Portion(import_id, ordinal)].append(undo_id)
            ids = {row[2] for row in rows} - asked
        return Undone({portion: tuple(sorted(by)) for portion, by in undos.items()})

    async def taken_back(self, undo_ids: Collection[ImportId]) -> dict[ImportId, tuple[Portion, ...]]:
        found: defaultdict[ImportId, list[Portion]] = defaultdict(list)
        for undo_id, import_id, ordinal in await self._among(_TAKEN_BACK, undo_ids):
            found[undo_id].append(Portion(import_id, ordinal))
        return {undo_id: tuple(sorted(portions)) for undo_id, portions in found.items()}

    async def reached(self, portions: Collection[Portion]) -> set[Portion]:
        reached: set[Portion] = set()
        new = set(portions)
        while new:
            reached |= new
            back = await self.taken_back({portion.import_id for portion in new})
            new = {portion for found in back.values() for portion in found} - reached
        return reached

    async def referrers(self, artifact_ids: Collection[str]) -> list[Reference]:
        found = [reference_of(row) for row in await self._among(_TO_THESE, artifact_ids)]
        return sorted(found, key=lambda one: (one.artifact_id, one.pointer))

    async def references_of(self, revision_ids: Collection[str]) -> dict[RevisionId, tuple[Reference, ...]]:
        found: defaultdict[RevisionId, list[Reference]] = defaultdict(list)
        for row in await self._among(_REFERENCES_OF, revision_ids):
            found[row[0]].append(reference_of(row[1:]))
        return {revision_id: tuple(references) for revision_id, references in found.items()}

    async def left_dangling(self, import_id: ImportId) -> list[Reference]:
        rows = await self._session.rows(_DANGLING, {"tenant": self._tenant, "id": import_id})
        return [reference_of(row) for row in rows]

    async def take_back(self, undo_id: ImportId, portions: Sequence[Portion]) -> None:
        rows = [
            {"undo_id": undo_id, "import_id": one.import_id, "ordinal": one.ordinal, "tenant_id": self._tenant}
            for one in portions
        ]
        if rows:
            self._session.later(_REMEMBER, rows)
        touched = await self.reached(portions)
        arrivals = await self.arrivals_of({portion.import_id for portion in touched})
        packages = {(name_key(one.package.name), one.package.source) for one in arrivals if one.portion in touched}
        for key, source in sorted(packages):
            await self._settle(undo_id, key, source, {portion.import_id for portion in touched})

    async def _settle(self, undo_id: ImportId, key: str, source: str, touched: Collection[ImportId]) -> None:
        """What is installed of a package, and the bases of its merges: what its imports in effect say."""
        came = [one for one in await self.arrivals_named(key) if one.package.source == source]
        undone = await self.undone({one.portion.import_id for one in came})
        in_effect = [one for one in came if undone.by(one.portion) is None]
        named = {"tenant": self._tenant, "key": key, "source": source}
        if in_effect:
            Activation(self._session, self._tenant).keep_installed([in_effect[-1].package])
        else:
            self._session.later(_FORGET_INSTALLED, named)
        imports = {one.portion.import_id for one in in_effect}
        for some in chunks(sorted(imports | set(touched))):
            self._session.later(_FORGET_BASES, {**named, "id": undo_id, "ids": some})
        newest_first = list(dict.fromkeys(one.portion.import_id for one in reversed(in_effect)))
        for some in chunks(newest_first):
            self._session.later(_BASES_AGAIN, {**named, "ids": some})

    async def _among(self, statement: Select[Any], ids: Collection[str]) -> list[Any]:
        rows: list[Any] = []
        for some in chunks(sorted(set(ids))):
            rows += await self._session.rows(statement, {"tenant": self._tenant, "ids": some})
        return rows


def _arrival_of(row: Sequence[Any]) -> Arrival:
    import_id, ordinal, package = row
    return Arrival(Portion(import_id, ordinal), installed_of(package))
