"""The demo: a package leaves one tenant and arrives in another, through the real doors, with live progress.

It calls the server it has just started as anybody would: GraphQL over HTTP, and a subscription over a WebSocket.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from websockets.asyncio.client import connect
from websockets.typing import Subprotocol

from domain.access import ADMIN, OVERRIDE_MAJOR, OVERRIDE_SECURITY
from domain.errors import Refusal
from domain.model import TenantId, TenantPlan
from server import loading, tokens
from server.keys import private_key
from server.printing import draw
from server.runtime import Runtime
from server.serving import Serving, bind, on_ending, serving
from server.settings import Settings, SettingsError
from storage.clock import SystemClock

SOURCE, TARGET = TenantId("acme-dev"), TenantId("acme-prod")
EXAMPLES = Path(__file__).resolve().parent.parent / "examples"
PACKAGE = "Employee Onboarding Suite"
ROOTS = ("app-7001", "app-7002", "agent-8001", "agent-8002")
FIRST_VERSION = (2, 1, 0)
SUBJECT = "demo@acme.example"
SCOPE = f"{ADMIN} {OVERRIDE_SECURITY} {OVERRIDE_MAJOR}"
#: what stands in the target for every credential that the export left behind
CREDENTIAL = "cred-of-acme-prod"
_PROTOCOL = Subprotocol("graphql-transport-ws")

_VERSIONS = """query Taken($tenant: ID!, $package: String!) {
  tenant(id: $tenant) { exportedPackages(search: $package, first: 100) { nodes { name version } } }
}"""
_EXPORT = """mutation Export($input: ExportPackageInput!) {
  exportPackage(input: $input) {
    exportedPackage { id version artifactCount sizeBytes manifest }
    refusal { code message problems { message } }
  }
}"""
_IMPORT = """mutation Import($input: ImportPackageInput!) {
  importPackage(input: $input) { importJob { id } refusal { code message problems { message } } }
}"""
_PROGRESS = """subscription Progress($id: ID!) {
  importProgress(importId: $id) { seq kind state message isFinal progress { percent stage } }
}"""
_OUTCOME = """query Outcome($id: ID!) {
  importJob(id: $id) {
    outcome { created updated merged skipped unchanged conflictsResolved }
    failure { message problems { message } }
  }
}"""


class DemoError(RuntimeError):
    """A step of the trip went wrong; the message says how."""


@dataclass(frozen=True, slots=True)
class Visitor:
    """A caller of the running server, with nothing but its address and a token."""

    url: str
    token: str

    async def ask(self, query: str, variables: Mapping[str, Any]) -> dict[str, Any]:
        """The ``data`` of a GraphQL answer. Raises :class:`DemoError`."""
        answer = await asyncio.to_thread(self._post, {"query": query, "variables": variables})
        if answer.get("errors"):
            raise DemoError(answer["errors"][0]["message"])
        data: dict[str, Any] = answer["data"]
        return data

    async def change(self, mutation: str, given: Mapping[str, Any]) -> dict[str, Any]:
        """The payload of a mutation with one field. Raises :class:`DemoError` with the refusal's problems."""
        (payload,) = (await self.ask(mutation, {"input": given})).values()
        if refusal := payload["refusal"]:
            raise DemoError("\n  ".join([refusal["message"], *(problem["message"] for problem in refusal["problems"])]))
        return dict(payload)

    def _post(self, document: Mapping[str, Any]) -> dict[str, Any]:
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
        request = Request(f"{self.url}/graphql", json.dumps(document).encode(), headers)  # noqa: S310 - our own address
        try:
            with urlopen(request, timeout=60) as response:  # noqa: S310 - the same
                return dict(json.load(response))
        except HTTPError as error:
            raise DemoError(f"{error.code}: {error.read().decode(errors='replace')[:500]}") from error

    async def watch(self, import_id: str) -> AsyncIterator[dict[str, Any]]:
        """The progress of an import, to its end, by graphql-transport-ws."""
        address = f"{self.url.replace('http', 'ws', 1)}/graphql"
        async with connect(address, subprotocols=[_PROTOCOL], proxy=None) as socket:
            await socket.send(_message("connection_init", Authorization=f"Bearer {self.token}"))
            await socket.send(_message("subscribe", "1", query=_PROGRESS, variables={"id": import_id}))
            async for text in socket:
                message = json.loads(text)
                if message["type"] == "next":
                    yield message["payload"]["data"]["importProgress"]
                elif message["type"] == "error":
                    raise DemoError(message["payload"][0]["message"])
                elif message["type"] == "complete":
                    return


def _message(kind: str, key: str | None = None, **payload: Any) -> str:
    return json.dumps({"type": kind, "payload": payload} | ({"id": key} if key else {}))


async def shown(settings: Settings, *, is_once: bool) -> int:
    """Run the demo; with ``is_once`` end after the trip. Gives the exit status."""
    async with serving(settings, _bound(settings, is_once=is_once)) as server:
        on_ending(server.stop)
        visitor = Visitor(server.url, _token(settings))
        trip = asyncio.create_task(_trip(server.runtime, visitor))
        await asyncio.wait([trip, server.ended], return_when=asyncio.FIRST_COMPLETED)
        if not trip.done():
            trip.cancel()
            return 1
        try:
            trip.result()
        except (DemoError, Refusal) as error:
            print(f"\nThe demo stopped: {error}", file=sys.stderr)
            return 1
        if not is_once:
            _invite(settings, server, visitor)
            await server.ended
    return 0


