"""Import over REST: both forms, options, waiting, resuming, and who may see what."""

from __future__ import annotations

import asyncio

import pytest

from domain.strict_json import canonical, trusted
from server.loading import local_caller
from tests.bundles.good import RULES
from tests.doors.rest import HUB, bearer, blob_files, exported_rules, problems_of, refer, upload, with_other_rules
from tests.world import a_world


@pytest.fixture
async def world(tmp_path, database_url):
    async with a_world(tmp_path, database_url=database_url) as world:
        for tenant in ("source", "target", "other"):
            await world.tenant(tenant)
        world.http.headers.update(bearer(world, "source", "target"))
        yield world


@pytest.fixture
async def idle_world(tmp_path, database_url, monkeypatch):
    """Nobody runs imports here."""
    monkeypatch.setenv("INSTALLHUB_LIMIT_REST_WAIT", "1")
    monkeypatch.setenv("INSTALLHUB_LIMIT_QUEUED_IMPORTS", "1")
    async with a_world(tmp_path, database_url=database_url, role="web") as world:
        await world.tenant("target")
        world.http.headers.update(bearer(world, "target"))
        yield world


async def test_the_whole_import_twice_writes_once(world):
    first = (await upload(world)).json()

    second = await upload(world)

    counted = ("artifactsInstalled", "artifactsWritten", "artifactsUnchanged")
    assert [first[name] for name in counted] == [2, 2, 0]
    assert (second.status_code, [second.json()[name] for name in counted]) == (200, [2, 0, 2])


@pytest.mark.parametrize("headers", [{}, {"x-tenant-id": "target"}])
async def test_a_package_goes_from_tenant_to_tenant_without_leaving_the_server(world, headers):
    package_id = await exported_rules(world)

    answer = await refer(world, package_id, headers, targetTenantId="target")

    assert (answer.status_code, answer.json()["status"]) == (200, "Success")


async def test_the_header_alone_names_the_target(world):
    package_id = await exported_rules(world)

    answer = await refer(world, package_id, {"x-tenant-id": "target"})

    narrowed = {"x-tenant-id": "target"}
    record = (await world.http.get(f"{HUB}/imports/{answer.json()['importId']}", headers=narrowed)).json()
    assert record.pop("undo")["isPossible"]
    assert (answer.status_code, record) == (200, answer.json())


async def test_a_package_of_a_foreign_tenant_is_as_unknown_as_one_of_nobody(world):
    package_id = await exported_rules(world, "other")

    foreign = await refer(world, package_id, targetTenantId="target")
    unknown = await refer(world, "pkg-nobody", targetTenantId="target")

    assert (foreign.status_code, foreign.content) == (404, unknown.content)


async def test_another_tenants_package_needs_the_right_to_export_it(world):
    package_id = await exported_rules(world)
    importer = bearer(world, "source", "target", scopes=["installhub:import"])

    answer = await refer(world, package_id, importer, targetTenantId="target")

    assert (answer.status_code, answer.json()["required"]) == (403, "installhub:export")


@pytest.mark.parametrize("path", ["", "/scan-report"])
async def test_an_import_of_another_tenant_is_as_unknown_as_one_of_nobody(world, path):
    import_id = (await upload(world)).json()["importId"]
    strangers = bearer(world, "other")

    foreign = await world.http.get(f"{HUB}/imports/{import_id}{path}", headers=strangers)
    unknown = await world.http.get(f"{HUB}/imports/imp-nobody{path}", headers=strangers)

    assert (foreign.status_code, foreign.content) == (404, unknown.content)


async def test_a_foreign_tenants_import_cannot_be_resumed_nor_noticed(world):
    import_id = (await upload(world)).json()["importId"]
    body: dict[str, list[str]] = {"resolutions": []}
    strangers = bearer(world, "other")

    foreign = await world.http.post(f"{HUB}/packages/{import_id}/resume", json=body, headers=strangers)
    unknown = await world.http.post(f"{HUB}/packages/imp-nobody/resume", json=body, headers=strangers)

    assert (foreign.status_code, foreign.content) == (404, unknown.content)


