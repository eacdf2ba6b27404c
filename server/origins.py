"""Which web pages may call: CORS as browsers ask for it, never where cookies count (decisions section 9.5, R40).

WebSocket handshakes are no matter of CORS; :mod:`server.graphql` holds them to the same list.
"""

from __future__ import annotations

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from rest_compat import dialect_of
from server.settings import Settings

METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE")
SENT_BY_PAGES = (
    "Authorization",
    "Content-Type",
    "X-Tenant-Id",
    "Idempotency-Key",
    "Prefer",
    "Last-Event-ID",
    "GraphQL-Require-Preflight",
)
SHOWN_TO_PAGES = ("Location", "Retry-After", "Content-Disposition", "ETag", "X-Request-Id")
#: seconds a browser may remember what it was allowed
_REMEMBERED = 600


class KnownPages:
    """Lets pages of known origins read every answer, errors too; to all others CORS is never mentioned."""

    def __init__(self, app: ASGIApp, *, settings: Settings) -> None:
        self._app = app
        self._settings = settings

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not dialect_of(scope["path"]).is_for_other_origins:
            await self._app(scope, receive, send)
            return
        asked = Headers(scope=scope)
        origin = asked.get("origin", "")
        is_known = self._settings.allows_origin(origin)
        if is_known and scope["method"] == "OPTIONS" and "access-control-request-method" in asked:
            await _preflight(origin)(scope, receive, send)
            return

        async def send_marked(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.add_vary_header("Origin")
                if is_known:
                    headers["access-control-allow-origin"] = origin
                    headers["access-control-expose-headers"] = ", ".join(SHOWN_TO_PAGES)
            await send(message)

        await self._app(scope, receive, send_marked)


def _preflight(origin: str) -> Response:
    """What a page may do; it asks before it shows a token, so none is demanded."""
    return Response(
        status_code=204,
        headers={
            "access-control-allow-origin": origin,
            "access-control-allow-methods": ", ".join(METHODS),
            "access-control-allow-headers": ", ".join(SENT_BY_PAGES),
            "access-control-max-age": str(_REMEMBERED),
            "vary": "Origin",
        },
    )
