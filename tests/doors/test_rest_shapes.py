"""The documented REST shapes, word for word (A1, A2; decisions sections 9.4, R29)."""

from __future__ import annotations

import pytest

from tests.doors.onboarding import exported, imported, onboarding
from tests.doors.rest import HUB, upload
from tests.world import ANNA, a_world

pytestmark = pytest.mark.rules

ORDER = ["ent-44", "rule-305", "form-2005", "thread-2002", "proc-1001"]


@pytest.fixture
async def world(tmp_path, database_url):
    async with a_world(tmp_path, database_url=database_url) as world:
        await onboarding(world)
        yield world


async def test_a_preview_is_the_printed_one(world):
    asked = {"tenantId": "acme-dev", "artifactIds": ["proc-1001"]}

    answer = await world.http.post(f"{HUB}/packages/preview", json=asked)

    assert (answer.status_code, answer.json()) == (
        200,
        {
            "rootArtifacts": [{"type": "ProcessDefinition", "id": "proc-1001", "name": "EmployeeOnboarding"}],
            "resolvedDependencies": [
                {
                    "type": "ThreadDefinition",
                    "id": "thread-2002",
                    "name": "ApprovalSubflow",
                    "resolvedFrom": "proc-1001",
                },
                {"type": "AtlasForm", "id": "form-2005", "name": "EmployeeForm", "resolvedFrom": "proc-1001"},
                {"type": "RuleSet", "id": "rule-305", "name": "ApprovalRules", "resolvedFrom": "proc-1001"},
                {"type": "EntitySchema", "id": "ent-44", "name": "EmployeeSchema", "resolvedFrom": "form-2005"},
            ],
            "totalArtifacts": 5,
            "installOrder": ORDER,
            "hasCircularDependency": False,
            "warnings": [],
        },
    )


async def test_an_export_answers_with_every_documented_field(world):
    body = await exported(world)

    manifest = body.pop("manifest")
    package_id, checksum, exported_at = body.pop("packageId"), body.pop("checksum"), body.pop("exportedAt")
    assert body == {
        "packageName": "Employee Onboarding Suite",
        "version": "2.1.0",
        "artifactCount": 5,
        "bundleDownloadUrl": f"{HUB}/packages/{package_id}/download",
        "isSuccess": True,
        "warnings": [],
    }
    assert (manifest["packageId"], manifest["checksum"], manifest["installOrder"]) == (package_id, checksum, ORDER)
    assert len(checksum) == len("sha256:") + 64
    assert len(exported_at) == len("2026-05-25T09:00:00Z")


async def test_a_package_record_is_the_export_and_more(world):
    export = await exported(world)

    record = (await world.http.get(f"{HUB}/packages/{export['packageId']}")).json()

    more = {name: value for name, value in record.items() if name not in export}
    size, expires_at = more.pop("bundleSize"), more.pop("expiresAt")
    download_url = more.pop("downloadUrl")
    assert {name: record[name] for name in export if name != "warnings"} | {"warnings": []} == export
    assert more == {
        "packageType": "workflow-package",
        "description": "Complete onboarding workflow",
        "author": "HR Automation Team",
        "tags": ["hr", "onboarding"],
        "tenantId": "acme-dev",
        "exportedBy": ANNA,
    }
    assert download_url.startswith(f"{export['bundleDownloadUrl']}?expires=")
    assert size > 1000
    assert expires_at > export["exportedAt"]


async def test_an_import_answers_with_every_documented_field(world):
    package_id = (await exported(world))["packageId"]

    body = (await imported(world, package_id, defaultConflictStrategy="Replace")).json()

    conflict = {"artifactName": "EmployeeForm", "type": "AtlasForm", "resolution": "Replace"}
    expected = {
        "packageId": package_id,
        "packageName": "Employee Onboarding Suite",
        "version": "2.1.0",
        "status": "Success",
        "artifactsInstalled": 5,
        "conflictsResolved": 1,
        "installedBy": ANNA,
        "installOrder": ORDER,
        "securityScanResult": "PASS",
        "warnings": [],
    }
    assert {name: body[name] for name in expected} == expected
    assert body["importId"].startswith("imp-")
    assert body["installedAt"].endswith("Z")
    [row] = body["conflictReport"]["conflicts"]
    versions = {"previousVersion": "1.0.0", "installedVersion": "1.3.0"}
    assert row == {"conflictId": "conf-001"} | conflict | versions


async def test_open_conflicts_answer_409_and_say_how_to_go_on(world):
    package_id = (await exported(world))["packageId"]

    answer = await imported(world, package_id)

    body = answer.json()
    import_id = body["importId"]
    assert answer.status_code == 409
    assert body.pop("expiresAt").endswith("Z")
    assert body == {
        "error": "ConflictRequiresResolution",
        "message": "The import waits for decisions about its conflicts.",
        "importId": import_id,
        "resumeUrl": f"{HUB}/packages/import/{import_id}/resume",
        "conflictReport": {
            "conflictsFound": 1,
            "conflicts": [
                {
                    "conflictId": "conf-001",
                    "artifactName": "EmployeeForm",
                    "type": "AtlasForm",
                    "artifactType": "AtlasForm",
                    "existingVersion": "1.0.0",
                    "packageVersion": "1.3.0",
                    "mergeSupported": False,
                    "proposedStrategy": None,
                }
            ],
        },
        "errors": [
            {
                "code": "ConflictRequiresResolution",
                "field": "",
                "message": "The import waits for decisions about its conflicts.",
            }
        ],
    }