async def test_the_earliest_refusal_of_the_order_answers(world):
    """R15: token, scope, header's tenant, media type, then what the body says; each is wrong in later ways too."""
    path = f"{HUB}/packages/import"
    wrong = {"x-tenant-id": "other", "content-type": "text/plain"}
    scopeless = bearer(world, "target", scopes=["installhub:export"])

    answers = [
        await world.http.post(path, content=b"x", headers={"authorization": "", **wrong}),
        await world.http.post(path, content=b"x", headers=scopeless | wrong),
        await world.http.post(path, content=b"x", headers=wrong),
        await world.http.post(path, content=b"x", headers={"content-type": "text/plain"}),
        await refer(world, "pkg-nobody", targetTenantId="other", dryRun="maybe"),
        await refer(world, "pkg-nobody", targetTenantId="target", allowSecurityWarnings=True, dryRun="maybe"),
        await refer(world, "pkg-nobody", targetTenantId="target", dryRun="maybe"),
        await refer(world, await exported_rules(world), targetTenantId="target", dryRun="maybe"),
    ]

    assert [(answer.status_code, answer.json()["error"]) for answer in answers] == [
        (401, "invalid_token"),
        (403, "InsufficientPermission"),
        (403, "TenantMismatch"),
        (415, "UnsupportedMediaType"),
        (403, "TenantMismatch"),
        (403, "InsufficientPermission"),
        (404, "NotFound"),
        (400, "InvalidOptions"),
    ]


@pytest.mark.parametrize(
    ("option", "scope"),
    [
        ("allowSecurityWarnings", "installhub:import:override-security-warnings"),
        ("allowMajorVersionUpgrade", "installhub:import:override-major-version"),
    ],
)
async def test_an_allowance_needs_its_own_scope_needed_or_not(world, option, scope):
    without = await upload(world, **{option: True})
    held = await upload(world, **{option: True}, headers=bearer(world, "target", scopes=["installhub:import", scope]))

    assert (without.status_code, without.json()["required"], held.status_code) == (403, scope, 200)
    assert len(blob_files(world)) == 1


async def test_every_wrong_option_is_told_at_once(world):
    options = {
        "defaultConflictStrategy": "Overwrite",
        "conflictStrategyOverrides": {"AtlasForm": "Skip", "Widget": "Skip", "RuleSet": 3},
        "mergeFallbackStrategy": "Merge",
        "allowVersionDowngrade": "yes",
        "importedBy": 5,
        "bindings": {"agent-1/x": 1},
        "unresolvedBindings": "Ignore",
    }

    answer = await upload(world, query="?dryRun=perhaps", **options)

    assert (answer.status_code, answer.json()["error"]) == (400, "InvalidOptions")
    assert problems_of(answer) == [
        ("InvalidOptions", "options.defaultConflictStrategy"),
        ("InvalidOptions", "options.conflictStrategyOverrides.Widget"),
        ("InvalidOptions", "options.conflictStrategyOverrides.RuleSet"),
        ("InvalidOptions", "options.mergeFallbackStrategy"),
        ("InvalidOptions", "options.allowVersionDowngrade"),
        ("InvalidOptions", "options.importedBy"),
        ("InvalidOptions", "options.bindings.agent-1/x"),
        ("InvalidOptions", "options.unresolvedBindings"),
        ("InvalidOptions", "dryRun"),
    ]
    assert blob_files(world) == []


async def test_options_that_contradict_are_refused(world):
    answer = await upload(world, defaultConflictStrategy="Skip", conflictStrategy="Merge")

    assert problems_of(answer) == [("InvalidOptions", "options.conflictStrategy")]


