"""Conflicts over REST: the documented bodies word for word, bad input, and other tenants (installhub.md 8.7, 8.10)."""

from __future__ import annotations

import pytest

from domain.strict_json import trusted
from rest_compat.answers import ArtifactAudit, ConflictAudit, ConflictDiff
from tests.bundles.good import RULES
from tests.doors.rest import HUB, bearer, problems_of, upload, with_other_rules
from tests.world import ANNA, a_world

pytestmark = pytest.mark.rules

NAME = trusted(RULES)["name"]
TIME = "0000-00-00T00:00:00Z"


@pytest.fixture
async def world(tmp_path, database_url):
    async with a_world(tmp_path, database_url=database_url) as world:
        for tenant in ("target", "other"):
            await world.tenant(tenant)
        await with_other_rules(world)
        world.http.headers.update(bearer(world, "target"))
        yield world


async def seen(world, path, form=None, **query):
    """A successful answer's body, whose shape is the documented one."""
    answer = await world.http.get(f"{HUB}{path}", params=query)
    assert answer.status_code == 200, answer.text
    if form is not None:
        form.model_validate(answer.json())
    return answer.json()


async def imported(world, **options):
    return (await upload(world, **options)).json()["importId"]


async def test_the_audit_of_a_waiting_import_is_the_documented_one(world):
    import_id = await imported(world)

    body = await seen(world, f"/packages/{import_id}/conflicts", ConflictAudit)

    assert body == {
        "importId": import_id,
        "conflictsDetected": 1,
        "conflictsResolved": 0,
        "conflicts": [
            {
                "conflictId": "conf-001",
                "artifactType": "RuleSet",
                "artifactName": NAME,
                "existingVersion": "1.0.0",
                "packageVersion": "1.0.0",
                "strategyApplied": None,
                "strategySource": None,
                "resolvedBy": None,
                "resolvedAt": None,
                "outcome": None,
                "mergeDetails": None,
            }
        ],
    }


async def test_the_audit_of_a_decision_by_hand_names_who_made_it(world):
    import_id = await imported(world)
    decision = {"resolutions": [{"conflictId": "conf-001", "strategy": "Merge"}]}
    await world.http.post(f"{HUB}/packages/import/{import_id}/resume", json=decision)

    body = await seen(world, f"/packages/{import_id}/conflicts", ConflictAudit)

    (row,) = body["conflicts"]
    assert body["conflictsResolved"] == 1
    assert len(row.pop("resolvedAt")) == len(TIME)
    assert row == {
        "conflictId": "conf-001",
        "artifactType": "RuleSet",
        "artifactName": NAME,
        "existingVersion": "1.0.0",
        "packageVersion": "1.0.0",
        "strategyApplied": "Merge",
        "strategySource": "PerArtifact",
        "resolvedBy": ANNA,
        "outcome": "Applied",
        "mergeDetails": {"fieldsUpdated": ["rules[0].condition"], "fieldsAdded": [], "fieldsRemoved": []},
    }


async def test_the_audit_of_a_strategy_given_beforehand_names_nobody(world):
    import_id = await imported(world, conflictStrategyOverrides={"RuleSet": "Skip"})

    (row,) = (await seen(world, f"/packages/{import_id}/conflicts", ConflictAudit))["conflicts"]

    told = [row[name] for name in ("strategyApplied", "strategySource", "resolvedBy", "outcome", "mergeDetails")]
    assert told == ["Skip", "PerArtifact", None, "Skipped", None]


async def test_the_two_sides_of_a_conflict_are_the_documented_ones(world):
    import_id = await imported(world)

    body = await seen(world, f"/packages/{import_id}/conflicts/conf-001/diff", ConflictDiff)

    existing, package = body["existing"].pop("content"), body["package"].pop("content")
    package_rules = trusted(RULES)["rules"]
    assert (existing["id"], package["id"], package["rules"]) == ("rule-77", "rule-77", package_rules)
    assert body == {
        "conflictId": "conf-001",
        "artifactType": "RuleSet",
        "artifactName": NAME,
        "existing": {"version": "1.0.0"},
        "package": {"version": "1.0.0"},
        "diff": {
            "changed": [
                {
                    "path": "rules[0].condition",
                    "existing": "days > 30",
                    "package": package_rules[0]["condition"],
                }
            ],
            "added": [],
            "removed": [{"path": "status", "existing": "Published"}],
        },
        "suggestedStrategies": ["Merge", "Replace", "Skip"],
    }


