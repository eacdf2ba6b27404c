"""Packages sent ahead of their import: both forms, limits, whose they are, and how they are imported (R13, R24)."""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from domain.model import TenantId, TenantPlan, UploadId
from tests.doors.rest import BUNDLE, HUB, bearer, blob_files, problems_of
from tests.world import a_world

pytestmark = pytest.mark.rules

MIB = 1 << 20
UPLOADS = f"{HUB}/uploads"
RAW = {"content-type": "application/zip"}


@pytest.fixture
async def world(tmp_path, database_url, monkeypatch):
    """A small tenant takes 1 MB, a large one 3."""
    monkeypatch.setenv("INSTALLHUB_LIMIT_ZIP_MB_STANDARD", "1")
    monkeypatch.setenv("INSTALLHUB_LIMIT_ZIP_MB_ENTERPRISE", "3")
    async with a_world(tmp_path, database_url=database_url) as world:
        await world.tenant("target", TenantPlan.STANDARD)
        await world.tenant("large", TenantPlan.ENTERPRISE)
        world.http.headers.update(bearer(world, "target"))
        yield world


async def sent(world, bundle=BUNDLE, headers=None):
    return await world.http.post(UPLOADS, content=bundle, headers=RAW | (headers or {}))


async def imported(world, upload_id, headers=None, path="packages/import", **options):
    body = {"uploadId": upload_id, "options": {"targetTenantId": "target"} | options}
    return await world.http.post(f"{HUB}/{path}", json=body, headers=headers)


async def in_chunks(body, size=64 * 1024):
    for begin in range(0, len(body), size):
        yield body[begin : begin + size]


@pytest.mark.parametrize("form", ["raw", "chunked", "multipart"])
async def test_an_upload_is_stored_as_it_came_and_told_by_size_and_hash(world, form):
    if form == "multipart":
        answer = await world.http.post(UPLOADS, files={"package": ("p.zip", BUNDLE, "application/zip")})
    else:
        answer = await sent(world, in_chunks(BUNDLE, 7) if form == "chunked" else BUNDLE)

    body = answer.json()
    [blob] = blob_files(world)
    left = datetime.fromisoformat(body.pop("expiresAt")) - world.services.clock.now()
    assert (answer.status_code, blob.read_bytes()) == (201, BUNDLE)
    assert body.pop("uploadId").startswith("upl-")
    assert body == {"sizeBytes": len(BUNDLE), "sha256": hashlib.sha256(BUNDLE).hexdigest()}
    assert timedelta(hours=23, minutes=59) < left <= timedelta(hours=24)


async def test_an_upload_can_be_planned_and_then_imported(world):
    upload_id = (await sent(world)).json()["uploadId"]

    planned = await imported(world, upload_id, path="plans")
    ended = await imported(world, upload_id)

    assert (planned.status_code, planned.json()["isDryRun"]) == (200, True)
    assert (ended.status_code, ended.json()["status"]) == (200, "Success")
    assert len(blob_files(world)) == 1


async def test_a_refused_import_leaves_its_upload_alone(world):
    upload_id = (await sent(world)).json()["uploadId"]

    refused = [
        await imported(world, upload_id, defaultConflictStrategy="Burn"),
        await imported(world, upload_id, headers={"idempotency-key": "a b"}),
    ]
    ended = await imported(world, upload_id)

    assert [answer.status_code for answer in refused] == [400, 400]
    assert (ended.status_code, ended.json()["status"]) == (200, "Success")


@pytest.mark.parametrize(
    "named", [{}, {"uploadId": "upl-1", "sourcePackageId": "pkg-1"}, {"uploadId": None, "sourcePackageId": None}]
)
async def test_an_import_names_one_package(world, named):
    body = named | {"options": {"targetTenantId": "target", "dryRun": 3}}

    answer = await world.http.post(f"{HUB}/packages/import", json=body)

    assert (answer.status_code, answer.json()["error"]) == (400, "ValidationFailed")
    assert problems_of(answer) == [("BadUserInput", "sourcePackageId"), ("InvalidOptions", "options.dryRun")]


@pytest.mark.parametrize("named", [{"uploadId": 7}, {"sourcePackageId": 7}, {"uploadId": "x" * 129}])
async def test_an_import_names_its_package_by_a_text(world, named):
    answer = await world.http.post(f"{HUB}/packages/import", json=named | {"options": {"targetTenantId": "target"}})

    [name] = named
    assert (answer.status_code, problems_of(answer)) in [
        (400, [("BadUserInput", name)]),
        (404, [("NotFound", name)]),
    ]


async def test_an_upload_of_another_caller_or_tenant_is_as_unknown_as_none(world):
    both = bearer(world, "target", "large")
    upload_id = (await sent(world, headers={"x-tenant-id": "target"})).json()["uploadId"]
    ben = {"Authorization": f"Bearer {world.token('ben@acme.example', tenants=['target'])}"}

    answers = [
        await imported(world, upload_id, headers=ben),
        await imported(world, upload_id, headers=both, targetTenantId="large"),
        await imported(world, "upl-nobody"),
    ]

    assert [answer.status_code for answer in answers] == [404, 404, 404]
    assert len({answer.content for answer in answers}) == 1