async def test_a_backup_of_what_is_replaced_is_named_and_can_be_fetched(world):
    await with_other_rules(world)

    answer = await upload(world, defaultConflictStrategy="Replace", backupBeforeReplace=True)

    body = answer.json()
    backup = await world.http.get(body["backupPackageUrl"])
    assert (answer.status_code, backup.status_code) == (200, 200)
    assert backup.json()["packageId"] == body["backupPackageId"]
    assert backup.json()["packageName"] == f"Backup {body['importId']}"


async def test_the_older_name_of_the_strategy_is_taken_too(world):
    await with_other_rules(world)

    answer = await upload(world, conflictStrategy="Skip", backupBeforeReplace=False)

    resolutions = {row["resolution"] for row in answer.json()["conflictReport"]["conflicts"]}
    assert (answer.status_code, resolutions) == (200, {"Skip"})


async def test_unknown_options_are_ignored_with_a_warning(world):
    answer = await upload(world, colour="green", importedBy="somebody@example.com")

    warnings = {row["warning"] for row in answer.json()["warnings"]}
    assert answer.status_code == 200
    assert {"UnknownField", "ImportedByIgnored"} <= warnings


@pytest.mark.parametrize("address", ["packages/import/{}/resume", "packages/{}/resume"])
async def test_decisions_let_a_waiting_import_go_on(world, address):
    await with_other_rules(world)
    waiting = (await upload(world)).json()
    [conflict] = waiting["conflictReport"]["conflicts"]

    body = {"resolutions": [{"conflictId": conflict["conflictId"], "strategy": "Skip"}]}
    ended = await world.http.post(f"{HUB}/{address.format(waiting['importId'])}", json=body)

    assert (ended.status_code, ended.json()["status"]) == (200, "Success")
    assert ended.json()["conflictReport"]["conflicts"][0]["resolution"] == "Skip"


async def test_a_resume_without_all_decisions_waits_again_until_the_first_end(world):
    await with_other_rules(world)
    waiting = (await upload(world)).json()

    again = await world.http.post(waiting["resumeUrl"], json={"resolutions": []})

    assert (again.status_code, again.json()) == (409, waiting)


async def test_decisions_that_fit_nothing_are_refused(world):
    await with_other_rules(world)
    url = (await upload(world)).json()["resumeUrl"]
    rows = [{"conflictId": "conf-001", "strategy": "Burn"}, {"strategy": "Skip"}]
    twice = [{"conflictId": "conf-001", "strategy": "Skip"}] * 2

    wrong = await world.http.post(url, json={"resolutions": rows})
    unknown = await world.http.post(url, json={"resolutions": [{"conflictId": "conf-9", "strategy": "Skip"}]})
    doubled = await world.http.post(url, json={"resolutions": twice})

    assert [answer.status_code for answer in (wrong, unknown, doubled)] == [400, 400, 400]
    assert problems_of(wrong) == [
        ("BadUserInput", "resolutions[0].strategy"),
        ("BadUserInput", "resolutions[1].conflictId"),
    ]
    assert unknown.json()["unknown"] == ["conf-9"]
    assert problems_of(doubled) == [("BadUserInput", "resolutions[1].conflictId")]


@pytest.mark.parametrize("paths", [{"pointer": "/rules"}, "all", 0])
async def test_decisions_by_path_that_are_none_are_refused_and_never_let_pass_unheard(world, paths):
    await with_other_rules(world)
    waiting = (await upload(world)).json()
    row = {"conflictId": "conf-001", "strategy": "Merge"}

    refused = await world.http.post(waiting["resumeUrl"], json={"resolutions": [row | {"paths": paths}]})
    after = (await world.http.get(f"{HUB}/imports/{waiting['importId']}")).json()
    none = await world.http.post(waiting["resumeUrl"], json={"resolutions": [row | {"paths": []}]})

    assert (refused.status_code, problems_of(refused)) == (400, [("BadUserInput", "resolutions[0].paths")])
    assert after["status"] == "PendingConflictResolution"
    assert (none.status_code, none.json()["status"]) == (200, "Success")


