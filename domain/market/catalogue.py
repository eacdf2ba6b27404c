"""Looking for packages: search, front page, and the page of a listing (installhub.md section 10.2).

Everybody sees what is listed or deprecated and has a version that passed a scan by the rules of today (security.md
section 3.3). What is unlisted, suspended or has no such version is seen by its publisher's people, by those who run the
market, and by tenants that installed it; to all others it is as unknown as what never was. Only of what waits to be
scanned again, because the rules changed, everybody is told so. Callers are ``None`` where nobody signed in.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cmp_to_key
from typing import Any

from domain import versions
from domain.access import Caller, Right
from domain.errors import ErrorCode, Refusal, refuse
from domain.market.catalogue_rows import CatalogueRows, ListingHead, ListingTexts, VersionHead
from domain.market.model import ListingFilter, ListingId, ListingState
from domain.market.standing import OFFERED
from domain.model import TenantId
from domain.ports import Ports
from domain.rows import Page, Slice

FEATURED_MAX = 10
STARS_MAX = 5
#: what waits for a scan by new rules is worth another look after so long
RESCAN_SECONDS = 30
_PASSED = frozenset({"PASS", "WARN"})
_by_version = cmp_to_key(versions.compare)


@dataclass(frozen=True, slots=True)
class Shown:
    """A listing as a caller sees it.

    ``version`` is the one it is shown with: the latest, or the highest where nothing can be installed anew.
    ``is_inside``: the caller sees versions that were taken back, too. ``rank`` is its place in a search.
    """

    head: ListingHead
    version: VersionHead
    is_inside: bool
    rank: int | str = 0

    @property
    def is_deprecated(self) -> bool:
        """Whether it wears the badge: it or the version it is shown with is deprecated."""
        return ListingState.DEPRECATED in {self.head.state, self.version.state}


@dataclass(frozen=True, slots=True)
class Featured:
    """The front page: at most ten listings each (installhub.md section 10.2)."""

    official: tuple[Shown, ...]
    #: by the installs of the last 30 days
    trending: tuple[Shown, ...]
    #: with a version of the last 14 days
    new_releases: tuple[Shown, ...]
    #: with at least five reviews
    top_rated: tuple[Shown, ...]


@dataclass(frozen=True, slots=True)
class Artifact:
    """What a manifest says of one artifact of a version."""

    artifact_type: str
    artifact_id: str
    name: str
    version: str


class Catalogue:
    """What is offered, as callers may see it."""

    def __init__(self, ports: Ports) -> None:
        self._store = ports.store
        self._clock = ports.clock

    async def search_page(
        self, caller: Caller | None, wanted: ListingFilter, *, page: int, page_size: int
    ) -> Page[Shown]:
        """Listings by page number, counted. Raises ``BadUserInput`` for a rating that there is not."""
        demand_rating(wanted)
        async with self._store.platform_view() as unit:
            found = await unit.catalogue.search_page(wanted, self._clock.now(), page=page, page_size=page_size)
            ranks = {hit.head.listing_id: hit.rank for hit in found.items}
            shown = await _shown(unit.catalogue, caller, [hit.head for hit in found.items], ranks)
        return Page(tuple(shown.values()), found.total_count)

    async def search(
        self,
        caller: Caller | None,
        wanted: ListingFilter,
        *,
        first: int,
        after: tuple[int | str, str] | None = None,
    ) -> Slice[Shown]:
        """The same, a page after the other: ``after`` is the rank and the id of the last one seen."""
        demand_rating(wanted)
        async with self._store.platform_view() as unit:
            found = await unit.catalogue.search(wanted, self._clock.now(), first=first, after=after)
            ranks = {hit.head.listing_id: hit.rank for hit in found.items}
            shown = await _shown(unit.catalogue, caller, [hit.head for hit in found.items], ranks)
        return Slice(tuple(shown.values()), has_next=found.has_next)

    async def featured(self, caller: Caller | None) -> Featured:
        """The front page."""
        async with self._store.platform_view() as unit:
            found = await unit.catalogue.featured(self._clock.now(), most=FEATURED_MAX)
            lists = (found.official, found.trending, found.new_releases, found.top_rated)
            heads = await unit.catalogue.heads({listing_id for ids in lists for listing_id in ids})
            shown = await _shown(unit.catalogue, caller, list(heads.values()))
        return Featured(*(tuple(shown[one] for one in ids if one in shown) for ids in lists))

    async def shown(self, caller: Caller | None, listing_ids: Collection[str]) -> dict[ListingId, Shown]:
        """Listings that the caller may see, in any state."""
        async with self._store.platform_view() as unit:
            heads = await unit.catalogue.heads(listing_ids)
            return await _shown(unit.catalogue, caller, list(heads.values()))

    async def get(self, caller: Caller | None, listing_id: str) -> Shown:
        """A listing. Raises ``NotFound``, and ``RescanPending`` for what waits to be scanned by new rules."""
        shown = await self.shown(caller, [listing_id])
        if not shown:
            await self.demand_scanned(listing_id)
            raise no_listing()
        return shown[ListingId(listing_id)]

    async def demand_scanned(self, listing_id: str) -> None:
        """Refuse with ``RescanPending`` a listing that was open to everybody until the rules of scans changed."""
        async with self._store.platform_view() as unit:
            heads = await unit.catalogue.heads([listing_id])
            known = await unit.catalogue.versions(heads)
        is_waiting = any(
            head.state in OFFERED and any(_waits(version) for version in known.get(head.listing_id, ()))
            for head in heads.values()
        )
        if is_waiting:
            text = "The rules of the security scan changed. This package is shown again once it was scanned by them."
            raise refuse(ErrorCode.RESCAN_PENDING, text, "packageId", retryAfter=RESCAN_SECONDS)

    async def texts(self, listings: Collection[Shown]) -> dict[ListingId, ListingTexts]:
        """Their long texts."""
        async with self._store.platform_view() as unit:
            return await unit.catalogue.texts([one.head.listing_id for one in listings])

    async def versions(self, listings: Collection[Shown]) -> dict[ListingId, list[VersionHead]]:
        """The versions of each that its caller sees, highest first."""
        async with self._store.platform_view() as unit:
            found = await unit.catalogue.versions([one.head.listing_id for one in listings])
        return {
            one.head.listing_id: _falling(
                version for version in found.get(one.head.listing_id, ()) if one.is_inside or is_offered(version)
            )
            for one in listings
        }

    async def artifacts(self, versions: Collection[tuple[str, str]]) -> dict[tuple[str, str], list[Artifact]]:
        """What is in versions at hand, by listing and version, in the order of the manifests."""
        async with self._store.platform_view() as unit:
            manifests = await unit.catalogue.manifests(versions)
        return {key: [_artifact(row) for row in manifest["artifacts"]] for key, manifest in manifests.items()}

    async def installed_versions(
        self, caller: Caller, places: Collection[tuple[str, str]]
    ) -> dict[tuple[str, str], str]:
        """Which version of a listing a tenant of the caller's has now, by listing and tenant."""
        mine = [place for place in places if caller.is_member(TenantId(place[1])) and caller.has(Right.READ_ARTIFACTS)]
        async with self._store.platform_view() as unit:
            return await unit.catalogue.installed_versions(mine)


