"""W4: how late 100 watchers of one import hear of an event; and how long a neighbour's write takes meanwhile.

The bare server tells as many messages at the same moments: an import tells several things at once, which takes any
server, and the 100 clients of this one process, longer than as many told one by one. It also carries out an import
meanwhile, the bare one of W3.

All of it with its files in memory (W4), and on the disk (W4D): of a hundred commits a disk may keep one waiting a
hundred times longer than the others, and then that one is the 99th percentile, of whichever side it has met.
"""

from __future__ import annotations

import asyncio
import json
import shutil
import tempfile
import time
from contextlib import AsyncExitStack
from datetime import datetime
from pathlib import Path
from typing import Any

from websockets.asyncio.client import ClientConnection, connect

from bench import corpus
from bench.measure import Result
from bench.servers import Bare, Product, a_bare_server, a_product

LAG_GOAL = 3.0
NEIGHBOUR_GOAL = 2.0
_WATCHERS = range(100)
ARTIFACTS = 1000
#: a watched import tells nineteen events: of fewer rounds a 99th percentile would be that of the slowest event alone
_ROUNDS = 8
#: before the watched one, so that all watchers are there when it begins
_BEFORE = 3
#: of a round; they leave room for some 150 writes of a neighbour
_BUSY_IMPORTS = 4
#: of a round; leaves room for about as many
_QUIET_SECONDS = 3.0
_BUSY, _NEIGHBOUR = "bench", "neighbour"
_PERCENTILE = 0.99
#: where Linux keeps files in memory, and what eight rounds need there at most
_MEMORY = Path("/dev/shm")
_ROOM = 2 << 30
_PROTOCOL = ["graphql-transport-ws"]
_PROGRESS = "subscription($id: ID!) { importProgress(importId: $id) { at seq isFinal } }"
_SAVE = """mutation($input: ChangeArtifactsInput!) { changeArtifacts(input: $input) {
  artifacts { revision } refusal { message } } }"""
_IMPORT = """mutation($input: ImportPackageInput!) { importPackage(input: $input) {
  importJob { id } refusal { message } } }"""


async def run() -> list[Result]:
    """Real sockets to real processes, in turn, a few rounds of all; their files in memory, where there is room."""
    return await _run(_MEMORY, "in memory") if _has_room() else await run_on_disk()


async def run_on_disk() -> list[Result]:
    """The same with their files in the temporary folder."""
    return await _run(Path(tempfile.gettempdir()), "on disk")


def _has_room() -> bool:
    return _MEMORY.is_dir() and shutil.disk_usage(_MEMORY).free > _ROOM


async def _run(place: Path, where: str) -> list[Result]:
    lags: list[float] = []
    bare_lags: list[float] = []
    quiet: list[float] = []
    busy: list[float] = []
    with tempfile.TemporaryDirectory(dir=place) as name:
        folder = Path(name)
        async with a_bare_server(folder) as bare, a_product(folder / "ours") as product:
            for tenant in (_BUSY, _NEIGHBOUR):
                await product.add_tenant(tenant)
            for _ in range(_ROUNDS):
                heard = await _product_heard(product)
                lags += [arrived - written for written, arrived in heard]
                bare_lags += await _bare_lags(bare, _rhythm(heard))
                quiet += await _writes(product, seconds=_QUIET_SECONDS)
                busy += await _writes_beside_imports(product)
    return [
        _result(f"W4 event lag, {len(_WATCHERS)} watchers, p99, {where}", _p99(lags), _p99(bare_lags), LAG_GOAL),
        _result(f"W8 a write beside an import, p99, {where}", _p99(busy), _p99(quiet), NEIGHBOUR_GOAL),
    ]


def _result(name: str, ours: float, limit: float, goal: float) -> Result:
    return Result(name, f"{ours * 1000:.1f} ms", f"{limit * 1000:.1f} ms", ours / limit, goal)


def _p99(values: list[float]) -> float:
    return sorted(values)[int(len(values) * _PERCENTILE)]


async def _product_heard(product: Product) -> list[tuple[float, float]]:
    """When each event was written, and when it arrived, for each watcher."""
    *_, import_id = await _submitted(product, ["Before"] * _BEFORE + ["Watched"])
    async with AsyncExitStack() as opened:
        sockets = [await opened.enter_async_context(_socket(product.port, "/graphql", _PROTOCOL)) for _ in _WATCHERS]
        for one in sockets:
            await _subscribed(one, product.token, import_id)
        began = time.time()
        found = await asyncio.gather(*(_heard(one) for one in sockets))
    return [(written, arrived) for heard in found for written, arrived in heard if written > began]


