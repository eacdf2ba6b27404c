"""A tenant's webhooks: addresses of its own that are told what its people are told, and more reliably.

Administrators make, change, test and drop them. A secret is shown when it is made and never again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from urllib.parse import urlsplit

import uuid_utils

from domain.access import Caller, Reach, Right, require
from domain.errors import ErrorCode, refuse
from domain.model import TenantId
from domain.notices.model import Delivery, Message, News, NoticeKind, OldSecret, Webhook, WebhookId
from domain.notices.relaying import delivery_of
from domain.notices.rows import NoticeRows
from domain.notices.signing import new_secret
from domain.ports import PlatformUnit, Ports
from domain.repeating import Once, made_before, once, remember, written_once
from domain.rows import Slice
from domain.tenancy import active_tenant, entry_of

#: so few that those of one tenant never keep all senders busy
WEBHOOKS_MAX = 5
#: how long messages are signed with a replaced secret too
OVERLAP = timedelta(hours=24)
_OLD_SECRETS_MAX = 3
_URL_MAX = 2048


@dataclass(frozen=True, slots=True)
class WebhookChange:
    """What of a webhook is to change; ``None`` leaves it."""

    url: str | None = None
    kinds: tuple[NoticeKind, ...] | None = None
    is_enabled: bool | None = None
    rotates_secret: bool = False


class Webhooks:
    """What administrators do with their tenants' webhooks."""

    def __init__(self, ports: Ports) -> None:
        self._store = ports.store
        self._clock = ports.clock
        self._outward = ports.outward

    async def create(
        self, caller: Caller, tenant_id: TenantId, url: str, kinds: Sequence[NoticeKind] = (), *, key: str | None = None
    ) -> Webhook:
        """Make a webhook for these kinds of news, or for all. With a known idempotency key: the one it made (R25).

        Raises ``InsufficientPermission``, ``InvalidTenantId``, ``BadUserInput`` for what is no address and for one
        webhook too many, ``AddressNotAllowed``, and ``IdempotencyKeyReused``.
        """
        require(caller, Right.ADMINISTER)
        request = once(caller, key, "createWebhook", url, list(kinds))
        await self._refuse_address(url)
        webhook = Webhook(
            webhook_id=WebhookId(f"wh-{uuid_utils.uuid7()}"),
            tenant_id=tenant_id,
            url=url,
            kinds=_each_once(kinds),
            secret=new_secret(),
            old_secrets=(),
            is_enabled=True,
            created_at=self._clock.now(),
            created_by=caller.actor,
        )
        return await written_once(lambda: self._created(caller, webhook, request))

    async def _created(self, caller: Caller, webhook: Webhook, request: Once | None) -> Webhook:
        async with self._store.platform_unit() as platform:
            await active_tenant(platform.tenants, webhook.tenant_id)
            unit = platform.of(webhook.tenant_id)
            if made := await made_before(unit, request, self._clock.now()):
                return await _there(platform.notices, made["webhookId"], None)
            await platform.notices.lock_tenant(webhook.tenant_id)
            if len(await platform.notices.webhooks(webhook.tenant_id)) >= WEBHOOKS_MAX:
                text = f"A tenant has at most {WEBHOOKS_MAX} webhooks."
                raise refuse(ErrorCode.BAD_USER_INPUT, text, "tenantId", limit=WEBHOOKS_MAX)
            await platform.notices.add_webhook(webhook)
            await remember(unit, request, {"webhookId": webhook.webhook_id}, webhook.created_at)
            await self._audit(platform, caller, webhook, "webhook.created")
        return webhook

    async def update(
        self, caller: Caller, webhook_id: str, reach: Reach, change: WebhookChange, *, key: str | None = None
    ) -> Webhook:
        """Change a webhook. A replaced secret signs for 24 hours more, so that its receiver can change it too.

        Raises ``InsufficientPermission``, ``NotFound`` and what :meth:`create` says of addresses and keys.
        """
        require(caller, Right.ADMINISTER)
        request = once(caller, key, "updateWebhook", webhook_id, change)
        if change.url is not None:
            await self._refuse_address(change.url)
        return await written_once(lambda: self._updated(caller, webhook_id, reach, change, request))

    async def _updated(
        self, caller: Caller, webhook_id: str, reach: Reach, change: WebhookChange, request: Once | None
    ) -> Webhook:
        now = self._clock.now()
        async with self._store.platform_unit() as platform:
            webhook = await _there(platform.notices, webhook_id, reach)
            unit = platform.of(webhook.tenant_id)
            if await made_before(unit, request, now):
                return webhook
            changed = replace(
                webhook,
                url=webhook.url if change.url is None else change.url,
                kinds=webhook.kinds if change.kinds is None else _each_once(change.kinds),
                is_enabled=webhook.is_enabled if change.is_enabled is None else change.is_enabled,
            )
            if change.rotates_secret:
                good = [
                    OldSecret(webhook.secret, now + OVERLAP),
                    *(old for old in webhook.old_secrets if old.until > now),
                ]
                changed = replace(changed, secret=new_secret(), old_secrets=tuple(good[:_OLD_SECRETS_MAX]))
            await platform.notices.change_webhook(changed)
            await remember(unit, request, {"webhookId": webhook.webhook_id}, now)
            await self._audit(platform, caller, changed, "webhook.changed", rotatesSecret=change.rotates_secret)
        return changed

    async def delete(self, caller: Caller, webhook_id: str, reach: Reach) -> Webhook:
        """Drop a webhook and what waits for it. Raises ``InsufficientPermission`` and ``NotFound``."""
        require(caller, Right.ADMINISTER)
        async with self._store.platform_unit() as platform:
            webhook = await _there(platform.notices, webhook_id, reach)
            await platform.notices.delete_webhook(webhook_id)
            await self._audit(platform, caller, webhook, "webhook.deleted")
        return webhook

    async def test(self, caller: Caller, webhook_id: str, reach: Reach, *, key: str | None = None) -> Webhook:
        """Send a webhook a message that says nothing, in its turn; its deliveries show what became of it.

        Raises ``InsufficientPermission``, ``NotFound`` and ``IdempotencyKeyReused``.
        """
        require(caller, Right.ADMINISTER)
        request, now = once(caller, key, "testWebhook", webhook_id), self._clock.now()
        async with self._store.platform_unit() as platform:
            webhook = await _there(platform.notices, webhook_id, reach)
            unit = platform.of(webhook.tenant_id)
            # whoever asks again waits for the webhook's row, so the key of the first is always seen
            if not await made_before(unit, request, now):
                message = Message(0, webhook.tenant_id, now, NoticeKind.WEBHOOK_TEST.wire, {})
                news = News(NoticeKind.WEBHOOK_TEST, "A test", "", "", {"askedBy": caller.actor.label})
                delivery = delivery_of(webhook, message, news)
                await platform.notices.deliver([delivery])
                await remember(unit, request, {"webhookId": webhook.webhook_id}, now)
                await self._audit(platform, caller, webhook, "webhook.tested")
        return webhook

    async def all_of(self, caller: Caller, tenant_id: TenantId) -> list[Webhook]:
        """A tenant's webhooks, oldest first. Raises ``InsufficientPermission``."""
        require(caller, Right.ADMINISTER)
        async with self._store.platform_view() as unit:
            return await unit.notices.webhooks(tenant_id)

    async def deliveries(self, webhook: Webhook, *, first: int, before: int | None = None) -> Slice[Delivery]:
        """The messages of a webhook at hand, newest first; ``before`` is the number of the last one seen."""
        async with self._store.platform_view() as unit:
            return await unit.notices.deliveries(webhook.webhook_id, first=first, before=before)

    async def _refuse_address(self, url: str) -> None:
        if not _is_address(url):
            text = "A webhook's address is a URL such as https://example.com/hook, without a user or a fragment."
            raise refuse(ErrorCode.BAD_USER_INPUT, text, "url")
        if self._outward is not None:
            await self._outward.check(url)

    async def _audit(
        self, platform: PlatformUnit, caller: Caller, webhook: Webhook, action: str, **details: object
    ) -> None:
        # the rest of an address may be what its receiver knows us by
        told = {"webhookId": webhook.webhook_id, "host": urlsplit(webhook.url).netloc, **details}
        entry = entry_of(caller, webhook.tenant_id, action, told, at=self._clock.now())
        await platform.of(webhook.tenant_id).imports.audit(entry)


async def _there(rows: NoticeRows, webhook_id: str, reach: Reach) -> Webhook:
    webhook = await rows.find_webhook(webhook_id, reach, lock=True)
    if webhook is None:
        raise refuse(ErrorCode.NOT_FOUND, "There is no such webhook.", "webhookId", what="webhook")
    return webhook


def _each_once(kinds: Sequence[NoticeKind]) -> tuple[NoticeKind, ...]:
    return tuple(dict.fromkeys(kinds))


def _is_address(url: str) -> bool:
    if len(url) > _URL_MAX or not url.isascii() or not url.isprintable() or " " in url or "\\" in url:
        return False
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return False
    is_web = parts.scheme in {"http", "https"} and bool(parts.hostname) and port != 0
    return is_web and parts.username is None and parts.password is None and not parts.fragment
