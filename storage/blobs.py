"""Blobs as files: written once, durable before they are visible (design: stack, section 4; decisions R13)."""

from __future__ import annotations

import asyncio
import errno
import fcntl
import hashlib
import logging
import os
import re
import shutil
import weakref
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import ExitStack, asynccontextmanager, suppress
from datetime import datetime
from functools import partial
from io import FileIO
from pathlib import Path
from typing import ParamSpec, TypeAlias, TypeVar

import uuid_utils

from domain.model import BlobKey
from domain.ports import BlobWriter, NoRoomError, UnavailableError

CHUNK_BYTES = 1024 * 1024
_KEYS_AT_ONCE = 500
_PUSHED_BYTES = 8 << 20
#: how many blobs are known to have had the right hash
_WHOLE_KEPT = 4_096
#: what the system says when nothing more can be written
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
#: what a writer is given
Buffer = bytes | bytearray

_log = logging.getLogger(__name__)
_KEY = re.compile(r"[0-9a-f]{32}")
_State: TypeAlias = tuple[int, int, int, int]
P = ParamSpec("P")
T = TypeVar("T")


class FileBlobs:
    """Blobs under one folder of a local disk: :class:`domain.ports.Blobs`.

    A key is the hex form of a UUIDv7. Its first digits are the time, so its last four spread blobs over folders.
    """

    def __init__(self, folder: Path, scratch: Path) -> None:
        self._folder = folder
        #: on the blobs' own file system, because a rename cannot leave it
        self._incoming = _Den(folder / "incoming")
        self._scratch = _Den(scratch)
        #: files that had the right hash, as they were then: who reads a blob in ranges has it hashed once
        self._whole: OrderedDict[tuple[BlobKey, str], _State] = OrderedDict()

    @asynccontextmanager
    async def create(self) -> AsyncIterator[BlobWriter]:
        key = BlobKey(uuid_utils.uuid7().hex)
        writer = _FileWriter(key, _Part(self._incoming.path / key), self._place(key), self._folder)
        try:
            yield writer
        finally:
            if not writer.is_finished:
                await _in_thread(writer.part.drop)

    @asynccontextmanager
    async def local(self, key: BlobKey, *, sha256: str = "") -> AsyncIterator[Path]:
        place = self._place(key)
        if not await (self.is_whole(key, sha256) if sha256 else _in_thread(place.is_file)):
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), key)
        yield place

    async def is_whole(self, key: BlobKey, sha256: str) -> bool:
        place, known = self._place(key), (key, sha256)
        try:
            state = await _in_thread(_state_of, place)
            if self._whole.get(known) == state:
                return True
            found = await _in_thread(_hash_of, place)
        except FileNotFoundError:
            return False
        if found != sha256:
            _log.error("The blob %s is damaged", key, extra={"fields": {"damaged": key}})
            return False
        self._whole[known] = state
        if len(self._whole) > _WHOLE_KEPT:
            self._whole.popitem(last=False)
        return True

    async def read(self, key: BlobKey, *, start: int = 0, length: int | None = None) -> AsyncIterator[bytes]:
        if start < 0 or (length is not None and length < 0):
            raise ValueError(f"no range of a blob: {start=} {length=}")
        place = self._place(key)
        with ExitStack() as opened:
            file = await _in_thread(lambda: opened.enter_context(place.open("rb", buffering=0)))
            await _in_thread(file.seek, start)
            while length is None or length > 0:
                chunk = await _in_thread(file.read, CHUNK_BYTES if length is None else min(CHUNK_BYTES, length))
                if not chunk:
                    return
                yield chunk
                length = None if length is None else length - len(chunk)

    async def delete(self, key: BlobKey) -> None:
        await _in_thread(self._place(key).unlink, missing_ok=True)

    async def keys(self, *, older_than: datetime) -> AsyncIterator[Sequence[BlobKey]]:
        # the first digits of a key are the milliseconds since 1970
        before = f"{int(older_than.timestamp() * 1000):012x}"
        for shelf in await _in_thread(lambda: sorted(self._folder.glob("[0-9a-f][0-9a-f]"))):
            found = await _in_thread(_keys_before, shelf, before)
            for begin in range(0, len(found), _KEYS_AT_ONCE):
                yield found[begin : begin + _KEYS_AT_ONCE]

    @asynccontextmanager
    async def scratch(self) -> AsyncIterator[Path]:
        room = self._scratch.path / uuid_utils.uuid7().hex
        try:
            await _in_thread(room.mkdir, mode=0o700)
            yield room
        finally:
            await _in_thread(shutil.rmtree, room, ignore_errors=True)

    async def sweep_temporary(self) -> int:
        """Remove what processes that are no more left half-written. Returns how many had left something."""
        return await _in_thread(self._incoming.sweep) + await _in_thread(self._scratch.sweep)

    def _place(self, key: BlobKey) -> Path:
        if not _KEY.fullmatch(key):
            raise ValueError(f"not a blob key: {key!r}")
        return self._folder / key[-2:] / key[-4:-2] / key


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
        if _KEY.fullmatch(path.name) and path.name[: len(before)] < before
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
            await _in_thread(self.part.append, chunk)
            return
        self._gathered += chunk
        if len(self._gathered) >= CHUNK_BYTES:
            await self._pass_on()

    async def finish(self) -> BlobKey:
        await self._pass_on()
        await _in_thread(self.part.keep, self._place, self._folder)
        self.is_finished = True
        return self._key

    async def _pass_on(self) -> None:
        gathered, self._gathered = self._gathered, bytearray()
        await _in_thread(self.part.append, gathered)


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


