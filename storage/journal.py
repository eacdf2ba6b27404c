"""The journal of an import, and the fence before every write of a running one (decisions R20)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from functools import cache, partial
from typing import Any

from sqlalchemy import Update, and_, bindparam, false, insert, null, select, update

from domain.import_model import EventKind, ImportState, ProgressEvent
from domain.model import ImportId, TenantId
from domain.ports import IMPORTS, JOBS, CancelRequestedError, LeaseLostError
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
_IS_OURS = and_(
    import_job.c.import_id == bindparam("id"),
    import_job.c.tenant_id == bindparam("tenant"),
    import_job.c.fence == bindparam("held_fence"),
    import_job.c.state == word(ImportState.RUNNING),
)
_STILL_OURS = select(import_job.c.import_id).where(_IS_OURS)
_LAST_SEQ = select(import_job.c.last_seq).where(import_job.c.import_id == bindparam("id")).scalar_subquery()
_ADD_EVENT = insert(import_event).values(
    import_id=bindparam("id", type_=import_event.c.import_id.type),
    seq=_LAST_SEQ - bindparam("behind", type_=import_event.c.seq.type),
    tenant_id=bindparam("tenant", type_=import_event.c.tenant_id.type),
    at=bindparam("now", type_=import_event.c.at.type),
    kind=bindparam("new_kind", type_=import_event.c.kind.type),
    state=bindparam("new_state", type_=import_event.c.state.type),
    body=bindparam("new_body", type_=import_event.c.body.type),
)


class Journal:
    """Events of a tenant's imports."""

    def __init__(self, session: Session, tenant_id: TenantId) -> None:
        self._session = session
        self._tenant = tenant_id

    async def advance(self, step: Step) -> None:
        changes = written(step.changes)
        leaves = changes.get("state", ImportState.RUNNING) is not ImportState.RUNNING
        held = {"id": step.import_id, "tenant": self._tenant, "held_fence": step.fence}
        told = {"count": len(step.events), **{f"new_{name}": value for name, value in changes.items()}}
        fence = _fence(tuple(changes), leaves=leaves, is_last=step.is_last)
        self._session.demand(fence, {**held, **told}, 1, partial(self._kept_out, held))
        add_events(self._session, self._tenant, step.import_id, step.events)
        if leaves:
            self._session.ring(JOBS)

    async def events(self, import_id: ImportId, *, after: int, limit: int = 1000) -> list[ProgressEvent]:
        values = {"id": import_id, "tenant": self._tenant, "after": min(after, INTEGER_MAX), "limit": limit}
        return [event_of(row) for row in await self._session.rows(_EVENTS, values)]

    async def _kept_out(self, held: Mapping[str, Any], _: int) -> None:
        is_ours = await self._session.row(_STILL_OURS, held) is not None
        raise (CancelRequestedError if is_ours else LeaseLostError)(held["id"])


def add_events(session: Session, tenant_id: TenantId, import_id: ImportId, events: Sequence[NewEvent]) -> None:
    """Write events for which the transaction raises ``last_seq`` of the job's row: they take the numbers up to there.

    They are written last of all: their time is that of the commit that makes them true.
    """
    session.ring(import_id)
    if any(event.kind in _TURNS for event in events):
        session.ring(IMPORTS)
    for event in events:
        session.at_end(_write_events, (tenant_id, import_id, event))


def _write_events(session: Session, told: Sequence[tuple[TenantId, ImportId, NewEvent]]) -> None:
    behind: Counter[ImportId] = Counter()
    rows: list[Mapping[str, Any]] = []
    for tenant_id, import_id, event in reversed(told):
        named = {"id": import_id, "tenant": tenant_id, "behind": behind[import_id]}
        rows.append({**named, "new_kind": event.kind, "new_state": event.state, "new_body": event_body(event)})
        behind[import_id] += 1
    session.later_as_of(_ADD_EVENT, lambda now: [{**row, "now": now} for row in reversed(rows)])


@cache
def _fence(changed: tuple[str, ...], *, leaves: bool, is_last: bool) -> Update:
    """One statement that proves the lease, renews it, takes numbers and changes the job."""
    columns = import_job.c
    values = {name: bindparam(f"new_{name}", type_=columns[name].type) for name in changed}
    lease = {"owner": null(), "lease_until": null()} if leaves else {"lease_until": lease_end(columns.lease_seconds)}
    return (
        update(import_job)
        .where(
            _IS_OURS,
            *(() if is_last else (columns.cancel_requested.is_(false()),)),
        )
        .values(last_seq=columns.last_seq + bindparam("count"), **lease, **values)
    )


def lease_end(seconds: object) -> object:
    return DatabaseSeconds() + seconds
