"""What a tenant has of the marketplace, and what it hears of it, over REST (installhub.md section 10.2)."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from domain.access import Right
from domain.errors import refuse_if
from domain.model import TenantId
from rest_compat import catalogue_bodies
from rest_compat.asking import Asked, Body, admitted, read_body, signed_in
from rest_compat.catalogue_shapes import InstalledFromMarketPage, SubscriptionStanding
from rest_compat.dialect import answer
from rest_compat.installs import PREFIX
from rest_compat.operations import JSON, Admits, Answer, Operation
from rest_compat.parameters import PAGES, TENANT
from rest_compat.querying import Query, numbered, tenant_in
from rest_compat.wishes import Name

_DONE = 200


class SubscriptionBody(Body):
    tenant_id: Name | None = None


async def installed_from_market(request: Request) -> Response:
    asked = await admitted(request, Right.READ_ARTIFACTS)
    query = Query(request)
    page, tenant_id = query.page(), tenant_in(asked, query)
    query.checked()
    found = await asked.services.updates.installed(asked.caller, tenant_id, page=page.number, page_size=page.size)
    return answer(numbered([catalogue_bodies.installed(one) for one in found.items], found.total_count, page))


async def subscribe(request: Request) -> Response:
    asked, tenant_id = await _meant(request)
    kept = await asked.services.updates.subscribe(asked.caller, tenant_id, asked.id_in_path("packageId"))
    return answer(catalogue_bodies.subscribed(kept))


async def unsubscribe(request: Request) -> Response:
    asked, tenant_id = await _meant(request)
    listing_id = asked.id_in_path("packageId")
    await asked.services.updates.unsubscribe(asked.caller, tenant_id, listing_id)
    return answer(catalogue_bodies.unsubscribed(listing_id, tenant_id))


async def _meant(request: Request) -> tuple[Asked, TenantId]:
    asked = await signed_in(request)
    read = await read_body(request, SubscriptionBody)
    tenant_id = asked.tenant(read.tree, "tenantId", read.problems)
    refuse_if(read.problems)
    return asked, tenant_id


SUBSCRIPTION_OPERATIONS = (
    Operation(
        method="GET",
        path=f"{PREFIX}/installed",
        endpoint=installed_from_market,
        summary="List what a tenant has from the marketplace, and what is newer",
        right=Right.READ_ARTIFACTS,
        answers={_DONE: Answer("Packages, by name.", {JSON: InstalledFromMarketPage})},
        parameters=(TENANT, *PAGES),
        source="installhub.md section 10.2",
    ),
    Operation(
        method="POST",
        path=f"{PREFIX}/packages/{{packageId}}/subscribe",
        endpoint=subscribe,
        summary="Hear of a package's new versions",
        right=Admits.SIGNED_IN,
        answers={_DONE: Answer("The tenant hears of new versions.", {JSON: SubscriptionStanding})},
        takes={JSON: SubscriptionBody},
        source="installhub.md section 10.2",
    ),
    Operation(
        method="POST",
        path=f"{PREFIX}/packages/{{packageId}}/unsubscribe",
        endpoint=unsubscribe,
        summary="Hear of no more new versions",
        right=Admits.SIGNED_IN,
        answers={_DONE: Answer("The tenant hears of none.", {JSON: SubscriptionStanding})},
        takes={JSON: SubscriptionBody},
        source="decisions section 9.3",
    ),
)
