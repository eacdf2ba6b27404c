"""Scans of what is kept, made again: what is due, who makes it, and the reports (security.md section 3.3)."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Select,
    and_,
    bindparam,
    exists,
    func,
    literal,
    or_,
    select,
    true,
    union_all,
    update,
)

from domain.access import Reach
from domain.notices.model import Person
from domain.rescan_rows import Claim, Keeping, Kept, Rescan
from domain.rows import Slice
from domain.sessions import ISSUER
from domain.user_rows import Power
from storage.artifacts import slice_of
from storage.plan_tables import scan_report
from storage.rescan_tables import rescan
from storage.session import Session
from storage.sql import DatabaseSeconds, chunks, on_both
from storage.tables import import_job, import_package, installed_package, package
from storage.user_tables import user

_P, _S, _I, _R = package.c, scan_report.c, installed_package.c, rescan.c
_RULES: BindParameter[str] = bindparam("rules", type_=_R.rules_version.type)
_NOW = bindparam("now", type_=_P.expires_at.type)
#: in the order of :class:`domain.rescan_rows.Kept`
_EXPORTED = select(
    *(_P.tenant_id, literal(Keeping.EXPORTED, _R.keeping.type).label("keeping"), _P.package_id.label("subject_id")),
    *(literal(0).label("ordinal"), _P.package_id.label("package_id"), _P.name, _P.version, _P.blob_key),
    *(_P.bundle_sha256.label("sha256"), _P.scanned_by),
).where(_P.scanned_by != _RULES, _P.deleted_at.is_(None), _P.expires_at > _NOW)
#: of an import's packages those alone that its tenant has now
_INSTALLED = (
    select(
        *(_S.tenant_id, literal(Keeping.INSTALLED, _R.keeping.type).label("keeping"), _S.import_id.label("subject_id")),
        *(_S.ordinal, _S.package_id, _I.name, _I.version, import_package.c.blob_key, import_package.c.sha256),
        _S.scanned_by,
    )
    .select_from(installed_package)
    .join(scan_report, and_(_S.import_id == _I.import_id, _S.package_id == _I.package_id))
    .join(import_package, and_(import_package.c.import_id == _S.import_id, import_package.c.ordinal == _S.ordinal))
    .where(_S.scanned_by != _RULES)
)


def _due() -> Select[Any]:
    """The first of each tenant, then the second of each, and so on."""
    kept = union_all(_EXPORTED, _INSTALLED).subquery()
    is_taken = exists().where(
        _R.subject_id == kept.c.subject_id,
        _R.ordinal == kept.c.ordinal,
        _R.rules_version == _RULES,
        # who goes back to earlier rules has the reports of those already
        or_(_R.result.is_not(None), _R.lease_until > DatabaseSeconds()),
    )
    place = func.row_number().over(partition_by=kept.c.tenant_id, order_by=(kept.c.subject_id, kept.c.ordinal))
    due = select(*kept.c, place.label("place")).where(~is_taken).subquery()
    *fields, number = due.c
    return select(*fields).order_by(number, due.c.tenant_id).limit(bindparam("most"))


_DUE = _due()
_SECONDS = bindparam("seconds", type_=_R.lease_until.type)


def _claim(made: Any) -> Any:
    """Begun, or begun again where nobody holds it and nobody ended it."""
    lease = DatabaseSeconds() + _SECONDS
    fields = ("rescan_id", "tenant_id", "keeping", "subject_id", "ordinal", "package_id", "package_name")
    named = {name: bindparam(f"new_{name}", type_=_R[name].type) for name in (*fields, "package_version")}
    statement = made(rescan).values(**named, rules_version=_RULES, attempt=1, lease_until=lease)
    return statement.on_conflict_do_update(
        index_elements=["subject_id", "ordinal", "rules_version"],
        set_={"attempt": _R.attempt + 1, "lease_until": lease},
        where=and_(_R.result.is_(None), _R.lease_until <= DatabaseSeconds()),
    ).returning(_R.rescan_id, _R.attempt)


_CLAIM = on_both(_claim)
_SUBJECT, _PLACE = bindparam("subject", type_=_R.subject_id.type), bindparam("place", type_=_R.ordinal.type)
#: what is scanned, kept from going before the claim is there: whoever purges the tenant then finds that too
_STILL_KEPT = {
    Keeping.EXPORTED: select(_P.package_id)
    .where(_P.package_id == _SUBJECT, _P.deleted_at.is_(None))
    .with_for_update(read=True, key_share=True),
    Keeping.INSTALLED: select(_S.import_id)
    .where(_S.import_id == _SUBJECT, _S.ordinal == _PLACE)
    .with_for_update(read=True, key_share=True),
}
_HELD = (_R.rescan_id == bindparam("id"), _R.attempt == bindparam("held"), _R.result.is_(None))
_LET_GO = update(rescan).where(*_HELD).values(attempt=_R.attempt - 1, lease_until=0)
_NOTE = (
    update(rescan)
    .where(*_HELD)
    .values(
        result=bindparam("new_result", type_=_R.result.type),
        report=bindparam("new_report", type_=_R.report.type),
        scanned_at=bindparam("at", type_=_R.scanned_at.type),
        lease_until=0,
    )
    .returning(_R.rules_version)
)
_SCANNED = {
    Keeping.EXPORTED: update(package).where(_P.package_id == bindparam("subject")).values(scanned_by=_RULES),
    Keeping.INSTALLED: update(scan_report)
    .where(_S.import_id == bindparam("subject"), _S.ordinal == bindparam("place"))
    .values(scanned_by=_RULES),
}
#: in the order of :class:`domain.rescan_rows.Rescan`
_LISTED = [
    *(_R.rescan_id, _R.tenant_id, _R.keeping, _R.subject_id, _R.package_id, _R.package_name, _R.package_version),
    *(_R.rules_version, _R.result, _R.scanned_at),
]
_EXPORTERS = select(_P.package_id, _P.identity, _P.exported_by)
_IMPORTERS = select(import_job.c.import_id, import_job.c.identity, import_job.c.submitted_by)


class SqlRescans:
    """:class:`domain.rescan_rows.RescanRows`."""

    def __init__(self, session: Session) -> None:
        self._session = session

    async def due(self, rules_version: str, now: datetime, *, most: int) -> list[Kept]:
        values = {"rules": rules_version, "now": now, "most": most}
        return [Kept(*row) for row in await self._session.rows(_DUE, values)]

    async def claim(self, kept: Kept, rules_version: str, rescan_id: str, *, lease_seconds: float) -> Claim | None:
        if await self._session.row(_STILL_KEPT[kept.keeping], _named(kept)) is None:
            return None
        fields = ("tenant_id", "keeping", "subject_id", "ordinal", "package_id", "package_name", "package_version")
        values = {f"new_{name}": getattr(kept, name) for name in fields}
        values |= {"new_rescan_id": rescan_id, "rules": rules_version, "seconds": lease_seconds}
        row = await self._session.row(_CLAIM, values)
        return Claim(str(row[0]), kept, int(row[1])) if row else None

    async def let_go(self, claim: Claim) -> None:
        self._session.later(_LET_GO, {"id": claim.rescan_id, "held": claim.attempt})

    async def note(self, claim: Claim, result: str, report: Mapping[str, Any], at: datetime) -> bool:
        held = {"id": claim.rescan_id, "held": claim.attempt}
        row = await self._session.row(_NOTE, {**held, "new_result": result, "new_report": dict(report), "at": at})
        if row is None:
            return False
        self._session.later(_SCANNED[claim.kept.keeping], {**_named(claim.kept), "rules": row[0]})
        return True

    async def page(
        self,
        reach: Reach,
        keepings: Collection[Keeping],
        *,
        package_id: str | None = None,
        import_id: str | None = None,
        first: int,
        after: str | None = None,
    ) -> Slice[Rescan]:
        page = select(*_LISTED).where(_R.result.is_not(None), _R.keeping.in_(keepings), _within(reach))
        if package_id is not None:
            page = page.where(_R.package_id == package_id)
        if import_id is not None:
            page = page.where(_R.subject_id == import_id)
        if after is not None:
            page = page.where(_R.rescan_id < after)
        rows = await self._session.rows(page.order_by(_R.rescan_id.desc()).limit(first + 1))
        return slice_of([Rescan(*row) for row in rows], first)

    async def find(self, rescan_id: str, reach: Reach) -> Rescan | None:
        found = select(*_LISTED, _R.report).where(_R.rescan_id == rescan_id, _R.result.is_not(None), _within(reach))
        row = await self._session.row(found)
        return Rescan(*row) if row else None

    async def concerned(self, rescan_ids: Collection[str]) -> dict[str, tuple[Rescan, tuple[Person, ...]]]:
        made: list[Rescan] = []
        for some in chunks(sorted(set(rescan_ids))):
            rows = await self._session.rows(select(*_LISTED).where(_R.rescan_id.in_(some), _R.result.is_not(None)))
            made += [Rescan(*row) for row in rows]
        subjects = sorted({one.subject_id for one in made})
        owners = {**await self._owners(_EXPORTERS, subjects), **await self._owners(_IMPORTERS, subjects)}
        admins = await self._admins(sorted({one.tenant_id for one in made}))
        people = {one.rescan_id: [*owners.get(one.subject_id, ()), *admins.get(one.tenant_id, ())] for one in made}
        return {one.rescan_id: (one, tuple(people[one.rescan_id])) for one in made}

    async def _owners(self, question: Select[Any], subjects: Sequence[str]) -> dict[str, list[Person]]:
        key = question.selected_columns[0]
        found: dict[str, list[Person]] = {}
        for some in chunks(subjects):
            for subject_id, identity, actor in await self._session.rows(question.where(key.in_(some))):
                # what was kept before identities were belongs to nobody who could be told
                found[subject_id] = [Person.of(identity, actor)] if identity else []
        return found

    async def _admins(self, tenants: Sequence[str]) -> dict[str, list[Person]]:
        admins = select(user.c.tenant_id, user.c.user_id, user.c.email).where(
            user.c.power == Power.SITE_ADMIN, user.c.is_enabled.is_(True)
        )
        found: dict[str, list[Person]] = {}
        for some in chunks(tenants):
            for tenant_id, user_id, email in await self._session.rows(admins.where(user.c.tenant_id.in_(some))):
                found.setdefault(tenant_id, []).append(Person(f"{ISSUER} {user_id}", email))
        return found


def _named(kept: Kept) -> dict[str, Any]:
    return {"subject": kept.subject_id} | ({"place": kept.ordinal} if kept.keeping is Keeping.INSTALLED else {})


def _within(reach: Reach) -> ColumnElement[bool]:
    return true() if reach is None else _R.tenant_id.in_(reach)
