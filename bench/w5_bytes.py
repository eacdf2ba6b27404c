"""W5: 200 MB up and down over HTTP, beside bare ASGI; and a 500 MB import's memory."""

from __future__ import annotations

import asyncio
import os
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

from bench import corpus
from bench.measure import Result
from bench.servers import Bare, Product, a_bare_server, a_product

#: the product takes at most this much longer than the bare server: 0.8 of its rate
GOAL = 1.25
MEMORY_GOAL_MIB = 64
ROUNDS = 3
_CHUNK = 1 << 20
_UPLOAD_MIB = 200
_IMPORT_MIB = 480
_TENANT = "bench"
Work = Awaitable[None]


async def run() -> list[Result]:
    """Rounds in turn; the middle of each side's times."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        async with a_bare_server(folder) as bare, a_product(folder / "ours") as product:
            await product.add_tenant(_TENANT)
            up = await _compared(bare, product, _put_bare, _put_ours)
            package_id, size = await _large_package(product)
            await bare.client.put("/bytes", content=_random(size))
            before = product.memory_mib("VmRSS")
            product.forget_peak()
            down = await _compared(bare, product, _get_bare, lambda ours: _get_ours(ours, package_id))
            rise = product.memory_mib("VmHWM") - before
            print(f"  W5 memory rise while 200 MB go out: {rise:.0f} MiB")
            memory = await _import_memory(product, folder)
    return [
        _result(f"W5 upload {_UPLOAD_MIB} MiB", *up),
        _result(f"W5 download {size / _CHUNK:.0f} MiB", *down),
        Result(
            f"W5 memory of an import of {_IMPORT_MIB}+ MB, MiB",
            f"{memory:.0f} MiB",
            f"{MEMORY_GOAL_MIB} MiB",
            memory / MEMORY_GOAL_MIB,
            1.0,
        ),
    ]


def _result(name: str, ours: float, limit: float) -> Result:
    return Result(f"{name}, s", f"{ours:.2f} s", f"{limit:.2f} s", ours / limit, GOAL)


async def _compared(
    bare: Bare, product: Product, of_bare: Callable[[Bare], Work], of_ours: Callable[[Product], Work]
) -> tuple[float, float]:
    limit, ours = [], []
    for _ in range(ROUNDS + 1):
        limit.append(await _seconds(of_bare(bare)))
        ours.append(await _seconds(of_ours(product)))
    return statistics.median(ours[1:]), statistics.median(limit[1:])


async def _seconds(work: Work) -> float:
    # the bare server leaves its bytes to be written to the disk later: whoever waits for the disk waits for these too
    await asyncio.to_thread(os.sync)
    began = time.perf_counter()
    await work
    return time.perf_counter() - began


async def _random(size: int) -> AsyncIterator[bytes]:
    chunk = os.urandom(_CHUNK)
    while size > 0:
        yield chunk[:size]
        size -= len(chunk)


async def _put_bare(bare: Bare) -> None:
    (await bare.client.put("/bytes", content=_random(_UPLOAD_MIB * _CHUNK))).raise_for_status()


async def _put_ours(product: Product) -> None:
    headers = {"content-type": "application/zip", "x-tenant-id": _TENANT}
    answer = await product.client.post(
        "/api/installhub/uploads", content=_random(_UPLOAD_MIB * _CHUNK), headers=headers
    )
    answer.raise_for_status()


async def _get_bare(bare: Bare) -> None:
    async with bare.client.stream("GET", "/bytes") as answer:
        async for _ in answer.aiter_raw():
            pass


async def _get_ours(product: Product, package_id: str) -> None:
    async with product.client.stream("GET", f"/api/installhub/packages/{package_id}/download") as answer:
        answer.raise_for_status()
        async for _ in answer.aiter_raw():
            pass


_EXPORT = """mutation($input: ExportPackageInput!) { exportPackage(input: $input) {
  exportedPackage { id sizeBytes } refusal { message } } }"""


async def _large_package(product: Product) -> tuple[str, int]:
    """A package of about 200 MB, brought in and exported again."""
    bundle = corpus.large_bundle("elsewhere", "Large", mib=_UPLOAD_MIB)
    await _imported(product, bundle)
    listing = "query($id: ID!) { tenant(id: $id) { artifacts(first: 100) { nodes { artifactId } } } }"
    found = await product.ask(listing, id=_TENANT)
    ids = [row["artifactId"] for row in found["tenant"]["artifacts"]["nodes"]]
    order = {"tenantId": _TENANT, "packageName": "Large", "version": "2.0.0", "artifactIds": ids[:50]}
    made = (await product.ask(_EXPORT, input={**order, "packageType": "CONFIG_PACKAGE"}))["exportPackage"]
    if made["refusal"]:
        raise RuntimeError(made["refusal"]["message"])
    return made["exportedPackage"]["id"], int(made["exportedPackage"]["sizeBytes"])


async def _import_memory(product: Product, folder: Path) -> float:
    """How much the server's memory rises while it takes in and imports almost as much as a plan allows, in MiB."""
    place = folder / "huge.zip"
    place.write_bytes(corpus.large_bundle("elsewhere", "Huge", mib=_IMPORT_MIB))
    product.forget_peak()
    before = product.memory_mib("VmRSS")
    began = time.perf_counter()
    await _imported(product, place.read_bytes())
    print(f"  W5 {place.stat().st_size / _CHUNK:.0f} MiB imported in {time.perf_counter() - began:.0f} s")
    return product.memory_mib("VmHWM") - before


async def _imported(product: Product, bundle: bytes) -> None:
    headers = {"content-type": "application/zip", "x-tenant-id": _TENANT}
    sent = await product.client.post("/api/installhub/uploads", content=bundle, headers=headers)
    sent.raise_for_status()
    body = {"uploadId": sent.json()["uploadId"], "options": {"targetTenantId": _TENANT}}
    answer = await product.client.post("/api/installhub/packages/import", json=body)
    if answer.status_code != 200:
        raise RuntimeError(answer.text[:500])
