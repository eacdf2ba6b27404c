"""The endpoint mapping as an option of imports and plans, through both doors."""

from __future__ import annotations

import pytest

from domain.mapping import PAIRS_MAX
from tests.doors.graphql_world import asking
from tests.doors.rest import HUB, bearer, problems_of, upload
from tests.makers import a_bundle, a_process, an_agent
from tests.market import published
from tests.world import a_world

MARKET = "/api/marketplace"
INSTALLER = ("installhub:import", "marketplace:install", "marketplace:install:community")
SOURCE, TARGET = "https://crm.source.example", "https://crm.target.example/v2"
MAPPING = {SOURCE: TARGET, "https://unknown.example": "https://b.example"}
PAIRS = [{"source": source, "target": target} for source, target in MAPPING.items()]
BUNDLE = a_bundle(a_process("proc-1", name="Sync", nodes=[{"nodeId": "n1", "config": {"url": f"{SOURCE}/orders"}}]))
TOLD = {
    "count": 1,
    "endpoints": [
        {
            "artifactId": "proc-1",
            "pointer": "/nodes/0/config/url",
            "source": SOURCE,
            "before": f"{SOURCE}/orders",
            "after": f"{TARGET}/orders",
        }
    ],
    "unknownSourceCount": 1,
    "unknownSources": ["https://unknown.example"],
}
SHOWN = (
    "endpointsMapped { count endpoints { artifactId pointer source before after } unknownSourceCount unknownSources }"
)
IMPORT = """mutation($input: ImportPackageInput!) { importPackage(input: $input) {
  importJob { id } refusal { __typename code problems { code inputPath } } } }"""
PLAN = """mutation($input: PlanImportInput!) { planImport(input: $input) { importJob { id } refusal { code } } }"""
LOOK = f"query($id: ID!) {{ importJob(id: $id) {{ state outcome {{ warnings {{ code }} }} {SHOWN} }} }}"
CONTENTS = """query { artifacts(tenantIds: ["target"]) { nodes { name content } } }"""


@pytest.fixture
async def world(tmp_path):
    async with a_world(tmp_path) as world:
        await world.tenant("target")
        world.http.headers.update(bearer(world, "target"))
        yield world


async def uploaded(world):
    answer = await world.http.post(f"{HUB}/uploads", content=BUNDLE, headers={"content-type": "application/zip"})
    assert answer.status_code == 201, answer.text
    return answer.json()["uploadId"]


async def referred(world, path, headers=None, **options):
    body = {"uploadId": await uploaded(world), "options": {"targetTenantId": "target", **options}}
    return await world.http.post(f"{HUB}/{path}", json=body, headers=headers)


def request_of(upload_id, pairs):
    return {"tenantId": "target", "source": {"uploadId": upload_id}, "options": {"endpointMapping": pairs}}


async def test_rest_maps_in_a_form_and_by_reference_and_shows_it_before(world):
    plan = (await referred(world, "plans", endpointMapping=MAPPING)).json()
    made = (await upload(world, BUNDLE, endpointMapping=MAPPING)).json()
    again = (await referred(world, "packages/import", endpointMapping=MAPPING)).json()

    looked_at = (await world.http.get(f"{HUB}/plans/{plan['planId']}")).json()
    assert plan["endpointsMapped"] == looked_at["endpointsMapped"] == TOLD
    assert (made["endpointsMapped"], made["artifactsWritten"]) == (TOLD, 1)
    assert (again["endpointsMapped"], again["artifactsWritten"]) == (TOLD, 0)
    warned = [(row["warning"], row["unknownSources"]) for row in made["warnings"]]
    assert warned == [("EndpointSourceUnknown", ["https://unknown.example"])]


async def test_graphql_maps_as_rest_does_and_shows_it_before(world):
    caller = asking(world, "target")
    planned = await caller.data(PLAN, input={"importPackage": request_of(await uploaded(world), PAIRS)})
    plan_id = planned["planImport"]["importJob"]["id"]
    await caller.events(plan_id)

    submitted = await caller.data(IMPORT, input={"request": request_of(await uploaded(world), PAIRS)})
    import_id = submitted["importPackage"]["importJob"]["id"]
    await caller.events(import_id)

    plan, done = [(await caller.data(LOOK, id=one))["importJob"] for one in (plan_id, import_id)]
    assert plan == {"state": "SUCCEEDED", "outcome": None, "endpointsMapped": TOLD}
    assert done == {
        "state": "SUCCEEDED",
        "outcome": {"warnings": [{"code": "ENDPOINT_SOURCE_UNKNOWN"}]},
        "endpointsMapped": TOLD,
    }
    again = (await upload(world, BUNDLE, endpointMapping=MAPPING)).json()
    assert again["artifactsWritten"] == 0


