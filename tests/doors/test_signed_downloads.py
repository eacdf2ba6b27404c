"""Signed addresses over HTTP: they need no token, give bytes and nothing else, and stay out of the log."""

from __future__ import annotations

from datetime import timedelta

import pytest

from domain.model import PackageId, TenantId
from storage.clock import SystemClock
from tests.doors.rest import HUB, bearer, exported_rules
from tests.world import a_world


@pytest.fixture
async def world(tmp_path):
    async with a_world(tmp_path, role="web") as world:
        for tenant in ("source", "other"):
            await world.tenant(tenant)
        yield world


@pytest.fixture
async def record(world):
    """GET package of a fresh export."""
    package_id = await exported_rules(world)
    return (await world.http.get(f"{HUB}/packages/{package_id}", headers=bearer(world, "source"))).json()


async def test_a_signed_address_needs_no_token_and_the_plain_one_does(world, record):
    signed = await world.http.get(record["downloadUrl"])
    plain = await world.http.get(record["bundleDownloadUrl"])
    with_token = await world.http.get(record["bundleDownloadUrl"], headers=bearer(world, "source"))

    assert (signed.status_code, plain.status_code, with_token.status_code) == (200, 401, 200)
    assert signed.content == with_token.content
    assert len(signed.content) == record["bundleSize"]


async def test_a_signed_download_is_named_private_and_tells_no_other_page(world, record):
    answer = await world.http.get(record["downloadUrl"])

    assert answer.headers["content-disposition"] == 'attachment; filename="rules-1.0.0.zip"'
    assert "private" in answer.headers["cache-control"]
    assert answer.headers["referrer-policy"] == "no-referrer"


async def test_head_ranges_and_tags_go_with_the_signature_too(world, record):
    url = record["downloadUrl"]
    whole = await world.http.get(url)

    head = await world.http.head(url)
    part = await world.http.get(url, headers={"range": "bytes=2-9"})
    known = await world.http.get(url, headers={"if-none-match": whole.headers["etag"]})

    assert (head.status_code, head.content, head.headers["etag"]) == (200, b"", whole.headers["etag"])
    assert (part.status_code, part.content) == (206, whole.content[2:10])
    assert (known.status_code, known.content) == (304, b"")


async def test_a_signed_download_keeps_the_bytes_longer(world, record):
    soon = SystemClock().now() + timedelta(days=1)
    async with world.runtime.ports.store.unit(TenantId("source")) as unit:
        await unit.packages.touch(PackageId(record["packageId"]), soon)

    await world.http.get(record["downloadUrl"])

    later = await world.http.get(f"{HUB}/packages/{record['packageId']}", headers=bearer(world, "source"))
    assert later.json()["expiresAt"][:10] == (soon + timedelta(days=364)).date().isoformat()


async def test_the_signature_opens_nothing_but_the_bytes(world, record):
    query = record["downloadUrl"].partition("?")[2]

    answers = [
        await world.http.get(f"{HUB}/packages/{record['packageId']}?{query}"),
        await world.http.post(f"{record['downloadUrl']}"),
        await world.http.get(f"{HUB}/packages/pkg-nobody/download?{query}"),
    ]

    assert [answer.status_code for answer in answers] == [401, 405, 403]


@pytest.mark.parametrize(
    "change",
    [
        lambda url: url[:-1],
        lambda url: url + "A",
        lambda url: url.replace("expires=", "expires=9"),
        lambda url: url.replace("expires=", "other="),
        lambda url: url.partition("?")[0] + "?signature=",
        lambda url: url.partition("?")[0] + "?signature=%00%F0%9F%92%A5%ff&expires=%D9%A3",
    ],
)
async def test_a_changed_address_is_refused_in_the_shape_of_errors(world, record, change):
    answer = await world.http.get(change(record["downloadUrl"]))

    assert (answer.status_code, answer.json()["error"]) == (403, "LinkExpired")


async def test_who_sends_a_token_is_judged_by_it(world, record):
    """A page may send its token everywhere; another tenant's token does not gain by an address it was given."""
    url = record["downloadUrl"]

    own = await world.http.get(url.replace("expires=", "expires=9"), headers=bearer(world, "source"))
    foreign = await world.http.get(url, headers=bearer(world, "other"))
    broken = await world.http.get(url, headers={"Authorization": "Bearer x"})

    assert (own.status_code, foreign.status_code, broken.status_code) == (200, 404, 401)


async def test_a_signature_never_reaches_the_log(world, record, caplog):
    caplog.set_level("DEBUG", "server")
    signature = record["downloadUrl"].partition("signature=")[2]

    await world.http.get(record["downloadUrl"])
    await world.http.get(record["downloadUrl"].replace("expires=", "expires=9"))

    assert "/download 200" in caplog.text
    assert "/download 403" in caplog.text
    assert signature not in caplog.text
