"""Notifications and webhooks: what people and other programs are told."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import strawberry

from domain.access import tenant_of
from domain.market.installs import install_id
from domain.notices import model
from domain.notices.model import CHOOSABLE, Choice, Delivery, DeliveryState, NoticeKind, Ways
from schema.connections import After, Connection, Cursors, First, connection, page_size
from schema.context import Info
from schema.fields import described
from schema.nodes import Node, tenant_id_of, upward
from schema.refusals import RefusalShown
from schema.values import Actor

strawberry.enum(NoticeKind, name="NotificationKind", description="What is told. Webhooks know it as `type`.")
strawberry.enum(DeliveryState, description="How far a message is. DEAD: given up after the last attempt.")

_REFUSAL = "Why nothing was done."
_KEY = "Your own name for this request, 1 to 255 visible ASCII characters: sent again, it gives the first answer again."
_KINDS = "Only news of these kinds; none: of all kinds."
_HTTPS = "An https address that all can reach, or one that the operator allows."
_SECRET = "What messages are signed with. It is shown this once: keep it."  # noqa: S105 - a description
_INSTALLS = (NoticeKind.INSTALL_SUCCEEDED, NoticeKind.INSTALL_FAILED)
TenantIdArgument = Annotated[strawberry.ID, strawberry.argument(description="Whose: the tenant's id.")]


@strawberry.type(description="What one person is told, in one tenant. Nobody else sees it.")
class Notification(Node):
    at: datetime = strawberry.field(description="When it happened.")
    kind: NoticeKind = strawberry.field(description="What it is about.")
    is_read: bool = strawberry.field(description="Whether it was marked as read.")
    title: str = strawberry.field(description="In one line.")
    body: str = strawberry.field(description="In a few lines of plain text.")
    link: str = strawberry.field(description="The path that says more: of an import, its audit log.")
    tenant_id: str = strawberry.field(description="The tenant it is about.")
    import_id: strawberry.Private[str | None]

    @described("The import it is about, if the caller may read it.", upward("ImportJob", "imports") | None)
    async def import_job(self, info: Info) -> Node | None:
        return await info.context.import_job(self.import_id) if self.import_id else None

    @described("The install it is about, if the caller may read it.", upward("Install", "installs") | None)
    async def install(self, info: Info) -> Node | None:
        if self.kind not in _INSTALLS or self.import_id is None:
            return None
        if await info.context.import_job(self.import_id) is None:
            return None
        return await info.context.install(install_id(await info.context.job(self.import_id)))

    @classmethod
    def of(cls, told: model.Notification) -> Notification:
        return cls(
            id=strawberry.ID(told.notification_id),
            at=told.at,
            kind=told.kind,
            is_read=told.read_at is not None,
            title=told.title,
            body=told.body,
            link=told.link,
            tenant_id=told.tenant_id,
            import_id=told.import_id,
        )


@strawberry.type(description="In which ways somebody is told news of one kind.")
class NotificationChoice:
    kind: NoticeKind = strawberry.field(description="What is told.")
    in_app: bool = strawberry.field(description="As a notification here.")
    email: bool = strawberry.field(description="By mail, to the address that the token had.")
    is_choosable: bool = strawberry.field(description="False: it is always told.")

    @classmethod
    def of(cls, choice: Choice) -> NotificationChoice:
        ways = choice.ways
        return cls(kind=choice.kind, in_app=ways.in_app, email=ways.email, is_choosable=choice.kind in CHOOSABLE)


@strawberry.type
class NoticeViewer:
    """What the caller is told: fields of ``Viewer``."""

    @described("What the caller was told in the tenants in reach, newest first.")
    async def notifications(
        self,
        info: Info,
        *,
        unread_only: Annotated[bool, strawberry.argument(description="Leave out what was read.")] = False,
        first: First = 20,
        after: After = None,
    ) -> Connection[Notification]:
        asked, cursors = info.context, Cursors("notifications", info.context.caller.identity)
        page = await asked.services.notices.page(
            asked.caller, asked.reach, unread_only=unread_only, first=page_size(first), before=cursors.number(after)
        )
        asked.spend(len(page.items))
        return connection(page, cursors, after, node=Notification.of, key=lambda told: (told.number,))

    @described("How much of it was not read.")
    async def unread_notification_count(self, info: Info) -> int:
        return await info.context.services.notices.unread_count(info.context.caller, info.context.reach)

    @described("In which ways the caller is told news of a tenant, kind by kind.")
    async def notification_choices(self, info: Info, tenant_id: TenantIdArgument) -> list[NotificationChoice]:
        asked = info.context
        named = tenant_of(asked.caller, body=tenant_id_of(tenant_id), where="tenantId")
        return [NotificationChoice.of(one) for one in await asked.services.notices.choices(asked.caller, named)]


@strawberry.type(description="One message to a webhook, and what became of it.")
class WebhookDelivery:
    delivery_id: str = strawberry.field(description="The `webhook-id` of every attempt.")
    sequence: int = strawberry.field(description="Its number among the webhook's messages; there are no gaps.")
    kind: NoticeKind = strawberry.field(description="What it tells.")
    state: DeliveryState = strawberry.field(description="How far it is.")
    attempts: int = strawberry.field(description="How often it was tried.")
    status: int | None = strawberry.field(description="The HTTP status of the last answer.")
    error: str | None = strawberry.field(description="Why the last attempt came to nothing.")
    created_at: datetime = strawberry.field(description="When what it tells happened.")
    ended_at: datetime | None = strawberry.field(description="When it was sent, or given up.")

    @classmethod
    def of(cls, sent: Delivery) -> WebhookDelivery:
        return cls(
            delivery_id=sent.delivery_id,
            sequence=sent.seq,
            kind=sent.kind,
            state=sent.state,
            attempts=sent.attempts,
            status=sent.status,
            error=sent.error or None,
            created_at=sent.created_at,
            ended_at=sent.ended_at,
        )


@strawberry.type(
    description="An address that is told what happens in a tenant, signed: `webhook-signature` is `v1,` and the base64"
    " of the HMAC-SHA256 over `webhook-id`.`webhook-timestamp`.body; the key is the base64 after `whsec_`."
)
class Webhook:
    webhook_id: str = strawberry.field(description="Its id.")
    tenant_id: str = strawberry.field(description="Whose it is.")
    url: str = strawberry.field(description="The address.")
    kinds: list[NoticeKind] = strawberry.field(description="What it is told; none: everything.")
    is_enabled: bool = strawberry.field(description="Whether it is told anything.")
    created_at: datetime = strawberry.field(description="When it was made.")
    created_by: Actor = strawberry.field(description="Who made it.")
    failures_in_a_row: int = strawberry.field(description="Attempts that came to nothing since the last good one.")
    source: strawberry.Private[model.Webhook]

    @described("Its messages, newest first.")
    async def deliveries(self, info: Info, first: First = 20, after: After = None) -> Connection[WebhookDelivery]:
        asked, cursors = info.context, Cursors("deliveries", self.webhook_id)
        page = await asked.services.webhooks.deliveries(
            self.source, first=page_size(first), before=cursors.number(after)
        )
        asked.spend(len(page.items))
        return connection(page, cursors, after, node=WebhookDelivery.of, key=lambda sent: (sent.seq,))

    @classmethod
    def of(cls, webhook: model.Webhook) -> Webhook:
        return cls(
            webhook_id=webhook.webhook_id,
            tenant_id=webhook.tenant_id,
            url=webhook.url,
            kinds=list(webhook.kinds),
            is_enabled=webhook.is_enabled,
            created_at=webhook.created_at,
            created_by=Actor.of(webhook.created_by),
            failures_in_a_row=webhook.failures,
            source=webhook,
        )


@strawberry.input(description="What the caller has read.")
class MarkNotificationsReadInput:
    ids: list[strawberry.ID] = strawberry.field(description="Notifications, at most 100.")


@strawberry.input(description="In which ways the caller wants to be told.")
class SetNotificationChoiceInput:
    tenant_id: strawberry.ID = strawberry.field(description="News of this tenant.")
    kind: NoticeKind = strawberry.field(description="News of this kind.")
    in_app: bool = strawberry.field(description="As a notification here.")
    email: bool = strawberry.field(description="By mail.")

    def choice(self) -> Choice:
        return Choice(self.kind, Ways(self.in_app, self.email))


@strawberry.input(description="In which ways people of a tenant are told who chose nothing themselves.")
class SetTenantNoticesInput(SetNotificationChoiceInput):
    pass


@strawberry.input(description="A webhook to be made.")
class CreateWebhookInput:
    tenant_id: strawberry.ID = strawberry.field(description="What happens in this tenant.")
    url: str = strawberry.field(description=_HTTPS)
    kinds: list[NoticeKind] | None = strawberry.field(default=None, description=_KINDS)
    idempotency_key: str | None = strawberry.field(default=None, description=_KEY)


@strawberry.input(description="What of a webhook is to change; what is left out stays.")
class UpdateWebhookInput:
    webhook_id: strawberry.ID = strawberry.field(description="The webhook.")
    url: str | None = strawberry.field(default=None, description=_HTTPS)
    kinds: list[NoticeKind] | None = strawberry.field(default=None, description=_KINDS)
    is_enabled: bool | None = strawberry.field(default=None, description="Whether it is told anything.")
    rotate_secret: bool | None = strawberry.field(
        default=False, description="Make a new secret. The old one signs too for 24 hours."
    )
    idempotency_key: str | None = strawberry.field(default=None, description=_KEY)


@strawberry.input(description="A webhook to be dropped.")
class DeleteWebhookInput:
    webhook_id: strawberry.ID = strawberry.field(description="The webhook.")


@strawberry.input(description="A webhook to be sent a message that says nothing.")
class TestWebhookInput:
    webhook_id: strawberry.ID = strawberry.field(description="The webhook.")
    idempotency_key: str | None = strawberry.field(default=None, description=_KEY)


@strawberry.type(description="The caller, with what is left to read.")
class MarkNotificationsReadPayload:
    viewer: NoticeViewer | None = strawberry.field(
        default=None, description="The caller.", graphql_type=upward("Viewer", "tenants") | None
    )
    refusal: RefusalShown | None = strawberry.field(default=None, description=_REFUSAL)


@strawberry.type(description="The caller's choices as they are now.")
class SetNotificationChoicePayload:
    choices: list[NotificationChoice] | None = strawberry.field(default=None, description="Kind by kind.")
    refusal: RefusalShown | None = strawberry.field(default=None, description=_REFUSAL)


@strawberry.type(description="The tenant's settings as they are now.")
class SetTenantNoticesPayload:
    choices: list[NotificationChoice] | None = strawberry.field(default=None, description="Kind by kind.")
    refusal: RefusalShown | None = strawberry.field(default=None, description=_REFUSAL)


@strawberry.type(description="The webhook that was made.")
class CreateWebhookPayload:
    webhook: Webhook | None = strawberry.field(default=None, description="The webhook.")
    secret: str | None = strawberry.field(default=None, description=_SECRET)
    refusal: RefusalShown | None = strawberry.field(default=None, description=_REFUSAL)


@strawberry.type(description="The webhook as it is now.")
class UpdateWebhookPayload:
    webhook: Webhook | None = strawberry.field(default=None, description="The webhook.")
    secret: str | None = strawberry.field(default=None, description=f"{_SECRET} Null where none was made.")
    refusal: RefusalShown | None = strawberry.field(default=None, description=_REFUSAL)


@strawberry.type(description="What was dropped, with what waited for it.")
class DeleteWebhookPayload:
    webhook_id: str | None = strawberry.field(default=None, description="The id of the webhook that was.")
    refusal: RefusalShown | None = strawberry.field(default=None, description=_REFUSAL)


@strawberry.type(description="The webhook, whose deliveries show what becomes of the message.")
class TestWebhookPayload:
    webhook: Webhook | None = strawberry.field(default=None, description="The webhook.")
    refusal: RefusalShown | None = strawberry.field(default=None, description=_REFUSAL)
