"""Exported packages of one tenant, and the history of its exports."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Update, bindparam, delete, func, insert, select, update

from domain.model import Package, PackageId, TenantId, name_key
from domain.rows import ExportLine, HistoryFilter, Page, Slice
from storage.artifacts import slice_of
from storage.session import Session
from storage.tables import export_record
from storage.tables import package as packages

#: the columns of a package, in the order of :class:`domain.model.Package`
_FIELDS = (
    *("package_id", "tenant_id", "name", "version", "package_type", "description", "author", "tags", "checksum"),
    *("content_checksum", "artifact_count", "install_order", "manifest", "blob_key", "bundle_sha256", "size_bytes"),
    *("exported_at", "exported_by", "expires_at", "deleted_at"),
)
_TAGS = _FIELDS.index("tags")
_INSTALL_ORDER = _FIELDS.index("install_order")

PACKAGE = [packages.c[name] for name in _FIELDS]

_OF_VERSION = select(*PACKAGE).where(
    packages.c.tenant_id == bindparam("tenant"),
    packages.c.name_key == bindparam("key"),
    packages.c.version == bindparam("version"),
)
_VERSIONS = (
    select(packages.c.version)
    .where(packages.c.tenant_id == bindparam("tenant"), packages.c.name_key == bindparam("key"))
    .order_by(packages.c.package_id.desc())
    .limit(bindparam("most"))
)


def package_of(row: Sequence[Any]) -> Package:
    values = list(row)
    values[_TAGS] = tuple(values[_TAGS])
    values[_INSTALL_ORDER] = tuple(values[_INSTALL_ORDER])
    return Package(*values)


class SqlPackages:
    """:class:`domain.ports.PackageRows`."""

    def __init__(self, session: Session, tenant_id: TenantId) -> None:
        self._session = session
        self._tenant = tenant_id

    async def add(self, package: Package, *, identity: str = "") -> None:
        row = {name: getattr(package, name) for name in _FIELDS}
        row |= {"tenant_id": self._tenant, "name_key": name_key(package.name), "identity": identity}
        await self._session.run(insert(packages), row)

    async def drop(self, package_id: PackageId) -> None:
        mine = delete(packages).where(packages.c.tenant_id == self._tenant, packages.c.package_id == package_id)
        await self._session.run(mine)

    async def of_version(self, name_key: str, version: str) -> Package | None:
        row = await self._session.row(_OF_VERSION, {"tenant": self._tenant, "key": name_key, "version": version})
        return package_of(row) if row else None

    async def versions(self, name_key: str, *, most: int) -> list[str]:
        rows = await self._session.rows(_VERSIONS, {"tenant": self._tenant, "key": name_key, "most": most})
        return [row[0] for row in rows]

    async def page(self, *, search: str, first: int, after: str | None = None) -> Slice[Package]:
        page = select(*PACKAGE).where(packages.c.tenant_id == self._tenant, packages.c.deleted_at.is_(None))
        if search:
            page = page.where(packages.c.name_key.contains(name_key(search), autoescape=True))
        if after is not None:
            page = page.where(packages.c.package_id < after)
        rows = await self._session.rows(page.order_by(packages.c.package_id.desc()).limit(first + 1))
        return slice_of([package_of(row) for row in rows], first)

    async def record_export(self, record: Mapping[str, Any]) -> None:
        row = {"tenant_id": self._tenant, "at": self._session.clock.now(), "record": record}
        row["exported_by"] = record["exportedBy"]
        await self._session.run(insert(export_record), row)

    async def history(self, wanted: HistoryFilter, *, page: int, page_size: int) -> Page[Mapping[str, Any]]:
        found = select(export_record.c.record).where(export_record.c.tenant_id == self._tenant, *_conditions(wanted))
        total = await self._session.row(select(func.count()).select_from(found.subquery()))
        part = found.order_by(export_record.c.record_id.desc()).limit(page_size).offset((page - 1) * page_size)
        rows = await self._session.rows(part)
        return Page(tuple(row[0] for row in rows), int(total[0]) if total else 0)

    async def exports(self, wanted: HistoryFilter, *, first: int, after: int | None = None) -> Slice[ExportLine]:
        line = select(export_record.c.record_id, export_record.c.record)
        found = line.where(export_record.c.tenant_id == self._tenant, *_conditions(wanted))
        if after is not None:
            found = found.where(export_record.c.record_id < after)
        rows = await self._session.rows(found.order_by(export_record.c.record_id.desc()).limit(first + 1))
        return slice_of([ExportLine(*row) for row in rows], first)

    async def touch(self, package_id: PackageId, expires_at: datetime) -> None:
        await self._session.run(self._there(package_id).values(expires_at=expires_at))

    async def delete(self, package_id: PackageId, at: datetime) -> None:
        await self._session.run(self._there(package_id).values(deleted_at=at, expires_at=at))

    def _there(self, package_id: PackageId) -> Update:
        mine = packages.c.tenant_id == self._tenant, packages.c.package_id == package_id
        return update(packages).where(*mine, packages.c.deleted_at.is_(None))


def _conditions(wanted: HistoryFilter) -> Iterator[ColumnElement[bool]]:
    if wanted.exported_by:
        yield export_record.c.exported_by == wanted.exported_by
    if wanted.since:
        yield export_record.c.at >= wanted.since
    if wanted.until:
        yield export_record.c.at < wanted.until
