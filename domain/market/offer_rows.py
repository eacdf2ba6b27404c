"""What a unit remembers about offers, for the embedded hub (see ``domain.ports``)."""

from __future__ import annotations

from collections.abc import Collection
from typing import Protocol

from domain.market.model import Offer
from domain.model import BlobKey


class OfferRows(Protocol):
    """Versions of listings, as installs see them: in every state, whatever the listing's or publisher's forbids."""

    async def of_listing(self, listing_id: str) -> list[Offer]:
        """Those of one listing, the latest published first."""

    async def named(self, name_keys: Collection[str]) -> list[Offer]:
        """Those of the listings with these name keys."""

    async def blob(self, listing_id: str, version: str) -> BlobKey | None:
        """Where a version's bytes lie."""
