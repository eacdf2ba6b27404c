"""What a platform unit remembers of the hub's index: our own, and what we believed of another's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from domain.market.index import HubMetadata
from domain.market.model import Offer
from domain.model import BlobKey


@dataclass(frozen=True, slots=True)
class HubContent:
    """The bytes of an offered version: where they lie, their hash and how many they are."""

    blob_key: BlobKey
    bundle_sha256: str
    size_bytes: int


class HubRows(Protocol):
    """The hub's index (design: ``domain.market.index``)."""

    async def offers(self, after: str) -> tuple[Sequence[Offer], str | None]:
        """A portion of all offers, in any state, and where the next one begins (``None``: nowhere)."""

    async def content(self, listing_id: str, version: str) -> HubContent | None:
        """Where a version's bytes lie."""

    async def newest(self) -> Mapping[str, HubMetadata]:
        """The newest metadata of our own hub, by role."""

    async def metadata(self, role: str, version: int | None) -> str | None:
        """One version of a role's metadata of our own hub; the newest for ``None``."""

    async def versions(self) -> Sequence[tuple[str, int]]:
        """Every version that is kept, by role."""

    async def lock(self) -> None:
        """Wait until nobody else publishes, and let nobody until this unit's end."""

    async def add(self, made: Sequence[HubMetadata]) -> None:
        """Publish further versions, all of them at the commit."""

    async def forget(self, superseded_before: datetime) -> int:
        """Drop versions that newer ones replaced before this time; those of root are kept for ever."""

    async def trusted(self, hub: str) -> Mapping[str, HubMetadata]:
        """What this installation verified last of another's hub, by role."""

    async def trusted_versions(self, hub: str) -> Mapping[str, int]:
        """Of which versions that is."""

    async def trust(self, hub: str, verified: Sequence[HubMetadata], *, known: Mapping[str, int]) -> None:
        """Remember what was verified over what was ``known``, unless a newer version was remembered meanwhile.

        Over a version that was known a lower one is verified only when the root no longer counts on its keys.
        """
