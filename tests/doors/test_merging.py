"""Merging, copying and following at both doors: places decided one by one, and what is refused (R18, R31, X27)."""

from __future__ import annotations

import pytest

from server.loading import local_caller
from tests.doors.graphql_world import EXPORT, IMPORT, SAVE, A, B, C, asking, submitted
from tests.doors.rest import HUB, problems_of
from tests.world import a_world

POINTER = "/rules/0/condition"
RESOLVE = """mutation($input: ResolveConflictsInput!) { resolveConflicts(input: $input) {
  importJob { id state } refusal { code problems { code place message } } } }"""
CONFLICTS = """query($id: ID!) { importJob(id: $id) { state conflicts { key allowed decided
  paths { pointer base existing incoming decided } } } }"""
AUDIT = """query($id: ID!) { importJob(id: $id) { state outcome { merged copied }
  conflictAudit { nodes { decidedBy conflict { decided paths { pointer decided } } } } } }"""
MINE = """query($id: ID!) { tenant(id: $id) { artifacts { nodes { artifactId name content } } } }"""


def saving(tenant, artifact_id, *rows):
    rules = [{"ruleId": key, "condition": condition} for key, condition in rows]
    artifact = {"artifactType": "RULE_SET", "artifactId": artifact_id, "name": "Rules", "version": "1.0.0"}
    return {"tenantId": tenant, "save": [artifact | {"content": {"rules": rules}}], "publish": [artifact_id]}


async def shipped(caller, version, *rows):
    """The id of a package of one rule set, out of tenant A."""
    await caller.data(SAVE, input=saving(A, "rule-1", *rows))
    order = {"tenantId": A, "packageName": "Rules", "packageType": "CONFIG_PACKAGE", "version": version}
    made = await caller.data(EXPORT, input=order | {"artifactIds": ["rule-1"]})
    return made["exportPackage"]["exportedPackage"]["id"]


async def settled(caller, import_id):
    records = caller.world.services.records
    return await records.settled(await records.get_import(local_caller(), import_id, None))


async def rules_of(caller):
    """The conditions in tenant B, by the artifact's name."""
    nodes = (await caller.data(MINE, id=B))["tenant"]["artifacts"]["nodes"]
    return {node["name"]: [rule["condition"] for rule in node["content"]["rules"]] for node in nodes}


@pytest.fixture
async def clashing(tmp_path):
    """A caller, and a package whose first rule was changed there and here since its last import."""
    async with a_world(tmp_path) as world:
        for tenant_id in (A, B, C):
            await world.tenant(tenant_id)
        caller = asking(world, A, B)
        first = await submitted(caller, await shipped(caller, "1.0.0", ("a", "1"), ("b", "1")))
        await caller.events(first)
        (mine,) = (await caller.data(MINE, id=B))["tenant"]["artifacts"]["nodes"]
        await caller.data(SAVE, input=saving(B, mine["artifactId"], ("a", "mine"), ("b", "1")))
        yield caller, await shipped(caller, "1.1.0", ("a", "theirs"), ("b", "2"))


async def over_rest(caller, package_id, **options):
    body = {"sourcePackageId": package_id, "options": {"targetTenantId": B, **options}}
    return await caller.world.http.post(f"{HUB}/packages/import", json=body, headers=dict(caller.headers))


async def resumed(caller, url, **row):
    body = {"resolutions": [{"conflictId": "conf-001", **row}]}
    return await caller.world.http.post(url, json=body, headers=dict(caller.headers))


@pytest.mark.parametrize("address", ["packages/import/{}/resume", "packages/{}/resume"])
async def test_a_place_is_decided_at_each_address_of_rest(clashing, address):
    caller, package_id = clashing
    waiting = await over_rest(caller, package_id, defaultConflictStrategy="Merge")
    import_id = waiting.json()["importId"]
    url = f"{HUB}/{address.format(import_id)}"

    diff = f"{HUB}/packages/{import_id}/conflicts/conf-001/diff"
    shown = (await caller.world.http.get(diff, headers=dict(caller.headers))).json()["paths"]
    ended = await resumed(caller, url, paths=[{"pointer": POINTER, "take": "package"}])

    (row,) = waiting.json()["conflictReport"]["conflicts"]
    (warning,) = [one for one in waiting.json()["warnings"] if one["warning"] == "MergeConflict"]
    assert (waiting.status_code, row["paths"]) == (409, [{"pointer": POINTER, "decided": None}])
    assert (warning["field"], warning["existing"], warning["package"]) == ("rules[0].condition", "mine", "theirs")
    assert shown == [{"pointer": POINTER, "base": "1", "existing": "mine", "package": "theirs", "decided": None}]
    assert (ended.status_code, ended.json()["counts"]["merge"]) == (200, 1)
    assert await rules_of(caller) == {"Rules": ["theirs", "2"]}


