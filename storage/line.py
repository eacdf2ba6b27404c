"""A tenant's line of imports: coming in, waiting, being asked to stop, going on (decisions section 5.9, R12, R18)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import and_, bindparam, func, insert, or_, select, update

from domain.import_model import EventKind, ImportJob, ImportMode, ImportState, Progress
from domain.model import BlobKey, ImportId, TenantId
from domain.options import Decision
from domain.ports import IMPORTS, JOBS
from domain.rows import NewEvent
from storage.documents import decisions_document, progress_of
from storage.holding import DROP_UNPLANNED
from storage.job_rows import JOB, job_row, jobs_of, package_row, with_packages
from storage.journal import add_events
from storage.prepared import AnyRow
from storage.queueing import not_reminded
from storage.session import Session
from storage.sql import word
from storage.tables import IS_WAITING, import_event, import_job, import_package

_JOB = import_job.c
_TENANT = bindparam("tenant", type_=_JOB.tenant_id.type)
_ID = bindparam("id", type_=_JOB.import_id.type)
_MINE = and_(_JOB.tenant_id == _TENANT, _JOB.import_id == _ID)
_WAITS = _JOB.state == word(ImportState.QUEUED)
_APPLIES = _JOB.mode == word(ImportMode.APPLY)
#: why an import that waited for somebody is over
_NOBODY_CAME = {
    ImportState.WAITING_FOR_DECISIONS: "Nobody decided the conflicts in time.",
    ImportState.WAITING_FOR_ACTIVATION: "Nobody switched it on in time; what was held is dropped.",
}
_NOTHING_YET = Progress(stage=None, done=0, total=None, percent=0.0)

_FIND = with_packages(select(*JOB).where(_MINE))
_QUEUED_COUNT = select(func.count()).where(_JOB.tenant_id == _TENANT, _WAITS)

_LOCK = select(_JOB.import_id).where(_MINE).with_for_update()
#: the job's row, and what its last event said. Not in the statement that locks: after waiting for the row, PostgreSQL
#: would look for its last event among those from before
_STANDING = (
    select(_JOB.state, _JOB.decisions, import_event.c.body, _JOB.cancel_requested)
    .outerjoin(import_event, and_(import_event.c.import_id == _JOB.import_id, import_event.c.seq == _JOB.last_seq))
    .where(_MINE)
)
_ADD_JOB = insert(import_job)
_ADD_PACKAGES = insert(import_package)
_KEEP_DOWNLOAD = (
    update(import_package)
    .where(
        import_package.c.tenant_id == _TENANT,
        import_package.c.import_id == _ID,
        import_package.c.ordinal == bindparam("of_ordinal", type_=import_package.c.ordinal.type),
    )
    .values(blob_key=bindparam("of_blob", type_=import_package.c.blob_key.type))
)
_ASK_TO_STOP = update(import_job).where(_MINE).values(cancel_requested=True)
_END = (
    update(import_job)
    .where(_MINE)
    .values(
        state=bindparam("final_state", type_=_JOB.state.type),
        ended_at=bindparam("now", type_=_JOB.ended_at.type),
        last_seq=_JOB.last_seq + 1,
    )
)
_REMIND = (
    update(import_job)
    .where(_MINE, IS_WAITING, not_reminded())
    .values(reminded_of=_JOB.expires_at)
    .returning(_JOB.import_id)
)
_RESUME = (
    update(import_job)
    # the row is locked; what is asked of it here is the time alone (R18)
    .where(_MINE, or_(_JOB.expires_at.is_(None), _JOB.expires_at > bindparam("now", type_=_JOB.expires_at.type)))
    .values(
        state=ImportState.QUEUED,
        decisions=bindparam("all_decisions", type_=_JOB.decisions.type),
        last_seq=_JOB.last_seq + 1,
        # somebody wished this run: what went wrong before the pause does not count
        attempt=0,
    )
    .returning(_JOB.import_id)
)


class Line:
    """A tenant's import jobs, seen by those who submit them."""

    def __init__(self, session: Session, tenant_id: TenantId) -> None:
        self._session = session
        self._tenant = tenant_id

    async def submit(self, job: ImportJob, event: NewEvent) -> None:
        self._session.later(_ADD_JOB, job_row(job) | {"tenant_id": self._tenant, "last_seq": 1})
        mine = {"import_id": job.import_id, "tenant_id": self._tenant}
        packages = [package_row(package) | mine for package in job.packages]
        if packages:
            self._session.later(_ADD_PACKAGES, packages)
        add_events(self._session, self._tenant, job.import_id, (event,))
        self._session.ring(JOBS)

    async def keep_download(self, import_id: ImportId, ordinal: int, blob_key: BlobKey) -> None:
        named = {"tenant": self._tenant, "id": import_id, "of_ordinal": ordinal, "of_blob": blob_key}
        self._session.later(_KEEP_DOWNLOAD, named)

    async def queued_count(self) -> int:
        return int((await self._session.rows(_QUEUED_COUNT, {"tenant": self._tenant}))[0][0])

    async def job(self, import_id: ImportId) -> ImportJob | None:
        found = jobs_of(await self._session.rows(_FIND, self._named(import_id)))
        return found[0] if found else None

    async def request_cancel(self, import_id: ImportId) -> ImportState | None:
        """The state that callers see from now on; ``None`` when it has ended or was asked before, and stays so.

        Raises:
            LookupError: the tenant has no such import.
        """
        row = await self._locked(import_id)
        if row is None:
            raise LookupError(import_id)
        state: ImportState = row[0]
        if state.is_final or (state is ImportState.RUNNING and row[3]):
            return None
        if state is ImportState.RUNNING:
            self._session.later(_ASK_TO_STOP, self._named(import_id))
            for topic in (import_id, IMPORTS):
                self._session.ring(topic)
            return ImportState.CANCELLING
        dropped = " What was held is dropped." if state is ImportState.WAITING_FOR_ACTIVATION else ""
        await self._end(import_id, ImportState.CANCELLED, f"The import was cancelled.{dropped}", row[2])
        return ImportState.CANCELLED

    async def expire(self, import_id: ImportId) -> bool:
        row = await self._locked(import_id)
        if row is None or row[0] not in _NOBODY_CAME:
            return False
        await self._end(import_id, ImportState.EXPIRED, _NOBODY_CAME[row[0]], row[2])
        return True

    async def remind(self, import_id: ImportId) -> bool:
        return bool(await self._session.rows(_REMIND, self._named(import_id)))

    async def switch_on(self, import_id: ImportId) -> bool:
        row = await self._locked(import_id)
        if row is None or row[0] is not ImportState.WAITING_FOR_ACTIVATION:
            return False
        return await self._back_in_line(import_id, row[1], "It is to be switched on.", row[2])

    async def resume(self, import_id: ImportId, decisions: Mapping[str, Decision]) -> bool:
        row = await self._locked(import_id)
        if row is None or row[0] is not ImportState.WAITING_FOR_DECISIONS:
            return False
        decided = {**row[1], **decisions_document(decisions)}
        return await self._back_in_line(import_id, decided, "The conflicts were decided.", row[2])

    async def _locked(self, import_id: ImportId) -> AnyRow | None:
        self._session.later(_LOCK, self._named(import_id))
        return await self._session.row(_STANDING, self._named(import_id))

    async def _back_in_line(
        self, import_id: ImportId, decisions: Mapping[str, Any], message: str, last: Mapping[str, Any] | None
    ) -> bool:
        values = {**self._named(import_id), "all_decisions": decisions, "now": self._session.clock.now()}
        queued = await self._session.rows(_RESUME, values)
        if not queued:
            return False
        event = NewEvent(EventKind.RESUMED, _progress(last), message, ImportState.QUEUED)
        add_events(self._session, self._tenant, import_id, (event,))
        self._session.ring(JOBS)
        return True

    async def _end(self, import_id: ImportId, state: ImportState, message: str, last: Mapping[str, Any] | None) -> None:
        """End an import that no worker has, with its final event."""
        values = {**self._named(import_id), "final_state": state, "now": self._session.clock.now()}
        self._session.later(_END, values)
        # its worker may have died over it
        self._session.later(DROP_UNPLANNED, self._named(import_id))
        event = NewEvent(EventKind.ENDED, _progress(last), message, state)
        add_events(self._session, self._tenant, import_id, (event,))

    def _named(self, import_id: ImportId) -> dict[str, str]:
        return {"tenant": self._tenant, "id": import_id}


def _progress(body: Mapping[str, Any] | None) -> Progress:
    """As far as the last event said: how far a job is never falls (R20)."""
    return progress_of(body["progress"]) if body else _NOTHING_YET
