"""The kill points are where the server passes, a process dies there, and what it leaves is whole (security.md 4.1)."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.chaos.driving import Chaos, Tally, chaos
from tests.chaos.launcher import REHEARSAL
from tests.chaos.points import BY_NAME, POINTS, Deed, found
from tests.chaos.victim import Database, dead
from tests.house.tree import ROOT

#: held but not seen, and in the commit; ``make chaos`` takes them all
CHOSEN = ("K16", "K18")


def test_there_are_thirty_points_each_at_a_function_that_is_there():
    functions = [found(point)[2] for point in POINTS]

    assert [point.name for point in POINTS] == [f"K{number:02}" for number in range(1, 31)]
    assert all(callable(function) for function in functions)


def test_the_server_itself_knows_of_no_kill_point():
    rooms = ("domain", "schema", "resolvers", "rest_compat", "storage", "server")

    knowing = [path for room in rooms for path in (ROOT / room).rglob("*.py") if "CRASHPOINT" in path.read_text()]

    assert knowing == []


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_every_point_is_passed_and_where_a_process_dies_nothing_is_half_done_lost_or_doubled(tmp_path: Path):
    tally = Tally("chosen")
    async with chaos(Database(), tmp_path) as made:
        passed = await rehearsed(made)
        for name in CHOSEN:
            await made.kill_at(BY_NAME[name], tally)

    assert passed == set(BY_NAME) - {"K28"}
    assert tally.violations == []
    assert (tally.kills, tally.fired) == (len(CHOSEN), len(CHOSEN))


async def rehearsed(made: Chaos) -> set[str]:
    """The points that one process passes in all that clients do, from its start to its orderly end.

    Not K28: the tables were made before.
    """
    await made.victim.leave_orphans(BY_NAME["K24"].passage)
    made.victim.armed.touch()
    process = await made.victim.begin(REHEARSAL)
    assert await made.victim.is_ready(process)
    for deed in (Deed.LONG_IMPORT, Deed.IMPORT, Deed.HELD_AND_CANCELLED, Deed.INSTALL, Deed.EXPORT):
        await made.clients.do(made.task(deed))
    await made.at_rest()
    async with asyncio.timeout(60):
        await asyncio.gather(*(made.victim.marked(name) for name in BY_NAME if name not in {"K28", "K29"}))
    process.terminate()
    assert await dead(process)
    made.victim.armed.unlink()
    return {mark.name for mark in made.victim.marks.iterdir()}
