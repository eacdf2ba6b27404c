"""Uploads on their way in: any order, any chunks, any client; what is refused is refused early and leaves nothing."""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
from typing import Any

import pytest
from starlette.requests import Request

from domain.errors import Refusal
from domain.model import TenantPlan
from rest_compat.dialect import Patience, body_chunks
from rest_compat.multipart import Parts
from server.loading import local_caller
from tests.doors.rest import BUNDLE, HUB, bearer, blob_files
from tests.world import World, a_world

LINE = "sep"
FORM = f"multipart/form-data; boundary={LINE}"
PATH = f"{HUB}/packages/import"
MIB = 1 << 20
OPTIONS = json.dumps({"targetTenantId": "small"}).encode()
OPTIONS_HEAD = 'form-data; name="options"'
PACKAGE_HEAD = 'form-data; name="package"; filename="p.zip"'


@pytest.fixture
async def world(tmp_path, monkeypatch):
    """A small tenant takes 1 MB, a large one 3."""
    monkeypatch.setenv("INSTALLHUB_LIMIT_ZIP_MB_STANDARD", "1")
    monkeypatch.setenv("INSTALLHUB_LIMIT_ZIP_MB_ENTERPRISE", "3")
    async with a_world(tmp_path, role="web") as world:
        await world.tenant("small", TenantPlan.STANDARD)
        await world.tenant("large", TenantPlan.ENTERPRISE)
        world.http.headers.update(bearer(world, "small", "large") | {"prefer": "respond-async"})
        yield world


def part(disposition: str, content: bytes, *headers: str) -> bytes:
    head = "\r\n".join([f"--{LINE}", f"Content-Disposition: {disposition}", *headers, "", ""])
    return head.encode() + content + b"\r\n"


def form(*parts: bytes) -> bytes:
    return b"".join(parts) + f"--{LINE}--\r\n".encode()


OPTIONS_PART = part(OPTIONS_HEAD, OPTIONS, "Content-Type: application/json")
PACKAGE_PART = part(PACKAGE_HEAD, BUNDLE, "Content-Type: application/zip")
GOOD_FORM = form(OPTIONS_PART, PACKAGE_PART)


async def send(world: World, body: Any, **headers: str) -> Any:
    given = {"content-type": FORM} | {name.replace("_", "-"): value for name, value in headers.items()}
    return await world.http.post(PATH, content=body, headers=given)


async def in_chunks(body: bytes, size: int = 64 * 1024):
    """Without a length: the client sends chunks."""
    for begin in range(0, len(body), size):
        yield body[begin : begin + size]


