"""The worker's side of the job rows: lease, fence, turn (design: stack, section 1). Time is the database's."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Executable, bindparam, case, literal_column, null, or_, select, text, update

from domain.import_model import ImportJob, ImportMode, ImportState
from domain.model import ImportId, TenantId
from domain.ports import IMPORTS, JOBS, LeaseLostError
from storage.engines import PlaceTakenError
from storage.job_rows import FIELDS, JOB, PACKAGE, job_of
from storage.journal import lease_end
from storage.prepared import AnyRow
from storage.queueing import FREEZE_PASSES, not_reminded
from storage.session import Session
from storage.sql import POSTGRESQL, DatabaseSeconds, word
from storage.tables import CAME_TO_NOTHING, IS_HELD, IS_WAITING, import_job, import_package, revision, tenant

_CLAIM_ATTEMPTS = 3
#: how many ended imports a sweep is told about at once
_LEFTOVERS = 100

_JOB = import_job.c
_RUNS = _JOB.state == word(ImportState.RUNNING)
#: an import whose worker died again is left alone for a moment, each time for longer: it may be the reason
_FIRST_LOSS, _DOUBLED_MAX = 1, 8
_DELAY = case(
    (_JOB.attempt <= literal_column(str(_FIRST_LOSS)), literal_column("0")),
    (_JOB.attempt > literal_column(str(_DOUBLED_MAX)), literal_column(str(1 << _DOUBLED_MAX))),
    else_=literal_column("1").op("<<")(_JOB.attempt),
)
_BACK_IN_LINE = {"state": ImportState.QUEUED, "owner": null(), "lease_until": null()}

_other = import_job.alias("other")
_TAKEN_PLACES = select(_other.c.tenant_id).where(
    _other.c.state == word(ImportState.RUNNING), _other.c.mode == word(ImportMode.APPLY)
)
_NEXT = (
    select(_JOB.import_id)
    .join(tenant, tenant.c.tenant_id == _JOB.tenant_id)
    .where(
        _JOB.state == word(ImportState.QUEUED),
        _JOB.run_after <= DatabaseSeconds(),
        or_(_JOB.mode != word(ImportMode.APPLY), _JOB.tenant_id.not_in(_TAKEN_PLACES)),
        # while a tenant is frozen nothing new begins there; what had begun finishes (decisions section 9.6)
        or_(tenant.c.freeze_reason.is_(None), FREEZE_PASSES),
    )
    .order_by(tenant.c.last_claimed_at, _JOB.priority.desc(), _JOB.import_id)
    .limit(1)
    # the tenant too: who claims at the same moment looks at another tenant instead of waiting for this one
    .with_for_update(skip_locked=True, key_share=True, of=[import_job, tenant])
)
_CLAIM = (
    update(import_job)
    .where(_JOB.import_id == _NEXT.scalar_subquery())
    .values(
        state=ImportState.RUNNING,
        owner=bindparam("new_owner"),
        fence=_JOB.fence + 1,
        attempt=_JOB.attempt + 1,
        lease_seconds=bindparam("seconds"),
        lease_until=lease_end(bindparam("seconds")),
    )
    .returning(*JOB)
)
_HAD_ITS_TURN = update(tenant).where(tenant.c.tenant_id == bindparam("id")).values(last_claimed_at=DatabaseSeconds())
_PACKAGES = select(*PACKAGE).where(import_package.c.import_id == bindparam("id")).order_by(import_package.c.ordinal)
_RENEW = (
    update(import_job)
    .where(_JOB.import_id == bindparam("id"), _JOB.fence == bindparam("held_fence"), _RUNS)
    .values(lease_seconds=bindparam("seconds"), lease_until=lease_end(bindparam("seconds")))
    .returning(_JOB.cancel_requested)
)
_OVERDUE = select(_JOB.tenant_id, _JOB.import_id).where(IS_WAITING, _JOB.expires_at < bindparam("now"))
_SOON_OVERDUE = select(_JOB.tenant_id, _JOB.import_id).where(
    IS_WAITING, _JOB.expires_at > bindparam("now"), _JOB.expires_at <= bindparam("until"), not_reminded()
)
_FIRST_HELD = (
    select(literal_column("1"))
    .where(IS_HELD, revision.c.import_id == _JOB.import_id)
    .correlate(import_job)
    .limit(literal_column("1"))
    .scalar_subquery()
)
#: looked up import by import: with EXISTS PostgreSQL may read every revision that any import ever wrote
_WITH_LEFTOVERS = (
    select(_JOB.tenant_id, _JOB.import_id).where(text(CAME_TO_NOTHING), _FIRST_HELD.is_not(None)).limit(_LEFTOVERS)
)


def _requeue(*, all_running: bool) -> Executable:
    lost = select(_JOB.import_id).where(_RUNS)
    if not all_running:
        lost = lost.where(_JOB.lease_until < DatabaseSeconds())
    # a process stopped inside its transaction holds its own job's row, and only that one is passed over
    locked = lost.with_for_update(skip_locked=True, key_share=True)
    later = {} if all_running else {"run_after": DatabaseSeconds() + _DELAY}
    back = {**_BACK_IN_LINE, **later}
    return update(import_job).where(_JOB.import_id.in_(locked), _RUNS).values(**back).returning(_JOB.import_id)


_REQUEUE_LOST = _requeue(all_running=False)
_REQUEUE_ALL = _requeue(all_running=True)


class SqlJobs:
    """:class:`domain.ports.JobRows`."""

    def __init__(self, session: Session) -> None:
        self._session = session

    async def claim(self, owner: str, *, lease_seconds: float) -> ImportJob | None:
        row = await self._next({"new_owner": owner, "seconds": lease_seconds})
        if row is None:
            return None
        self._session.later(_HAD_ITS_TURN, {"id": row[FIELDS.index("tenant_id")]})
        packages = await self._session.rows(_PACKAGES, {"id": row[0]})
        for topic in (row[0], IMPORTS):
            self._session.ring(topic)
        return job_of(row, packages)

    async def renew(self, import_id: ImportId, fence: int, *, lease_seconds: float) -> bool:
        values = {"id": import_id, "held_fence": fence, "seconds": lease_seconds}
        row = await self._session.row(_RENEW, values)
        if row is None:
            raise LeaseLostError(import_id)
        return bool(row[0])

    async def requeue_lost(self, *, all_running: bool = False) -> list[ImportId]:
        rows = await self._session.rows(_REQUEUE_ALL if all_running else _REQUEUE_LOST)
        lost = [row[0] for row in rows]
        for topic in (*lost, JOBS, IMPORTS) if lost else ():
            self._session.ring(topic)
        return lost

    async def soon_overdue(self, now: datetime, until: datetime) -> list[tuple[TenantId, ImportId]]:
        span = {"now": now, "until": until}
        return [(row[0], row[1]) for row in await self._session.rows(_SOON_OVERDUE, span)]

    async def overdue_waiting(self, now: datetime) -> list[tuple[TenantId, ImportId]]:
        return [(row[0], row[1]) for row in await self._session.rows(_OVERDUE, {"now": now})]

    async def with_leftovers(self) -> list[tuple[TenantId, ImportId]]:
        return [(row[0], row[1]) for row in await self._session.rows(_WITH_LEFTOVERS)]

    async def _next(self, values: dict[str, Any]) -> AnyRow | None:
        """Claim; on PostgreSQL the place may have been taken a moment ago, so look again."""
        if self._session.database != POSTGRESQL:
            return await self._session.row(_CLAIM, values)
        for _ in range(_CLAIM_ATTEMPTS):
            try:
                async with self._session.savepoint():
                    return await self._session.row(_CLAIM, values)
            except PlaceTakenError:
                continue
        return None
