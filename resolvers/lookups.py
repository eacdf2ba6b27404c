"""What one operation, or one event of a subscription, has looked up: each thing once, and many things together."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from typing import Any, TypeVar

from strawberry.dataloader import DataLoader

from domain.access import Caller, Reach
from domain.batch_rows import QueueSpot
from domain.errors import ErrorCode, refuse
from domain.import_model import AuditEntry, ImportJob, InstalledPackage, ProgressEvent
from domain.model import ArtifactHead, Package, Revision, Tenant, TenantId, name_key
from domain.notices.model import Notification
from domain.plan_model import ActionKind, Plan, PlanAction
from domain.portions import portions
from domain.rows import PastRun, Slice
from domain.services import Services
from domain.timing import Pace

K = TypeVar("K")
V = TypeVar("V")


class Loader(DataLoader[K, V]):
    """A loader whose askers are independent: one who is cancelled takes no answer from the others.

    The library gives all who ask for the same key one future, and whoever is cancelled while waiting for a future
    cancels it. A field that is refused cancels its siblings, and they may wait for what others wait for too.
    """

    def load(self, key: K) -> Awaitable[V]:
        return asyncio.shield(super().load(key))


#: bytes of contents that one operation, or one event, shows: two of the largest artifacts
_CONTENT_BYTES_MAX = 16 << 20
_CONFLICTS_AT_ONCE = 5000

#: something of a tenant: the tenant's id and its own
Place = tuple[str, str]


class Lookups:
    """Loaders: what is asked of them in the same moment is asked of the store in one statement."""

    def __init__(self, services: Services, caller: Caller, reach: Callable[[], Reach]) -> None:
        self._services, self._caller = services, caller
        self._content_bytes_left = _CONTENT_BYTES_MAX
        many = services.batches
        self.tenants: Loader[str, Tenant | None] = loader(lambda ids: many.tenants(caller, ids))
        self.jobs: Loader[str, ImportJob | None] = loader(lambda ids: many.import_jobs(caller, ids, reach()))
        self.packages: Loader[str, Package | None] = loader(lambda ids: many.packages(caller, ids, reach()))
        self.plans: Loader[str, Plan | None] = loader(lambda ids: many.plans(caller, ids, reach()))
        self.notifications: Loader[str, Notification | None] = loader(
            lambda ids: services.notices.among(caller, ids, reach())
        )
        self.last_events: Loader[str, ProgressEvent | None] = loader(lambda ids: many.last_events(caller, ids))
        self.action_counts: Loader[str, dict[ActionKind | None, int] | None] = loader(
            lambda ids: many.action_counts(caller, ids)
        )
        self.scan_reports: Loader[str, Mapping[str, Any] | None] = loader(lambda ids: many.scan_reports(caller, ids))
        self.audit: Loader[str, list[AuditEntry] | None] = loader(lambda ids: many.audit(caller, ids))
        self.queue_places: Loader[str, QueueSpot | None] = loader(lambda ids: many.queue_places(caller, ids))
        self.running: Loader[str, ImportJob | None] = loader(lambda ids: many.running(caller, ids))
        self.queued_counts: Loader[str, int | None] = loader(lambda ids: many.queued_counts(caller, ids))
        self.open_actions: Loader[str, list[PlanAction] | None] = loader(self._open_actions)
        self.changed_counts: Loader[InstalledPackage, int | None] = loader(self._changed_counts)
        self.events: Loader[tuple[str, int, int], list[ProgressEvent] | None] = loader(self._events)
        self.paces: Loader[str, Pace | None] = loader(self._paces)
        self.past_runs: Loader[str, list[PastRun]] = Loader(load_fn=self._past_runs)
        self.heads: Loader[Place, ArtifactHead | None] = loader(self._heads)
        self.contents: Loader[Place, Any] = loader(self._contents)
        self.references: Loader[Place, list[ArtifactHead] | None] = loader(self._references)
        self.used_by: Loader[tuple[str, str, int, Place | None], Slice[ArtifactHead] | None] = loader(self._used_by)
        self.revisions: Loader[tuple[str, str, int, int | None], Slice[Revision] | None] = loader(self._revisions)

    async def _open_actions(self, import_ids: list[str]) -> dict[str, list[PlanAction]]:
        limit = _CONFLICTS_AT_ONCE + 1
        found = await self._services.batches.open_actions(self._caller, import_ids, limit=limit)
        if len(found) == limit:
            text = f"One operation lists at most {_CONFLICTS_AT_ONCE} conflicts. Ask for fewer imports."
            raise refuse(ErrorCode.QUERY_TOO_COMPLEX, text)
        by_import: dict[str, list[PlanAction]] = {}
        for import_id, action in found:
            by_import.setdefault(import_id, []).append(action)
        return by_import

    async def _paces(self, tenant_ids: list[str]) -> dict[TenantId, Pace]:
        return await self._services.timing.paces([TenantId(one) for one in tenant_ids])

    async def _past_runs(self, keys: list[str]) -> list[list[PastRun]]:
        return [await self._services.installs.past_runs()] * len(keys)

    async def _changed_counts(self, packages: list[InstalledPackage]) -> dict[InstalledPackage, int]:
        counts = await self._services.batches.changed_counts(self._caller, packages)
        return {one: counts.get((one.tenant_id, name_key(one.name), one.source), 0) for one in packages}

    async def _events(self, asked: list[tuple[str, int, int]]) -> dict[tuple[str, int, int], list[ProgressEvent]]:
        found: dict[tuple[str, int, int], list[ProgressEvent]] = {}
        for (after, first), keys in alike(asked, 1, 2):
            journals = await self._services.batches.events(
                self._caller, [key[0] for key in keys], after=after, first=first
            )
            found |= {(import_id, after, first): events for import_id, events in journals.items()}
        return found

    async def _heads(self, places: list[Place]) -> dict[Place, ArtifactHead]:
        found: dict[Place, ArtifactHead] = {}
        for (tenant_id,), keys in alike(places, 0):
            heads = await self._services.authoring.heads(self._caller, TenantId(tenant_id), [key[1] for key in keys])
            found |= {(tenant_id, artifact_id): head for artifact_id, head in heads.items()}
        return found

    async def _contents(self, places: list[Place]) -> dict[Place, Any]:
        found: dict[Place, Any] = {}
        for (tenant_id,), keys in alike(places, 0):
            tenant, revision_ids = TenantId(tenant_id), [key[1] for key in keys]
            sizes = await self._services.authoring.content_sizes(self._caller, tenant, revision_ids)
            self._content_bytes_left -= sum(sizes.values())
            if self._content_bytes_left < 0:
                text = f"One operation shows at most {_CONTENT_BYTES_MAX >> 20} MiB of contents. Ask for fewer."
                raise refuse(ErrorCode.QUERY_TOO_COMPLEX, text)
            for portion in portions(revision_ids, sizes.__getitem__):
                contents = await self._services.authoring.contents(self._caller, tenant, portion)
                found |= {(tenant_id, revision_id): content for revision_id, content in contents.items()}
        return found

    async def _references(self, places: list[Place]) -> dict[Place, list[ArtifactHead]]:
        found: dict[Place, list[ArtifactHead]] = {}
        for (tenant_id,), keys in alike(places, 0):
            targets = await self._services.batches.references(
                self._caller, TenantId(tenant_id), [key[1] for key in keys]
            )
            found |= {(tenant_id, artifact_id): heads for artifact_id, heads in targets.items()}
        return found

    async def _used_by(self, pages: list[tuple[str, str, int, Place | None]]) -> dict[Any, Slice[ArtifactHead]]:
        found: dict[Any, Slice[ArtifactHead]] = {}
        for (tenant_id, first, after), keys in alike(pages, 0, 2, 3):
            users = await self._services.batches.used_by(
                self._caller, TenantId(tenant_id), [key[1] for key in keys], first=first, after=after
            )
            found |= {(tenant_id, artifact_id, first, after): page for artifact_id, page in users.items()}
        return found

    async def _revisions(self, pages: list[tuple[str, str, int, int | None]]) -> dict[Any, Slice[Revision]]:
        found: dict[Any, Slice[Revision]] = {}
        for (tenant_id, first, before), keys in alike(pages, 0, 2, 3):
            histories = await self._services.batches.revisions(
                self._caller, TenantId(tenant_id), [key[1] for key in keys], first=first, before=before
            )
            found |= {(tenant_id, artifact_id, first, before): page for artifact_id, page in histories.items()}
        return found


def loader(load: Callable[[list[K]], Awaitable[Mapping[Any, V]]]) -> Loader[K, V | None]:
    """A loader of what is found for many keys at once; what is not found is ``None``."""

    async def load_all(keys: list[K]) -> list[V | None]:
        found = await load(keys)
        return [found.get(key) for key in keys]

    return Loader(load_fn=load_all)


def alike(keys: Iterable[tuple[Any, ...]], *places: int) -> Iterator[tuple[tuple[Any, ...], list[tuple[Any, ...]]]]:
    """Keys that are the same in these places, together; and what they have there."""
    groups: dict[tuple[Any, ...], list[tuple[Any, ...]]] = {}
    for key in keys:
        groups.setdefault(tuple(key[place] for place in places), []).append(key)
    yield from groups.items()
