"""GraphQL over WebSocket: ``graphql-transport-ws``, kept to the letter (design: graphql, section 4; decisions R37).

A message that is none of the protocol ends the socket with 4400, as the protocol orders, unless operations go on there:
no slip in one message is the end of the others. Then it is passed over, and answered with an ``error`` where it names
an operation of its own. An operation that is refused, whatever the reason, always gets its ``error``.

Who may come only later is closed with 1013, "try again later": clients take the codes above 4000 for their own fault,
and 4429 for another one, so they would never come back.
"""

from __future__ import annotations

import asyncio
import hmac
import json
import logging
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, cast

import orjson
from graphql import GraphQLError
from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState
from strawberry.asgi import ASGIWebSocketAdapter
from strawberry.exceptions import ConnectionRejectionError
from strawberry.http.exceptions import WebSocketDisconnected
from strawberry.subscriptions.protocols.graphql_transport_ws.handlers import BaseGraphQLTransportWSHandler, Operation
from strawberry.subscriptions.protocols.graphql_transport_ws.types import (
    ConnectionInitMessage,
    ErrorMessage,
    Message,
    PingMessage,
    SubscribeMessage,
)
from strawberry.types.graphql import OperationType

from domain import strict_json
from domain.access import Caller
from domain.errors import ErrorCode, Refusal, refuse
from resolvers.context import Asker
from resolvers.refusals import formatted
from resolvers.sharing import Told
from server.graphql_asking import PARAMETERS, question_in, tenant_header
from server.open_streams import OpenStreams, Place

TRY_AGAIN, INVALID, FORBIDDEN = 1013, 4400, 4403
#: a close frame holds 125 bytes, two of them the code
_REASON_BYTES_MAX = 123
_ID_LENGTH_MAX = 128
_FORMS: Mapping[str, Mapping[str, type]] = {
    "connection_init": {},
    "ping": {},
    "pong": {},
    "subscribe": PARAMETERS,
    "complete": {},
}


@dataclass(frozen=True, slots=True)
class Unreadable:
    """What came was no strict JSON; ``key`` is the id of the operation that it begins, as far as can be seen."""

    flaw: str
    key: str | None = None


