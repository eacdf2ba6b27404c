"""Bringing a bundle into a tenant: one line of stages, for every door (design: house, section 5; ADR 0001).

A job is submitted by a door and run by a worker, here or in another process. Nothing before activation writes
what a tenant can see; activation is one transaction. ``run`` may be called again after a crash at any instant.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

from domain import carrying, import_outcome, policy, undo_outcome
from domain.activating import Activator, Draft, entry
from domain.aside import aside
from domain.backup import Backups
from domain.bringing import package_batches, shown, verified
from domain.bundle import CheckedBundle, Told, read_bundle
from domain.bundle_mapping import endpoints_told, unknown_sources, with_endpoints
from domain.discarding import discard_held
from domain.drifting import HELD_TOO_LONG, drift_of, end_as_stale, moved_since_shown
from domain.errors import ErrorCode, Problem, Refusal, refuse, refuse_if
from domain.excepting import let_pass
from domain.holding import Author
from domain.import_model import Failure, ImportJob, ImportPackage, ImportState, Stage
from domain.import_run import Run
from domain.known import known_bundle
from domain.limits import Installation
from domain.market.arrived import arrival_problems, manifest_tree
from domain.market.downloading import Downloads
from domain.market.excepted import HUB, excepted
from domain.market.own_hub import hub_of
from domain.market.trust import acknowledgment_problems
from domain.model import PlanId
from domain.observing import NOBODY, Observer, Scanned
from domain.options import Activation, UndoWish
from domain.plan import NotJustSoError, Planned
from domain.plan_model import ActionKind, Drift, Plan
from domain.planning import Checked, Planner, checked, powers_told, scan_result, with_powers, with_relationships
from domain.ports import CancelRequestedError, NameTakenError, PlanMovedError, Ports, RevisionMovedError, TenantUnit
from domain.spool import Spool
from domain.tenancy import active_tenant
from domain.undo_planning import UndoPlanner
from domain.verified import Verified, kept_with

#: an import this small is planned, held, verified and activated in one transaction (R28)
SMALL_ARTIFACTS = 50
SMALL_BYTES = 4 << 20
REPLANS_MAX = 3
ATTEMPTS_MAX = 5
#: how many artifacts are checked between two lines of progress, and how many seconds go by at least
TOLD_EVERY, TOLD_AFTER_SECONDS = 250, 0.1
#: bytes of a bundle: some entries, which are read one behind the other
_READ_AT_ONCE = 1 << 16


class Importer:
    """Runs imports that a worker claimed."""

    def __init__(self, ports: Ports, installation: Installation, observer: Observer = NOBODY) -> None:
        self._store = ports.store
        self._observer = observer
        self._blobs = ports.blobs
        self._clock = ports.clock
        self._courtesy = ports.courtesy
        self._limits = installation.limits
        self._planner = Planner(ports.store, ports.clock, installation.limits, ports.courtesy)
        self._undos = UndoPlanner(ports.store, ports.clock, installation.limits)
        self._activator = Activator(ports, installation)
        self._backups = Backups(ports, installation)
        self._downloads = Downloads(hub_of(ports), ports.blobs, installation.limits)

    async def run(self, job: ImportJob) -> None:
        """Take a claimed import from bytes to active artifacts, or leave the tenant as it was.

        Safe to call again after a crash: revisions held by an earlier run are dropped first. Raises
        :class:`domain.ports.LeaseLostError` when another worker took over; then this run has changed nothing since.
        """
        run = Run(self._store, job, self._observer)
        try:
            await self._begun_again(run)
            await self._run(run)
        except Refusal as refusal:
            await self._failed(run, refusal)
        except CancelRequestedError:
            await self._cancelled(run)

    async def _run(self, run: Run) -> None:
        drift: Sequence[Drift] = ()
        async with self._store.platform_view() as platform:
            run.tenant = await active_tenant(platform.tenants, run.job.tenant_id)
        if (held := kept_with(run.job)) is not None:
            return await self._switched_on(run, held)
        await self._downloads.fetch(run)
        if await self._was_the_same(run):
            return None
        async with self._validated(run) as bundles:
            for _ in range(1 + REPLANS_MAX):
                try:
                    async with run.together(is_small=_is_small(bundles, run.job)):
                        return await self._carried_out(run, bundles)
                except (PlanMovedError, NameTakenError, RevisionMovedError) as moved:
                    drift = _drift_told(moved)
                    run.begin_again("The tenant changed meanwhile; the plan does not hold any more.")
                    await self._dropped(run)
        raise Refusal(policy.drift_problems(drift))

    async def _was_the_same(self, run: Run) -> bool:
        """Whether the tenant has the package just so from an earlier import: then none of it is read or written."""
        async with known_bundle(self._store, self._blobs, self._limits, run) as known:
            if known is None:
                return False
            run.begin(Stage.VALIDATION)
            run.total = len(known.artifacts)
            run.end(f"{run.total} artifacts: these very bytes were read and scanned for an earlier import.")
            try:
                async with run.together(is_small=_is_small([known], run.job)):
                    await self._carried_out(run, [known])
            except (NotJustSoError, PlanMovedError, NameTakenError, RevisionMovedError):
                run.begin_again("The tenant does not have the package just so any more; it is read.")
                return False
        return True

    async def _carried_out(self, run: Run, bundles: Sequence[CheckedBundle]) -> None:
        """From checked bundles, or from what is to be taken back, to the end or to the pause."""
        draft = await (self._taken_back(run, run.job.undo) if run.job.undo else self._brought(run, bundles))
        made = draft.made
        if run.job.options.dry_run:
            return await self._activator.show(run, draft)
        if run.moved:
            return await end_as_stale(run, made, run.moved, self._clock.now())
        refuse_if(made.blockers)
        if made.open_conflicts:
            return await self._paused(run, made)
        backup = await self._backups.keep(run, made)
        author = Author(run.job.import_id, run.job.submitted_by, self._clock.now())
        held = carrying.hold(run, made, draft.batches(author))
        await _within(self._limits.install_seconds, ErrorCode.TRANSACTION_TIMEOUT, held)
        await _within(self._limits.verify_seconds, ErrorCode.VERIFICATION_TIMEOUT, carrying.verify(run))
        to_write = await aside(len(made.actions), partial(draft.verified, backup))
        if run.job.options.activation is Activation.MANUAL:
            return await self._activator.wait(run, to_write)
        return await self._activator.switch_on(run, to_write, made.bindings)

    async def _switched_on(self, run: Run, held: Verified) -> None:
        """Activate what was held and verified by an earlier run, if the tenant is as it was planned (R11)."""
        run.held = held.held
        async with self._store.view(run.job.tenant_id) as unit:
            made = await unit.imports.plan(run.job.plan_id or PlanId(""))
        if made is not None:
            # no other import is activated from here on: this one has the tenant's place
            refuse_if(await drift_of(self._store, made, HELD_TOO_LONG))
        try:
            await self._activator.switch_on(run, held, made.bindings if made else ())
        except (PlanMovedError, NameTakenError, RevisionMovedError) as moved:
            raise Refusal(policy.drift_problems(_drift_told(moved))) from moved

    async def _begun_again(self, run: Run) -> None:
        if run.job.last_seq > 1:
            await self._caught_up(run)
        if run.job.attempt > ATTEMPTS_MAX:
            text = f"The import was begun {ATTEMPTS_MAX} times and never came to its end."
            raise refuse(ErrorCode.ARTIFACT_INSTALL_FAILED, text)
        if run.job.attempt > 1 and kept_with(run.job) is None:
            await self._dropped(run)

    async def _caught_up(self, run: Run) -> None:
        """Learn from the journal how far the import was told to be."""
        job = run.job
        async with self._store.view(job.tenant_id) as unit:
            now = await unit.imports.job(job.import_id)
            told = await unit.imports.events(job.import_id, after=now.last_seq - 1, limit=1) if now else []
        for event in told:
            run.go_on_from(event.progress)

    async def _dropped(self, run: Run) -> None:
        """Drop what an earlier attempt held, under the fence: whoever lost the lease must not drop another's."""
        more = 1
        while more:
            async with run.writing() as unit:
                more = await unit.imports.discard(run.job.import_id)

    @asynccontextmanager
    async def _validated(self, run: Run) -> AsyncIterator[Sequence[CheckedBundle]]:
        """The import's packages by ordinal, read and checked, for as long as they are needed. An undo has none."""
        if run.job.undo is not None:
            yield ()
            return
        run.begin(Stage.VALIDATION)
        async with AsyncExitStack() as stack:
            folder = await stack.enter_async_context(self._blobs.scratch())
            bundles: list[CheckedBundle] = []
            for package in run.job.packages:
                read = await self._reading(run, package, folder, stack)
                before = sum(len(bundle.artifacts) for bundle in bundles)
                try:
                    bundles.append(await _told_while(run, read, before=before))
                except Refusal:
                    if package.offer is not None:
                        await self._downloads.drop(run, package)
                    raise
            run.total = sum(len(bundle.artifacts) for bundle in bundles)
            run.end(f"{run.total} artifacts were read; every checksum is right.")
            yield bundles

    async def _reading(
        self, run: Run, package: ImportPackage, folder: Path, stack: AsyncExitStack
    ) -> Callable[[Told], CheckedBundle]:
        """How one package is read; raises in its thread what is wrong with the bundle, or with what arrived."""
        try:
            path = await stack.enter_async_context(self._blobs.local(package.blob_key, sha256=package.sha256))
        except FileNotFoundError as error:
            raise refuse(ErrorCode.BUNDLE_EXPIRED, "The package's bundle is no longer kept.") from error
        spool = stack.enter_context(Spool(folder / f"contents-{package.ordinal}"))
        source = stack.enter_context(path.open("rb", buffering=_READ_AT_ONCE))
        limits, give_way = self._limits.bundle(run.tenant.plan), self._courtesy.give_way

        def read(told: Told) -> CheckedBundle:
            bundle = read_bundle(source, spool, limits=limits, target=run.job.tenant_id, told=told, give_way=give_way)
            targets, bytes_max = run.job.options.endpoint_mapping, limits.archive.entry_bytes_max
            bundle = with_endpoints(bundle, targets, bytes_max=bytes_max, scan_seconds=limits.scan_seconds)
            if package.offer is None:
                return bundle
            problems = [*arrival_problems(package.offer, bundle.manifest, manifest_tree(source, limits.archive))]
            refuse_if(problems)
            bundle = replace(bundle, warnings=(*bundle.warnings, *problems))
            return excepted(bundle, package.offer.exceptions, run.job.options, who=HUB)

        return read

    async def _brought(self, run: Run, bundles: Sequence[CheckedBundle]) -> Draft:
        packages = await self._scanned(run, bundles)
        drafts, made = await self._planned(run, packages)
        return Draft(
            made,
            partial(package_batches, self._store, self._courtesy, drafts),
            partial(shown, run.job, made, packages),
            partial(verified, run, made, packages),
        )

    async def _scanned(self, run: Run, bundles: Sequence[CheckedBundle]) -> list[Checked]:
        run.begin(Stage.SECURITY_SCAN)
        now = self._clock.now()
        packages = [checked(bundle, now) for bundle in await let_pass(self._store, run.job, bundles, now)]
        for package in packages:
            if package.bundle.known is None:
                seconds = package.report.duration_ms / 1000
                self._observer.scanned(Scanned.IMPORT, package.report.overall_result, seconds)
        if run.job.install is not None:
            packages = [await asyncio.to_thread(with_powers, package) for package in packages]
        if run.job.options.is_migration:
            packages = [await asyncio.to_thread(with_relationships, package) for package in packages]
        run.scan_reports = [package.report.to_stored() for package in packages]
        run.end(f"The scan's result is {scan_result(packages).value}.")
        async with run.writing() as unit:
            await _save_scans(unit, run)
        return packages

    async def _planned(self, run: Run, packages: Sequence[Checked]) -> tuple[list[Planned], Plan]:
        run.begin(Stage.DEPENDENCY_CHECK)
        manifests = [package.bundle.manifest for package in packages]
        met, blockers = [], []
        for package in packages:
            inventory = await self._planner.inventory(package.bundle, run.tenant, run.job)
            beside = [manifest for manifest in manifests if manifest is not package.bundle.manifest]
            blockers += self._planner.blockers(package, inventory, run.job, beside)
            met.append((package, inventory))
        if run.job.install is not None:
            run.members = powers_told(met)
            offers = [package.offer for package in run.job.packages if package.offer]
            blockers += acknowledgment_problems(offers, acknowledged=run.job.install.acknowledged)
        mapped = endpoints_told([package.bundle for package in packages], run.job.options.endpoint_mapping)
        run.members = {**run.members, **mapped}
        blockers += unknown_sources(mapped)
        run.end(f"{sum(len(m.package_dependencies) for m in manifests)} needed packages were looked for.")
        run.begin(Stage.PLANNING)
        bundles = [(package.bundle, inventory) for package, inventory in met]
        drafts, made = await self._planner.plan(bundles, run.job, blockers, seed=run.job.applies_plan)
        run.moved = await moved_since_shown(self._store, run.job, made)
        if run.moved:
            drafts, made = await self._planner.plan(bundles, run.job, blockers)
        asked = manifests[-1]
        changes = {"package_name": asked.name, "package_version": asked.version, "package_id": asked.package_id}
        await carrying.save_plan(run, made, changes)
        return drafts, made

    async def _taken_back(self, run: Run, wish: UndoWish) -> Draft:
        run.begin(Stage.PLANNING)
        found = await self._undos.plan(run.job, wish)
        run.moved = await moved_since_shown(self._store, run.job, found.made)
        run.total = sum(action.kind is not ActionKind.REMOVE for action in found.made.actions)
        await carrying.save_plan(run, found.made)
        return Draft(
            found.made,
            partial(self._undos.batches, found, run.job),
            partial(undo_outcome.shown, run.job, found),
            lambda _backup: undo_outcome.verified(run.job, found),
        )

    async def _paused(self, run: Run, made: Plan) -> None:
        """Wait for decisions, up to the first deadline; the tenant's place is free meanwhile (R18)."""
        expires = run.job.expires_at or self._clock.now() + timedelta(hours=self._limits.pause_hours)
        report = import_outcome.conflict_report(made)
        count = len(made.open_conflicts)
        text = "1 conflict waits for a decision." if count == 1 else f"{count} conflicts wait for decisions."
        run.finish(ImportState.WAITING_FOR_DECISIONS, text)
        changes = {
            "state": ImportState.WAITING_FOR_DECISIONS,
            "expires_at": expires,
            "outcome": {"conflictReport": report, **import_outcome.told_warnings(made), **run.members},
        }
        async with run.writing(changes) as unit:
            await unit.imports.audit(entry(run.job, "import.waiting", report, at=self._clock.now()))

    async def _failed(self, run: Run, refusal: Refusal) -> None:
        first = next((p for p in refusal.problems if p.code.family is refusal.code), refusal.problems[0])
        stage = policy.STAGE_OF.get(first.code, run.stage)
        run.finish(ImportState.FAILED, refusal.message, problem=first)
        failure = Failure(stage, refusal.code.wire, refusal.message, refusal.status, refusal.problems, refusal.details)
        await self._ended(run, ImportState.FAILED, failure)

    async def _cancelled(self, run: Run) -> None:
        dropped = f" {run.held} revisions that were held are dropped." if run.held else ""
        text = f"The import was cancelled before its activation; nothing was changed.{dropped}"
        problem = Problem(ErrorCode.IMPORT_CANCELLED, text, details={"revisionsDropped": run.held})
        run.finish(ImportState.CANCELLED, text, problem=problem)
        code, told = problem.code, problem.details
        failure = Failure(run.stage, code.wire, text, code.status, (problem,), told)
        await self._ended(run, ImportState.CANCELLED, failure)

    async def failed_by_us(self, job: ImportJob, correlation_id: str) -> None:
        """End an import that met a bug of ours; the log has it under the correlation id."""
        text = f"Something went wrong on our side. Quote {correlation_id} when you report it."
        problem = Problem(ErrorCode.INTERNAL_ERROR, text, details={"correlationId": correlation_id})
        run = Run(self._store, job, self._observer)
        await self._caught_up(run)
        await self._failed(run, Refusal([problem]))

    async def _ended(self, run: Run, state: ImportState, failure: Failure) -> None:
        """The last transaction of an import that changed nothing, and the sweep after it."""
        job = run.job
        changes = {"state": state, "ended_at": self._clock.now(), "failure": failure}
        async with run.ending(changes) as unit:
            await _save_scans(unit, run)
            details = {"code": failure.code, "stage": failure.stage.wire if failure.stage else None}
            await unit.imports.audit(entry(job, f"import.{state.value.lower()}", details, at=self._clock.now()))
            await unit.imports.post("import.ended", {"importId": job.import_id, "state": state.value})
            # a plan that is there in part goes with this: no sweep looks for one
            more = await unit.imports.discard(job.import_id)
        if more:
            await discard_held(self._store, job.tenant_id, job.import_id)


