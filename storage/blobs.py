"""Blobs as files: written once, durable before they are visible (design: stack, section 4; decisions R13)."""

from __future__ import annotations

import errno
import hashlib
import logging
import os
from collections import OrderedDict
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, ExitStack, asynccontextmanager, suppress
from datetime import datetime
from functools import partial
from io import FileIO
from pathlib import Path
from typing import TypeAlias

from domain.model import BlobKey
from domain.ports import BlobWriter, UnavailableError
from storage.blob_keys import KEY, milliseconds, new_key, place_of
from storage.dens import Den
from storage.file_work import in_thread

CHUNK_BYTES = 1024 * 1024
_KEYS_AT_ONCE = 500
_PUSHED_BYTES = 8 << 20
#: how many blobs are known to have had the right hash
_WHOLE_KEPT = 4_096
#: what a writer is given
Buffer = bytes | bytearray

_log = logging.getLogger(__name__)
_State: TypeAlias = tuple[int, int, int, int]


class FileBlobs:
    """Blobs under one folder of a local disk: :class:`domain.ports.Blobs`."""

    def __init__(self, folder: Path, scratch: Path) -> None:
        self._folder = folder
        #: on the blobs' own file system, because a rename cannot leave it
        self._incoming = Den(folder / "incoming")
        self._scratch = Den(scratch)
        #: files that had the right hash, as they were then: who reads a blob in ranges has it hashed once
        self._whole: OrderedDict[tuple[BlobKey, str], _State] = OrderedDict()

    @asynccontextmanager
    async def create(self) -> AsyncIterator[BlobWriter]:
        key = new_key()
        writer = _FileWriter(key, _Part(self._incoming.path / key), self._place(key), self._folder)
        try:
            yield writer
        finally:
            if not writer.is_finished:
                await in_thread(writer.part.drop)

    @asynccontextmanager
    async def local(self, key: BlobKey, *, sha256: str = "") -> AsyncIterator[Path]:
        place = self._place(key)
        if not await (self.is_whole(key, sha256) if sha256 else in_thread(place.is_file)):
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), key)
        yield place

    async def is_whole(self, key: BlobKey, sha256: str) -> bool:
        place, known = self._place(key), (key, sha256)
        try:
            state = await in_thread(_state_of, place)
            if self._whole.get(known) == state:
                return True
            found = await in_thread(_hash_of, place)
        except FileNotFoundError:
            return False
        if found != sha256:
            _log.error("The blob %s is damaged", key, extra={"fields": {"damaged": key}})
            return False
        self._whole[known] = state
        if len(self._whole) > _WHOLE_KEPT:
            self._whole.popitem(last=False)
        return True

    async def read(self, key: BlobKey, *, start: int = 0, length: int | None = None) -> AsyncGenerator[bytes]:
        if start < 0 or (length is not None and length < 0):
            raise ValueError(f"no range of a blob: {start=} {length=}")
        place = self._place(key)
        with ExitStack() as opened:
            file = await in_thread(lambda: opened.enter_context(place.open("rb", buffering=0)))
            await in_thread(file.seek, start)
            while length is None or length > 0:
                chunk = await in_thread(file.read, CHUNK_BYTES if length is None else min(CHUNK_BYTES, length))
                if not chunk:
                    return
                yield chunk
                length = None if length is None else length - len(chunk)

    async def demand_answer(self) -> None:
        if not await in_thread(self._folder.is_dir):
            raise UnavailableError("The folder of the blobs is not there.")

    async def delete(self, key: BlobKey) -> None:
        await in_thread(self._place(key).unlink, missing_ok=True)

    async def keys(self, *, older_than: datetime) -> AsyncIterator[Sequence[BlobKey]]:
        before = milliseconds(older_than)
        for shelf in await in_thread(lambda: sorted(self._folder.glob("[0-9a-f][0-9a-f]"))):
            found = await in_thread(_keys_before, shelf, before)
            for begin in range(0, len(found), _KEYS_AT_ONCE):
                yield found[begin : begin + _KEYS_AT_ONCE]

    def scratch(self) -> AbstractAsyncContextManager[Path]:
        return self._scratch.room()

    async def sweep_temporary(self) -> int:
        """Remove what processes that are no more left half-written. Returns how many had left something."""
        return await in_thread(self._incoming.sweep) + await in_thread(self._scratch.sweep)

    def _place(self, key: BlobKey) -> Path:
        return self._folder / place_of(key)


def _state_of(place: Path) -> _State:
    """What is another one as soon as somebody writes to the file."""
    found = place.stat()
    return found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns


def _hash_of(place: Path) -> str:
    with place.open("rb", buffering=0) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _keys_before(shelf: Path, before: str) -> list[BlobKey]:
    return [
        BlobKey(path.name)
        for path in shelf.glob("*/*")
        if KEY.fullmatch(path.name) and path.name[: len(before)] < before
    ]


class _FileWriter:
    """Gathers small chunks, so that a thread is asked once a mebibyte."""

    def __init__(self, key: BlobKey, part: _Part, place: Path, folder: Path) -> None:
        self.part = part
        self.is_finished = False
        self._key = key
        self._place = place
        self._folder = folder
        self._gathered = bytearray()

    async def write(self, chunk: Buffer) -> None:
        if not self._gathered and len(chunk) >= CHUNK_BYTES:
            await in_thread(self.part.append, chunk)
            return
        self._gathered += chunk
        if len(self._gathered) >= CHUNK_BYTES:
            await self._pass_on()

    async def finish(self) -> BlobKey:
        await self._pass_on()
        await in_thread(self.part.keep, self._place, self._folder)
        self.is_finished = True
        return self._key

    async def _pass_on(self) -> None:
        gathered, self._gathered = self._gathered, bytearray()
        await in_thread(self.part.append, gathered)


class _Part:
    """A file on its way in. Every method blocks, so it is called in a thread; never two at once."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: FileIO | None = None
        self._pushed = 0

    def append(self, content: Buffer) -> None:
        if self._file is None:
            self._file = FileIO(self._path, "xb", opener=partial(os.open, mode=0o600))
        rest = memoryview(content)
        while rest:
            rest = rest[self._file.write(rest) :]
        self._push(self._file)

    def _push(self, file: FileIO) -> None:
        """Let the disk begin while more comes in: what is left to wait for at the end is little."""
        if not hasattr(os, "posix_fadvise"):  # it only saves time, and not every system has it
            return
        written = file.tell()
        if written - self._pushed >= _PUSHED_BYTES:
            os.posix_fadvise(file.fileno(), self._pushed, written - self._pushed, os.POSIX_FADV_DONTNEED)
            self._pushed = written

    def keep(self, place: Path, folder: Path) -> None:
        """Bytes first, name second: after a power cut the name stands for all bytes or is not there."""
        if self._file is None:
            raise RuntimeError("a part is kept after its last bytes, which may be none")
        os.fsync(self._file)
        self._file.close()
        place.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._path = self._path.rename(place)
        for parent in (place.parent, place.parent.parent, folder):
            _sync_folder(parent)

    def drop(self) -> None:
        if self._file is not None:
            with suppress(OSError):  # a disk that failed a write may complain once more; the file goes all the same
                self._file.close()
        self._path.unlink(missing_ok=True)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
