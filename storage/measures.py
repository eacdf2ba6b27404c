"""What waits, counted at the moment of asking: each condition has an index of its own (decisions R40)."""

from __future__ import annotations

from sqlalchemy import and_, func, literal_column, select, union_all

from domain.import_model import ImportState
from domain.measures import Measures
from storage.session import Session
from storage.sql import word
from storage.tables import IS_WAITING, import_event, import_job, outbox, upload

#: an outbox that nobody empties must not make every look slower
_OUTBOX_MAX = 10_000

_JOB = import_job.c
OPEN_IMPORTS = union_all(
    *(
        select(_JOB.state, _JOB.stage, func.count()).where(condition).group_by(_JOB.state, _JOB.stage)
        for condition in (
            _JOB.state == word(ImportState.QUEUED),
            _JOB.state == word(ImportState.RUNNING),
            IS_WAITING,
        )
    )
)
#: an import may come back into the line hours after it was submitted: its last event says when
QUEUED_SINCE = (
    select(func.min(import_event.c.at, type_=import_event.c.at.type))
    .select_from(import_job)
    .join(import_event, and_(import_event.c.import_id == _JOB.import_id, import_event.c.seq == _JOB.last_seq))
    .where(_JOB.state == word(ImportState.QUEUED))
)
_WAITING_MESSAGES = select(literal_column("1")).select_from(outbox).limit(_OUTBOX_MAX).subquery()
_OLDEST_MESSAGE = select(outbox.c.at).order_by(outbox.c.message_id).limit(1)
_KEPT = select(
    select(func.count()).select_from(_WAITING_MESSAGES).scalar_subquery(),
    func.count(),
    func.coalesce(func.sum(upload.c.size_bytes), 0),
).select_from(upload)


class SqlMeasures:
    """:class:`domain.measures.MeasureRows`."""

    def __init__(self, session: Session) -> None:
        self._session = session

    async def now(self) -> Measures:
        counted = await self._session.rows(OPEN_IMPORTS)
        since = await self._session.rows(QUEUED_SINCE)
        messages, uploads, size = (await self._session.rows(_KEPT))[0]
        oldest = await self._session.row(_OLDEST_MESSAGE)
        return Measures(
            open_imports={(state, stage): count for state, stage, count in counted},
            queued_since=since[0][0],
            outbox=messages,
            uploads=uploads,
            upload_bytes=int(size),
            outbox_since=oldest[0] if oldest else None,
        )
