"""A plan as a contract: applied exactly as it was shown, once, and agreed to by others where a tenant wants that.

(decisions R10, R11, sections 9.1, 9.3 and 9.6)
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from dataclasses import replace
from typing import Any

import uuid_utils

from domain.access import Caller, Reach, Right, require
from domain.drifting import drift_of, is_offered
from domain.errors import ErrorCode, Problem, Refusal, refuse, refuse_if
from domain.fixes import Fix, fixed, fixes_of, open_problem
from domain.import_model import ImportJob, ImportMode, ImportPackage, ImportState
from domain.line import Line, admit
from domain.market.trust import require_permitted
from domain.model import BlobKey, ImportId, PlanId
from domain.plan_model import Approval, Plan, PlanAction
from domain.ports import Ports
from domain.records import Records
from domain.repeating import Once, once
from domain.tenancy import entry_of

#: how many of its open conflicts a refusal tells, and how many are read at once to look for a fix
_CONFLICTS_TOLD, _CONFLICTS_READ = 100, 500


class Plans:
    """What is done with plans once they are made."""

    def __init__(self, ports: Ports, line: Line, records: Records) -> None:
        self._store = ports.store
        self._clock = ports.clock
        self._line = line
        self._records = records

    async def apply(
        self, caller: Caller, plan_id: str, reach: Reach, *, key: str | None = None, sha256: str | None = None
    ) -> ImportJob:
        """Put an import into the line that does exactly what the plan shows, or give the one that does already.

        ``sha256`` is that of a package that was sent along. Raises ``NotFound``, ``InsufficientPermission``,
        ``BadUserInput`` for another package, ``PlanExpired``, what blocks the plan, ``ConflictRequiresResolution``,
        ``BundleExpired``, ``PlanStale`` (with ``newPlanId``), ``ApprovalRequired``, ``IdempotencyKeyReused`` and
        ``RateLimitExceeded``.
        """
        made, job = await self._found(caller, plan_id, reach)
        await self._admit(caller, job)
        if sha256 not in (None, job.packages[-1].sha256 if job.packages else ""):
            text = "The package that was sent along is not the one that was planned. Send the planId alone."
            raise refuse(ErrorCode.BAD_USER_INPUT, text, "planId")
        request = once(caller, key, "apply", made.plan_id)
        if earlier := await self._line.made(job.tenant_id, request) or await self._applied(made, job):
            return earlier
        self._refuse_expired(made)
        refuse_if(made.blockers)
        await self._refuse_open(made)
        packages = await self._kept_packages(job)
        if moved := await drift_of(self._store, made):
            raise await self._stale(caller, made, job, moved)
        changes = {"packages": packages, "applies_plan": made.plan_id, "mode": ImportMode.APPLY}
        options = replace(job.options, dry_run=False)
        applying = self._like(caller, job, request, options=options, **changes)
        return await self._line.put(caller, applying, request)

    async def approve(self, caller: Caller, plan_id: str, plan_hash: str, reach: Reach) -> Plan:
        """Agree to a plan, by the hash of what was looked at. Once more is no more.

        Raises ``NotFound``, ``InsufficientPermission`` for whoever may not or made the plan, ``PlanExpired``,
        ``BadUserInput`` for another hash, and ``StateConflict`` once it is applied.
        """
        require(caller, Right.APPROVE)
        made, job = await self._found(caller, plan_id, reach)
        if (job.identity or job.submitted_by.subject) in (caller.identity, caller.subject):
            required, text = Right.APPROVE.scopes[0], "A plan is approved by somebody else than its maker."
            raise refuse(ErrorCode.INSUFFICIENT_PERMISSION, text, required=required)
        self._refuse_expired(made)
        if plan_hash != made.plan_hash:
            text = "This is not the hash of the plan. Look at the plan, and approve what it shows now."
            raise refuse(ErrorCode.BAD_USER_INPUT, text, "hash")
        if await self._applied(made, job):
            raise refuse(ErrorCode.STATE_CONFLICT, "The plan is applied already.", "planId")
        now = self._clock.now()
        async with self._store.unit(made.tenant_id) as unit:
            approval = Approval(caller.identity, caller.actor, plan_hash, now)
            if await unit.plans.approve(made.plan_id, approval):
                told = {"planId": made.plan_id, "planHash": plan_hash}
                entry = entry_of(caller, made.tenant_id, "plan.approved", told, at=now, import_id=made.import_id)
                await unit.imports.audit(entry)
        return made

    async def fix(
        self, caller: Caller, plan_id: str, fix_id: str, reach: Reach, *, key: str | None = None
    ) -> ImportJob:
        """A new plan of the same packages, with one of the plan's fixes: the dry run that makes it.

        Raises ``NotFound`` for an unknown plan or fix, ``InsufficientPermission`` where the patched options need
        more, ``PlanExpired``, ``BundleExpired``, ``IdempotencyKeyReused`` and ``RateLimitExceeded``.
        """
        made, job = await self._found(caller, plan_id, reach)
        await self._admit(caller, job)
        request = once(caller, key, "applyFix", made.plan_id, fix_id)
        if earlier := await self._line.made(job.tenant_id, request):
            return earlier
        self._refuse_expired(made)
        fix = await self._fix(made, fix_id)
        return await self._planned_again(caller, fixed(job, fix), request)

    async def _found(self, caller: Caller, plan_id: str, reach: Reach) -> tuple[Plan, ImportJob]:
        made = await self._records.plan(caller, plan_id, reach)
        if made is None:
            raise refuse(ErrorCode.NOT_FOUND, "There is no such plan.", "planId", what="plan")
        return made, await self._records.get_import(caller, made.import_id, reach)

    async def _admit(self, caller: Caller, job: ImportJob) -> None:
        """Whoever applies a plan needs what its maker needed (section 9.1)."""
        if job.undo is not None:
            require(caller, Right.UNDO)
            return
        admit(caller, job.options)
        offers = [package.offer for package in job.packages if package.offer]
        if offers:
            require_permitted(caller, offers)
        for package in job.packages:
            if package.source_package:
                await self._records.importable(caller, package.source_package, caller.reach, job.tenant_id)

    async def _applied(self, made: Plan, job: ImportJob) -> ImportJob | None:
        """The import that applies the plan, if one does."""
        if made.applied_by is None:
            return None if is_offered(made, job) else job
        async with self._store.view(made.tenant_id) as unit:
            return await unit.imports.job(made.applied_by)

    def _refuse_expired(self, made: Plan) -> None:
        if made.expires_at <= self._clock.now():
            raise refuse(ErrorCode.PLAN_EXPIRED, "The plan is too old. Make a new one.", "planId", planId=made.plan_id)

    async def _refuse_open(self, made: Plan) -> None:
        """A plan with an undecided conflict shows nothing that could be done exactly."""
        async with self._store.view(made.tenant_id) as unit:
            page = await unit.imports.actions(made.import_id, first=_CONFLICTS_TOLD, kinds=(None,))
        if page.items:
            text = "The plan has undecided conflicts. Apply one of their fixes, or plan again with decisions."
            raise Refusal(map(open_problem, page.items), message=text, details={"planId": made.plan_id})

    async def _kept_packages(self, job: ImportJob) -> tuple[ImportPackage, ...]:
        """The packages with their bytes; those of an install may be downloaded again."""
        kept = []
        for package in job.packages:
            if package.blob_key and await self._records.is_stored(package.blob_key):
                kept.append(package)
            elif package.offer is not None:
                kept.append(replace(package, blob_key=BlobKey("")))
            else:
                text = "The plan's package is no longer kept. Send it again."
                raise refuse(ErrorCode.BUNDLE_EXPIRED, text, "planId")
        return tuple(kept)

    async def _stale(self, caller: Caller, made: Plan, job: ImportJob, moved: Iterable[Problem]) -> Refusal:
        """What moved, and the plan that is being made in its place."""
        again = await self._planned_again(caller, job, None)
        offered = {"newPlanId": again.plan_id, "newImportId": again.import_id}
        return Refusal(moved, details={"planId": made.plan_id, "tenantId": made.tenant_id, **offered})

    async def _planned_again(self, caller: Caller, job: ImportJob, request: Once | None) -> ImportJob:
        await self._admit(caller, job)
        packages = await self._kept_packages(job)
        options = replace(job.options, dry_run=True)
        planning = self._like(caller, job, request, options=options, packages=packages, mode=ImportMode.PLAN)
        return await self._line.put(caller, planning, request)

    def _like(self, caller: Caller, job: ImportJob, request: Once | None, **changes: Any) -> ImportJob:
        """A new job of the caller's that asks for what this one asks for."""
        unique, now = str(uuid_utils.uuid7()), self._clock.now()
        asks = ImportJob(
            import_id=ImportId(f"imp-{unique}"),
            tenant_id=job.tenant_id,
            kind=job.kind,
            mode=job.mode,
            state=ImportState.QUEUED,
            options=job.options,
            packages=job.packages,
            submitted_by=caller.actor,
            submitted_at=now,
            last_seq=1,
            decisions=job.decisions,
            plan_id=PlanId(f"plan-{unique}"),
            idempotency_key=request.key if request else None,
            package_name=job.package_name,
            package_version=job.package_version,
            package_id=job.package_id,
            install=job.install,
            undo=job.undo,
            identity=caller.identity,
        )
        return replace(asks, **changes)

    async def _fix(self, made: Plan, fix_id: str) -> Fix:
        found = (fix for problem in (*made.blockers, *made.warnings) for fix in fixes_of(problem))
        if fix := next((fix for fix in found if fix.fix_id == fix_id), None):
            return fix
        async for action in self._open_actions(made):
            for fix in fixes_of(open_problem(action)):
                if fix.fix_id == fix_id:
                    return fix
        raise refuse(ErrorCode.NOT_FOUND, "The plan has no such fix.", "fixId", what="fix")

    async def _open_actions(self, made: Plan) -> AsyncIterator[PlanAction]:
        after: int | None = None
        while True:
            async with self._store.view(made.tenant_id) as unit:
                page = await unit.imports.actions(made.import_id, first=_CONFLICTS_READ, after=after, kinds=(None,))
            for action in page.items:
                yield action
            if not page.has_next:
                return
            after = page.items[-1].place
