"""What the domain needs from outside (design: house, section 2; decisions R32, R33).

A unit is one transaction. Tenant units are bound to one tenant: no method takes a tenant, so none can forget it.
A unit commits on a clean exit, rolls back on any exception, and rings its bells only after the commit. Views are
the same without writing. Work that has no tenant (tenants, lookups by id, claiming jobs) uses the platform unit.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum, auto
from pathlib import Path
from typing import Protocol

from domain.batch_rows import BatchRows
from domain.binding_rows import BindingRows
from domain.courtesy import Courtesy
from domain.exception_rows import ExceptionRows
from domain.keeping_rows import KeepingRows, PurgeRows
from domain.market.catalogue_rows import CatalogueRows
from domain.market.curation_rows import CurationRows
from domain.market.hub_rows import HubRows
from domain.market.offer_rows import OfferRows
from domain.market.ports import DomainProof, Hub, HubDesk, HubPages
from domain.market.publishing_rows import PublishingRows
from domain.market.remote_rows import RemoteRows
from domain.market.review_rows import ReviewRows
from domain.measures import MeasureRows
from domain.model import BlobKey, TenantId
from domain.notices.ports import Mailer, Outward
from domain.notices.rows import NoticeRows
from domain.plan_model import Drift
from domain.plan_rows import PlanRows
from domain.rescan_rows import RescanRows
from domain.rows import (
    ArtifactRows,
    ImportRows,
    JobRows,
    LookupRows,
    PackageRows,
    RepeatRows,
    UploadRows,
)
from domain.tenant_rows import TenantRows
from domain.undo_rows import UndoRows
from domain.user_rows import UserRows

#: the bell that is rung when a job may be claimed: one was queued, or a tenant's place is free
JOBS = "jobs"
#: the bell that is rung when an import begins, changes its state or ends
IMPORTS = "imports"
#: the bell that is rung when a message stands in the outbox
OUTBOX = "outbox"
#: the bell that is rung when a mail or a webhook's message waits to be sent
POST = "post"


class LeaseLostError(RuntimeError):
    """Another process owns the job now: stop at once, write nothing more."""


class CancelRequestedError(Exception):
    """Somebody asked this import to stop before its activation."""


class UnavailableError(RuntimeError):
    """The database or the blob store cannot answer now."""


class CollidedError(UnavailableError):
    """Two writers waited for each other, and the database ended this one: tried again, it can go well."""


class NoRoomError(UnavailableError):
    """The disk has no room for what was to be written."""


class NameTakenError(RuntimeError):
    """Another non-deleted artifact of the tenant has this type and name."""

    def __init__(self, name: str = "") -> None:
        super().__init__(name)
        self.name = name


class VersionTakenError(RuntimeError):
    """The tenant already exported this package name and version (R14)."""


class KeyTakenError(RuntimeError):
    """Another request with this idempotency key was carried out first (R25)."""


class PlanMovedError(Exception):
    """A precondition of the plan fell before the activation (R11)."""

    def __init__(self, drift: Sequence[Drift]) -> None:
        super().__init__(f"{len(drift)} artifacts moved")
        self.drift = drift


class RevisionMovedError(RuntimeError):
    """Somebody saved this artifact in between."""

    def __init__(self, artifact_id: str) -> None:
        super().__init__(artifact_id)
        self.artifact_id = artifact_id


class TenantMovedError(RuntimeError):
    """A tenant is not there, or is suspended."""


class Turn(Enum):
    """How a unit takes its turn where all write one behind the other."""

    #: somebody waits for it, and may soon come again
    ASKED = auto()
    #: a part of longer work, done in a moment
    BRIEF = auto()
    #: a part that keeps the others waiting: whoever seems about to come goes first
    LONG = auto()


class TenantUnit(Protocol):
    """A transaction bound to one tenant."""

    tenant_id: TenantId
    artifacts: ArtifactRows
    packages: PackageRows
    imports: ImportRows
    plans: PlanRows
    uploads: UploadRows
    repeats: RepeatRows
    undos: UndoRows
    bindings: BindingRows
    exceptions: ExceptionRows

    def ring(self, topic: str) -> None:
        """Ring this bell after the commit."""


class PlatformUnit(Protocol):
    """A transaction bound to no tenant."""

    tenants: TenantRows
    lookup: LookupRows
    jobs: JobRows
    keeping: KeepingRows
    purging: PurgeRows
    batches: BatchRows
    measures: MeasureRows
    notices: NoticeRows
    offers: OfferRows
    hub_rows: HubRows
    publishing: PublishingRows
    curation: CurationRows
    catalogue: CatalogueRows
    reviews: ReviewRows
    remote: RemoteRows
    users: UserRows
    rescans: RescanRows

    def of(self, tenant_id: TenantId) -> TenantUnit:
        """The same transaction, bound to a tenant."""

    def ring(self, topic: str) -> None:
        """Ring this bell after the commit."""


class Store(Protocol):
    """Where everything is remembered. Raises :class:`UnavailableError` when it cannot answer."""

    def unit(self, tenant_id: TenantId, *, turn: Turn = Turn.ASKED) -> AbstractAsyncContextManager[TenantUnit]:
        """A writing transaction."""

    def view(self, tenant_id: TenantId) -> AbstractAsyncContextManager[TenantUnit]:
        """Reading only."""

    def platform_unit(self, *, turn: Turn = Turn.ASKED) -> AbstractAsyncContextManager[PlatformUnit]:
        """A writing transaction without a tenant."""

    def platform_view(self) -> AbstractAsyncContextManager[PlatformUnit]:
        """Reading only, without a tenant."""


class BlobWriter(Protocol):
    """Bytes on their way in; visible only after ``finish``."""

    async def write(self, chunk: bytes | bytearray) -> None:
        """Append. Whoever gives a bytearray does not change it any more."""

    async def finish(self) -> BlobKey:
        """Make it durable and visible."""


class Blobs(Protocol):
    """Named bytes, written once. Unfinished ones leave nothing behind.

    Everything raises :class:`UnavailableError` when it cannot be done now, ``read`` at any chunk.
    """

    def create(self) -> AbstractAsyncContextManager[BlobWriter]:
        """Write a new blob under a key of its own; dropped unless finished."""

    def local(self, key: BlobKey, *, sha256: str = "") -> AbstractAsyncContextManager[Path]:
        """The bytes as a local file, for reading at any place.

        Raises ``FileNotFoundError``, too when they are not those with this hash, if one is given.
        """

    async def is_whole(self, key: BlobKey, sha256: str) -> bool:
        """Whether the bytes are there and are those with this hash, in hexadecimal digits."""

    def read(self, key: BlobKey, *, start: int = 0, length: int | None = None) -> AsyncGenerator[bytes]:
        """Stream a range in chunks. Raises ``FileNotFoundError`` before the first of them."""

    async def demand_answer(self) -> None:
        """Raise :class:`UnavailableError` unless blobs can be asked for now."""

    async def delete(self, key: BlobKey) -> None:
        """Forget it; unknown keys are no error."""

    def keys(self, *, older_than: datetime) -> AsyncIterator[Sequence[BlobKey]]:
        """Batches of at most 500 keys of finished blobs that were made before this time."""

    def scratch(self) -> AbstractAsyncContextManager[Path]:
        """A private folder that is gone afterwards."""


class Rung(Protocol):
    """A listener's own end of a bell."""

    async def wait(self, timeout: float) -> None:  # noqa: ASYNC109 - a bell that does not ring is no error
        """Return when the bell rang since the last call, or after ``timeout`` seconds."""


