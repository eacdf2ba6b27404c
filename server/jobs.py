"""The worker: claims import jobs, runs them, keeps their leases, and repairs what dead workers left behind.

Woken by the bell; looks by itself now and then, because bells may be lost. The fence in the database, not this
file, keeps two workers from writing one job (design: stack, section 1; ADR 0005; decisions R12).
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from functools import partial, update_wrapper
from typing import Any

import uuid_utils

from domain.import_model import ImportJob, ImportState
from domain.market.publishing_rows import LISTINGS, SUBMISSIONS
from domain.market.remote_rows import HUB_REPORTS
from domain.ports import JOBS, OUTBOX, POST, Bell, LeaseLostError, Turn, UnavailableError
from server.runtime import Runtime
from server.sending import Due, Sending

_GOING_ON = {ImportState.QUEUED, ImportState.RUNNING}
_log = logging.getLogger(__name__)
#: a lease given back ended this long ago, so that any clock of the database agrees
_GIVEN_BACK = -1.0
#: so many mails, and messages to webhooks, are on their way at the same time: more than the webhooks of one tenant
_MAILERS, _MESSENGERS = 2, 8


@dataclass(frozen=True, slots=True)
class Rhythm:
    """How often, in seconds (design: stack, section 1)."""

    lease: float = 30.0
    renewal: float = 10.0
    #: looks for jobs and lost leases even if no bell rang
    look: float = 5.0
    #: what is told to people may wait so long for more of its kind: writing it takes turns with imports
    gather: float = 0.25
    sweep: float = 60.0
    #: goes through all stored bytes
    tidy: float = 3600.0
    #: after trouble with the database
    pause: float = 1.0
    #: for running jobs to let go when the process stops
    farewell: float = 8.0

    @classmethod
    def of_lease(cls, seconds: float) -> Rhythm:
        """The usual rhythm for a lease of so many seconds."""
        return cls(lease=seconds, renewal=seconds / 3)


class Worker:
    """Runs imports of this process, at most ``places`` at the same time."""

    def __init__(self, runtime: Runtime, *, places: int = 4, rhythm: Rhythm | None = None) -> None:
        self._services = runtime.services
        self._store = runtime.ports.store
        self._bell = runtime.ports.bell
        self._onlooker = runtime.onlooker
        self._hub = runtime.hub
        self._places = places
        self._rhythm = rhythm or Rhythm()
        self._owner = f"{socket.gethostname()}/{os.getpid()}/{uuid_utils.uuid7().hex[-8:]}"
        self._runs: dict[asyncio.Task[None], ImportJob] = {}

    @asynccontextmanager
    async def working(self, *, is_alone: bool = False) -> AsyncIterator[None]:
        """Work until left; then give running jobs back, to be begun again by whoever comes next.

        ``is_alone``: no other process can be alive, so whatever runs in the database runs no more.
        """
        if is_alone:
            await self._services.upkeep.requeue_lost(all_running=True)
            await self._services.post.take_back()
            await self._services.reporting.take_back()
            await self._services.pipeline.release_all()
        upkeep, rhythm = self._services.upkeep, self._rhythm
        loops = [
            asyncio.create_task(self._claim_on()),
            asyncio.create_task(_again_and_again(upkeep.requeue_lost, rhythm.look)),
            asyncio.create_task(_again_and_again(upkeep.expire_waiting, rhythm.sweep)),
            asyncio.create_task(_again_and_again(upkeep.remind_waiting, rhythm.sweep)),
            asyncio.create_task(_again_and_again(upkeep.sweep_held, rhythm.sweep)),
            asyncio.create_task(_again_and_again(upkeep.forget_expired, rhythm.sweep)),
            asyncio.create_task(_again_and_again(upkeep.sweep_blobs, rhythm.tidy)),
            *self._telling(),
            *self._publishing(),
            *self._offering(),
            *self._caring(),
        ]
        try:
            yield
        finally:
            await _ended(loops)
            await self._let_go()

    def _telling(self) -> list[asyncio.Task[None]]:
        """Relay the outbox, and send what comes of it."""
        relay, post, rhythm = self._services.relay.empty, self._services.post, self._rhythm
        loops = (
            _when_it_rings(self._bell, OUTBOX, relay, rhythm.look, gather=rhythm.gather),
            self._sending(post.mails_due, post.send_mails, places=_MAILERS),
            self._sending(post.webhooks_due, post.tell_webhooks, places=_MESSENGERS),
            _again_and_again(post.tidy, rhythm.sweep),
        )
        return [asyncio.create_task(loop) for loop in loops]

    async def _sending(self, due: Due, send: Callable[[], Awaitable[int]], *, places: int) -> None:
        async with asyncio.TaskGroup() as group:
            sending = Sending(group, due, partial(_tried, send), places=places)
            # called by the name of what it looks for, which the log shows
            look = update_wrapper(partial(sending.begin), due)
            await _when_it_rings(self._bell, POST, look, self._rhythm.look, gather=self._rhythm.gather)

    def _publishing(self) -> list[asyncio.Task[None]]:
        """Check what publishers submitted, and look at their domains now and then."""
        checks = _when_it_rings(self._bell, SUBMISSIONS, self._services.pipeline.check_waiting, self._rhythm.look)
        domains = _again_and_again(self._services.publishers.look_again, self._rhythm.tidy)
        return [asyncio.create_task(checks), asyncio.create_task(domains)]

    def _offering(self) -> list[asyncio.Task[None]]:
        """Keep the hub's index as what is offered is, and good for longer."""
        if self._hub is None:
            return self._asking()
        return [asyncio.create_task(_when_it_rings(self._bell, LISTINGS, self._hub.publish, self._rhythm.sweep))]

    def _asking(self) -> list[asyncio.Task[None]]:
        """Where the hub is elsewhere: tell it of installs, and tenants of what is new there."""
        reporting, news, rhythm = self._services.reporting, self._services.remote_news, self._rhythm
        telling = _when_it_rings(self._bell, HUB_REPORTS, reporting.tell_hub, rhythm.look, gather=rhythm.gather)
        loops = (telling, *(_again_and_again(repair, rhythm.sweep) for repair in (news.tell, reporting.tidy)))
        return [asyncio.create_task(loop) for loop in loops]

    def _caring(self) -> list[asyncio.Task[None]]:
        """Scan again what is offered or kept, at once where the rules changed, and let the rules of the market act."""
        care = self._services.curation
        scans = _again_and_again(care.rescanning.scan_due, self._rhythm.sweep)
        kept = _again_and_again(self._services.rescans.scan_due, self._rhythm.tidy)
        rules = _again_and_again(care.safeguarding.tend, self._rhythm.tidy)
        return [asyncio.create_task(loop) for loop in (scans, kept, rules)]

    async def _claim_on(self) -> None:
        async with self._bell.listen(JOBS) as rung:
            while True:
                try:
                    is_full = await self._filled()
                except Exception as trouble:  # noqa: BLE001 - whatever it is, a worker that stops claiming helps nobody
                    _log.error("No job can be claimed now: %s", trouble, exc_info=_bug_in(trouble))
                    await asyncio.sleep(self._rhythm.pause)
                    continue
                if is_full:
                    await asyncio.wait(self._runs, return_when=asyncio.FIRST_COMPLETED)
                else:
                    await rung.wait(self._rhythm.look)

    async def _filled(self) -> bool:
        """Begin jobs as long as there are free places and jobs that may run; whether all places are taken."""
        while len(self._runs) < self._places:
            async with self._store.platform_unit(turn=Turn.BRIEF) as unit:
                job = await unit.jobs.claim(self._owner, lease_seconds=self._rhythm.lease)
            if job is None:
                return False
            run = asyncio.create_task(self._run(job), name=job.import_id)
            self._runs[run] = job
            run.add_done_callback(self._runs.pop)
        return True

    async def _run(self, job: ImportJob) -> None:
        self._onlooker.begun(job)
        is_written = False
        run = asyncio.ensure_future(self._services.importer.run(job))
        keeper = asyncio.create_task(self._keep_lease(job, run))
        try:
            is_written = await self._came_to_an_end(job, run)
        except asyncio.CancelledError:
            await _ended([run])
            is_written = await self._has_stopped(job)
            raise
        finally:
            # told before anything is waited for: this worker may be stopping
            self._onlooker.ended(job, is_written=is_written)
            await _ended([keeper])

    async def _came_to_an_end(self, job: ImportJob, run: asyncio.Future[None]) -> bool:
        """Whether the end or the pause of this run is written down."""
        try:
            await run
        except LeaseLostError:
            _log.warning("%s was taken over by another worker", job.import_id, extra=_about(job))
            return False
        except UnavailableError as trouble:
            _log.warning("%s stops until its lease ends: %s", job.import_id, trouble, extra=_about(job))
            return False
        except Exception as bug:  # noqa: BLE001 - the outermost line: a bug ends one import, not the worker
            return await self._told(job, bug)
        return True

    async def _has_stopped(self, job: ImportJob) -> bool:
        """Whether the run of this claim came to its end or its pause: one may be written and not yet be known here."""
        with suppress(UnavailableError):
            async with self._store.view(job.tenant_id) as unit:
                now = await unit.imports.job(job.import_id)
            return now is not None and now.fence == job.fence and now.state not in _GOING_ON
        return False

    async def _told(self, job: ImportJob, bug: Exception) -> bool:
        """Write our bug down once, and end the import with the number under which it stands in the log.

        Whether the import could be ended.
        """
        correlation_id = str(uuid_utils.uuid7())
        _log.error("%s met a bug [%s]", job.import_id, correlation_id, exc_info=bug, extra=_about(job))
        try:
            await self._services.importer.failed_by_us(job, correlation_id)
        except Exception as trouble:  # noqa: BLE001 - the same
            text = "%s could not be ended: %s"
            _log.error(text, job.import_id, trouble, exc_info=_bug_in(trouble), extra=_about(job))
            return False
        return True

    async def _keep_lease(self, job: ImportJob, run: asyncio.Future[None]) -> None:
        """Renew in a task of its own, so that long work does not lose its job; stop work that lost it."""
        while True:
            await asyncio.sleep(self._rhythm.renewal)
            try:
                async with self._store.platform_unit(turn=Turn.BRIEF) as unit:
                    await unit.jobs.renew(job.import_id, job.fence, lease_seconds=self._rhythm.lease)
            except UnavailableError as trouble:
                _log.warning("The lease of %s could not be renewed: %s", job.import_id, trouble, extra=_about(job))
            except LeaseLostError:
                run.cancel()
                return

    async def _let_go(self) -> None:
        """Stop what runs and give it back at once, instead of leaving it to the end of its lease."""
        running = dict(self._runs)
        await _ended(list(running), within=self._rhythm.farewell)
        for job in running.values():
            with suppress(LeaseLostError, UnavailableError):
                async with self._store.platform_unit(turn=Turn.BRIEF) as unit:
                    await unit.jobs.renew(job.import_id, job.fence, lease_seconds=_GIVEN_BACK)
        if running:
            with suppress(UnavailableError):
                await self._services.upkeep.requeue_lost()


