"""W4: what a message to a watcher costs: 200 of them are told 1,000 events of one import, in a burst and paced.

The CPU time is that of the whole process, so ours includes that each event is written to the journal and read from it.
"""

from __future__ import annotations

import asyncio
import os
import statistics
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import orjson

from bench.measure import Result
from bench.raw_client import Counting, a_counting_socket
from bench.servers import Bare, a_bare_server, a_free_port, a_process, a_token, cpu_seconds

GOAL = 2.0
WATCHERS = 200
_AT_ONCE = 10
_ROUNDS = 3
#: each of ten events told together, and as many told one by one, 25 a second
BURST = [0.0 + step / 1000 for step in range(100) for _ in range(_AT_ONCE)]
PACED = [number / 25 for number in range(100)]
_PROTOCOL = "graphql-transport-ws"
_PROGRESS = """subscription($id: ID!) { importProgress(importId: $id) {
  importId firstSeq seq at kind state isFinal message progress { stage done total percent artifactName } } }"""


@dataclass(frozen=True, slots=True)
class _Telling:
    """``bench.telling_server``, and whom to ask for what."""

    process: asyncio.subprocess.Process
    port: int
    token: str

    async def say(self, line: bytes) -> None:
        if self.process.stdin is None:
            raise RuntimeError("nobody listens")
        self.process.stdin.write(line + b"\n")
        await self.process.stdin.drain()

    async def hear(self) -> str:
        if self.process.stdout is None:
            raise RuntimeError("nobody speaks")
        return (await self.process.stdout.readline()).decode().strip()


async def run() -> list[Result]:
    """Both servers are processes of their own, told in turn."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        async with a_bare_server(folder) as bare, _a_telling_server(folder / "ours") as ours:
            return [
                await _compared(f"W4 CPU a message, {WATCHERS} watchers, 10 events at once", bare, ours, BURST),
                await _compared(f"W4 CPU a message, {WATCHERS} watchers, one event at a time", bare, ours, PACED),
            ]


async def _compared(name: str, bare: Bare, ours: _Telling, moments: list[float]) -> Result:
    limits, times = [], []
    for _ in range(_ROUNDS):
        limits.append(await _bare_cpu(bare, moments))
        times.append(await _our_cpu(ours, moments))
    each = 1e6 / (WATCHERS * len(moments))
    limit, time = statistics.median(limits) * each, statistics.median(times) * each
    return Result(name, f"{time:.1f} us", f"{limit:.1f} us", time / limit, GOAL)


async def _bare_cpu(bare: Bare, moments: list[float]) -> float:
    sockets = [await a_counting_socket(bare.port, "/watch") for _ in range(WATCHERS)]
    while await _watchers(bare, []) < WATCHERS:
        pass
    began = cpu_seconds(bare.pid)
    await asyncio.gather(bare.client.post("/tell", json=moments), *(one.heard(len(moments)) for one in sockets))
    taken = cpu_seconds(bare.pid) - began
    _leave(sockets)
    # it learns only by telling them that they have gone
    while await _watchers(bare, [0.0]):
        pass
    return taken


async def _watchers(bare: Bare, moments: list[float]) -> int:
    """How many there are, as they are told something at these moments."""
    return int((await bare.client.post("/tell", json=moments)).json()["watchers"])


async def _our_cpu(ours: _Telling, moments: list[float]) -> float:
    await ours.say(orjson.dumps(moments))
    import_id = await ours.hear()
    sockets = [await a_counting_socket(ours.port, "/graphql", _PROTOCOL) for _ in range(WATCHERS)]
    for one in sockets:
        await _subscribe(one, ours.token, import_id)
    begun, began = [one.count for one in sockets], cpu_seconds(ours.process.pid)
    await ours.say(b"")
    await asyncio.gather(
        *(one.heard(count + len(moments)) for one, count in zip(sockets, begun, strict=True)), ours.hear()
    )
    taken = cpu_seconds(ours.process.pid) - began
    _leave(sockets)
    return taken


async def _subscribe(socket: Counting, token: str, import_id: str) -> None:
    socket.say({"type": "connection_init", "payload": {"Authorization": f"Bearer {token}"}})
    await socket.heard(1)
    operation = {"query": _PROGRESS, "variables": {"id": import_id}}
    socket.say({"type": "subscribe", "id": "1", "payload": operation})
    await socket.heard(2)  # that it was queued: from here on it is told what comes


def _leave(sockets: list[Counting]) -> None:
    for one in sockets:
        one.close()


@asynccontextmanager
async def _a_telling_server(folder: Path) -> AsyncIterator[_Telling]:
    port = a_free_port()
    chosen = {"INSTALLHUB_DATA": str(folder), "INSTALLHUB_PORT": str(port), "INSTALLHUB_ROLE": "web"}
    environment = {**os.environ, **chosen}
    async with a_process("bench.telling_server", environment) as process:
        telling = _Telling(process, port, "")
        await telling.hear()
        yield _Telling(process, port, await a_token(environment))
