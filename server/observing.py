"""What an import does, told to the log and to the measures: one line a stage (decisions R40)."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from typing import Any

from domain.import_model import EventKind, ImportJob, ImportState, ProgressEvent, Stage
from domain.model import ImportId, TenantId
from domain.notices.model import DeliveryState, Mail, Message, NoticeKind, Outgoing
from domain.observing import Observer, Scanned
from domain.ports import Clock, UnavailableError
from domain.rows import NewEvent
from domain.scanning import ScanResult
from server.logs import note
from server.metrics import Metrics

_log = logging.getLogger("server.imports")
_deliveries = logging.getLogger("server.deliveries")
_scans = logging.getLogger("server.scans")
#: how a stage that nothing ended went, by the state in which its import ended
_OUTCOMES = {
    ImportState.SUCCEEDED: "done",
    ImportState.FAILED: "failed",
    ImportState.CANCELLED: "cancelled",
    ImportState.EXPIRED: "expired",
    ImportState.WAITING_FOR_DECISIONS: "waiting",
    ImportState.WAITING_FOR_ACTIVATION: "held",
}
#: the run stopped and another one begins again
_INTERRUPTED = "interrupted"


@dataclass(slots=True)
class _Run:
    """One run of an import here. ``state`` is the end or the pause that it has told."""

    began: float
    stage: Stage | None = None
    stage_began: float = 0.0
    state: ImportState | None = None


class Onlooker(Observer):
    """Writes the log's lines and counts. The worker says in between when a run begins and ends."""

    def __init__(self, metrics: Metrics, clock: Clock) -> None:
        self._metrics = metrics
        self._clock = clock
        self._runs: dict[ImportId, _Run] = {}

    def submitted(self, job: ImportJob) -> None:
        self.found(job)
        _say(job, "is submitted", outcome="queued")

    def found(self, job: ImportJob) -> None:
        note(importId=job.import_id, tenant=job.tenant_id)

    def given_up(self, tenant_id: TenantId, import_id: ImportId, state: ImportState) -> None:
        self._metrics.ended(state)
        line = {"importId": import_id, "tenant": tenant_id, "outcome": _OUTCOMES[state]}
        _log.info("%s is given up", import_id, extra={"fields": line})

    def passed_on(self, event: ProgressEvent) -> None:
        self._metrics.passed_on((self._clock.now() - event.at).total_seconds())

    def relayed(self, message: Message, kind: NoticeKind) -> None:
        self._metrics.relayed(kind)
        line = {"messageId": message.number, "tenant": message.tenant_id, "kind": kind.wire, "outcome": "relayed"}
        _deliveries.info("message %s relayed", message.number, extra={"fields": line})

    def mailed(self, mail: Mail, state: DeliveryState) -> None:
        self._metrics.mailed(state)
        line = {"mailId": mail.mail_id, "tenant": mail.tenant_id, "attempt": mail.attempts, "outcome": state.wire}
        _deliveries.info("%s %s", mail.mail_id, state.wire.lower(), extra={"fields": line})

    def delivered(self, outgoing: Outgoing, state: DeliveryState) -> None:
        self._metrics.delivered(state)
        sent = outgoing.delivery
        line = {"deliveryId": sent.delivery_id, "webhookId": sent.webhook_id, "tenant": sent.tenant_id, "seq": sent.seq}
        line |= {"attempt": sent.attempts, "outcome": state.wire}
        _deliveries.info("%s %s", sent.delivery_id, state.wire.lower(), extra={"fields": line})

    def scanned(self, what: Scanned, result: ScanResult, seconds: float) -> None:
        self._metrics.scanned(what, result, seconds)

    def unscanned(self, what: Scanned, name: str, trouble: Exception) -> None:
        bug = None if isinstance(trouble, UnavailableError) else trouble
        line = {"kind": what.value, "subject": name, "outcome": "failed"}
        _scans.error("%s %s was not scanned: %s", what.value, name, trouble, exc_info=bug, extra={"fields": line})

    def begun(self, job: ImportJob) -> None:
        """A worker of this process claimed the import."""
        self._runs[job.import_id] = _Run(time.perf_counter())
        if job.attempt > 1:
            self._metrics.taken_over()
        _say(job, "begins", attempt=job.attempt)

    def told(self, job: ImportJob, event: NewEvent) -> None:
        run = self._runs.get(job.import_id)
        if run is None:
            return
        if event.kind is EventKind.STAGE_STARTED:
            self._stage_ended(job, run, _INTERRUPTED)
            run.stage, run.stage_began = event.progress.stage, time.perf_counter()
        elif event.kind is EventKind.STAGE_ENDED:
            self._stage_ended(job, run, "done")
        elif event.kind in {EventKind.ENDED, EventKind.WAITING}:
            run.state = event.state

    def ended(self, job: ImportJob, *, is_written: bool) -> None:
        """The run is over; its end is told only when it was written down for good."""
        run = self._runs.pop(job.import_id)
        outcome = _OUTCOMES[run.state] if is_written and run.state is not None else _INTERRUPTED
        self._stage_ended(job, run, outcome)
        if is_written and run.state is not None and run.state.is_final:
            self._metrics.ended(run.state)
        _say(job, "ends", ms=_ms(run.began), outcome=outcome)

    def _stage_ended(self, job: ImportJob, run: _Run, outcome: str) -> None:
        if run.stage is None:
            return
        self._metrics.stage_took(run.stage, time.perf_counter() - run.stage_began)
        stage = run.stage.wire
        _say(job, f"{stage} {outcome}", stage=stage, ms=_ms(run.stage_began), outcome=outcome)
        run.stage = None


def _ms(began: float) -> float:
    return round((time.perf_counter() - began) * 1000, 1)


def _say(job: ImportJob, words: str, **fields: Any) -> None:
    line = {"importId": job.import_id, "tenant": job.tenant_id, "mode": job.mode.value, **fields}
    _log.info("%s %s", job.import_id, words, extra={"fields": line})