async def _again_and_again(repair: Callable[[], Awaitable[int]], seconds: float) -> None:
    while True:
        await _tried(repair)
        await asyncio.sleep(seconds)


async def _when_it_rings(
    bell: Bell, topic: str, repair: Callable[[], Awaitable[int]], seconds: float, *, gather: float = 0.0
) -> None:
    """At once, ``gather`` seconds after the bell rings, and now and then in case that it was not heard."""
    async with bell.listen(topic) as rung:
        while True:
            await _tried(repair)
            await rung.wait(seconds)
            await asyncio.sleep(gather)


async def _tried(repair: Callable[[], Awaitable[int]]) -> None:
    name = getattr(repair, "__name__", "a repair")
    try:
        await repair()
    except Exception as trouble:  # noqa: BLE001 - the outermost line: the next time may go well
        _log.error("%s could not be done: %s", name, trouble, exc_info=_bug_in(trouble))


def _about(job: ImportJob) -> dict[str, Any]:
    return {"fields": {"importId": job.import_id, "tenant": job.tenant_id}}


def _bug_in(trouble: Exception) -> Exception | None:
    """What deserves a stack trace in the log: a database that is away and a lost lease do not."""
    return None if isinstance(trouble, UnavailableError | LeaseLostError) else trouble


async def _ended(tasks: list[asyncio.Task[None]] | list[asyncio.Future[None]], *, within: float | None = None) -> None:
    """Cancel and wait. What a cancelled task still had to say is of no interest any more."""
    for task in tasks:
        task.cancel()
    if tasks:
        await asyncio.wait(tasks, timeout=within)