async def test_a_caller_who_does_not_wait_gets_an_address_to_ask(idle_world):
    answer = await upload(idle_world, headers={"prefer": "wait=3, respond-async"})

    body = answer.json()
    url = f"{HUB}/imports/{body['importId']}"
    record = (await idle_world.http.get(url)).json()
    assert (answer.status_code, answer.headers["location"]) == (202, url)
    assert answer.headers["preference-applied"] == "respond-async"
    assert body == {"importId": body["importId"], "statusUrl": url, "status": "InProgress"}
    running = {"status": "InProgress", "stage": "Queued", "progress": "0 of 0 artifacts installed", "lastEvent": 1}
    assert {name: record[name] for name in running} == running


async def test_a_caller_who_waited_long_enough_gets_the_same_address(idle_world):
    began = asyncio.get_running_loop().time()

    answer = await upload(idle_world)

    assert 0.9 < asyncio.get_running_loop().time() - began < 5
    assert (answer.status_code, answer.json()["status"]) == (202, "InProgress")


async def test_a_cancelled_import_says_so(idle_world):
    import_id = (await upload(idle_world, headers={"prefer": "respond-async"})).json()["importId"]
    await idle_world.services.line.cancel(local_caller(), import_id, None)

    record = (await idle_world.http.get(f"{HUB}/imports/{import_id}")).json()

    shown = {name: record[name] for name in ("status", "stage", "error", "rolledBack")}
    assert shown == {"status": "Cancelled", "stage": "Queued", "error": "ImportCancelled", "rolledBack": True}


async def test_a_line_that_is_full_turns_the_next_away_and_keeps_no_bundle(idle_world):
    headers = {"prefer": "respond-async"}
    await upload(idle_world, headers=headers)

    answer = await upload(idle_world, headers=headers)

    assert (answer.status_code, answer.json()["error"]) == (429, "RateLimitExceeded")
    assert int(answer.headers["retry-after"]) > 0
    assert len(blob_files(idle_world)) == 1


async def test_a_finding_of_the_scan_is_answered_with_the_way_to_its_report(world):
    rules = trusted(RULES)
    rules["rules"][0]["condition"] = "{{env.DATABASE_PASSWORD}}"
    folder = world.settings.data / "evil"
    folder.mkdir()
    (folder / "rule-1.json").write_bytes(canonical(rules))
    await world.load("source", folder)
    wish = {"packageName": "Evil", "packageType": "config-package", "version": "1.0.0", "artifactIds": ["rule-1"]}
    export = await world.http.post(f"{HUB}/packages/export", json=wish | {"tenantId": "source"})

    answer = await refer(world, export.json()["packageId"], targetTenantId="target")

    body = answer.json()
    report = (await world.http.get(body["scanReportUrl"])).json()
    expected = {"error": "SecurityScanFailed", "status": "Failed", "stage": "SecurityScan", "scanResult": "FAIL"}
    assert answer.status_code == 403
    assert {name: body[name] for name in expected} == expected
    assert (body["rolledBack"], report["overallResult"]) == (True, "FAIL")


@pytest.mark.parametrize("query", ["?dryRun=true&dryRun=false", "?dryRun=false&dryRun=true"])
async def test_a_switch_that_says_dry_run_anywhere_never_writes(world, query):
    answer = await upload(world, query=query, headers=bearer(world, "target"))

    assert (answer.status_code, answer.json()["isDryRun"]) == (200, True)


@pytest.mark.parametrize("query", ["?dryRun", "?dryRun=", "?dryRun=1"])
async def test_a_switch_that_says_nothing_is_refused(world, query):
    answer = await upload(world, query=query, headers=bearer(world, "target"))

    assert (answer.status_code, problems_of(answer)) == (400, [("InvalidOptions", "dryRun")])


async def test_a_dry_run_of_what_is_there_already_finds_no_conflict(world):
    caller = bearer(world, "target")
    await upload(world, headers=caller)

    answer = await upload(world, query="?dryRun=true", headers=caller)

    assert answer.json()["conflictsFound"] == []
    assert answer.json()["counts"]["unchanged"] == 2
