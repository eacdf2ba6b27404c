"""Clients that do next to nothing with what they get, so that the servers are what is measured."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import cast

_TEXT, _PING, _PONG, _FINAL, _MASKED = 0x1, 0x9, 0xA, 0x80, 0x80
_SHORT, _MEDIUM = 125, 126


class Counting(asyncio.Protocol):
    """A WebSocket that counts the text messages it gets, and looks into none of them."""

    def __init__(self) -> None:
        self.count = 0
        self._unread = bytearray()
        self._is_open = False
        self._awaited: list[tuple[int, asyncio.Future[None]]] = []
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self._unread += data
        if not self._is_open:
            head, end, rest = self._unread.partition(b"\r\n\r\n")
            if not end:
                return
            if b" 101 " not in head.split(b"\r\n")[0]:
                raise RuntimeError(bytes(head))
            self._is_open, self._unread = True, rest
        self._take_frames()
        for least, future in self._awaited:
            if self.count >= least and not future.done():
                future.set_result(None)

    def connection_lost(self, exc: Exception | None) -> None:
        for _, future in self._awaited:
            if not future.done():
                future.set_exception(ConnectionError(f"closed after {self.count} messages: {exc}"))

    def _take_frames(self) -> None:
        begin, unread = 0, self._unread
        while len(unread) >= begin + 2:
            length, head = unread[begin + 1], 2
            if length == _MEDIUM:
                # read wrong while some of it is still to come, but then so is the rest
                length, head = int.from_bytes(unread[begin + 2 : begin + 4]), 4
            elif length > _MEDIUM:
                raise RuntimeError("a message is longer than any that is expected here")
            if len(unread) < begin + head + length:
                break
            self.count += unread[begin] == _FINAL | _TEXT
            if unread[begin] == _FINAL | _PING:
                payload = bytes(unread[begin + head : begin + head + length])
                self._write(bytes([_FINAL | _PONG, _MASKED | length]) + bytes(4) + payload)
            begin += head + length
        del unread[:begin]

    async def heard(self, least: int) -> None:
        """Wait until so many messages came, since the beginning."""
        if self.count < least:
            future = asyncio.get_running_loop().create_future()
            self._awaited.append((least, future))
            await future

    def say(self, message: Mapping[str, object]) -> None:
        """Send a message, masked with zeros, which change nothing."""
        text = json.dumps(message).encode()
        size = bytes([_MASKED | len(text)]) if len(text) <= _SHORT else b"\xfe" + len(text).to_bytes(2)
        self._write(bytes([_FINAL | _TEXT]) + size + bytes(4) + text)

    def ask_for_socket(self, path: str, protocol: str) -> None:
        """Send the request that opens the socket."""
        lines = [f"GET {path} HTTP/1.1", "Host: bench", "Upgrade: websocket", "Connection: Upgrade"]
        lines += ["Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Version: 13"]
        lines += [f"Sec-WebSocket-Protocol: {protocol}"] if protocol else []
        self._write("\r\n".join([*lines, "", ""]).encode())

    def close(self) -> None:
        """Go away without a word."""
        if self._transport is not None:
            self._transport.abort()

    def _write(self, data: bytes) -> None:
        if self._transport is None:
            raise RuntimeError("there is no connection")
        self._transport.write(data)


async def a_counting_socket(port: int, path: str, protocol: str = "") -> Counting:
    """Open a socket to a server on this machine."""
    _, opened = await asyncio.get_running_loop().create_connection(Counting, "127.0.0.1", port)
    opened.ask_for_socket(path, protocol)
    return opened


class Asking(asyncio.Protocol):
    """A connection that sends the same request again and again, each when the one before is answered with 200."""

    def __init__(self, request: bytes, times: int) -> None:
        self._request = request
        self._left = times
        self._unread = bytearray()
        self._transport: asyncio.Transport | None = None
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        #: the last answer's
        self.body = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        self._unread += data
        head, end, rest = self._unread.partition(b"\r\n\r\n")
        if not end or self._transport is None:
            return
        length = int(head.lower().partition(b"content-length:")[2].partition(b"\r")[0])
        if len(rest) < length:
            return
        self._left -= 1
        if not head.startswith(b"HTTP/1.1 200 "):
            self.done.set_exception(RuntimeError(bytes(self._unread)))
        elif self._left:
            self._unread.clear()
            self._transport.write(self._request)
            return
        else:
            self.body = bytes(rest)
            self.done.set_result(None)
        self._transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.done.done():
            self.done.set_exception(ConnectionError(f"closed: {exc}"))


async def asked(port: int, request: bytes, *, connections: int, times: int) -> bytes:
    """Send a request ``times`` times over each of so many connections; gives one of the answers' bodies."""
    loop = asyncio.get_running_loop()
    opened = [
        (await loop.create_connection(lambda: Asking(request, times), "127.0.0.1", port))[1] for _ in range(connections)
    ]
    await asyncio.gather(*(one.done for one in opened))
    return opened[0].body


def a_post(path: str, body: bytes, headers: Mapping[str, str]) -> bytes:
    """A request as bytes."""
    stated = {"Host": "bench", "Content-Type": "application/json", "Content-Length": str(len(body)), **headers}
    lines = [f"POST {path} HTTP/1.1", *(f"{name}: {value}" for name, value in stated.items())]
    return "\r\n".join([*lines, "", ""]).encode() + body
