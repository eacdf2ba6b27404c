"""A server as a process of its own, so that it can be killed: ``async with a_process(folder) as process``."""

from __future__ import annotations

import asyncio
import json
import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
from websockets.asyncio.client import connect

from server import settings
from server.keys import private_key
from server.tokens import Grant, minted
from tests.forks import Forked, forked

ROOT = Path(__file__).parents[2]
SCOPES = "installhub:platform installhub:admin"
PROGRESS = """subscription($id: ID!, $after: Int!) { importProgress(importId: $id, after: $after) {
  firstSeq seq kind state isFinal progress { stage done total percent } } }"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class ServerProcess:
    """One installation: a folder (and perhaps a database elsewhere), whatever processes serve it."""

    folder: Path
    environment: dict[str, str]
    port: int = field(default_factory=free_port)
    running: list[Forked] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def start(self, *words: str) -> Forked:
        """Start ``serve --dev`` (or another command that stays) and wait until it answers."""
        process = forked(words or ("serve", "--dev", "--port", str(self.port)), self.environment)
        self.running.append(process)
        if not words:
            await self._ready(process)
        return process

    async def kill(self) -> None:
        """Kill -9, all of them."""
        for process in self.running:
            process.kill()
        self.running.clear()

    def token(self, *tenants: str, scopes: str = SCOPES) -> str:
        """A token of this installation, minted here rather than by another process."""
        chosen = settings.load(data=self.folder, dev=True)
        lasts = timedelta(hours=1)
        grant = Grant("anna@acme.example", tenants, scopes, chosen.token_issuer, chosen.audience, lasts, {})
        return minted(private_key(chosen.keys_folder), grant, datetime.now(UTC))

    async def tenant(self, tenant_id: str) -> None:
        """Make an Enterprise tenant."""
        query = "mutation($input: CreateTenantInput!) { createTenant(input: $input) { refusal { message } } }"
        variables = {"input": {"tenantId": tenant_id, "tenantPlan": "ENTERPRISE"}}
        async with httpx.AsyncClient(base_url=self.url, timeout=30, trust_env=False) as client:
            headers = {"Authorization": f"Bearer {self.token()}"}
            answer = await client.post("/graphql", json={"query": query, "variables": variables}, headers=headers)
        assert answer.json()["data"]["createTenant"]["refusal"] is None, answer.text

    async def _ready(self, process: Forked) -> None:
        async with httpx.AsyncClient(trust_env=False) as client:
            for _ in range(1_500):
                assert process.poll() is None, "the server ended by itself"
                try:
                    if (await client.get(f"{self.url}/readyz")).status_code == 200:
                        return
                except httpx.TransportError:
                    pass
                await asyncio.sleep(0.02)
        raise AssertionError("the server did not become ready")


@asynccontextmanager
async def a_process(folder: Path, **environment: str) -> AsyncIterator[ServerProcess]:
    """A server process over this folder; killed at the end."""
    variables = {key: value for key, value in os.environ.items() if not key.startswith(("INSTALLHUB_", "PYTHON"))}
    process = ServerProcess(folder, variables | {"INSTALLHUB_DATA": str(folder)} | environment)
    await process.start()
    try:
        yield process
    finally:
        await process.kill()


async def follow(url: str, token: str, import_id: str, *, after: int = 0) -> AsyncIterator[dict[str, Any]]:
    """Events of an import over graphql-transport-ws, until the last one or the socket's end."""
    address = url.replace("http", "ws", 1) + "/graphql"
    async with connect(address, subprotocols=["graphql-transport-ws"], open_timeout=20, proxy=None) as socket:  # type: ignore[list-item]
        await socket.send(json.dumps({"type": "connection_init", "payload": {"Authorization": f"Bearer {token}"}}))
        assert json.loads(await socket.recv())["type"] == "connection_ack"
        variables = {"id": import_id, "after": after}
        payload = {"query": PROGRESS, "variables": variables}
        await socket.send(json.dumps({"id": "1", "type": "subscribe", "payload": payload}))
        async for raw in socket:
            message = json.loads(raw)
            if message["type"] == "complete":
                return
            assert message["type"] == "next", message
            yield message["payload"]["data"]["importProgress"]


async def submitted(server: ServerProcess, token: str, bundle: bytes) -> str:
    """Send a bundle without waiting for its import; the import's id."""
    options = json.dumps({"targetTenantId": "target"})
    async with httpx.AsyncClient(base_url=server.url, timeout=30, trust_env=False) as client:
        answer = await client.post(
            "/api/installhub/packages/import",
            files={"package": ("a.zip", bundle, "application/zip"), "options": ("", options, "application/json")},
            headers={"Authorization": f"Bearer {token}", "Prefer": "respond-async"},
        )
    assert answer.status_code == 202, answer.text
    return str(answer.json()["importId"])


async def artifact_count(server: ServerProcess, token: str) -> int:
    """Artifacts that a caller of the target sees, page by page."""
    query = """query($after: String) { viewer { tenants(first: 1) { nodes {
      artifacts(first: 100, after: $after) { nodes { artifactId } pageInfo { hasNextPage endCursor } } } } } }"""
    found, after, more = 0, None, True
    async with httpx.AsyncClient(base_url=server.url, timeout=30, trust_env=False) as client:
        while more:
            answer = await client.post(
                "/graphql",
                json={"query": query, "variables": {"after": after}},
                headers={"Authorization": f"Bearer {token}", "X-Tenant-Id": "target"},
            )
            page = answer.json()["data"]["viewer"]["tenants"]["nodes"][0]["artifacts"]
            found += len(page["nodes"])
            more, after = page["pageInfo"]["hasNextPage"], page["pageInfo"]["endCursor"]
    return found
