"""Packages that call other addresses in their target than in their source: what is planned, held and told of it."""

from __future__ import annotations

import pytest

from domain import strict_json
from domain.errors import ErrorCode
from domain.import_model import ImportState
from domain.model import name_key
from tests.journeys.inside import BOOKS, GLOBEX, MERGE, REPLACE, codes, written_to
from tests.makers import SOURCE as ORIGIN
from tests.makers import a_bundle, a_process, an_artifact, an_entity

pytestmark = pytest.mark.rules

SOURCE, TARGET = "https://crm.source.example", "https://crm.target.example/v2"
MAPPING = {SOURCE: TARGET, "https://unknown.example": "https://b.example"}
#: long enough to pass every limit of one artifact, called often enough
LONG = "https://b.example/" + "x" * 2_000


def a_caller_of(url, **members):
    nodes = [{"nodeId": "n1", "label": url, "config": {"url": url, "entityId": "ent-44"}}]
    return a_process("proc-1", name="Sync", nodes=nodes, **members)


def an_app(url, **members):
    """Merge is offered for it."""
    actions = [{"actionId": "a1", "label": "Go", "targetUrl": url}, {"actionId": "a2", "label": "Stay"}]
    return an_artifact("app-1", name="Desk", **({"actions": actions} | members))


def bundle(url=f"{SOURCE}/orders"):
    return a_bundle(an_entity("ent-44"), a_caller_of(url))


async def called(inside):
    """The address that the process in the target calls."""
    return (await inside.contents(GLOBEX))["Sync"]["nodes"][0]["config"]["url"]


async def test_a_mapped_package_calls_the_targets_addresses_and_its_references_are_right(inside):
    job = await inside.bring(GLOBEX, bundle(), endpoint_mapping=MAPPING)

    node = (await inside.contents(GLOBEX))["Sync"]["nodes"][0]
    entity = job.outcome["idRemapTable"]["ent-44"]
    assert node == {
        "nodeId": "n1",
        "label": f"{SOURCE}/orders",
        "config": {"url": f"{TARGET}/orders", "entityId": entity},
    }


async def test_the_outcome_the_warnings_and_the_audit_tell_what_was_mapped(inside):
    job = await inside.bring(GLOBEX, bundle(), endpoint_mapping=MAPPING)

    told = job.outcome["endpointsMapped"]
    row = {"artifactId": "proc-1", "pointer": "/nodes/0/config/url", "source": SOURCE}
    found = {"count": 1, "unknownSourceCount": 1, "unknownSources": ["https://unknown.example"]}
    assert told == found | {"endpoints": [row | {"before": f"{SOURCE}/orders", "after": f"{TARGET}/orders"}]}
    assert [(row["code"], row["details"]["unknownSources"]) for row in job.outcome["warnings"]] == [
        ("EndpointSourceUnknown", ["https://unknown.example"])
    ]
    entries = await inside.services.records.audit(inside.caller, job)
    assert [entry.details["endpointsMapped"] for entry in entries if entry.action == "import.activated"] == [found]


async def test_an_import_without_a_mapping_says_nothing_of_one(inside):
    job = await inside.bring(GLOBEX, bundle())

    entries = await inside.services.records.audit(inside.caller, job)
    assert await called(inside) == f"{SOURCE}/orders"
    assert "endpointsMapped" not in job.outcome
    assert not any("endpointsMapped" in entry.details for entry in entries)


async def test_the_same_mapping_again_writes_nothing_and_another_one_is_a_change(inside):
    await inside.bring(GLOBEX, bundle(), endpoint_mapping=MAPPING)
    before = await inside.row_counts()

    again = await inside.bring(GLOBEX, bundle(), endpoint_mapping=dict(reversed(MAPPING.items())))
    between = await inside.row_counts()
    other = await inside.bring(GLOBEX, bundle(), endpoint_mapping={SOURCE: "https://new.example"})

    assert written_to(before, between) <= BOOKS
    assert (again.outcome["artifactsWritten"], again.outcome["artifactsUnchanged"]) == (0, 2)
    assert other.state is ImportState.WAITING_FOR_DECISIONS
    assert [row["artifactName"] for row in other.outcome["conflictReport"]["conflicts"]] == ["Sync"]
    assert await called(inside) == f"{TARGET}/orders"


