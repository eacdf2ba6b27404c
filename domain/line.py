"""A tenant's line of imports, seen by those who ask for them: submit, retry, cancel, decide (decisions 5.8-5.9, R18).

What a door asks for is checked and put down as a job; the run itself stands in ``importing``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import uuid_utils

from domain.access import Caller, Reach, Right, require
from domain.errors import ErrorCode, Problem, refuse, refuse_if
from domain.import_model import (
    AuditEntry,
    ConflictStrategy,
    EventKind,
    ImportJob,
    ImportKind,
    ImportMode,
    ImportOptions,
    ImportPackage,
    ImportState,
    Progress,
)
from domain.import_outcome import consent, on_behalf_of, reported_conflicts
from domain.limits import Installation
from domain.market.model import InstallWish
from domain.market.trust import require_trusted
from domain.model import BlobKey, ImportId, PlanId, TenantId
from domain.observing import NOBODY, Observer
from domain.ports import KeyTakenError, Ports, TenantUnit
from domain.records import Records
from domain.repeating import Once, made_before, once, remember
from domain.rows import NewEvent
from domain.tenancy import active_tenant, entry_of


@dataclass(frozen=True, slots=True)
class ImportOrder:
    """What a door asks for: one package, a tenant, and how. ``retry_of`` is an import that came to nothing.

    For an install it comes from the marketplace, and ``needed`` are the packages that are installed before it.
    """

    tenant_id: TenantId
    package: ImportPackage
    options: ImportOptions
    retry_of: ImportId | None = None
    #: why the bytes cannot be read any more, if they cannot
    gone: tuple[Problem, ...] = ()
    needed: tuple[ImportPackage, ...] = ()
    install: InstallWish | None = None


#: what a cancel is, by what it led to: a running import ends by itself
_CANCELS = {ImportState.CANCELLING: "import.cancel-requested", ImportState.CANCELLED: "import.cancelled"}


def admit(caller: Caller, options: ImportOptions) -> None:
    """Refuse a caller who may not import, or not with these options: needed or not (R15, section 9.1)."""
    require(caller, Right.IMPORT)
    if options.allow_security_warnings:
        require(caller, Right.OVERRIDE_SECURITY)
    if options.allow_major_version_upgrade:
        require(caller, Right.OVERRIDE_MAJOR)


class Line:
    """Puts imports into their tenant's line, and acts on those that are there."""

    def __init__(self, ports: Ports, installation: Installation, records: Records, observer: Observer = NOBODY) -> None:
        self._store = ports.store
        self._blobs = ports.blobs
        self._clock = ports.clock
        self._limits = installation.limits
        self._records = records
        self._observer = observer

    async def submit(self, caller: Caller, order: ImportOrder, *, key: str | None = None) -> ImportJob:
        """Put an import into its tenant's line. What the run finds is told by the job.

        With an idempotency key that the same request came with before, that request's import is the answer, as it
        is now (R25), even when the bytes have gone since; its package is the first one's, and bytes that the door
        stored again belong to nobody.

        Raises ``InsufficientPermission``, ``InvalidTenantId``, ``IdempotencyKeyReused``, what the order says about
        bytes that are gone and, when too many wait, ``RateLimitExceeded``.
        """
        admit(caller, order.options)
        package = order.package
        asked = (order.options, package.sha256, package.source_package, order.retry_of)
        return await self.enter(caller, order, once(caller, key, "import", *asked))

    async def made(self, tenant_id: TenantId, request: Once | None) -> ImportJob | None:
        """The import, as it is now, that this very request made before. Raises ``IdempotencyKeyReused``."""
        if request is None:
            return None
        async with self._store.view(tenant_id) as unit:
            made = await made_before(unit, request, self._clock.now())
            return await _made_job(unit, made) if made else None

    async def enter(self, caller: Caller, order: ImportOrder, request: Once | None) -> ImportJob:
        """Put down what a service admitted, once a request. Raises as :meth:`submit` does after its admission."""
        try:
            return await self._enter(caller, order, request)
        except KeyTakenError:
            return await self._enter(caller, order, request)

    async def _enter(self, caller: Caller, order: ImportOrder, request: Once | None) -> ImportJob:
        async with self._store.platform_unit() as platform:
            await active_tenant(platform.tenants, order.tenant_id)
            unit = platform.of(order.tenant_id)
            if made := await made_before(unit, request, self._clock.now()):
                joined = await _made_job(unit, made)
                self._observer.found(joined)
                return joined
            refuse_if(order.gone)
            await self._refuse_flood(unit)
            job = self._new_job(caller, order, request)
            text = f"{order.retry_of} is tried again." if order.retry_of else "The import was accepted."
            event = NewEvent(EventKind.QUEUED, Progress(None, 0, None, 0.0), text, ImportState.QUEUED)
            await unit.imports.submit(job, event)
            await remember(unit, request, {"importId": job.import_id}, job.submitted_at)
            told = {**on_behalf_of(job), **consent(job)}
            if told or order.tenant_id not in caller.tenants:
                await unit.imports.audit(self._entry(caller, job, "import.submitted", told))
        self._observer.submitted(job)
        return job

    def _new_job(self, caller: Caller, order: ImportOrder, request: Once | None) -> ImportJob:
        unique = str(uuid_utils.uuid7())
        return ImportJob(
            import_id=ImportId(f"imp-{unique}"),
            tenant_id=order.tenant_id,
            kind=ImportKind.INSTALL if order.install else ImportKind.IMPORT,
            mode=ImportMode.PLAN if order.options.dry_run else ImportMode.APPLY,
            state=ImportState.QUEUED,
            options=order.options,
            packages=(*order.needed, order.package),
            submitted_by=caller.actor,
            identity=caller.identity,
            submitted_at=self._clock.now(),
            plan_id=PlanId(f"plan-{unique}"),
            last_seq=1,
            retry_of=order.retry_of,
            idempotency_key=request.key if request else None,
            install=order.install,
        )

    async def _refuse_flood(self, unit: TenantUnit) -> None:
        if await unit.imports.queued_count() >= self._limits.queued_imports:
            text = f"{self._limits.queued_imports} imports of this tenant already wait."
            raise refuse(
                ErrorCode.RATE_LIMIT_EXCEEDED, text, limit=f"{self._limits.queued_imports} waiting", retryAfter=30
            )

    async def retry(self, caller: Caller, import_id: str, reach: Reach, *, key: str | None = None) -> ImportJob:
        """A new import of the same bundle with the same options, for one that came to nothing (R12).

        An export of another tenant is as far away as for the first import (section 9.1). Raises ``NotFound``,
        ``BadUserInput`` for an import that goes on or succeeded, ``BundleExpired`` when its bytes are gone, and what
        :meth:`submit` raises.
        """
        job = await self._found(caller, import_id, reach)
        if not job.state.is_final or job.state is ImportState.SUCCEEDED:
            text = "Only an import that failed, was cancelled or expired can be tried again."
            raise refuse(ErrorCode.BAD_USER_INPUT, text, "importId", importId=job.import_id)
        if job.install is not None:
            return await self._retry_install(caller, job, job.install, key)
        package = job.packages[0]
        if package.source_package:
            await self._records.importable(caller, package.source_package, caller.reach, job.tenant_id)
        text = "The import's bundle is no longer kept. Send it again."
        is_stored = await self._records.is_stored(package.blob_key)
        gone = () if is_stored else (Problem(ErrorCode.BUNDLE_EXPIRED, text, "importId"),)
        order = ImportOrder(job.tenant_id, package, job.options, retry_of=job.import_id, gone=gone)
        return await self.submit(caller, order, key=key)

    async def _retry_install(self, caller: Caller, job: ImportJob, wish: InstallWish, key: str | None) -> ImportJob:
        """The same packages again; what was downloaded is, as long as it is kept, not downloaded again."""
        admit(caller, job.options)
        offers = [package.offer for package in job.packages if package.offer]
        require_trusted(caller, offers, acknowledged=wish.acknowledged or job.options.dry_run)
        packages = [
            package if package.blob_key and await self._records.is_stored(package.blob_key) else _undownloaded(package)
            for package in job.packages
        ]
        *needed, asked = packages
        order = ImportOrder(job.tenant_id, asked, job.options, job.import_id, needed=tuple(needed), install=wish)
        return await self.enter(caller, order, once(caller, key, "install", job.options, wish, job.import_id))

    async def cancel(self, caller: Caller, import_id: str, reach: Reach) -> ImportJob:
        """Ask an import to stop before its activation. Raises ``NotFound`` and ``CancelTooLate``."""
        job = await self._found(caller, import_id, reach)
        if not job.state.is_final:
            async with self._store.unit(job.tenant_id) as unit:
                state = await unit.imports.request_cancel(job.import_id)
                if state in _CANCELS:
                    await unit.imports.audit(self._entry(caller, job, _CANCELS[state], {}))
                if state is ImportState.CANCELLED:
                    await unit.imports.post("import.ended", {"importId": job.import_id, "state": state.value})
            if state is ImportState.CANCELLED:
                self._observer.given_up(job.tenant_id, job.import_id, state)
            job = await self._records.get_import(caller, import_id, reach)
        if job.state.is_final and job.state is not ImportState.CANCELLED:
            raise refuse(ErrorCode.CANCEL_TOO_LATE, "The import has already ended.", "importId", importId=import_id)
        return job

    async def resume(
        self, caller: Caller, import_id: str, reach: Reach, decisions: Mapping[str, ConflictStrategy]
    ) -> ImportJob:
        """Send decisions to a waiting import; it goes on where it was (R18).

        Raises ``NotFound``, ``ImportExpired``, and ``BadUserInput`` for decisions that match no conflict.
        """
        job = await self._found(caller, import_id, reach)
        self._refuse_undecidable(job, decisions)
        decided = {key: strategy.wire for key, strategy in decisions.items()}
        async with self._store.unit(job.tenant_id) as unit:
            is_resumed = await unit.imports.resume(job.import_id, decisions)
            if is_resumed:
                await unit.imports.audit(self._entry(caller, job, "import.resumed", {"decisions": decided}))
        job = await self._records.get_import(caller, import_id, reach)
        if not is_resumed:
            self._refuse_undecidable(job, decisions)
            raise refuse(ErrorCode.BAD_USER_INPUT, "The import does not wait for decisions.", "importId")
        return job

    async def _found(self, caller: Caller, import_id: str, reach: Reach) -> ImportJob:
        require(caller, Right.IMPORT)
        job = await self._records.get_import(caller, import_id, reach)
        self._observer.found(job)
        return job

    def _refuse_undecidable(self, job: ImportJob, decisions: Mapping[str, ConflictStrategy]) -> None:
        """Its time is over when it says so, whether or not the sweep has come by (R18)."""
        is_waiting = job.state is ImportState.WAITING_FOR_DECISIONS
        is_over = is_waiting and job.expires_at is not None and job.expires_at <= self._clock.now()
        if is_over or job.state is ImportState.EXPIRED:
            raise refuse(ErrorCode.IMPORT_EXPIRED, "The import waited too long and was given up.", "importId")
        unknown = sorted(set(decisions) - reported_conflicts(job).keys() - job.decisions.keys())
        if unknown or not is_waiting:
            text = (
                "These decisions match no waiting conflict." if unknown else "The import does not wait for decisions."
            )
            raise refuse(ErrorCode.BAD_USER_INPUT, text, "resolutions", unknown=unknown)

    def _entry(self, caller: Caller, job: ImportJob, action: str, details: Mapping[str, Any]) -> AuditEntry:
        return entry_of(caller, job.tenant_id, action, details, at=self._clock.now(), import_id=job.import_id)


def _undownloaded(package: ImportPackage) -> ImportPackage:
    return replace(package, blob_key=BlobKey(""))


async def _made_job(unit: TenantUnit, made: Mapping[str, Any]) -> ImportJob:
    job = await unit.imports.job(ImportId(made["importId"]))
    if job is None:
        msg = f"an idempotency key names {made['importId']}, which is not there"
        raise RuntimeError(msg)
    return job
