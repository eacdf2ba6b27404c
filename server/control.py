"""A way in for the command line while a server has the SQLite file to itself: a socket in the data folder.

Only the owner of the folder can open it, and who owns the folder could do all this with the server stopped. One
line of JSON goes in; for each thing that the command tells one comes out, and at last one that says how it ended.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import socket
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import aclosing, asynccontextmanager, closing, contextmanager, suppress
from pathlib import Path
from typing import Any

from domain.errors import Refusal
from domain.ports import UnavailableError
from server.commands import COMMANDS
from server.errands import Arguments, CommandRefusedError, Errand, Said, told
from server.loading import local_caller, login
from server.runtime import Runtime

_NAME = "control.sock"
_LINE_BYTES = 1 << 20
_log = logging.getLogger(__name__)
_SILENCE = "the server ended before it answered; its log says why"


class _Control:
    """Answers the command line for one process. What is asked when the process ends is cut off."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._answers: set[asyncio.Task[None]] = set()

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        answering = asyncio.create_task(self._answer(reader, writer))
        self._answers.add(answering)
        try:
            await asyncio.wait([answering])
            if not answering.cancelled() and (bug := answering.exception()):
                _log.error("A command of this host met a bug", exc_info=bug)
        finally:
            self._answers.discard(answering)
            writer.close()

    async def close(self) -> None:
        for answering in self._answers:
            answering.cancel()
        if self._answers:
            await asyncio.wait(self._answers)

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked = json.loads(await reader.readline())
        telling = asyncio.create_task(self._tell(asked, writer))
        leaving = asyncio.create_task(reader.read(1))  # whoever asked says nothing more, so this is their end
        try:
            await asyncio.wait([telling, leaving], return_when=asyncio.FIRST_COMPLETED)
            if telling.done():
                telling.result()
        finally:
            for task in (telling, leaving):
                task.cancel()
            await asyncio.wait([telling, leaving])

    async def _tell(self, asked: Mapping[str, Any], writer: asyncio.StreamWriter) -> None:
        errand = Errand(self._runtime, local_caller(asked["login"]), asked["given"], is_served=True)
        with suppress(ConnectionError):
            try:
                async with aclosing(COMMANDS[asked["command"]](errand)) as saying:
                    async for said in saying:
                        await _write(writer, said=said)
                await _write(writer, refused=None)
            except Refusal as refusal:
                await _write(writer, refused=told(refusal))
            except UnavailableError as trouble:
                await _write(writer, refused=[str(trouble)])


async def _write(writer: asyncio.StreamWriter, **line: Any) -> None:
    # one may hold a whole artifact
    writer.write(await asyncio.to_thread(_bytes_of, line))
    await writer.drain()


def _bytes_of(line: Mapping[str, Any]) -> bytes:
    return json.dumps(line).encode() + b"\n"


@asynccontextmanager
async def taking_commands(runtime: Runtime) -> AsyncIterator[None]:
    """Let the command line act through this process, where it could not reach the database itself."""
    if not runtime.is_alone:
        yield
        return
    place = runtime.settings.data / _NAME
    with _reachable(place) as address, socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        place.unlink(missing_ok=True)  # left by a process that was killed: we alone have the database now
        listener.bind(address)
        place.chmod(0o600)
        control = _Control(runtime)
        async with await asyncio.start_unix_server(control, sock=listener, limit=_LINE_BYTES):
            try:
                yield
            finally:
                place.unlink(missing_ok=True)
                await control.close()


def find_server(data: Path) -> socket.socket | None:
    """A way to the server that uses this folder; ``None`` when there is none. Raises :class:`CommandRefusedError`."""
    caller = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        with _reachable(data / _NAME) as address:
            caller.connect(address)
    except (FileNotFoundError, ConnectionRefusedError):
        caller.close()
        return None
    except OSError as error:
        caller.close()
        raise CommandRefusedError(f"the server that uses {data} does not answer: {error}") from error
    return caller


def told_by(server: socket.socket, command: str, given: Arguments) -> Iterator[Said]:
    """What a command tells that the server carries out, as it comes. Raises :class:`CommandRefusedError`."""
    with closing(server), server.makefile("rb") as lines:
        try:
            server.sendall(json.dumps({"command": command, "given": given, "login": login()}).encode() + b"\n")
            for line in lines:
                answer = json.loads(line)
                if "refused" not in answer:
                    yield answer["said"]
                elif answer["refused"] is None:
                    return
                else:
                    raise CommandRefusedError("\n".join(answer["refused"]))
        except ConnectionError as error:
            raise CommandRefusedError(_SILENCE) from error
        raise CommandRefusedError(_SILENCE)


@contextmanager
def _reachable(place: Path) -> Iterator[str]:
    """An address for the socket that is short enough: about 100 bytes is all there is room for."""
    if not Path("/proc/self/fd").is_dir():
        yield str(place)
        return
    folder = os.open(place.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{folder}/{place.name}"
    finally:
        os.close(folder)
