"""The catalogue of another installation's hub, as the callers of this one see it (installhub.md section 10.2).

What others are told about packages (texts, stars, installs) is asked of the hub when somebody looks; what is decided
by (trust level, state, checksums, sizes, which versions there are) is that of the verified index, whatever the hub's
pages say. What is not in the index is not shown.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

from domain.access import Caller, Right
from domain.errors import ErrorCode, Refusal, refuse
from domain.market.catalogue import Artifact, Catalogue, Featured, Shown, demand_rating
from domain.market.catalogue_rows import ListingHead, ListingTexts, VersionHead
from domain.market.model import Category, ListingFilter, ListingId, ListingSort, ListingState, Offer
from domain.market.offering import instant
from domain.market.ports import Hub, HubPages, Parameters
from domain.model import TenantId, name_key
from domain.ports import Clock, Ports
from domain.rows import Page, Slice
from domain.scanning import rules_version

Tree = Mapping[str, Any]
#: a page of a package is asked for again after so long
_FRESH = timedelta(seconds=30)
_KEPT_MAX = 500
_AT_ONCE = 8
_STARS_MAX = 5
_SHOWN_STATES = frozenset({ListingState.LISTED, ListingState.DEPRECATED})
_PUBLIC = TenantId("")
#: orders whose ranks are texts
_BY_TEXT = frozenset({ListingSort.NAME, ListingSort.NEWEST})


def catalogue_of(ports: Ports) -> Catalogue:
    """The catalogue of the hub that packages come from: another installation's, else our own."""
    if ports.hub is None or ports.hub_pages is None:
        return Catalogue(ports)
    return RemoteCatalogue(ports, ports.hub, ports.hub_pages)


class RemoteCatalogue(Catalogue):
    """:class:`domain.market.catalogue.Catalogue` of a hub elsewhere. Every method may refuse with ``HubUnavailable``.

    Nobody of here is inside there: what the hub does not show to everybody is unknown.
    """

    def __init__(self, ports: Ports, hub: Hub, pages: HubPages) -> None:
        super().__init__(ports)
        self._hub = hub
        self._pages = Kept(pages, ports.clock)

    async def search_page(
        self,
        caller: Caller | None,  # noqa: ARG002 - the hub shows everybody the same
        wanted: ListingFilter,
        *,
        page: int,
        page_size: int,
    ) -> Page[Shown]:
        """Listings by page number, counted."""
        demand_rating(wanted)
        tree = await self._pages.searched({**_asked(wanted), "page": page, "pageSize": page_size})
        with reading():
            items, total = [*tree["items"]], count(tree["totalCount"])
        first = (page - 1) * page_size
        return Page(tuple(await self._listed(items, lambda place: _rank(wanted, first + place))), total)

    async def search(
        self,
        caller: Caller | None,
        wanted: ListingFilter,
        *,
        first: int,
        after: tuple[int | str, str] | None = None,
    ) -> Slice[Shown]:
        """The same, a page after the other; a rank is a place in the hub's order."""
        start = _place(after[0]) + 1 if after is not None else 0
        # the hub counts in pages: what is asked for lies in two of them at most
        number, skipped = divmod(start, first)
        found = await self.search_page(caller, wanted, page=number + 1, page_size=first)
        items = [shown for shown in found.items if _place(shown.rank) >= start]
        if skipped and found.total_count > (number + 1) * first:
            following = await self.search_page(caller, wanted, page=number + 2, page_size=first)
            items += [shown for shown in following.items if _place(shown.rank) < start + first]
        return Slice(tuple(items), has_next=found.total_count > start + first)

    async def featured(self, caller: Caller | None) -> Featured:  # noqa: ARG002 - the hub shows everybody the same
        """The front page."""
        tree = await self._pages.front()
        with reading():
            lists = [[*tree[name]] for name in ("official", "trending", "newReleases", "topRated")]
        return Featured(*[tuple(await self._listed(items, lambda _: 0)) for items in lists])

    async def shown(
        self,
        caller: Caller | None,  # noqa: ARG002 - the hub shows everybody the same
        listing_ids: Collection[str],
    ) -> dict[ListingId, Shown]:
        """Listings that the hub shows to everybody."""
        # whatever else callers name is no package, and no page that the hub is asked for
        indexed = [one for one in dict.fromkeys(listing_ids) if await self._hub.offers_of(one)]
        trees = await self._pages.packages(indexed)
        found = await self._listed([tree for tree in trees.values() if tree is not None], lambda _: 0)
        return {one.head.listing_id: one for one in found}

    async def texts(self, listings: Collection[Shown]) -> dict[ListingId, ListingTexts]:
        """Their long texts."""
        trees = await self._pages.packages([one.head.listing_id for one in listings])
        with reading():
            return {ListingId(key): _texts(tree) for key, tree in trees.items() if tree is not None}

    async def versions(self, listings: Collection[Shown]) -> dict[ListingId, list[VersionHead]]:
        """Those versions of each that may be seen, highest first."""
        trees = await self._pages.packages([one.head.listing_id for one in listings])
        offers = await self._visible(one.head.name for one in listings)
        return {
            one.head.listing_id: _versions(
                trees.get(one.head.listing_id), offers.get(one.head.listing_id, ()), one.version
            )
            for one in listings
        }

    async def artifacts(self, versions: Collection[tuple[str, str]]) -> dict[tuple[str, str], list[Artifact]]:
        """What the hub says is in the versions that it shows packages with; of others it says nothing."""
        trees = await self._pages.packages([listing_id for listing_id, _ in versions])
        with reading():
            return {
                key: _artifacts(tree)
                for key in versions
                if (tree := trees.get(key[0])) and tree.get("version") == key[1]
            }

    async def installed_versions(
        self, caller: Caller, places: Collection[tuple[str, str]]
    ) -> dict[tuple[str, str], str]:
        """Which version of a listing a tenant of the caller's has now, by listing and tenant."""
        mine = [place for place in places if caller.is_member(TenantId(place[1])) and caller.has(Right.READ_ARTIFACTS)]
        offers = {one: await self._hub.offers_of(one) for one in dict.fromkeys(place[0] for place in mine)}
        known = {one: (name_key(some[0].name), some[0].publisher_id) for one, some in offers.items() if some}
        found: dict[tuple[str, str], str] = {}
        async with self._store.platform_view() as unit:
            for tenant_id in dict.fromkeys(TenantId(place[1]) for place in mine):
                packages = await unit.of(tenant_id).imports.installed({name for name, _ in known.values()})
                versions = {(name_key(package.name), package.source): package.version for package in packages}
                found |= {
                    (listing_id, tenant_id): versions[known[listing_id]]
                    for listing_id, wanted in mine
                    if wanted == tenant_id and known.get(listing_id) in versions
                }
        return found

    async def _listed(self, items: Sequence[Any], rank: Callable[[int], int | str]) -> list[Shown]:
        """The items of a list, each as the verified index has it; what is not in there is left out."""
        with reading():
            names = [str(item["name"]) for item in items]
        offers = await self._visible(names)
        with reading():
            return [
                _shown(item, offer, rank(place))
                for place, item in enumerate(items)
                for offer in offers.get(item["packageId"], ())
                if offer.version == item["version"]
            ]

    async def _visible(self, names: Iterable[str]) -> dict[ListingId, list[Offer]]:
        """What the index offers under these names to everybody, by listing, highest version first."""
        found: dict[ListingId, list[Offer]] = {}
        for offer in await self._hub.offers_named({name_key(name) for name in names}):
            if offer.state in _SHOWN_STATES:
                found.setdefault(offer.listing_id, []).append(offer)
        return found


