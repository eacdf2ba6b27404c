"""``GET /metrics``: what this process counts, and what waits in the whole installation (decisions R40).

Nothing is labelled with a tenant, a user, an artifact or an id, so the number of lines is bounded.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable, Iterator
from datetime import datetime
from functools import cache

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    generate_latest,
)
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from starlette.requests import Request
from starlette.responses import Response

from domain.errors import ErrorCode, refuse
from domain.import_model import ImportState, Stage
from domain.measures import Measures
from domain.notices.model import DeliveryState, NoticeKind
from domain.observing import Scanned
from domain.ports import UnavailableError
from domain.scanning import ScanResult
from server.logs import DROPPED
from server.settings import Settings, is_loopback
from storage.valkey import SharedLimiter

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "WS"})
_OTHER, _NO_ROUTE, _NO_STAGE = "other", "none", "none"
_REQUEST_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)
_STAGE_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120)
_LAG_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
#: a proxy on this machine says for whom it asks
_OF_A_PROXY = ("forwarded", "x-forwarded-for", "x-real-ip", "via")


class Metrics:
    """Counts of one process, in a registry of its own."""

    def __init__(self) -> None:
        self.registry = own = CollectorRegistry()
        own.register(DROPPED)
        ProcessCollector(registry=own)
        self._requests = Counter(
            "installhub_requests",
            "Requests by route template and status; status 0: the caller left before an answer.",
            ("method", "route", "status"),
            registry=own,
        )
        self._request_seconds = Histogram(
            "installhub_request_seconds",
            "Seconds of answered requests; streams and sockets stay open and are not among them.",
            ("route",),
            buckets=_REQUEST_SECONDS,
            registry=own,
        )
        # the same few again and again: the library takes longer to look for one than to count
        self._counter_of = cache(self._requests.labels)
        self._seconds_of = cache(self._request_seconds.labels)
        self._sockets = Gauge("installhub_open_sockets", "WebSocket connections open now.", registry=own)
        self._streams = Gauge("installhub_open_streams", "Event streams open now.", registry=own)
        self._imports = Counter(
            "installhub_imports_ended", "Imports whose end was brought about here.", ("state",), registry=own
        )
        self._stage_seconds = Histogram(
            "installhub_stage_seconds", "Seconds of a stage.", ("stage",), buckets=_STAGE_SECONDS, registry=own
        )
        self._takeovers = Counter(
            "installhub_lease_takeovers", "Imports begun again here after another attempt stopped.", registry=own
        )
        self._messages = Counter(
            "installhub_messages_relayed", "Messages of the outbox that were relayed here.", ("kind",), registry=own
        )
        self._mails = Counter(
            "installhub_mails", "Attempts to send a mail; WAITING: there will be another.", ("state",), registry=own
        )
        self._deliveries = Counter(
            "installhub_webhook_deliveries",
            "Attempts to tell a webhook; WAITING: there will be another.",
            ("state",),
            registry=own,
        )
        self._lag = Histogram(
            "installhub_event_lag_seconds",
            "Seconds from the writing of an event until a watcher here is given it.",
            buckets=_LAG_SECONDS,
            registry=own,
        )

        self._scans = Counter(
            "installhub_scans", "Security scans by what was scanned and how they ended.", ("of", "result"), registry=own
        )
        self._scan_seconds = Histogram(
            "installhub_scan_seconds", "Seconds of a scan.", ("of",), buckets=_STAGE_SECONDS, registry=own
        )

    def watch_limits(self, limits: SharedLimiter) -> None:
        """Tell whether processes count together, where they are meant to."""
        text = "1 while all processes count together, 0 while this one counts for itself."
        gauge = Gauge("installhub_limits_shared", text, registry=self.registry)
        gauge.set_function(lambda: float(not limits.is_away))

    def answered(self, method: str, route: str, status: int, seconds: float | None) -> None:
        """A request is over; ``seconds`` is ``None`` where it was open for as long as its caller liked."""
        shown = method if method in _METHODS else _OTHER
        self._counter_of(shown, route or _NO_ROUTE, str(status)).inc()
        if seconds is not None:
            self._seconds_of(route or _NO_ROUTE).observe(seconds)

    def opened(self, *, is_socket: bool) -> None:
        (self._sockets if is_socket else self._streams).inc()

    def closed(self, *, is_socket: bool) -> None:
        (self._sockets if is_socket else self._streams).dec()

    def ended(self, state: ImportState) -> None:
        self._imports.labels(state.value).inc()

    def stage_took(self, stage: Stage, seconds: float) -> None:
        self._stage_seconds.labels(stage.wire).observe(seconds)

    def taken_over(self) -> None:
        self._takeovers.inc()

    def relayed(self, kind: NoticeKind) -> None:
        self._messages.labels(kind.wire).inc()

    def mailed(self, state: DeliveryState) -> None:
        self._mails.labels(state.name).inc()

    def delivered(self, state: DeliveryState) -> None:
        self._deliveries.labels(state.name).inc()

    def scanned(self, what: Scanned, result: ScanResult, seconds: float) -> None:
        """A package was scanned; ``seconds`` of the scan alone."""
        self._scans.labels(what.value, result.value.lower()).inc()
        self._scan_seconds.labels(what.value).observe(seconds)

    def passed_on(self, lag: float) -> None:
        self._lag.observe(max(lag, 0.0))


class Waiting(Collector):
    """What waits in the installation, as one look at the database found it; without a look, only that it failed."""

    def __init__(self, found: Measures | None, now: datetime) -> None:
        self._found = found
        self._now = now

    def collect(self) -> Iterator[Metric]:
        yield _gauge("database_up", "1 when the database answered.", [((), float(self._found is not None))])
        if self._found is not None:
            yield from self._waiting(self._found)

    def _waiting(self, found: Measures) -> Iterator[Metric]:
        opened = [
            ((state.value, stage.wire if stage else _NO_STAGE), float(count))
            for (state, stage), count in found.open_imports.items()
        ]
        queued = sum(count for (state, _), count in found.open_imports.items() if state is ImportState.QUEUED)
        age = (self._now - found.queued_since).total_seconds() if found.queued_since else 0.0
        yield _gauge("open_imports", "Imports that have not ended.", opened, labels=("state", "stage"))
        yield _gauge("queued_imports", "Imports that wait for a worker.", [((), float(queued))])
        yield _gauge("queue_age_seconds", "How long the first of them waits.", [((), max(age, 0.0))])
        yield _gauge("outbox_messages", "Messages that wait to be sent, up to 10,000.", [((), float(found.outbox))])
        waits = (self._now - found.outbox_since).total_seconds() if found.outbox_since else 0.0
        yield _gauge("outbox_age_seconds", "How long the first of them waits.", [((), max(waits, 0.0))])
        yield _gauge("uploads", "Uploads that are kept.", [((), float(found.uploads))])
        yield _gauge("upload_bytes", "Bytes of the uploads that are kept.", [((), float(found.upload_bytes))])


class _Page(Collector):
    """Both together, without the lines that say when each count began: they are as many again."""

    def __init__(self, counted: CollectorRegistry, waiting: Waiting) -> None:
        self._parts = (counted, waiting)

    def collect(self) -> Iterator[Metric]:
        for part in self._parts:
            for metric in part.collect():
                metric.samples = [sample for sample in metric.samples if not sample.name.endswith("_created")]
                yield metric


def _gauge(
    name: str, meaning: str, values: Iterable[tuple[tuple[str, ...], float]], *, labels: tuple[str, ...] = ()
) -> GaugeMetricFamily:
    family = GaugeMetricFamily(f"installhub_{name}", meaning, labels=labels)
    for labelled, value in values:
        family.add_metric(labelled, value)
    return family


async def metrics_page(request: Request) -> Response:
    """The page that a Prometheus server reads."""
    runtime = request.state.runtime
    _refuse_stranger(request, runtime.settings)
    try:
        found: Measures | None = await runtime.measured()
    except (UnavailableError, TimeoutError):
        found = None
    page = generate_latest(_Page(runtime.metrics.registry, Waiting(found, runtime.ports.clock.now())))
    return Response(page, headers={"Content-Type": CONTENT_TYPE_LATEST, "Cache-Control": "no-store"})


def _refuse_stranger(request: Request, settings: Settings) -> None:
    """With a token, whoever has it may read; without one, callers on this machine, and no proxy for somebody else."""
    if settings.metrics_token:
        scheme, _, given = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not hmac.compare_digest(given.encode(), settings.metrics_token.encode()):
            text = "The measures are read with the token that INSTALLHUB_METRICS_TOKEN says."
            raise refuse(ErrorCode.UNAUTHENTICATED, text, reason="This is not the token of the measures.")
        return
    host = request.client.host.removeprefix("::ffff:") if request.client else ""
    if not is_loopback(host) or any(name in request.headers for name in _OF_A_PROXY):
        raise refuse(ErrorCode.NOT_FOUND, "There is nothing at this path.")
