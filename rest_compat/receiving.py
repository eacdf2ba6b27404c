"""Taking in an uploaded package: streamed once into the blob store, counted and hashed on the way (R24).

The limit is looked at three times: against the announced length before anything is read, against the ZIP's own
bytes while they come, and again when the options have told the tenant. What is refused leaves no blob.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable

from starlette.requests import Request

from domain.errors import ErrorCode, Refusal, refuse, refuse_if
from domain.import_model import ImportPackage
from domain.ports import Blobs, BlobWriter
from rest_compat.dialect import announced_bytes, body_chunks
from rest_compat.multipart import OPTIONS, PACKAGE, Parts, Piece
from rest_compat.wishes import ImportWish, SizeLimit

#: what a body may hold beside the ZIP: the options, boundaries, headers
OVERHEAD_BYTES = 128 * 1024
OPTIONS_BYTES_MAX = 64 * 1024
_WRITTEN_AT_ONCE = 1 << 20
_MB = 1 << 20

Judge = Callable[[bytes], Awaitable[ImportWish]]


async def received(
    request: Request, blobs: Blobs, *, limit: SizeLimit, judge: Judge
) -> tuple[ImportWish, ImportPackage]:
    """The options, judged, and the package, stored.

    ``limit`` holds until the options are read; ``judge`` turns their bytes into a wish with the tenant's own limit.

    Raises:
        Refusal: ``PayloadTooLarge``, ``BadUserInput`` for a body that is not as it should be, the judge's own.
    """
    announced = announced_bytes(request)
    parts = Parts(request.headers.get("content-type", ""))
    _refuse_announced(announced, limit)
    async with blobs.create() as blob:
        upload = _Upload(blob, limit, judge, announced)
        async for chunk in body_chunks(request):
            for piece in parts.cut(chunk):
                await upload.take(piece)
            upload.count(len(chunk))
        wish, package = await upload.finished(parts)
    return wish, package


class _Upload:
    """One upload on its way in."""

    def __init__(self, blob: BlobWriter, limit: SizeLimit, judge: Judge, announced: int | None) -> None:
        self._blob = blob
        self._limit = limit
        self._judge = judge
        self._announced = announced
        self._wish: ImportWish | None = None
        self._digest = hashlib.sha256()
        self._gathered = bytearray()
        self._options = bytearray()
        self._size = 0
        self._taken = 0

    def count(self, length: int) -> None:
        """Add a chunk of the body; what is not the ZIP must stay small."""
        self._taken += length
        if self._taken - self._size > OVERHEAD_BYTES:
            raise refuse(ErrorCode.BAD_USER_INPUT, "The body holds too much beside the package.")

    async def take(self, piece: Piece) -> None:
        """Put a piece of a part where it belongs."""
        if piece.part == PACKAGE:
            await self._take_package(piece.data)
        else:
            self._take_options(piece.data)
            if piece.is_last:
                await self._weigh(bytes(self._options))

    async def finished(self, parts: Parts) -> tuple[ImportWish, ImportPackage]:
        """Close the upload. Whatever is refused here is refused before the blob is kept."""
        if not parts.is_complete:
            raise refuse(ErrorCode.BAD_USER_INPUT, "The body ended before its last boundary.")
        if PACKAGE not in parts.seen:
            raise refuse(ErrorCode.BAD_USER_INPUT, "The part package is missing.", PACKAGE)
        wish = self._wish or await self._weigh(b"{}")
        await self._pass_on()
        key = await self._blob.finish()
        return wish, ImportPackage(0, key, self._digest.hexdigest(), self._size)

    async def _take_package(self, data: bytes) -> None:
        self._size += len(data)
        refuse_large(self._size, self._limit)
        self._gathered += data
        if len(self._gathered) >= _WRITTEN_AT_ONCE:
            await self._pass_on()

    async def _pass_on(self) -> None:
        """Hash and write side by side, both away from the loop."""
        chunk = bytes(self._gathered)
        self._gathered.clear()
        await asyncio.gather(asyncio.to_thread(self._digest.update, chunk), self._blob.write(chunk))

    def _take_options(self, data: bytes) -> None:
        self._options += data
        if len(self._options) > OPTIONS_BYTES_MAX:
            text = f"The part options has at most {OPTIONS_BYTES_MAX} bytes."
            raise refuse(ErrorCode.PAYLOAD_TOO_LARGE, text, OPTIONS, limit=OPTIONS_BYTES_MAX)

    async def _weigh(self, options: bytes) -> ImportWish:
        """Judge the options; the tenant's own limit comes before what is wrong with them (R15, R24)."""
        wish = self._wish = await self._judge(options)
        self._limit = wish.limit
        _refuse_announced(self._announced, self._limit)
        refuse_large(self._size, self._limit)
        refuse_if(wish.problems)
        return wish


def refuse_large(size: int, limit: SizeLimit) -> None:
    """Refuse a package that is larger than its target's plan allows."""
    if size > limit.bytes_max:
        raise _too_large(limit, size)


def _refuse_announced(announced: int | None, limit: SizeLimit) -> None:
    if announced is not None and announced > limit.bytes_max + OVERHEAD_BYTES:
        raise _too_large(limit, announced)


def _too_large(limit: SizeLimit, actual: int) -> Refusal:
    text = f"The package is larger than the {limit.bytes_max / _MB:g} MB that the {limit.plan} plan allows."
    return refuse(ErrorCode.PAYLOAD_TOO_LARGE, text, PACKAGE, limit=limit.bytes_max, actual=actual, plan=limit.plan)
