"""A server with its bundles in an object store behind a line that fails: ``async with an_installation(…) as there``."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from tests.engines import ObjectStore
from tests.faults.proxy import Proxy, a_proxy, at_port
from tests.house.tree import ROOT
from tests.world import World, a_world

PREFIX = "/api/installhub"
OPTIONS = {"targetTenantId": "target", "defaultConflictStrategy": "Replace"}


@dataclass(frozen=True, slots=True)
class Installation:
    """A server whose bundles are in an object store, at the other end of a line."""

    world: World
    proxy: Proxy
    #: a package that was exported, and its bytes
    package_id: str
    content: bytearray = field(default_factory=bytearray)

    @property
    def headers(self) -> dict[str, str]:
        return self.world.headers("target")

    async def downloaded(self, **headers: str) -> httpx.Response:
        return await self.world.http.get(
            f"{PREFIX}/packages/{self.package_id}/download", headers=self.headers | headers
        )

    async def uploaded(self) -> httpx.Response:
        headers = self.headers | {"Content-Type": "application/zip"}
        return await self.world.http.post(f"{PREFIX}/uploads", content=bytes(self.content), headers=headers)

    async def imported(self) -> httpx.Response:
        wish = {"sourcePackageId": self.package_id, "options": OPTIONS}
        return await self.world.http.post(f"{PREFIX}/packages/import", json=wish, headers=self.headers)

    async def everything(self) -> list[httpx.Response]:
        """What every door answers that needs the bytes of a bundle."""
        exporting = _exported(self.world, "2.0.0")
        ways = (self.downloaded(), self.downloaded(Range="bytes=0-9"), self.uploaded(), self.imported(), exporting)
        return [*await asyncio.gather(*ways)]


async def _exported(world: World, version: str) -> httpx.Response:
    order = {"packageName": "Mine", "packageType": "workflow-package", "version": version, "artifactIds": ["proc-1001"]}
    return await world.http.post(f"{PREFIX}/packages/export", json=order, headers=world.headers("target"))


@asynccontextmanager
async def an_installation(folder: Path, object_store: ObjectStore, role: str) -> AsyncIterator[Installation]:
    async with (
        a_proxy(at_port(object_store.port)) as proxy,
        a_world(folder, blobs_url=object_store.url(port=proxy.port), role=role) as world,
    ):
        await world.tenant("target")
        await world.load("target", ROOT / "examples" / "acme-source")
        package_id = (await _exported(world, "1.0.0")).json()["packageId"]
        made = Installation(world, proxy, package_id)
        made.content.extend((await made.downloaded()).content)
        yield made