class _Den:
    """This process's own folder under a shared one, removed when the process ends.

    A process killed outright leaves its den behind, but the kernel takes back the lock on it. So the next one can
    tell a leftover from a den in use, without asking for process ids, host names or ages.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        root.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.path, lock = _moved_in(root)
        weakref.finalize(self, _move_out, self.path, lock)

    def sweep(self) -> int:
        """Remove the dens nobody lives in, and return how many there were."""
        others = [path for path in self._root.iterdir() if path.is_dir() and path != self.path]
        return sum(_removed_if_left(path) for path in others)


def _moved_in(root: Path) -> tuple[Path, int]:
    """A new den and the descriptor of its lock. Another process may sweep it before it is locked: then once more."""
    while True:
        path = root / uuid_utils.uuid7().hex
        path.mkdir(mode=0o700)
        with suppress(FileNotFoundError):
            lock = _lock_file(path)
            fcntl.flock(lock, fcntl.LOCK_EX)
            if path.exists():
                return path, lock
            os.close(lock)


def _move_out(path: Path, lock: int) -> None:
    shutil.rmtree(path, ignore_errors=True)
    os.close(lock)


def _removed_if_left(path: Path) -> bool:
    try:
        lock = _lock_file(path)
    except FileNotFoundError:  # somebody else swept it just now
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    else:
        shutil.rmtree(path, ignore_errors=True)
        return True
    finally:
        os.close(lock)


def _lock_file(den: Path) -> int:
    return os.open(den / "lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


async def _in_thread(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Run blocking file work in a thread, and do not return before it ended, not even when cancelled.

    So nobody closes or removes a file under a thread that still writes to it. A missing file stays
    ``FileNotFoundError``; any other trouble of the disk, a full one too, is an :class:`UnavailableError`.
    """
    # a future and not a task: at shutdown every task is cancelled at once
    work = asyncio.get_running_loop().run_in_executor(None, partial(function, *args, **kwargs))
    try:
        return await asyncio.shield(work)
    except asyncio.CancelledError:
        while not work.done():
            with suppress(asyncio.CancelledError):
                await asyncio.wait([work])
        work.exception()  # asked for, so that nobody reports it as never looked at
        raise
    except FileNotFoundError:
        raise
    except OSError as trouble:
        if trouble.errno in _FULL:
            raise NoRoomError("The blob store has no room.") from trouble
        raise UnavailableError("The blob store cannot answer now.") from trouble
