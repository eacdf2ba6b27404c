"""``GET /metrics``: what it counts, what it never says, and who may read it."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import AsyncIterator
from contextlib import aclosing, closing
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families as families
from sqlalchemy import update
from websockets.asyncio.client import connect

from domain import scanning
from domain.import_model import ImportState
from domain.scanning import Scanner
from domain.scanning.custom import read_rules
from server.jobs import Worker
from server.loading import local_caller
from storage.store import SqlStore
from storage.tables import import_job
from tests.doors.rest import upload
from tests.house.tree import ROOT
from tests.journeys.test_curation import FORBIDDEN
from tests.market import a_package, published
from tests.server.installation import a_submitted_import
from tests.world import EVERYTHING, World, a_world

SECRET = "a-token-of-the-measures"
Values = dict[tuple[str, tuple[str, ...]], float]


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with a_world(tmp_path) as running:
        await running.tenant("acme-dev")
        await running.tenant("acme-prod")
        await running.load("acme-dev", ROOT / "examples" / "acme-source")
        yield running


async def page_of(world: World) -> str:
    answer = await world.http.get("/metrics")
    assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-store")
    assert answer.headers["content-type"].startswith("text/plain")
    return answer.text


async def values_of(world: World) -> Values:
    """Each sample by its name and its labels' values in the order of their names."""
    return {
        (sample.name, tuple(value for _, value in sorted(sample.labels.items()))): sample.value
        for family in families(await page_of(world))
        for sample in family.samples
    }


async def test_an_import_is_counted_by_its_end_its_stages_and_its_events(world):
    headers = world.headers("acme-dev", "acme-prod")
    exported = await world.http.post(
        "/api/installhub/packages/export",
        json={
            "tenantId": "acme-dev", "packageName": "Employee Onboarding", "packageType": "workflow-package",
            "version": "1.0.0", "artifactIds": ["proc-1001"],
        },
        headers=headers,
    )  # fmt: skip
    request = {"sourcePackageId": exported.json()["packageId"], "options": {"targetTenantId": "acme-prod"}}
    imported = await world.http.post("/api/installhub/packages/import", json=request, headers=headers)

    values = await values_of(world)

    assert imported.json()["status"] == "Success"
    assert values["installhub_imports_ended_total", ("SUCCEEDED",)] == 1
    assert values["installhub_stage_seconds_count", ("Activation",)] == 1
    assert values["installhub_stage_seconds_count", ("Installing",)] == 1
    assert values["installhub_requests_total", ("POST", "/api/installhub/packages/import", "200")] == 1
    assert values["installhub_request_seconds_count", ("/api/installhub/packages/import",)] == 1
    assert values["installhub_event_lag_seconds_count", ()] > 0
    assert values["installhub_lease_takeovers_total", ()] == 0
    assert ("installhub_outbox_messages", ()) in values
    assert values["installhub_outbox_age_seconds", ()] >= 0
    assert values["process_resident_memory_bytes", ()] > 0


async def test_what_waits_is_read_from_the_database(tmp_path):
    async with a_world(tmp_path, role="web") as world:
        await world.tenant("acme-dev")
        await world.tenant("acme-prod")
        await world.load("acme-dev", ROOT / "examples" / "acme-source")
        before = await values_of(world)
        await a_submitted_import(world.runtime)

        after = await values_of(world)

    assert (before["installhub_queued_imports", ()], before["installhub_queue_age_seconds", ()]) == (0, 0)
    assert after["installhub_open_imports", ("none", "QUEUED")] == 1
    assert after["installhub_queued_imports", ()] == 1
    assert after["installhub_queue_age_seconds", ()] > 0
    assert after["installhub_database_up", ()] == 1


async def test_an_import_begun_again_is_a_lease_taken_over_and_one_given_up_has_ended(tmp_path):
    async with a_world(tmp_path, role="web") as world:
        await world.tenant("acme-dev")
        await world.tenant("acme-prod")
        await world.load("acme-dev", ROOT / "examples" / "acme-source")
        job = await a_submitted_import(world.runtime)
        async with world.runtime.ports.store.platform_unit() as unit:
            await unit.jobs.claim("somebody else", lease_seconds=3600)
        async with Worker(world.runtime).working(is_alone=True):
            done = await world.services.records.settled(job)
        other = await a_submitted_import(world.runtime, "1.0.1")
        await world.services.line.cancel(local_caller(), other.import_id, None)

        values = await values_of(world)

    assert done.state is ImportState.SUCCEEDED
    assert values["installhub_lease_takeovers_total", ()] == 1
    assert values["installhub_imports_ended_total", ("SUCCEEDED",)] == 1
    assert values["installhub_imports_ended_total", ("CANCELLED",)] == 1


