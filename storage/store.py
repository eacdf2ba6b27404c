"""The store: units and views on one database, SQLite or PostgreSQL (design: house, section 5; decisions R33)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager, ExitStack, aclosing, asynccontextmanager, contextmanager

from domain.batch_rows import BatchRows
from domain.binding_rows import BindingRows
from domain.courtesy import Courtesy
from domain.exception_rows import ExceptionRows
from domain.keeping_rows import KeepingRows, PurgeRows
from domain.market.catalogue_rows import CatalogueRows
from domain.market.curation_rows import CurationRows
from domain.market.hub_rows import HubRows
from domain.market.offer_rows import OfferRows
from domain.market.publishing_rows import PublishingRows
from domain.market.remote_rows import RemoteRows
from domain.market.review_rows import ReviewRows
from domain.measures import MeasureRows
from domain.model import TenantId
from domain.notices.rows import NoticeRows
from domain.plan_rows import PlanRows
from domain.ports import Bell, Clock, PlatformUnit, TenantUnit, Turn
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
from storage.artifacts import SqlArtifacts
from storage.batches import SqlBatches
from storage.bindings import SqlBindings
from storage.catalogue import SqlCatalogue
from storage.changes import Changes
from storage.checkpoints import Checkpoints
from storage.curation import SqlCuration
from storage.engines import Engines
from storage.exceptions import SqlExceptions
from storage.hub import SqlHub
from storage.imports import SqlImports
from storage.jobs import SqlJobs
from storage.keeping import SqlKeeping
from storage.lookups import SqlLookups
from storage.measures import SqlMeasures
from storage.notices import SqlNotices
from storage.offers import SqlOffers
from storage.packages import SqlPackages
from storage.promises import SqlPlans
from storage.publishing import SqlPublishing
from storage.purging import SqlPurging
from storage.remote import SqlRemote
from storage.rescans import SqlRescans
from storage.reviews import SqlReviews
from storage.session import Session
from storage.sql import SQLITE
from storage.tenants import SqlTenants
from storage.turns import Taken
from storage.undos import SqlUndos
from storage.uploads import SqlRepeats, SqlUploads
from storage.users import SqlUsers


class SqlTenantUnit:
    """:class:`domain.ports.TenantUnit`."""

    def __init__(self, session: Session, tenant_id: TenantId) -> None:
        self._session = session
        self.tenant_id = tenant_id
        self.artifacts: ArtifactRows = SqlArtifacts(session, tenant_id)
        self.packages: PackageRows = SqlPackages(session, tenant_id)
        self.imports: ImportRows = SqlImports(session, tenant_id)
        self.plans: PlanRows = SqlPlans(session, tenant_id)
        self.uploads: UploadRows = SqlUploads(session, tenant_id)
        self.repeats: RepeatRows = SqlRepeats(session, tenant_id)
        self.undos: UndoRows = SqlUndos(session, tenant_id)
        self.bindings: BindingRows = SqlBindings(session, tenant_id)
        self.exceptions: ExceptionRows = SqlExceptions(session, tenant_id)

    def ring(self, topic: str) -> None:
        self._session.ring(topic)


class SqlPlatformUnit:
    """:class:`domain.ports.PlatformUnit`."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self.tenants: TenantRows = SqlTenants(session)
        self.lookup: LookupRows = SqlLookups(session)
        self.jobs: JobRows = SqlJobs(session)
        self.keeping: KeepingRows = SqlKeeping(session)
        self.purging: PurgeRows = SqlPurging(session)
        self.batches: BatchRows = SqlBatches(session)
        self.measures: MeasureRows = SqlMeasures(session)
        self.notices: NoticeRows = SqlNotices(session)
        self.offers: OfferRows = SqlOffers(session)
        self.hub_rows: HubRows = SqlHub(session)
        self.publishing: PublishingRows = SqlPublishing(session)
        self.curation: CurationRows = SqlCuration(session)
        self.catalogue: CatalogueRows = SqlCatalogue(session)
        self.reviews: ReviewRows = SqlReviews(session)
        self.remote: RemoteRows = SqlRemote(session)
        self.users: UserRows = SqlUsers(session)
        self.rescans: RescanRows = SqlRescans(session)

    def of(self, tenant_id: TenantId) -> TenantUnit:
        return SqlTenantUnit(self._session, tenant_id)

    def ring(self, topic: str) -> None:
        self._session.ring(topic)


