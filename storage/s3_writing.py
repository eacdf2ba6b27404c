"""One blob on its way into an object store: a single request while it is small, else parts as they come."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

from obstore.store import S3Store

from domain.model import BlobKey
from domain.ports import UnavailableError
from storage.blob_keys import place_of
from storage.s3_trouble import translated

#: up to so much is sent at once when all is there; larger ones go in parts of this size, some at a time
PART_BYTES = 8 << 20
_PARTS_AT_ONCE = 2
#: what is handed over at once, and how much of that may wait
_CHUNK_BYTES, _CHUNKS_WAITING = 1 << 20, 4


class _DroppedError(Exception):
    """Ends the upload: the store forgets the parts that it has."""


class Upload:
    """:class:`domain.ports.BlobWriter` of one object."""

    def __init__(self, store: S3Store, key: BlobKey) -> None:
        self.key = key
        self.is_finished = False
        self._store = store
        self._gathered = bytearray()
        self._waiting: asyncio.Queue[bytearray | None] = asyncio.Queue(_CHUNKS_WAITING)
        self._sending: asyncio.Task[None] | None = None
        self._may_be_there = False
        self._is_dropped = False

    async def write(self, chunk: bytes | bytearray) -> None:
        if self.is_finished:
            raise ValueError("write to a closed blob")
        self._gathered += chunk
        if len(self._gathered) >= (PART_BYTES if self._sending is None else _CHUNK_BYTES):
            await self._pass_on()

    async def finish(self) -> BlobKey:
        self._may_be_there = True
        try:
            if self._sending is None:
                await self._put(self._gathered, use_multipart=False)
            else:
                if self._gathered:
                    await self._pass_on()
                await self._hand_over(None, self._sending)
                await asyncio.shield(self._sending)
        except UnavailableError:
            # whoever does not answer is not asked to take it back: the sweep finds it, if there is something
            self._may_be_there = False
            raise
        self.is_finished = True
        return self.key

    async def drop(self) -> bool:
        """End it, unless it ended by itself. Whether an object may be there all the same."""
        self._is_dropped = True
        sending = self._sending
        if sending is not None:
            while not self._waiting.empty():
                self._waiting.get_nowait()
            self._waiting.put_nowait(None)
            await asyncio.wait([sending])
            if sending.exception() is not None:
                return False
        return self._may_be_there

    async def _pass_on(self) -> None:
        if self._sending is None:
            self._sending = asyncio.create_task(self._send())
        gathered, self._gathered = self._gathered, bytearray()
        await self._hand_over(gathered, self._sending)

    async def _hand_over(self, chunk: bytearray | None, sending: asyncio.Task[None]) -> None:
        """Wait until there is room for it, unless nobody takes it any more: then raise what became of the upload."""
        handing = asyncio.create_task(self._waiting.put(chunk))
        try:
            await asyncio.wait([handing, sending], return_when=asyncio.FIRST_COMPLETED)
        finally:
            if not handing.done():
                handing.cancel()
                with suppress(asyncio.CancelledError):
                    await handing
        if sending.done() and chunk is not None:
            sending.result()

    async def _send(self) -> None:
        await self._put(self._chunks(), chunk_size=PART_BYTES, max_concurrency=_PARTS_AT_ONCE)

    async def _put(self, content: bytearray | AsyncIterator[bytearray], **how: Any) -> None:
        try:
            with translated():
                await self._store.put_async(place_of(self.key), content, **how)
        except FileNotFoundError:
            raise UnavailableError("The object store cannot answer now: there is no such bucket") from None

    async def _chunks(self) -> AsyncIterator[bytearray]:
        while (chunk := await self._waiting.get()) is not None:
            yield chunk
        if self._is_dropped:
            raise _DroppedError
