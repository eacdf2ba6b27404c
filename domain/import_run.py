"""One run of one import: its fenced writes, its events and its place in the whole (decisions R12, R20, R28).

Every write of a run goes through :meth:`Run.writing`, whose first statement is the fence: it renews the lease,
numbers the events told since the last write, and lets nothing be written once somebody asked to cancel. Small
imports join several stages in one transaction with :meth:`Run.together`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from domain.errors import Problem
from domain.import_model import EventKind, ImportJob, ImportState, Progress, Stage
from domain.model import Tenant
from domain.observing import NOBODY, Observer
from domain.ports import Store, TenantUnit, Turn
from domain.rows import NewEvent, Step

#: where each stage begins, in percent of a run; from the CPU time of its stages in the bench's W1
STAGE_BEGINS: Mapping[Stage, float] = {
    Stage.DOWNLOAD: 0.0,
    Stage.UPLOAD: 0.0,
    Stage.VALIDATION: 0.0,
    Stage.SECURITY_SCAN: 46.0,
    Stage.DEPENDENCY_CHECK: 48.0,
    Stage.PLANNING: 49.0,
    Stage.INSTALLATION: 58.0,
    Stage.VERIFICATION: 92.0,
    Stage.ACTIVATION: 95.0,
}
_ALL = 100.0
#: how much of an install is its download
_DOWNLOAD_SHARE = 0.2
_LAST_WORDS = (EventKind.WAITING, EventKind.ENDED)
_ORDER = list(STAGE_BEGINS)


class Run:
    """What a running import has told and where it is. Not shared between runs."""

    def __init__(self, store: Store, job: ImportJob, observer: Observer = NOBODY) -> None:
        self.job = job
        self._observer = observer
        self.stage: Stage | None = None
        self.total: int | None = None
        self._tenant: Tenant | None = None
        #: how many revisions it has written that nobody sees yet
        self.held = 0
        #: of each package; kept for the case that the transaction which stored them is rolled back
        self.scan_reports: list[Mapping[str, Any]] = []
        #: members of its outcome beside the plan: what the packages of an install can do, which addresses were mapped
        self.members: Mapping[str, Any] = {}
        #: why the plan that it was to apply does not hold any more
        self.moved: Sequence[Problem] = ()
        self._store = store
        self._told: list[NewEvent] = []
        #: told inside a transaction that is not committed yet
        self._sent: list[NewEvent] = []
        #: told before the stages that are tried again when the tenant changes meanwhile
        self._before: list[NewEvent] = []
        self._unit: TenantUnit | None = None
        self._percent = 0.0
        #: as far as watchers have been told
        self._percent_seen = 0.0

    @property
    def tenant(self) -> Tenant:
        """The tenant as it was when the run began."""
        if self._tenant is None:
            msg = "the run has not begun"
            raise RuntimeError(msg)
        return self._tenant

    @tenant.setter
    def tenant(self, tenant: Tenant) -> None:
        self._tenant = tenant

    def go_on_from(self, progress: Progress) -> None:
        """Begin where an earlier run of the same import has come to: how far a job is never falls (R20)."""
        self.stage, self.total = progress.stage, progress.total
        self._percent = self._percent_seen = progress.percent

    async def is_to_stop(self) -> bool:
        """Whether somebody asked to cancel: for work that writes nothing for long."""
        async with self._store.view(self.job.tenant_id) as unit:
            now = await unit.imports.job(self.job.import_id)
        return now is not None and now.cancel_requested

    def begin_again(self, message: str) -> None:
        """Forget what the transaction that was rolled back would have told, and say why it is tried again."""
        self._told = self._before
        self.held = 0
        self._percent = self._told[-1].progress.percent if self._told else self._percent_seen
        self._tell(EventKind.PROBLEM_FOUND, 0, message)

    def begin(self, stage: Stage, message: str = "") -> None:
        """Tell that a stage has started."""
        self.stage = stage
        self._tell(EventKind.STAGE_STARTED, 0, message or f"{stage.wire} has started.")

    def end(self, message: str, *, problem: Problem | None = None) -> None:
        """Tell how the stage went."""
        self._tell(EventKind.STAGE_ENDED, self.total or 0, message, problem=problem)

    def progress(self, done: int, message: str, artifact_name: str = "", *, share: float | None = None) -> None:
        """Tell how far the stage is: ``share`` of it (0 to 1) where artifacts are not what it counts."""
        self._tell(EventKind.PROGRESS, done, message, artifact_name=artifact_name, share=share)

    def finish(self, state: ImportState, message: str, *, problem: Problem | None = None) -> None:
        """Tell the end, or the pause."""
        kind = EventKind.ENDED if state.is_final else EventKind.WAITING
        if state is ImportState.SUCCEEDED:
            self._percent = _ALL
        done = self.total or 0 if state is ImportState.SUCCEEDED else 0
        self._tell(kind, done, message, state=state, problem=problem)

    def _tell(
        self,
        kind: EventKind,
        done: int,
        message: str,
        *,
        artifact_name: str = "",
        state: ImportState = ImportState.RUNNING,
        problem: Problem | None = None,
        share: float | None = None,
    ) -> None:
        if share is None:
            share = done / self.total if self.total else 0.0
        self._percent = max(self._percent, self._percent_of(kind, share))
        progress = Progress(self.stage, done, self.total, round(self._percent, 1), artifact_name)
        event = NewEvent(kind, progress, message, state, problem)
        self._told.append(event)
        self._observer.told(self.job, event)

    def _percent_of(self, kind: EventKind, share: float) -> float:
        if self.stage is None:
            return 0.0
        place = _ORDER.index(self.stage)
        begins, ends = (self._begins(_ORDER[at]) if at < len(_ORDER) else _ALL for at in (place, place + 1))
        return ends if kind is EventKind.STAGE_ENDED else begins + (ends - begins) * share

    def _begins(self, stage: Stage) -> float:
        """Where a stage begins in this run: an install downloads before it does what an import does."""
        begins = STAGE_BEGINS[stage]
        if self.job.install is None or stage is Stage.DOWNLOAD:
            return begins
        return _ALL * _DOWNLOAD_SHARE + begins * (1 - _DOWNLOAD_SHARE)

    @asynccontextmanager
    async def together(self, *, is_small: bool) -> AsyncIterator[None]:
        """Join the writes inside into one transaction, where the import is small enough for that (R28)."""
        self._before = list(self._told)
        async with AsyncExitStack() as stack:
            if is_small:
                self._unit = await stack.enter_async_context(self.writing())
            try:
                yield
                if self._unit is not None and self._told:
                    await self._advance(self._unit, {})
            finally:
                self._unit = None

    @asynccontextmanager
    async def writing(
        self, changes: Mapping[str, Any] | None = None, *, turn: Turn = Turn.BRIEF
    ) -> AsyncIterator[TenantUnit]:
        """A fenced transaction with what was told so far, and these changes of the job.

        Raises :class:`domain.ports.LeaseLostError` and :class:`domain.ports.CancelRequestedError`, with the first
        answer of the database: at the end, where the unit asks for none before. Events of a transaction that was
        rolled back are told again with the next one, but not the end or the pause that it would have brought.
        """
        if self._unit is not None:
            if changes:
                await self._advance(self._unit, changes)
            yield self._unit
            return
        try:
            async with self._store.unit(self.job.tenant_id, turn=turn) as unit:
                await self._advance(unit, changes or {})
                yield unit
        except BaseException:
            self._tell_later()
            raise
        self._percent_seen = self._sent[-1].progress.percent if self._sent else self._percent_seen
        self._before = []
        self._sent = []
        # whoever waited for the one writer begins now, and not when this run waits for something itself
        await asyncio.sleep(0)

    def _tell_later(self) -> None:
        self._told = [event for event in (*self._sent, *self._told) if event.kind not in _LAST_WORDS]
        self._percent = self._told[-1].progress.percent if self._told else self._percent_seen
        self._sent = []

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[TenantUnit]:
        """What the run has written so far, to be read beside other writers if it is committed already."""
        if self._unit is not None:
            yield self._unit
            return
        async with self._store.view(self.job.tenant_id) as unit:
            yield unit

    async def _advance(self, unit: TenantUnit, changes: Mapping[str, Any]) -> None:
        stage = {"stage": self.stage} if self.stage else {}
        step = Step(self.job.import_id, self.job.fence, tuple(self._told), {**stage, **changes})
        self._sent += self._told
        self._told = []
        await unit.imports.advance(step)

    @asynccontextmanager
    async def ending(self, changes: Mapping[str, Any]) -> AsyncIterator[TenantUnit]:
        """The last transaction of a run that ends badly: nothing told is lost, no cancel is heard any more."""
        self._unit = None
        async with self._store.unit(self.job.tenant_id, turn=Turn.BRIEF) as unit:
            changes = {"stage": self.stage, **changes}
            step = Step(self.job.import_id, self.job.fence, tuple(self._told), changes, is_last=True)
            await unit.imports.advance(step)
            yield unit
