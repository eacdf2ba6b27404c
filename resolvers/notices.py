"""Asking about notifications and webhooks, changing what is told, and watching what comes."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing

import strawberry

from domain.notices import model
from domain.notices.webhooks import WebhookChange
from resolvers.mutations import Input
from resolvers.queries import Info, named_tenant
from resolvers.refusals import refusable
from schema.fields import described, watched
from schema.notices import (
    CreateWebhookInput,
    CreateWebhookPayload,
    DeleteWebhookInput,
    DeleteWebhookPayload,
    MarkNotificationsReadInput,
    MarkNotificationsReadPayload,
    Notification,
    NotificationChoice,
    SetNotificationChoiceInput,
    SetNotificationChoicePayload,
    SetTenantNoticesInput,
    SetTenantNoticesPayload,
    TenantIdArgument,
    TestWebhookInput,
    TestWebhookPayload,
    UpdateWebhookInput,
    UpdateWebhookPayload,
    Webhook,
)
from schema.tenants import Viewer


@strawberry.type
class NoticeQuery:
    @described("A tenant's webhooks, oldest first. For its administrators.")
    async def webhooks(self, info: Info, tenant_id: TenantIdArgument) -> list[Webhook]:
        asked = info.context
        found = await asked.services.webhooks.all_of(asked.caller, named_tenant(asked, tenant_id))
        return [Webhook.of(webhook) for webhook in found]

    @described("In which ways people of a tenant are told who chose nothing themselves. For its administrators.")
    async def tenant_notices(self, info: Info, tenant_id: TenantIdArgument) -> list[NotificationChoice]:
        asked = info.context
        found = await asked.services.notices.settings(asked.caller, named_tenant(asked, tenant_id))
        return [NotificationChoice.of(choice) for choice in found]


@strawberry.type
class NoticeMutation:
    @described("Marks notifications as read. What is not the caller's stays as it is.")
    @refusable(MarkNotificationsReadPayload)
    async def mark_notifications_read(
        self, info: Info, input: Input[MarkNotificationsReadInput]
    ) -> MarkNotificationsReadPayload:
        asked = info.context
        await asked.services.notices.mark_read(asked.caller, input.ids, asked.reach)
        return MarkNotificationsReadPayload(viewer=Viewer.of(asked.caller))

    @described("Chooses in which ways the caller is told news of a tenant.")
    @refusable(SetNotificationChoicePayload)
    async def set_notification_choice(
        self, info: Info, input: Input[SetNotificationChoiceInput]
    ) -> SetNotificationChoicePayload:
        asked, notices = info.context, info.context.services.notices
        tenant_id = named_tenant(asked, input.tenant_id)
        await notices.choose(asked.caller, tenant_id, input.choice())
        chosen = await notices.choices(asked.caller, tenant_id)
        return SetNotificationChoicePayload(choices=[NotificationChoice.of(choice) for choice in chosen])

    @described("Sets in which ways people of a tenant are told who chose nothing themselves.")
    @refusable(SetTenantNoticesPayload)
    async def set_tenant_notices(self, info: Info, input: Input[SetTenantNoticesInput]) -> SetTenantNoticesPayload:
        asked, notices = info.context, info.context.services.notices
        tenant_id = named_tenant(asked, input.tenant_id)
        await notices.set_for(asked.caller, tenant_id, input.choice())
        settings = await notices.settings(asked.caller, tenant_id)
        return SetTenantNoticesPayload(choices=[NotificationChoice.of(choice) for choice in settings])

    @described("Makes a webhook, at most five a tenant.")
    @refusable(CreateWebhookPayload)
    async def create_webhook(self, info: Info, input: Input[CreateWebhookInput]) -> CreateWebhookPayload:
        asked = info.context
        tenant_id, kinds, key = named_tenant(asked, input.tenant_id), input.kinds or (), input.idempotency_key
        made = await asked.services.webhooks.create(asked.caller, tenant_id, input.url, kinds, key=key)
        return CreateWebhookPayload(webhook=Webhook.of(made), secret=made.secret)

    @described("Changes a webhook, or gives it a new secret.")
    @refusable(UpdateWebhookPayload)
    async def update_webhook(self, info: Info, input: Input[UpdateWebhookInput]) -> UpdateWebhookPayload:
        asked, rotates = info.context, bool(input.rotate_secret)
        kinds = None if input.kinds is None else tuple(input.kinds)
        change = WebhookChange(input.url, kinds, input.is_enabled, rotates_secret=rotates)
        changed = await asked.services.webhooks.update(
            asked.caller, input.webhook_id, asked.reach, change, key=input.idempotency_key
        )
        return UpdateWebhookPayload(webhook=Webhook.of(changed), secret=changed.secret if rotates else None)

    @described("Drops a webhook and what waits for it.")
    @refusable(DeleteWebhookPayload)
    async def delete_webhook(self, info: Info, input: Input[DeleteWebhookInput]) -> DeleteWebhookPayload:
        asked = info.context
        gone = await asked.services.webhooks.delete(asked.caller, input.webhook_id, asked.reach)
        return DeleteWebhookPayload(webhook_id=gone.webhook_id)

    @described("Sends a webhook a message that says nothing, in its turn.")
    @refusable(TestWebhookPayload)
    async def test_webhook(self, info: Info, input: Input[TestWebhookInput]) -> TestWebhookPayload:
        asked = info.context
        tested = await asked.services.webhooks.test(
            asked.caller, input.webhook_id, asked.reach, key=input.idempotency_key
        )
        return TestWebhookPayload(webhook=Webhook.of(tested))


@strawberry.type
class NoticeSubscription:
    @watched(
        "What the caller is told from now on, in the tenants in reach."
        " Ask `viewer { notifications }` again after a new connection."
    )
    async def notifications(self, info: Info) -> AsyncGenerator[Notification, None]:
        asked = info.context
        return _shown(asked.services.notices.follow(asked.caller, asked.reach))


async def _shown(told: AsyncGenerator[model.Notification, None]) -> AsyncGenerator[Notification, None]:
    async with aclosing(told):
        async for notification in told:
            yield Notification.of(notification)
