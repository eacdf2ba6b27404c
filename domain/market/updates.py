"""What a tenant has of the marketplace, what is newer, and whether it hears of that (installhub.md section 10.2).

Tenants are never brought to a new version by themselves; they are told of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from domain import versions
from domain.access import Caller, Right, require
from domain.import_model import InstalledPackage
from domain.market.catalogue import seen
from domain.market.catalogue_rows import Subscription
from domain.market.model import ListingId, ListingState, Offer
from domain.market.own_hub import hub_of
from domain.model import TenantId, name_key
from domain.ports import Ports
from domain.rows import Page
from domain.tenancy import active_tenant, entry_of, mark_platform_use


@dataclass(frozen=True, slots=True)
class InstalledUpdate:
    """A package that a tenant has from the marketplace, beside what is offered now.

    ``latest_version`` is the highest listed one that is no pre-release, empty where there is none; ``offer`` the
    installed version's own, ``None`` when the hub does not know it.
    """

    package: InstalledPackage
    listing_id: ListingId
    latest_version: str
    offer: Offer | None

    @property
    def is_available(self) -> bool:
        """Whether there is a higher version to install."""
        return bool(self.latest_version) and versions.compare(self.latest_version, self.package.version) > 0

    @property
    def is_breaking(self) -> bool:
        """Whether the higher version jumps over a major one."""
        return self.is_available and versions.is_major_upgrade(self.package.version, self.latest_version)

    @property
    def is_deprecated(self) -> bool:
        """Whether the version that is there is deprecated: it should be replaced."""
        return self.offer is not None and self.offer.state is ListingState.DEPRECATED


class Updates:
    """Installed packages beside what the hub offers, and subscriptions."""

    def __init__(self, ports: Ports) -> None:
        self._store = ports.store
        self._clock = ports.clock
        self._hub = hub_of(ports)

    async def installed(
        self, caller: Caller, tenant_id: TenantId, *, page: int, page_size: int
    ) -> Page[InstalledUpdate]:
        """A tenant's packages that came from the marketplace, by name.

        Raises ``InsufficientPermission``; ``HubUnavailable`` where another installation's hub was never reached.
        """
        require(caller, Right.READ_ARTIFACTS)
        async with self._store.view(tenant_id) as unit:
            packages = await unit.imports.installed()
        found = list((await self._standing(packages)).values())
        start = (page - 1) * page_size
        return Page(tuple(found[start : start + page_size]), len(found))

    async def available(self, packages: Sequence[InstalledPackage]) -> dict[InstalledPackage, str]:
        """The latest version of packages at hand that came from the marketplace, where it is a higher one."""
        standing = await self._standing(packages)
        return {package: update.latest_version for package, update in standing.items() if update.is_available}

    async def _standing(self, packages: Sequence[InstalledPackage]) -> dict[InstalledPackage, InstalledUpdate]:
        """Those that came from the marketplace: the publisher and the name are a listing's (R4)."""
        offers: dict[tuple[str, str], list[Offer]] = {}
        for offer in await self._hub.offers_named({name_key(package.name) for package in packages}):
            offers.setdefault((offer.publisher_id, name_key(offer.name)), []).append(offer)
        origins = {package: offers.get((package.source, name_key(package.name))) for package in packages}
        return {package: _update(package, found) for package, found in origins.items() if found}

    async def subscribe(self, caller: Caller, tenant_id: TenantId, listing_id: str) -> Subscription:
        """Let a tenant hear of new versions; again gives the subscription that is there. A member's to do.

        Raises ``InvalidTenantId`` and ``NotFound``.
        """
        now = self._clock.now()
        async with self._store.platform_unit() as unit:
            await active_tenant(unit.tenants, tenant_id)
            await seen(unit.catalogue, caller, listing_id)
            wanted = Subscription(ListingId(listing_id), tenant_id, now, caller.actor, caller.identity)
            entry = entry_of(caller, tenant_id, "market.subscribed", {"listingId": listing_id}, at=now)
            await mark_platform_use(unit.of(tenant_id), caller, entry)
            return await unit.catalogue.subscribe(wanted)

    async def unsubscribe(self, caller: Caller, tenant_id: TenantId, listing_id: str) -> None:
        """Let a tenant hear nothing more; what it never heard of is no error."""
        now = self._clock.now()
        async with self._store.platform_unit() as unit:
            await unit.catalogue.unsubscribe(listing_id, tenant_id)
            entry = entry_of(caller, tenant_id, "market.unsubscribed", {"listingId": listing_id}, at=now)
            await mark_platform_use(unit.of(tenant_id), caller, entry)

    async def subscriptions(self, caller: Caller, listing_ids: list[str]) -> dict[ListingId, list[Subscription]]:
        """The subscriptions of the caller's tenants."""
        async with self._store.platform_view() as unit:
            return await unit.catalogue.subscriptions(listing_ids, caller.reach)


def latest_offer(offers: Sequence[Offer]) -> Offer | None:
    """The highest listed version that is no pre-release, of a listing's offers, the highest version first."""
    listed = (one for one in offers if one.state is ListingState.LISTED and not versions.is_prerelease(one.version))
    return next(listed, None)


def _update(package: InstalledPackage, offers: Sequence[Offer]) -> InstalledUpdate:
    """``offers`` are those of its listing, the highest version first."""
    latest = latest_offer(offers)
    own = next((one for one in offers if one.version == package.version), None)
    return InstalledUpdate(package, offers[0].listing_id, latest.version if latest else "", own)