async def test_an_install_maps_too_and_tells_the_hosts_that_it_will_call(world):
    agent = an_agent("agent-1", name="Helper", mcpServers=[{"serverUrl": f"{SOURCE}/mcp"}])
    listing = await published(world, name="Agents", artifacts=[agent])
    body = {"targetTenantId": "target", "acknowledgeCommunityPackage": True, "endpointMapping": {SOURCE: TARGET}}
    headers = world.headers("target", scopes=INSTALLER)

    answer = await world.http.post(f"{MARKET}/packages/{listing.listing_id}/preview", json=body, headers=headers)

    preview = answer.json()
    assert (answer.status_code, preview["powers"]["hosts"]) == (200, ["crm.target.example"])
    assert [row["after"] for row in preview["endpointsMapped"]["endpoints"]] == [f"{TARGET}/mcp"]


async def test_an_import_without_a_mapping_has_no_word_of_one(world):
    caller = asking(world, "target")

    made = (await upload(world, BUNDLE)).json()

    assert "endpointsMapped" not in made
    assert (await caller.data(LOOK, id=made["importId"]))["importJob"]["endpointsMapped"] is None


async def test_a_mapping_belongs_to_what_an_idempotency_key_asks_for(world):
    key = {"Idempotency-Key": "mine"}
    first = (await upload(world, BUNDLE, headers=key, endpointMapping=MAPPING)).json()

    same = (await upload(world, BUNDLE, headers=key, endpointMapping=dict(reversed(MAPPING.items())))).json()
    other = await upload(world, BUNDLE, headers=key, endpointMapping={SOURCE: "https://new.example"})

    assert same["importId"] == first["importId"]
    assert (other.status_code, other.json()["error"]) == (422, "IdempotencyKeyReused")


@pytest.mark.parametrize("path", ["packages/import", "plans"])
async def test_rest_refuses_every_bad_pair_with_its_place_and_begins_nothing(world, path):
    bad = {"https://ann:pw@a.example": "ftp://b.example", "x": "https://ann:pw@b.example", SOURCE: TARGET}

    answer = await upload(world, BUNDLE, path=path, endpointMapping=bad)

    place = "options.endpointMapping"
    assert (answer.status_code, problems_of(answer)) == (
        400,
        [
            ("InvalidOptions", f"{place}.https://…@a.example"),
            ("InvalidOptions", f"{place}.https://…@a.example"),
            ("InvalidOptions", f"{place}.x"),
            ("InvalidOptions", f"{place}.x"),
        ],
    )
    assert "pw" not in answer.text
    assert (await world.http.get(f"{HUB}/imports?includeDryRuns=true")).json()["totalCount"] == 0


@pytest.mark.parametrize("mapping", [[], "x", {SOURCE: 1}, {SOURCE: {"to": TARGET}}])
async def test_rest_refuses_what_is_no_mapping(world, mapping):
    answer = await upload(world, BUNDLE, endpointMapping=mapping)

    ((code, field),) = problems_of(answer)
    assert (answer.status_code, code) == (400, "InvalidOptions")
    assert field.startswith("options.endpointMapping")


async def test_rest_refuses_a_mapping_of_too_many_pairs(world):
    many = {f"https://a.example/{number}": TARGET for number in range(PAIRS_MAX + 1)}

    answer = await referred(world, "packages/import", endpointMapping=many)

    assert answer.status_code in {400, 413}
    assert (await world.http.get(f"{HUB}/imports")).json()["totalCount"] == 0


async def test_graphql_refuses_every_bad_pair_with_its_place(world):
    caller = asking(world, "target")
    pairs = [*PAIRS, {"source": SOURCE, "target": TARGET}, {"source": "x", "target": TARGET}]

    made = await caller.data(IMPORT, input={"request": request_of(await uploaded(world), pairs)})

    refusal = made["importPackage"]["refusal"]
    assert (made["importPackage"]["importJob"], refusal["code"]) == (None, "INVALID_OPTIONS")
    assert [problem["inputPath"] for problem in refusal["problems"]] == [
        ["input", "request", "options", "endpointMapping", "2"],
        ["input", "request", "options", "endpointMapping", "3"],
    ]
