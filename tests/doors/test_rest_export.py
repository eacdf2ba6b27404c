"""Export over REST: who may, what is refused and in which order, and how a bundle is fetched."""

from __future__ import annotations

import io
import zipfile
from datetime import timedelta

import pytest

from domain.model import PackageId, TenantId
from storage.clock import SystemClock
from tests.doors.rest import EXAMPLES, HUB, bearer, blob_files, problems_of
from tests.world import a_world

pytestmark = pytest.mark.rules

WISH = {
    "tenantId": "acme-dev",
    "packageName": "Approval Rules",
    "packageType": "config-package",
    "version": "1.0.0",
    "artifactIds": ["rule-305"],
}


@pytest.fixture
async def world(tmp_path, database_url, monkeypatch):
    monkeypatch.setenv("INSTALLHUB_LIMIT_EXPORTS_PER_USER_MINUTE", "4")
    async with a_world(tmp_path, database_url=database_url, role="web") as world:
        await world.tenant("acme-dev")
        await world.tenant("other")
        await world.load("acme-dev", EXAMPLES / "acme-source" / "artifacts" / "rules")
        world.http.headers.update(bearer(world, "acme-dev"))
        yield world


async def export(world, headers=None, **changes):
    wish = {name: value for name, value in (WISH | changes).items() if value is not ...}
    return await world.http.post(f"{HUB}/packages/export", json=wish, headers=headers)


async def expires(world, package_id, moment):
    async with world.runtime.ports.store.unit(TenantId("acme-dev")) as unit:
        await unit.packages.touch(PackageId(package_id), moment)


async def test_the_earliest_refusal_of_the_order_answers(world):
    """R15: token, scope, tenant, media type, size, body; each request is wrong in all later ways too."""
    path, bad = f"{HUB}/packages/export", b"{"
    scopeless = bearer(world, "acme-dev", scopes=["installhub:read"])
    stranger = {"x-tenant-id": "other"}

    answers = [
        await world.http.post(path, content=bad, headers={"authorization": "", **stranger}),
        await world.http.post(path, content=bad, headers=scopeless | stranger),
        await world.http.post(path, content=bad, headers=stranger),
        await world.http.post(path, content=bad, headers={"content-type": "text/plain"}),
        await world.http.post(path, content=bytes(2 << 20), headers={"content-type": "application/json"}),
        await world.http.post(path, content=bad, headers={"content-type": "application/json"}),
    ]

    assert [(answer.status_code, answer.json()["error"]) for answer in answers] == [
        (401, "invalid_token"),
        (403, "InsufficientPermission"),
        (403, "TenantMismatch"),
        (415, "UnsupportedMediaType"),
        (413, "PayloadTooLarge"),
        (400, "BadUserInput"),
    ]
    assert answers[1].json()["required"] == "installhub:export"
    assert (answers[4].json()["limit"], answers[4].json()["actual"]) == (1 << 20, 2 << 20)


async def test_every_wrong_type_is_told_at_once_with_its_path(world):
    answer = await export(world, packageName=7, tags="hr", artifactIds=["proc-1001", 5], version=None)

    assert answer.status_code == 400
    assert problems_of(answer) == [
        ("BadUserInput", "packageName"),
        ("BadUserInput", "version"),
        ("BadUserInput", "tags"),
        ("BadUserInput", "artifactIds[1]"),
    ]


async def test_what_is_missing_is_refused_by_its_own_codes_all_together(world):
    answer = await export(world, packageName=..., version="2.1", packageType="zip", artifactIds=...)

    assert (answer.status_code, answer.json()["error"]) == (400, "ValidationFailed")
    assert problems_of(answer) == [
        ("InvalidPackageName", "packageName"),
        ("InvalidPackageType", "packageType"),
        ("InvalidVersion", "version"),
        ("ArtifactIdsMissing", "artifactIds"),
    ]


async def test_another_tenant_in_the_body_is_forbidden_before_its_other_faults(world):
    answer = await export(world, tenantId="other", packageName=7)

    assert (answer.status_code, answer.json()["error"]) == (403, "TenantMismatch")


async def test_body_and_header_that_differ_are_forbidden(world):
    headers = bearer(world, "acme-dev", "other") | {"x-tenant-id": "other"}

    answer = await export(world, headers)

    assert (answer.status_code, answer.json()["error"]) == (403, "TenantMismatch")