async def test_a_place_is_looked_at_and_decided_in_graphql(clashing):
    caller, package_id = clashing
    import_id = await submitted(caller, package_id, defaultStrategy="MERGE")
    await settled(caller, import_id)

    waiting = (await caller.data(CONFLICTS, id=import_id))["importJob"]
    path = {"conflictKey": "conf-001", "pointer": POINTER, "take": "EXISTING"}
    answer = await caller.data(RESOLVE, input={"importId": import_id, "decisions": [{"path": path}]})
    await caller.events(import_id)
    ended = (await caller.data(AUDIT, id=import_id))["importJob"]

    assert waiting == {
        "state": "WAITING_FOR_DECISIONS",
        "conflicts": [
            {
                "key": "conf-001",
                "allowed": ["REPLACE", "MERGE", "SKIP", "COPY"],
                "decided": None,
                "paths": [{"pointer": POINTER, "base": "1", "existing": "mine", "incoming": "theirs", "decided": None}],
            }
        ],
    }
    assert answer["resolveConflicts"]["refusal"] is None
    assert ended["outcome"] == {"merged": 1, "copied": 0}
    assert ended["conflictAudit"]["nodes"] == [
        {
            "decidedBy": "BY_PATH",
            "conflict": {"decided": "MERGE", "paths": [{"pointer": POINTER, "decided": "EXISTING"}]},
        }
    ]
    assert await rules_of(caller) == {"Rules": ["mine", "2"]}


async def test_decisions_come_with_the_import_at_both_doors(clashing):
    caller, package_id = clashing
    path = {"artifactId": "rule-1", "pointer": POINTER, "take": "PACKAGE"}

    copied = await over_rest(caller, package_id, decisions=[{"artifactId": "rule-1", "strategy": "Copy"}])
    merged = await submitted(caller, package_id, decisions=[{"path": path}])
    await caller.events(merged)

    assert (copied.status_code, copied.json()["installed"][0]["action"]) == (200, "Copied")
    assert await rules_of(caller) == {"Rules": ["theirs", "2"], "Rules (2)": ["theirs", "2"]}
    assert (await caller.data(AUDIT, id=merged))["importJob"]["outcome"] == {"merged": 1, "copied": 0}


@pytest.mark.parametrize(
    ("row", "field"),
    [
        ({}, "resolutions[0].strategy"),
        ({"strategy": "Mirror"}, "resolutions[0].strategy"),
        ({"strategy": "Skip", "paths": [{"pointer": POINTER, "take": "package"}]}, "resolutions[0].paths"),
        ({"paths": [{"pointer": POINTER, "take": "mine"}]}, "resolutions[0].paths[0].take"),
        ({"paths": [{"pointer": POINTER, "take": side} for side in ("package", "existing")]}, ".paths[1].pointer"),
        ({"paths": [{"pointer": "/rules/9", "take": "package"}]}, "resolutions"),
    ],
)
async def test_rest_refuses_decisions_that_say_nothing_and_lets_the_import_wait(clashing, row, field):
    caller, package_id = clashing
    waiting = (await over_rest(caller, package_id, defaultConflictStrategy="Merge")).json()

    refused = await resumed(caller, waiting["resumeUrl"], **row)
    after = await caller.world.http.get(f"{HUB}/imports/{waiting['importId']}", headers=dict(caller.headers))

    ((code, where),) = problems_of(refused)
    assert (refused.status_code, code) == (400, "BadUserInput")
    assert where.endswith(field)
    assert after.json()["status"] == "PendingConflictResolution"


