"""Mails and webhooks' messages on their way: claimed for a while, then sent, tried again, or dead.

A mail has a time of its own. The messages of a webhook go out one by one in their order, so the time is the webhook's:
one that does not answer keeps nobody waiting but itself.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from sqlalchemy import (
    ColumnElement,
    Integer,
    Select,
    and_,
    bindparam,
    case,
    delete,
    exists,
    func,
    literal_column,
    null,
    select,
    update,
)

from domain.notices.model import DeliveryState, Mail, Outgoing
from domain.ports import POST
from storage.notice_rows import DELIVERY, NOTIFICATION, WEBHOOK, delivery_of, notification_of, webhook_of
from storage.notice_tables import mail, notification, webhook, webhook_delivery
from storage.session import Session
from storage.sql import DatabaseSeconds, word

#: how many old rows one statement drops
_DROPPED_AT_ONCE = 1000
_ERROR_MAX = 500

_M, _W, _D, _N = mail.c, webhook.c, webhook_delivery.c, notification.c
_ONE: ColumnElement[int] = literal_column("1")
_MAIL_WAITS = _M.state == word(DeliveryState.WAITING)
_WAITS = _D.state == word(DeliveryState.WAITING)
_IN_A_WHILE = DatabaseSeconds() + bindparam("seconds")


def _counted(rows: Select[int]) -> Select[int]:
    """How many there are, counted as far as it matters."""
    return select(func.count()).select_from(rows.limit(bindparam("most", type_=Integer)).subquery())


_MAIL_IS_DUE = and_(_MAIL_WAITS, _M.due <= DatabaseSeconds())
_MAILS_DUE = _counted(select(_ONE).where(_MAIL_IS_DUE))
_NEXT_MAIL = select(_M.mail_id).where(_MAIL_IS_DUE).order_by(_M.due).limit(1).with_for_update(skip_locked=True)
_CLAIM_MAIL = (
    update(mail)
    .where(_M.mail_id == _NEXT_MAIL.scalar_subquery())
    .values(attempts=_M.attempts + 1, due=_IN_A_WHILE)
    .returning(_M.mail_id, _M.tenant_id, _M.address, _M.attempts, _M.notification_id)
)
_TOLD = select(*NOTIFICATION).where(_N.notification_id == bindparam("id"))
_THIS_MAIL = and_(_M.mail_id == bindparam("id"), _M.attempts == bindparam("attempt"), _MAIL_WAITS)
_END_MAIL = (
    update(mail)
    .where(_THIS_MAIL)
    .values(
        state=bindparam("new_state", type_=_M.state.type),
        error=bindparam("new_error", type_=_M.error.type),
        ended_at=bindparam("now", type_=_M.ended_at.type),
    )
)
_DELAY_MAIL = update(mail).where(_THIS_MAIL).values(due=_IN_A_WHILE, error=bindparam("new_error", type_=_M.error.type))

_WEBHOOK_IS_DUE = and_(_W.due.is_not(None), _W.due <= DatabaseSeconds(), _W.is_enabled.is_(True))
_WEBHOOKS_DUE = _counted(select(_ONE).where(_WEBHOOK_IS_DUE))
_NEXT_WEBHOOK = select(_W.webhook_id).where(_WEBHOOK_IS_DUE).order_by(_W.due).limit(1).with_for_update(skip_locked=True)
_CLAIM_WEBHOOK = (
    update(webhook)
    .where(_W.webhook_id == _NEXT_WEBHOOK.scalar_subquery())
    .values(fence=_W.fence + 1, due=_IN_A_WHILE)
    .returning(*WEBHOOK, _W.fence)
)
_FIRST_IN_LINE = select(*DELIVERY).where(_D.webhook_id == bindparam("id"), _WAITS).order_by(_D.seq).limit(1)
_COUNT_ATTEMPT = update(webhook_delivery).where(_D.delivery_id == bindparam("id")).values(attempts=_D.attempts + 1)
#: in a statement of its own: what comes after it sees all that was written before the lock was had
_FENCED = select(_W.fence).where(_W.webhook_id == bindparam("id"), _W.fence == bindparam("held")).with_for_update()
_END_DELIVERY = (
    update(webhook_delivery)
    .where(_D.delivery_id == bindparam("id"))
    .values(
        state=bindparam("new_state", type_=_D.state.type),
        status=bindparam("new_status", type_=_D.status.type),
        error=bindparam("new_error", type_=_D.error.type),
        ended_at=bindparam("now", type_=_D.ended_at.type),
    )
)
_NOTE_FAILURE = (
    update(webhook_delivery)
    .where(_D.delivery_id == bindparam("id"))
    .values(status=bindparam("new_status", type_=_D.status.type), error=bindparam("new_error", type_=_D.error.type))
)


def _rest(seconds: ColumnElement[float]) -> ColumnElement[float]:
    """When the next message is tried, if there is one."""
    return case((exists(select(_ONE).where(_D.webhook_id == _W.webhook_id, _WAITS)), seconds), else_=null())


_GO_ON = update(webhook).where(_W.webhook_id == bindparam("id")).values(failures=0, due=_rest(DatabaseSeconds()))
_REST = update(webhook).where(_W.webhook_id == bindparam("id")).values(failures=_W.failures + 1, due=_rest(_IN_A_WHILE))
_NOTHING_WAITS = update(webhook).where(_W.webhook_id == bindparam("id")).values(due=_rest(DatabaseSeconds()))

_ALL_DUE = (
    update(mail).where(_MAIL_WAITS).values(due=DatabaseSeconds()),
    update(webhook).where(_W.due.is_not(None)).values(due=DatabaseSeconds()),
)
_GIVE_UP = (
    update(webhook_delivery)
    .where(_WAITS, _D.created_at < bindparam("before", type_=_D.created_at.type))
    .values(state=DeliveryState.DEAD, ended_at=bindparam("now", type_=_D.ended_at.type))
)
#: the last number is kept, so that no number is given twice
_OLD_NOTIFICATIONS = delete(notification).where(
    _N.number.in_(
        select(_N.number)
        .where(
            _N.at < bindparam("before", type_=_N.at.type),
            _N.number < select(func.max(_N.number)).scalar_subquery(),
        )
        .limit(_DROPPED_AT_ONCE)
    )
)
_OLD_MAILS = delete(mail).where(
    _M.mail_id.in_(
        select(_M.mail_id)
        .where(_M.created_at < bindparam("before", type_=_M.created_at.type), _M.state != word(DeliveryState.WAITING))
        .limit(_DROPPED_AT_ONCE)
    )
)
_OLD_DELIVERIES = delete(webhook_delivery).where(
    _D.delivery_id.in_(
        select(_D.delivery_id)
        .where(_D.created_at < bindparam("before", type_=_D.created_at.type), _D.state != word(DeliveryState.WAITING))
        .limit(_DROPPED_AT_ONCE)
    )
)


class Post:
    """:class:`domain.notices.rows.PostRows`."""

    def __init__(self, session: Session) -> None:
        self._session = session

    async def mails_due(self, *, limit: int) -> int:
        return await self._count(_MAILS_DUE, limit)

    async def claim_mail(self, *, lease_seconds: float) -> Mail | None:
        row = await self._session.row(_CLAIM_MAIL, {"seconds": lease_seconds})
        if row is None:
            return None
        mail_id, tenant_id, address, attempts, notification_id = row
        told = await self._session.row(_TOLD, {"id": notification_id})
        if told is None:
            # it waited for longer than what it tells is kept
            self._session.later(_END_MAIL, self._ending(mail_id, attempts, DeliveryState.DEAD, "too old"))
            return None
        return Mail(mail_id, tenant_id, address, attempts, notification_of(told))

    async def mail_sent(self, mail: Mail) -> None:
        self._session.later(_END_MAIL, self._ending(mail.mail_id, mail.attempts, DeliveryState.SENT, ""))

    async def mail_failed(self, mail: Mail, error: str, *, again_in: float | None) -> None:
        if again_in is None:
            self._session.later(_END_MAIL, self._ending(mail.mail_id, mail.attempts, DeliveryState.DEAD, error))
            return
        named = {"id": mail.mail_id, "attempt": mail.attempts}
        self._session.later(_DELAY_MAIL, named | {"seconds": again_in, "new_error": error[:_ERROR_MAX]})

    async def webhooks_due(self, *, limit: int) -> int:
        return await self._count(_WEBHOOKS_DUE, limit)

    async def claim_webhook(self, *, lease_seconds: float) -> Outgoing | None:
        row = await self._session.row(_CLAIM_WEBHOOK, {"seconds": lease_seconds})
        if row is None:
            return None
        *columns, fence = row
        claimed = webhook_of(columns)
        head = await self._session.row(_FIRST_IN_LINE, {"id": claimed.webhook_id})
        if head is None:
            self._session.later(_NOTHING_WAITS, {"id": claimed.webhook_id})
            return None
        first = delivery_of(head)
        self._session.later(_COUNT_ATTEMPT, {"id": first.delivery_id})
        return Outgoing(claimed, replace(first, attempts=first.attempts + 1), fence)

    async def delivered(self, outgoing: Outgoing, status: int) -> None:
        if await self._is_ours(outgoing):
            self._end(outgoing, DeliveryState.SENT, status, "")
            self._session.later(_GO_ON, {"id": outgoing.webhook.webhook_id})
            self._session.ring(POST)

    async def not_delivered(
        self, outgoing: Outgoing, status: int | None, error: str, *, again_in: float, is_dead: bool
    ) -> None:
        if not await self._is_ours(outgoing):
            return
        if is_dead:
            self._end(outgoing, DeliveryState.DEAD, status, error)
        else:
            named = {"id": outgoing.delivery.delivery_id}
            self._session.later(_NOTE_FAILURE, named | {"new_status": status, "new_error": error[:_ERROR_MAX]})
        self._session.later(_REST, {"id": outgoing.webhook.webhook_id, "seconds": again_in})

    async def give_up_before(self, at: datetime) -> int:
        return (await self._session.run(_GIVE_UP, {"before": at, "now": self._session.clock.now()})).rowcount

    async def take_back(self) -> None:
        for statement in _ALL_DUE:
            self._session.later(statement)

    async def forget_before(self, at: datetime, deliveries_at: datetime) -> int:
        dropped = await self._session.run(_OLD_NOTIFICATIONS, {"before": at})
        sent = [await self._session.run(old, {"before": deliveries_at}) for old in (_OLD_MAILS, _OLD_DELIVERIES)]
        return dropped.rowcount + sum(found.rowcount for found in sent)

    async def _count(self, statement: Select[int], limit: int) -> int:
        row = await self._session.row(statement, {"most": limit})
        return int(row[0]) if row else 0

    async def _is_ours(self, outgoing: Outgoing) -> bool:
        held = {"id": outgoing.webhook.webhook_id, "held": outgoing.fence}
        return await self._session.row(_FENCED, held) is not None

    def _end(self, outgoing: Outgoing, state: DeliveryState, status: int | None, error: str) -> None:
        values = {"id": outgoing.delivery.delivery_id, "new_state": state, "new_status": status}
        self._session.later(_END_DELIVERY, values | {"new_error": error[:_ERROR_MAX], "now": self._session.clock.now()})

    def _ending(self, mail_id: str, attempts: int, state: DeliveryState, error: str) -> dict[str, object]:
        named = {"id": mail_id, "attempt": attempts, "now": self._session.clock.now()}
        return named | {"new_state": state, "new_error": error[:_ERROR_MAX]}