async def raw(world: World, *pieces: bytes, length: int | None, expect: bool = False) -> bytes:
    """What a client that speaks HTTP by hand hears until the connection closes; it goes on sending meanwhile."""
    host, _, port = world.url.removeprefix("http://").partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    head = [f"POST {PATH} HTTP/1.1", f"Host: {host}", f"Authorization: {world.http.headers['authorization']}"]
    head += [f"Content-Type: {FORM}", f"Content-Length: {length}" if length else "Transfer-Encoding: chunked"]
    head += ["Expect: 100-continue"] if expect else []
    writer.write("\r\n".join([*head, "", ""]).encode())
    heard = asyncio.create_task(_everything(reader))
    try:
        for piece in pieces:
            writer.write(piece if length else f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
            await writer.drain()
        return await asyncio.wait_for(heard, 20)
    except ConnectionError:
        return await heard
    finally:
        writer.close()


async def _everything(reader: asyncio.StreamReader) -> bytes:
    heard = b""
    try:
        while piece := await reader.read(64 * 1024):
            heard += piece
    except ConnectionError:
        return heard
    return heard


async def eventually_empty(world: World) -> bool:
    for _ in range(100):
        if not blob_files(world):
            return True
        await asyncio.sleep(0.05)
    return False


@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize("parts", [(OPTIONS_PART, PACKAGE_PART), (PACKAGE_PART, OPTIONS_PART)])
async def test_parts_come_in_either_order_with_or_without_a_length(world, parts, chunked):
    body = form(*parts)

    answer = await send(world, in_chunks(body, 7) if chunked else body)

    job = await world.services.records.get_import(local_caller(), answer.json()["importId"], None)
    [package] = job.packages
    [blob] = blob_files(world)
    assert (answer.status_code, job.tenant_id, blob.read_bytes()) == (202, "small", BUNDLE)
    assert (package.sha256, package.size_bytes) == (hashlib.sha256(BUNDLE).hexdigest(), len(BUNDLE))


async def test_without_options_the_header_or_token_says_where_to(world):
    answer = await send(world, form(PACKAGE_PART), x_tenant_id="large")

    job = await world.services.records.get_import(local_caller(), answer.json()["importId"], None)
    assert job.tenant_id == "large"


@pytest.mark.parametrize("size", [1, 3, 64, 4096])
def test_a_form_is_cut_the_same_however_it_is_chunked(size):
    tricky = b"\r\n--se" + b"\r\n--sepa" * 3 + BUNDLE
    body = form(part(PACKAGE_HEAD, tricky), OPTIONS_PART)
    parts = Parts(FORM)

    pieces = [piece for at in range(0, len(body), size) for piece in parts.cut(body[at : at + size])]

    found = {name: b"".join(piece.data for piece in pieces if piece.part == name) for name in ("package", "options")}
    assert found == {"package": tricky, "options": OPTIONS}
    assert parts.is_complete
    assert [piece.part for piece in pieces if piece.is_last] == ["package", "options"]


WRONG_FORMS = {
    "a third part": form(OPTIONS_PART, PACKAGE_PART, part('form-data; name="more"', b"")),
    "a part of another name": form(part('form-data; name="Package"', BUNDLE)),
    "a part twice": form(PACKAGE_PART, PACKAGE_PART),
    "options twice": form(OPTIONS_PART, OPTIONS_PART, PACKAGE_PART),
    "no package": form(OPTIONS_PART),
    "nothing": form(),
    "an extended file name": form(part(PACKAGE_HEAD + "; filename*=UTF-8''p.zip", BUNDLE)),
    "a name twice": form(part('form-data; name="package"; name="options"', BUNDLE)),
    "a name continued": form(part('form-data; name*0="pack"; name*1="age"', BUNDLE)),
    "no name": form(part("form-data", BUNDLE)),
    "an attachment": form(part('attachment; name="package"', BUNDLE)),
    "no disposition": f"--{LINE}\r\nContent-Type: application/zip\r\n\r\nx\r\n--{LINE}--\r\n".encode(),
    "two dispositions": form(part(PACKAGE_HEAD, BUNDLE, f"Content-Disposition: {OPTIONS_HEAD}")),
    "many headers": form(part(PACKAGE_HEAD, BUNDLE, *[f"X-{number}: y" for number in range(20)])),
    "a long header": form(part(PACKAGE_HEAD, BUNDLE, "X-Long: " + "y" * 9000)),
    "another boundary": GOOD_FORM.replace(LINE.encode(), b"pes"),
    "no end": GOOD_FORM[:-9],
    "garbage": bytes(range(256)) * 40,
    "a long preamble": b"\r\n" + b"x" * (200 * 1024) + GOOD_FORM,
    "a long epilogue": GOOD_FORM + b"x" * (200 * 1024),
    "no JSON": form(part(OPTIONS_HEAD, b"{"), PACKAGE_PART),
    "no object": form(PACKAGE_PART, part(OPTIONS_HEAD, b"[]")),
    "keys twice": form(PACKAGE_PART, part(OPTIONS_HEAD, b'{"dryRun":true,"dryRun":false}')),
    "deep JSON": form(part(OPTIONS_HEAD, b"[" * 9000), PACKAGE_PART),
}


@pytest.mark.parametrize("body", WRONG_FORMS.values(), ids=WRONG_FORMS.keys())
async def test_a_form_that_is_not_just_two_parts_is_refused_and_leaves_nothing(world, body):
    answer = await send(world, body)

    assert (answer.status_code, answer.json()["error"]) == (400, "BadUserInput")
    assert blob_files(world) == []


@pytest.mark.parametrize("stated", ["", "; boundary=", f"; boundary={'x' * 71}", '; boundary="a\\"b"', "; x=1; x=2"])
async def test_a_form_without_a_fit_boundary_is_refused(world, stated):
    answer = await send(world, GOOD_FORM, content_type=f"multipart/form-data{stated}")

    assert (answer.status_code, answer.json()["error"]) == (400, "BadUserInput")


@pytest.mark.parametrize(
    "body",
    [
        form(part(PACKAGE_HEAD, BUNDLE, "Content-Encoding: gzip")),
        form(part(PACKAGE_HEAD, BUNDLE, "Content-Transfer-Encoding: base64")),
        form(part(PACKAGE_HEAD, BUNDLE, "Content-Type: multipart/mixed; boundary=b")),
    ],
)
async def test_a_part_in_another_form_is_an_unsupported_type(world, body):
    answer = await send(world, body)

    assert (answer.status_code, answer.json()["error"], blob_files(world)) == (415, "UnsupportedMediaType", [])


async def test_an_encoded_body_is_an_unsupported_type(world):
    answer = await send(world, GOOD_FORM, content_encoding="gzip")

    assert (answer.status_code, answer.json()["error"]) == (415, "UnsupportedMediaType")


async def test_long_options_are_too_large(world):
    answer = await send(world, form(part(OPTIONS_HEAD, b" " * (65 * 1024)), PACKAGE_PART))

    assert (answer.status_code, answer.json()["limit"]) == (413, 64 * 1024)


@pytest.mark.parametrize("order", [1, -1])
async def test_a_package_over_its_tenants_limit_is_too_large_in_either_order(world, order):
    big = part(PACKAGE_HEAD, bytes(MIB + 1))
    parts = [OPTIONS_PART, big][::order]

    known = await send(world, form(*parts))
    chunked = await send(world, in_chunks(form(*parts)))

    for answer in (known, chunked):
        body = answer.json()
        assert (answer.status_code, body["error"]) == (413, "PayloadTooLarge")
        assert (body["limit"], body["plan"], body["actual"] > MIB) == (MIB, "Standard", True)
    assert blob_files(world) == []


async def test_a_package_exactly_as_large_as_the_limit_is_taken(world):
    answer = await send(world, form(OPTIONS_PART, part(PACKAGE_HEAD, bytes(MIB))))

    assert answer.status_code == 202


async def test_the_size_is_refused_before_the_options_are_judged(world):
    """R15: 413 comes before 400."""
    bad = part(OPTIONS_HEAD, json.dumps({"targetTenantId": "small", "dryRun": 3}).encode())

    answer = await send(world, form(part(PACKAGE_HEAD, bytes(MIB + 1)), bad))

    assert answer.status_code == 413


async def test_an_announced_size_is_refused_before_the_body_is_sent(world):
    heard = await raw(world, length=4 * MIB)

    assert heard.startswith(b"HTTP/1.1 413 ")
    assert json.loads(heard.partition(b"\r\n\r\n")[2])["plan"] == "Enterprise"


async def test_a_client_that_asks_before_it_sends_is_told_at_once(world):
    heard = await raw(world, length=4 * MIB, expect=True)

    assert heard.startswith(b"HTTP/1.1 413 ")
    assert b"100 Continue" not in heard


@pytest.mark.parametrize("length", [40 * MIB, None])
async def test_a_client_that_only_sends_still_hears_the_refusal_and_is_cut_off(world, length):
    head = f"--{LINE}\r\nContent-Disposition: {PACKAGE_HEAD}\r\n\r\n".encode()

    heard = await raw(world, head, *[bytes(64 * 1024)] * 640, length=length)

    assert heard.startswith(b"HTTP/1.1 413 ")
    assert re.search(rb"(?i)connection: close", heard)
    assert await eventually_empty(world)


async def test_a_foreign_tenant_in_the_options_is_refused_before_the_package_is_read(world):
    options = part(OPTIONS_HEAD, json.dumps({"targetTenantId": "other"}).encode())
    head = f"--{LINE}\r\nContent-Disposition: {PACKAGE_HEAD}\r\n\r\n".encode()

    heard = await raw(world, options, head, length=2 * MIB)

    assert heard.startswith(b"HTTP/1.1 403 ")
    assert b"TenantMismatch" in heard


async def test_a_client_that_goes_away_leaves_nothing(world):
    host, _, port = world.url.removeprefix("http://").partition(":")
    _, writer = await asyncio.open_connection(host, int(port))
    head = f"POST {PATH} HTTP/1.1\r\nHost: x\r\nAuthorization: {world.http.headers['authorization']}\r\n"
    writer.write(f"{head}Content-Type: {FORM}\r\nContent-Length: {3 * MIB}\r\n\r\n".encode())
    writer.write(f"--{LINE}\r\nContent-Disposition: {PACKAGE_HEAD}\r\n\r\n".encode() + bytes(2 * MIB))
    await writer.drain()
    while not blob_files(world):
        await asyncio.sleep(0.01)

    writer.transport.abort()

    assert await eventually_empty(world)


async def test_a_body_that_comes_too_slowly_is_refused():
    async def receive():
        await asyncio.sleep(0.2)
        return {"type": "http.request", "body": b"x", "more_body": True}

    request = Request({"type": "http", "method": "POST", "headers": [], "path": PATH, "query_string": b""}, receive)

    with pytest.raises(Refusal) as refused:
        async for _ in body_chunks(request, Patience(seconds=0.5)):
            pass

    assert (refused.value.status, refused.value.code.wire) == (408, "BadUserInput")
