"""The store: units and views on one database, SQLite or PostgreSQL (design: house, section 5; decisions R33)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from domain.model import TenantId
from domain.ports import Bell, Clock, PlatformUnit, TenantUnit
from domain.rows import ArtifactRows, ImportRows, JobRows, LookupRows, PackageRows, TenantRows
from storage.artifacts import SqlArtifacts
from storage.engines import Engines, translated
from storage.imports import SqlImports
from storage.jobs import SqlJobs
from storage.lookups import SqlLookups
from storage.packages import SqlPackages
from storage.session import Session
from storage.tenants import SqlTenants


class SqlTenantUnit:
    """:class:`domain.ports.TenantUnit`."""

    def __init__(self, session: Session, tenant_id: TenantId) -> None:
        self._session = session
        self.tenant_id = tenant_id
        self.artifacts: ArtifactRows = SqlArtifacts(session, tenant_id)
        self.packages: PackageRows = SqlPackages(session, tenant_id)
        self.imports: ImportRows = SqlImports(session, tenant_id)

    def ring(self, topic: str) -> None:
        self._session.ring(topic)


class SqlPlatformUnit:
    """:class:`domain.ports.PlatformUnit`."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self.tenants: TenantRows = SqlTenants(session)
        self.lookup: LookupRows = SqlLookups(session)
        self.jobs: JobRows = SqlJobs(session)

    def of(self, tenant_id: TenantId) -> TenantUnit:
        return SqlTenantUnit(self._session, tenant_id)

    def ring(self, topic: str) -> None:
        self._session.ring(topic)


class SqlStore:
    """:class:`domain.ports.Store`. ``aclose`` when it is no longer needed."""

    def __init__(self, engines: Engines, bell: Bell, clock: Clock) -> None:
        self._engines = engines
        self._bell = bell
        self._clock = clock

    def unit(self, tenant_id: TenantId) -> AbstractAsyncContextManager[TenantUnit]:
        return self._tenant(self._writing(), tenant_id)

    def view(self, tenant_id: TenantId) -> AbstractAsyncContextManager[TenantUnit]:
        return self._tenant(self._reading(), tenant_id)

    def platform_unit(self) -> AbstractAsyncContextManager[PlatformUnit]:
        return self._platform(self._writing())

    def platform_view(self) -> AbstractAsyncContextManager[PlatformUnit]:
        return self._platform(self._reading())

    async def aclose(self) -> None:
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
    async def _writing(self) -> AsyncIterator[Session]:
        async with _connected(self._engines.writer) as connection:
            with translated():
                await connection.begin()
            session = Session(connection, self._clock)
            yield session
            session.demand_whole()
            with translated():
                await connection.commit()
        if session.bells:
            self._bell.ring(tuple(session.bells))

    @asynccontextmanager
    async def _reading(self) -> AsyncIterator[Session]:
        async with _connected(self._engines.reader) as connection:
            yield Session(connection, self._clock)


@asynccontextmanager
async def _connected(engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    """A connection out of the pool. What was not committed is rolled back when it returns, a cancelled task's too."""
    async with AsyncExitStack() as stack:
        with translated():
            connection = await stack.enter_async_context(engine.connect())
        yield connection
