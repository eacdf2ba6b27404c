"""Taking in an uploaded package: streamed once into the blob store, counted and hashed on the way (R24).

The limit is looked at three times: against the announced length before anything is read, against the ZIP's own
bytes while they come, and again when the options have told the tenant. What is refused leaves no blob.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Mapping
from types import TracebackType
from typing import Any, Self

from starlette.requests import Request

from domain.errors import ErrorCode, Refusal, refuse, refuse_if
from domain.import_model import ImportPackage
from domain.ports import Blobs, BlobWriter
from rest_compat.binding_files import binding_file, with_binding_file
from rest_compat.dialect import announced_bytes, body_chunks, media_type
from rest_compat.multipart import BINDINGS, PACKAGE, Parts, Piece
from rest_compat.operations import MULTIPART
from rest_compat.wishes import ImportWish, SizeLimit

#: what a body may hold beside the ZIP: the options, the bindings, boundaries, headers
OVERHEAD_BYTES = 128 * 1024
OPTIONS_BYTES_MAX = 64 * 1024
BINDINGS_BYTES_MAX = 48 * 1024
_WRITTEN_AT_ONCE = 2 << 20
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
    async with blobs.create() as blob, _Zip(blob, limit) as archive:
        form = _Form(archive, judge, announced)
        async for chunk in body_chunks(request):
            for piece in parts.cut(chunk):
                await form.take(piece)
            form.count(len(chunk))
        return await form.finished(parts)


async def received_alone(request: Request, blobs: Blobs, *, limit: SizeLimit) -> ImportPackage:
    """A package without options, stored: the body itself, or its one part ``package`` (R13).

    Raises a refusal ``PayloadTooLarge``, or ``BadUserInput`` for a body that is not as it should be.
    """
    is_form = media_type(request) == MULTIPART
    _refuse_announced(announced_bytes(request), limit, beside=OVERHEAD_BYTES if is_form else 0)
    parts = Parts(request.headers.get("content-type", ""), [PACKAGE]) if is_form else None
    async with blobs.create() as blob, _Zip(blob, limit) as archive:
        taken = 0
        async for chunk in body_chunks(request):
            for data in [piece.data for piece in parts.cut(chunk)] if parts else [chunk]:
                await archive.take(data)
            taken += len(chunk)
            _refuse_padding(taken - archive.size)
        if parts:
            _demand_package(parts)
        if not archive.size:
            raise refuse(ErrorCode.BAD_USER_INPUT, "The package is empty.", PACKAGE)
        return await archive.kept()


async def received_form(
    request: Request, blobs: Blobs, *, limit: SizeLimit, texts: Mapping[str, int], package: str = PACKAGE
) -> tuple[dict[str, bytes], ImportPackage]:
    """The part ``package``, stored, and those that came with it; ``texts`` says how many bytes each of them may have.

    Raises a refusal ``PayloadTooLarge``, ``MissingRequiredField`` without a package, or ``BadUserInput``.
    """
    _refuse_announced(announced_bytes(request), limit, beside=OVERHEAD_BYTES + sum(texts.values()))
    parts = Parts(request.headers.get("content-type", ""), [package, *texts])
    found: dict[str, bytearray] = {}
    async with blobs.create() as blob, _Zip(blob, limit) as archive:
        taken = told = 0
        async for chunk in body_chunks(request):
            for piece in parts.cut(chunk):
                if piece.part == package:
                    await archive.take(piece.data)
                    continue
                told += len(piece.data)
                _gather(found.setdefault(piece.part, bytearray()), piece, texts[piece.part])
            taken += len(chunk)
            _refuse_padding(taken - archive.size - told)
        _demand_package(parts, ErrorCode.MISSING_REQUIRED_FIELD, package)
        return {name: bytes(text) for name, text in found.items()}, await archive.kept()


class _Zip:
    """The ZIP's own bytes on their way into the store: counted, hashed and written.

    While one portion is hashed and written, away from the loop, the next one comes in.
    """

    def __init__(self, blob: BlobWriter, limit: SizeLimit) -> None:
        self.limit = limit
        self.size = 0
        self._blob = blob
        self._digest = hashlib.sha256()
        self._gathered = bytearray()
        self._passing: asyncio.Future[Any] | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Whatever ends the upload, the blob is not let go under a portion that is being written."""
        if self._passing is not None:
            await asyncio.gather(self._passing, return_exceptions=True)

    async def take(self, data: bytes) -> None:
        self.size += len(data)
        refuse_large(self.size, self.limit)
        self._gathered += data
        if len(self._gathered) >= _WRITTEN_AT_ONCE:
            await self._pass_on()

    async def kept(self) -> ImportPackage:
        """Close it. Whatever is refused is refused before this."""
        await self._pass_on()
        await self._passed()
        return ImportPackage(0, await self._blob.finish(), self._digest.hexdigest(), self.size)

    async def _pass_on(self) -> None:
        """Hash and write side by side, both away from the loop."""
        await self._passed()
        portion, self._gathered = self._gathered, bytearray()
        self._passing = asyncio.gather(asyncio.to_thread(self._digest.update, portion), self._blob.write(portion))

    async def _passed(self) -> None:
        if self._passing is not None:
            await asyncio.shield(self._passing)


