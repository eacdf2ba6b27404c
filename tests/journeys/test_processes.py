"""Several processes on one PostgreSQL: two serve, two work, and one of each is killed while clients watch."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest
from sqlalchemy.engine import make_url
from websockets.exceptions import ConnectionClosed

from bench import corpus
from tests.journeys.processes import ServerProcess, a_process, artifact_count, follow, submitted

ARTIFACTS = 900
LEASE_SECONDS = 3
INSTALLING = {"INSTALLATION", "Installing"}

Stream = Callable[[str, str, str, int], AsyncIterator[dict[str, Any]]]


@dataclass(frozen=True, slots=True)
class Seen:
    """An event as every door tells it."""

    first: int
    last: int
    is_final: bool
    stage: str | None


@pytest.mark.slow
@pytest.mark.postgres
async def test_watchers_of_two_processes_see_every_number_once_though_a_worker_and_a_server_are_killed(
    tmp_path: Path, postgres_url: str
):
    bundle = corpus.bundle("elsewhere", "Big Suite", corpus.artifacts(ARTIFACTS))
    shared = {
        "INSTALLHUB_DATABASE_URL": postgres_url,
        "INSTALLHUB_ROLE": "web",
        "INSTALLHUB_LEASE_SECONDS": str(LEASE_SECONDS),
    }
    async with a_process(tmp_path, **shared) as stays, a_process(tmp_path, **shared) as doomed:
        await stays.tenant("target")
        token = stays.token("target")
        for _ in range(2):
            await stays.start("worker")
        import_id = await submitted(doomed, token, bundle)

        installing = asyncio.Event()
        watchers = [
            asyncio.create_task(watched(servers, stream, token, import_id, installing))
            for servers in ((stays,), (doomed, stays))
            for stream in (over_a_socket, as_server_sent_events)
        ]
        await installing.wait()
        os.kill(await owner_of(postgres_url, import_id), signal.SIGKILL)
        await doomed.kill()
        async with asyncio.timeout(60):
            told = await asyncio.gather(*watchers)
        count = await artifact_count(stays, token)
        attempts, ends = await books_of(postgres_url, import_id)

    for seen in told:
        assert seen[0].first == 1
        assert all(later.first == earlier.last + 1 for earlier, later in pairwise(seen))
        assert [event.is_final for event in seen] == [False] * (len(seen) - 1) + [True]
    assert len({seen[-1].last for seen in told}) == 1
    assert (attempts, ends, count) == (2, 1, ARTIFACTS)


async def watched(
    servers: Sequence[ServerProcess], stream: Stream, token: str, import_id: str, installing: asyncio.Event
) -> list[Seen]:
    """What a client sees that goes to the next server when one is gone, and says where it was."""
    seen: list[Seen] = []
    for server in servers:
        after = seen[-1].last if seen else 0
        try:
            async with aclosing(stream(server.url, token, import_id, after)) as events:  # type: ignore[type-var]
                async for event in events:
                    seen.append(_seen(event))
                    if seen[-1].stage in INSTALLING:
                        installing.set()
        except (ConnectionClosed, httpx.TransportError):
            continue
    return seen


def _seen(event: dict[str, Any]) -> Seen:
    stage = event["progress"]["stage"] if isinstance(event["progress"], dict) else event["stage"]
    return Seen(event["firstSeq"], event["seq"], event["isFinal"], stage)


async def over_a_socket(url: str, token: str, import_id: str, after: int) -> AsyncIterator[dict[str, Any]]:
    async for event in follow(url, token, import_id, after=after):
        yield event


async def as_server_sent_events(url: str, token: str, import_id: str, after: int) -> AsyncIterator[dict[str, Any]]:
    """As a browser does it: the last number it saw goes into a header."""
    headers = {"Authorization": f"Bearer {token}", "Accept": "text/event-stream"}
    if after:
        headers["Last-Event-ID"] = str(after)
    async with (
        httpx.AsyncClient(base_url=url, timeout=30, trust_env=False) as client,
        client.stream("GET", f"/api/installhub/imports/{import_id}/events", headers=headers) as answer,
    ):
        assert answer.status_code == 200
        async for line in answer.aiter_lines():
            if line.startswith("data: "):
                yield json.loads(line.removeprefix("data: "))


async def owner_of(database: str, import_id: str) -> int:
    """The process id of the worker that has the import now."""
    owner = await _value(database, "SELECT owner FROM import_job WHERE import_id = $1", import_id)
    return int(owner.split("/")[-2])


async def books_of(database: str, import_id: str) -> tuple[int, int]:
    """How often the import was begun, and how often it ended."""
    attempts = await _value(database, "SELECT attempt FROM import_job WHERE import_id = $1", import_id)
    query = "SELECT count(*) FROM import_event WHERE import_id = $1 AND kind = 'ENDED'"
    return attempts, await _value(database, query, import_id)


async def _value(database: str, query: str, import_id: str) -> Any:
    dsn = make_url(database).set(drivername="postgresql").render_as_string(hide_password=False)
    connection = await asyncpg.connect(dsn)
    try:
        return await connection.fetchval(query, import_id)
    finally:
        await connection.close()
