"""What one operation has looked up in the catalogue: each thing once, and many things together (see ``lookups``)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from domain.access import Caller
from domain.import_model import InstalledPackage
from domain.market.catalogue import Artifact, Shown
from domain.market.catalogue_rows import ListingTexts, Subscription, VersionHead
from domain.market.model import Review
from domain.market.review_rows import ReviewSort
from domain.rows import Slice
from domain.services import Services
from resolvers.lookups import Loader, alike, loader

#: a page of a listing's reviews
ReviewPage = tuple[str, ReviewSort, int, tuple[str, int] | None]


class MarketLookups:
    """:class:`schema.market_context.CatalogueContext`."""

    def __init__(self, services: Services, caller: Caller) -> None:
        self._services, self._caller = services, caller
        catalogue = services.catalogue
        self._listings: Loader[str, Shown | None] = loader(lambda ids: catalogue.shown(caller, ids))
        self._texts: Loader[Shown, ListingTexts | None] = loader(self._texts_of)
        self._versions: Loader[Shown, list[VersionHead] | None] = loader(self._versions_of)
        self._artifacts: Loader[tuple[str, str], list[Artifact] | None] = loader(catalogue.artifacts)
        self._reviews: Loader[ReviewPage, Slice[Review] | None] = loader(self._reviews_of)
        self._stars: Loader[str, Mapping[int, int] | None] = loader(services.reviews.distributions)
        self._installed: Loader[tuple[str, str], str | None] = loader(
            lambda places: catalogue.installed_versions(caller, places)
        )
        self._subscriptions: Loader[str, list[Subscription] | None] = loader(
            lambda ids: services.updates.subscriptions(caller, ids)
        )
        self._available: Loader[InstalledPackage, str | None] = loader(services.updates.available)

    async def listing(self, listing_id: str) -> Shown | None:
        return await self._listings.load(listing_id)

    async def texts(self, listing: Shown) -> ListingTexts:
        return await self._texts.load(listing) or ListingTexts("", "", "", ())

    async def versions(self, listing: Shown) -> Sequence[VersionHead]:
        return await self._versions.load(listing) or ()

    async def artifacts(self, listing_id: str, version: str) -> Sequence[Artifact]:
        return await self._artifacts.load((listing_id, version)) or ()

    async def reviews(
        self, listing: Shown, sort: ReviewSort, *, first: int, after: tuple[str, int] | None
    ) -> Slice[Review]:
        page = await self._reviews.load((listing.head.listing_id, sort, first, after))
        return page or Slice((), has_next=False)

    async def stars(self, listing: Shown) -> Mapping[int, int]:
        return await self._stars.load(listing.head.listing_id) or {}

    async def installed_version(self, listing: Shown, tenant_id: str) -> str | None:
        return await self._installed.load((listing.head.listing_id, tenant_id))

    async def is_subscribed(self, listing: Shown, tenant_id: str) -> bool:
        there = await self._subscriptions.load(listing.head.listing_id) or ()
        return tenant_id in {subscription.tenant_id for subscription in there}

    async def available(self, package: InstalledPackage) -> str | None:
        return await self._available.load(package)

    async def _texts_of(self, listings: list[Shown]) -> dict[Shown, ListingTexts]:
        found = await self._services.catalogue.texts(listings)
        return {one: found[one.head.listing_id] for one in listings if one.head.listing_id in found}

    async def _versions_of(self, listings: list[Shown]) -> dict[Shown, list[VersionHead]]:
        found = await self._services.catalogue.versions(listings)
        return {one: found[one.head.listing_id] for one in listings}

    async def _reviews_of(self, pages: list[ReviewPage]) -> dict[ReviewPage, Slice[Review]]:
        found: dict[ReviewPage, Slice[Review]] = {}
        for (sort, first, after), keys in alike(pages, 1, 2, 3):
            ids = [key[0] for key in keys]
            reviews = await self._services.reviews.published(ids, sort, first=first, after=after)
            found |= {(listing_id, sort, first, after): page for listing_id, page in reviews.items()}
        return found
