"""Listening: a socket of our own, uvicorn on it, and an orderly end on SIGTERM and Ctrl-C."""

from __future__ import annotations

import asyncio
import signal
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass

import uvicorn
from starlette.applications import Starlette

from server.app import create_app, create_watched_app
from server.control import taking_commands
from server.jobs import Rhythm, Worker
from server.patience import Pace, patient
from server.patient_sockets import PatientSocket
from server.runtime import Runtime, running
from server.settings import Role, Settings, SettingsError

FAREWELL_SECONDS = 10
_ENDING = (signal.SIGINT, signal.SIGTERM)
_BACKLOG = 2048


class Listener(uvicorn.Server):
    """uvicorn without its signal handlers: those would end the process before running imports were given back."""

    def __init__(self, config: uvicorn.Config, ending: asyncio.Event) -> None:
        super().__init__(config)
        self.is_listening = asyncio.Event()
        self._ending = ending

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=sockets)
        self.is_listening.set()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._ending.set()
        await super().shutdown(sockets=sockets)
        if self.force_exit:
            # uvicorn leaves the application out, and it would end with a traceback when the loop does
            await self.lifespan.shutdown()


@dataclass(frozen=True, slots=True)
class Serving:
    """A server that answers. ``ended`` is done when it no longer does."""

    runtime: Runtime
    url: str
    listener: Listener
    ended: asyncio.Task[None]

    def stop(self) -> None:
        """Finish what is being answered, then end; asked twice, end at once."""
        self.listener.handle_exit(signal.SIGINT, None)


def bind(settings: Settings) -> socket.socket:
    """The socket to serve on. Raises :class:`SettingsError` when the address cannot be had."""
    return _bound(settings.host, settings.port, named="INSTALLHUB_PORT")


def _bound(host: str, port: int, *, named: str) -> socket.socket:
    try:
        return _listening(socket.AF_INET6 if ":" in host else socket.AF_INET, host, port)
    except OSError as error:
        text = f"INSTALLHUB_HOST, {named}: cannot listen on {host} port {port}: {error.strerror}"
        raise SettingsError(text) from error


def _listening(family: socket.AddressFamily, host: str, port: int) -> socket.socket:
    # with the protocol named: event loops send small answers at once only on what says that it is TCP
    bound = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((host, port))
        bound.listen(_BACKLOG)
    except OSError:
        bound.close()
        raise
    return bound


@asynccontextmanager
async def serving(settings: Settings, bound: socket.socket) -> AsyncIterator[Serving]:
    """A server on a bound socket, running imports too unless its role says otherwise; stopped when left."""
    async with AsyncExitStack() as opened:
        opened.enter_context(bound)
        runtime = await opened.enter_async_context(running(settings))
        if settings.role is not Role.WEB:
            await opened.enter_async_context(_working(runtime))
        await opened.enter_async_context(taking_commands(runtime))
        listener = _listener(runtime, create_app(runtime))
        ended = await opened.enter_async_context(_listening_on(bound, listener))
        yield Serving(runtime, _address(bound), listener, ended)


async def work(settings: Settings) -> None:
    """Run imports until the process is asked to end, watched over at a port of its own if the settings name one."""
    asked = asyncio.Event()
    on_ending(asked.set)
    async with AsyncExitStack() as opened:
        bound = None
        if settings.worker_port:
            bound = _bound(settings.host, settings.worker_port, named="INSTALLHUB_WORKER_PORT")
            opened.enter_context(bound)
        runtime = await opened.enter_async_context(running(settings))
        await opened.enter_async_context(_working(runtime))
        await opened.enter_async_context(taking_commands(runtime))
        if bound is not None:
            listener = _listener(runtime, create_watched_app(runtime))
            await opened.enter_async_context(_listening_on(bound, listener))
        await asked.wait()


def on_ending(ask: Callable[[], None]) -> None:
    """Call this when somebody presses Ctrl-C or the system wants the process to end."""
    for ending in _ENDING:
        asyncio.get_running_loop().add_signal_handler(ending, ask)


@asynccontextmanager
async def _listening_on(bound: socket.socket, listener: Listener) -> AsyncIterator[asyncio.Task[None]]:
    """Answer until left. What is given is done when nobody answers any more."""
    ended = asyncio.create_task(listener.serve(sockets=[bound]))
    is_listening = asyncio.create_task(listener.is_listening.wait())
    try:
        await asyncio.wait([ended, is_listening], return_when=asyncio.FIRST_COMPLETED)
        yield ended
    finally:
        is_listening.cancel()
        listener.should_exit = True
        await ended


@asynccontextmanager
async def _working(runtime: Runtime) -> AsyncIterator[None]:
    rhythm = Rhythm.of_lease(runtime.settings.lease_seconds)
    worker = Worker(runtime, places=runtime.settings.workers, rhythm=rhythm)
    async with worker.working(is_alone=runtime.is_alone):
        yield


def _listener(runtime: Runtime, app: Starlette) -> Listener:
    limits = runtime.settings.limits
    return Listener(
        uvicorn.Config(
            app,
            http=patient(Pace(head=limits.header_seconds, answer=limits.answer_seconds)),
            lifespan="on",
            ws=PatientSocket,
            ws_max_size=runtime.settings.socket_message_kb << 10,
            # messages are a few hundred bytes: deflating each for each watcher costs as much as sending it
            ws_per_message_deflate=False,
            timeout_graceful_shutdown=FAREWELL_SECONDS,
            server_header=False,
            access_log=False,
            log_config=None,
            proxy_headers=False,
        ),
        runtime.ending,
    )


def _address(bound: socket.socket) -> str:
    """What to type into a browser."""
    host, port = bound.getsockname()[:2]
    shown = {"0.0.0.0": "127.0.0.1", "::": "[::1]", "::1": "[::1]"}.get(host, host)  # noqa: S104 - read, not listened on
    return f"http://{shown}:{port}"