def _bound(settings: Settings, *, is_once: bool) -> Any:
    """The usual port, or any free one: a demo should not fail because something else runs here."""
    if not is_once:
        with suppress(SettingsError):
            return bind(settings)
    return bind(settings.model_copy(update={"port": 0}))


def _token(settings: Settings, ttl: timedelta = timedelta(days=1)) -> str:
    grant = tokens.Grant(SUBJECT, (SOURCE, TARGET), SCOPE, settings.token_issuer, settings.audience, ttl)
    return tokens.minted(private_key(settings.keys_folder), grant, SystemClock().now())


async def _trip(runtime: Runtime, visitor: Visitor) -> None:
    for tenant_id, folder in ((SOURCE, "acme-source"), (TARGET, "acme-target")):
        await _prepared(runtime, tenant_id, EXAMPLES / folder)
    package = await _exported(visitor)
    await _imported(visitor, package)


async def _prepared(runtime: Runtime, tenant_id: TenantId, folder: Path) -> None:
    services = runtime.services
    if await services.tenancy.find(loading.local_caller(), tenant_id) is None:
        await services.tenancy.add(tenant_id, TenantPlan.ENTERPRISE)
    done = await loading.load(services.authoring, tenant_id, folder)
    print(f"{tenant_id}: {done.saved} artifacts saved, {done.unchanged} as they were")


async def _exported(visitor: Visitor) -> dict[str, Any]:
    taken = await visitor.ask(_VERSIONS, {"tenant": SOURCE, "package": PACKAGE})
    wish = {
        "tenantId": SOURCE,
        "packageName": PACKAGE,
        "packageType": "APP_PACKAGE",
        "version": _next_version([node["version"] for node in taken["tenant"]["exportedPackages"]["nodes"]]),
        "artifactIds": list(ROOTS),
        "description": "From the signed offer to the end of probation.",
        "author": "People and Workplace",
        "tags": ["hr", "onboarding"],
    }
    package: dict[str, Any] = (await visitor.change(_EXPORT, wish))["exportedPackage"]
    size = package["sizeBytes"] // 1024
    print(f"exported from {SOURCE}: {PACKAGE} {package['version']}, {package['artifactCount']} artifacts, {size} KiB")
    return package


def _next_version(taken: Sequence[str]) -> str:
    numbers = [tuple(int(part) for part in version.split(".")) for version in taken]
    major, minor, patch = max(numbers, default=(*FIRST_VERSION[:2], FIRST_VERSION[2] - 1))
    return f"{major}.{minor}.{patch + 1}"


async def _imported(visitor: Visitor, package: Mapping[str, Any]) -> None:
    bindings = [
        {"key": f"{binding['artifactId']}{binding['path']}", "value": CREDENTIAL}
        for binding in package["manifest"].get("bindings", [])
    ]
    options = {"defaultStrategy": "MERGE", "mergeFallback": "REPLACE", "bindings": bindings}
    request = {"tenantId": TARGET, "source": {"packageId": package["id"]}, "options": options}
    payload = await visitor.change(_IMPORT, {"request": request})
    import_id = payload["importJob"]["id"]
    print(f"importing into {TARGET}: {import_id}")
    last: dict[str, Any] = {}
    async for last in visitor.watch(import_id):
        draw(last["progress"]["percent"], last["message"], stays=last["isFinal"])
    job = (await visitor.ask(_OUTCOME, {"id": import_id}))["importJob"]
    if last.get("state") != "SUCCEEDED":
        failure = job["failure"] or {"message": "the import did not succeed", "problems": []}
        raise DemoError("\n  ".join([failure["message"], *(problem["message"] for problem in failure["problems"])]))
    counts = ", ".join(f"{number} {name}" for name, number in job["outcome"].items() if name != "conflictsResolved")
    print(f"{TARGET} has it: {counts}; {job['outcome']['conflictsResolved']} conflicts resolved")


def _invite(settings: Settings, server: Serving, visitor: Visitor) -> None:
    data = f"INSTALLHUB_DATA={settings.data} " if os.environ.get("INSTALLHUB_DATA") is None else ""
    python = min(sys.executable, os.path.relpath(sys.executable), key=len)
    command = f"{data}{python} -m server token --subject {SUBJECT} --tenant {SOURCE} --tenant {TARGET}"
    print(
        f"""
The server stays up until Ctrl-C:
  GraphQL  {server.url}/graphql
  REST     {server.url}/api/installhub
  health   {server.url}/readyz

A token for both tenants, good for a day:
{visitor.token}

A first call, with a token of its own:
  TOKEN=$({command} --scope '{ADMIN}')
  curl -s {server.url}/api/installhub/packages/preview -H "Authorization: Bearer $TOKEN" \\
    -H 'Content-Type: application/json' -d '{{"tenantId": "{SOURCE}", "artifactIds": ["proc-1001"]}}'
""",
        flush=True,
    )