async def test_the_tenant_may_come_from_the_header_or_the_token(world):
    header = await export(world, {"x-tenant-id": "acme-dev"}, tenantId=...)
    token = await export(world, tenantId=..., version="1.0.1")

    assert [answer.json()["manifest"]["tenantId"] for answer in (header, token)] == ["acme-dev", "acme-dev"]


async def test_unknown_fields_are_ignored_with_a_warning(world):
    needed = {"packageName": "Base", "minVersion": "1.0.0", "x": 1}

    answer = await export(world, colour="green", packageDependencies=[needed])

    warnings = [(row["warning"], row["field"]) for row in answer.json()["warnings"]]
    assert (answer.status_code, warnings) == (
        200,
        [("UnknownField", "colour"), ("UnknownField", "packageDependencies[0].x")],
    )


async def test_a_second_export_of_a_version_is_a_conflict(world):
    first = await export(world)

    second = await export(world)

    body = second.json()
    assert (second.status_code, body["error"]) == (409, "VersionConflict")
    assert (body["existingPackageId"], body["identical"]) == (first.json()["packageId"], True)


async def test_the_fifth_export_of_a_minute_has_to_wait(world):
    for patch in range(4):
        await export(world, version=f"1.0.{patch}")

    answer = await export(world, version="2.0.0")

    assert (answer.status_code, answer.json()["error"]) == (429, "RateLimitExceeded")
    assert 1 <= int(answer.headers["retry-after"]) <= 60


async def test_an_artifact_of_a_foreign_tenant_is_as_unknown_as_one_of_nobody(world):
    stranger = bearer(world, "other")

    foreign = await export(world, stranger, tenantId="other", artifactIds=["rule-305"])
    unknown = await export(world, stranger, tenantId="other", artifactIds=["rule-999"])

    assert (foreign.status_code, foreign.json()["error"]) == (400, "ArtifactNotFound")
    assert foreign.text.replace("rule-305", "rule-999") == unknown.text


async def test_an_artifact_of_another_tenant_of_the_token_is_a_mismatch(world):
    answer = await export(world, bearer(world, "acme-dev", "other"), tenantId="other")

    assert (answer.status_code, answer.json()["error"]) == (403, "TenantMismatch")


@pytest.mark.parametrize("path", ["", "/download"])
async def test_a_package_of_another_tenant_is_as_unknown_as_one_of_nobody(world, path):
    package_id = (await export(world)).json()["packageId"]
    strangers = bearer(world, "other")

    foreign = await world.http.get(f"{HUB}/packages/{package_id}{path}", headers=strangers)
    unknown = await world.http.get(f"{HUB}/packages/pkg-nobody{path}", headers=strangers)

    assert (foreign.status_code, foreign.content) == (404, unknown.content)


async def test_the_header_narrows_where_a_package_is_looked_up(world):
    package_id = (await export(world)).json()["packageId"]
    headers = bearer(world, "acme-dev", "other")

    there = await world.http.get(f"{HUB}/packages/{package_id}", headers=headers | {"x-tenant-id": "acme-dev"})
    elsewhere = await world.http.get(f"{HUB}/packages/{package_id}", headers=headers | {"x-tenant-id": "other"})

    assert (there.status_code, elsewhere.status_code) == (200, 404)


async def test_ids_that_cannot_be_ids_are_simply_unknown(world):
    wild = ["%00", "a" * 5000, "%F0%9F%92%A5", "..%2e", "pkg-%27%20OR%201=1"]

    answers = [await world.http.get(f"{HUB}/packages/{name}") for name in wild]

    assert {(answer.status_code, answer.json()["error"]) for answer in answers} == {(404, "NotFound")}


async def test_a_bundle_is_downloaded_under_the_name_of_its_package(world):
    url = (await export(world)).json()["bundleDownloadUrl"]

    whole = await world.http.get(url)
    head = await world.http.head(url)

    assert (whole.status_code, whole.headers["content-type"]) == (200, "application/zip")
    assert whole.headers["content-disposition"] == 'attachment; filename="approval-rules-1.0.0.zip"'
    assert "artifacts/rules/rule-305.json" in zipfile.ZipFile(io.BytesIO(whole.content)).namelist()
    same = ("etag", "content-length", "accept-ranges", "content-disposition")
    assert (head.content, [head.headers[name] for name in same]) == (b"", [whole.headers[name] for name in same])