async def test_a_dry_run_shows_what_would_be_mapped_and_writes_nothing(inside):
    before = await inside.row_counts()

    plain = await inside.bring(GLOBEX, bundle(), dry_run=True)
    mapped = await inside.bring(GLOBEX, bundle(), dry_run=True, endpoint_mapping=MAPPING)

    assert written_to(before, await inside.row_counts()) <= BOOKS
    assert mapped.outcome["endpointsMapped"]["endpoints"][0]["after"] == f"{TARGET}/orders"
    assert mapped.outcome["planHash"] != plain.outcome["planHash"]
    assert mapped.options.endpoint_mapping == MAPPING


async def test_the_difference_of_a_conflict_is_to_the_mapped_package(inside):
    await inside.save(GLOBEX, a_process("proc-9", name="Sync", nodes=[{"nodeId": "n1", "config": {"url": "old"}}]))
    job = await inside.bring(GLOBEX, bundle(), endpoint_mapping=MAPPING)

    found = await inside.services.conflicts.diff(inside.caller, job.import_id, "conf-001", None)

    assert job.state is ImportState.WAITING_FOR_DECISIONS
    assert found.package["nodes"][0]["config"]["url"] == f"{TARGET}/orders"


async def test_the_base_of_the_next_merge_is_the_packages_own_side_as_it_was_mapped(inside):
    await inside.save(GLOBEX, an_app("https://local.example", title="Local"))

    job = await inside.bring(GLOBEX, a_bundle(an_app(SOURCE)), endpoint_mapping=MAPPING, default_strategy=MERGE)

    async with inside.sql.view(GLOBEX) as unit:
        base = (await unit.imports.merge_bases(name_key("Starter"), ORIGIN))["app-1"]
        body = (await unit.artifacts.bodies([base.body_id]))[base.body_id]
    own_side = strict_json.trusted(body)
    assert job.outcome["counts"]["merge"] == 1
    assert (await inside.contents(GLOBEX))["Desk"]["actions"][0]["targetUrl"] == TARGET
    assert ("title" in own_side, own_side["actions"][0]["targetUrl"]) == (False, TARGET)


async def test_a_mapping_brings_nothing_past_the_scan(inside):
    token = "https://b.example/?token=ghp_abcdefghijklmnopqrstuvwxyz0123456789"

    job = await inside.bring(GLOBEX, bundle(SOURCE), endpoint_mapping={SOURCE: token})

    assert (job.state, codes(job)) == (ImportState.FAILED, {ErrorCode.SECURITY_SCAN_FAILED})
    assert await inside.heads(GLOBEX) == {}


async def test_a_mapping_lets_no_artifact_grow_beyond_its_limit(inside):
    nodes = [{"nodeId": f"n{place}", "config": {"url": "https://a.example"}} for place in range(5_000)]

    job = await inside.bring(
        GLOBEX, a_bundle(a_process("proc-1", nodes=nodes)), endpoint_mapping={"https://a.example": LONG}
    )

    assert (job.state, codes(job)) == (ImportState.FAILED, {ErrorCode.PAYLOAD_TOO_LARGE})
    assert await inside.heads(GLOBEX) == {}


async def test_a_second_attempt_maps_as_the_first_one_did(inside):
    package = bundle()
    submitted = await inside.submit(GLOBEX, package, endpoint_mapping=MAPPING, default_strategy=REPLACE)
    await inside.services.line.cancel(inside.caller, submitted.import_id, None)

    await inside.services.line.retry(inside.caller, submitted.import_id, None)
    job = await inside.run_next()

    assert job.state is ImportState.SUCCEEDED
    assert await called(inside) == f"{TARGET}/orders"
