"""The GraphQL endpoint: one path for requests, event streams and sockets."""

from __future__ import annotations

import logging
from datetime import timedelta

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.websockets import WebSocket
from strawberry.asgi import GraphQL
from strawberry.exceptions import ConnectionRejectionError
from strawberry.subscriptions import GRAPHQL_TRANSPORT_WS_PROTOCOL
from strawberry.types.unset import UNSET, UnsetType

from domain.errors import ErrorCode, Refusal
from resolvers.live import LIVE
from server.answers import Answers
from server.graphql_http import answer
from server.graphql_page import page_of
from server.graphql_socket import SocketAdapter, SocketAsker, SocketHandler, WithoutDisconnects, WithoutGarbage
from server.graphql_terms import api_of
from server.open_streams import OpenStreams
from server.settings import Settings

INIT_SECONDS = 5
#: with these nobody is refused for good
_LATER = (ErrorCode.RATE_LIMIT_EXCEEDED, ErrorCode.SERVICE_UNAVAILABLE)
_WITHOUT_DISCONNECTS, _WITHOUT_GARBAGE = WithoutDisconnects(), WithoutGarbage()
_log = logging.getLogger(__name__)


def graphql_endpoint(settings: Settings, answers: Answers) -> ASGIApp:
    """The ASGI application for ``/graphql``. Mount it as a route and as a WebSocket route."""
    logging.getLogger("strawberry.ws.task").addFilter(_WITHOUT_DISCONNECTS)
    logging.getLogger("uvicorn.error").addFilter(_WITHOUT_GARBAGE)
    return Endpoint(settings, answers)


class Endpoint(GraphQL[SocketAsker, None]):
    """Requests are answered by us; sockets are Strawberry's, with what :mod:`server.graphql_socket` mends."""

    websocket_adapter_class = SocketAdapter
    graphql_transport_ws_handler_class = SocketHandler

    def __init__(self, settings: Settings, answers: Answers) -> None:
        self._api = api_of(settings)
        self._answers = answers
        super().__init__(
            self._api,
            graphql_ide=None,
            subscription_protocols=(GRAPHQL_TRANSPORT_WS_PROTOCOL,),
            connection_init_wait_timeout=timedelta(seconds=INIT_SECONDS),
            max_subscriptions_per_connection=None,  # the handler's own limit has a code
        )
        self._settings = settings
        self._streams = OpenStreams(settings.limits)
        self._page = page_of(settings)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            with LIVE.socket():
                await self.run(WebSocket(scope, receive=receive, send=send))
            return
        asked = Request(scope, receive)
        response = await answer(asked, self._api, self._streams, page=self._page, answers=self._answers)
        await response(scope, receive, send)

    async def get_context(
        self,
        request: Request | WebSocket,
        response: Response | WebSocket,  # noqa: ARG002 - the library's signature
    ) -> SocketAsker:
        if not isinstance(request, WebSocket):
            raise TypeError("only sockets come this way")
        return SocketAsker(request, self._streams)

    async def on_ws_connect(self, context: SocketAsker) -> UnsetType:
        no_payload: UnsetType = UNSET
        try:
            await context.admit()
        except Refusal as refusal:
            if refusal.code in _LATER:
                await context.turn_away(refusal)
            raise ConnectionRejectionError from refusal
        except ConnectionRejectionError:
            raise
        except Exception as bug:
            # anything else would tear the socket without a close frame
            _log.exception("a socket could not be admitted")
            raise ConnectionRejectionError from bug
        return no_payload

    def is_websocket_origin_allowed(
        self,
        request: WebSocket,  # noqa: ARG002 - the library's signature
        origin: str,
    ) -> bool:
        return self._settings.allows_origin(origin)
