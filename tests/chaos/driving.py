"""The harness: kill, look, start again, look again (security.md sections 4.1 and 6)."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

from tests.chaos.clients import Clients, Task, UnansweredError
from tests.chaos.invariants import Finding, examine
from tests.chaos.launcher import REHEARSAL
from tests.chaos.points import Deed, Point
from tests.chaos.victim import Database, Victim, a_victim, dead, furnish
from tests.receivers import an_endpoint

#: after a restart everything is at rest by then (security.md section 6)
SETTLED_SECONDS = 60.0
#: a deed that has not led to its point by then does not lead there; what a dead process was about to send is held for
#: a minute where processes share a database, and the next message to the same place comes after it
_STRUCK_SECONDS = 90.0
_LOOK = 0.05
#: which column an invariant counts in
_COLUMNS = {"I1": "half", "I2": "half", "I3": "half", "I4": "lost", "I5": "doubled", "I8": "doubled"}
_AT_START = {Deed.START, Deed.FIRST_START}


@dataclass(slots=True)
class Tally:
    """What came of the kills at one point. Times are seconds: until it serves again, and until it is at rest."""

    name: str
    kills: int = 0
    fired: int = 0
    half: int = 0
    lost: int = 0
    doubled: int = 0
    other: int = 0
    served: list[float] = field(default_factory=list)
    settled: list[float] = field(default_factory=list)
    violations: list[str] = field(default_factory=list)

    def note(self, findings: Iterable[Finding], when: str) -> None:
        for finding in findings:
            column = _COLUMNS.get(finding.name, "other")
            setattr(self, column, getattr(self, column) + len(finding.violations))
            self.violations += [f"{when}: {finding.name} {one}" for one in finding.violations]

    @property
    def is_good(self) -> bool:
        return not self.violations and self.fired == self.kills


@dataclass(slots=True)
class Chaos:
    """One installation, its clients, and what is still to be asked again after the last kill."""

    victim: Victim
    database: Database
    clients: Clients
    endpoint: Any
    numbers: Any = field(default_factory=lambda: count(1))
    pending: list[Task] = field(default_factory=list)

    def task(self, deed: Deed) -> Task:
        number = next(self.numbers)
        return Task(deed, f"key-{number}", number)

    async def kill_at(self, point: Point, tally: Tally, passage: int | None = None) -> None:
        """Bring the server there, let it die, look, start it again, ask again, and look again."""
        tally.kills += 1
        await self.victim.kill()
        process = await self._led_to(point, passage)
        tally.fired += self.victim.was_killed(process, point.name)
        await self.victim.kill()
        if _takes_database(point):
            await self.database.again()
        await self.recover(tally)

    async def kill_apart(self, point: Point, tally: Tally, *, is_worker: bool) -> None:
        """The web in one process, the worker in another: one dies in the middle of an import, the other lives on."""
        tally.kills += 1
        await self.victim.kill()
        web = await self.victim.begin(role="web")
        assert await self.victim.is_ready(web)
        worker = await self.victim.begin(point.name if is_worker else REHEARSAL, words=("worker",))
        await self.at_rest()
        self.victim.armed.touch()
        asking = asyncio.create_task(self._asked(self.task(point.deed)))
        await self.victim.marked(point.name)
        doomed, other = (worker, web) if is_worker else (web, worker)
        doomed.kill()
        tally.fired += await dead(doomed) and other.exitcode is None
        if not is_worker:
            await asking
        await self.recover(tally, words=("worker",) if is_worker else ())
        tally.fired -= other.exitcode is not None
        await asking

    async def _led_to(self, point: Point, passage: int | None) -> Any:
        """The process, dead or about to be; what its clients were not answered is asked again later."""
        named = point.name if passage is None else f"{point.name}:{passage}"
        with_database = self.database.pid if _takes_database(point) else 0
        if point.deed is Deed.START:
            await self.victim.leave_orphans(5)
        if point.deed in _AT_START:
            self.victim.armed.touch()
        process = await self.victim.begin(named, database=with_database)
        if not await self.victim.is_ready(process) or point.deed in _AT_START:
            await dead(process, _STRUCK_SECONDS)
            return process
        await self.at_rest()
        self.victim.armed.touch()
        await self._asked(self.task(point.deed))
        if point.deed is Deed.STOP:
            process.terminate()
        await dead(process, _STRUCK_SECONDS)
        return process

    async def _asked(self, task: Task) -> None:
        try:
            await self.clients.do(task)
        except UnansweredError:
            self.pending.append(task)

    async def recover(self, tally: Tally, words: tuple[str, ...] = ()) -> None:
        """After processes are dead: look; start; ask again; come to rest; look."""
        self.victim.armed.unlink(missing_ok=True)
        tally.note(await self.look(), "dead")
        began = time.monotonic()
        process = await self.victim.begin(words=words)
        assert await self.victim.is_ready(process), "the server died at its start"
        tally.served.append(time.monotonic() - began)
        while self.pending:
            await self.clients.do(self.pending.pop())
        findings = await self.at_rest()
        tally.settled.append(time.monotonic() - began)
        tally.note(findings, "at rest")
        tally.note([self._doubled_messages()], "at rest")

    async def at_rest(self) -> list[Finding]:
        """What is found when nothing is left to do, or when the time for that is over."""
        until = time.monotonic() + SETTLED_SECONDS
        while True:
            findings = await self.look(is_settled=True)
            if not any(finding.violations for finding in findings) or time.monotonic() > until:
                return findings
            await asyncio.sleep(_LOOK)

    async def look(self, *, is_settled: bool = False) -> list[Finding]:
        place = self.victim
        return await examine(
            place.database, place.folder, self.clients.told, is_settled=is_settled, stored=place.stored
        )

    def _doubled_messages(self) -> Finding:
        """I8, as a receiver sees it that drops what it has seen: one message for each end."""
        told = [body["data"]["importId"] for body in self.endpoint.seen.values()]
        doubled = {one for one in told if told.count(one) > 1}
        return Finding("I8", "", len(told), tuple(f"the webhook was told of {one} twice" for one in doubled))


def _takes_database(point: Point) -> bool:
    return point.name == "K18"


@asynccontextmanager
async def chaos(database: Database, folder: Path) -> AsyncIterator[Chaos]:
    """A furnished installation that no process serves."""
    async with (
        a_victim(folder / "data", database) as victim,
        an_endpoint() as endpoint,
    ):
        clients = Clients(victim, await furnish(victim))
        process = await victim.begin()
        assert await victim.is_ready(process)
        await clients.webhook(endpoint.url)
        made = Chaos(victim, database, clients, endpoint)
        await made.clients.do(made.task(Deed.IMPORT))
        await victim.kill()
        yield made


async def killed_at_first_start(point: Point, tally: Tally, database: Database, folder: Path) -> None:
    """Where the tables are made: the next start makes them, all of them."""
    tally.kills += 1
    async with a_victim(folder, database) as victim:
        victim.armed.touch()
        process = await victim.begin(point.name)
        await dead(process, _STRUCK_SECONDS)
        tally.fired += victim.was_killed(process, point.name)
        victim.armed.unlink()
        began = time.monotonic()
        process = await victim.begin()
        assert await victim.is_ready(process), "the server died at its start"
        tally.served.append(time.monotonic() - began)
        await victim.tenant("target")
        tally.note(await examine(victim.database, victim.folder, is_settled=True, stored=victim.stored), "at rest")
        tally.settled.append(time.monotonic() - began)


async def blind(made: Chaos, tally: Tally, *, until: float, kills: int, chance: random.Random) -> None:
    """So often, or until then by the monotonic clock: kill at random moments, while several clients want things."""
    deeds = (Deed.IMPORT, Deed.EXPORT, Deed.INSTALL, Deed.HELD_AND_CANCELLED, Deed.IMPORT)
    process = await made.victim.begin()
    await made.victim.is_ready(process)
    for _ in range(kills):
        if time.monotonic() > until:
            return
        wanting = [asyncio.create_task(_wanting(made, chance.choice(deeds))) for _ in range(3)]
        await asyncio.sleep(chance.uniform(0, 3))
        tally.kills += 1
        await made.victim.kill()
        tally.fired += 1
        await asyncio.gather(*wanting)
        await made.recover(tally)


async def _wanting(made: Chaos, deed: Deed) -> None:
    """One client: task after task, until the server is gone."""
    while True:
        task = made.task(deed)
        try:
            await made.clients.do(task)
        except UnansweredError:
            made.pending.append(task)
            return
