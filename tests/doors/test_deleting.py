"""Packages that somebody deleted: gone for everybody, remembered for good (decisions R14, R40)."""

from __future__ import annotations

import pytest

from tests.doors.graphql_world import A, B, asking, exported, with_artifacts
from tests.doors.rest import HUB, bearer, exported_rules, refer
from tests.world import a_world

DELETE = """mutation($id: ID!) { deletePackage(input: {packageId: $id}) {
  deletedPackage { id deletedAt downloadUrl } refusal { code message } } }"""


@pytest.fixture
async def world(tmp_path):
    async with a_world(tmp_path) as world:
        yield world


@pytest.fixture
async def hub(world):
    """A world with two tenants, whose caller may export and import."""
    for tenant in ("source", "target"):
        await world.tenant(tenant)
    world.http.headers.update(bearer(world, "source", "target"))
    return world


def refused_as_gone(answer, deleted_at):
    body = answer.json()
    assert (answer.status_code, body["error"], body["deletedAt"]) == (410, "BundleExpired", deleted_at)


async def test_a_deleted_package_is_gone_wherever_it_is_asked_for(hub):
    package_id = await exported_rules(hub)
    link = (await hub.http.get(f"{HUB}/packages/{package_id}")).json()["downloadUrl"]

    deleted = await hub.http.delete(f"{HUB}/packages/{package_id}")

    body = deleted.json()
    assert deleted.status_code == 200
    assert body.keys() == {"packageId", "packageName", "version", "tenantId", "deletedAt"}
    refused_as_gone(await hub.http.get(f"{HUB}/packages/{package_id}"), body["deletedAt"])
    refused_as_gone(await hub.http.get(f"{HUB}/packages/{package_id}/download"), body["deletedAt"])
    refused_as_gone(await hub.http.get(link), body["deletedAt"])
    refused_as_gone(await refer(hub, package_id, targetTenantId="target"), body["deletedAt"])


async def test_a_package_is_deleted_once_however_often_it_is_asked(hub):
    package_id = await exported_rules(hub)

    first = await hub.http.delete(f"{HUB}/packages/{package_id}")
    again = await hub.http.delete(f"{HUB}/packages/{package_id}")

    assert first.content == again.content


async def test_the_history_tells_of_a_deleted_package_and_its_version_stays_taken(hub):
    package_id = await exported_rules(hub)
    await hub.http.delete(f"{HUB}/packages/{package_id}")
    same = {"packageName": "Rules", "packageType": "config-package", "version": "1.0.0", "artifactIds": ["rule-305"]}

    answer = await hub.http.post(f"{HUB}/packages/export", json={"tenantId": "source", **same})

    history = (await hub.http.get(f"{HUB}/packages/history?tenantId=source")).json()["items"]
    assert (answer.status_code, answer.json()["existingPackageId"]) == (409, package_id)
    assert [line["packageId"] for line in history if line["status"] == "Success"] == [package_id]


async def test_lists_do_not_show_deleted_packages_and_lookups_say_since_when(world):
    caller = await with_artifacts(world)
    package_id = await exported(caller)
    other = await exported(caller, version="2.0.0")
    await caller.data(DELETE, id=package_id)

    found = await caller.data(
        """query($id: ID!, $tenant: ID!) { exportedPackage(id: $id) { id deletedAt downloadUrl }
          tenant(id: $tenant) { exportedPackages { nodes { id } } } }""",
        id=package_id,
        tenant=A,
    )

    assert found["exportedPackage"]["deletedAt"] is not None
    assert found["exportedPackage"]["downloadUrl"] is None
    assert found["tenant"]["exportedPackages"]["nodes"] == [{"id": other}]


async def test_a_foreign_package_is_deleted_by_nobody(world):
    caller = await with_artifacts(world)
    package_id = await exported(caller)

    foreign = await asking(world, B).data(DELETE, id=package_id)
    unknown = await asking(world, B).data(DELETE, id="pkg-unknown")

    assert foreign == unknown
    assert foreign["deletePackage"]["refusal"]["code"] == "NOT_FOUND"
    there = "query($id: ID!) { exportedPackage(id: $id) { deletedAt } }"
    assert (await caller.data(there, id=package_id))["exportedPackage"] == {"deletedAt": None}
