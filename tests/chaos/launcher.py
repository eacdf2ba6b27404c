"""A server with a kill point: ``IH_CRASHPOINT=K15:3 python -m tests.chaos.launcher serve`` (security.md section 4.1).

It dies by SIGKILL at the third passage of K15; without a number, at the point's usual one. ``IH_CRASHARMED`` names a
file before which no passage counts, ``IH_CRASHMARKS`` a folder in which the point leaves its name before it strikes,
``IH_CRASHDATABASE`` a database server that is stopped at once with it, without time to put anything down.
``IH_CRASHPOINT=all`` is a rehearsal: every point leaves its mark and nobody dies.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from server.cli import main
from server.memory import settle_memory
from server.threads import take_short_turns
from tests.chaos.points import Strike, arm, points
from tests.forks import become

REHEARSAL = "all"
POINT, ARMED, MARKS, DATABASE = "IH_CRASHPOINT", "IH_CRASHARMED", "IH_CRASHMARKS", "IH_CRASHDATABASE"


def prepare(environment: dict[str, str]) -> None:
    """Wrap what the environment names."""
    chosen = environment.get(POINT, "")
    armed = environment.get(ARMED)
    marks = Path(environment[MARKS]) if MARKS in environment else None
    known = points(is_in_bucket=environment.get("INSTALLHUB_BLOBS_URL", "").startswith("s3:"))

    def is_armed() -> bool:
        return armed is None or Path(armed).exists()

    if chosen == REHEARSAL:
        for point in known.values():
            arm(point, _mark(marks), is_armed=is_armed)
    elif chosen:
        name, _, passage = chosen.partition(":")
        strike = _end(marks, int(environment.get(DATABASE) or 0))
        arm(known[name], strike, passage=int(passage) if passage else None, is_armed=is_armed)


def _mark(marks: Path | None) -> Strike:
    def mark(name: str) -> None:
        if marks is not None:
            (marks / name).touch()

    return mark


def _end(marks: Path | None, database: int) -> Strike:
    mark = _mark(marks)

    def end(name: str) -> None:
        mark(name)
        if database:
            os.kill(database, signal.SIGQUIT)
        os.kill(os.getpid(), signal.SIGKILL)

    return end


def serve(environment: dict[str, str], words: Sequence[str]) -> None:
    """Be a server of this environment: the whole life of a process that was forked with all modules in it."""
    become(environment)
    prepare(environment)
    sys.exit(main(list(words)))


if __name__ == "__main__":
    prepare(dict(os.environ))
    settle_memory()
    take_short_turns()
    sys.exit(main())