async def test_the_imports_that_touched_an_artifact_are_the_documented_ones(world):
    import_id = await imported(world, defaultConflictStrategy="Replace")

    body = await seen(
        world, "/audit", ArtifactAudit, tenantId="target", artifactName=NAME.upper(), artifactType="RuleSet"
    )

    (row,) = body.pop("results")
    assert body == {"totalCount": 1, "page": 1, "pageSize": 25}
    assert len(row.pop("importedAt")) == len(TIME)
    package = (await seen(world, f"/imports/{import_id}"))["packageName"]
    assert row == {
        "importId": import_id,
        "packageName": package,
        "packageVersion": "1.0.0",
        "conflictId": "conf-001",
        "strategyApplied": "Replace",
        "previousVersion": "1.0.0",
        "newVersion": "1.0.0",
    }


async def test_a_name_that_nothing_has_was_touched_by_nothing(world):
    await imported(world, defaultConflictStrategy="Replace")

    assert (await seen(world, "/audit", artifactName="Nobody"))["results"] == []
    assert (await seen(world, "/audit", artifactName=NAME, artifactType="AtlasForm"))["results"] == []
    assert (await seen(world, "/audit", artifactName=NAME, page="2"))["results"] == []


async def test_everything_wrong_with_the_question_is_told_at_once(world):
    query = {"artifactType": "Nonsense", "page": "0", "pageSize": "1000"}

    answer = await world.http.get(f"{HUB}/audit", params=query)

    assert answer.status_code == 400
    assert sorted(field for _, field in problems_of(answer)) == ["artifactName", "artifactType", "page", "pageSize"]


@pytest.mark.parametrize(
    "path",
    [
        "/packages/imp-unknown/conflicts",
        "/packages/imp-unknown/conflicts/conf-001/diff",
        "/packages/{id}/conflicts/conf-009/diff",
        "/packages/{id}/conflicts/%2e%2e%2fetc/diff",
        "/packages/%00/conflicts",
    ],
)
async def test_what_is_not_there_is_not_found(world, path):
    import_id = await imported(world)

    answer = await world.http.get(f"{HUB}{path.format(id=import_id)}")

    assert (answer.status_code, answer.json()["error"]) == (404, "NotFound")


@pytest.mark.parametrize("path", ["/packages/{id}/conflicts", "/packages/{id}/conflicts/conf-001/diff"])
async def test_conflicts_of_another_tenant_are_as_unknown_as_none(world, path):
    import_id = await imported(world)
    stranger = bearer(world, "other")

    foreign = await world.http.get(f"{HUB}{path.format(id=import_id)}", headers=stranger)
    unknown = await world.http.get(f"{HUB}{path.format(id='imp-unknown')}", headers=stranger)
    narrowed = bearer(world, "target", "other") | {"X-Tenant-Id": "other"}
    elsewhere = await world.http.get(f"{HUB}{path.format(id=import_id)}", headers=narrowed)

    assert foreign.status_code == elsewhere.status_code == 404
    assert foreign.json() == unknown.json() == elsewhere.json()


async def test_the_audit_of_another_tenant_is_refused_and_shows_nothing(world):
    await imported(world, defaultConflictStrategy="Replace")
    stranger = bearer(world, "other")

    named = await world.http.get(f"{HUB}/audit", params={"tenantId": "target", "artifactName": NAME}, headers=stranger)
    own = await world.http.get(f"{HUB}/audit", params={"artifactName": NAME}, headers=stranger)

    assert (named.status_code, named.json()["error"]) == (403, "TenantMismatch")
    assert (own.status_code, own.json()["results"]) == (200, [])


async def test_whoever_may_not_read_imports_may_not_read_their_conflicts(world):
    headers = bearer(world, "target", scopes=("installhub:export",))

    for path in ("/packages/imp-1/conflicts", "/packages/imp-1/conflicts/conf-001/diff", "/audit"):
        answer = await world.http.get(f"{HUB}{path}", headers=headers)
        assert (answer.status_code, answer.json()["error"]) == (403, "InsufficientPermission")


async def test_an_import_names_the_package_that_keeps_what_it_replaced(world):
    answer = await upload(world, defaultConflictStrategy="Replace", backupBeforeReplace=True)

    body = answer.json()
    assert (answer.status_code, body["backupPackageUrl"]) == (200, f"{HUB}/packages/{body['backupPackageId']}")
    package = (await world.http.get(body["backupPackageUrl"])).json()
    kept = [entry["id"] for entry in package["manifest"]["artifacts"]]
    assert (package["packageName"], package["version"], kept) == (f"Backup {body['importId']}", "1.0.0", ["rule-77"])
