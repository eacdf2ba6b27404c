"""The blobs of an installation as they lie there: in its folder, or in an object store.

Written anew, without the server's own adapters: those may be what is wrong.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from obstore.store import S3Store

from storage.s3_place import S3Place


class Stored(Protocol):
    """What can be seen of blobs, by their keys."""

    async def content(self, key: str) -> bytes | None:
        """All of it; ``None`` where there is none."""

    async def keys(self) -> list[str]:
        """Of all finished ones."""

    async def put(self, key: str, raw: bytes) -> None:
        """Lay it there."""


@dataclass(frozen=True, slots=True)
class Files:
    """Below a folder."""

    folder: Path

    async def content(self, key: str) -> bytes | None:
        place = self.folder / _place(key)
        return await asyncio.to_thread(place.read_bytes) if place.is_file() else None

    async def keys(self) -> list[str]:
        return [path.name for path in self.folder.glob("??/??/*")]

    async def put(self, key: str, raw: bytes) -> None:
        place = self.folder / _place(key)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(raw)


class Objects:
    """Below a folder of a bucket."""

    def __init__(self, place: S3Place) -> None:
        self._store = S3Store(
            place.bucket,
            prefix=place.prefix,
            endpoint=place.endpoint,
            region=place.region,
            client_options={"allow_http": True},
            virtual_hosted_style_request=False,
        )

    async def content(self, key: str) -> bytes | None:
        try:
            found = await self._store.get_async(_place(key))
        except FileNotFoundError:
            return None
        return bytes(await found.bytes_async())

    async def keys(self) -> list[str]:
        return [meta["path"].rpartition("/")[2] for meta in await self._store.list().collect_async()]

    async def put(self, key: str, raw: bytes) -> None:
        await self._store.put_async(_place(key), raw)


def _place(key: str) -> str:
    return f"{key[-2:]}/{key[-4:-2]}/{key}"
