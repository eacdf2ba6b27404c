"""The archive of a whole installation: a tar of its files, their checksums at the end (decisions R40).

Members are ``installhub.db`` (SQLite's alone), ``keys/…``, ``blobs/…`` as they lie in the data folder, ``SHA256SUMS``
over all of them, and last ``manifest.json``, which says what this is and vouches for the checksums.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import shutil
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

DATABASE, SUMS, MANIFEST = "installhub.db", "SHA256SUMS", "manifest.json"
FORMAT = 1
_MEMBER = re.compile(r"installhub\.db|keys/[A-Za-z0-9._-]+|blobs/[0-9a-f]{2}/[0-9a-f]{2}/[0-9a-f]{32}")
_MANIFEST_BYTES_MAX = 1 << 20
_CHUNK = 1 << 20


class DamagedArchiveError(Exception):
    """This is no backup, or not all of one; the message says what is wrong with it."""


class _Summed:
    """A file that is read once, and its SHA-256."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.digest = hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        chunk = self._file.read(size)
        self.digest.update(chunk)
        return chunk


class ArchiveWriter:
    """An archive that is there only once it is whole. For threads."""

    def __init__(self, target: Path) -> None:
        self._target = target
        self._part = target.with_name(f"{target.name}.part")
        self._file = os.fdopen(os.open(self._part, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600), "wb")
        self._tar = tarfile.open(fileobj=self._file, mode="w", format=tarfile.PAX_FORMAT)  # noqa: SIM115 - see finish
        self._sums = io.StringIO()
        self.files = 0
        self.bytes = 0

    def add(self, name: str, place: Path) -> None:
        """Append a file. Raises ``FileNotFoundError``, and then nothing was appended."""
        with place.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            summed = _Summed(file)
            self._tar.addfile(_member(name, size), summed)
        self._sums.write(f"{summed.digest.hexdigest()}  {name}\n")
        self.files += 1
        self.bytes += size

    def finish(self, told: Mapping[str, Any]) -> None:
        """Write the checksums and what there is to be told of it; then it is there, and stays there."""
        sums = self._sums.getvalue().encode()
        manifest = {"format": FORMAT, **told, "files": self.files, "sums": hashlib.sha256(sums).hexdigest()}
        for name, content in ((SUMS, sums), (MANIFEST, json.dumps(manifest, indent=2).encode())):
            self._tar.addfile(_member(name, len(content)), io.BytesIO(content))
        self._tar.close()
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        self._part.rename(self._target)

    def drop(self) -> None:
        """Leave nothing behind, unless it was finished."""
        self._file.close()
        self._part.unlink(missing_ok=True)


def _member(name: str, size: int) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.size, member.mode = size, 0o600
    return member


def unpacked(archive: Path, folder: Path) -> dict[str, Any]:
    """Write an archive's files below a folder, and compare them with their checksums; gives its manifest.

    Raises :class:`DamagedArchiveError` for what is no whole backup. Nothing is written outside of the folder.
    """
    found: dict[str, str] = {}
    last: dict[str, bytes] = {}
    try:
        with tarfile.open(archive, "r:") as tar:
            for member in tar:
                file = tar.extractfile(member) if member.isreg() else None
                if file is None or member.name in found or member.name in last:
                    raise DamagedArchiveError(f"{member.name} does not belong into a backup")
                if member.name in (SUMS, MANIFEST):
                    last[member.name] = file.read()
                elif _MEMBER.fullmatch(member.name) and not last:
                    found[member.name] = _written(file, folder / member.name)
                else:
                    raise DamagedArchiveError(f"{member.name} does not belong into a backup")
    except tarfile.TarError as error:
        raise DamagedArchiveError(f"it cannot be read: {error}") from error
    return _compared(found, last)


def _written(file: IO[bytes], place: Path) -> str:
    place.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    summed = _Summed(file)
    with os.fdopen(os.open(place, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb") as copy:
        shutil.copyfileobj(summed, copy, _CHUNK)
        copy.flush()
        os.fsync(copy.fileno())
    return summed.digest.hexdigest()


def _compared(found: Mapping[str, str], last: Mapping[str, bytes]) -> dict[str, Any]:
    if last.keys() != {SUMS, MANIFEST} or len(last[MANIFEST]) > _MANIFEST_BYTES_MAX:
        raise DamagedArchiveError("its end is missing")
    try:
        manifest = json.loads(last[MANIFEST])
        rows = [line.split("  ", 1) for line in last[SUMS].decode().splitlines()]
        stated = {name: digest for digest, name in rows}
    except ValueError as error:
        raise DamagedArchiveError(f"its end cannot be read: {error}") from error
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        raise DamagedArchiveError("this version cannot read it")
    if hashlib.sha256(last[SUMS]).hexdigest() != manifest.get("sums"):
        raise DamagedArchiveError("its checksums were changed")
    if wrong := sorted(name for name in stated.keys() | found.keys() if stated.get(name) != found.get(name)):
        raise DamagedArchiveError(f"{wrong[0]} is not what was backed up")
    return manifest
