"""Reads of many things at once, for lists whose members show more than their own row."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import datetime
from typing import Any, TypeVar

from sqlalchemy import Select, and_, bindparam, func, select, true, tuple_, union_all

from domain.access import Reach
from domain.batch_rows import QueueSpot, Standing, TimedRun
from domain.import_model import AuditEntry, ImportJob, ImportMode, ImportState, InstalledPackage, ProgressEvent
from domain.model import (
    ArtifactHead,
    ArtifactId,
    ArtifactStatus,
    ImportId,
    Package,
    PackageId,
    PlanId,
    ReferenceKind,
    Revision,
    Tenant,
    TenantId,
    name_key,
)
from domain.plan_model import ActionKind, Plan, PlanAction
from domain.rows import Slice
from storage.artifacts import slice_of
from storage.heads import HEAD, REVISION, head_of, revision_of
from storage.imports import ENTRY
from storage.job_rows import EVENT, JOB, event_of, jobs_of, with_packages
from storage.packages import PACKAGE, package_of
from storage.plan_tables import plan, plan_action, scan_report
from storage.plans import ACTION, PLAN, action_of, plan_of
from storage.prepared import AnyRow
from storage.queueing import LATEST_RUNS, PLACES, TENANTS_AT_ONCE, run_of, runs_of, spot_of
from storage.session import Session
from storage.sql import INTEGER_MAX, chunks, listed, word
from storage.tables import (
    IS_SEEN,
    IS_WAITING,
    artifact,
    audit,
    import_event,
    import_job,
    package,
    reference,
    revision,
    tenant,
)
from storage.tenants import TENANT

K = TypeVar("K")
V = TypeVar("V")

_JOB = import_job.c
_IDS = bindparam("ids", expanding=True, type_=_JOB.import_id.type)
_MINE = bindparam("tenant", type_=_JOB.tenant_id.type)
_WAITS = _JOB.state == word(ImportState.QUEUED)
_RUNS = _JOB.state == word(ImportState.RUNNING)
_APPLIES = _JOB.mode == word(ImportMode.APPLY)
_LIVE = artifact.c.status != word(ArtifactStatus.DELETED)
_PAGE_ORDER = (artifact.c.name_key, artifact.c.artifact_id)

_TENANTS = select(*TENANT).where(tenant.c.tenant_id.in_(_IDS))
_JOBS = with_packages(select(*JOB).where(_JOB.import_id.in_(_IDS)))
_PACKAGES = select(*PACKAGE).where(package.c.package_id.in_(_IDS))
_PLANS = select(*PLAN).where(plan.c.plan_id.in_(_IDS))
_LAST_EVENTS = (
    select(*EVENT)
    .join(import_job, and_(_JOB.import_id == import_event.c.import_id, _JOB.last_seq == import_event.c.seq))
    .where(_JOB.import_id.in_(_IDS))
)
# numbers have no gaps, so a page is a range
_EVENTS = (
    select(*EVENT)
    .where(
        import_event.c.import_id.in_(_IDS),
        import_event.c.seq > bindparam("after"),
        import_event.c.seq <= bindparam("last"),
    )
    .order_by(import_event.c.import_id, import_event.c.seq)
)
_COUNTS = (
    select(plan_action.c.import_id, plan_action.c.kind, func.count())
    .where(plan_action.c.import_id.in_(_IDS))
    .group_by(plan_action.c.import_id, plan_action.c.kind)
)
_OPEN = (
    select(*ACTION, plan_action.c.import_id)
    .where(plan_action.c.import_id.in_(_IDS), plan_action.c.kind.is_(None))
    .order_by(plan_action.c.import_id, plan_action.c.ordinal, plan_action.c.position)
    .limit(bindparam("limit"))
)
_SCANS = (
    select(scan_report.c.import_id, scan_report.c.report)
    .where(scan_report.c.import_id.in_(_IDS))
    .order_by(scan_report.c.import_id, scan_report.c.ordinal)
)
_AUDIT = (
    select(*ENTRY)
    .where(
        audit.c.tenant_id.in_(select(_JOB.tenant_id).where(_JOB.import_id.in_(_IDS))),
        audit.c.import_id.in_(_IDS),
    )
    .order_by(audit.c.audit_id)
)
_RUNNING = with_packages(select(*JOB).where(_JOB.tenant_id.in_(_IDS), _RUNS, _APPLIES))
_QUEUED = (
    select(_JOB.tenant_id, func.count()).where(_JOB.tenant_id.in_(_IDS), _WAITS, _APPLIES).group_by(_JOB.tenant_id)
)
_NAMING = (
    select(reference.c.target_id, reference.c.artifact_id, reference.c.revision_id)
    .distinct()
    .where(
        reference.c.tenant_id == _MINE,
        reference.c.target_id.in_(_IDS),
        reference.c.kind.in_([word(kind) for kind in (ReferenceKind.LITERAL, ReferenceKind.DYNAMIC)]),
    )
    .subquery()
)
_HISTORY = (
    select(
        *REVISION,
        func.row_number().over(partition_by=revision.c.artifact_id, order_by=revision.c.number.desc()).label("place"),
    )
    .where(
        revision.c.tenant_id == _MINE,
        revision.c.artifact_id.in_(_IDS),
        revision.c.number < bindparam("before"),
        IS_SEEN,
    )
    .subquery()
)
_REVISIONS = (
    select(*(_HISTORY.c[column.name] for column in REVISION))
    .where(_HISTORY.c.place <= bindparam("limit"))
    .order_by(_HISTORY.c.artifact_id, _HISTORY.c.place)
)
_ORIGIN = (artifact.c.tenant_id, artifact.c.origin_package_key, artifact.c.origin_source)
_CHANGED = (
    select(*_ORIGIN, func.count())
    .where(
        artifact.c.tenant_id.in_(_IDS),
        artifact.c.origin_package_key.in_(bindparam("keys", expanding=True)),
        artifact.c.imported_revision != artifact.c.revision,
        _LIVE,
    )
    .group_by(*_ORIGIN)
)


class SqlBatches:
    """:class:`domain.batch_rows.BatchRows`."""

    def __init__(self, session: Session) -> None:
        self._session = session

    async def tenants(self, tenant_ids: Collection[str]) -> dict[TenantId, Tenant]:
        return {row[0]: Tenant(*row) for row in await self._among(_TENANTS, tenant_ids)}

    async def import_jobs(self, import_ids: Collection[str], reach: Reach) -> dict[ImportId, ImportJob]:
        jobs = jobs_of(await self._among(_JOBS, import_ids))
        return {job.import_id: job for job in jobs if reach is None or job.tenant_id in reach}

    async def packages(self, package_ids: Collection[str], reach: Reach) -> dict[PackageId, Package]:
        found = [package_of(row) for row in await self._among(_PACKAGES, package_ids)]
        return {one.package_id: one for one in found if reach is None or one.tenant_id in reach}

    async def plans(self, plan_ids: Collection[str], reach: Reach) -> dict[PlanId, Plan]:
        found = [plan_of(row) for row in await self._among(_PLANS, plan_ids)]
        return {one.plan_id: one for one in found if reach is None or one.tenant_id in reach}

    async def last_events(self, import_ids: Collection[str]) -> dict[ImportId, ProgressEvent]:
        events = [event_of(row) for row in await self._among(_LAST_EVENTS, import_ids)]
        return {event.import_id: event for event in events}

    async def events(
        self, import_ids: Collection[str], *, after: int, first: int
    ) -> dict[ImportId, list[ProgressEvent]]:
        after = max(0, min(after, INTEGER_MAX - first))
        rows = await self._among(_EVENTS, import_ids, after=after, last=after + first)
        return _grouped((event_of(row) for row in rows), lambda event: event.import_id)

    async def action_counts(self, import_ids: Collection[str]) -> dict[ImportId, dict[ActionKind | None, int]]:
        counts: dict[ImportId, dict[ActionKind | None, int]] = defaultdict(dict)
        for import_id, kind, count in await self._among(_COUNTS, import_ids):
            counts[import_id][kind] = count
        return counts

    async def open_actions(self, import_ids: Collection[str], *, limit: int) -> list[tuple[ImportId, PlanAction]]:
        return [(row[-1], action_of(row[:-1])) for row in await self._among(_OPEN, import_ids, limit=limit)]

    async def scan_reports(self, import_ids: Collection[str]) -> dict[ImportId, list[Mapping[str, Any]]]:
        rows = _grouped(await self._among(_SCANS, import_ids), lambda row: ImportId(row[0]))
        return {import_id: [row[1] for row in some] for import_id, some in rows.items()}

    async def audit(self, import_ids: Collection[str]) -> dict[ImportId, list[AuditEntry]]:
        entries = [AuditEntry(*row) for row in await self._among(_AUDIT, import_ids)]
        return _grouped(entries, lambda entry: ImportId(entry.import_id or ""))

    async def queue_places(self, import_ids: Collection[str]) -> dict[ImportId, QueueSpot]:
        return dict(map(spot_of, await self._among(PLACES, import_ids)))

    async def runs(self, tenant_ids: Collection[TenantId]) -> dict[TenantId, list[TimedRun]]:
        rows: list[AnyRow] = []
        for some in chunks(sorted(set(tenant_ids)), TENANTS_AT_ONCE):
            rows += await self._session.rows(runs_of(some))
        runs = _grouped(rows, lambda row: TenantId(row[0]))
        return {tenant_id: [run_of(row) for row in some] for tenant_id, some in runs.items()}

    async def latest_runs(self) -> list[TimedRun]:
        return [run_of(row) for row in await self._session.rows(LATEST_RUNS)]

    async def running(self, tenant_ids: Collection[str]) -> dict[TenantId, ImportJob]:
        return {job.tenant_id: job for job in jobs_of(await self._among(_RUNNING, tenant_ids))}

    async def queued_counts(self, tenant_ids: Collection[str]) -> dict[TenantId, int]:
        return {row[0]: row[1] for row in await self._among(_QUEUED, tenant_ids)}

    async def used_by(
        self, tenant_id: TenantId, artifact_ids: Collection[str], *, first: int, after: tuple[str, str] | None
    ) -> dict[ArtifactId, Slice[ArtifactHead]]:
        rows = await self._among(_users(after), artifact_ids, tenant=tenant_id, limit=first + 1)
        users = _grouped(rows, lambda row: ArtifactId(row[-1]))
        return {target: slice_of([head_of(row[:-1]) for row in found], first) for target, found in users.items()}

    async def revisions(
        self, tenant_id: TenantId, artifact_ids: Collection[str], *, first: int, before: int | None
    ) -> dict[ArtifactId, Slice[Revision]]:
        last = INTEGER_MAX if before is None else max(0, min(before, INTEGER_MAX))
        rows = await self._among(_REVISIONS, artifact_ids, tenant=tenant_id, before=last, limit=first + 1)
        histories = _grouped((revision_of(row) for row in rows), lambda one: one.artifact_id)
        return {artifact_id: slice_of(found, first) for artifact_id, found in histories.items()}

    async def changed_counts(self, packages: Collection[InstalledPackage]) -> dict[tuple[TenantId, str, str], int]:
        tenants = {one.tenant_id for one in packages}
        rows: list[AnyRow] = []
        for some in chunks(sorted({name_key(one.name) for one in packages})):
            rows += await self._among(_CHANGED, tenants, keys=some)
        return {(row[0], row[1], row[2]): row[3] for row in rows}

    async def standing(self, reach: Reach, *, ended_since: datetime, limit: int) -> list[Standing]:
        rows = await self._session.rows(_standing(reach, ended_since).limit(limit))
        return [Standing(row[0], _shown(row[1], asked_to_stop=row[2]), row[3]) for row in rows]

    async def _among(self, statement: Select[Any], ids: Collection[str], **values: Any) -> list[AnyRow]:
        rows: list[AnyRow] = []
        for some in chunks(sorted(set(ids))):
            rows += await self._session.rows(statement, {"ids": some, **values})
        return rows


def _standing(reach: Reach, ended_since: datetime) -> Select[Any]:
    """Each part by an index of its own: the imports of a long history are not looked at."""
    row = select(_JOB.import_id, _JOB.state, _JOB.cancel_requested, _JOB.fence)
    here = true() if reach is None else _JOB.tenant_id.in_(reach)
    conditions = (_WAITS, _RUNS, IS_WAITING, _JOB.ended_at >= ended_since)
    found = union_all(*(row.where(condition, listed(here)) for condition in conditions)).subquery()
    # by a text that no index has: SQLite would read a whole history to be spared the sorting
    return select(found).order_by((found.c.import_id + "").desc())


def _users(after: tuple[str, str] | None) -> Select[Any]:
    """Those who refer to each of several artifacts, each artifact's own first ones."""
    place = func.row_number().over(partition_by=_NAMING.c.target_id, order_by=_PAGE_ORDER).label("place")
    found = (
        select(*HEAD, _NAMING.c.target_id, place)
        .join(
            _NAMING,
            and_(artifact.c.artifact_id == _NAMING.c.artifact_id, artifact.c.revision_id == _NAMING.c.revision_id),
        )
        .where(artifact.c.tenant_id == _MINE, _LIVE)
    )
    if after is not None:
        found = found.where(tuple_(*_PAGE_ORDER) > tuple_(*after))
    ranked = found.subquery()
    columns = [ranked.c[column.name] for column in HEAD]
    return (
        select(*columns, ranked.c.target_id)
        .where(ranked.c.place <= bindparam("limit"))
        .order_by(ranked.c.target_id, ranked.c.place)
    )


def _shown(state: ImportState, *, asked_to_stop: bool) -> ImportState:
    """:attr:`domain.import_model.ImportJob.shown_state`."""
    return ImportState.CANCELLING if state is ImportState.RUNNING and asked_to_stop else state


def _grouped(values: Iterable[V], key: Callable[[V], K]) -> dict[K, list[V]]:
    groups: dict[K, list[V]] = {}
    for value in values:
        groups.setdefault(key(value), []).append(value)
    return groups
