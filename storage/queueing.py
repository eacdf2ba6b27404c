"""Where imports stand in line, why they wait, and how long those before them took."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Select,
    and_,
    bindparam,
    case,
    cast,
    func,
    literal_column,
    or_,
    select,
    type_coerce,
    union_all,
)
from sqlalchemy.types import NullType

from domain.batch_rows import QueueReason, QueueSpot, TimedRun
from domain.import_model import ImportMode, ImportState
from domain.model import ImportId
from domain.undoing import UNDOS
from storage.prepared import AnyRow
from storage.sql import DatabaseSeconds, word
from storage.tables import import_event, import_job, import_package, tenant

#: the last runs of one tenant, and of all, that are looked at
_RUNS_OF_TENANT, _RUNS_OF_ALL = 50, 100
#: how many tenants one statement tells of
TENANTS_AT_ONCE = 20

_JOB = import_job.c
_APPLIES = _JOB.mode == word(ImportMode.APPLY)
_IDS = bindparam("ids", expanding=True, type_=_JOB.import_id.type)
_ahead = import_job.alias("ahead")
_holder = import_job.alias("holder")
#: what a frozen tenant lets begin: undos, what had begun, and what changes nothing (decisions section 9.6)
FREEZE_PASSES = or_(
    _JOB.mode != word(ImportMode.APPLY),
    _JOB.kind.in_([word(kind) for kind in UNDOS]),
    _JOB.attempt > literal_column("0"),
)


def not_reminded() -> ColumnElement[bool]:
    """Of a waiting import: nobody was told of this last moment."""
    return or_(_JOB.reminded_of.is_(None), _JOB.reminded_of != _JOB.expires_at)


def _why(reason: QueueReason) -> ColumnElement[str]:
    return literal_column(f"'{reason.value}'")


#: the first that holds
_REASON = case(
    (_JOB.run_after > DatabaseSeconds(), _why(QueueReason.RETRY_DELAY)),
    (and_(func.max(tenant.c.freeze_reason).is_not(None), ~FREEZE_PASSES), _why(QueueReason.TENANT_FROZEN)),
    (
        and_(_APPLIES, or_(func.max(_holder.c.import_id).is_not(None), func.count(_ahead.c.import_id) > 1)),
        _why(QueueReason.TENANT_BUSY),
    ),
    else_=_why(QueueReason.NO_FREE_WORKER),
)
#: read as the drivers give it: SQLAlchemy has no reader of doubles that knows nothing of the answer
_LEASE_END = type_coerce(func.max(_holder.c.lease_until), NullType())
PLACES = (
    select(
        *(_JOB.import_id, func.count(_ahead.c.import_id)),
        *(func.max(_holder.c.import_id), _LEASE_END, _REASON),
    )
    .select_from(import_job)
    .join(tenant, tenant.c.tenant_id == _JOB.tenant_id)
    .outerjoin(
        _ahead,
        and_(
            _ahead.c.tenant_id == _JOB.tenant_id,
            _ahead.c.state == word(ImportState.QUEUED),
            _ahead.c.mode == word(ImportMode.APPLY),
            or_(
                _ahead.c.priority > _JOB.priority,
                and_(_ahead.c.priority == _JOB.priority, _ahead.c.import_id <= _JOB.import_id),
            ),
        ),
    )
    .outerjoin(
        _holder,
        and_(
            _holder.c.tenant_id == _JOB.tenant_id,
            _holder.c.state == word(ImportState.RUNNING),
            _holder.c.mode == word(ImportMode.APPLY),
        ),
    )
    .where(_JOB.import_id.in_(_IDS), _JOB.state == word(ImportState.QUEUED))
    .group_by(_JOB.import_id)
)


def spot_of(row: AnyRow) -> tuple[ImportId, QueueSpot]:
    """An import's id and place, of a row of :data:`PLACES`."""
    import_id, position, holder, lease, reason = row
    until = None if lease is None else datetime.fromtimestamp(lease, UTC)
    return import_id, QueueSpot(max(1, position), holder, until, QueueReason(reason))


#: the event that tells of an import's first stage
_FIRST_STAGE = 2


def _ended() -> Select[Any]:
    """Imports that succeeded and waited for nobody: those have no last moment."""
    found = select(_JOB.tenant_id, _JOB.import_id, _JOB.kind, _JOB.mode, _JOB.ended_at)
    done = found.where(_JOB.state == word(ImportState.SUCCEEDED), _JOB.expires_at.is_(None))
    return done.order_by(_JOB.import_id.desc())


def _timed(jobs: Any) -> Select[Any]:
    size = cast(func.coalesce(func.sum(import_package.c.size_bytes), 0), BigInteger)
    begun = import_event.c
    told = (jobs.c.tenant_id, jobs.c.kind, jobs.c.mode, begun.at, jobs.c.ended_at)
    return (
        select(*told, size)
        .join(import_event, and_(begun.import_id == jobs.c.import_id, begun.seq == _FIRST_STAGE))
        .outerjoin(import_package, import_package.c.import_id == jobs.c.import_id)
        .group_by(jobs.c.import_id, *told)
    )


LATEST_RUNS = _timed(_ended().limit(_RUNS_OF_ALL).subquery())


def runs_of(tenant_ids: Sequence[str]) -> Select[Any]:
    """The last runs of each of these tenants: one look into its own part of the index each."""
    each = [_ended().where(_JOB.tenant_id == one).limit(_RUNS_OF_TENANT).subquery() for one in tenant_ids]
    return _timed(union_all(*(select(some) for some in each)).subquery())


def run_of(row: AnyRow) -> TimedRun:
    """A run, of a row of :func:`runs_of`."""
    _, kind, mode, begun_at, ended_at, size = row
    return TimedRun(kind, mode, (ended_at - begun_at).total_seconds(), size)
