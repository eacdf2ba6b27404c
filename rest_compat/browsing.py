"""Looking for packages over REST: search, front page, a package and its versions (installhub.md section 10.2)."""

from __future__ import annotations

from collections.abc import Mapping

from starlette.requests import Request
from starlette.responses import Response

from domain.access import Caller
from domain.errors import ErrorCode
from domain.market.catalogue import STARS_MAX, Catalogue, Shown
from domain.market.model import Category, ListingFilter, ListingSort, TrustLevel
from domain.model import PackageType
from domain.services import Services
from rest_compat import catalogue_bodies
from rest_compat.asking import id_in_path, visitor
from rest_compat.catalogue_shapes import CataloguePage, FeaturedPackages, MarketPackage, PackageVersions
from rest_compat.dialect import answer
from rest_compat.installs import PREFIX
from rest_compat.operations import JSON, Admits, Answer, Operation, Parameter
from rest_compat.parameters import PAGES
from rest_compat.querying import PAGE_SIZE_MAX, Query, numbered

#: items of a page, unless the caller says otherwise (installhub.md section 10.2)
SEARCH_PAGE_SIZE = 20
_DONE = 200
_CATEGORIES: Mapping[str, Category] = {category.wire: category for category in Category}
_TRUST_LEVELS: Mapping[str, tuple[TrustLevel, ...]] = {level.wire: (level,) for level in TrustLevel}
_PACKAGE_TYPES: Mapping[str, PackageType] = {kind.wire: kind for kind in PackageType}
_SORTS: Mapping[str, ListingSort] = {sort.wire: sort for sort in ListingSort}


async def search(request: Request) -> Response:
    caller, catalogue = await visitor(request), _catalogue(request)
    query = Query(request)
    page = query.page(SEARCH_PAGE_SIZE)
    wanted = ListingFilter(
        search=query.text("q"),
        category=query.choice("category", _CATEGORIES),
        trust_levels=query.words("trustLevel", _TRUST_LEVELS),
        package_type=query.choice("packageType", _PACKAGE_TYPES),
        min_rating=query.decimal("minRating", most=STARS_MAX),
        sort=query.choice("sortBy", _SORTS),
    )
    query.checked()
    found = await catalogue.search_page(caller, wanted, page=page.number, page_size=page.size)
    return answer(numbered([catalogue_bodies.listed(one) for one in found.items], found.total_count, page))


async def featured(request: Request) -> Response:
    caller, catalogue = await visitor(request), _catalogue(request)
    return answer(catalogue_bodies.featured(await catalogue.featured(caller)))


async def market_package(request: Request) -> Response:
    _, catalogue, shown = await looked_at(request)
    key = (shown.head.listing_id, shown.version.version)
    texts = await catalogue.texts([shown])
    artifacts = await catalogue.artifacts([key])
    versions = await catalogue.versions([shown])
    return answer(
        catalogue_bodies.detail(shown, texts[shown.head.listing_id], artifacts[key], versions[shown.head.listing_id])
    )


async def market_package_versions(request: Request) -> Response:
    _, catalogue, shown = await looked_at(request)
    query = Query(request)
    page = query.page()
    query.checked()
    versions = (await catalogue.versions([shown]))[shown.head.listing_id]
    items = [catalogue_bodies.version(shown, one) for one in versions[page.start : page.start + page.size]]
    counted = numbered(items, len(versions), page)
    return answer({"packageId": shown.head.listing_id, "versions": counted.pop("items"), **counted})


async def looked_at(request: Request) -> tuple[Caller | None, Catalogue, Shown]:
    """Who looks, at what; ``NotFound`` for what the caller must not know."""
    caller, catalogue = await visitor(request), _catalogue(request)
    return caller, catalogue, await catalogue.get(caller, id_in_path(request, "packageId"))


def _catalogue(request: Request) -> Catalogue:
    services: Services = request.state.services
    return services.catalogue


_PAGES = (
    PAGES[0],
    Parameter(
        "pageSize",
        "How many items a page has.",
        schema={"type": "integer", "minimum": 1, "maximum": PAGE_SIZE_MAX, "default": SEARCH_PAGE_SIZE},
    ),
)

BROWSING_OPERATIONS = (
    Operation(
        method="GET",
        path=f"{PREFIX}/packages",
        endpoint=search,
        summary="Look for packages",
        right=Admits.ANYBODY,
        answers={_DONE: Answer("Packages, in the order that was asked for.", {JSON: CataloguePage})},
        parameters=(
            Parameter("q", "Words in the name, the description or a tag; the last one may be a word's beginning."),
            Parameter("category", "Only this category.", schema={"enum": list(_CATEGORIES)}),
            Parameter(
                "trustLevel",
                "Only these, repeated or with commas between.",
                schema={"type": "array", "items": {"enum": list(_TRUST_LEVELS)}},
            ),
            Parameter("packageType", "Only this type.", schema={"enum": list(_PACKAGE_TYPES)}),
            Parameter(
                "minRating",
                "Only packages with so many stars on average.",
                schema={"type": "number", "minimum": 0, "maximum": STARS_MAX},
            ),
            Parameter(
                "sortBy",
                "The order; without it `relevance` where there is a `q`, else `installs`.",
                schema={"enum": list(_SORTS)},
            ),
            *_PAGES,
        ),
        refuses=(ErrorCode.HUB_UNAVAILABLE,),
        description="Relevance is, of 85 parts, installs 30 (a hundred of them are half), stars 25, the last change"
        " 20 (within 30, 90, 180 or 365 days) and trust 10 (Certified 6); 20 % more where every word is in the name,"
        " and 10 % more where every word is among the tags.",
        source="installhub.md section 10.2",
    ),
    Operation(
        method="GET",
        path=f"{PREFIX}/packages/featured",
        endpoint=featured,
        summary="Show the front page of the marketplace",
        right=Admits.ANYBODY,
        answers={_DONE: Answer("At most ten packages each.", {JSON: FeaturedPackages})},
        refuses=(ErrorCode.HUB_UNAVAILABLE,),
        source="installhub.md section 10.2",
    ),
    Operation(
        method="GET",
        path=f"{PREFIX}/packages/{{packageId}}",
        endpoint=market_package,
        summary="Look at a package of the marketplace",
        right=Admits.ANYBODY,
        answers={_DONE: Answer("The package.", {JSON: MarketPackage})},
        refuses=(ErrorCode.NOT_FOUND, ErrorCode.RESCAN_PENDING, ErrorCode.HUB_UNAVAILABLE),
        description="What is unlisted or suspended is shown to its publisher, to those who run the market, and to"
        " tenants that installed it.",
        source="installhub.md section 10.2",
    ),
    Operation(
        method="GET",
        path=f"{PREFIX}/packages/{{packageId}}/versions",
        endpoint=market_package_versions,
        summary="List a package's versions",
        right=Admits.ANYBODY,
        answers={_DONE: Answer("Versions, highest first.", {JSON: PackageVersions})},
        parameters=PAGES,
        refuses=(ErrorCode.NOT_FOUND, ErrorCode.RESCAN_PENDING, ErrorCode.HUB_UNAVAILABLE),
        source="installhub.md section 10.2",
    ),
)
