"""The hub that is part of this installation: what its publishers list, without a way through the network."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Collection, Sequence

from domain.errors import ErrorCode, refuse
from domain.market.index import TARGETS
from domain.market.model import Offer
from domain.market.ports import Hub
from domain.market.resolving import newest_first
from domain.ports import Blobs, Ports, Store


def hub_of(ports: Ports) -> Hub:
    """The hub that installs come from: another installation's, else our own."""
    return ports.hub or OwnHub(ports.store, ports.blobs)


class OwnHub:
    """:class:`domain.market.ports.Hub` over the rows and blobs of this installation."""

    def __init__(self, store: Store, blobs: Blobs) -> None:
        self._store = store
        self._blobs = blobs

    async def renew(self) -> None:
        """Nothing to do: the rows are the index."""

    async def index_version(self) -> int:
        """That of the list of packages as it was published last: what the rows say beyond it comes with the next."""
        async with self._store.platform_view() as unit:
            versions = await unit.hub_rows.versions()
        return max((version for role, version in versions if role == TARGETS), default=0)

    async def offers_of(self, listing_id: str) -> Sequence[Offer]:
        """Every version of a listing."""
        async with self._store.platform_view() as unit:
            return newest_first(await unit.offers.of_listing(listing_id))

    async def offers_named(self, name_keys: Collection[str]) -> Sequence[Offer]:
        """Every version of the listings with these name keys."""
        async with self._store.platform_view() as unit:
            found = await unit.offers.named(name_keys)
        return await asyncio.to_thread(newest_first, found)

    async def read(self, offer: Offer, *, start: int = 0) -> AsyncGenerator[bytes]:
        """The bytes of a version, from ``start`` on. Raises ``HubContentRefused`` when they are gone."""
        async with self._store.platform_view() as unit:
            key = await unit.offers.blob(offer.listing_id, offer.version)
        gone = refuse(ErrorCode.HUB_CONTENT_REFUSED, f"The bytes of {offer.full_name} are not kept here any more.")
        if key is None:
            raise gone
        try:
            async for chunk in self._blobs.read(key, start=start):
                yield chunk
        except FileNotFoundError as error:
            raise gone from error
