"""Hubs for tests: an index that is really signed, as files that a hostile server may serve as it likes."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from domain.market.index import ROOT, TIMESTAMP, Lifetimes
from domain.market.model import Offer
from server.hub import HubIndex
from storage.bells import LocalBell
from storage.engines import Engines
from storage.store import SqlStore
from tests.clocks import ManualClock
from tests.hostile import page
from tests.ports import listings
from tests.ports.listings import a_listing, a_version
from tests.ports.rows import with_tenants

LIFETIMES = Lifetimes(timedelta(days=365), timedelta(days=7), timedelta(hours=24))


@dataclass(frozen=True, slots=True)
class AHub:
    """Somebody's hub: what it offers, its index, its clock."""

    store: SqlStore
    clock: ManualClock
    index: HubIndex

    async def offer(self, number: int = 1, **version: Any) -> Offer:
        """List another package, publish the index, and give the package's offer."""
        listing = a_listing(f"mkt-pkg-{number}", publisher_id=f"pub-{number}")
        await listings.listed(self.store, listing, versions=(a_version(listing, **version),))
        await self.index.publish()
        async with self.store.platform_view() as unit:
            return (await unit.offers.of_listing(listing.listing_id))[0]

    async def files(self) -> dict[str, bytes]:
        """The index's answers by path, as they are now."""
        found: dict[str, bytes] = {}
        async with self.store.platform_view() as unit:
            for role, version in await unit.hub_rows.versions():
                body = (await unit.hub_rows.metadata(role, version) or "").encode()
                found[f"/hub/metadata/{version}.{role}.json"] = page(body)
                # the last of a role is its newest
                if role in {ROOT, TIMESTAMP}:
                    found[f"/hub/metadata/{role}.json"] = page(body)
        return found


@asynccontextmanager
async def a_store(folder: Path, template: Path, clock: ManualClock) -> AsyncIterator[SqlStore]:
    folder.mkdir()
    shutil.copy(template, folder / "hub.db")
    store = SqlStore(Engines.open(f"sqlite+aiosqlite:///{folder / 'hub.db'}"), LocalBell(), clock)
    try:
        yield store
    finally:
        await store.aclose()


@asynccontextmanager
async def a_hub(folder: Path, template: Path, *, days_ago: int = 0) -> AsyncIterator[AHub]:
    """A hub without anything to offer yet; its clock may stand in the past."""
    clock = ManualClock(datetime.now(UTC) - timedelta(days=days_ago))
    async with a_store(folder, template, clock) as store:
        await with_tenants(store)
        made = AHub(store, clock, HubIndex(store, clock, LIFETIMES))
        await made.index.publish()
        yield made


def swapped(files: Mapping[str, bytes], others: Mapping[str, bytes], *names: str) -> dict[str, bytes]:
    """Files of one hub with some of another's in their place."""
    return {**files, **{f"/hub/metadata/{name}": others[f"/hub/metadata/{name}"] for name in names}}
