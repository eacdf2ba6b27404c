"""Folders of one process below a shared one: what it leaves when it is killed, others find and remove."""

from __future__ import annotations

import fcntl
import os
import shutil
import weakref
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import uuid_utils

from storage.file_work import in_thread


class Den:
    """This process's own folder under a shared one, removed when the process ends.

    A process killed outright leaves its den behind, but the kernel takes back the lock on it. So the next one can
    tell a leftover from a den in use, without asking for process ids, host names or ages.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        root.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.path, lock = _moved_in(root)
        weakref.finalize(self, _move_out, self.path, lock)

    @asynccontextmanager
    async def room(self) -> AsyncIterator[Path]:
        """A private folder that is gone afterwards."""
        room = self.path / uuid_utils.uuid7().hex
        try:
            await in_thread(room.mkdir, mode=0o700)
            yield room
        finally:
            await in_thread(shutil.rmtree, room, ignore_errors=True)

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