def _drift_told(moved: Exception) -> Sequence[Drift]:
    """What moved under a plan, as far as the error tells: a name that was taken meanwhile is no artifact's drift."""
    return moved.drift if isinstance(moved, PlanMovedError) else ()


def _is_small(bundles: Sequence[CheckedBundle], job: ImportJob) -> bool:
    """A backup is as large as what it replaces, and nobody waits for a writer while it is packed.

    How much an undo brings back is not known before it is planned.
    """
    artifacts, size = sum(len(b.artifacts) for b in bundles), sum(b.template_bytes for b in bundles)
    is_known = job.undo is None and not job.options.backup_before_replace
    return artifacts <= SMALL_ARTIFACTS and size <= SMALL_BYTES and is_known


async def _save_scans(unit: TenantUnit, run: Run) -> None:
    for ordinal, report in enumerate(run.scan_reports):
        await unit.imports.save_scan(run.job.import_id, ordinal, report)


async def _within(seconds: float, code: ErrorCode, work: Coroutine[Any, Any, None]) -> None:
    try:
        async with asyncio.timeout(seconds):
            await work
    except TimeoutError as error:
        raise refuse(code, f"The stage took longer than {seconds:g} seconds.") from error


async def _told_while(run: Run, read: Callable[[Told], CheckedBundle], *, before: int) -> CheckedBundle:
    """Run the reading in a thread and write its progress down as it comes, after ``before`` artifacts."""
    loop = asyncio.get_running_loop()
    news: asyncio.Queue[tuple[int, int] | None] = asyncio.Queue()
    is_stopped = threading.Event()
    told_at = time.monotonic()

    def told(done: int, total: int) -> None:
        nonlocal told_at
        if is_stopped.is_set():
            raise CancelRequestedError
        if done % TOLD_EVERY == 0 and done < total and time.monotonic() - told_at >= TOLD_AFTER_SECONDS:
            told_at = time.monotonic()
            loop.call_soon_threadsafe(news.put_nowait, (done, total))

    work = asyncio.ensure_future(asyncio.to_thread(read, told))
    work.add_done_callback(lambda _: news.put_nowait(None))
    try:
        while (state := await news.get()) is not None:
            done, total = before + state[0], before + state[1]
            run.total = max(total, run.total or 0)
            run.progress(done, f"{done} of {run.total} artifacts were read.")
            async with run.writing():
                pass
    except BaseException:
        is_stopped.set()
        await asyncio.gather(work, return_exceptions=True)  # what stopped the run is told, not how the reading ended
        raise
    return work.result()
