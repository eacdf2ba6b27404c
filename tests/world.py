"""A whole real server in a folder of its own: ``async with a_world(folder) as world``."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx
from argon2 import PasswordHasher
from joserfc.jwk import RSAKey

from domain.access import ADMIN, OVERRIDE_MAJOR, OVERRIDE_SECURITY, PLATFORM
from domain.model import TenantId, TenantPlan
from domain.services import Services
from server import loading, settings
from server.keys import ensure_key_pair, private_key
from server.loading import Loaded
from server.runtime import Runtime
from server.serving import Serving, bind, serving
from server.settings import Settings
from server.tokens import Grant, minted
from storage.migrate import migrate

#: what most callers of most tests may do
EVERYTHING = (ADMIN, OVERRIDE_SECURITY, OVERRIDE_MAJOR)
ANNA = "anna@acme.example"
_TEMPLATE = TemporaryDirectory(prefix="installhub-world-")
#: a password at its full cost takes longer than most tests; what it costs is tried at the port
_QUICK = PasswordHasher(time_cost=1, memory_cost=64, parallelism=1)


@dataclass(frozen=True, slots=True)
class World:
    """A server on a free loopback port, its worker included, and what tests do to it."""

    serving: Serving
    http: httpx.AsyncClient

    @property
    def url(self) -> str:
        return self.serving.url

    @property
    def runtime(self) -> Runtime:
        return self.serving.runtime

    @property
    def settings(self) -> Settings:
        return self.runtime.settings

    @property
    def services(self) -> Services:
        return self.runtime.services

    def token(
        self,
        subject: str = ANNA,
        *,
        tenants: Sequence[str] = (),
        scopes: Sequence[str] = EVERYTHING,
        ttl: timedelta = timedelta(hours=1),
        **claims: Any,
    ) -> str:
        """A token of this world's issuer; ``claims`` are put over the usual ones."""
        chosen = self.settings
        grant = Grant(subject, tenants, " ".join(scopes), chosen.token_issuer, chosen.audience, ttl, claims)
        return minted(_signing_key(), grant, datetime.now(UTC))

    def headers(self, *tenants: str, scopes: Sequence[str] = EVERYTHING, **claims: Any) -> dict[str, str]:
        """The Authorization header of a caller with these tenants."""
        return {"Authorization": f"Bearer {self.token(tenants=tenants, scopes=scopes, **claims)}"}

    def platform_headers(self) -> dict[str, str]:
        """The Authorization header of a caller who acts in every tenant."""
        return self.headers(scopes=(PLATFORM, *EVERYTHING))

    async def tenant(self, tenant_id: str, plan: TenantPlan = TenantPlan.ENTERPRISE) -> TenantId:
        """Make a tenant."""
        return (await self.services.tenancy.add(tenant_id, plan)).tenant_id

    async def load(self, tenant_id: str, folder: Path) -> Loaded:
        """Save and publish every artifact file below a folder."""
        return await loading.load(self.services.authoring, TenantId(tenant_id), folder)


@asynccontextmanager
async def a_world(folder: Path, *, database_url: str = "", **given: Any) -> AsyncIterator[World]:
    """A running server over a SQLite file in the folder, or another database; ``given`` are further settings."""
    shutil.copytree(await _prepared(), folder, dirs_exist_ok=True)
    chosen = settings.load(data=folder, database_url=database_url, host="127.0.0.1", port=0, **({"dev": True} | given))
    async with (
        serving(chosen, bind(chosen)) as server,
        # to read whom TLS may trust takes longer than many a test, and this is plain HTTP
        httpx.AsyncClient(base_url=server.url, timeout=30, trust_env=False, verify=False) as http,
    ):
        server.runtime.services.sessions._passwords._hasher = _QUICK
        yield World(server, http)


@cache
def _signing_key() -> RSAKey:
    """The private half of the pair that every world has a copy of: reading it takes longer than many a test."""
    return private_key(settings.load(data=Path(_TEMPLATE.name)).keys_folder)


async def _prepared() -> Path:
    """A data folder with a key pair and a migrated database, made once: both take longer than most tests."""
    made = Path(_TEMPLATE.name)
    if not any(made.iterdir()):
        chosen = settings.load(data=made)
        ensure_key_pair(chosen.keys_folder)
        await migrate(chosen.database)
    return made
