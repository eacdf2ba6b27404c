"""A package's life in the catalogue: published, found, installed, reviewed and renewed."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select

from domain.market.installs import InstallOrder
from domain.market.model import InstallWish, ListingFilter, ListingId, TrustLevel
from domain.market.reviews import ReviewDraft, Verdict
from domain.options import ConflictStrategy, ImportOptions
from storage.tables import outbox
from tests.journeys.inside import GLOBEX, Inside, a_caller
from tests.market import Published, an_operator, published

GINA = a_caller(
    "gina",
    tenants=frozenset({GLOBEX}),
    scopes=frozenset({"installhub:import", "marketplace:install"}),
)


async def installed(inside: Inside, listing: Published) -> None:
    wish = InstallWish(ListingId(listing.listing_id), None, acknowledged=False)
    options = ImportOptions(default_strategy=ConflictStrategy.REPLACE)
    await inside.services.installs.submit(GINA, InstallOrder(GLOBEX, wish, options))
    assert (await inside.run_next()).failure is None


async def found(inside: Inside, text: str) -> list[tuple[str, str, int, float | None, bool]]:
    """Name, version, installs, rating and badge of what a search finds."""
    page = await inside.services.catalogue.search_page(None, ListingFilter(search=text), page=1, page_size=9)
    return [
        (one.head.name, one.version.version, one.head.install_count, one.head.rating, one.is_deprecated)
        for one in page.items
    ]


async def told(inside: Inside) -> list[tuple[Any, ...]]:
    """The market's messages in the outbox."""
    async with inside.sql.platform_view() as view:
        asked = select(outbox.c.tenant_id, outbox.c.kind, outbox.c.payload).order_by(outbox.c.message_id)
        session: Any = getattr(view, "_session")  # noqa: B009 - no port reads the outbox as it stands
        rows = await session.rows(asked)
    return [tuple(row) for row in rows if row[1].startswith("market.")]


async def test_a_package_is_found_installed_reviewed_and_renewed(inside):
    first = await published(inside, name="Onboarding Suite", trust=TrustLevel.CERTIFIED)
    catalogue, reviews, updates = inside.services.catalogue, inside.services.reviews, inside.services.updates
    listed = await found(inside, "onboard")

    await installed(inside, first)
    await installed(inside, first)
    draft = ReviewDraft(first.listing_id, GLOBEX, 4, "Good", "It works.")
    review = await reviews.write(GINA, draft)
    await reviews.moderate(an_operator(), review.review_id, Verdict.APPROVE)
    await updates.subscribe(GINA, GLOBEX, first.listing_id)
    second = await published(inside, name="Onboarding Suite", version="2.0.0", trust=TrustLevel.CERTIFIED)
    renewed = await found(inside, "onboard")
    (update,) = (await updates.installed(GINA, GLOBEX, page=1, page_size=9)).items
    shown = await catalogue.get(None, first.listing_id)

    assert listed == [("Onboarding Suite", "1.0.0", 0, None, False)]
    assert renewed == [("Onboarding Suite", "2.0.0", 1, 4.0, False)]
    assert (update.is_available, update.is_breaking, update.latest_version) == (True, True, "2.0.0")
    assert [one.version for one in (await catalogue.versions([shown]))[shown.head.listing_id]] == ["2.0.0", "1.0.0"]
    ((tenant_id, kind, payload),) = await told(inside)
    assert (tenant_id, kind) == (GLOBEX, "market.update")
    assert payload | {"listingId": second.listing_id, "version": "2.0.0", "isBreaking": True} == payload
    assert payload["identity"] == GINA.identity
