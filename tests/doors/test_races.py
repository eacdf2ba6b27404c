"""Requests at the same moment: one effect under one key, and imports of one tenant as if one came after the other.

(design: security, section 4.2: F09, F10, F11; ``make thorough`` tries each a hundred times)
"""

from __future__ import annotations

import asyncio
import io
import json
import zipfile
from typing import Any

import pytest

from tests.doors.graphql_world import IMPORT, SAVE, Asking
from tests.doors.rest import HUB, bearer, blob_files, exported_rules, upload
from tests.makers import a_bundle, a_rule_set
from tests.thorough import often
from tests.world import World, a_world

AT_ONCE = 20
KEYED = {"idempotency-key": "k-1", "prefer": "respond-async"}
LIST = f"{HUB}/imports?includeDryRuns=true"


@pytest.fixture
async def world(tmp_path, database_url, monkeypatch):
    for span in ("USER_MINUTE", "TENANT_HOUR"):
        monkeypatch.setenv(f"INSTALLHUB_LIMIT_EXPORTS_PER_{span}", "1000")
    async with a_world(tmp_path, database_url=database_url) as world:
        for tenant in ("source", "target"):
            await world.tenant(tenant)
        world.http.headers.update(bearer(world, "source", "target"))
        yield world


async def test_twenty_equal_uploads_under_one_key_make_one_import(world):
    answers = await asyncio.gather(*(upload(world, headers=KEYED) for _ in range(AT_ONCE)))

    other = await upload(world, headers=KEYED, conflictStrategyOverrides={"RuleSet": "Skip"})
    listed = (await world.http.get(LIST)).json()
    assert {answer.status_code for answer in answers} <= {200, 202}
    assert len({answer.json()["importId"] for answer in answers}) == 1
    assert (listed["totalCount"], len(blob_files(world))) == (1, 1)
    assert (other.status_code, other.json()["error"]) == (422, "IdempotencyKeyReused")


async def test_twenty_equal_mutations_under_one_key_make_one_import(world):
    caller = Asking(world, dict(world.http.headers))
    package = await exported_rules(world)
    request = {"tenantId": "target", "source": {"packageId": package}, "idempotencyKey": "k-2"}

    made = await asyncio.gather(*(caller.data(IMPORT, input={"request": request}) for _ in range(AT_ONCE)))

    other = request | {"options": {"reason": "Another"}}
    reused = (await caller.data(IMPORT, input={"request": other}))["importPackage"]["refusal"]["code"]
    assert len({one["importPackage"]["importJob"]["id"] for one in made}) == 1
    assert (await world.http.get(LIST)).json()["totalCount"] == 1
    assert reused == "IDEMPOTENCY_KEY_REUSED"


def rules(number: int, side: str) -> bytes:
    """A package of one rule set of everybody's, and one of its own."""
    shared = a_rule_set("rule-1", name=f"Shared {number}", rules=[{"ruleId": "r", "condition": f"side = '{side}'"}])
    return a_bundle(shared, a_rule_set(f"rule-{side}", name=f"Own {number} {side}"), name=f"Rules {number} {side}")


async def test_two_imports_at_once_end_as_if_one_came_after_the_other(world):
    for number in range(often(3, 100)):
        pair = [upload(world, rules(number, side), defaultConflictStrategy="Replace") for side in "ab"]

        first, second = await asyncio.gather(*pair)

        assert (first.status_code, second.status_code) == (200, 200), (first.text, second.text)
        found = [name for name in await names(world) if f" {number} " in f"{name} "]
        # the second to come has found what the first brought: the shared one is there once
        assert sorted(found) == [f"Own {number} a", f"Own {number} b", f"Shared {number}"]


async def names(world: World) -> list[str]:
    caller = Asking(world, dict(world.http.headers))
    query = """query($after: String) { tenant(id: "target") {
      artifacts(first: 100, after: $after) { nodes { name } pageInfo { hasNextPage endCursor } } } }"""
    found: list[str] = []
    after = None
    while True:
        page = (await caller.data(query, after=after))["tenant"]["artifacts"]
        found += [node["name"] for node in page["nodes"]]
        if not page["pageInfo"]["hasNextPage"]:
            return found
        after = page["pageInfo"]["endCursor"]


async def test_what_is_exported_while_it_is_replaced_is_of_one_moment(world):
    """Two artifacts change together; no export ever holds one of before and one of after."""
    await upload(world, twins("0", "first"))
    wish = {"tenantId": "target", "packageName": "Out", "packageType": "config-package"}
    ids = [twin["artifactId"] for twin in await twins_there(world, "0")]

    for number in range(often(3, 100)):
        order = wish | {"version": f"1.0.{number}", "artifactIds": ids}
        _, out = await asyncio.gather(
            upload(world, twins("0", f"state {number}"), defaultConflictStrategy="Replace"),
            world.http.post(f"{HUB}/packages/export", json=order, headers=bearer(world, "target")),
        )
        assert out.status_code == 200, out.text
        archive = (await world.http.get(f"{HUB}/packages/{out.json()['packageId']}/download")).content
        with zipfile.ZipFile(io.BytesIO(archive)) as opened:
            held = [json.loads(opened.read(name)) for name in opened.namelist() if name.startswith("artifacts/")]
        assert len({one["rules"][0]["condition"] for one in held}) == 1, held


async def test_what_is_removed_while_it_is_replaced_is_gone_or_new_and_never_old(world):
    caller = Asking(world, world.headers("target"))
    for number in map(str, range(often(3, 100))):
        await upload(world, twins(number, "first"))
        removed, _ = await twins_there(world, number)
        removal = {"tenantId": "target", "remove": [removed["artifactId"]]}

        answer, done = await asyncio.gather(
            upload(world, twins(number, "second"), defaultConflictStrategy="Replace"),
            caller.data(SAVE, input=removal),
        )

        assert (answer.status_code, done["changeArtifacts"]["refusal"]) == (200, None), (answer.text, done)
        left = await twins_there(world, number)
        assert len(left) in {1, 2}
        assert {twin["content"]["rules"][0]["condition"] for twin in left} == {"state = 'second'"}


def twins(pair: str, state: str) -> bytes:
    """A package of two rule sets that say the same."""
    said = [{"ruleId": "r", "condition": f"state = '{state}'"}]
    both = [a_rule_set(f"rule-{pair}{side}", name=f"Twin {pair} {side}", rules=said) for side in "ab"]
    return a_bundle(*both, name=f"Twins {pair}")


async def twins_there(world: World, pair: str) -> list[dict[str, Any]]:
    query = """query($search: String) { tenant(id: "target") {
      artifacts(filter: {search: $search}) { nodes { artifactId content } } } }"""
    found = await Asking(world, dict(world.http.headers)).data(query, search=f"Twin {pair} ")
    nodes: list[dict[str, Any]] = found["tenant"]["artifacts"]["nodes"]
    return nodes
