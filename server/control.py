"""A way in for the command line while a server has the SQLite file to itself: a socket in the data folder.

Only the owner of the folder can open it, and who owns the folder could do all this with the server stopped. One
line of JSON goes in, one comes out.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from functools import partial
from pathlib import Path

from domain.errors import Refusal
from domain.ports import UnavailableError
from server.commands import COMMANDS, Arguments, told
from server.runtime import Runtime

_NAME = "control.sock"
_PATIENCE_SECONDS = 300
_LINE_BYTES = 1 << 20


class CommandRefusedError(Exception):
    """The server that was asked said no; the message says why."""


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
        async with await asyncio.start_unix_server(partial(_answer, runtime), sock=listener, limit=_LINE_BYTES):
            try:
                yield
            finally:
                place.unlink(missing_ok=True)


async def _answer(runtime: Runtime, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        asked = json.loads(await reader.readline())
        answer = {"lines": await COMMANDS[asked["command"]](runtime, asked["given"])}
    except Refusal as refusal:
        answer = {"refused": told(refusal)}
    except UnavailableError as trouble:
        answer = {"refused": [str(trouble)]}
    with suppress(ConnectionError):
        writer.write(json.dumps(answer).encode() + b"\n")
        await writer.drain()
        writer.close()
        await writer.wait_closed()


def asked_of_server(data: Path, command: str, given: Arguments) -> list[str] | None:
    """The lines of a command carried out by the server that uses this folder; ``None`` when there is none.

    Raises :class:`CommandRefusedError`.
    """
    try:
        with _reachable(data / _NAME) as address, socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as caller:
            caller.connect(address)
            caller.settimeout(_PATIENCE_SECONDS)
            caller.sendall(json.dumps({"command": command, "given": given}).encode() + b"\n")
            line = caller.makefile("rb").readline()
    except (FileNotFoundError, ConnectionRefusedError):
        return None
    except OSError as error:
        raise CommandRefusedError(f"the server that uses {data} does not answer: {error}") from error
    if not line:
        raise CommandRefusedError("the server ended before it answered; its log says why")
    answer = json.loads(line)
    if "refused" in answer:
        raise CommandRefusedError("\n".join(answer["refused"]))
    return list(answer["lines"])


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