class Bell(Protocol):
    """Says only "look again"; may ring too often, and, across processes, be lost."""

    def ring(self, topics: Iterable[str]) -> None:
        """Wake this process's listeners, and soon those of the others."""

    def listen(self, topic: str) -> AbstractAsyncContextManager[Rung]:
        """From here on nothing rung is missed in this process."""


class Limiter(Protocol):
    """Moving-window limits. ``limit`` is a count, ``seconds`` the window."""

    async def take(self, windows: Sequence[tuple[str, int, int]]) -> int:
        """Charge all windows ``(key, limit, seconds)`` or none. 0, or whole seconds to wait (R36)."""

    async def left(self, window: tuple[str, int, int]) -> int:
        """How often a window ``(key, limit, seconds)`` can be charged now. Charges nothing."""


class Clock(Protocol):
    """Wall time."""

    def now(self) -> datetime:
        """Aware, UTC."""


@dataclass(frozen=True, slots=True)
class Ports:
    """All that the domain is given from outside."""

    store: Store
    blobs: Blobs
    bell: Bell
    limiter: Limiter
    clock: Clock
    #: without it mails wait
    mailer: Mailer | None = None
    #: without it webhooks wait
    outward: Outward | None = None
    #: another installation's; without it packages come from our own hub
    hub: Hub | None = None
    #: what is told about its packages, where the hub is another installation's
    hub_pages: HubPages | None = None
    #: where that hub is told of installs and reviews; without it it is told nothing
    hub_desk: HubDesk | None = None
    #: without it no publisher can be verified
    proof: DomainProof | None = None
    #: what the store is asked is counted here
    courtesy: Courtesy = field(default_factory=Courtesy)
