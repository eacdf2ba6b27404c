"""A server that is killed in the middle of an import leaves the old state or the new one, and goes on."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed

from bench import corpus
from tests.journeys.processes import ServerProcess, a_process, artifact_count, follow, submitted

ARTIFACTS = 240
STAGES = ["VALIDATION", "SECURITY_SCAN", "DEPENDENCY_CHECK", "PLANNING", "INSTALLATION", "VERIFICATION", "ACTIVATION"]


@pytest.mark.slow
@pytest.mark.parametrize("stage", STAGES)
async def test_an_import_killed_at_a_stage_is_finished_after_the_restart_and_its_stream_goes_on(
    tmp_path: Path, stage: str
):
    bundle = corpus.bundle("elsewhere", "Big Suite", corpus.artifacts(ARTIFACTS))
    async with a_process(tmp_path) as server:
        await server.tenant("target")
        token = server.token("target")
        import_id = await submitted(server, token, bundle)

        seen = await _events_until(server, token, import_id, stage)
        await server.kill()
        await server.start()
        seen += [event async for event in follow(server.url, token, import_id, after=_last(seen))]
        count = await artifact_count(server, token)

    numbers = [(event["firstSeq"], event["seq"]) for event in seen]
    assert numbers[0][0] == 1
    assert all(first == last + 1 for (_, last), (first, _) in pairwise(numbers))
    assert [event["isFinal"] for event in seen].count(True) == 1
    assert seen[-1]["state"] == "SUCCEEDED"
    assert count == ARTIFACTS


async def test_what_a_killed_import_has_held_is_seen_by_nobody(tmp_path: Path):
    bundle = corpus.bundle("elsewhere", "Big Suite", corpus.artifacts(ARTIFACTS))
    async with a_process(tmp_path, INSTALLHUB_ROLE="all") as server:
        await server.tenant("target")
        token = server.token("target")
        import_id = await submitted(server, token, bundle)
        seen = await _events_until(server, token, import_id, "INSTALLATION")
        await server.kill()
        server.environment["INSTALLHUB_ROLE"] = "web"
        await server.start()

        count = await artifact_count(server, token)

    is_over = any(event["isFinal"] for event in seen)
    assert count in ({0, ARTIFACTS} if is_over else {0})


async def _events_until(server: ServerProcess, token: str, import_id: str, stage: str) -> list[dict[str, Any]]:
    """What a watcher saw when the stage came."""
    seen = []
    try:
        async for event in follow(server.url, token, import_id):
            seen.append(event)
            if event["progress"]["stage"] == stage or event["isFinal"]:
                break
    except ConnectionClosed:
        pass
    return seen


def _last(seen: list[dict[str, Any]]) -> int:
    """The last number, but never the final one: then nothing would be left to follow."""
    open_ones = [event for event in seen if not event["isFinal"]]
    del seen[len(open_ones) :]
    return int(open_ones[-1]["seq"]) if open_ones else 0
