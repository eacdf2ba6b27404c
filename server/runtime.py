"""The world put together: ports on their engines, services over the ports (design: house, section 2; decisions R33)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy.engine import make_url

from domain.access import Authenticator, Caller
from domain.errors import ErrorCode, refuse
from domain.measures import Measures
from domain.ports import Bell, Clock, Ports, UnavailableError
from domain.scanning import put_in_force
from domain.services import Services, services
from server.answers import Moments
from server.auth import TokenAuthenticator, Trust
from server.domain_proof import DomainShows
from server.hub import HubIndex, lifetimes_of
from server.hub_client import RemoteHub, hub_place
from server.hub_desk import RemoteDesk, token_of
from server.hub_pages import RemotePages
from server.jwks import key_source
from server.keys import ensure_key_pair, public_keys_file
from server.mail import mailer_of
from server.metrics import Metrics
from server.observing import Onlooker
from server.outward import Outward
from server.scanner import scanner_of
from server.settings import Settings, SettingsError
from storage.bells import LocalBell, PostgresBell
from storage.blobs import FileBlobs
from storage.clock import SystemClock
from storage.engines import Engines
from storage.limiter import MemoryLimiter
from storage.lock import single_process_lock
from storage.migrate import migrate
from storage.s3_blobs import S3Blobs
from storage.s3_place import s3_place
from storage.snapshots import Snapshots
from storage.store import SqlStore
from storage.valkey import SharedLimiter
from storage.valkey_place import valkey_place

#: threads for files, besides one for each running import's CPU work
_FILE_THREADS = 4
_ANSWER_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Runtime:
    """One process of the server, ready to work. ``is_alone``: no other process can use the database meanwhile."""

    settings: Settings
    ports: Ports
    services: Services
    authenticate: Authenticator
    is_alone: bool
    metrics: Metrics
    onlooker: Onlooker
    #: how long what was read stays as it is; without it, nobody knows
    moments: Moments | None = None
    #: the hub that this installation is to others, unless it is a client of another's
    hub: HubIndex | None = None
    #: where processes count together; without it each counts for itself
    shared_limits: SharedLimiter | None = None
    #: set when the process begins to stop: what would stay open for long lets go
    ending: asyncio.Event = field(default_factory=asyncio.Event)

    async def missing(self) -> list[str]:
        """What does not answer at once, of all that nothing can be done without."""
        asked = {"database": self._demand_database(), "blobs": self.ports.blobs.demand_answer()}
        answers = await asyncio.gather(*(_in_time(demand) for demand in asked.values()))
        return [name for name, is_there in zip(asked, answers, strict=True) if not is_there]

    async def degraded(self) -> list[str]:
        """What does not answer, of all that has a substitute."""
        return ["limits"] if self.shared_limits is not None and not await self.shared_limits.is_shared() else []

    async def _demand_database(self) -> None:
        async with self.ports.store.platform_view() as unit:
            await unit.tenants.find("")

    async def measured(self) -> Measures:
        """What waits in the installation. Raises ``UnavailableError`` or ``TimeoutError`` likewise."""
        async with asyncio.timeout(_ANSWER_SECONDS), self.ports.store.platform_view() as unit:
            return await unit.measures.now()


@asynccontextmanager
async def running(settings: Settings) -> AsyncIterator[Runtime]:
    """Bring the database up to date, open everything, and close it afterwards.

    Raises :class:`SettingsError`, and ``UnavailableError`` when the database cannot be reached or is in use.
    """
    # first of all, because what is made later, the keys too, must not widen it
    settings.data.mkdir(parents=True, exist_ok=True, mode=0o700)
    clock = SystemClock()
    authenticate = authenticator(settings, clock)
    place, token = hub_place(settings), token_of(settings)
    put_in_force(scanner_of(settings))
    threads = ThreadPoolExecutor(settings.workers + _FILE_THREADS, thread_name_prefix="installhub")
    asyncio.get_running_loop().set_default_executor(threads)
    async with AsyncExitStack() as opened:
        opened.enter_context(alone(settings))
        await migrate(settings.database)
        bell = await _bell(settings, opened)
        store = SqlStore(Engines.open(settings.database), bell, clock)
        opened.push_async_callback(store.aclose)
        blobs = _blobs(settings)
        await blobs.sweep_temporary()
        shared = _shared_limits(settings, opened)
        outward = Outward(settings.allow_private_addresses)
        opened.push_async_callback(outward.aclose)
        hub = RemoteHub(place, outward, store, clock) if place else None
        if hub is not None:
            opened.push_async_callback(hub.aclose)
        ports = Ports(
            *(store, blobs, bell, shared or MemoryLimiter(), clock),
            mailer=mailer_of(settings),
            outward=outward,
            hub=hub,
            hub_pages=RemotePages(place.url, outward) if place else None,
            hub_desk=RemoteDesk(place.url, token, outward) if place and token else None,
            proof=DomainShows(outward),
            courtesy=store.courtesy,
        )
        metrics = Metrics()
        if shared is not None:
            metrics.watch_limits(shared)
        onlooker = Onlooker(metrics, clock)
        yield Runtime(
            settings=settings,
            ports=ports,
            services=services(ports, settings.installation, onlooker),
            authenticate=authenticate,
            is_alone=settings.sqlite_file is not None,
            metrics=metrics,
            onlooker=onlooker,
            moments=store.changes if settings.sqlite_file is not None else _snapshots(settings, opened),
            hub=None if place else HubIndex(store, clock, lifetimes_of(settings)),
            shared_limits=shared,
        )


@contextmanager
def alone(settings: Settings) -> Iterator[None]:
    """Every other process is kept from the database, where that is a file. Raises ``UnavailableError``: one has it."""
    if settings.sqlite_file is None:
        yield
        return
    settings.sqlite_file.parent.mkdir(parents=True, exist_ok=True)
    with single_process_lock(settings.sqlite_file):
        yield


def authenticator(settings: Settings, clock: Clock) -> Authenticator:
    """Who checks tokens here. Raises :class:`SettingsError` when nobody could."""
    if settings.dev and not settings.is_local:
        raise SettingsError(
            f"INSTALLHUB_HOST: development keys are for this machine alone, and {settings.host} is a public address"
        )
    if settings.dev and not settings.jwks:
        ensure_key_pair(settings.keys_folder)
    place = settings.jwks or (str(public_keys_file(settings.keys_folder)) if settings.dev else "")
    if not place:
        return _nobody
    if not settings.token_issuer:
        raise SettingsError("INSTALLHUB_ISSUER: name the issuer whose tokens INSTALLHUB_JWKS checks")
    if "://" not in place and not Path(place).is_file():
        raise SettingsError(f"INSTALLHUB_JWKS: there is no file {place}")
    try:
        source = key_source(place)
    except ValueError as error:
        raise SettingsError(f"INSTALLHUB_JWKS: {error}") from error
    return TokenAuthenticator(source, Trust(settings.token_issuer, settings.audience), clock)


async def _nobody(authorization: str | None) -> Caller:  # noqa: ARG001 - whatever is sent
    """A worker and the command line have no callers, so they need no keys."""
    raise refuse(ErrorCode.SERVICE_UNAVAILABLE, "This process has no keys to check tokens with.")


async def _in_time(demand: Coroutine[Any, Any, None]) -> bool:
    try:
        async with asyncio.timeout(_ANSWER_SECONDS):
            await demand
    except (UnavailableError, TimeoutError):
        return False
    return True


def _blobs(settings: Settings) -> FileBlobs | S3Blobs:
    scratch, folder = settings.data / "scratch", settings.blobs_folder
    return S3Blobs(s3_place(settings.blobs_url), scratch) if folder is None else FileBlobs(folder, scratch)


def _shared_limits(settings: Settings, opened: AsyncExitStack) -> SharedLimiter | None:
    if not settings.limiter_url or settings.limiter_url == "memory:":
        return None
    limiter = SharedLimiter(valkey_place(settings.limiter_url))
    opened.push_async_callback(limiter.aclose)
    return limiter


def _snapshots(settings: Settings, opened: AsyncExitStack) -> Snapshots:
    snapshots = Snapshots(_direct(settings))
    opened.push_async_callback(snapshots.aclose)
    return snapshots


def _direct(settings: Settings) -> str:
    """The address of PostgreSQL, as its driver takes it."""
    return make_url(settings.database).set(drivername="postgresql").render_as_string(hide_password=False)


async def _bell(settings: Settings, opened: AsyncExitStack) -> Bell:
    if settings.sqlite_file is not None:
        return LocalBell()
    bell = PostgresBell(_direct(settings))
    opened.push_async_callback(bell.aclose)
    await bell.start()
    return bell
