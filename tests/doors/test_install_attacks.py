"""Installs at both doors where something is unusual: several packages, odd ids, no worker (R8, R18, R30)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from domain import strict_json
from domain.edits import ArtifactChanges, draft_of_file
from domain.import_model import ImportState
from domain.market.model import TrustLevel
from domain.model import TenantId
from rest_compat import install_bodies
from tests.doors.graphql_world import asking
from tests.doors.test_rest_installs import FAILED, MARKET, SCOPES, _install, _settled, a_job
from tests.journeys.inside import a_caller
from tests.makers import a_rule_set
from tests.market import Published, published
from tests.world import World, a_world

CERTIFIED = TrustLevel.CERTIFIED
HUB = "/api/installhub"
INSTALL = """mutation($input: InstallPackageInput!) { installPackage(input: $input) {
  install { id } refusal { code } } }"""
LOOK = """query($id: ID!, $after: String) { importJob(id: $id) { scanReport { result } plan {
  actions(first: 1, after: $after) {
    nodes { artifact { name } conflict { key } } pageInfo { endCursor hasNextPage } } } } }"""


@pytest.fixture
async def world(tmp_path: Any) -> AsyncIterator[World]:
    async with a_world(tmp_path) as made:
        await made.tenant("target")
        yield made


@pytest.fixture
async def idle(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[World]:
    """Nobody runs installs here."""
    monkeypatch.setenv("INSTALLHUB_LIMIT_REST_WAIT", "1")
    async with a_world(tmp_path, role="web") as made:
        await made.tenant("target")
        yield made


async def _suite(world: World) -> Published:
    await published(world, name="Core", trust=CERTIFIED)
    return await published(world, name="Suite", trust=CERTIFIED, dependencies=[("Core", "1.0.0", None)])


async def _waiting(world: World) -> dict[str, Any]:
    """An install of two packages, each of which met something of the tenant's own."""
    own = a_rule_set("rule-8", name="Core rules", mine=1), a_rule_set("rule-9", name="Suite rules", mine=1)
    drafts = tuple(draft_of_file(strict_json.canonical(tree)) for tree in own)
    author = a_caller(tenants=frozenset({TenantId("target")}))
    await world.services.authoring.change(author, ArtifactChanges(TenantId("target"), save=drafts))
    return await _settled(world, await _install(world, await _suite(world)))


def test_an_install_that_was_cancelled_in_line_or_nobody_decided_has_the_printed_members():
    cancelled = install_bodies.status(a_job(state=ImportState.CANCELLED, stage=None), None)
    expired = install_bodies.status(a_job(state=ImportState.EXPIRED), None)

    assert list(cancelled) == list(expired) == list(FAILED)
    assert (cancelled["status"], cancelled["error"], cancelled["rolledBack"]) == ("Failed", "ImportCancelled", True)
    assert (expired["status"], expired["error"]) == ("Failed", "ConflictRequiresResolution")


async def test_a_preview_that_takes_too_long_goes_on_without_its_caller(idle):
    listing = await published(idle, name="Rules", trust=CERTIFIED)

    seen = await idle.http.post(
        f"{MARKET}/packages/{listing.listing_id}/preview",
        json={"targetTenantId": "target"},
        headers=idle.headers("target", scopes=SCOPES),
    )

    assert (seen.status_code, seen.json()["status"]) == (202, "InProgress")
    assert seen.headers["location"] == seen.json()["statusUrl"]


async def test_conflicts_of_every_package_are_looked_at_and_decided_over_rest(world):
    waiting = await _waiting(world)
    headers = world.headers("target", scopes=SCOPES)
    import_id = waiting["importId"]

    keys = [row["conflictId"] for row in waiting["conflictReport"]["conflicts"]]
    diffs = [
        (await world.http.get(f"{HUB}/packages/{import_id}/conflicts/{key}/diff", headers=headers)).json()
        for key in keys
    ]
    plan = await world.http.get(f"{HUB}/plans/plan-{import_id.removeprefix('imp-')}", headers=headers)
    second = await world.http.get(
        f"{HUB}/plans/plan-{import_id.removeprefix('imp-')}/actions?page=2&pageSize=1", headers=headers
    )
    report = await world.http.get(f"{HUB}/imports/{import_id}/scan-report", headers=headers)

    assert [diff["artifactName"] for diff in diffs] == ["Core rules", "Suite rules"]
    assert all(diff["diff"]["removed"] for diff in diffs)
    assert len(plan.json()["actions"]) == 2
    assert [row["artifactName"] for row in second.json()["items"]] == ["Suite rules"]
    assert report.json()["overallResult"] == "PASS"


async def test_actions_of_every_package_are_paged_through_graphql(world):
    waiting = await _waiting(world)
    caller = asking(world, "target", scopes=SCOPES)

    first = (await caller.data(LOOK, id=waiting["importId"], after=None))["importJob"]
    page = first["plan"]["actions"]
    rest = (await caller.data(LOOK, id=waiting["importId"], after=page["pageInfo"]["endCursor"]))["importJob"]
    last = rest["plan"]["actions"]

    assert first["scanReport"] == {"result": "PASS"}
    assert page["nodes"] == [{"artifact": {"name": "Core rules"}, "conflict": {"key": "conf-001"}}]
    assert last["nodes"] == [{"artifact": {"name": "Suite rules"}, "conflict": {"key": "conf-002"}}]
    assert last["pageInfo"]["hasNextPage"] is False


@pytest.mark.parametrize("odd", ["\ufffd", "x" * 5_000, "", "' OR 1=1 --"])
async def test_an_odd_id_is_an_unknown_one(world, odd):
    caller = asking(world, "target", scopes=SCOPES)
    request = {"tenantId": "target", "listingId": odd, "version": odd}

    made = await caller.data(INSTALL, input={"request": request})

    assert made["installPackage"]["refusal"]["code"] == "NOT_FOUND"
    assert (await caller.data("query($id: ID!) { install(id: $id) { id } }", id=f"mkt-install-{odd}"))[
        "install"
    ] is None


async def test_a_key_of_a_preview_is_no_key_of_an_install(world):
    listing = await published(world, name="Rules", trust=CERTIFIED)
    headers = {**world.headers("target", scopes=SCOPES), "Idempotency-Key": "once"}
    preview = await world.http.post(
        f"{MARKET}/packages/{listing.listing_id}/preview", json={"targetTenantId": "target"}, headers=headers
    )

    other = await _install(world, listing, headers=headers)

    assert preview.status_code == 200
    assert (other.status_code, other.json()["error"]) == (422, "IdempotencyKeyReused")