async def test_a_waiting_import_reads_as_its_409_with_a_status(world):
    package_id = (await exported(world))["packageId"]
    waiting = (await imported(world, package_id)).json()

    answer = await world.http.get(f"{HUB}/imports/{waiting['importId']}")

    assert (answer.status_code, answer.json()) == (200, waiting | {"status": "PendingConflictResolution"})


@pytest.mark.parametrize("how", ["query", "option"])
async def test_a_dry_run_is_the_plan_shown(world, how):
    package_id = (await exported(world))["packageId"]
    options = {"targetTenantId": "acme-prod"} | ({"dryRun": True} if how == "option" else {})

    answer = await world.http.post(
        f"{HUB}/packages/import" + ("?dryRun=true" if how == "query" else ""),
        json={"sourcePackageId": package_id, "options": options},
    )

    body = answer.json()
    found = {"conflictId": "conf-001", "artifactName": "EmployeeForm", "type": "AtlasForm", "resolution": None}
    expected = {
        "isDryRun": True,
        "packageId": package_id,
        "packageName": "Employee Onboarding Suite",
        "version": "2.1.0",
        "wouldInstall": ["EmployeeSchema", "ApprovalRules", "ApprovalSubflow", "EmployeeOnboarding"],
        "conflictsFound": [found],
        "securityScanResult": "PASS",
        "estimatedInstallOrder": ORDER,
        "warnings": [],
        "blockers": [],
        "scanReportUrl": f"{HUB}/imports/{body['importId']}/scan-report",
    }
    assert answer.status_code == 200
    assert {name: body[name] for name in expected} == expected
    assert {"planId", "planHash", "expiresAt", "counts", "actions"} <= body.keys()
    assert (await world.http.get(f"{HUB}/imports/{body['importId']}")).json() == body


async def test_an_ended_import_reads_as_it_was_answered(world):
    package_id = (await exported(world))["packageId"]
    ended = (await imported(world, package_id, defaultConflictStrategy="Skip")).json()

    record = await world.http.get(f"{HUB}/imports/{ended['importId']}")

    read = record.json()
    undo = read.pop("undo")
    assert (record.status_code, read) == (200, ended)
    assert (undo["isPossible"], undo["blockers"]) == (True, [])


async def test_a_failed_import_says_where_why_and_that_nothing_changed(world):
    answer = await upload(world, b"no archive", targetTenantId="acme-prod")

    body = answer.json()
    record = await world.http.get(f"{HUB}/imports/{body['importId']}")
    assert answer.status_code == 400
    assert (record.status_code, record.json()) == (200, body)
    expected = {"error": "InvalidZip", "status": "Failed", "stage": "Validation", "rolledBack": True}
    assert {name: body[name] for name in expected} == expected
    assert body["errors"][0]["code"] == "InvalidZip"
    assert set(body["errors"][0]) >= {"code", "field", "message"}


async def test_a_scan_report_has_the_documented_members(world):
    package_id = (await exported(world))["packageId"]
    import_id = (await imported(world, package_id, dryRun=True)).json()["importId"]

    report = (await world.http.get(f"{HUB}/imports/{import_id}/scan-report")).json()

    documented = {"packageId", "version", "overallResult", "scannedAt", "durationMs", "checkResults", "summary"}
    assert documented <= report.keys()
    assert (report["packageId"], report["overallResult"]) == (package_id, "PASS")
    assert {"check", "result", "findings"} == set(report["checkResults"][0])


async def test_every_error_has_the_one_shape_and_is_not_kept(world):
    wrong = [
        await world.http.get(f"{HUB}/packages/pkg-nobody"),
        await world.http.get(f"{HUB}/nothing/here"),
        await world.http.put(f"{HUB}/packages/export"),
        await world.http.post(f"{HUB}/packages/export", content=b"{"),
        await world.http.get(f"{HUB}/imports/imp-nobody", headers={"authorization": "none"}),
    ]

    shown = [(answer.status_code, answer.json()["error"]) for answer in wrong]

    assert shown == [
        (404, "NotFound"),
        (404, "NotFound"),
        (405, "MethodNotAllowed"),
        (415, "UnsupportedMediaType"),
        (401, "invalid_token"),
    ]
    assert wrong[2].headers["allow"] == "POST"
    assert wrong[4].headers["www-authenticate"].startswith('Bearer error="invalid_token"')
    assert all({"error", "message", "errors"} <= answer.json().keys() for answer in wrong)
    assert {answer.headers["cache-control"] for answer in wrong} == {"no-store"}
