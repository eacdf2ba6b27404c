"""Faults that take minutes: ``make faults`` runs them after the others of this folder."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest
from sqlalchemy.engine import make_url
from websockets.exceptions import WebSocketException

from bench import corpus
from storage.s3_blobs import PIECE_BYTES
from tests.faults.database import a_database
from tests.faults.hub import IMPORT, TENANT, a_hub
from tests.faults.objects import OPTIONS, PREFIX, an_installation
from tests.journeys.processes import a_process, artifact_count, follow, submitted
from tests.world import a_world

pytestmark = pytest.mark.timeout(600)
LEASE_SECONDS = 3
CALLERS, WATCHERS, FLOOD, MALICIOUS = 200, 200, 500, 5


@pytest.mark.postgres
async def test_two_hundred_callers_share_ten_connections_that_answer_slowly(tmp_path, postgres_url):
    async with a_database(postgres_url) as (proxy, url), a_world(tmp_path, database_url=url) as world:
        await world.tenant("target")
        headers = world.headers("target")
        proxy.latency = 0.02

        asked = (world.http.get("/api/installhub/imports", headers=headers) for _ in range(CALLERS))
        *answers, alive = await asyncio.gather(*asked, world.http.get("/healthz"))

    assert {answer.status_code for answer in answers} <= {200, 503}
    assert [answer.status_code for answer in answers].count(200) > CALLERS // 2
    assert alive.status_code == 200


@pytest.mark.postgres
async def test_a_worker_that_was_stopped_beyond_its_lease_writes_nothing_when_it_wakes(tmp_path, postgres_url):
    bundle = corpus.bundle("elsewhere", "Big Suite", corpus.artifacts(900))
    shared = {"INSTALLHUB_DATABASE_URL": postgres_url, "INSTALLHUB_LEASE_SECONDS": str(LEASE_SECONDS)}
    async with a_process(tmp_path, INSTALLHUB_ROLE="web", **shared) as server:
        await server.tenant("target")
        token = server.token("target")
        stopped = await server.start("worker")
        import_id = await submitted(server, token, bundle)
        async for event in follow(server.url, token, import_id):
            if event["progress"]["stage"] == "INSTALLATION":
                break
        stopped.send_signal(signal.SIGSTOP)
        await server.start("worker")
        seen = [event async for event in follow(server.url, token, import_id)]
        before = await _state(postgres_url)

        stopped.send_signal(signal.SIGCONT)
        await asyncio.sleep(3 * LEASE_SECONDS)
        after = await _state(postgres_url)
        count = await artifact_count(server, token)

    assert seen[-1]["state"] == "SUCCEEDED"
    assert (before, count) == (after, 900)


async def _state(postgres_url: str) -> list[int]:
    """What one import is in the database: fences, events, revisions and what is told of it."""
    queries = (
        "SELECT fence FROM import_job",
        "SELECT count(*) FROM import_event",
        "SELECT count(*) FROM revision",
        "SELECT count(*) FROM revision_body",
        "SELECT count(*) FROM audit",
        "SELECT last_seq FROM import_job",
    )
    connection = await asyncpg.connect(make_url(postgres_url).set(drivername="postgresql").render_as_string(False))
    try:
        return [await connection.fetchval(query) for query in queries]
    finally:
        await connection.close()


async def test_two_hundred_watchers_of_a_server_that_is_started_again_miss_nothing(tmp_path):
    bundle = corpus.bundle("elsewhere", "Big Suite", corpus.artifacts(600))
    async with a_process(tmp_path) as server:
        await server.tenant("target")
        token = server.token("target")
        import_id = await submitted(server, token, bundle)
        watching = [asyncio.create_task(_watched(server.url, token, import_id)) for _ in range(WATCHERS)]
        await asyncio.sleep(2)
        (process,) = server.running
        process.terminate()
        await asyncio.to_thread(process.wait)
        server.running.clear()
        await server.start()
        seen = await asyncio.gather(*watching)

    for events in seen:
        assert events[-1]["state"] == "SUCCEEDED"
        assert [event["isFinal"] for event in events].count(True) == 1
        assert all(first["seq"] + 1 == then["firstSeq"] for first, then in pairwise(events))


async def _watched(url: str, token: str, import_id: str) -> list[dict]:
    """Every event, connecting anew with the last number for as long as it takes."""
    seen: list[dict] = []
    while not seen or not seen[-1]["isFinal"]:
        try:
            async for event in follow(url, token, import_id, after=seen[-1]["seq"] if seen else 0):
                seen.append(event)  # noqa: PERF401 - what came before the connection broke is kept
        except (WebSocketException, OSError):
            await asyncio.sleep(0.2)
    return seen


def test_a_flood_of_imports_is_answered_and_lets_nothing_bad_in(tmp_path):
    good = corpus.bundle("elsewhere", "Small", corpus.artifacts(6, size=500))
    artifacts = corpus.artifacts(3, size=500)
    artifacts[-1]["script"] = "eval(input)"
    bad = corpus.bundle("elsewhere", "Bad", artifacts)
    sent = [bad if number % (FLOOD // MALICIOUS) == 50 else good for number in range(FLOOD)]

    with a_hub(tmp_path) as hub, httpx.Client(base_url=hub.place.url, timeout=60, trust_env=False) as other:
        options = json.dumps({"targetTenantId": TENANT, "defaultConflictStrategy": "Replace"})

        def bring(bundle: bytes) -> tuple[bool, int]:
            files: dict[str, Any] = {
                "package": ("a.zip", bundle, "application/zip"),
                "options": ("", options, "application/json"),
            }
            answer = httpx.post(
                f"{hub.place.url}{IMPORT}", files=files, headers=hub.http.headers, timeout=300, trust_env=False
            )
            return bundle is bad, answer.status_code

        slowest = 0.0
        with ThreadPoolExecutor(FLOOD) as callers:
            asking = callers.map(bring, sent)
            for _ in range(10):
                began = time.perf_counter()
                assert other.get("/healthz").status_code == 200
                slowest = max(slowest, time.perf_counter() - began)
                time.sleep(0.2)
            answers = list(asking)
        count = hub.count()
        again = hub.bring(good)

    assert {status for is_bad, status in answers if is_bad} <= {400, 403, 429, 503}
    assert {status for is_bad, status in answers if not is_bad} <= {200, 202, 429, 503}
    assert (count, again.status_code) == (6, 200)
    # seconds: whoever asks meanwhile waits for its turn, and not for the flood
    assert slowest < 10


@pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="only root may mount a small disk")
def test_a_small_disk_that_is_full_is_told_and_nothing_is_half_there(tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=32m", "none", disk], check=False).returncode:
        pytest.skip("this machine lets nobody mount a small disk")
    try:
        with (disk / "log").open("wb") as log, a_hub(disk / "data", stderr=log) as hub:
            good = corpus.bundle("elsewhere", "Small", corpus.artifacts(6, size=500))
            assert hub.bring(good).status_code == 200
            filler = disk / "filler"
            _fill(filler)
            before = hub.stored()
            refused = [hub.upload(good), hub.bring(corpus.bundle("elsewhere", "Other", corpus.artifacts(9, size=9000)))]
            left, count, is_alive = hub.stored(), hub.count(), hub.is_alive()
            filler.unlink()
            again = hub.bring(corpus.bundle("elsewhere", "Other", corpus.artifacts(9, size=9000)))
            counted = hub.count()
    finally:
        subprocess.run(["umount", "--lazy", disk], check=True)

    assert {answer.status_code for answer in refused} <= {503, 507}
    assert all(int(answer.headers["retry-after"]) > 0 for answer in refused)
    assert (left, count, is_alive) == (before, 6, True)
    # three of them are replaced
    assert (again.status_code, counted) == (200, 12)


def _fill(place: Path) -> None:
    """Take all room there is."""
    with place.open("wb", buffering=0) as file:
        for size in (1 << 20, 4096):
            try:
                while file.write(bytes(size)) == size:
                    pass
            except OSError:
                continue


@pytest.mark.s3
@pytest.mark.parametrize("fault", ["is_silent", "bandwidth"])
async def test_an_object_store_that_says_nothing_or_a_byte_a_second_holds_up_nobody_for_long(
    tmp_path, object_store, fault
):
    async with an_installation(tmp_path, object_store, "all") as there:
        there.proxy.slice_bytes = 1
        setattr(there.proxy, fault, 1)

        began = time.perf_counter()
        refused = await there.everything()
        seconds = time.perf_counter() - began
        alive = await there.world.http.get("/healthz")
        there.proxy.bandwidth, there.proxy.slice_bytes = 0, 1 << 16
        there.proxy.speak()
        there.proxy.reset()
        again = await there.everything()

    assert {answer.status_code for answer in refused} == {503}
    assert alive.status_code == 200
    assert [answer.status_code for answer in again] == [200, 206, 201, 200, 200]
    assert seconds < 120


@pytest.mark.s3
async def test_a_download_whose_bytes_go_wrong_in_the_middle_ends_before_them(tmp_path, object_store, caplog):
    async with an_installation(tmp_path, object_store, "all") as there:
        large = corpus.large_bundle("elsewhere", "Large", mib=3)
        headers = there.headers | {"Content-Type": "application/zip", "X-Tenant-Id": "target"}
        sent = await there.world.http.post(f"{PREFIX}/uploads", content=large, headers=headers)
        wish = {"uploadId": sent.json()["uploadId"], "options": OPTIONS}
        (await there.world.http.post(f"{PREFIX}/packages/import", json=wish, headers=there.headers)).raise_for_status()
        query = """{ tenant(id: "target") {
          artifacts(first: 1, filter: { search: "Large 1" }) { nodes { artifactId } } } }"""
        found = await there.world.http.post("/graphql", json={"query": query}, headers=there.headers)
        ids = [node["artifactId"] for node in found.json()["data"]["tenant"]["artifacts"]["nodes"]]
        order = {"packageName": "Large", "packageType": "config-package", "version": "3.0.0", "artifactIds": ids}
        made = await there.world.http.post(f"{PREFIX}/packages/export", json=order, headers=there.headers)
        address = f"{PREFIX}/packages/{made.json()['packageId']}/download"
        whole = (await there.world.http.get(address, headers=there.headers)).content

        there.proxy.swaps = (whole[-60:-50], bytes(10))
        there.proxy.reset()
        came = bytearray()
        with pytest.raises(httpx.RemoteProtocolError):  # noqa: PT012 - the stream is the statement
            async with there.world.http.stream("GET", address, headers=there.headers) as answer:
                async for chunk in answer.aiter_raw():
                    came += chunk

    assert len(whole) > 2 * PIECE_BYTES
    assert (0 < len(came) < len(whole), whole.startswith(came)) == (True, True)
    assert "was cut short" in caplog.text
