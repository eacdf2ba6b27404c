"""Blobs in an object store that speaks S3: nothing whole in memory, and no bytes passed on that were not right.

A blob that had the right hash once is known by the sums of its pieces: whatever is read of it afterwards is compared
with them before it leaves (design: security, F06). Uploads of more than a part are cut off by the store itself when
they end early; what a store that went away keeps of them, a lifecycle rule of the bucket removes.
"""

from __future__ import annotations

import asyncio
import errno
import hashlib
import logging
import os
from collections import OrderedDict
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from datetime import datetime, timedelta
from io import FileIO
from pathlib import Path
from typing import Any, NamedTuple, cast

from obstore.store import S3Store

from domain.model import BlobKey
from domain.ports import BlobWriter, UnavailableError
from storage.blob_keys import key_at, milliseconds, new_key, place_of
from storage.dens import Den
from storage.file_work import in_thread
from storage.s3_place import S3Place
from storage.s3_trouble import translated
from storage.s3_writing import Upload

#: what a piece has whose sum is kept, and what is asked for at once
PIECE_BYTES, FETCH_BYTES = 1 << 20, 4 << 20
_KEYS_AT_ONCE = 500
#: how many blobs, and pieces of them all, are known to be right
_WHOLE_KEPT, _PIECES_KEPT = 4_096, 1 << 18
_SUM_BYTES = 16
#: bytes that went wrong on the way are not the blob's: it is looked at once more
_LOOKS = 2

_log = logging.getLogger(__name__)


class _Facts(NamedTuple):
    """What the store says of an object; another object has others."""

    tag: str | None
    size: int
    modified: datetime


class _Whole(NamedTuple):
    """An object as it was read from end to end: its SHA-256 in hexadecimal digits, and the sums of its pieces."""

    facts: _Facts
    sha256: str
    sums: bytes

    def has(self, piece: memoryview, start: int) -> bool:
        """Whether these are the bytes that stood there then."""
        place = start // PIECE_BYTES * _SUM_BYTES
        return self.sums[place : place + _SUM_BYTES] == _sum_of(piece)