class _Form:
    """One import's form on its way in."""

    def __init__(self, archive: _Zip, judge: Judge, announced: int | None) -> None:
        self._archive = archive
        self._judge = judge
        self._announced = announced
        self._wish: ImportWish | None = None
        self._options = bytearray()
        self._bindings = bytearray()
        self._taken = 0

    def count(self, length: int) -> None:
        """Add a chunk of the body; what is not the ZIP must stay small."""
        self._taken += length
        _refuse_padding(self._taken - self._archive.size)

    async def take(self, piece: Piece) -> None:
        """Put a piece of a part where it belongs."""
        if piece.part == PACKAGE:
            await self._archive.take(piece.data)
        elif piece.part == BINDINGS:
            _gather(self._bindings, piece, BINDINGS_BYTES_MAX)
        else:
            _gather(self._options, piece, OPTIONS_BYTES_MAX)
            if piece.is_last:
                await self._weigh(bytes(self._options))

    async def finished(self, parts: Parts) -> tuple[ImportWish, ImportPackage]:
        """Close the form."""
        _demand_package(parts)
        wish = self._wish or await self._weigh(b"{}")
        if BINDINGS in parts.seen:
            wish = with_binding_file(wish, binding_file(bytes(self._bindings), BINDINGS), BINDINGS)
            refuse_if(wish.problems)
        return wish, await self._archive.kept()

    async def _weigh(self, options: bytes) -> ImportWish:
        """Judge the options; the tenant's own limit comes before what is wrong with them (R15, R24)."""
        wish = self._wish = await self._judge(options)
        self._archive.limit = wish.limit
        _refuse_announced(self._announced, wish.limit)
        refuse_large(self._archive.size, wish.limit)
        refuse_if(wish.problems)
        return wish


def _demand_package(parts: Parts, code: ErrorCode = ErrorCode.BAD_USER_INPUT, package: str = PACKAGE) -> None:
    if not parts.is_complete:
        raise refuse(ErrorCode.BAD_USER_INPUT, "The body ended before its last boundary.")
    if package not in parts.seen:
        raise refuse(code, f"The part {package} is missing.", package)


def _gather(text: bytearray, piece: Piece, most: int) -> None:
    text += piece.data
    if len(text) > most:
        told = f"The part {piece.part} has at most {most} bytes."
        raise refuse(ErrorCode.PAYLOAD_TOO_LARGE, told, piece.part, limit=most)


def _refuse_padding(size: int) -> None:
    if size > OVERHEAD_BYTES:
        raise refuse(ErrorCode.BAD_USER_INPUT, "The body holds too much beside the package.")


def refuse_large(size: int, limit: SizeLimit) -> None:
    """Refuse a package that is larger than its target's plan allows."""
    if size > limit.bytes_max:
        raise _too_large(limit, size)


def _refuse_announced(announced: int | None, limit: SizeLimit, beside: int = OVERHEAD_BYTES) -> None:
    if announced is not None and announced > limit.bytes_max + beside:
        raise _too_large(limit, announced)


def _too_large(limit: SizeLimit, actual: int) -> Refusal:
    text = f"The package is larger than the {limit.bytes_max / _MB:g} MB that the {limit.plan} plan allows."
    return refuse(ErrorCode.PAYLOAD_TOO_LARGE, text, PACKAGE, limit=limit.bytes_max, actual=actual, plan=limit.plan)
