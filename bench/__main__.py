"""``python -m bench [W1 W2 …]``: every workload beside its physical limit, in one run."""

from __future__ import annotations

import asyncio
import sys

import uvloop

from bench import w1_import, w2_export, w3_small
from server.memory import settle_memory

WORKLOADS = {"W1": w1_import.run, "W2": w2_export.run, "W3": w3_small.run}


async def main(wanted: list[str]) -> int:
    """Run the wanted workloads, or all; 1 when a goal is missed."""
    results = []
    for name, run in WORKLOADS.items():
        if not wanted or name in wanted:
            results += await run()
    print(*results, sep="\n")
    return int(any(result.ratio > result.goal for result in results))


if __name__ == "__main__":
    settle_memory()  # as the server does, for both sides alike
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:  # as the server runs
        sys.exit(runner.run(main(sys.argv[1:])))
