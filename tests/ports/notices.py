"""Ended imports with their messages, webhooks and people, for the suites of notices."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from domain.errors import ErrorCode, Problem
from domain.import_model import Failure, ImportJob, ImportState, Stage
from domain.model import TenantId
from domain.notices.model import Delivery, Notification, Webhook, WebhookId
from domain.notices.signing import new_secret
from domain.rows import Step
from storage.store import SqlStore
from tests.clocks import NOON
from tests.ports.rows import ACME, ANNA, an_import, claimed, progress, submitted

ANNAS = "issuer anna"
_PROBLEM = Problem(ErrorCode.SECURITY_SCAN_FAILED, "The scan says FAIL.")
_FAILURE = Failure(Stage.SECURITY_SCAN, "SecurityScanFailed", "The scan says FAIL.", 403, (_PROBLEM,), {})


async def an_ended(store: SqlStore, state: ImportState = ImportState.SUCCEEDED, **fields: Any) -> ImportJob:
    """An import that has ended, with its message in the outbox; Anna's, if nobody else is named."""
    await submitted(
        store, an_import(**{"identity": ANNAS, "package_name": "Starter", "package_version": "1.0.0"} | fields)
    )
    job = await claimed(store)
    is_done = state is ImportState.SUCCEEDED
    how = {"outcome": {"artifactsInstalled": 5, "conflictsResolved": 1}} if is_done else {"failure": _FAILURE}
    step = Step(job.import_id, job.fence, (progress(10),), {"state": state, "ended_at": NOON, **how})
    async with store.unit(job.tenant_id) as unit:
        await unit.imports.advance(step)
        await unit.imports.post("import.ended", {"importId": job.import_id, "state": state.value})
    return job


async def told(store: SqlStore, identity: str = ANNAS) -> Sequence[Notification]:
    """What a person was told, newest first."""
    async with store.platform_view() as unit:
        return (await unit.notices.page(identity, None, unread_only=False, first=100, before=None)).items


async def a_webhook(store: SqlStore, tenant_id: TenantId = ACME, **fields: Any) -> Webhook:
    made = Webhook(
        webhook_id=WebhookId(f"wh-{tenant_id}"),
        tenant_id=tenant_id,
        url="https://hook.example",
        kinds=(),
        secret=new_secret(),
        old_secrets=(),
        is_enabled=True,
        created_at=NOON,
        created_by=ANNA,
    )
    made = replace(made, **fields)
    async with store.platform_unit() as unit:
        await unit.notices.add_webhook(made)
    return made


async def deliveries(store: SqlStore, webhook: Webhook) -> list[Delivery]:
    """What was, or is to be, sent to a webhook, in its order."""
    async with store.platform_view() as unit:
        page = await unit.notices.deliveries(webhook.webhook_id, first=100, before=None)
    return list(reversed(page.items))
