"""``backup`` and ``restore``: a whole installation in one file, and back (decisions R40).

The database is copied first and the bytes afterwards: what its rows name was stored before them, so a copy that is
made while others write lacks nothing. Bytes that came in between are nobody's, and swept one day.
"""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
from collections.abc import AsyncGenerator
from contextlib import closing
from datetime import timedelta
from pathlib import Path

from domain.errors import ErrorCode, refuse
from domain.model import BlobKey, rfc3339
from server import settings
from server.archiving import DATABASE, ArchiveWriter, DamagedArchiveError, unpacked
from server.errands import CommandRefusedError, Errand, Said
from server.runtime import Runtime
from server.settings import Settings
from storage.blob_keys import place_of
from storage.migrate import known_revisions

_A_DAY = timedelta(days=1)
_ROOM = "restoring"
_APART = (
    "The bundles are in an object store and not in this file: keep them there, by versions or copies of the bucket, for"
    " at least as long as this backup."
)
_BY_ITSELF = (
    "The database is PostgreSQL's and not in this file: dump it with pg_dump first and make this backup afterwards,"
    " so that all that the dump names is here."
)
#: what may lie in an empty data folder: a file system's own folder, and what a restore left that was cut off
_NOTHING = {"lost+found", _ROOM}


async def back_up(errand: Errand) -> AsyncGenerator[Said, None]:
    """The database as it is now, the bytes that it names, and the development keys, in one file."""
    target = Path(errand.given["target"])
    if await asyncio.to_thread(target.exists):
        raise refuse(ErrorCode.BAD_USER_INPUT, f"{target} is already there.")
    try:
        writer = await asyncio.to_thread(ArchiveWriter, target)
        try:
            await _filled(errand.runtime, writer)
        finally:
            await asyncio.to_thread(writer.drop)
    except OSError as error:
        text = f"{target} cannot be written: {error.strerror}."
        raise refuse(ErrorCode.INSUFFICIENT_STORAGE, text) from error
    if errand.runtime.settings.sqlite_file is None:
        yield _BY_ITSELF
    if errand.runtime.settings.blobs_folder is None:
        yield _APART
    yield f"{target} is written: {writer.files} files, {writer.bytes} bytes."


async def _filled(runtime: Runtime, writer: ArchiveWriter) -> None:
    chosen, now = runtime.settings, runtime.ports.clock.now()
    async with runtime.ports.blobs.scratch() as room:
        if chosen.sqlite_file is not None:
            await asyncio.to_thread(_copied, chosen.sqlite_file, room / DATABASE)
            await asyncio.to_thread(writer.add, DATABASE, room / DATABASE)
        for place in sorted(path for path in chosen.keys_folder.glob("*") if path.is_file()):
            await asyncio.to_thread(writer.add, f"keys/{place.name}", place)
        if chosen.blobs_folder is not None:
            async for keys in runtime.ports.blobs.keys(older_than=now + _A_DAY):
                for key in keys:
                    await _with_blob(runtime, writer, key)
    has = {"hasDatabase": chosen.sqlite_file is not None, "hasBlobs": chosen.blobs_folder is not None}
    told = {"madeAt": rfc3339(now), "platformVersion": chosen.platform_version}
    await asyncio.to_thread(writer.finish, told | has)


def _copied(database: Path, copy: Path) -> None:
    """The database as one moment had it; whoever writes meanwhile is not kept waiting."""
    with closing(sqlite3.connect(database)) as source, closing(sqlite3.connect(copy)) as to:
        source.execute("PRAGMA query_only=ON")
        source.backup(to)


async def _with_blob(runtime: Runtime, writer: ArchiveWriter, key: BlobKey) -> None:
    """One that was swept a moment ago is needed by nobody."""
    try:
        async with runtime.ports.blobs.local(key) as place:
            await asyncio.to_thread(writer.add, f"blobs/{place_of(key)}", place)
    except FileNotFoundError:
        return


def restored(source: Path) -> str:
    """Put a backup into the empty data folder, once all of it is as it was; a sentence about it.

    Raises :class:`CommandRefusedError`, and then the folder is as empty as it was.
    """
    chosen = settings.load()
    folder = chosen.data
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    if there := sorted(path.name for path in folder.iterdir() if path.name not in _NOTHING):
        raise CommandRefusedError(f"{folder} is not empty: there is {there[0]}; name an empty one as INSTALLHUB_DATA")
    room = folder / _ROOM
    shutil.rmtree(room, ignore_errors=True)
    room.mkdir(mode=0o700)
    try:
        manifest = unpacked(source, room)
        _demand_same_blobs(chosen, has_blobs=bool(manifest.get("hasBlobs", True)))
        _demand_fit(chosen, room, has_database=bool(manifest.get("hasDatabase")))
        _put_in_place(room, folder)
    except DamagedArchiveError as error:
        raise CommandRefusedError(f"{source} is no whole backup: {error}") from error
    finally:
        shutil.rmtree(room, ignore_errors=True)
    return f"{folder} is as it was at {manifest.get('madeAt')}: {manifest.get('files')} files."


def _demand_same_blobs(chosen: Settings, *, has_blobs: bool) -> None:
    """Bundles are where they were: in the data folder, or in an object store that has them still."""
    folder, usual = chosen.blobs_folder, chosen.data / "blobs"
    if not has_blobs and folder is not None:
        raise CommandRefusedError("the bundles of this backup are in an object store: name it as INSTALLHUB_BLOBS_URL")
    if has_blobs and (folder is None or folder.absolute() != usual.absolute()):
        raise CommandRefusedError(f"the bundles of this backup are restored to {usual}; unset INSTALLHUB_BLOBS_URL")


def _demand_fit(chosen: Settings, room: Path, *, has_database: bool) -> None:
    """Nothing is put in place that a server could not begin with."""
    if has_database != (chosen.sqlite_file is not None):
        text = "is PostgreSQL's, to be restored with pg_restore" if not has_database else "is SQLite's"
        raise CommandRefusedError(f"the database of this backup {text}; INSTALLHUB_DATABASE_URL says otherwise")
    if chosen.sqlite_file is None:
        return
    if chosen.sqlite_file.absolute() != (chosen.data / DATABASE).absolute():
        raise CommandRefusedError(f"a backup is restored to {chosen.data / DATABASE}; unset INSTALLHUB_DATABASE_URL")
    try:
        with closing(sqlite3.connect(room / DATABASE)) as database:
            is_whole = database.execute("PRAGMA integrity_check(1)").fetchone() == ("ok",)
            revision = database.execute("SELECT version_num FROM alembic_version").fetchone()
    except sqlite3.Error as error:
        raise DamagedArchiveError(f"its database cannot be read: {error}") from error
    if not is_whole:
        raise DamagedArchiveError("its database is damaged")
    if revision is None or revision[0] not in known_revisions():
        raise CommandRefusedError("this backup is of a later version of the server")


def _put_in_place(room: Path, folder: Path) -> None:
    """The database last: until it is there, this is no installation."""
    for place in sorted(room.iterdir(), key=lambda place: place.name == DATABASE):
        place.rename(folder / place.name)
