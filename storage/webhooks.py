"""A tenant's webhooks and what was sent to them."""

from __future__ import annotations

from sqlalchemy import bindparam, delete, insert, select, true, update

from domain.access import Reach
from domain.model import TenantId
from domain.notices.model import Delivery, Webhook
from domain.rows import Slice
from storage.artifacts import slice_of
from storage.notice_rows import DELIVERY, WEBHOOK, delivery_of, webhook_of, webhook_row
from storage.notice_tables import webhook, webhook_delivery
from storage.session import Session
from storage.tables import tenant

_W, _D = webhook.c, webhook_delivery.c
_ALL = select(*WEBHOOK).where(_W.tenant_id == bindparam("tenant")).order_by(_W.webhook_id)
_LOCK_TENANT = (
    select(tenant.c.tenant_id).where(tenant.c.tenant_id == bindparam("tenant")).with_for_update(key_share=True)
)
_ADD = insert(webhook)
_CHANGED = ("url", "kinds", "secret", "old_secrets", "is_enabled")
_CHANGE = (
    update(webhook)
    .where(_W.webhook_id == bindparam("id"))
    .values({name: bindparam(f"new_{name}", type_=_W[name].type) for name in _CHANGED})
)
#: the webhook first: whoever is writing to it has its row, and is waited for
_DELETE, _DELETE_MESSAGES = (
    delete(table).where(table.c.webhook_id == bindparam("id")) for table in (webhook, webhook_delivery)
)


class Webhooks:
    """:class:`domain.notices.rows.WebhookRows`."""

    def __init__(self, session: Session) -> None:
        self._session = session

    async def webhooks(self, tenant_id: TenantId) -> list[Webhook]:
        return [webhook_of(row) for row in await self._session.rows(_ALL, {"tenant": tenant_id})]

    async def find_webhook(self, webhook_id: str, reach: Reach, *, lock: bool = False) -> Webhook | None:
        found = select(*WEBHOOK).where(_W.webhook_id == webhook_id)
        found = found.where(true() if reach is None else _W.tenant_id.in_(sorted(reach)))
        row = await self._session.row(found.with_for_update() if lock else found)
        return webhook_of(row) if row else None

    async def lock_tenant(self, tenant_id: TenantId) -> None:
        await self._session.row(_LOCK_TENANT, {"tenant": tenant_id})

    async def add_webhook(self, webhook: Webhook) -> None:
        self._session.later(_ADD, webhook_row(webhook))

    async def change_webhook(self, webhook: Webhook) -> None:
        row = webhook_row(webhook)
        self._session.later(_CHANGE, {"id": row["webhook_id"], **{f"new_{name}": row[name] for name in _CHANGED}})

    async def delete_webhook(self, webhook_id: str) -> None:
        for statement in (_DELETE, _DELETE_MESSAGES):
            self._session.later(statement, {"id": webhook_id})

    async def deliveries(self, webhook_id: str, *, first: int, before: int | None) -> Slice[Delivery]:
        page = select(*DELIVERY).where(_D.webhook_id == webhook_id)
        if before is not None:
            page = page.where(_D.seq < before)
        rows = await self._session.rows(page.order_by(_D.seq.desc()).limit(first + 1))
        return slice_of([delivery_of(row) for row in rows], first)