def _rhythm(heard: list[tuple[float, float]]) -> list[float]:
    """When each event was written, in seconds since the first: what every watcher heard of, once."""
    told = sorted(written for written, _ in heard)[:: len(_WATCHERS)]
    return [moment - told[0] for moment in told]


async def _subscribed(socket: ClientConnection, token: str, import_id: str) -> None:
    await socket.send(json.dumps({"type": "connection_init", "payload": {"Authorization": f"Bearer {token}"}}))
    await socket.recv()
    operation = {"query": _PROGRESS, "variables": {"id": import_id}}
    await socket.send(json.dumps({"type": "subscribe", "id": "1", "payload": operation}))
    await socket.recv()  # that it was queued: from here on it is told what comes


async def _heard(socket: ClientConnection) -> list[tuple[float, float]]:
    """When each event was written, and when it arrived."""
    heard: list[tuple[float, float]] = []
    async for message in socket:
        now = time.time()
        told = json.loads(message)
        if told["type"] != "next":
            break
        event = told["payload"]["data"]["importProgress"]
        heard.append((datetime.fromisoformat(event["at"]).timestamp(), now))
    return heard


async def _bare_lags(bare: Bare, rhythm: list[float]) -> list[float]:
    lags: list[float] = []

    async def heard(socket: ClientConnection) -> None:
        for _ in rhythm:
            message = await socket.recv()
            now = time.time()
            lags.append(now - json.loads(message)["at"])

    bundle = corpus.bundle("elsewhere", "Bare", corpus.artifacts(ARTIFACTS))
    async with AsyncExitStack() as opened:
        sockets = [await opened.enter_async_context(_socket(bare.port, "/watch", None)) for _ in _WATCHERS]
        watching = [asyncio.create_task(heard(one)) for one in sockets]
        await asyncio.gather(bare.client.post(f"/{_BUSY}", content=bundle), bare.client.post("/tell", json=rhythm))
        await asyncio.gather(*watching)
    # it learns only by telling them that they have gone
    while (await bare.client.post("/tell", json=[0.0])).json()["watchers"]:
        pass
    return lags


def _socket(port: int, path: str, protocols: list[Any] | None) -> connect:
    return connect(f"ws://127.0.0.1:{port}{path}", subprotocols=protocols, proxy=None)


async def _submitted(product: Product, names: list[str]) -> list[str]:
    """Imports that follow one another at once: all are uploaded before the first is asked for."""
    uploads = [await _uploaded(product, name, seed=seed) for seed, name in enumerate(names)]
    return [await _asked_for(product, upload) for upload in uploads]


async def _uploaded(product: Product, name: str, *, seed: int) -> str:
    bundle = corpus.bundle("elsewhere", f"{name} {seed}", corpus.artifacts(ARTIFACTS, seed=seed))
    headers = {"content-type": "application/zip", "x-tenant-id": _BUSY}
    sent = await product.client.post("/api/installhub/uploads", content=bundle, headers=headers)
    sent.raise_for_status()
    return str(sent.json()["uploadId"])


async def _asked_for(product: Product, upload_id: str) -> str:
    request = {"tenantId": _BUSY, "source": {"uploadId": upload_id}, "options": {"defaultStrategy": "REPLACE"}}
    made = (await product.ask(_IMPORT, input={"request": request}))["importPackage"]
    if made["refusal"]:
        raise RuntimeError(made["refusal"]["message"])
    return str(made["importJob"]["id"])


async def _writes(product: Product, *, seconds: float) -> list[float]:
    """A neighbour saves one small artifact again and again; how long each save takes."""
    taken: list[float] = []
    end = time.perf_counter() + seconds
    while (began := time.perf_counter()) < end:
        await _write(product, len(taken))
        taken.append(time.perf_counter() - began)
        await asyncio.sleep(0.01)
    return taken


async def _write(product: Product, number: int) -> None:
    draft = {"artifactType": "ENTITY_SCHEMA", "artifactId": "ent-1", "name": "One", "version": "1.0.0"}
    draft["content"] = {"fields": [{"fieldName": f"f{number}"}]}  # type: ignore[assignment]
    made = (await product.ask(_SAVE, input={"tenantId": _NEIGHBOUR, "save": [draft]}))["changeArtifacts"]
    if made["refusal"]:
        raise RuntimeError(made["refusal"]["message"])


async def _writes_beside_imports(product: Product) -> list[float]:
    """The same while imports of 1,000 artifacts run one behind the other, for as long as they run."""
    ids = await _submitted(product, ["Busy"] * _BUSY_IMPORTS)
    taken: list[float] = []
    state = "query($id: ID!) { importJob(id: $id) { state } }"
    while (await product.ask(state, id=ids[-1]))["importJob"]["state"] in ("QUEUED", "RUNNING"):
        taken += await _writes(product, seconds=0.25)
    return taken
