"""Blobs: written once, durable before visible, nothing left of what was not finished."""

from __future__ import annotations

import asyncio
import os
import resource
import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import cast

import pytest

from domain.model import BlobKey
from domain.ports import Blobs, UnavailableError
from storage.blobs import CHUNK_BYTES, FileBlobs
from tests.engines import ObjectStore

ROOT = Path(__file__).parents[2]
IMPORTS = """
import asyncio, sys
from pathlib import Path
from storage.blobs import CHUNK_BYTES, FileBlobs

"""

#: says when it has begun, then waits to be killed
UNLUCKY_PROCESS = f"""{IMPORTS}
async def main():
    blobs = FileBlobs(Path(sys.argv[1]), Path(sys.argv[2]))
    async with blobs.create() as writer, blobs.scratch() as room:
        await writer.write(bytes(CHUNK_BYTES))
        (room / "half").write_bytes(b"half")
        print("ready", flush=True)
        await asyncio.sleep(60)

asyncio.run(main())
"""


STORES = ["files", pytest.param("objects", marks=pytest.mark.s3)]
#: a time after which nothing was made yet
LATER = timedelta(days=1)


@pytest.fixture(params=STORES)
def blobs(request: pytest.FixtureRequest, tmp_path: Path) -> Blobs:
    """A store of the test's own, once in files and once in an object store."""
    if request.param == "files":
        return FileBlobs(tmp_path / "blobs", tmp_path / "scratch")
    store: ObjectStore = request.getfixturevalue("object_store")
    return store.blobs(tmp_path / "scratch")


@pytest.fixture
def files(tmp_path: Path) -> FileBlobs:
    return FileBlobs(tmp_path / "blobs", tmp_path / "scratch")


async def put(blobs: Blobs, *chunks: bytes) -> BlobKey:
    async with blobs.create() as writer:
        for chunk in chunks:
            await writer.write(chunk)
        return await writer.finish()


async def everything(blobs: Blobs, key: BlobKey, *, start: int = 0, length: int | None = None) -> bytes:
    return b"".join([chunk async for chunk in blobs.read(key, start=start, length=length)])


async def left(blobs: Blobs, folder: Path) -> list[str]:
    """The names of what is kept, whether finished or not."""
    objects = [key async for keys in blobs.keys(older_than=datetime.now(UTC) + LATER) for key in keys]
    return sorted({*objects, *(path.name for path in files_below(folder))})


def files_below(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file() and path.name != "lock")


def open_files() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


async def test_what_was_written_is_read_again(blobs):
    content = os.urandom(3 * CHUNK_BYTES + 17)

    key = await put(blobs, content[:10], content[10 : 2 * CHUNK_BYTES], content[2 * CHUNK_BYTES :])

    chunks = [chunk async for chunk in blobs.read(key)]
    assert b"".join(chunks) == content
    assert max(map(len, chunks)) <= CHUNK_BYTES


async def test_an_empty_blob_is_a_blob(blobs):
    key = await put(blobs)

    assert await everything(blobs, key) == b""


@pytest.mark.parametrize(
    ("start", "length"), [(0, 0), (0, 5), (7, None), (CHUNK_BYTES - 3, 6), (2 * CHUNK_BYTES, 9), (CHUNK_BYTES * 9, 1)]
)
async def test_a_range_is_read(blobs, start, length):
    content = os.urandom(2 * CHUNK_BYTES + 5)
    key = await put(blobs, content)

    piece = await everything(blobs, key, start=start, length=length)

    assert piece == content[start : None if length is None else start + length]


async def test_a_local_copy_can_be_read_at_any_place(blobs):
    key = await put(blobs, b"0123456789")

    async with blobs.local(key) as path:
        assert path.read_bytes() == b"0123456789"


async def test_an_unfinished_blob_leaves_nothing(blobs, tmp_path):
    async with blobs.create() as writer:
        await writer.write(bytes(CHUNK_BYTES + 1))

    assert await left(blobs, tmp_path) == []


async def test_a_blob_whose_writing_failed_leaves_nothing(blobs, tmp_path):
    with pytest.raises(TypeError):
        await put(blobs, bytes(CHUNK_BYTES + 1), cast("bytes", "no bytes"))

    assert await left(blobs, tmp_path) == []


@pytest.mark.parametrize("moments", range(12))
async def test_a_cancelled_writer_leaves_nothing_or_a_finished_blob(blobs, tmp_path, moments):
    finished: list[BlobKey] = []
    writing = asyncio.create_task(_write_and_tell(blobs, finished))

    for _ in range(moments):
        await asyncio.sleep(0.0005)
    writing.cancel()
    await asyncio.wait([writing])

    assert await left(blobs, tmp_path) == finished


async def _write_and_tell(blobs, finished):
    async with blobs.create() as writer:
        for _ in range(3):
            await writer.write(bytes(CHUNK_BYTES))
        finished.append(await writer.finish())


