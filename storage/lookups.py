"""Lookups by ids that are unique in the installation, inside a caller's reach (decisions R1, R21)."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from functools import lru_cache
from typing import Any

from sqlalchemy import BigInteger, Column, ColumnElement, Select, and_, bindparam, cast, func, or_, select, true, tuple_

from domain.access import Reach
from domain.import_model import ImportFilter, ImportJob, ImportMode, ImportState, InstalledPackage
from domain.model import ArtifactId, ArtifactStatus, Package, TenantId, name_key
from domain.rows import Page, PastRun, Slice
from storage.activation import INSTALLED
from storage.artifacts import slice_of
from storage.job_rows import JOB, LISTED, jobs_of, with_packages
from storage.packages import PACKAGE, package_of
from storage.plan_tables import plan
from storage.session import Session
from storage.sql import chunks, word
from storage.tables import IS_WAITING, artifact, import_job, import_package, installed_package, package, tenant

#: what tells installed packages apart, in the order in which they are listed (R4)
_IDENTITY = (installed_package.c.tenant_id, installed_package.c.name_key, installed_package.c.source)
_SLICES_KEPT = 128
#: built once: putting this statement together costs more than running it
_IMPORT_JOB = with_packages(
    select(*JOB).where(import_job.c.import_id == bindparam("id", type_=import_job.c.import_id.type))
)


_PAST_JOBS = (
    select(import_job.c.import_id, import_job.c.submitted_at, import_job.c.ended_at)
    .where(
        import_job.c.state == ImportState.SUCCEEDED,
        import_job.c.mode == ImportMode.APPLY,
        # it has a deadline only if it waited for somebody
        import_job.c.expires_at.is_(None),
    )
    .order_by(import_job.c.import_id.desc())
    .limit(bindparam("count"))
    .subquery()
)
_PAST_RUNS = (
    select(_PAST_JOBS.c.submitted_at, _PAST_JOBS.c.ended_at, cast(func.sum(import_package.c.size_bytes), BigInteger))
    .join(import_package, import_package.c.import_id == _PAST_JOBS.c.import_id)
    .group_by(_PAST_JOBS.c.import_id, _PAST_JOBS.c.submitted_at, _PAST_JOBS.c.ended_at)
)


class SqlLookups:
    """:class:`domain.ports.LookupRows`."""

    def __init__(self, session: Session) -> None:
        self._session = session

    async def package(self, package_id: str, reach: Reach) -> Package | None:
        found = select(*PACKAGE).where(package.c.package_id == package_id, _within(package.c.tenant_id, reach))
        row = await self._session.row(found)
        return package_of(row) if row else None

    async def import_job(self, import_id: str, reach: Reach) -> ImportJob | None:
        jobs = jobs_of(await self._session.rows(_IMPORT_JOB, {"id": import_id}))
        return next((job for job in jobs if reach is None or job.tenant_id in reach), None)

    async def plan_tenant(self, plan_id: str, reach: Reach) -> TenantId | None:
        found = select(plan.c.tenant_id).where(plan.c.plan_id == plan_id, _within(plan.c.tenant_id, reach))
        row = await self._session.row(found)
        return TenantId(row[0]) if row else None

    async def import_jobs(
        self, reach: Reach, wanted: ImportFilter, *, first: int, after: str | None = None
    ) -> Slice[ImportJob]:
        values = {"count": first + 1} | ({} if after is None else {"after": after})
        rows = await self._session.rows(_import_slice(reach, wanted, is_first=after is None), values)
        return slice_of(jobs_of(rows), first)

    async def import_page(self, reach: Reach, wanted: ImportFilter, *, page: int, page_size: int) -> Page[ImportJob]:
        found = select(*JOB).where(_within(import_job.c.tenant_id, reach), *_conditions(wanted))
        total = await self._session.row(select(func.count()).select_from(found.subquery()))
        part = found.order_by(import_job.c.import_id.desc()).limit(page_size).offset((page - 1) * page_size)
        rows = await self._session.rows(with_packages(part, LISTED))
        return Page(tuple(jobs_of(rows)), int(total[0]) if total else 0)

    async def installed(
        self, reach: Reach, *, package_name: str, first: int, after: tuple[str, str, str] | None
    ) -> Slice[InstalledPackage]:
        page = _installed(reach, package_name)
        if after is not None:
            page = page.where(tuple_(*_IDENTITY) > tuple_(*after))
        rows = await self._session.rows(page.order_by(*_IDENTITY).limit(first + 1))
        return slice_of([InstalledPackage(*row) for row in rows], first)

    async def installed_page(
        self, reach: Reach, *, package_name: str, page: int, page_size: int
    ) -> Page[InstalledPackage]:
        found = _installed(reach, package_name)
        total = await self._session.row(select(func.count()).select_from(found.subquery()))
        part = found.order_by(*_IDENTITY).limit(page_size).offset((page - 1) * page_size)
        rows = await self._session.rows(part)
        return Page(tuple(InstalledPackage(*row) for row in rows), int(total[0]) if total else 0)

    async def past_runs(self, count: int) -> list[PastRun]:
        rows = await self._session.rows(_PAST_RUNS, {"count": count})
        return [PastRun((ended_at - submitted_at).total_seconds(), size) for submitted_at, ended_at, size in rows]

    async def tenants_holding(self, artifact_ids: Collection[str], reach: Reach) -> dict[ArtifactId, TenantId]:
        # artifacts are found by tenant and id, so "everywhere" is a list of tenants too
        tenants = select(tenant.c.tenant_id) if reach is None else reach
        found: dict[ArtifactId, TenantId] = {}
        for some in chunks(sorted(set(artifact_ids))):
            holding = (
                select(artifact.c.artifact_id, func.min(artifact.c.tenant_id))
                .where(
                    artifact.c.tenant_id.in_(tenants),
                    artifact.c.artifact_id.in_(some),
                    artifact.c.status != word(ArtifactStatus.DELETED),
                )
                .group_by(artifact.c.artifact_id)
            )
            found |= {row[0]: row[1] for row in await self._session.rows(holding)}
        return found


@lru_cache(maxsize=_SLICES_KEPT)
def _import_slice(reach: Reach, wanted: ImportFilter, *, is_first: bool) -> Select[Any]:
    """Kept, since the same lists are looked at again and again, and to put one together costs more than to run it."""
    page = select(*JOB).where(_within(import_job.c.tenant_id, reach), *_conditions(wanted))
    if not is_first:
        page = page.where(import_job.c.import_id < bindparam("after", type_=import_job.c.import_id.type))
    return with_packages(page.order_by(import_job.c.import_id.desc()).limit(bindparam("count")))


def _within(column: Column[str], reach: Reach) -> ColumnElement[bool]:
    return true() if reach is None else column.in_(reach)


def _installed(reach: Reach, package_name: str) -> Select[Any]:
    found = select(*INSTALLED).where(_within(installed_package.c.tenant_id, reach))
    return found.where(installed_package.c.name_key == name_key(package_name)) if package_name else found


def _conditions(wanted: ImportFilter) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    if wanted.states:
        conditions.append(or_(*(_shown_as(state) for state in wanted.states)))
    if wanted.package_name:
        conditions.append(import_job.c.package_key == name_key(wanted.package_name))
    if not wanted.include_dry_runs:
        conditions.append(import_job.c.mode == ImportMode.APPLY)
    if wanted.kinds:
        conditions.append(import_job.c.kind.in_(wanted.kinds))
    if wanted.expires_before:
        conditions += [IS_WAITING, import_job.c.expires_at < wanted.expires_before]
    return [*conditions, *(column == value for column, value in _plain(wanted) if value), *_times(wanted)]


def _plain(wanted: ImportFilter) -> tuple[tuple[Column[str], str], ...]:
    return (
        (import_job.c.package_id, wanted.package_id),
        (import_job.c.submitter, wanted.submitted_by),
        (import_job.c.imported_by, wanted.imported_by),
        (import_job.c.idempotency_key, wanted.idempotency_key),
    )


def _times(wanted: ImportFilter) -> Iterator[ColumnElement[bool]]:
    if wanted.since:
        yield import_job.c.submitted_at >= wanted.since
    if wanted.until:
        yield import_job.c.submitted_at < wanted.until


def _shown_as(state: ImportState) -> ColumnElement[bool]:
    """CANCELLING is how a running import that was asked to stop is shown (R12)."""
    if state is ImportState.CANCELLING:
        return and_(import_job.c.state == ImportState.RUNNING, import_job.c.cancel_requested)
    if state is ImportState.RUNNING:
        return and_(import_job.c.state == ImportState.RUNNING, ~import_job.c.cancel_requested)
    return import_job.c.state == state