async def test_a_name_beyond_ascii_travels_beside_its_slug(world):
    url = (await export(world, packageName="Prüfregeln für Öl")).json()["bundleDownloadUrl"]

    disposition = (await world.http.head(url)).headers["content-disposition"]

    extended = "UTF-8''pr%C3%BCfregeln-f%C3%BCr-%C3%B6l-1.0.0.zip"
    assert disposition == f'attachment; filename="prufregeln-fur-ol-1.0.0.zip"; filename*={extended}'


async def test_a_known_bundle_is_not_sent_again(world):
    url = (await export(world)).json()["bundleDownloadUrl"]
    tag = (await world.http.head(url)).headers["etag"]

    again = [await world.http.get(url, headers={"if-none-match": stated}) for stated in (tag, f'"x", W/{tag}', "*")]
    other = await world.http.get(url, headers={"if-none-match": '"x"'})

    assert [(answer.status_code, answer.content, answer.headers["etag"]) for answer in again] == [(304, b"", tag)] * 3
    assert other.status_code == 200


@pytest.mark.parametrize(
    ("asked", "first", "last"),
    [("bytes=0-9", 0, 10), ("bytes=100-", 100, None), ("bytes=-7", -7, None), ("bytes=5-99999999", 5, None)],
)
async def test_one_range_is_sent_alone(world, asked, first, last):
    url = (await export(world)).json()["bundleDownloadUrl"]
    whole = (await world.http.get(url)).content

    part = await world.http.get(url, headers={"range": asked})

    begin = first % len(whole)
    end = (last or len(whole)) - 1
    assert (part.status_code, part.content) == (206, whole[first:last])
    assert part.headers["content-range"] == f"bytes {begin}-{end}/{len(whole)}"


@pytest.mark.parametrize("asked", ["bytes=0-1,3-4", "bytes=9-2", "bytes=-", "pages=1-2", "bytes=x-9"])
async def test_a_range_that_cannot_be_served_alone_gets_the_whole(world, asked):
    url = (await export(world)).json()["bundleDownloadUrl"]

    answer = await world.http.get(url, headers={"range": asked})

    assert (answer.status_code, len(answer.content)) == (200, int(answer.headers["content-length"]))


async def test_a_range_of_another_state_gets_the_whole(world):
    url = (await export(world)).json()["bundleDownloadUrl"]

    answer = await world.http.get(url, headers={"range": "bytes=0-9", "if-range": '"x"'})

    assert answer.status_code == 200


@pytest.mark.parametrize("asked", ["bytes=99999999-", "bytes=-0"])
async def test_a_range_outside_the_bundle_is_refused_with_its_size(world, asked):
    url = (await export(world)).json()["bundleDownloadUrl"]
    size = (await world.http.head(url)).headers["content-length"]

    answer = await world.http.get(url, headers={"range": asked})

    assert (answer.status_code, answer.json()["error"]) == (416, "RangeNotSatisfiable")
    assert answer.headers["content-range"] == f"bytes */{size}"


async def test_a_download_keeps_a_bundle_for_another_year(world):
    body = (await export(world)).json()
    soon = SystemClock().now() + timedelta(days=1)
    await expires(world, body["packageId"], soon)

    await world.http.get(body["bundleDownloadUrl"])

    record = (await world.http.get(f"{HUB}/packages/{body['packageId']}")).json()
    assert record["expiresAt"][:10] == (soon + timedelta(days=364)).date().isoformat()


async def test_an_expired_bundle_is_gone_and_its_record_stays(world):
    body = (await export(world)).json()
    await expires(world, body["packageId"], SystemClock().now())

    gone = await world.http.get(body["bundleDownloadUrl"])

    record = await world.http.get(f"{HUB}/packages/{body['packageId']}")
    assert (gone.status_code, gone.json()["error"], record.status_code) == (410, "BundleExpired", 200)


async def test_a_bundle_whose_bytes_are_gone_is_expired(world):
    url = (await export(world)).json()["bundleDownloadUrl"]
    for path in blob_files(world):
        path.unlink()

    answer = await world.http.get(url)

    assert (answer.status_code, answer.json()["error"]) == (410, "BundleExpired")
