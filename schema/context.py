"""What the types need of the operation in which they are answered."""

from __future__ import annotations

from typing import Any, Protocol, TypeAlias

import strawberry

from domain.access import Caller
from domain.import_model import ImportJob, Progress
from domain.model import TenantId
from domain.services import Services
from schema.nodes import Node


class Context(Protocol):
    """One operation of one caller. Lookups are batched and asked once an operation."""

    @property
    def services(self) -> Services:
        """The product."""

    @property
    def caller(self) -> Caller:
        """Who asks."""

    @property
    def reach(self) -> frozenset[TenantId] | None:
        """The tenants that ids are looked up in; ``None`` means all."""

    def spend(self, rows: int) -> None:
        """Count what a list gives. Raises ``QUERY_TOO_COMPLEX`` when one operation asks for too much."""

    async def tenant(self, tenant_id: str) -> Node:
        """The tenant of a record at hand."""

    async def import_job(self, import_id: str) -> Node | None:
        """An import in reach."""

    async def package(self, package_id: str) -> Node | None:
        """A package in reach."""

    async def plan(self, plan_id: str) -> Node | None:
        """A plan in reach."""

    async def artifact(self, tenant_id: str, artifact_id: str) -> Node | None:
        """An artifact in reach that is not deleted."""

    async def content(self, tenant_id: str, revision_id: str) -> Any:
        """The JSON of a revision at hand."""

    async def progress(self, job: ImportJob) -> Progress:
        """How far an import is, by its last event."""


Info: TypeAlias = strawberry.Info[Context, None]
