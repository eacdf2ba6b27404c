"""A process that only runs imports, watched over at ``INSTALLHUB_WORKER_PORT``."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from tests.forks import Forked, forked, hub
from tests.journeys.processes import free_port


def variables(folder: Path, port: int) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("INSTALLHUB_", "PYTHON"))}
    return kept | {"INSTALLHUB_DATA": str(folder), "INSTALLHUB_WORKER_PORT": str(port)}


@pytest.fixture
async def watched(tmp_path: Path) -> AsyncIterator[tuple[Forked, httpx.AsyncClient]]:
    port = free_port()
    process = forked(("worker",), variables(tmp_path, port))
    try:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False) as http:
            async with asyncio.timeout(30):
                await _answers(process, http)
            yield process, http
    finally:
        process.kill()


async def _answers(process: Forked, http: httpx.AsyncClient) -> None:
    while True:
        assert process.poll() is None, "the worker ended by itself"
        try:
            await http.get("/healthz")
        except httpx.TransportError:
            await asyncio.sleep(0.02)
        else:
            return


async def test_a_worker_tells_that_it_lives_and_can_work_and_what_it_counts_and_has_no_door(watched):
    _, http = watched

    alive, ready, measures = [await http.get(path) for path in ("/healthz", "/readyz", "/metrics")]
    elsewhere = [await http.get(path) for path in ("/graphql", "/docs", "/openapi.json", "/api/installhub/packages/x")]
    sent = await http.post("/graphql", json={"query": "{ __typename }"})

    assert (alive.json(), ready.json()) == ({"status": "alive"}, {"status": "ready"})
    assert "installhub_imports_ended" in measures.text
    assert "installhub_queued_imports 0.0" in measures.text
    assert [answer.status_code for answer in (*elsewhere, sent)] == [404] * 5


async def test_a_watched_worker_ends_in_order_when_it_is_asked_to(watched):
    process, http = watched

    process.send_signal(signal.SIGTERM)
    async with asyncio.timeout(30):
        ended = await asyncio.to_thread(process.wait)

    assert ended == 0
    with pytest.raises(httpx.TransportError):
        await http.get("/healthz")


def test_a_worker_whose_port_is_taken_says_so_and_does_not_start(tmp_path: Path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]

        ended = hub(variables(tmp_path, port), "worker")

    assert ended.returncode == 2
    assert f"INSTALLHUB_HOST, INSTALLHUB_WORKER_PORT: cannot listen on 127.0.0.1 port {port}" in ended.stderr
    assert not (tmp_path / "installhub.db").exists()