async def test_an_import_whose_end_is_written_counts_though_its_worker_stops_at_that_moment(tmp_path):
    async with a_world(tmp_path, role="web") as world:
        await world.tenant("acme-dev")
        await world.tenant("acme-prod")
        await world.load("acme-dev", ROOT / "examples" / "acme-source")
        await a_submitted_import(world.runtime)
        with closing(sqlite3.connect(tmp_path / "installhub.db")) as file:
            async with Worker(world.runtime).working():
                # nobody else here sees it as early
                while file.execute("SELECT state FROM import_job").fetchone() != (ImportState.SUCCEEDED.name,):
                    await asyncio.sleep(0)

        values = await values_of(world)

    assert values["installhub_imports_ended_total", ("SUCCEEDED",)] == 1


async def test_an_import_that_a_bug_ended_counts_though_its_worker_stops_before_it_knows_that(tmp_path, monkeypatch):
    async with a_world(tmp_path, role="web") as world:
        await world.tenant("acme-dev")
        await world.tenant("acme-prod")
        await world.load("acme-dev", ROOT / "examples" / "acme-source")
        await a_submitted_import(world.runtime)
        importer, is_written = world.services.importer, asyncio.Event()
        failed_by_us = importer.failed_by_us

        async def meets_a_bug(_job):
            raise ValueError("a bug of ours")

        async def gives_no_answer(job, correlation_id):
            await failed_by_us(job, correlation_id)
            is_written.set()
            await asyncio.Event().wait()

        monkeypatch.setattr(importer, "run", meets_a_bug)
        monkeypatch.setattr(importer, "failed_by_us", gives_no_answer)
        async with asyncio.timeout(20), Worker(world.runtime).working():
            await is_written.wait()

        values = await values_of(world)

    assert values["installhub_imports_ended_total", ("FAILED",)] == 1


async def test_an_import_that_nobody_decided_in_time_has_ended(tmp_path):
    async with a_world(tmp_path) as world:
        for tenant, folder in (("acme-dev", "acme-source"), ("acme-prod", "acme-target")):
            await world.tenant(tenant)
            await world.load(tenant, ROOT / "examples" / folder)
        job = await a_submitted_import(world.runtime, default_strategy=None)
        waiting = await world.services.records.settled(job)
        assert isinstance(world.runtime.ports.store, SqlStore)
        async with world.runtime.ports.store._engines.writer.begin() as connection:
            await connection.execute(update(import_job).values(expires_at=job.submitted_at))
        await world.services.upkeep.expire_waiting()

        values = await values_of(world)

    assert waiting.state is ImportState.WAITING_FOR_DECISIONS
    assert values["installhub_imports_ended_total", ("EXPIRED",)] == 1
    assert values["installhub_stage_seconds_count", ("Planning",)] == 1


async def test_what_stays_open_is_counted_while_it_does(world):
    job = await a_submitted_import(world.runtime)
    await world.services.records.settled(job)
    address = world.url.replace("http", "ws", 1) + "/graphql"
    async with connect(address, subprotocols=["graphql-transport-ws"], proxy=None):  # type: ignore[list-item]
        with_socket = await values_of(world)
    await gone(world, "installhub_open_sockets")

    without = await values_of(world)

    assert with_socket["installhub_open_sockets", ()] == 1
    assert without["installhub_open_sockets", ()] == 0
    assert without["installhub_requests_total", ("WS", "/graphql", "101")] == 1
    assert ("installhub_request_seconds_count", ("/graphql",)) not in without


async def test_an_event_stream_is_counted_while_it_is_open(tmp_path):
    async with a_world(tmp_path, role="web") as world:
        await world.tenant("acme-dev")
        await world.tenant("acme-prod")
        await world.load("acme-dev", ROOT / "examples" / "acme-source")
        job = await a_submitted_import(world.runtime)
        query = {"query": f'subscription {{ importProgress(importId: "{job.import_id}") {{ seq }} }}'}
        headers = world.headers("acme-prod") | {"Accept": "text/event-stream"}
        async with (
            world.http.stream("POST", "/graphql", json=query, headers=headers) as answer,
            aclosing(answer.aiter_lines()) as lines,  # type: ignore[type-var]  # httpx promises less than it gives
        ):
            await anext(lines)
            while_open = await values_of(world)
        await gone(world, "installhub_open_streams")

    assert while_open["installhub_open_streams", ()] == 1