async def seen(rows: CatalogueRows, caller: Caller, listing_id: str) -> Shown:
    """A listing that the caller may see, inside a unit; or ``NotFound``."""
    heads = await rows.heads([listing_id])
    shown = await _shown(rows, caller, list(heads.values()))
    if not shown:
        raise no_listing()
    return shown[ListingId(listing_id)]


def no_listing() -> Refusal:
    """The refusal of what nobody knows, or the caller must not know."""
    return refuse(ErrorCode.NOT_FOUND, "There is no such package in the marketplace.", "packageId", what="package")


def is_offered(version: VersionHead) -> bool:
    """Whether everybody may see a version: it is listed or deprecated, and a scan of today let it pass (X24)."""
    return version.state in OFFERED and version.scan_result in _PASSED and not version.is_rescan_pending


def _waits(version: VersionHead) -> bool:
    """Whether the rules of today alone are missing."""
    return version.state in OFFERED and version.scan_result in _PASSED and version.is_rescan_pending


async def _shown(
    rows: CatalogueRows,
    caller: Caller | None,
    heads: Sequence[ListingHead],
    ranks: Mapping[ListingId, int | str] | None = None,
) -> dict[ListingId, Shown]:
    """Those that the caller may see, in the same order: two questions for all of them, three for who signed in."""
    ids = [head.listing_id for head in heads]
    known = await rows.versions(ids, shown_only=True)
    insiders = await _inside(rows, caller, heads) if caller is not None else set()
    found: dict[ListingId, Shown] = {}
    for head in heads:
        is_inside = head.listing_id in insiders
        offered = _falling(version for version in known.get(head.listing_id, ()) if is_offered(version))
        is_open = head.state in OFFERED and bool(offered)
        visible = offered if is_open else _falling(known.get(head.listing_id, ()))
        if visible and (is_open or is_inside):
            rank = (ranks or {}).get(head.listing_id, 0)
            found[head.listing_id] = Shown(head, visible[0], is_inside, rank)
    return found


async def _inside(rows: CatalogueRows, caller: Caller, heads: Sequence[ListingHead]) -> set[ListingId]:
    ours = {head.listing_id for head in heads if caller.has(Right.RUN_MARKET) or caller.is_member(head.tenant_id)}
    others = [head.listing_id for head in heads if head.listing_id not in ours]
    return ours | await rows.installed_by(others, caller.reach)


def _falling(found: Iterable[VersionHead]) -> list[VersionHead]:
    """Highest first; of versions that only differ in their build, the later one."""
    return sorted(found, key=lambda one: (_by_version(one.version), one.published_at, one.version), reverse=True)


def _artifact(row: Mapping[str, Any]) -> Artifact:
    return Artifact(row["type"], row["id"], row["name"], row["version"])


def demand_rating(wanted: ListingFilter) -> None:
    """Refuse with ``BadUserInput`` a rating that there is not."""
    if wanted.min_rating is not None and not 0 <= wanted.min_rating <= STARS_MAX:
        raise refuse(ErrorCode.BAD_USER_INPUT, f"minRating is a number from 0 to {STARS_MAX}.", "minRating")
