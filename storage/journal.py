"""The journal of an import, and the fence before every write of a running one (decisions R20)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache

from sqlalchemy import Update, bindparam, null, select, update

from domain.import_model import EventKind, ImportState, ProgressEvent
from domain.model import ImportId, TenantId
from domain.ports import IMPORTS, JOBS, LeaseLostError
from domain.rows import NewEvent, Step
from storage.job_rows import EVENT, event_body, event_of, written
from storage.session import Session
from storage.sql import INTEGER_MAX, DatabaseSeconds, word
from storage.tables import import_event, import_job

#: lines that tell of another state
_TURNS = frozenset({EventKind.QUEUED, EventKind.WAITING, EventKind.RESUMED, EventKind.ENDED})

_EVENTS = (
    select(*EVENT)
    .where(
        import_event.c.import_id == bindparam("id"),
        import_event.c.tenant_id == bindparam("tenant"),
        import_event.c.seq > bindparam("after"),
    )
    .order_by(import_event.c.seq)
    .limit(bindparam("limit"))
)


class Journal:
    """Events of a tenant's imports."""

    def __init__(self, session: Session, tenant_id: TenantId) -> None:
        self._session = session
        self._tenant = tenant_id

    async def advance(self, step: Step) -> bool:
        changes = written(step.changes)
        row = await self._session.row(
            _fence(tuple(changes), leaves="state" in changes and changes["state"] is not ImportState.RUNNING),
            {
                "id": step.import_id,
                "tenant": self._tenant,
                "held_fence": step.fence,
                "count": len(step.events),
                **{f"new_{name}": value for name, value in changes.items()},
            },
        )
        if row is None:
            raise self._session.refuse(LeaseLostError(step.import_id))
        last_seq, cancel_requested = row
        add_events(self._session, self._tenant, step.import_id, last_seq=last_seq, events=step.events)
        if changes.get("state", ImportState.RUNNING) is not ImportState.RUNNING:
            self._session.ring(JOBS)
        return bool(cancel_requested)

    async def events(self, import_id: ImportId, *, after: int, limit: int = 1000) -> list[ProgressEvent]:
        values = {"id": import_id, "tenant": self._tenant, "after": min(after, INTEGER_MAX), "limit": limit}
        return [event_of(row) for row in await self._session.rows(_EVENTS, values)]


def add_events(
    session: Session, tenant_id: TenantId, import_id: ImportId, *, last_seq: int, events: Sequence[NewEvent]
) -> None:
    """Write events whose numbers were taken under the lock of the job's row; the last of them is ``last_seq``.

    They are written last of all: their time is that of the commit that makes them true.
    """
    session.ring(import_id)
    if not events:
        return
    if any(event.kind in _TURNS for event in events):
        session.ring(IMPORTS)

    def rows() -> list[Mapping[str, object]]:
        now = session.clock.now()
        return [
            {
                "import_id": import_id,
                "seq": seq,
                "tenant_id": tenant_id,
                "at": now,
                "kind": event.kind,
                "state": event.state,
                "body": event_body(event),
            }
            for seq, event in enumerate(events, last_seq - len(events) + 1)
        ]

    session.add_at_end(import_event, rows)


@cache
def _fence(changed: tuple[str, ...], *, leaves: bool) -> Update:
    """One statement that proves the lease, renews it, takes numbers and changes the job."""
    columns = import_job.c
    values = {name: bindparam(f"new_{name}", type_=columns[name].type) for name in changed}
    lease = {"owner": null(), "lease_until": null()} if leaves else {"lease_until": lease_end(columns.lease_seconds)}
    return (
        update(import_job)
        .where(
            columns.import_id == bindparam("id"),
            columns.tenant_id == bindparam("tenant"),
            columns.fence == bindparam("held_fence"),
            columns.state == word(ImportState.RUNNING),
        )
        .values(last_seq=columns.last_seq + bindparam("count"), **lease, **values)
        .returning(columns.last_seq, columns.cancel_requested)
    )


def lease_end(seconds: object) -> object:
    return DatabaseSeconds() + seconds
