"""Who asks, and what one operation has looked up so far.

A request or a socket has one :class:`Asker`. Every operation on it gets a fresh :class:`Operation`, so that nothing
looked up for one operation, or before one event of a subscription, is shown as the present later.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import Any, TypeVar

from strawberry.dataloader import DataLoader
from strawberry.extensions import SchemaExtension
from strawberry.types import StreamExecutionResult

from domain import import_model, model
from domain.access import Caller, reach_of
from domain.errors import ErrorCode, refuse
from domain.import_model import ImportJob, Progress
from domain.model import ArtifactHead, TenantId
from domain.services import Services
from schema import artifacts, imports, packages, plans, tenants
from schema.nodes import Node

K = TypeVar("K")
V = TypeVar("V")

#: what one operation may list; a page costs ten besides its members
_BUDGET = 5000
_PAGE_COST = 10
#: how many contents one read may ask for (domain.ports.ArtifactRows.bodies)
_BODIES_AT_ONCE = 50

_Place = tuple[str, str]


@dataclass(slots=True)
class Asker:
    """A caller on one request or socket. ``tenant_header`` is ``X-Tenant-Id``, which narrows what is in reach."""

    services: Services
    caller: Caller
    tenant_header: str | None = None


class Operation:
    """:class:`schema.context.Context`."""

    def __init__(self, asker: Asker) -> None:
        self.services = asker.services
        self.caller = asker.caller
        self.tenant_header = asker.tenant_header
        self.begin()

    def begin(self) -> None:
        """Forget what was looked up: from here on everything is read anew."""
        self._left = _BUDGET
        self._tenants = _loader(self._load_tenant)
        self._jobs = _loader(self._load_job)
        self._packages = _loader(self._load_package)
        self._plans = _loader(self._load_plan)
        self._heads: DataLoader[_Place, ArtifactHead | None] = DataLoader(load_fn=self._load_heads)
        self._contents: DataLoader[_Place, Any] = DataLoader(
            load_fn=self._load_contents, max_batch_size=_BODIES_AT_ONCE
        )

    @property
    def reach(self) -> frozenset[TenantId] | None:
        return reach_of(self.caller, self.tenant_header)

    def spend(self, rows: int) -> None:
        self._left -= rows + _PAGE_COST
        if self._left < 0:
            text = f"One operation lists at most {_BUDGET} things. Ask for smaller pages."
            raise refuse(ErrorCode.QUERY_TOO_COMPLEX, text)

    async def tenant(self, tenant_id: str) -> Node:
        found = await self._tenants.load(tenant_id)
        if found is None:
            raise RuntimeError(f"a record in reach names the tenant {tenant_id}, which is not")
        return tenants.Tenant.of(found)

    async def find_tenant(self, tenant_id: str) -> tenants.Tenant | None:
        """A tenant in reach, by its own id."""
        reach = self.reach
        if reach is not None and tenant_id not in reach:
            return None
        found = await self._tenants.load(tenant_id)
        return tenants.Tenant.of(found) if found else None

    async def import_job(self, import_id: str) -> imports.ImportJob | None:
        found = await self._jobs.load(import_id)
        return imports.ImportJob.of(found) if found else None

    async def package(self, package_id: str) -> packages.Package | None:
        found = await self._packages.load(package_id)
        return packages.Package.of(found) if found else None

    async def plan(self, plan_id: str) -> plans.Plan | None:
        found = await self._plans.load(plan_id)
        return plans.Plan.of(found) if found else None

    async def artifact(self, tenant_id: str, artifact_id: str) -> artifacts.Artifact | None:
        reach = self.reach
        if reach is not None and tenant_id not in reach:
            return None
        head = await self._heads.load((tenant_id, artifact_id))
        return artifacts.Artifact.of(head) if head is not None and head.is_there else None

    async def content(self, tenant_id: str, revision_id: str) -> Any:
        return await self._contents.load((tenant_id, revision_id))

    async def progress(self, job: ImportJob) -> Progress:
        events = await self.services.records.events(self.caller, job, after=job.last_seq - 1, first=1)
        return events[0].progress if events else Progress(job.stage, 0, None, 0.0)

    async def _load_tenant(self, tenant_id: str) -> model.Tenant | None:
        return await self.services.tenancy.find(self.caller, tenant_id)

    async def _load_job(self, import_id: str) -> ImportJob | None:
        return await self.services.records.import_job(self.caller, import_id, self.reach)

    async def _load_package(self, package_id: str) -> model.Package | None:
        return await self.services.records.package(self.caller, package_id, self.reach)

    async def _load_plan(self, plan_id: str) -> import_model.Plan | None:
        return await self.services.records.plan(self.caller, plan_id, self.reach)

    async def _load_heads(self, places: list[_Place]) -> list[ArtifactHead | None]:
        found: dict[_Place, ArtifactHead] = {}
        for tenant_id, ids in _by_tenant(places):
            heads = await self.services.authoring.heads(self.caller, TenantId(tenant_id), ids)
            found |= {(tenant_id, key): head for key, head in heads.items()}
        return [found.get(place) for place in places]

    async def _load_contents(self, places: list[_Place]) -> list[Any]:
        found: dict[_Place, Any] = {}
        for tenant_id, ids in _by_tenant(places):
            contents = await self.services.authoring.contents(self.caller, TenantId(tenant_id), ids)
            found |= {(tenant_id, key): content for key, content in contents.items()}
        return [found.get(place) for place in places]


class FreshOperation(SchemaExtension):
    """Gives every operation, and every event of a subscription, its own lookups."""

    def on_operation(self) -> Iterator[None]:
        self.execution_context.context = Operation(self.execution_context.context)
        yield

    def on_stream_result(self, result: StreamExecutionResult) -> Iterator[None]:
        yield
        self.execution_context.context.begin()


def _loader(load: Callable[[K], Coroutine[Any, Any, V]]) -> DataLoader[K, V]:
    """Asks for the same thing once, where the domain has no way to ask for several at once."""

    async def load_each(keys: list[K]) -> list[V]:
        return [await load(key) for key in keys]

    return DataLoader(load_fn=load_each)


def _by_tenant(places: list[_Place]) -> Iterator[tuple[str, list[str]]]:
    for tenant_id, group in groupby(sorted(places), key=lambda place: place[0]):
        yield tenant_id, [key for _, key in group]