class SocketAsker(Asker):
    """An asker who is known only after ``connection_init``."""

    def __init__(self, socket: WebSocket, streams: OpenStreams) -> None:
        self.services = socket.state.services
        self.tenant_header = None
        self.socket = socket
        self.connection_params: Mapping[str, object] = {}
        self._streams = streams
        self._place: Place | None = None

    async def admit(self) -> None:
        """Find out who asks, and whether there is room. Raises a refusal, or ``ConnectionRejectionError``."""
        named = [value for key, value in self.connection_params.items() if key.lower() == "authorization"]
        in_header = self.socket.headers.get("authorization")
        tokens = [*named, *([in_header] if in_header is not None else [])]
        if not named or not all(isinstance(token, str) and _is_same(token, named[0]) for token in tokens):
            raise ConnectionRejectionError
        self.caller: Caller = await self.socket.state.authenticate(named[0])
        self.tenant_header = tenant_header(self.socket.headers, self.caller)
        self._place = self._streams.enter(self.caller, self.tenant_header)

    def leave(self) -> None:
        """Make room for others."""
        if self._place is not None:
            self._place.leave()

    async def turn_away(self, refusal: Refusal) -> None:
        """End the socket of one who may come later."""
        await self.socket.close(TRY_AGAIN, _short(refusal.message))

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
            # hundreds of short messages come in one piece, and none waits for anything: others' turns come between
            await asyncio.sleep(0)
            try:
                message = await self.ws.receive()
                self.ws._raise_on_disconnect(message)  # noqa: SLF001 - what its own readers do
            except WebSocketDisconnect:
                return
            text = message.get("text")
            if text is None:
                yield Unreadable("A message is text")
                continue
            try:
                yield strict_json.read(text.encode())
            except (strict_json.NotStrict, UnicodeEncodeError):
                yield Unreadable("A message is strict JSON", _glimpsed_id(text))

    async def send_json(self, message: Mapping[str, object]) -> None:
        if self.ws.application_state is WebSocketState.DISCONNECTED:
            raise WebSocketDisconnected
        try:
            await self.ws.send_text(_text(message))
        except WebSocketDisconnect as gone:
            raise WebSocketDisconnected from gone

    async def close(self, code: int, reason: str) -> None:
        if self.ws.application_state is not WebSocketState.DISCONNECTED:
            await self.ws.close(code, _short(reason))


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
        try:
            await super().shutdown()
        finally:
            self.context.leave()

    async def handle_message(self, message: Message) -> None:
        flaw = _flaw(message)
        if flaw is None:
            await super().handle_message(message)
        elif not self.operations:
            await self.websocket.close(INVALID, flaw)
        elif (key := _own_id(message)) is not None and key not in self.operations:
            await self._refuse(key, refuse(ErrorCode.BAD_USER_INPUT, f"{flaw}."))

    async def handle_subscribe(self, message: SubscribeMessage) -> None:
        if self.connection_acknowledged and message["id"] not in self.operations:
            try:
                self._demand_room()
                question = question_in(message["payload"], frozenset(OperationType), "the payload")
            except Refusal as refusal:
                await self._refuse(message["id"], refusal)
                return
            # a trusted document is asked by its name: our schema takes that too
            message["payload"]["query"] = cast("str", question.query)
        await super().handle_subscribe(message)

    async def run_operation(self, operation: Operation[SocketAsker, None]) -> None:
        # of many that come at once, one begins at each turn of the loop: others' turns come between
        async with self._beginning:
            await asyncio.sleep(0)
        await super().run_operation(operation)

    @cached_property
    def _beginning(self) -> asyncio.Lock:
        return asyncio.Lock()

    def _demand_room(self) -> None:
        most = self.context.services.installation.limits.operations_per_socket
        if len(self.operations) >= most:
            raise refuse(ErrorCode.RATE_LIMIT_EXCEEDED, f"{most} operations go on on this socket already. End some.")

    async def _refuse(self, key: str, refusal: Refusal) -> None:
        message: ErrorMessage = {"id": key, "type": "error", "payload": formatted([refusal])}
        await self.send_message(message)

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


class WithoutGarbage(logging.Filter):
    """A caller whose text is no UTF-8 is closed with 1007, which uvicorn tells with a traceback each time."""

    def filter(self, record: logging.LogRecord) -> bool:
        return not (record.exc_info and record.msg == "Invalid UTF-8 sequence received from client.")


def _text(message: Mapping[str, Any]) -> str:
    """The message as JSON, and in it what many watchers are told as it was encoded for the first."""
    payload: Any = message.get("payload")
    if message["type"] == "next" and len(payload) == 1 and isinstance(told := payload["data"], Told):
        # only the id is each one's own
        return f'{{"type":"next","id":{orjson.dumps(message["id"]).decode()},"payload":{{"data":{told.text}}}}}'
    return orjson.dumps(message).decode()


def _is_same(one: str, other: object) -> bool:
    return isinstance(other, str) and hmac.compare_digest(one.encode(), other.encode())


def _short(reason: str) -> str:
    return reason.encode()[:_REASON_BYTES_MAX].decode(errors="ignore")


def _own_id(message: object) -> str | None:
    """The id of the operation that a message, bad as it is, asks to begin."""
    if isinstance(message, Unreadable):
        return message.key
    if isinstance(message, dict) and message.get("type") == "subscribe":
        key = message.get("id")
        return key if isinstance(key, str) and key else None
    return None


def _glimpsed_id(text: str) -> str | None:
    """The same of a text that is no strict JSON, but JSON to a laxer reader."""
    try:
        key = _own_id(json.loads(text))
    except (ValueError, RecursionError):
        return None
    return key if key and key.isascii() else None


def _flaw(message: object) -> str | None:
    """What is wrong with the form of a message; ``None`` when nothing is."""
    if isinstance(message, Unreadable):
        return message.flaw
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
    wrong = [name for name, form in _FORMS[kind].items() if not isinstance((payload or {}).get(name), form | None)]
    return f"Invalid {wrong[0]}" if wrong else None
