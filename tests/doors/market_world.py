"""A hub with listings as rows, and the people who look at it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from domain.market.model import Category, ListingState, PublisherId, TrustLevel
from domain.market.publishers import LAPSE
from domain.model import TenantId
from tests.doors.oracle import Oracle
from tests.ports.listings import a_listing, a_version, keep_installed, listed, with_installs
from tests.world import World, a_world

MARKET = "/api/marketplace"
READ, RUN_MARKET = "installhub:read", "marketplace:admin"
#: the publisher's tenant, and one that installed the first listing
VENDOR, BUYER, OTHER = TenantId("vendor"), TenantId("buyer"), TenantId("other")
#: servers have the real clock
NOW = datetime.now(UTC).replace(microsecond=0)
#: what a running server looks at again is not due yet: a day has to go by
PROVEN_UNTIL = NOW + LAPSE

SUITE = a_listing(
    "mkt-pkg-suite",
    tenant_id=VENDOR,
    name="Onboarding Suite",
    tags=("hr", "people"),
    description="Everything for the first day",
    trust_level=TrustLevel.OFFICIAL,
    latest_version="2.0.0",
    created_at=NOW - timedelta(days=100),
    updated_at=NOW,
)
SUITE_ADDRESS = f"{MARKET}/packages/{SUITE.listing_id}"
SUITE_VERSIONS = (
    a_version(SUITE, "1.0.0", state=ListingState.DEPRECATED, state_reason="old", replaced_by="2.0.0"),
    a_version(SUITE, "1.9.0", state=ListingState.YANKED, state_reason="leaks"),
    a_version(SUITE, "2.0.0", published_at=NOW, is_breaking=True, changelog="Anew", scan_result="WARN"),
    a_version(SUITE, "2.1.0-rc.1", published_at=NOW),
)
FORMS = a_listing(
    "mkt-pkg-forms",
    tenant_id=VENDOR,
    name="Invoice Forms",
    category=Category.FINANCE,
    latest_version="",
    license="",
    homepage="",
    state=ListingState.DEPRECATED,
    updated_at=NOW - timedelta(days=400),
)
HIDDEN = a_listing("mkt-pkg-hidden", tenant_id=VENDOR, name="Hidden Suite", state=ListingState.SUSPENDED)
UNLISTED = a_listing(
    "mkt-pkg-unlisted", tenant_id=OTHER, publisher_id=PublisherId("pub-2"), name="Unlisted", state=ListingState.UNLISTED
)


@asynccontextmanager
async def a_hub(folder: Path, **given: Any) -> AsyncIterator[World]:
    """A server whose answers the OpenAPI document must tell of; ``buyer`` installed the suite and the hidden one."""
    async with a_world(folder, **given) as world:
        for tenant in (VENDOR, BUYER, OTHER):
            await world.tenant(tenant)
        store = world.runtime.ports.store
        deprecated = a_version(FORMS, state=ListingState.DEPRECATED)
        versions = (*SUITE_VERSIONS, deprecated, a_version(HIDDEN), a_version(UNLISTED))
        scanned = tuple(replace(version, scanned_at=NOW) for version in versions)
        await listed(store, SUITE, FORMS, HIDDEN, UNLISTED, versions=scanned, proven_until=PROVEN_UNTIL)
        await with_installs(store, SUITE.listing_id, BUYER, at=NOW)
        await with_installs(store, HIDDEN.listing_id, BUYER, at=NOW)
        async with store.platform_unit() as unit:
            await keep_installed(unit, BUYER, SUITE, "1.0.0")
            # of the same name, exported by a tenant
            await keep_installed(unit, BUYER, replace(SUITE, publisher_id=PublisherId("source")), "0.1.0")
        world.http.event_hooks["response"].append(Oracle().look)
        yield world


def somebody(world: World, tenant: str = OTHER, *scopes: str, subject: str = "bob@other.example") -> dict[str, str]:
    """The headers of a caller of one tenant; with no scopes, only a good token."""
    return {"Authorization": f"Bearer {world.token(subject, tenants=(tenant,), scopes=scopes or ('none',))}"}


def a_buyer(world: World, subject: str = "anna@buyer.example") -> dict[str, str]:
    return somebody(world, BUYER, READ, subject=subject)


def a_moderator(world: World) -> dict[str, str]:
    return somebody(world, OTHER, RUN_MARKET, subject="mo@hub.example")


async def wrote(world: World, subject: str = "anna@buyer.example", rating: int = 4) -> str:
    """The id of a review of the suite that waits for a moderator."""
    body = {"rating": rating, "title": "Good", "body": "It works."}
    answer = await world.http.post(f"{SUITE_ADDRESS}/reviews", json=body, headers=a_buyer(world, subject))
    assert answer.status_code == 201, answer.text
    return str(answer.json()["reviewId"])


async def decided(world: World, review_id: str, verdict: str) -> str:
    """How a review stands after a moderator's verdict."""
    address = f"{MARKET}/reviews/{review_id}/moderate"
    answer = await world.http.post(address, json={"verdict": verdict}, headers=a_moderator(world))
    assert answer.status_code == 200, answer.text
    return str(answer.json()["status"])
