"""Blobs in an object store, besides what every store of blobs does: parts, pieces and copies."""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from itertools import product
from pathlib import Path

import pytest

from domain.model import BlobKey
from domain.ports import UnavailableError
from storage.blobs import FileBlobs
from storage.s3_blobs import PIECE_BYTES, S3Blobs
from storage.s3_place import S3Place, s3_place
from storage.s3_writing import PART_BYTES
from tests.engines import ObjectStore
from tests.faults.proxy import a_proxy, at_port

pytestmark = pytest.mark.s3
CONTENT = os.urandom(PART_BYTES + PIECE_BYTES + 17)
SHA256 = hashlib.sha256(CONTENT).hexdigest()
#: at both sides of where pieces and what is fetched at once end
EDGES = (0, PIECE_BYTES - 1, PIECE_BYTES, 4 * PIECE_BYTES + 1, len(CONTENT))


@pytest.fixture
def blobs(object_store: ObjectStore, tmp_path: Path) -> S3Blobs:
    return object_store.blobs(tmp_path)


async def put(blobs: S3Blobs, content: bytes = CONTENT) -> BlobKey:
    async with blobs.create() as writer:
        for begin in range(0, len(content), 700_000):
            await writer.write(content[begin : begin + 700_000])
        return await writer.finish()


async def kept(blobs: S3Blobs) -> list[BlobKey]:
    later = datetime.now(UTC) + timedelta(days=1)
    return [key for keys in [keys async for keys in blobs.keys(older_than=later)] for key in keys]


async def test_what_comes_in_parts_is_whole_and_read_at_any_place_whether_it_was_looked_at_or_not(blobs):
    key = await put(blobs)
    spans = [(start, end - start) for start, end in product(EDGES, EDGES) if start <= end]

    def read(start: int, length: int):
        return blobs.read(key, start=start, length=length)

    before = [b"".join([chunk async for chunk in read(*span)]) for span in spans]
    wholes = [await blobs.is_whole(key, SHA256), await blobs.is_whole(key, "0" * 64)]
    after = [b"".join([chunk async for chunk in read(*span)]) for span in spans]

    assert wholes == [True, False]
    assert before == after == [CONTENT[start : start + length] for start, length in spans]


async def test_blobs_in_a_folder_of_the_folder_are_another_installations(object_store, tmp_path):
    upper, lower = (object_store.blobs(tmp_path, folder=folder) for folder in ("shared", "shared/other"))

    keys = [await put(blobs, b"bytes") for blobs in (upper, lower)]

    assert [await kept(upper), await kept(lower)] == [keys[:1], keys[1:]]


async def test_a_local_copy_is_compared_and_gone_afterwards(blobs, tmp_path):
    key = await put(blobs)

    async with blobs.local(key, sha256=SHA256) as place:
        copied = hashlib.sha256(place.read_bytes()).hexdigest()
    with pytest.raises(FileNotFoundError):
        async with blobs.local(key, sha256="0" * 64):
            pass

    assert copied == SHA256
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["lock"]


async def test_of_a_blob_that_was_right_no_piece_is_passed_on_that_is_not_what_it_was(object_store, tmp_path):
    async with a_proxy(at_port(object_store.port)) as proxy:
        blobs = object_store.blobs(tmp_path, port=proxy.port)
        key = await put(blobs)
        assert await blobs.is_whole(key, SHA256)
        proxy.swaps = (CONTENT[-12:-2], bytes(10))

        came: list[bytes] = []
        with pytest.raises(UnavailableError):
            await _into(came, blobs.read(key))

    assert b"".join(came) == CONTENT[: PART_BYTES + PIECE_BYTES]


async def _into(came: list[bytes], chunks: AsyncIterator[bytes]) -> None:
    async for chunk in chunks:
        came.append(chunk)  # noqa: PERF401 - what came before the trouble is looked at


async def test_the_folder_of_the_blobs_copied_into_a_bucket_is_read_there(blobs, tmp_path):
    files = FileBlobs(tmp_path / "files", tmp_path / "other")
    async with files.create() as writer:
        await writer.write(b"moved")
        key = await writer.finish()

    for place in tmp_path.glob("files/??/??/*"):
        await blobs._writing.put_async(place.relative_to(tmp_path / "files").as_posix(), place.read_bytes())

    assert await kept(blobs) == [key]
    assert [chunk async for chunk in blobs.read(key)] == [b"moved"]


@pytest.mark.parametrize("bytes_before", [PART_BYTES - 1, PART_BYTES, len(CONTENT)])
async def test_an_upload_of_many_parts_that_ends_early_is_not_there(blobs, bytes_before):
    writing = asyncio.Event()

    async def write():
        async with blobs.create() as writer:
            await writer.write(CONTENT[:bytes_before])
            writing.set()
            if bytes_before == len(CONTENT):
                await writer.finish()
            await asyncio.Event().wait()

    work = asyncio.create_task(write())
    await writing.wait()
    work.cancel()
    await asyncio.wait([work])

    assert work.cancelled()
    assert await kept(blobs) == []


def test_an_address_says_where_the_bucket_is():
    ours = s3_place("s3://bundles/some/folder?endpoint=http://127.0.0.1:8333/&region=eu-central-1")

    assert ours == S3Place("bundles", "some/folder", "http://127.0.0.1:8333", "eu-central-1", is_host_style=False)
    assert (ours.is_plain, s3_place("s3://bundles").is_plain, s3_place("s3://bundles").is_host_style) == (
        True,
        False,
        True,
    )