async def test_the_tenant_is_the_headers_or_the_tokens(world):
    both = bearer(world, "target", "large")

    answers = [
        await sent(world, headers=both),
        await sent(world, headers=both | {"x-tenant-id": "large"}),
        await sent(world, headers={"x-tenant-id": "large"}),
        await sent(world, headers=bearer(world, "nowhere")),
    ]

    told = [(answer.status_code, answer.json().get("error")) for answer in answers]
    assert told == [(201, None), (201, None), (403, "TenantMismatch"), (400, "InvalidTenantId")]
    assert len(blob_files(world)) == 2


async def test_an_upload_needs_the_right_to_import(world):
    answer = await sent(world, headers=bearer(world, "target", scopes=["installhub:read"]))

    assert (answer.status_code, answer.json()["required"]) == (403, "installhub:import")


@pytest.mark.parametrize("form", ["raw", "chunked", "multipart"])
async def test_an_upload_over_the_tenants_limit_is_too_large(world, form):
    big = bytes(MIB + 1)
    if form == "multipart":
        answer = await world.http.post(UPLOADS, files={"package": ("p.zip", big, "application/zip")})
    else:
        answer = await sent(world, in_chunks(big) if form == "chunked" else big)

    body = answer.json()
    assert (answer.status_code, body["error"], body["limit"], body["plan"]) == (413, "PayloadTooLarge", MIB, "Standard")
    assert body["actual"] > MIB
    assert blob_files(world) == []


async def test_an_announced_size_is_refused_before_the_body_is_sent(world):
    host, _, port = world.url.removeprefix("http://").partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    head = f"POST {UPLOADS} HTTP/1.1\r\nHost: x\r\nAuthorization: {world.http.headers['authorization']}\r\n"
    writer.write(f"{head}Content-Type: application/zip\r\nContent-Length: {MIB + 1}\r\n\r\n".encode())

    heard = await asyncio.wait_for(reader.read(), 20)

    writer.close()
    assert heard.startswith(b"HTTP/1.1 413 ")
    assert b'"actual":%d' % (MIB + 1) in heard


async def test_an_upload_exactly_as_large_as_the_limit_is_taken(world):
    answer = await sent(world, bytes(MIB))

    assert answer.status_code == 201


async def test_an_upload_is_weighed_again_for_the_tenant_it_goes_into(world):
    """The tenant's plan may have shrunk since."""
    large = bearer(world, "large")
    upload_id = (await sent(world, bytes(2 * MIB), headers=large)).json()["uploadId"]
    await set_plan(world, "large", TenantPlan.STANDARD)

    answer = await imported(world, upload_id, headers=large, targetTenantId="large")

    body = answer.json()
    assert (answer.status_code, body["limit"], body["actual"], body["plan"]) == (413, MIB, 2 * MIB, "Standard")
    assert len(blob_files(world)) == 1


async def set_plan(world, tenant_id, plan):
    async with world.runtime.ports.store.platform_unit() as unit:
        await unit.tenants.update(tenant_id, plan=plan, status=None)


@pytest.mark.parametrize("media", ["application/json", "text/plain", "application/octet-stream", ""])
async def test_an_upload_in_another_form_is_an_unsupported_type(world, media):
    answer = await world.http.post(UPLOADS, content=BUNDLE, headers={"content-type": media} if media else {})

    assert (answer.status_code, answer.json()["error"]) == (415, "UnsupportedMediaType")


async def test_an_upload_with_an_encoding_is_an_unsupported_type(world):
    answer = await sent(world, headers={"content-encoding": "gzip"})

    assert (answer.status_code, answer.json()["error"]) == (415, "UnsupportedMediaType")


async def test_an_empty_upload_is_refused(world):
    raw = await sent(world, b"")
    form = await world.http.post(UPLOADS, files={"package": ("p.zip", b"", "application/zip")})

    assert [(answer.status_code, problems_of(answer)) for answer in (raw, form)] == [
        (400, [("BadUserInput", "package")])
    ] * 2
    assert blob_files(world) == []


@pytest.mark.parametrize(
    "files",
    [
        {"package": ("p.zip", BUNDLE), "options": (None, "{}")},
        {"other": ("p.zip", BUNDLE)},
        {"options": (None, "{}")},
    ],
)
async def test_a_form_that_is_not_just_a_package_is_refused_and_leaves_nothing(world, files):
    answer = await world.http.post(UPLOADS, files=files)

    assert (answer.status_code, answer.json()["error"]) == (400, "BadUserInput")
    assert blob_files(world) == []


async def test_a_client_that_goes_away_leaves_nothing(world):
    host, _, port = world.url.removeprefix("http://").partition(":")
    _, writer = await asyncio.open_connection(host, int(port))
    head = f"POST {UPLOADS} HTTP/1.1\r\nHost: x\r\nAuthorization: {bearer(world, 'large')['Authorization']}\r\n"
    writer.write(f"{head}Content-Type: application/zip\r\nContent-Length: {3 * MIB}\r\n\r\n".encode())
    writer.write(bytes(2 * MIB))
    await writer.drain()
    while not blob_files(world):
        await asyncio.sleep(0.01)

    writer.transport.abort()

    async with asyncio.timeout(10):
        while blob_files(world):
            await asyncio.sleep(0.01)


async def test_an_upload_that_waited_too_long_is_gone(world):
    upload_id = (await sent(world)).json()["uploadId"]
    async with world.runtime.ports.store.unit(TenantId("target")) as unit:
        fresh = await unit.uploads.find(upload_id)
        await unit.uploads.add(replace(fresh, upload_id=UploadId("upl-old"), expires_at=world.services.clock.now()))

    answer = await imported(world, "upl-old")

    assert (answer.status_code, answer.json()["error"]) == (410, "UploadExpired")
