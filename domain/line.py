"""A tenant's line of imports, seen by those who ask for them: submit, retry, cancel, decide (decisions 5.8-5.9, R18).

What a door asks for is checked and put down as a job; the run itself stands in ``importing``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import uuid_utils

from domain.access import Caller, Reach, Right, require
from domain.approving import refuse_unapproved
from domain.deciding import added_up, unknown
from domain.discarding import discard_held
from domain.errors import ErrorCode, Problem, refuse, refuse_if
from domain.import_model import (
    AuditEntry,
    EventKind,
    ImportJob,
    ImportKind,
    ImportMode,
    ImportPackage,
    ImportState,
    Progress,
)
from domain.import_outcome import consent, on_behalf_of
from domain.limits import Installation
from domain.market.model import InstallWish
from domain.market.trust import require_trusted
from domain.model import ArtifactHead, BlobKey, ImportId, PlanId, TenantId
from domain.observing import NOBODY, Observer
from domain.options import Activation, ConflictStrategy, Decision, ImportOptions, UndoWish
from domain.ports import Ports, TenantUnit
from domain.records import Records
from domain.repeating import Once, made_before, once, remember, written_once
from domain.rows import NewEvent
from domain.tenancy import active_tenant, entry_of
from domain.undo_order import UndoAsked, UndoOrder, undo_job
from domain.verified import is_held


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
    #: the plan that it carries out, as it was shown
    applies_plan: PlanId | None = None


#: what a cancel is, by what it led to: a running import ends by itself
_CANCELS = {ImportState.CANCELLING: "import.cancel-requested", ImportState.CANCELLED: "import.cancelled"}


#: with these the tenant follows the package, so that what the package has dropped may go too (R31)
_REMOVING = (ConflictStrategy.REPLACE, ConflictStrategy.MERGE)


def admit(caller: Caller, options: ImportOptions) -> None:
    """Refuse a caller who may not import, or not with these options: needed or not (R15, section 9.1).

    Raises ``InsufficientPermission``, and ``InvalidOptions`` for options that do not go together.
    """
    require(caller, Right.IMPORT)
    if options.allow_security_warnings:
        require(caller, Right.OVERRIDE_SECURITY)
    if options.allow_major_version_upgrade:
        require(caller, Right.OVERRIDE_MAJOR)
    if options.remove_dropped and options.default_strategy not in _REMOVING:
        text = "removeDropped goes with Replace or Merge as the default strategy."
        raise refuse(ErrorCode.INVALID_OPTIONS, text, "options.removeDropped")


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

    async def is_repeated(self, caller: Caller, tenant_id: TenantId, key: str | None) -> bool:
        """Whether the caller made something under this key before: who asks again waits for nothing new (R25)."""
        if key is None:
            return False
        async with self._store.view(tenant_id) as unit:
            return await unit.repeats.find(caller.identity, key, self._clock.now()) is not None

    async def enter(self, caller: Caller, order: ImportOrder, request: Once | None) -> ImportJob:
        """Put down what a service admitted, once a request. Raises as :meth:`submit` does after its admission."""
        return await self.put(caller, self._new_job(caller, order, request), request, gone=order.gone)

    async def put(
        self, caller: Caller, job: ImportJob, request: Once | None, *, gone: Sequence[Problem] = ()
    ) -> ImportJob:
        """Put down a new job, once a request and, where it applies a plan, once a plan: else that import is the answer.

        Raises as :meth:`submit` does after its admission, and ``ApprovalRequired``.
        """
        return await written_once(lambda: self._put(caller, job, request, gone))

    async def _put(self, caller: Caller, job: ImportJob, request: Once | None, gone: Sequence[Problem]) -> ImportJob:
        async with self._store.platform_unit() as platform:
            tenant = await active_tenant(platform.tenants, job.tenant_id)
            unit = platform.of(job.tenant_id)
            if made := await made_before(unit, request, self._clock.now()):
                joined = await _made_job(unit, made)
                self._observer.found(joined)
                return joined
            if (first := await _claimed(unit, job)) != job.import_id:
                return await _made_job(unit, {"importId": first})
            refuse_if(gone)
            if job.undo is None:
                await self._refuse_flood(unit)
            await refuse_unapproved(unit, tenant, job)
            sealed = await unit.bindings.sealed(job.options.bindings)
            job = replace(job, options=replace(job.options, bindings=sealed))
            text = f"{job.retry_of} is tried again." if job.retry_of else "The import was accepted."
            event = NewEvent(EventKind.QUEUED, Progress(None, 0, None, 0.0), text, ImportState.QUEUED)
            await unit.imports.submit(job, event)
            await remember(unit, request, {"importId": job.import_id}, job.submitted_at)
            told = {**on_behalf_of(job), **consent(job), **({"planId": job.applies_plan} if job.applies_plan else {})}
            if told or job.tenant_id not in caller.tenants:
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
            applies_plan=order.applies_plan,
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
        if job.undo is not None:
            return await self._retry_undo(caller, job, job.undo, key)
        package = job.packages[0]
        if package.source_package:
            await self._records.importable(caller, package.source_package, caller.reach, job.tenant_id)
        text = "The import's bundle is no longer kept. Send it again."
        is_stored = await self._records.is_stored(package.blob_key)
        gone = () if is_stored else (Problem(ErrorCode.BUNDLE_EXPIRED, text, "importId"),)
        order = ImportOrder(job.tenant_id, package, job.options, job.import_id, gone, applies_plan=job.applies_plan)
        return await self.submit(caller, order, key=key)

    async def _retry_undo(self, caller: Caller, job: ImportJob, wish: UndoWish, key: str | None) -> ImportJob:
        asked = UndoAsked(wish.blockers, job.options.reason, job.options.dry_run)
        request = once(caller, key, "undo", wish, asked, job.import_id)
        named = {name: getattr(job, name) for name in ("package_name", "package_version", "package_id", "applies_plan")}
        order = UndoOrder(job.tenant_id, wish, asked, named, job.import_id)
        return await self.put(caller, undo_job(caller, order, request, self._clock.now()), request)

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
        plan_id = job.applies_plan
        order = ImportOrder(job.tenant_id, asked, job.options, job.import_id, (), tuple(needed), wish, plan_id)
        return await self.enter(caller, order, once(caller, key, "install", job.options, wish.asked, job.import_id))

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
            if state is ImportState.CANCELLED and is_held(job):
                await discard_held(self._store, job.tenant_id, job.import_id)
            job = await self._records.get_import(caller, import_id, reach)
        if job.state.is_final and job.state is not ImportState.CANCELLED:
            raise refuse(ErrorCode.CANCEL_TOO_LATE, "The import has already ended.", "importId", importId=import_id)
        return job

    async def resume(
        self, caller: Caller, import_id: str, reach: Reach, decisions: Mapping[str, Decision]
    ) -> ImportJob:
        """Send decisions to a waiting import; it goes on where it was (R18).

        Raises ``NotFound``, ``ImportExpired``, and ``BadUserInput`` for decisions that match no conflict or no path.
        """
        job = await self._found(caller, import_id, reach)
        self._refuse_undecidable(job, decisions)
        decided = {key: told_decision(decision) for key, decision in decisions.items()}
        decisions = added_up(job, decisions, await self._met(job, decisions))
        async with self._store.unit(job.tenant_id) as unit:
            is_resumed = await unit.imports.resume(job.import_id, decisions)
            if is_resumed:
                await unit.imports.audit(self._entry(caller, job, "import.resumed", {"decisions": decided}))
        job = await self._records.get_import(caller, import_id, reach)
        if not is_resumed:
            self._refuse_undecidable(job, decisions)
            raise refuse(ErrorCode.BAD_USER_INPUT, "The import does not wait for decisions.", "importId")
        return job

    async def _met(self, job: ImportJob, decisions: Mapping[str, Decision]) -> dict[str, ArtifactHead]:
        """The tenant's artifacts, by conflict id, that decisions about paths were taken over."""
        if not any(decision.sides for decision in decisions.values()):
            return {}
        most = self._limits.artifacts_enterprise * len(job.packages)
        async with self._store.view(job.tenant_id) as unit:
            actions = await unit.imports.actions(job.import_id, first=most)
        return {one.conflict_key: one.existing for one in actions.items if one.conflict_key and one.existing}

    async def activate(self, caller: Caller, import_id: str, reach: Reach) -> ImportJob:
        """Switch on an import that waits for it; again, once it was asked for, is the same as once.

        Raises ``NotFound``, ``ImportExpired``, and ``BadUserInput`` for an import that does not wait for it.
        """
        job = await self._found(caller, import_id, reach)
        if job.state is ImportState.WAITING_FOR_ACTIVATION:
            async with self._store.unit(job.tenant_id) as unit:
                if await unit.imports.switch_on(job.import_id):
                    await unit.imports.audit(self._entry(caller, job, "import.activation-requested", {}))
            job = await self._records.get_import(caller, import_id, reach)
        if job.state in {ImportState.WAITING_FOR_ACTIVATION, ImportState.EXPIRED}:
            raise refuse(ErrorCode.IMPORT_EXPIRED, "The import waited too long and was given up.", "importId")
        is_on = job.options.activation is Activation.MANUAL and job.state is ImportState.SUCCEEDED
        if not is_held(job) and not is_on:
            text = "The import does not wait to be switched on."
            raise refuse(ErrorCode.BAD_USER_INPUT, text, "importId", importId=job.import_id)
        return job

    async def _found(self, caller: Caller, import_id: str, reach: Reach) -> ImportJob:
        if not caller.has(Right.UNDO):
            require(caller, Right.IMPORT)
        job = await self._records.get_import(caller, import_id, reach)
        require(caller, Right.UNDO if job.undo else Right.IMPORT)
        self._observer.found(job)
        return job

    def _refuse_undecidable(self, job: ImportJob, decisions: Mapping[str, Decision]) -> None:
        """Its time is over when it says so, whether or not the sweep has come by (R18)."""
        is_waiting = job.state is ImportState.WAITING_FOR_DECISIONS
        is_over = is_waiting and job.expires_at is not None and job.expires_at <= self._clock.now()
        if is_over or job.state is ImportState.EXPIRED:
            raise refuse(ErrorCode.IMPORT_EXPIRED, "The import waited too long and was given up.", "importId")
        strangers = list(unknown(job, decisions).problems())
        if not is_waiting and not strangers:
            strangers = [Problem(ErrorCode.BAD_USER_INPUT, "The import does not wait for decisions.", "resolutions")]
        refuse_if(strangers)

    def _entry(self, caller: Caller, job: ImportJob, action: str, details: Mapping[str, Any]) -> AuditEntry:
        return entry_of(caller, job.tenant_id, action, details, at=self._clock.now(), import_id=job.import_id)


def told_decision(decision: Decision) -> str | dict[str, Any]:
    """A decision in the words of the audit; its paths only where there are any."""
    strategy = decision.strategy.wire if decision.strategy else None
    if not decision.sides and strategy:
        return strategy
    return {"strategy": strategy, "paths": {pointer: side.wire for pointer, side in decision.sides.items()}}


def _undownloaded(package: ImportPackage) -> ImportPackage:
    return replace(package, blob_key=BlobKey(""))


async def _claimed(unit: TenantUnit, job: ImportJob) -> ImportId:
    """The import that applies the job's plan; the job itself where it is the first, or applies none."""
    if job.applies_plan is None:
        return job.import_id
    return await unit.plans.claim(job.applies_plan, job.import_id, instead_of=job.retry_of)


async def _made_job(unit: TenantUnit, made: Mapping[str, Any]) -> ImportJob:
    job = await unit.imports.job(ImportId(made["importId"]))
    if job is None:
        msg = f"an idempotency key names {made['importId']}, which is not there"
        raise RuntimeError(msg)
    return job
