"""What clients do to a server that may die under their hands, and what they were told (security.md section 4, I4).

A client that got no answer asks again with the same idempotency key, as any client would (decisions R25).
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import httpx

from bench import corpus
from domain.holding import BATCH_REVISIONS
from tests.chaos.invariants import Acknowledged
from tests.chaos.points import Deed
from tests.journeys.processes import ServerProcess

SCOPES = "installhub:platform installhub:admin marketplace:install marketplace:install:community"
TARGET, SOURCE = "target", "source"
#: more than one import writes in one transaction, in three batches; and more than is written between two renewals
ARTIFACTS, MANY = 2 * BATCH_REVISIONS + 10, 900
#: bytes of an artifact; what is long on a machine that does nothing else is so by its bytes
SMALL, LARGE = 1_500, 80_000
_PACKAGES = "/api/installhub/packages"
_EXPORT = """mutation($input: ExportPackageInput!) { exportPackage(input: $input) {
  exportedPackage { id manifest } refusal { code message } } }"""
#: no answer, or one that says that it may be asked again
_NOT_NOW = {429, 503}
_LONG = {Deed.LONG_IMPORT, Deed.STOP}


class UnansweredError(Exception):
    """The server was gone before it answered."""


@dataclass(slots=True)
class Task:
    """One thing that a client wants done, once."""

    deed: Deed
    key: str
    number: int
    #: of the import, as soon as an answer told it
    import_id: str | None = None


@dataclass(slots=True)
class Clients:
    """Does tasks, and writes down what it was told."""

    server: ServerProcess
    listing_id: str
    told: Acknowledged = field(default_factory=Acknowledged)
    #: what is sent once more under its key is sent as it was
    sent: dict[str, bytes] = field(default_factory=dict)

    def bundle(self, task: Task) -> bytes:
        """The same artifacts for every task, with a content of its own: something is always written."""
        if task.key not in self.sent:
            count = MANY if task.deed in _LONG else ARTIFACTS
            size = LARGE if task.deed in _LONG else SMALL
            made = [{**tree, "description": f"as of task {task.number}"} for tree in _artifacts(count, size)]
            version = f"1.{task.number}.0"
            self.sent[task.key] = corpus.bundle("elsewhere", "Suite", made, version=version, level=1)
        return self.sent[task.key]

    async def do(self, task: Task) -> None:
        """Do it, or find that it was done. Raises :class:`UnansweredError`."""
        try:
            async with self._http() as http:
                match task.deed:
                    case Deed.EXPORT:
                        await self._export(http, task)
                    case Deed.INSTALL:
                        await self._install(http, task)
                    case Deed.HELD_AND_CANCELLED:
                        await self._hold_and_cancel(http, task)
                    case deed if deed in _LONG:
                        await self._import(http, task, prefer="respond-async")
                    case _:
                        await self._import(http, task)
        except httpx.TransportError as error:
            raise UnansweredError from error

    async def webhook(self, url: str) -> None:
        """Let this address be told."""
        query = "mutation($input: CreateWebhookInput!) { createWebhook(input: $input) { refusal { message } } }"
        async with self._http() as http:
            variables = {"input": {"tenantId": TARGET, "url": url}}
            answer = await http.post("/graphql", json={"query": query, "variables": variables})
        assert answer.json()["data"]["createWebhook"]["refusal"] is None, answer.text

    def _http(self) -> httpx.AsyncClient:
        headers = {"Authorization": f"Bearer {self.server.token(TARGET, SOURCE, scopes=SCOPES)}"}
        return httpx.AsyncClient(base_url=self.server.url, timeout=60, trust_env=False, headers=headers)

    async def _import(self, http: httpx.AsyncClient, task: Task, *, prefer: str = "", **more: str) -> None:
        options = json.dumps({"targetTenantId": TARGET, "conflictStrategy": "Replace", **more})
        files: dict[str, tuple[str, bytes, str]] = {
            "options": ("", options.encode(), "application/json"),
            "package": ("a.zip", self.bundle(task), "application/zip"),
        }
        headers = {"Idempotency-Key": task.key, **({"Prefer": prefer} if prefer else {})}
        answer = _answered(await http.post(f"{_PACKAGES}/import", files=files, headers=headers))
        task.import_id = answer.json()["importId"]
        is_done = answer.status_code == 200
        self.told.imports[task.key] = (str(task.import_id), "SUCCEEDED" if is_done else None)

    async def _hold_and_cancel(self, http: httpx.AsyncClient, task: Task) -> None:
        if task.import_id is None:
            await self._import(http, task, activation="Manual")
        _answered(await http.post(f"/api/installhub/imports/{task.import_id}/cancel"))
        self.told.imports[task.key] = (str(task.import_id), "CANCELLED")

    async def _install(self, http: httpx.AsyncClient, task: Task) -> None:
        body = {"targetTenantId": TARGET, "conflictStrategy": "Replace"}
        path = f"/api/marketplace/packages/{self.listing_id}/install"
        answer = _answered(await http.post(path, json=body, headers={"Idempotency-Key": task.key}))
        status = _answered(await http.get(answer.json()["statusUrl"]))
        related = status.headers["link"].split("<")[2].split(">")[0]
        task.import_id = related.rsplit("/", 1)[-1]
        self.told.imports[task.key] = (str(task.import_id), None)

    async def _export(self, http: httpx.AsyncClient, task: Task) -> None:
        wish = {
            "tenantId": SOURCE,
            "packageName": "Taken along",
            "packageType": "WORKFLOW_PACKAGE",
            "version": f"1.{task.number}.0",
            "artifactIds": ["proc-1001"],
            "idempotencyKey": task.key,
        }
        answer = _answered(await http.post("/graphql", json={"query": _EXPORT, "variables": {"input": wish}}))
        made: Any = answer.json()["data"]["exportPackage"]
        assert made["refusal"] is None, made
        package = made["exportedPackage"]
        self.told.exports[task.key] = (package["id"], package["manifest"]["checksum"])


@cache
def _artifacts(count: int, size: int) -> list[dict[str, Any]]:
    return corpus.artifacts(count, size=size)


def _answered(answer: httpx.Response) -> httpx.Response:
    if answer.status_code in _NOT_NOW:
        raise UnansweredError
    assert answer.is_success, answer.text[:500]
    return answer
