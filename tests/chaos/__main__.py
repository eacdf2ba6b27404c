"""``python -m tests.chaos --repeats 20 --database postgres --minutes 5``: every kill point, then the blind killer."""

from __future__ import annotations

import argparse
import asyncio
import random
import statistics
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

from server.printing import say
from tests.chaos.driving import Chaos, Tally, blind, chaos, killed_at_first_start
from tests.chaos.points import OF_BUNDLES, Deed, Point, points
from tests.chaos.victim import Database, a_database, whole_start
from tests.engines import ObjectStore, an_object_store

_SEED = 7
#: blind kills of one installation
_BLIND_KILLS = 20
#: most of a kill is spent waiting for files; what a killed process has written is not lost there either
_MEMORY = Path("/dev/shm")
_HEAD = "point  kills  fired  half applied  lost  doubled  other  serves again p50/max  at rest p50/max"


def _wishes(words: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make chaos", description=__doc__)
    parser.add_argument("--repeats", type=int, default=5, help="kills at each point")
    parser.add_argument("--database", choices=("sqlite", "postgres"), default="sqlite")
    parser.add_argument("--store", choices=("files", "s3"), default="files", help="where bundles are")
    parser.add_argument("--minutes", type=float, default=1.0, help="for how long the blind killer goes on")
    parser.add_argument("--points", nargs="*", metavar="K15", help="only these")
    return parser.parse_args(words)


def _row(tally: Tally) -> str:
    served, settled = (
        f"{statistics.median(one or [0]):.1f}/{max(one or [0]):.1f} s" for one in (tally.served, tally.settled)
    )
    numbers = (
        f"{tally.kills:>5}  {tally.fired:>5}  {tally.half:>12}  {tally.lost:>4}  {tally.doubled:>7}  {tally.other:>5}"
    )
    return f"{tally.name:5}  {numbers}  {served:>20}  {settled:>15}"


def _passages(point: Point, repeats: int, chance: random.Random) -> Iterator[int]:
    """The usual one first, then any up to it."""
    yield point.passage
    for _ in range(repeats - 1):
        yield chance.randint(1, point.passage)


async def _at_point(made: Chaos, point: Point, repeats: int, chance: random.Random) -> Tally:
    tally = Tally(point.name)
    for number, passage in enumerate(_passages(point, repeats, chance)):
        if point.deed is Deed.FIRST_START:
            await killed_at_first_start(point, tally, made.database, made.victim.folder.with_name("first"))
        elif point.name == "K30" and made.database.server is not None:
            await made.kill_apart(point, tally, is_worker=number % 2 == 0)
        else:
            await made.kill_at(point, tally, passage)
    return tally


async def _all(given: argparse.Namespace, folder: Path, objects: ObjectStore | None) -> list[Tally]:
    chance = random.Random(_SEED)
    tallies: list[Tally] = []
    chosen = given.points or (OF_BUNDLES if given.store == "s3" else ())
    async with a_database(given.database, folder, objects) as database:
        for number, point in enumerate(points(is_in_bucket=objects is not None).values()):
            if chosen and point.name not in chosen:
                continue
            async with chaos(database, folder / str(number)) as made:
                if not tallies:
                    began = await whole_start(made.victim)
                    say(f"{given.database}, {given.store}; a whole start, its imports included: {began:.1f} s")
                    say(_HEAD)
                tallies.append(await _at_point(made, point, given.repeats, chance))
            say(_row(tallies[-1]))
        if given.minutes:
            tallies.append(await _blind(database, folder, minutes=given.minutes, chance=chance))
            say(_row(tallies[-1]))
    return tallies


async def _blind(database: Database, folder: Path, *, minutes: float, chance: random.Random) -> Tally:
    """Installation after installation: all of one is looked at after each kill, and it grows."""
    tally, until = Tally("blind"), time.monotonic() + minutes * 60
    while time.monotonic() < until:
        async with chaos(database, folder / f"blind-{tally.kills}") as made:
            await blind(made, tally, until=until, kills=_BLIND_KILLS, chance=chance)
    return tally


def main(words: Sequence[str]) -> int:
    given, began = _wishes(words), time.monotonic()
    with ExitStack() as opened:
        place = _MEMORY if _MEMORY.is_dir() else None
        folder = Path(opened.enter_context(TemporaryDirectory(prefix="installhub-chaos-", dir=place)))
        objects = opened.enter_context(an_object_store(folder / "objects")) if given.store == "s3" else None
        tallies = asyncio.run(_all(given, folder, objects))
    for tally in tallies:
        for violation in tally.violations:
            say(f"{tally.name}: {violation}")
    kills = sum(tally.kills for tally in tallies)
    say(f"{kills} kills in {(time.monotonic() - began) / 60:.0f} min")
    return int(not all(tally.is_good for tally in tallies))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
