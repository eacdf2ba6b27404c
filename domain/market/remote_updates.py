"""New versions of packages that another installation's hub offers (installhub.md section 10.2).

Who wants to hear of them is kept here; what is new is read out of the hub's verified index, which is read anyway.
A tenant is told of a version once: in the transaction that notes it as told, and never of an older one.
"""

from __future__ import annotations

from collections.abc import Sequence

from domain import versions
from domain.access import Caller
from domain.errors import Refusal
from domain.market.catalogue import no_listing
from domain.market.catalogue_rows import Subscription
from domain.market.model import ListingId, Offer
from domain.market.own_hub import hub_of
from domain.market.remote_rows import Watched
from domain.market.standing import OFFERED
from domain.market.updates import Updates, latest_offer
from domain.model import TenantId
from domain.ports import Ports
from domain.tenancy import active_tenant, entry_of, mark_platform_use

#: how many subscriptions are looked at together
_PORTION = 200


def updates_of(ports: Ports) -> Updates:
    """The updates of the hub that packages come from: another installation's, else our own."""
    return Updates(ports) if ports.hub_pages is None else RemoteUpdates(ports)


class RemoteUpdates(Updates):
    """:class:`domain.market.updates.Updates` of a hub elsewhere. Every method may refuse with ``HubUnavailable``."""

    async def subscribe(self, caller: Caller, tenant_id: TenantId, listing_id: str) -> Subscription:
        """Let a tenant hear of new versions of a listing elsewhere, from the one on that is the latest now."""
        now, offers = self._clock.now(), await self._hub.offers_of(listing_id)
        if not any(offer.state in OFFERED for offer in offers):
            raise no_listing()
        latest = latest_offer(offers)
        async with self._store.platform_unit() as unit:
            await active_tenant(unit.tenants, tenant_id)
            wanted = Subscription(ListingId(listing_id), tenant_id, now, caller.actor, caller.identity)
            entry = entry_of(caller, tenant_id, "market.subscribed", {"listingId": listing_id}, at=now)
            await mark_platform_use(unit.of(tenant_id), caller, entry)
            return await unit.remote.subscribe(wanted, offers[0].name, latest.version if latest else "")

    async def unsubscribe(self, caller: Caller, tenant_id: TenantId, listing_id: str) -> None:
        """Let a tenant hear nothing more; what it never heard of is no error."""
        entry = entry_of(caller, tenant_id, "market.unsubscribed", {"listingId": listing_id}, at=self._clock.now())
        async with self._store.platform_unit() as unit:
            await unit.remote.unsubscribe(listing_id, tenant_id)
            await mark_platform_use(unit.of(tenant_id), caller, entry)

    async def subscriptions(self, caller: Caller, listing_ids: list[str]) -> dict[ListingId, list[Subscription]]:
        """The subscriptions of the caller's tenants."""
        async with self._store.platform_view() as unit:
            return await unit.remote.subscriptions(listing_ids, caller.reach)


class RemoteNews:
    """Tells tenants what is new at a hub elsewhere. Any number may try; nothing to do where the hub is our own."""

    def __init__(self, ports: Ports) -> None:
        self._store = ports.store
        self._hub = hub_of(ports)
        self._is_elsewhere = ports.hub is not None

    async def tell(self) -> int:
        """Look at everything that somebody subscribed to; how many tenants were told of a version.

        A hub that cannot be asked has no news.
        """
        after, told = ("", ""), 0
        while self._is_elsewhere and (some := await self._some(after)):
            try:
                told += await self._tell(some)
            except Refusal:
                break
            after = (some[-1].listing_id, some[-1].tenant_id)
        return told

    async def _some(self, after: tuple[str, str]) -> list[Watched]:
        async with self._store.platform_view() as view:
            return await view.remote.watched(after, most=_PORTION)

    async def _tell(self, watched: Sequence[Watched]) -> int:
        latest = {
            listing_id: latest_offer(await self._hub.offers_of(listing_id))
            for listing_id in dict.fromkeys(one.listing_id for one in watched)
        }
        news = [(one, offer) for one in watched if (offer := latest[one.listing_id]) and _is_news(offer, one)]
        if not news:
            return 0
        told = 0
        async with self._store.platform_unit() as unit:
            for one, offer in news:
                if await unit.remote.note_told(one, offer.version):
                    await unit.of(one.tenant_id).imports.post("market.update", _message(one, offer))
                    told += 1
        return told


def _is_news(offer: Offer, watched: Watched) -> bool:
    before = watched.told_version
    return not before or versions.compare(offer.version, before) > 0


def _message(watched: Watched, offer: Offer) -> dict[str, object]:
    """As our own hub words it; the index does not say whether a version breaks, so a major one is taken to."""
    before = watched.told_version
    return {
        "listingId": offer.listing_id,
        "packageName": offer.name,
        "version": offer.version,
        "isBreaking": bool(before) and versions.is_major_upgrade(before, offer.version),
    }
