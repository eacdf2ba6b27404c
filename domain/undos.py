"""Taking imports back, for every door: one import, or all that a package brought (decisions sections 5.7, 9.6).

What a door asks for is checked and put down as a job; the plan of an undo stands in ``undoing``, its run in
``importing``.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from domain.access import Caller, Reach, Right, require
from domain.errors import ErrorCode, Problem, refuse
from domain.import_model import ImportJob, ImportMode, ImportState, InstalledPackage
from domain.limits import Installation
from domain.line import Line
from domain.model import ImportId, TenantId, name_key
from domain.options import UndoWish
from domain.ports import Ports, RevisionMovedError, TenantUnit
from domain.records import Records
from domain.repeating import once
from domain.undo_order import UndoAsked, UndoOrder, undo_job
from domain.undo_planning import UndoPlanner, portions_of


@dataclass(frozen=True, slots=True)
class UndoStanding:
    """What can be said of an import's undo without planning one.

    ``is_possible``: it succeeded and has not been taken back; what stands in the way is a plan's to tell.
    ``possible_until``: nothing that it needs is given up before that; there is no import whose undo is forgotten yet.
    """

    is_possible: bool
    possible_until: datetime | None = None
    undone_by: ImportId | None = None
    undoes: tuple[ImportId, ...] = ()


class Undos:
    """What people take back."""

    def __init__(self, ports: Ports, installation: Installation, line: Line, records: Records) -> None:
        self._store = ports.store
        self._clock = ports.clock
        self._line = line
        self._records = records
        self._kept = timedelta(days=installation.limits.undo_days)
        self._planner = UndoPlanner(ports.store, ports.clock, installation.limits)

    async def roll_back(
        self, caller: Caller, import_id: str, reach: Reach, asked: UndoAsked, *, key: str | None = None
    ) -> ImportJob:
        """Put the undo of an import at the head of its tenant's line; of an undo: bring back what that took away.

        An import is taken back once: again gives the undo that did it. Raises ``InsufficientPermission``,
        ``NotFound``, ``BadUserInput`` for an import that never succeeded, and ``IdempotencyKeyReused``.
        """
        require(caller, Right.UNDO)
        job = await self._records.get_import(caller, import_id, reach)
        if job.mode is ImportMode.PLAN or job.state is not ImportState.SUCCEEDED:
            text = "Only an import that succeeded can be taken back; this one changed nothing."
            raise refuse(ErrorCode.BAD_USER_INPUT, text, "importId", importId=job.import_id)
        wish = UndoWish(import_id=job.import_id, blockers=asked.blockers)
        request = once(caller, key, "rollbackImport", wish, asked)
        if made := await self._line.made(job.tenant_id, request):
            return made
        if undone_by := (await self.standing([job]))[job.import_id].undone_by:
            return await self._records.get_import(caller, undone_by, reach)
        named = {name: getattr(job, name) for name in ("package_name", "package_version", "package_id")}
        order = UndoOrder(job.tenant_id, wish, asked, named)
        return await self._line.put(caller, undo_job(caller, order, request, self._clock.now()), request)

    async def uninstall(
        self,
        caller: Caller,
        tenant_id: TenantId,
        package_name: str,
        asked: UndoAsked,
        *,
        source: str | None = None,
        key: str | None = None,
    ) -> ImportJob:
        """Put the undo of all that a package brought at the head of the tenant's line.

        ``source`` tells packages of one name apart by their origin (R4). Raises ``InsufficientPermission``,
        ``NotFound`` for a package that is not installed, ``BadUserInput`` for a name that several have, and
        ``IdempotencyKeyReused``.
        """
        require(caller, Right.UNDO)
        request = once(caller, key, "uninstallPackage", package_name, source, asked)
        if made := await self._line.made(tenant_id, request):
            return made
        package = await self._installed(tenant_id, package_name, source)
        wish = UndoWish(package_name=package.name, source=package.source, blockers=asked.blockers)
        named = {
            "package_name": package.name,
            "package_version": package.version,
            "package_id": package.package_id,
        }
        order = UndoOrder(tenant_id, wish, asked, named)
        return await self._line.put(caller, undo_job(caller, order, request, self._clock.now()), request)

    async def _installed(self, tenant_id: TenantId, package_name: str, source: str | None) -> InstalledPackage:
        async with self._store.view(tenant_id) as unit:
            named = await unit.imports.installed([name_key(package_name)])
        found = [package for package in named if source in {None, package.source}]
        if not found:
            raise refuse(ErrorCode.NOT_FOUND, "This package is not installed.", "packageName", what="package")
        if len(found) > 1:
            text = "Several packages of this name are installed. Name the source of the one that is meant."
            raise refuse(ErrorCode.BAD_USER_INPUT, text, "source", sources=[package.source for package in found])
        return found[0]

    async def standing(self, jobs: Collection[ImportJob]) -> dict[ImportId, UndoStanding]:
        """How the undo of each import stands, and what it took back itself; a few queries a tenant."""
        tenants: dict[TenantId, list[ImportJob]] = {}
        for job in jobs:
            tenants.setdefault(job.tenant_id, []).append(job)
        found: dict[ImportId, UndoStanding] = {}
        for tenant_id, theirs in tenants.items():
            async with self._store.view(tenant_id) as unit:
                found |= await self._standing_in(unit, theirs)
        return found

    async def _standing_in(self, unit: TenantUnit, jobs: Collection[ImportJob]) -> dict[ImportId, UndoStanding]:
        ids = [job.import_id for job in jobs if _has_changed(job)]
        undone = await unit.undos.undone(ids)
        portions = await portions_of(unit, ids)
        by = {import_id: [undone.by(one) for one in portions if one.import_id == import_id] for import_id in ids}
        took = await unit.undos.taken_back([job.import_id for job in jobs if job.undo is not None])
        return {
            job.import_id: UndoStanding(
                is_possible=_has_changed(job) and not all(by[job.import_id]),
                possible_until=job.ended_at + self._kept if _has_changed(job) and job.ended_at else None,
                undone_by=_only(by.get(job.import_id, [])),
                undoes=tuple(dict.fromkeys(one.import_id for one in took.get(job.import_id, ()))),
            )
            for job in jobs
        }

    async def blockers(self, caller: Caller, job: ImportJob) -> list[Problem]:
        """What stands in the way of an import's undo now: all of it. Empty for one that cannot be taken back."""
        require(caller, Right.READ_IMPORTS)
        if not (await self.standing([job]))[job.import_id].is_possible:
            return []
        try:
            draft = await self._planner.plan(job, UndoWish(import_id=job.import_id))
        except RevisionMovedError as moved:
            text = "The tenant is being changed. Look again in a moment."
            return [Problem(ErrorCode.UNDO_BLOCKED, text, artifact_id=moved.artifact_id)]
        return list(draft.made.blockers)


def _has_changed(job: ImportJob) -> bool:
    return job.mode is ImportMode.APPLY and job.state is ImportState.SUCCEEDED


def _only(undos: Collection[ImportId | None]) -> ImportId | None:
    """The undo that took the last part back, once all parts were."""
    taken = [undo for undo in undos if undo is not None]
    return max(taken) if taken and len(taken) == len(undos) else None
