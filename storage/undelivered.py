"""What was to leave the house and is still here: mails, messages to webhooks, reports to a hub elsewhere."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Select, literal, null, select, update
from sqlalchemy.sql import Update

from domain.market.remote_rows import HUB_REPORTS
from domain.notices.model import DeliveryState
from domain.notices.undelivered import Undelivered, Way
from domain.ports import POST
from storage.notice_tables import mail, webhook, webhook_delivery
from storage.remote_tables import hub_report
from storage.session import Session
from storage.sql import DatabaseSeconds, Words, word

_M, _W, _D, _H = mail.c, webhook.c, webhook_delivery.c, hub_report.c
_WAITING, _DEAD = word(DeliveryState.WAITING), word(DeliveryState.DEAD)


def _way(way: Way) -> Any:
    return literal(way.value, Words()).label("way")


#: in the order of :class:`domain.notices.undelivered.Undelivered`
_UNDELIVERED: tuple[Select[Any], ...] = (
    select(_way(Way.MAIL), _M.tenant_id, _M.address, _M.state, _M.attempts, _M.error, _M.created_at)
    .where(_M.state.in_([_WAITING, _DEAD]))
    .order_by(_M.created_at.desc()),
    select(_way(Way.WEBHOOK), _D.tenant_id, _W.url, _D.state, _D.attempts, _D.error, _D.created_at)
    .join(webhook, _W.webhook_id == _D.webhook_id)
    .where(_D.state.in_([_WAITING, _DEAD]))
    .order_by(_D.created_at.desc()),
    select(_way(Way.HUB), _H.tenant_id, _H.listing_id, _H.state, _H.attempts, _H.error, _H.at).order_by(_H.at.desc()),
)
_REVIVED: tuple[Update, ...] = (
    update(mail).where(_M.state == _DEAD).values(state=DeliveryState.WAITING, attempts=0, ended_at=null()),
    update(webhook_delivery).where(_D.state == _DEAD).values(state=DeliveryState.WAITING, attempts=0, ended_at=null()),
    update(hub_report).where(_H.state == _DEAD).values(state=DeliveryState.WAITING, attempts=0),
)
_HAS_WAITING = select(_D.delivery_id).where(_D.webhook_id == _W.webhook_id, _D.state == _WAITING).exists()
_DUE: tuple[Update, ...] = (
    update(mail).where(_M.state == _WAITING).values(due=DatabaseSeconds()),
    update(webhook).where(_HAS_WAITING).values(due=DatabaseSeconds(), failures=0),
    update(hub_report).where(_H.state == _WAITING).values(due=DatabaseSeconds()),
)


class Stuck:
    """:class:`domain.notices.undelivered.UndeliveredRows`."""

    _session: Session

    async def undelivered(self, *, most: int) -> list[Undelivered]:
        found: list[Undelivered] = []
        for statement in _UNDELIVERED:
            found += [Undelivered(Way(row[0]), *row[1:]) for row in await self._session.rows(statement.limit(most))]
        return sorted(found, key=lambda one: one.since, reverse=True)[:most]

    async def try_again(self, *, given_up_too: bool) -> None:
        for statement in (*(_REVIVED if given_up_too else ()), *_DUE):
            self._session.later(statement)
        for topic in (POST, HUB_REPORTS):
            self._session.ring(topic)
