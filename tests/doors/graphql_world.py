"""Two tenants with a package to move, and how the GraphQL tests ask."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.typing import Subprotocol

from tests.world import World

A, B, C = "tenant-a", "tenant-b", "tenant-c"
PROTOCOL = "graphql-transport-ws"

SAVE = """mutation($input: ChangeArtifactsInput!) { changeArtifacts(input: $input) {
  artifacts { id artifactId revision status }
  refusal { __typename code message problems { code place inputPath } } } }"""
EXPORT = """mutation($input: ExportPackageInput!) { exportPackage(input: $input) {
  exportedPackage { id name version } warnings { code } refusal { __typename code message } } }"""
IMPORT = """mutation($input: ImportPackageInput!) { importPackage(input: $input) {
  importJob { id state } refusal { __typename code message problems { code inputPath } } } }"""
PROGRESS = """subscription($id: ID!, $after: Int! = 0) { importProgress(importId: $id, after: $after) {
  firstSeq seq kind state isFinal } }"""


@dataclass(frozen=True, slots=True)
class Asking:
    """A caller with a token."""

    world: World
    headers: Mapping[str, str]

    async def whole(self, query: str, variables: Mapping[str, Any] | None = None) -> Any:
        body = {"query": query, "variables": variables}
        response = await self.world.http.post("/graphql", json=body, headers=dict(self.headers))
        assert response.status_code == 200, response.text
        return response.json()

    async def data(self, query: str, **variables: Any) -> Any:
        answer = await self.whole(query, variables)
        assert "errors" not in answer, answer
        return answer["data"]

    async def code(self, query: str, **variables: Any) -> Any:
        """The code of the only error."""
        (error,) = (await self.whole(query, variables))["errors"]
        return error["extensions"]["code"]

    async def events(self, import_id: str, after: int = 0) -> list[dict[str, Any]]:
        """The stream of an import, to its end."""
        body = {"query": PROGRESS, "variables": {"id": import_id, "after": after}}
        headers = {**self.headers, "Accept": "text/event-stream"}
        response = await self.world.http.post("/graphql", json=body, headers=headers)
        blocks = [
            dict(line.split(": ", 1) for line in block.split("\n")) for block in response.text.split("\n\n") if block
        ]
        assert blocks[-1]["event"] == "complete"
        return [json.loads(block["data"]) for block in blocks[:-1]]


def asking(world: World, *tenants: str, **grant: Any) -> Asking:
    return Asking(world, world.headers(*tenants, **grant))


async def with_artifacts(world: World) -> Asking:
    """Tenants A, B and C; A has a published form that needs an entity schema."""
    for tenant_id in (A, B, C):
        await world.tenant(tenant_id)
    caller = asking(world, A, B)
    await caller.data(SAVE, input=an_order_form(A))
    return caller


def an_order_form(tenant_id: str) -> dict[str, Any]:
    saved = [
        {"artifactType": "ENTITY_SCHEMA", "artifactId": "ent-1", "name": "Customer", "content": {"fields": []}},
        {
            "artifactType": "ATLAS_FORM",
            "artifactId": "form-1",
            "name": "Order form",
            "content": {"fields": [{"fieldId": "f1", "dataSource": {"entityId": "ent-1"}}]},
        },
    ]
    return {
        "tenantId": tenant_id,
        "save": [artifact | {"version": "1.0.0"} for artifact in saved],
        "publish": ["ent-1", "form-1"],
    }


async def exported(caller: Asking, tenant_id: str = A, version: str = "1.0.0") -> Any:
    """The id of a package of the order form."""
    order = {"tenantId": tenant_id, "packageName": "Orders", "packageType": "FORM_PACKAGE", "version": version}
    made = await caller.data(EXPORT, input=order | {"artifactIds": ["form-1"]})
    return made["exportPackage"]["exportedPackage"]["id"]


async def submitted(caller: Asking, package_id: str, tenant_id: str = B, **options: Any) -> Any:
    """The id of an import of the package."""
    request = {"tenantId": tenant_id, "source": {"packageId": package_id}, "options": options}
    made = await caller.data(IMPORT, input={"request": request})
    return made["importPackage"]["importJob"]["id"]


async def imported(caller: Asking) -> Any:
    """The id of an import of the order form from A into B that has ended."""
    import_id = await submitted(caller, await exported(caller))
    await caller.events(import_id)
    return import_id


class Socket:
    """A client of the WebSocket that says exactly what a test wants."""

    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection

    async def say(self, message: Any) -> None:
        await self.connection.send(message if isinstance(message, (str, bytes)) else json.dumps(message))

    async def heard(self) -> Any:
        async with asyncio.timeout(10):
            return json.loads(await self.connection.recv())

    async def begin(self, token: str) -> Any:
        await self.say({"type": "connection_init", "payload": {"Authorization": f"Bearer {token}"}})
        return await self.heard()

    async def ask(self, key: str, query: str, **variables: Any) -> None:
        await self.say({"id": key, "type": "subscribe", "payload": {"query": query, "variables": variables}})

    async def closed(self) -> tuple[int | None, str | None]:
        """How the server closed; what it says before that is not heard."""
        async with asyncio.timeout(10):
            await self.connection.wait_closed()
        return self.connection.close_code, self.connection.close_reason


@asynccontextmanager
async def a_socket(
    world: World, *, token: str | None = None, subprotocol: str = PROTOCOL, **options: Any
) -> AsyncIterator[Socket]:
    """A socket; with a token, one that is ready to be asked."""
    address = world.url.replace("http", "ws", 1) + "/graphql"
    async with connect(address, subprotocols=[Subprotocol(subprotocol)], proxy=None, **options) as connection:
        socket = Socket(connection)
        if token is not None:
            assert (await socket.begin(token))["type"] == "connection_ack"
        yield socket