async def test_a_finished_blob_takes_no_more_bytes(blobs):
    async with blobs.create() as writer:
        key = await writer.finish()
        with pytest.raises(ValueError, match="closed"):
            await writer.write(bytes(CHUNK_BYTES))

    assert await everything(blobs, key) == b""


async def test_every_blob_has_a_key_of_its_own(blobs):
    keys = await asyncio.gather(*[put(blobs, b"same") for _ in range(20)])

    assert len(set(keys)) == 20


async def test_a_deleted_blob_is_gone_and_deleting_again_is_no_error(blobs):
    key = await put(blobs, b"x")

    await blobs.delete(key)
    await blobs.delete(key)

    with pytest.raises(FileNotFoundError):
        async with blobs.local(key):
            pass
    with pytest.raises(FileNotFoundError):
        await everything(blobs, key)


@pytest.mark.parametrize("key", ["", "../../etc/passwd", "0" * 31, "0" * 33, "A" * 32, "0" * 31 + "/", "0" * 32 + "\n"])
async def test_what_is_no_key_is_never_made_a_path(blobs, key):
    with pytest.raises(ValueError, match="not a blob key"):
        await blobs.delete(BlobKey(key))
    with pytest.raises(ValueError, match="not a blob key"):
        await everything(blobs, BlobKey(key))
    with pytest.raises(ValueError, match="not a blob key"):
        async with blobs.local(BlobKey(key)):
            pass


async def test_a_reader_that_leaves_early_closes_the_file(files):
    key = await put(files, bytes(3 * CHUNK_BYTES))
    before = open_files()

    reading = files.read(key)
    await anext(reading)
    await reading.aclose()

    assert open_files() == before


async def test_a_disk_without_room_is_told_and_leaves_nothing(files, tmp_path):
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    was = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (CHUNK_BYTES // 2, hard))

    try:
        with pytest.raises(UnavailableError) as told:
            await put(files, bytes(CHUNK_BYTES))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, was)

    assert isinstance(told.value.__cause__, OSError)
    assert files_below(tmp_path) == []
    assert await everything(files, await put(files, b"room again")) == b"room again"


async def test_a_scratch_folder_is_private_and_gone_afterwards(blobs):
    async with blobs.scratch() as one, blobs.scratch() as other:
        (one / "deep").mkdir()
        (one / "deep" / "file").write_bytes(b"x")
        assert (one != other, one.stat().st_mode & 0o777) == (True, 0o700)

    assert (one.exists(), other.exists()) == (False, False)


async def test_a_scratch_folder_is_gone_after_a_cancellation(blobs, tmp_path):
    began = asyncio.Event()

    async def working():
        async with blobs.scratch() as room:
            (room / "file").write_bytes(b"x")
            began.set()
            await asyncio.sleep(60)

    work = asyncio.create_task(working())
    await began.wait()
    work.cancel()
    await asyncio.wait([work])

    assert files_below(tmp_path) == []


async def test_what_a_killed_process_left_is_swept_and_what_is_in_use_stays(tmp_path):
    folder, scratch = tmp_path / "blobs", tmp_path / "scratch"
    ours = FileBlobs(folder, scratch)
    command = [sys.executable, "-c", UNLUCKY_PROCESS, str(folder), str(scratch)]

    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT) as theirs:
        assert theirs.stdout is not None
        assert theirs.stdout.readline() == b"ready\n"
        swept_while_alive = await ours.sweep_temporary()
        theirs.kill()

    left = len(files_below(tmp_path))
    async with ours.create() as writer:
        await writer.write(bytes(CHUNK_BYTES))
        swept = await ours.sweep_temporary()
        kept = await writer.finish()
    assert (swept_while_alive, left, swept) == (0, 2, 2)
    assert [path.name for path in files_below(tmp_path)] == [kept]


def test_a_process_that_ends_takes_its_folders_along(tmp_path):
    making = f"{IMPORTS}blobs = FileBlobs(Path(sys.argv[1]), Path(sys.argv[2]))"
    command = [sys.executable, "-c", making, str(tmp_path / "blobs"), str(tmp_path / "scratch")]

    subprocess.run(command, check=True, cwd=ROOT)

    assert sorted(path.name for path in tmp_path.rglob("*")) == ["blobs", "incoming", "scratch"]


async def test_keys_are_told_by_age_and_only_of_finished_blobs(blobs):
    first = await put(blobs, b"one")
    between = datetime.now(UTC) + timedelta(milliseconds=2)
    while datetime.now(UTC) < between:
        await asyncio.sleep(0.001)
    second = await put(blobs, b"two")

    async with blobs.create() as writer:
        await writer.write(bytes(CHUNK_BYTES))
        told = [keys async for keys in blobs.keys(older_than=datetime.now(UTC) + timedelta(days=1))]
        older = [keys async for keys in blobs.keys(older_than=between)]

    assert sorted(key for keys in told for key in keys) == [first, second]
    assert [key for keys in older for key in keys] == [first]
