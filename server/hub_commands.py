"""``hub show | publish | export | rotate-key | root``: what the host's own command line does with its hub."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncGenerator
from pathlib import Path

from domain.market.index import ROOT, TARGETS, TIMESTAMP, content_path, expires_at, listed
from domain.market.model import Offer
from domain.model import rfc3339
from server.errands import CommandRefusedError, Errand, Said
from server.hub import HubIndex

_ROOT_BYTES_MAX = 1 << 20


async def show_hub(errand: Errand) -> AsyncGenerator[Said, None]:
    """What others need to know of this hub, and how long its index is good."""
    await _hub(errand).publish()
    async with errand.runtime.ports.store.platform_view() as unit:
        first = await unit.hub_rows.metadata(ROOT, 1) or ""
        newest = await unit.hub_rows.newest()
    offers = listed(newest[TARGETS].body).by_listing.values()
    yield {
        "firstRoot": f"sha256:{hashlib.sha256(first.encode()).hexdigest()}",
        "versions": {role: metadata.version for role, metadata in newest.items()},
        "packages": len(offers),
        "packageVersions": sum(map(len, offers)),
        "rootExpiresAt": rfc3339(expires_at(newest[ROOT].body)),
        "indexExpiresAt": rfc3339(expires_at(newest[TIMESTAMP].body)),
    }


async def publish_hub(errand: Errand) -> AsyncGenerator[Said, None]:
    count = await _hub(errand).publish()
    yield "The index was made anew." if count else "The index is as it should be."


async def export_hub(errand: Errand) -> AsyncGenerator[Said, None]:
    """The hub as plain files below a folder: what changes under its name is written last."""
    await _hub(errand).publish()
    folder, store = Path(errand.given["folder"]), errand.runtime.ports.store
    async with store.platform_view() as unit:
        newest = await unit.hub_rows.newest()
        numbered = await unit.hub_rows.versions()
    offers = [offer for some in listed(newest[TARGETS].body).by_listing.values() for offer in some]
    for offer in offers:
        await _export_content(errand, folder, offer)
    for role, version in numbered:
        async with store.platform_view() as unit:
            body = await unit.hub_rows.metadata(role, version)
        if body is not None:
            await asyncio.to_thread(_put, folder / "metadata" / f"{version}.{role}.json", body)
    for role in (ROOT, TIMESTAMP):
        await asyncio.to_thread(_put, folder / "metadata" / f"{role}.json", newest[role].body)
    yield f"{len(offers)} packages are below {folder}; serve it as /hub/."


async def rotate_key(errand: Errand) -> AsyncGenerator[Said, None]:
    """A new key for a role, and everything signed with it."""
    hub, role = _hub(errand), errand.given["role"]
    root = await hub.new_key(role)
    await hub.publish()
    yield f"The role {role} has a new key, since root version {root.version}."


async def export_root(errand: Errand) -> AsyncGenerator[Said, None]:
    yield (await _hub(errand).root()).body


async def import_root(errand: Errand) -> AsyncGenerator[Said, None]:
    """Take over the next root, signed elsewhere."""
    candidate = await asyncio.to_thread(_read, Path(errand.given["file"]))
    root = await _hub(errand).take_root(candidate)
    await _hub(errand).publish()
    yield f"Root version {root.version} is in force."


def _hub(errand: Errand) -> HubIndex:
    if errand.runtime.hub is None:
        raise CommandRefusedError("packages come from another's hub: INSTALLHUB_HUB_URL names it")
    return errand.runtime.hub


async def _export_content(errand: Errand, folder: Path, offer: Offer) -> None:
    """A version's bytes, unless they are there: what lies under its hash never changes."""
    place = folder / "targets" / content_path(offer)
    if place.exists():
        return
    async with errand.runtime.ports.store.platform_view() as unit:
        kept = await unit.hub_rows.content(offer.listing_id, offer.version)
    if kept is None:
        return
    if not await errand.runtime.ports.blobs.is_whole(kept.blob_key, kept.bundle_sha256):
        raise CommandRefusedError(f"the bytes of {offer.full_name} {offer.version} are damaged or gone")
    place.parent.mkdir(parents=True, exist_ok=True)
    part = place.with_name(f".{place.name}.part")
    with part.open("wb") as file:
        async for chunk in errand.runtime.ports.blobs.read(kept.blob_key):
            await asyncio.to_thread(file.write, chunk)
    part.replace(place)


def _put(place: Path, content: str) -> None:
    """Write a file whole, at once for whoever reads it."""
    place.parent.mkdir(parents=True, exist_ok=True)
    part = place.with_name(f".{place.name}.part")
    part.write_text(content, encoding="utf-8")
    part.replace(place)


def _read(place: Path) -> str:
    with place.open("rb") as file:
        content = file.read(_ROOT_BYTES_MAX + 1)
    try:
        return content[:_ROOT_BYTES_MAX].decode()
    except UnicodeDecodeError as error:
        raise CommandRefusedError(f"{place}: this is no root metadata") from error
