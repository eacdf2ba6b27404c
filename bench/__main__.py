"""``python -m bench [W1 W2 …]``: every workload beside its physical limit, each in a process of its own."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Awaitable, Callable, Mapping

import uvloop

from bench import w1_import, w2_export, w3_small, w4_messages, w4_watchers, w5_bytes, w6_plan, w9_queries
from bench.measure import Result
from server.memory import settle_memory

WORKLOADS: Mapping[str, Callable[[], Awaitable[list[Result]]]] = {
    "W1": w1_import.run,
    "W2": w2_export.run,
    "W3": w3_small.run,
    "W4": w4_watchers.run,
    "W4D": w4_watchers.run_on_disk,
    "W4M": w4_messages.run,
    "W5": w5_bytes.run,
    "W6": w6_plan.run,
    "W9": w9_queries.run,
}


async def main(name: str) -> None:
    """Run one workload and print its lines."""
    print(*await WORKLOADS[name](), sep="\n")


if __name__ == "__main__":
    wanted = [name.upper() for name in sys.argv[1:]] or list(WORKLOADS)
    if unknown := [name for name in wanted if name not in WORKLOADS]:
        sys.exit(f"no such workload: {', '.join(unknown)}; there are {', '.join(WORKLOADS)}")
    if len(wanted) > 1:
        sys.exit(max(subprocess.run((sys.executable, "-m", "bench", name), check=False).returncode for name in wanted))
    settle_memory()  # as the server does, for both sides alike
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main(wanted[0]))