class Kept:
    """The hub's pages, each kept for half a minute: who looks at a package asks for several parts of its page."""

    def __init__(self, pages: HubPages, clock: Clock) -> None:
        self._pages = pages
        self._clock = clock
        self._places = asyncio.Semaphore(_AT_ONCE)
        self._kept: dict[str, tuple[datetime, Tree | None]] = {}

    async def searched(self, wanted: Parameters) -> Tree:
        """A page of a search; never kept."""
        return await self._pages.page((), wanted) or {}

    async def front(self) -> Tree:
        """The front page."""
        return await self._one("featured") or {}

    async def packages(self, listing_ids: Iterable[str]) -> dict[str, Tree | None]:
        """The pages of packages; ``None`` for what the hub does not show."""
        wanted = list(dict.fromkeys(listing_ids))
        return dict(zip(wanted, await asyncio.gather(*map(self._one, wanted)), strict=True))

    async def _one(self, path: str) -> Tree | None:
        now = self._clock.now()
        known = self._kept.get(path)
        if known is not None and now - known[0] < _FRESH:
            return known[1]
        async with self._places:
            found = await self._pages.page((path,), {})
        if len(self._kept) >= _KEPT_MAX:
            self._kept.clear()
        self._kept[path] = (now, found)
        return found


@contextmanager
def reading() -> Iterator[None]:
    """Turn what is not as documented in a hub's pages into a refusal ``HubUnavailable``."""
    try:
        yield
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        text = "The hub cannot be asked now: its pages are not as they are documented."
        raise refuse(ErrorCode.HUB_UNAVAILABLE, text, retryAfter=60) from error


def count(value: Any) -> int:
    """A count of the hub's pages, as large as both doors can tell. Raises ``ValueError``."""
    if type(value) is not int or not 0 <= value < 1 << 31:
        raise ValueError(value)
    return value


