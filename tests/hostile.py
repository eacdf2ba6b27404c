"""A web server on this machine that sends whatever bytes a test wants, and keeps what it was asked."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from tests.listening import listening

#: writes an answer, byte by byte as it likes; the request's head is given
Play = Callable[[asyncio.StreamWriter, str], Awaitable[None]]


@dataclass(slots=True)
class Hostile:
    """The server's address, what it answers by path, and the heads of the requests that came."""

    url: str
    answers: dict[str, bytes | Play]
    requests: list[str] = field(default_factory=list)

    @property
    def port(self) -> str:
        return self.url.rpartition(":")[2]

    @property
    def paths(self) -> list[str]:
        return [head.split()[1] for head in self.requests]


def page(
    body: bytes, *, status: str = "200 OK", headers: Mapping[str, str] | None = None, length: int | None = None
) -> bytes:
    """A whole answer; ``length`` is what it says of itself, -1 to say nothing."""
    said = {"Content-Length": str(len(body) if length is None else length)} if length != -1 else {}
    lines = [f"HTTP/1.1 {status}", *(f"{name}: {value}" for name, value in {**said, **(headers or {})}.items())]
    return "\r\n".join([*lines, "Connection: close", "", ""]).encode() + body


def redirect(place: str) -> bytes:
    return page(b"", status="302 Found", headers={"Location": place})


async def silence(writer: asyncio.StreamWriter, head: str) -> None:
    """Say nothing for ever."""
    await asyncio.Event().wait()


async def endless(writer: asyncio.StreamWriter, head: str) -> None:
    """Send bytes as long as somebody takes them."""
    writer.write(page(b"", length=-1))
    while True:
        writer.write(b" " * (64 << 10))
        await writer.drain()


@asynccontextmanager
async def a_hostile(
    answers: Mapping[str, bytes | Play] | None = None,
    *,
    tls: ssl.SSLContext | None = None,
    otherwise: bytes | Play = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
) -> AsyncIterator[Hostile]:
    """Serve on a free loopback port; paths without an answer of their own have the same one, usually 404."""

    async def answered(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            made.requests.append(head)
            answer = made.answers.get(head.split()[1], otherwise)
            if isinstance(answer, bytes):
                writer.write(answer)
            else:
                await answer(writer, head)
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async with listening(answered, tls=tls) as port:
        made = Hostile(f"http://127.0.0.1:{port}", dict(answers or {}))
        yield made
