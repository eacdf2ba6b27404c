"""GraphQL over WebSocket: ``graphql-transport-ws``, kept to the letter (design: graphql, section 4; decisions R37).

A message that is no message of the protocol ends the socket with 4400. A bad *operation* is answered with an error
and leaves the other operations of its socket alone.
"""

from __future__ import annotations

import asyncio
import hmac
import logging
from collections.abc import AsyncGenerator, Mapping
from typing import Any

import orjson
from graphql import GraphQLError
from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState
from strawberry.asgi import ASGIWebSocketAdapter
from strawberry.exceptions import ConnectionRejectionError
from strawberry.http.exceptions import NonJsonMessageReceived, NonTextMessageReceived, WebSocketDisconnected
from strawberry.subscriptions.protocols.graphql_transport_ws.handlers import BaseGraphQLTransportWSHandler
from strawberry.subscriptions.protocols.graphql_transport_ws.types import (
    ConnectionInitMessage,
    Message,
    PingMessage,
)

from domain import strict_json
from domain.access import Caller
from resolvers.context import Asker
from resolvers.sharing import sendable
from server.graphql_http import tenant_header

INVALID, FORBIDDEN = 4400, 4403
#: a close frame holds 125 bytes, two of them the code
_REASON_BYTES_MAX = 123
_ID_LENGTH_MAX = 128
_FORMS: Mapping[str, Mapping[str, type]] = {
    "connection_init": {},
    "ping": {},
    "pong": {},
    "subscribe": {"query": str, "operationName": str, "variables": dict, "extensions": dict},
    "complete": {},
}


class SocketAsker(Asker):
    """An asker who is known only after ``connection_init``."""

    def __init__(self, socket: WebSocket) -> None:
        self.services = socket.state.services
        self.tenant_header = None
        self.socket = socket
        self.connection_params: Mapping[str, object] = {}

    async def admit(self) -> None:
        """Find out who asks. Raises a refusal, or ``ConnectionRejectionError``."""
        named = [value for key, value in self.connection_params.items() if key.lower() == "authorization"]
        in_header = self.socket.headers.get("authorization")
        tokens = [*named, *([in_header] if in_header is not None else [])]
        if not named or not all(isinstance(token, str) and _is_same(token, named[0]) for token in tokens):
            raise ConnectionRejectionError
        self.caller: Caller = await self.socket.state.authenticate(named[0])
        self.tenant_header = tenant_header(self.socket.headers, self.caller)

    @property
    def seconds_left(self) -> float:
        """Until the token ends."""
        return (self.caller.expires_at - self.services.clock.now()).total_seconds()


class SocketAdapter(ASGIWebSocketAdapter):
    """Reads strictly, and never writes to a socket that is closed."""

    async def iter_json(
        self,
        *,
        ignore_parsing_errors: bool = False,  # noqa: ARG002 - for an older protocol
    ) -> AsyncGenerator[object, None]:
        while self.ws.application_state is not WebSocketState.DISCONNECTED:
            try:
                message = await self.ws.receive()
                self.ws._raise_on_disconnect(message)  # noqa: SLF001 - what its own readers do
            except WebSocketDisconnect:
                return
            text = message.get("text")
            if text is None:
                raise NonTextMessageReceived
            try:
                yield strict_json.read(text.encode())
            except (strict_json.NotStrict, UnicodeEncodeError) as flaw:
                raise NonJsonMessageReceived from flaw

    async def send_json(self, message: Mapping[str, object]) -> None:
        if self.ws.application_state is WebSocketState.DISCONNECTED:
            raise WebSocketDisconnected
        try:
            await self.ws.send_text(orjson.dumps(_sendable(message)).decode())
        except WebSocketDisconnect as gone:
            raise WebSocketDisconnected from gone

    async def close(self, code: int, reason: str) -> None:
        if self.ws.application_state is not WebSocketState.DISCONNECTED:
            await self.ws.close(code, reason.encode()[:_REASON_BYTES_MAX].decode(errors="ignore"))


class SocketHandler(BaseGraphQLTransportWSHandler[SocketAsker, None]):
    """One socket."""

    _expiry: asyncio.TimerHandle | None = None
    _last_words: asyncio.Task[None] | None = None

    @staticmethod
    def _get_pre_execution_close_reason(error: GraphQLError) -> str | None:  # noqa: ARG004 - the library's signature
        """No reason: an operation that cannot be parsed or found is answered like any other bad operation."""
        return None

    async def shutdown(self) -> None:
        if self._expiry is not None:
            self._expiry.cancel()
        await super().shutdown()

    async def handle_message(self, message: Message) -> None:
        flaw = _flaw(message)
        if flaw is None:
            await super().handle_message(message)
        else:
            await self.websocket.close(INVALID, flaw)

    async def handle_connection_init(self, message: ConnectionInitMessage) -> None:
        if message.get("payload") is None:
            message["payload"] = {}
        was_known = self.connection_acknowledged
        await super().handle_connection_init(message)
        if self.connection_acknowledged and not was_known:
            loop = asyncio.get_running_loop()
            self._expiry = loop.call_later(max(self.context.seconds_left, 0), self._expire)

    async def handle_ping(self, message: PingMessage) -> None:
        pong: Any = {"type": "pong"}
        if message.get("payload") is not None:
            pong["payload"] = message["payload"]
        await self.send_message(pong)

    def _expire(self) -> None:
        self._last_words = asyncio.create_task(self._close_expired())

    async def _close_expired(self) -> None:
        for operation_id in list(self.operations):
            await self.cleanup_operation(operation_id)
        await self.websocket.close(FORBIDDEN, "Forbidden")


class WithoutDisconnects(logging.Filter):
    """A caller who goes away in the middle of an answer is no fault."""

    def filter(self, record: logging.LogRecord) -> bool:
        return not (record.exc_info and isinstance(record.exc_info[1], WebSocketDisconnected))


def _sendable(message: Mapping[str, Any]) -> Mapping[str, Any]:
    """The message, and in it what many watchers are told as it was encoded for the first; the id is each one's own."""
    if message["type"] != "next":
        return message
    payload = message["payload"]
    return {**message, "payload": {**payload, "data": sendable(payload["data"])}}


def _is_same(one: str, other: object) -> bool:
    return isinstance(other, str) and hmac.compare_digest(one.encode(), other.encode())


def _flaw(message: object) -> str | None:
    """What is wrong with the form of a message; ``None`` when nothing is."""
    if not isinstance(message, dict) or not isinstance(message.get("type"), str):
        return "A message is an object with a type"
    kind, payload = message["type"], message.get("payload")
    if kind not in _FORMS:
        return f"Unknown message type: {kind}"
    if kind in {"subscribe", "complete"}:
        key = message.get("id")
        if not isinstance(key, str) or not 0 < len(key) <= _ID_LENGTH_MAX:
            return f"The id is a text of 1 to {_ID_LENGTH_MAX} characters"
    if not isinstance(payload, dict | None) or (kind == "subscribe" and payload is None):
        return "The payload is an object"
    if kind == "subscribe" and not isinstance((payload or {}).get("query"), str):
        return "The query is a string"
    wrong = [name for name, form in _FORMS[kind].items() if not isinstance((payload or {}).get(name), form | None)]
    return f"Invalid {wrong[0]}" if wrong else None
