"""What the types of the catalogue need of the operation in which they are answered (see ``context``)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from domain.import_model import InstalledPackage
from domain.market.catalogue import Artifact, Shown
from domain.market.catalogue_rows import ListingTexts, VersionHead
from domain.market.model import Review
from domain.market.review_rows import ReviewSort
from domain.rows import Slice


class CatalogueContext(Protocol):
    """Lookups of the catalogue, each asked once an operation, and those of a list's members together."""

    async def listing(self, listing_id: str) -> Shown | None:
        """A listing that the caller may see."""

    async def texts(self, listing: Shown) -> ListingTexts:
        """Its long texts."""

    async def versions(self, listing: Shown) -> Sequence[VersionHead]:
        """The versions that the caller sees, highest first."""

    async def artifacts(self, listing_id: str, version: str) -> Sequence[Artifact]:
        """What is in a version at hand."""

    async def reviews(
        self, listing: Shown, sort: ReviewSort, *, first: int, after: tuple[str, int] | None
    ) -> Slice[Review]:
        """A page of its published reviews."""

    async def stars(self, listing: Shown) -> Mapping[int, int]:
        """How many published reviews give how many stars."""

    async def installed_version(self, listing: Shown, tenant_id: str) -> str | None:
        """Which version a tenant of the caller's has."""

    async def is_subscribed(self, listing: Shown, tenant_id: str) -> bool:
        """Whether a tenant of the caller's hears of new versions."""

    async def available(self, package: InstalledPackage) -> str | None:
        """A higher version of an installed package at hand."""
