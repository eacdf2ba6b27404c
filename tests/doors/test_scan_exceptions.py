"""A false alarm of an import's scan through both doors: asked for, listed, decided (installhub.md section 9.6)."""

from __future__ import annotations

import pytest
import pytest_asyncio

from tests.doors.graphql_world import Asking
from tests.doors.rest import HUB, upload
from tests.journeys.test_curation import FORBIDDEN
from tests.market import a_package
from tests.world import EVERYTHING, World, a_world

pytestmark = pytest.mark.asyncio(loop_scope="module")

REQUEST = """mutation($input: RequestImportScanExceptionInput!) {
  requestImportScanException(input: $input) {
    importScanException { key status rule importJob { state } } refusal { code }
  }
}"""
DECIDE = """mutation($input: DecideImportScanExceptionInput!) {
  decideImportScanException(input: $input) {
    importScanException { status details validUntil decidedBy { __typename } } refusal { code }
  }
}"""
LIST = """query($tenant: ID!, $statuses: [Judgement!]) {
  importScanExceptions(tenantId: $tenant, statuses: $statuses, first: 5) { nodes { key } pageInfo { hasNextPage } }
}"""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(tmp_path_factory):
    async with a_world(tmp_path_factory.mktemp("world")) as world:
        yield world


async def a_forbidden_import(world: World, tenant: str) -> tuple[str, dict[str, str], dict[str, str]]:
    """Its id, and the headers of two people who administer the tenant."""
    await world.tenant(tenant)
    nora, omar = (world.headers(tenant, scopes=EVERYTHING, sub=f"{name}@{tenant}.example") for name in ("nora", "omar"))
    answer = await upload(world, a_package(artifacts=[FORBIDDEN]), headers=nora, targetTenantId=tenant)
    assert answer.status_code == 403
    return answer.json()["importId"], nora, omar


async def test_rest_asks_lists_and_decides(world: World):
    import_id, nora, omar = await a_forbidden_import(world, "acme")
    address = f"{HUB}/imports/{import_id}/scan-exception"
    wish = {"findingIndex": 0, "explanation": "It is shown, never run", "justification": "We need the form"}

    asked = await world.http.post(address, json=wish, headers=nora | {"idempotency-key": "once"})
    same = await world.http.post(address, json=wish, headers=nora | {"idempotency-key": "once"})
    one = f"{address}/{asked.json()['exceptionId']}/decide"
    decision = {"decision": "Approve", "details": "It is so", "validUntil": "2000-01-01T00:00:00Z"}
    past = await world.http.post(one, json=decision, headers=omar)
    decided = await world.http.post(one, json=decision | {"validUntil": None}, headers=omar)
    listed = await world.http.get(f"{HUB}/scan-exceptions", headers=nora)
    passed = await upload(
        world, a_package(artifacts=[FORBIDDEN]), headers=nora, targetTenantId="acme", allowSecurityWarnings=True
    )

    assert (asked.status_code, asked.json()["status"], asked.json()["reviewSLA"]) == (
        *(201, "UnderReview", "4 business hours"),
    )
    assert same.json() == asked.json()
    assert (past.status_code, past.json()["error"]) == (400, "BadUserInput")
    assert (decided.json()["status"], decided.json()["details"]) == ("Approved", "It is so")
    assert listed.json() == {"items": [decided.json()], "hasNext": False}
    assert (passed.status_code, passed.json()["securityScanResult"]) == (200, "WARN")


async def test_graphql_does_the_same(world: World):
    import_id, nora, omar = await a_forbidden_import(world, "globex")
    wish = {"importId": import_id, "findingIndex": 0, "explanation": "It is shown", "idempotencyKey": "once"}

    made = [(await Asking(world, nora).data(REQUEST, input=wish))["requestImportScanException"] for _ in range(2)]
    shown = made[0]["importScanException"]
    waiting = await Asking(world, nora).data(LIST, tenant="globex", statuses=["UNDER_REVIEW"])
    decision = {"importId": import_id, "exceptionId": shown["key"], "decision": "APPROVE", "details": "It is so"}
    own = await Asking(world, nora).data(DECIDE, input=decision)
    decided = (await Asking(world, omar).data(DECIDE, input=decision))["decideImportScanException"]
    left = await Asking(world, nora).data(LIST, tenant="globex", statuses=["UNDER_REVIEW"])

    assert made[1] == made[0]
    assert (shown["status"], shown["importJob"]) == ("UNDER_REVIEW", {"state": "FAILED"})
    assert waiting["importScanExceptions"]["nodes"] == [{"key": shown["key"]}]
    assert own["decideImportScanException"]["refusal"] == {"code": "STATE_CONFLICT"}
    assert (decided["importScanException"]["status"], decided["refusal"]) == ("APPROVED", None)
    assert left["importScanExceptions"]["nodes"] == []
