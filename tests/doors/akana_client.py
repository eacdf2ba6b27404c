"""Plain HTTP clients of the Akana-compatible door, which copy cookies and headers and know nothing of their meaning."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx

from domain.access import ADMIN, Caller
from domain.edits import ArtifactChanges, draft_of_file
from domain.model import ArtifactFilter, ArtifactStatus, TenantId
from domain.strict_json import canonical
from domain.user_rows import Power
from tests.doors.oracle import Oracle
from tests.doors.rest import bearer
from tests.journeys.inside import a_caller
from tests.makers import Tree
from tests.world import World

ANNA, PASSWORD = "anna@acme.example", "correct horse battery"
#: what the documents' own sample sends
BROWSER_ACCEPT = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"


@dataclass
class Client:
    """What was copied so far; ``own`` is what it sends with every request."""

    http: httpx.AsyncClient
    own: dict[str, str] = field(default_factory=dict)
    cookies: dict[str, str] = field(default_factory=dict)

    async def ask(self, method: str, path: str, **more: Any) -> httpx.Response:
        """A request with every cookie, and with each that is named for it as a header too."""
        echoed = {f"X-{name}": value for name, value in self.cookies.items() if name.startswith("Csrf-Token")}
        pasted = {"Cookie": "; ".join(f"{name}={value}" for name, value in self.cookies.items())}
        headers = {**self.own, **(pasted if self.cookies else {}), **echoed, **more.pop("headers", {})}
        self.http.cookies.clear()
        answer = await self.http.request(method, path, headers=headers, **more)
        for line in answer.headers.get_list("set-cookie"):
            name, _, value = line.partition(";")[0].partition("=")
            self.cookies[name] = value
        return answer

    async def sign_in(self, email: str = ANNA, password: str = PASSWORD, **query: str) -> httpx.Response:
        body = {"email": email, "password": password}
        return await self.ask("POST", "/api/login", json=body, params=query)

    async def bring(self, tenant: str, bundle: bytes, mapping: bytes | None = None, **more: Any) -> httpx.Response:
        """The documented import."""
        files: dict[str, Any] = {"Package": ("business-export.zip", bundle, "application/zip")}
        if mapping is not None:
            files["MappingProperties"] = ("mapping.properties", mapping, "text/plain")
        return await self.ask("POST", f"/api/tenants/{tenant}/packages", files=files, **more)

    async def take(self, tenant: str, *switches: str, **more: Any) -> httpx.Response:
        """The documented export."""
        query = dict.fromkeys(switches, "true")
        return await self.ask("GET", f"/api/businesses/tenantbusiness.{tenant}/package", params=query, **more)


@asynccontextmanager
async def a_client(world: World, *, is_browser: bool = False) -> AsyncIterator[Client]:
    """A client that has no cookies yet; each of its answers must be one that the OpenAPI document tells of.

    A browser says where its page comes from, and would rather have HTML.
    """
    says = {"Origin": world.url, "Sec-Fetch-Site": "same-origin", "Accept": BROWSER_ACCEPT} if is_browser else {}
    async with httpx.AsyncClient(base_url=world.url, timeout=30, trust_env=False, verify=False) as http:
        http.event_hooks["response"].append(Oracle().look)
        yield Client(http, says)


async def a_user(world: World, tenant: str, email: str = ANNA, power: Power = Power.MODIFY) -> None:
    """Somebody who may sign in to a tenant."""
    scopes, tenants = frozenset({ADMIN}), frozenset({TenantId(tenant)})
    host = Caller("host", "tests", tenants, scopes, datetime.now(UTC) + timedelta(hours=1))
    await world.services.users.add(host, tenant, email, PASSWORD, power)


def code_of(answer: httpx.Response) -> tuple[int, str]:
    """Status and code of a fault in JSON."""
    return answer.status_code, answer.json()["code"]


async def names_in(world: World, tenant: str = "acme") -> dict[str, tuple[int, ArtifactStatus]]:
    """What people see of a tenant: revision and status by name."""
    anna = a_caller(tenants=frozenset({TenantId(tenant)}))
    found = await world.services.authoring.page(anna, TenantId(tenant), ArtifactFilter(), first=100, after=None)
    return {head.name: (head.revision, head.status) for head in found.items}


async def report_of(world: World, answer: httpx.Response, tenant: str = "acme") -> Any:
    """The import that an answer's ``Location`` names, as the InstallHub door shows it."""
    return (await world.http.get(answer.headers["location"], headers=bearer(world, tenant))).json()


async def save(world: World, *trees: Tree, tenant: str = "acme") -> None:
    """Save artifacts; published unless they say otherwise."""
    anna = a_caller(tenants=frozenset({TenantId(tenant)}))
    drafts = tuple(draft_of_file(canonical(tree)) for tree in trees)
    await world.services.authoring.change(anna, ArtifactChanges(TenantId(tenant), save=drafts))