class SqlStore:
    """:class:`domain.ports.Store`. ``aclose`` when it is no longer needed. ``changes`` are those made through it."""

    def __init__(self, engines: Engines, bell: Bell, clock: Clock) -> None:
        self.changes = Changes()
        self.courtesy = Courtesy()
        self._engines = engines
        self._bell = bell
        self._clock = clock
        self._checkpoints = Checkpoints(engines) if engines.writer.dialect.name == SQLITE else None

    def unit(self, tenant_id: TenantId, *, turn: Turn = Turn.ASKED) -> AbstractAsyncContextManager[TenantUnit]:
        return self._tenant(self._writing(turn), tenant_id)

    def view(self, tenant_id: TenantId) -> AbstractAsyncContextManager[TenantUnit]:
        return self._tenant(self._reading(), tenant_id)

    def platform_unit(self, *, turn: Turn = Turn.ASKED) -> AbstractAsyncContextManager[PlatformUnit]:
        return self._platform(self._writing(turn))

    def platform_view(self) -> AbstractAsyncContextManager[PlatformUnit]:
        return self._platform(self._reading())

    async def aclose(self) -> None:
        if self._checkpoints is not None:
            await self._checkpoints.aclose()
        await self._engines.close()

    @asynccontextmanager
    async def _tenant(
        self, opened: AbstractAsyncContextManager[Session], tenant_id: TenantId
    ) -> AsyncIterator[TenantUnit]:
        async with opened as session:
            yield SqlTenantUnit(session, tenant_id)

    @asynccontextmanager
    async def _platform(self, opened: AbstractAsyncContextManager[Session]) -> AsyncIterator[PlatformUnit]:
        async with opened as session:
            yield SqlPlatformUnit(session)

    @asynccontextmanager
    async def _writing(self, turn: Turn) -> AsyncIterator[Session]:
        async with self._session(turn) as session:
            yield session
        if self._checkpoints is not None:
            self._checkpoints.soon()
        if session.bells:
            self._bell.ring(tuple(session.bells))

    def _reading(self) -> AbstractAsyncContextManager[Session]:
        return self._session(None)

    @asynccontextmanager
    async def _session(self, turn: Turn | None) -> AsyncIterator[Session]:
        """Of a unit, or of a view, which takes no turn."""
        is_unit = turn is not None
        async with aclosing(Taken(self._engines, turn)) as taken:
            if not is_unit:
                await taken.take()
            session = Session(taken, self._engines.writer.dialect.name, self._clock, is_unit=is_unit)
            with self.courtesy.asking(), ExitStack() as committing:
                try:
                    yield session
                    if session.conclude():
                        if is_unit:
                            # nothing is under way before it is this unit's turn
                            await taken.take()
                            committing.enter_context(self._committing(taken))
                        await session.finish()
                except BaseException:
                    # in a task of its own, or a second cancel would give others a connection in the middle of something
                    await asyncio.shield(asyncio.create_task(_given_up(session, taken, committing.pop_all())))
                    raise
            taken.give_back()

    @contextmanager
    def _committing(self, taken: Taken) -> Iterator[None]:
        """A commit, counted; a unit that changed no row changed nothing."""
        self.changes.begin()
        try:
            yield
        finally:
            self.changes.end(is_changed=taken.changed_rows() != 0)


async def _given_up(session: Session, taken: Taken, committing: ExitStack) -> None:
    """Nothing of the session is left, or else its connection is not; what was being committed is, or is not."""
    with committing:
        try:
            if not await session.undo():
                await taken.throw_away()
        finally:
            taken.give_back()
