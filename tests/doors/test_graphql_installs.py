"""Installing from the marketplace through GraphQL: begun, watched, looked at (decisions R8, R30, R34)."""

from __future__ import annotations

import json
from typing import Any

import pytest

from domain.market.model import TrustLevel
from tests.doors.graphql_world import Asking, asking
from tests.makers import an_artifact
from tests.market import Published, published
from tests.world import a_world

TARGET = "target"
SCOPES = ("installhub:import", "marketplace:install", "marketplace:install:community")
INSTALL = """mutation($input: InstallPackageInput!) { installPackage(input: $input) {
  install { id version listingId state indexVersion estimatedSeconds tenant { tenantId } importJob { id kind }
    members { key packageName version trustLevel publisherName neededBy } }
  refusal { code message problems { code inputPath } } } }"""
PLAN = """mutation($input: PlanImportInput!) { planImport(input: $input) {
  importJob { id isDryRun install { id } } refusal { code } } }"""
LOOK = """query($id: ID!) { install(id: $id) {
  id state failure { code } progress { percent } importJob { id install { id } } } }"""
POWERS = """query($id: ID!) { install(id: $id) { powers { hosts reads { entity entityFields } agentTools }
  newPowers { hosts } } }"""
NODE = "query($id: ID!) { node(id: $id) { __typename id } }"
PROGRESS = """subscription($id: ID!, $after: Int! = 0) { installProgress(installId: $id, after: $after) {
  seq state isFinal progress { stage } } }"""


@pytest.fixture
async def world(tmp_path):
    async with a_world(tmp_path) as world:
        await world.tenant(TARGET)
        yield world


async def _suite(world: Any) -> Published:
    await published(world, name="Core")
    return await published(world, name="Suite", trust=TrustLevel.CERTIFIED, dependencies=[("Core", "1.0.0", None)])


def _request(listing: Published, **fields: Any) -> dict[str, Any]:
    return {"tenantId": TARGET, "listingId": listing.listing_id, "acknowledgeCommunityPackage": True, **fields}


async def _events(caller: Asking, install_id: str, after: int = 0) -> list[dict[str, Any]]:
    """The stream of an install, to its end."""
    body = {"query": PROGRESS, "variables": {"id": install_id, "after": after}}
    headers = {**caller.headers, "Accept": "text/event-stream"}
    response = await caller.world.http.post("/graphql", json=body, headers=headers)
    rows = [line.removeprefix("data: ") for line in response.text.split("\n") if line.startswith("data: {")]
    return [json.loads(row)["data"]["installProgress"] for row in rows]


async def test_an_install_is_begun_watched_to_its_end_and_found_again(world):
    caller = asking(world, TARGET, scopes=SCOPES)
    suite = await _suite(world)

    begun = (await caller.data(INSTALL, input={"request": _request(suite)}))["installPackage"]
    install = begun["install"]
    events = await _events(caller, install["id"])
    later = await _events(caller, install["id"], after=events[2]["seq"])
    found = (await caller.data(LOOK, id=install["id"]))["install"]
    node = (await caller.data(NODE, id=install["id"]))["node"]

    assert begun["refusal"] is None
    assert (install["version"], install["tenant"]["tenantId"]) == ("1.0.0", TARGET)
    assert install["importJob"]["kind"] == "INSTALL"
    assert install["estimatedSeconds"] >= 1
    assert install["indexVersion"] >= 0
    core, asked = install["members"]
    assert (core["packageName"], core["trustLevel"], core["neededBy"]) == ("Core", "COMMUNITY", ["Suite"])
    assert (asked["packageName"], asked["trustLevel"], asked["neededBy"]) == ("Suite", "CERTIFIED", [])
    assert [event["isFinal"] for event in events] == [False] * (len(events) - 1) + [True]
    assert "DOWNLOAD" in {event["progress"]["stage"] for event in events}
    assert later == events[3:]
    assert (found["state"], found["progress"]["percent"], found["failure"]) == ("SUCCEEDED", 100.0, None)
    assert found["importJob"]["install"]["id"] == install["id"]
    assert node == {"__typename": "Install", "id": install["id"]}


async def test_a_plan_of_an_install_is_an_import_that_stops_there(world):
    caller = asking(world, TARGET, scopes=SCOPES)
    suite = await _suite(world)

    made = await caller.data(PLAN, input={"installPackage": _request(suite)})
    job = made["planImport"]["importJob"]
    await _events(caller, job["install"]["id"])

    assert job["isDryRun"] is True
    shown = await caller.data(
        "query($id: ID!) { importJob(id: $id) { plan { counts { create } problems { code } } } }", id=job["id"]
    )
    assert shown["importJob"]["plan"]["counts"]["create"] == 2


async def test_what_packages_will_be_able_to_do_is_told_and_what_of_it_is_new(world):
    caller = asking(world, TARGET, scopes=SCOPES)
    agent = an_artifact("agent-1", name="Helper", mcpServers=[{"serverUrl": "https://tools.example"}])
    listing = await published(world, name="Agents", artifacts=[agent])
    first = await caller.data(INSTALL, input={"request": _request(listing)})
    await _events(caller, first["installPackage"]["install"]["id"])

    again = await caller.data(INSTALL, input={"request": _request(listing)})
    await _events(caller, again["installPackage"]["install"]["id"])
    one, other = [
        (await caller.data(POWERS, id=made["installPackage"]["install"]["id"]))["install"] for made in (first, again)
    ]

    assert one["powers"]["hosts"] == one["newPowers"]["hosts"] == other["powers"]["hosts"] == ["tools.example"]
    assert other["newPowers"]["hosts"] == []


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"version": "9.9.9"}, "NOT_FOUND"),
        ({"acknowledgeCommunityPackage": False}, "ACKNOWLEDGMENT_REQUIRED"),
        ({"tenantId": "elsewhere"}, "TENANT_MISMATCH"),
        ({"listingId": "mkt-pkg-nothing"}, "NOT_FOUND"),
    ],
)
async def test_a_bad_order_is_refused(world, fields, code):
    caller = asking(world, TARGET, scopes=SCOPES)
    suite = await _suite(world)

    made = await caller.data(INSTALL, input={"request": _request(suite, **fields)})

    assert made["installPackage"]["install"] is None
    assert made["installPackage"]["refusal"]["code"] == code


@pytest.mark.parametrize("missing", SCOPES)
async def test_every_permission_is_needed(world, missing):
    caller = asking(world, TARGET, scopes=[scope for scope in SCOPES if scope != missing])
    suite = await _suite(world)

    made = await caller.data(INSTALL, input={"request": _request(suite)})

    assert made["installPackage"]["refusal"]["code"] == "INSUFFICIENT_PERMISSION"


async def test_another_tenants_install_is_null_and_cannot_be_watched(world):
    await world.tenant("other")
    caller, other = asking(world, TARGET, scopes=SCOPES), asking(world, "other", scopes=SCOPES)
    begun = await caller.data(INSTALL, input={"request": _request(await _suite(world))})
    install_id = begun["installPackage"]["install"]["id"]

    assert (await other.data(LOOK, id=install_id))["install"] is None
    assert (await other.data(NODE, id=install_id))["node"] is None
    body = {"query": PROGRESS, "variables": {"id": install_id}}
    headers = {**other.headers, "Accept": "text/event-stream"}
    streamed = await world.http.post("/graphql", json=body, headers=headers)
    assert "NOT_FOUND" in streamed.text
