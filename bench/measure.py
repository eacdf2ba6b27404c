"""Interleaved rounds of our work and its limit; CPU of the whole process, medians, ratios."""

from __future__ import annotations

import statistics
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(slots=True)
class Series:
    """What one side of a comparison cost, a round each: CPU seconds and wall seconds."""

    cpu: list[float] = field(default_factory=list)
    wall: list[float] = field(default_factory=list)

    @property
    def median_cpu(self) -> float:
        """The middle CPU time, in seconds."""
        return statistics.median(self.cpu)

    @property
    def median_wall(self) -> float:
        """The middle wall time, in seconds."""
        return statistics.median(self.wall)


async def timed(series: Series, work: Callable[[], Awaitable[None]]) -> None:
    """Run once and note what it cost, threads included."""
    cpu, wall = time.process_time(), time.perf_counter()
    await work()
    series.cpu.append(time.process_time() - cpu)
    series.wall.append(time.perf_counter() - wall)


def forget_peak() -> None:
    """From here on, the peak is that of what follows (Linux)."""
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")


def memory_mib(field: str) -> float:
    """``VmRSS``: what is resident now; ``VmHWM``: the most since :func:`forget_peak`; in MiB (Linux)."""
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith(field + ":"):
            return int(line.split()[1]) / 1024
    raise ValueError(field)


@dataclass(frozen=True, slots=True)
class Result:
    """One line of the report: what we cost beside the limit, and what was to be reached."""

    name: str
    ours: str
    limit: str
    ratio: float
    goal: float

    def __str__(self) -> str:
        verdict = "reached" if self.ratio <= self.goal else "MISSED"
        sides = f"ours {self.ours:>12}  limit {self.limit:>12}"
        return f"{self.name:<44} {sides}  ratio {self.ratio:5.2f}  goal {self.goal:4.2f}  {verdict}"