async def gone(world: World, gauge: str) -> None:
    async with asyncio.timeout(10):
        while (await values_of(world))[gauge, ()]:
            await asyncio.sleep(0.01)


async def test_no_label_holds_what_a_caller_can_choose(world):
    headers = world.headers("acme-dev", "acme-prod")
    for path in ("/api/installhub/imports/imp-secret-of-mine", "/secret-of-mine", "/api/installhub/secret-of-mine"):
        await world.http.get(path, headers=headers | {"X-Tenant-Id": "acme-dev"})
    await world.http.request("PROPFIND", "/graphql")

    page = await page_of(world)

    assert [word for word in ("secret", "PROPFIND", "acme", "anna") if word in page] == []
    assert 'method="other"' in page
    assert 'route="none"' in page


async def test_a_database_that_does_not_answer_is_said_and_the_rest_goes_on(tmp_path):
    async with a_world(tmp_path, role="web") as world:
        assert isinstance(world.runtime.ports.store, SqlStore)
        await world.runtime.ports.store.aclose()
        for path in world.settings.data.glob("installhub.db*"):
            if path.suffix != ".lock":
                path.unlink()
        (world.settings.data / "installhub.db").mkdir()

        values = await values_of(world)

    assert values["installhub_database_up", ()] == 0
    assert ("installhub_queued_imports", ()) not in values


@pytest.mark.parametrize("proxy", ["X-Forwarded-For", "Forwarded", "X-Real-IP", "Via"])
async def test_without_a_token_a_proxy_gets_nothing_for_others(world, proxy):
    answer = await world.http.get("/metrics", headers={proxy: "for=192.0.2.1"})

    assert (answer.status_code, answer.json()["message"]) == (404, "There is nothing at this path.")


@pytest.mark.parametrize(
    ("sent", "status"),
    [(None, 401), ("Bearer", 401), ("Bearer nonsense", 401), (f"Basic {SECRET}", 401), (f"bearer {SECRET}", 200)],
)
async def test_with_a_token_only_its_bearer_may_read(tmp_path, sent, status):
    async with a_world(tmp_path, metrics_token=SECRET) as world:
        answer = await world.http.get("/metrics", headers={"Authorization": sent} if sent else {})

    assert answer.status_code == status
    assert SECRET not in answer.text


async def test_two_processes_of_one_test_do_not_share_their_counts(tmp_path):
    async with a_world(tmp_path / "one") as one, a_world(tmp_path / "two") as two:
        await one.http.get("/nowhere")

        counts = [
            (await values_of(world)).get(("installhub_requests_total", ("GET", "none", "404"))) for world in (one, two)
        ]

    assert json.dumps(counts) == "[1.0, null]"


async def test_scans_are_counted_by_what_was_scanned_and_how_they_ended(world, tmp_path):
    (tmp_path / "more.yar").write_text('rule bad { meta: severity = "Low" strings: $word = "a" condition: $word }')
    headers = world.headers("acme-prod", scopes=EVERYTHING)
    for artifacts in ((), (FORBIDDEN,)):
        await upload(world, a_package(artifacts=artifacts), headers=headers, targetTenantId="acme-prod")
    await published(world)
    scanning.put_in_force(Scanner(read_rules(tmp_path)))
    await world.services.rescans.scan_due()
    await world.services.curation.rescanning.scan_due()
    scanning.put_in_force(None)
    await upload(world, a_package(), headers=headers, targetTenantId="acme-prod")
    scanning.put_in_force(Scanner())

    values = await values_of(world)

    scans = {labels for name, labels in values if name == "installhub_scans_total"}
    assert scans == {
        *(("import", "pass"), ("import", "fail"), ("import", "error")),
        *(("submission", "pass"), ("listing", "warn"), ("rescan", "warn")),
    }
    assert values["installhub_scans_total", ("import", "fail")] == 1
    assert values["installhub_scan_seconds_count", ("import",)] == 3