def _asked(wanted: ListingFilter) -> dict[str, str | int | float]:
    """A filter as the hub's own parameters."""
    asked = {
        "q": wanted.search,
        "category": wanted.category.wire if wanted.category else "",
        "trustLevel": ",".join(level.wire for level in wanted.trust_levels),
        "packageType": wanted.package_type.wire if wanted.package_type else "",
        "sortBy": wanted.sort.wire if wanted.sort else "",
    }
    rated = {} if wanted.min_rating is None else {"minRating": wanted.min_rating}
    return {**{name: text for name, text in asked.items() if text}, **rated}


def _rank(wanted: ListingFilter, place: int) -> int | str:
    return f"{place:09}" if wanted.order in _BY_TEXT else place


def _place(rank: int | str) -> int:
    """A place in the hub's order. Raises ``BadUserInput``: ranks come back in cursors, which callers may make up."""
    try:
        place = int(rank)
    except ValueError as error:
        raise _no_cursor() from error
    if not 0 <= place < 10**9:
        raise _no_cursor()
    return place


def _no_cursor() -> Refusal:
    return refuse(ErrorCode.BAD_USER_INPUT, "This cursor was not made by this list.", "after")


def _shown(item: Tree, offer: Offer, rank: int | str) -> Shown:
    """An item of the hub's lists. Who published it, and how far it is trusted, the index says.

    By which rules the hub scans is the hub's affair: an install is scanned here.
    """
    reviews, updated = count(item["reviewCount"]), instant(item["updatedAt"])
    head = ListingHead(
        listing_id=offer.listing_id,
        tenant_id=_PUBLIC,
        publisher_id=offer.publisher_id,
        publisher_name=offer.publisher_name,
        publisher_slug="",
        publisher_website=_text(item, "publisherUrl"),
        name=offer.name,
        package_type=offer.package_type,
        category=Category(item["category"]),
        tags=tuple(map(str, item["tags"])),
        description=_text(item, "description"),
        trust_level=offer.trust_level,
        state=offer.state,
        state_reason=offer.state_reason,
        latest_version=offer.version,
        install_count=count(item["installCount"]),
        rating_sum=round(_stars(item["rating"]) * reviews),
        review_count=reviews,
        created_at=instant(item.get("createdAt") or item["updatedAt"]),
        updated_at=updated,
    )
    scanned = instant(item.get("securityScannedAt") or item["updatedAt"])
    version = VersionHead(
        **_of_the_index(offer),
        is_breaking=False,
        changelog="",
        scan_result=_text(item, "securityScanResult"),
        scanned_at=scanned,
        rules_version=rules_version(),
    )
    return Shown(head, version, is_inside=False, rank=rank)


def _versions(tree: Tree | None, offers: Iterable[Offer], latest: VersionHead) -> list[VersionHead]:
    """Offers as versions; of their scans is known that they let them pass, or they would not be offered."""
    with reading():
        breaking = {str(row["version"]) for row in (tree or {}).get("versions", ()) if row["breakingChange"] is True}
    return [
        VersionHead(
            **_of_the_index(offer),
            is_breaking=offer.version in breaking,
            changelog="",
            scan_result=latest.scan_result,
            scanned_at=latest.scanned_at,
            rules_version=rules_version(),
        )
        for offer in offers
    ]


def _of_the_index(offer: Offer) -> dict[str, Any]:
    return {
        "listing_id": offer.listing_id,
        "version": offer.version,
        "state": offer.state,
        "state_reason": offer.state_reason,
        "replaced_by": offer.replaced_by,
        "published_at": offer.published_at,
        "content_checksum": offer.content_checksum,
        "size_bytes": offer.size_bytes,
        "artifact_count": offer.artifact_count,
        "platform_version": offer.platform_version,
    }


def _texts(tree: Tree) -> ListingTexts:
    return ListingTexts(
        long_description=_text(tree, "longDescription"),
        license=_text(tree, "license"),
        homepage=_text(tree, "homepage"),
        screenshots=tuple(map(str, tree["screenshots"])),
    )


def _artifacts(tree: Tree) -> list[Artifact]:
    return [Artifact(row["type"], "", row["name"], row["version"]) for row in tree["artifacts"]]


def _stars(rating: Any) -> float:
    """A mean of one to five stars; 0 where there are no reviews."""
    found = 0.0 if rating is None else float(rating)
    if not 0 <= found <= _STARS_MAX:
        raise ValueError(rating)
    return found


def _text(tree: Tree, name: str) -> str:
    value = tree.get(name) or ""
    if not isinstance(value, str):
        raise TypeError(name)
    return value
