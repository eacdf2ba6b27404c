"""Several processes on one PostgreSQL: one serves, others work, and one of them is killed while a client watches."""

from __future__ import annotations

import signal
from itertools import pairwise
from pathlib import Path

import pytest

from bench import corpus
from tests.journeys.processes import a_process, artifact_count, follow, submitted

ARTIFACTS = 600


@pytest.mark.slow
@pytest.mark.postgres
async def test_another_worker_finishes_what_a_killed_one_began_while_a_client_of_a_third_process_watches(
    tmp_path: Path, postgres_url: str
):
    bundle = corpus.bundle("elsewhere", "Big Suite", corpus.artifacts(ARTIFACTS))
    shared = {"INSTALLHUB_DATABASE_URL": postgres_url, "INSTALLHUB_ROLE": "web"}
    async with a_process(tmp_path, **shared) as server:
        await server.tenant("target")
        token = server.token("target")
        doomed = await server.start("worker")

        import_id = await submitted(server, token, bundle)
        seen = []
        async for event in follow(server.url, token, import_id):
            seen.append(event)
            if event["progress"]["stage"] == "INSTALLATION" and doomed.returncode is None:
                doomed.send_signal(signal.SIGKILL)
                await doomed.wait()
                await server.start("worker")
        count = await artifact_count(server, token)

    numbers = [(event["firstSeq"], event["seq"]) for event in seen]
    assert numbers[0][0] == 1
    assert all(first == last + 1 for (_, last), (first, _) in pairwise(numbers))
    assert [event["isFinal"] for event in seen].count(True) == 1
    assert seen[-1]["state"] == "SUCCEEDED"
    assert count == ARTIFACTS