@pytest.mark.parametrize(
    "decisions",
    [
        [{"artifact": {"conflictKey": "conf-001", "strategy": "MIRROR"}}],
        [{"artifact": {"artifactId": "rule-1", "strategy": "SKIP"}}],
        [{"path": {"conflictKey": "conf-001", "pointer": "/rules/9", "take": "PACKAGE"}}],
        [{"path": {"conflictKey": "conf-001", "pointer": POINTER, "take": side}} for side in ("PACKAGE", "EXISTING")],
        [
            {"path": {"conflictKey": "conf-001", "pointer": POINTER, "take": "PACKAGE"}},
            {"artifact": {"conflictKey": "conf-001", "strategy": "SKIP"}},
        ],
    ],
)
async def test_graphql_refuses_decisions_that_say_nothing_and_lets_the_import_wait(clashing, decisions):
    caller, package_id = clashing
    import_id = await submitted(caller, package_id, defaultStrategy="MERGE")
    await settled(caller, import_id)

    answer = await caller.data(RESOLVE, input={"importId": import_id, "decisions": decisions})
    after = (await caller.data(CONFLICTS, id=import_id))["importJob"]

    assert answer["resolveConflicts"]["refusal"]["code"] in {"BAD_USER_INPUT", "INVALID_OPTIONS"}
    assert after["state"] == "WAITING_FOR_DECISIONS"


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"conflictStrategyOverrides": {"RuleSet": "Mirror"}}, "options.conflictStrategyOverrides.RuleSet"),
        ({"removeDropped": True}, "options.removeDropped"),
        ({"removeDropped": True, "defaultConflictStrategy": "Skip"}, "options.removeDropped"),
        ({"decisions": [{"artifactId": "rule-1"}]}, "options.decisions[0].strategy"),
        (
            {"decisions": [{"artifactId": "rule-1", "strategy": word} for word in ("Skip", "Merge")]},
            "options.decisions[1].artifactId",
        ),
        ({"decisions": [{"artifactId": "rule-9", "strategy": "Skip"}]}, "options.decisions"),
    ],
)
async def test_rest_refuses_options_that_say_nothing(clashing, options, field):
    caller, package_id = clashing

    refused = await over_rest(caller, package_id, **options)

    assert refused.status_code == 400
    assert problems_of(refused) == [("InvalidOptions", field)]


@pytest.mark.parametrize(
    "options",
    [
        {"strategyByType": [{"artifactType": "RULE_SET", "strategy": "MIRROR"}]},
        {"mergeFallback": "COPY"},
        {"removeDropped": True},
        {"decisions": [{"artifact": {"conflictKey": "conf-001", "strategy": "SKIP"}}]},
        {"decisions": [{"artifact": {"artifactId": "rule-1", "strategy": "SKIP"}}] * 2},
    ],
)
async def test_graphql_refuses_options_that_say_nothing(clashing, options):
    caller, package_id = clashing
    request = {"tenantId": B, "source": {"packageId": package_id}, "options": options}

    refused = (await caller.data(IMPORT, input={"request": request}))["importPackage"]

    assert (refused["importJob"], refused["refusal"]["code"]) == (None, "INVALID_OPTIONS")


async def test_mirror_is_a_default_at_both_doors_and_reported_as_what_it_is(clashing):
    caller, package_id = clashing

    shown = await over_rest(caller, package_id, defaultConflictStrategy="Mirror", dryRun=True)
    import_id = await submitted(caller, package_id, defaultStrategy="MIRROR")
    await caller.events(import_id)

    assert [row["resolution"] for row in shown.json()["conflictsFound"]] == ["Replace"]
    assert shown.json()["wouldRemove"] == []
    assert await rules_of(caller) == {"Rules": ["theirs", "2"]}


async def test_the_places_of_a_conflict_are_nobody_elses(clashing):
    caller, package_id = clashing
    waiting = (await over_rest(caller, package_id, defaultConflictStrategy="Merge")).json()
    stranger = asking(caller.world, C)

    diff = f"{HUB}/packages/{waiting['importId']}/conflicts/conf-001/diff"
    seen = await caller.world.http.get(diff, headers=dict(stranger.headers))
    decided = await resumed(stranger, waiting["resumeUrl"], paths=[{"pointer": POINTER, "take": "package"}])

    assert (seen.status_code, decided.status_code) == (404, 404)
