"""Scans that were made again, at both doors: listed, read, and nobody else's (security.md section 3.3)."""

from __future__ import annotations

import pytest
import pytest_asyncio

from domain import scanning
from domain.scanning import Scanner
from domain.scanning.custom import read_rules
from tests.doors.graphql_world import Asking
from tests.doors.rest import HUB, exported_rules, upload
from tests.market import a_package
from tests.world import EVERYTHING, a_world

pytestmark = pytest.mark.asyncio(loop_scope="module")

RULE = 'rule forbidden { strings: $word = "Starter rules" condition: $word }'
LIST = """query($tenants: [ID!], $package: ID, $import: ID, $after: String) {
  rescans(tenantIds: $tenants, packageId: $package, importId: $import, first: 1, after: $after) {
    nodes { key keptAs packageName packageVersion result rulesVersion importJob { state } tenant { __typename } }
    pageInfo { hasNextPage endCursor }
  }
}"""
READ = """query($id: ID!) {
  rescanReport(rescanId: $id) { result rulesVersion error findings(minimum: HIGH) { rule severity } }
}"""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(tmp_path_factory):
    """A package that acme imported, and one that it exported; then the rules changed."""
    folder = tmp_path_factory.mktemp("rules")
    (folder / "more.yar").write_text(RULE)
    async with a_world(tmp_path_factory.mktemp("world")) as world:
        await world.tenant("acme")
        brought = await upload(world, a_package(), headers=boss(world), targetTenantId="acme")
        await exported_rules(world, "acme")
        assert brought.status_code == 200
        scanning.put_in_force(Scanner(read_rules(folder)))
        assert await world.services.rescans.scan_due() == 2
        yield world
        scanning.put_in_force(Scanner())


def boss(world, tenant="acme", scopes=EVERYTHING):
    return world.headers(tenant, scopes=scopes)


async def listed(world, headers=None, **query):
    answer = await world.http.get(f"{HUB}/rescans", params=query, headers=headers or boss(world))
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_rest_lists_scans_newest_first_and_shows_their_reports(world):
    both = await listed(world)
    first = await listed(world, pageSize=1)
    rest = await listed(world, pageSize=1, after=first["items"][0]["rescanId"], tenantId="acme")
    (installed,) = (one for one in both["items"] if one["keptAs"] == "Installed")
    (exported,) = (one for one in both["items"] if one["keptAs"] == "Exported")

    report = (await world.http.get(f"{HUB}/rescans/{installed['rescanId']}", headers=boss(world))).json()

    assert (first["hasNext"], rest["hasNext"]) == (True, False)
    assert [*first["items"], *rest["items"]] == both["items"]
    assert (installed["packageName"], installed["overallResult"], exported["overallResult"]) == (
        *("Starter", "FAIL"),
        "PASS",
    )
    assert (report["overallResult"], report["rescanId"]) == ("FAIL", installed["rescanId"])
    assert (report["importId"], report["packageId"]) == (installed["importId"], installed["packageId"])
    assert "importId" not in exported
    assert (await listed(world, packageId=exported["packageId"]))["items"] == [exported]
    assert (await listed(world, importId=installed["importId"]))["items"] == [installed]


async def test_graphql_lists_and_shows_the_same(world):
    asking = Asking(world, boss(world))
    rows = (await listed(world))["items"]

    first = (await asking.data(LIST, tenants=["acme"]))["rescans"]
    rest = (await asking.data(LIST, tenants=["acme"], after=first["pageInfo"]["endCursor"]))["rescans"]
    nodes = [*first["nodes"], *rest["nodes"]]
    installed = next(node for node in nodes if node["keptAs"] == "INSTALLED")
    report = (await asking.data(READ, id=installed["key"]))["rescanReport"]
    (row,) = (row for row in rows if "importId" in row)
    named = [await asking.data(LIST, **{word: row[f"{word}Id"]}) for word in ("package", "import")]

    assert [(node["key"], node["result"], node["rulesVersion"]) for node in nodes] == [
        (row["rescanId"], row["overallResult"], row["rulesVersion"]) for row in rows
    ]
    assert [found["rescans"]["nodes"] for found in named] == [[installed], [installed]]
    assert (installed["importJob"], installed["tenant"]) == ({"state": "SUCCEEDED"}, {"__typename": "Tenant"})
    assert (report["result"], report["error"]) == ("FAIL", None)
    assert {found["rule"] for found in report["findings"]} == {"Custom.more.forbidden"}


async def test_scans_of_exports_are_for_those_who_may_export_and_none_for_strangers(world):
    await world.tenant("globex")
    reader, stranger = boss(world, scopes=("installhub:read",)), boss(world, "globex")
    ids = [one["rescanId"] for one in (await listed(world))["items"]]

    seen = (await listed(world, reader))["items"]
    answers = [await world.http.get(f"{HUB}/rescans/{one}", headers=stranger) for one in (*ids, "rsc-unknown")]
    reports = [(await Asking(world, stranger).data(READ, id=one))["rescanReport"] for one in ids]

    assert [one["keptAs"] for one in seen] == ["Installed"]
    assert (await listed(world, stranger)) == {"items": [], "hasNext": False}
    assert {(answer.status_code, answer.json()["message"]) for answer in answers} == {(404, "There is no such scan.")}
    assert reports == [None, None]
