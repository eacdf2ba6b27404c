"""An object store behind a line that fails, or with other bytes than it was given: F06 (design: security, 4.2)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bench import corpus
from domain.model import BlobKey
from domain.ports import UnavailableError
from storage.blob_keys import new_key, place_of
from storage.s3_blobs import S3Blobs
from storage.s3_writing import PART_BYTES
from tests.engines import CREDENTIALS, ObjectStore
from tests.faults.objects import OPTIONS, PREFIX, Installation, an_installation
from tests.faults.proxy import at_port
from tests.hostile import a_hostile, page

pytestmark = pytest.mark.s3
#: what an object store says that is too busy
BUSY = b"<Error><Code>SlowDown</Code><Message>hub-secret-of-the-store</Message></Error>"


@pytest.fixture
async def there(tmp_path: Path, object_store: ObjectStore) -> AsyncIterator[Installation]:
    async with an_installation(tmp_path, object_store, "all") as made:
        yield made


async def test_without_its_object_store_a_server_says_503_and_comes_back_by_itself(there, object_store, caplog):
    refused, ready = [], []
    async with a_hostile(otherwise=page(BUSY, status="503 Slow Down")) as broken:
        for fault in ("down", "errors"):
            there.proxy.onward = at_port(int(broken.port) if fault == "errors" else object_store.port)
            there.proxy.is_down = fault == "down"
            there.proxy.reset()
            refused += await there.everything()
            ready.append(await there.world.http.get("/readyz"))
    there.proxy.onward = at_port(object_store.port)
    again, ready_again = await there.everything(), await there.world.http.get("/readyz")

    assert {(answer.status_code, answer.json()["error"]) for answer in refused} == {(503, "ServiceUnavailable")}
    assert {answer.headers["retry-after"] for answer in refused} == {"5"}
    assert [(answer.status_code, answer.json()["missing"]) for answer in ready] == [(503, ["blobs"])] * 2
    assert ready_again.status_code == 200
    assert [answer.status_code for answer in again] == [200, 206, 201, 200, 200]
    assert again[0].content == there.content
    told = "".join([caplog.text, *(answer.text for answer in refused)])
    assert not any(secret in told for secret in (*CREDENTIALS.values(), "hub-secret"))


async def test_an_import_that_finds_no_object_store_is_tried_again_and_brings_all(tmp_path, object_store):
    async with an_installation(tmp_path, object_store, "web") as there:
        wish = {"uploadId": (await there.uploaded()).json()["uploadId"], "options": OPTIONS}
        headers = there.headers | {"Prefer": "respond-async"}
        begun = await there.world.http.post(f"{PREFIX}/packages/import", json=wish, headers=headers)
        runtime = there.world.runtime
        async with runtime.ports.store.platform_unit() as unit:
            claimed = await unit.jobs.claim("worker", lease_seconds=60)
        assert claimed is not None

        there.proxy.break_down()
        with pytest.raises(UnavailableError):
            await runtime.services.importer.run(claimed)
        there.proxy.repair()
        await runtime.services.importer.run(claimed)
        ended = await there.world.http.get(f"{PREFIX}/imports/{begun.json()['importId']}", headers=there.headers)

    assert ended.json()["status"] == "Success"


def _cut(content: bytearray) -> bytearray:
    return content[:-10]


def _flip(content: bytearray) -> bytearray:
    return content[:40] + bytes([content[40] ^ 1]) + content[41:]


def _swap(_: bytearray) -> bytes:
    """Another package, good by itself."""
    return corpus.bundle("elsewhere", "Other", corpus.artifacts(3, size=500))


def _remove(_: bytearray) -> None:
    """Nothing."""


async def test_objects_that_are_not_what_was_stored_are_given_to_nobody(there, caplog):
    blobs = there.world.runtime.ports.blobs
    key = await _the_key(blobs)
    answers = {}

    for damage in (_cut, _flip, _swap, _remove):
        await _replace(blobs, key, damage(there.content))
        answers[damage.__name__] = [
            await there.downloaded(),
            await there.downloaded(Range="bytes=0-9"),
            await there.imported(),
        ]
    await _replace(blobs, key, there.content)
    again = await there.downloaded()

    statuses = {name: [answer.status_code for answer in some] for name, some in answers.items()}
    assert statuses == dict.fromkeys(("_cut", "_flip", "_swap", "_remove"), [410] * 3)
    assert not any(answer.content.startswith(b"PK") for some in answers.values() for answer in some)
    assert [record.levelname for record in caplog.records if "is damaged" in record.message] == ["ERROR"] * 9
    assert again.content == there.content


async def test_bytes_that_went_wrong_on_the_way_are_not_passed_on(there, caplog):
    right = await there.downloaded()

    there.proxy.swaps = (b"PK\x03\x04", b"PK\x03\x05")
    there.proxy.reset()
    wrong = [await there.downloaded(), await there.downloaded(Range="bytes=0-9")]
    there.proxy.swaps = (b"", b"")
    again = await there.downloaded()

    assert (right.status_code, again.content) == (200, there.content)
    assert [answer.status_code for answer in wrong] == [503, 503]
    assert "came with other bytes" in caplog.text


async def test_an_answer_that_breaks_off_is_never_taken_for_the_whole(there, object_store, tmp_path):
    content = bytes(range(256)) * 12_000
    blobs = object_store.blobs(tmp_path / "elsewhere", port=there.proxy.port)
    key = await _put(blobs, content)

    read: list[bytes | None] = []
    for cut in (1, 300, 5_000, len(content) // 2):
        there.proxy.cut_after = cut
        try:
            read.append(await _read(blobs, key))
        except UnavailableError:
            read.append(None)
    whole = await _read(blobs, key)

    assert {content, None} >= {*read}
    assert whole == content


async def test_a_store_without_the_bucket_or_that_lets_nobody_in_is_unavailable_and_nothing_is_called_missing(
    object_store, tmp_path, monkeypatch
):
    no_bucket = object_store.blobs(tmp_path / "one", bucket="nothing-there")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "another-secret")
    no_entry = object_store.blobs(tmp_path / "other")
    key = new_key()

    told = []
    for blobs in (no_bucket, no_entry):
        large = bytes(PART_BYTES + 1)
        for asking in (_put(blobs, b"x"), _put(blobs, large), _read(blobs, key), blobs.is_whole(key, "0" * 64)):
            with pytest.raises(UnavailableError) as refused:
                await asking
            told.append(str(refused.value))

    assert ("NoSuchBucket" in "".join(told), "SignatureDoesNotMatch" in "".join(told)) == (True, True)
    assert not any(word in repr(told) for word in ("another-secret", CREDENTIALS["AWS_ACCESS_KEY_ID"]))


async def _put(blobs: S3Blobs, content: bytes) -> BlobKey:
    async with blobs.create() as writer:
        await writer.write(content)
        return await writer.finish()


async def _read(blobs: S3Blobs, key: BlobKey) -> bytes:
    return b"".join([chunk async for chunk in blobs.read(key)])


async def _the_key(blobs: S3Blobs) -> BlobKey:
    (key,) = [key async for keys in blobs.keys(older_than=datetime.now(UTC) + timedelta(days=1)) for key in keys]
    return key


async def _replace(blobs: S3Blobs, key: BlobKey, content: bytes | bytearray | None) -> None:
    """As somebody does who has the bucket's keys."""
    if content is None:
        await blobs.delete(key)
    else:
        await blobs._writing.put_async(place_of(key), content)