class S3Blobs:
    """Blobs below a prefix of a bucket: :class:`domain.ports.Blobs`."""

    def __init__(self, place: S3Place, scratch: Path) -> None:
        with translated():
            self._store, self._writing = _opened(place, _READING), _opened(place, _WRITING)
        self._scratch = Den(scratch)
        self._whole: OrderedDict[BlobKey, _Whole] = OrderedDict()
        self._pieces = 0
        #: uploads that are being taken back, though nobody waits for it any more
        self._cleaning: set[asyncio.Task[None]] = set()

    @asynccontextmanager
    async def create(self) -> AsyncIterator[BlobWriter]:
        key = new_key()
        upload = Upload(self._writing, key)
        try:
            yield upload
        finally:
            if not upload.is_finished:
                cleaning = asyncio.create_task(self._take_back(upload))
                self._cleaning.add(cleaning)
                cleaning.add_done_callback(self._cleaning.discard)
                await asyncio.shield(cleaning)

    @asynccontextmanager
    async def local(self, key: BlobKey, *, sha256: str = "") -> AsyncIterator[Path]:
        async with self._scratch.room() as room:
            if not await self._looked_at(key, sha256, room / key):
                raise _missing(key)
            yield room / key

    async def is_whole(self, key: BlobKey, sha256: str) -> bool:
        try:
            facts, known = await self._facts(key), self._whole.get(key)
            if known is not None and (known.facts, known.sha256) == (facts, sha256):
                self._whole.move_to_end(key)
                return True
            return await self._looked_at(key, sha256)
        except FileNotFoundError:
            return False

    async def read(self, key: BlobKey, *, start: int = 0, length: int | None = None) -> AsyncGenerator[bytes]:
        if start < 0 or (length is not None and length < 0):
            raise ValueError(f"no range of a blob: {start=} {length=}")
        facts, known = await self._facts(key), self._whole.get(key)
        end = facts.size if length is None else min(facts.size, start + length)
        if known is not None and known.facts != facts:
            known = None
        # what can be compared is asked for in whole pieces
        first = start - start % PIECE_BYTES if known else start
        last = min(-(-end // PIECE_BYTES) * PIECE_BYTES, facts.size) if known else end
        for begin in range(first, last if start < end else first, FETCH_BYTES):
            fetched = await self._fetched(key, begin, min(begin + FETCH_BYTES, last))
            for place in range(begin, begin + len(fetched), PIECE_BYTES):
                piece = fetched[place - begin : place - begin + PIECE_BYTES]
                if known is not None and not await in_thread(known.has, piece, place):
                    _log.error("The blob %s came with other bytes than it has", key, extra=_about(key))
                    raise UnavailableError("The blob store sent wrong bytes.")
                yield bytes(piece[max(start - place, 0) : end - place])

    async def demand_answer(self) -> None:
        with translated():
            await self._store.list("ready").collect_async()

    async def delete(self, key: BlobKey) -> None:
        with translated(), suppress(FileNotFoundError):
            await self._writing.delete_async(place_of(key))

    async def keys(self, *, older_than: datetime) -> AsyncIterator[Sequence[BlobKey]]:
        before = milliseconds(older_than)
        with translated():
            async for found in self._store.list(chunk_size=_KEYS_AT_ONCE):
                keys = [key for meta in found if (key := key_at(meta["path"])) and key[: len(before)] < before]
                if keys:
                    yield keys

    def scratch(self) -> AbstractAsyncContextManager[Path]:
        return self._scratch.room()

    async def sweep_temporary(self) -> int:
        """Remove what processes that are no more left half-written. Returns how many had left something."""
        return await in_thread(self._scratch.sweep)

    async def _take_back(self, upload: Upload) -> None:
        try:
            if await upload.drop():
                await self.delete(upload.key)
        except UnavailableError as trouble:
            _log.warning("What came of %s is left to the sweep: %s", upload.key, trouble)

    async def _facts(self, key: BlobKey) -> _Facts:
        """Raises ``FileNotFoundError`` only where the bucket itself is there."""
        place = place_of(key)
        try:
            with translated():
                meta = await self._store.head_async(place)
        except FileNotFoundError:
            await self.demand_answer()
            raise _missing(key) from None
        return _Facts(meta["e_tag"], meta["size"], meta["last_modified"])

    async def _fetched(self, key: BlobKey, start: int, end: int) -> memoryview:
        with translated():
            fetched = memoryview(await self._store.get_range_async(place_of(key), start=start, end=end))
        if len(fetched) != end - start:
            raise UnavailableError("The object store sent fewer bytes than were asked for.")
        return fetched

    async def _looked_at(self, key: BlobKey, sha256: str, copy: Path | None = None) -> bool:
        """Read it from end to end, into a copy if one is wanted; whether it has the hash, if one is given."""
        facts = await self._facts(key)
        for _ in range(_LOOKS):
            found = await self._read_through(key, facts, copy)
            if not sha256:
                return True
            if found.sha256 == sha256:
                self._remember(key, found)
                return True
        _log.error("The blob %s is damaged", key, extra=_about(key))
        return False

    async def _read_through(self, key: BlobKey, facts: _Facts, copy: Path | None) -> _Whole:
        digest, sums = hashlib.sha256(), bytearray()
        file = await in_thread(FileIO, copy, "wb") if copy is not None else None

        def take(fetched: memoryview) -> None:
            digest.update(fetched)
            for place in range(0, len(fetched), PIECE_BYTES):
                sums.extend(_sum_of(fetched[place : place + PIECE_BYTES]))
            rest = fetched
            while file is not None and rest:
                rest = rest[file.write(rest) :]

        try:
            for start in range(0, facts.size, FETCH_BYTES):
                await in_thread(take, await self._fetched(key, start, min(start + FETCH_BYTES, facts.size)))
        finally:
            if file is not None:
                await in_thread(file.close)
        return _Whole(facts, digest.hexdigest(), bytes(sums))

    def _remember(self, key: BlobKey, found: _Whole) -> None:
        earlier = self._whole.pop(key, None)
        self._whole[key] = found
        self._pieces += len(found.sums) - (len(earlier.sums) if earlier else 0)
        while len(self._whole) > _WHOLE_KEPT or (self._pieces > _PIECES_KEPT * _SUM_BYTES and len(self._whole) > 1):
            self._pieces -= len(self._whole.popitem(last=False)[1].sums)


class _Patience(NamedTuple):
    """Seconds of one request: until it is over, and without a byte of its answer."""

    whole: float
    silent: float | None


#: who reads asks for little at once; what a part of an upload takes depends on the line
_READING, _WRITING = _Patience(whole=15, silent=5), _Patience(whole=15, silent=None)
_CONNECT_SECONDS, _RETRIES, _RETRY_SECONDS = 2, 3, 3


def _opened(place: S3Place, patience: _Patience) -> S3Store:
    chosen: dict[str, Any] = {"virtual_hosted_style_request": place.is_host_style, "disable_bulk_delete": True}
    if place.endpoint:
        scheme, _, host = place.endpoint.partition("://")
        chosen["endpoint"] = f"{scheme}://{place.bucket}.{host}" if place.is_host_style else place.endpoint
    if place.region:
        chosen["region"] = place.region
    client: dict[str, Any] = {
        "connect_timeout": timedelta(seconds=_CONNECT_SECONDS),
        "timeout": timedelta(seconds=patience.whole),
        "allow_http": place.is_plain,
    }
    if patience.silent is not None:
        client["read_timeout"] = timedelta(seconds=patience.silent)
    return S3Store(
        place.bucket,
        prefix=place.prefix or None,
        client_options=cast("Any", client),
        retry_config={"max_retries": _RETRIES, "retry_timeout": timedelta(seconds=_RETRY_SECONDS)},
        **chosen,
    )


def _sum_of(piece: memoryview) -> bytes:
    return hashlib.blake2b(piece, digest_size=_SUM_BYTES).digest()


def _missing(key: BlobKey) -> FileNotFoundError:
    return FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), key)


def _about(key: BlobKey) -> dict[str, Any]:
    return {"fields": {"damaged": key}}
